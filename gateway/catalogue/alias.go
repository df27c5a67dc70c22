package catalogue

import (
	"cmp"
	"slices"
)

// alias is a standing alias as the database has it.
type alias struct {
	ID  int64
	Row AliasRow
}

// aliasWrites is what an alias section has the database do.
type aliasWrites struct {
	withdrawn []int64
	adds      []AliasRow
}

// planAliases lays a document's aliases over the standing ones. One that says otherwise than a standing one of the same day withdraws it:
// what was said stays readable, as of the time when it was said.
func planAliases(f *faults, section string, have []alias, want []AliasRow, known map[string]bool) (SectionOutcome, aliasWrites) {
	out, todo := SectionOutcome{Section: section, Items: []Change{}}, aliasWrites{}
	type place struct{ code, since string }
	standing, seen := map[place]alias{}, map[place]int{}
	for _, h := range have {
		standing[place{h.Row.OldCode, h.Row.Since}] = h
	}
	for i, w := range want {
		a, p := at{f, section, i}, place{w.OldCode, w.Since}
		if other, twice := seen[p]; twice {
			a.bad("since", "stands in %s[%d] too", section, other)
			continue
		}
		seen[p] = i
		for field, code := range map[string]string{"old_code": w.OldCode, "new_code": w.NewCode} {
			if !known[code] {
				a.bad(field, "is not in the catalogue")
			}
		}
		had, stands := standing[p]
		gone := w
		w.Withdrawn = false
		switch {
		case gone.Withdrawn && !stands:
			out.Same++
		case gone.Withdrawn:
			out.note(Ended, w.OldCode, i, had.Row, gone)
			todo.withdrawn = append(todo.withdrawn, had.ID)
			delete(standing, p)
		case stands && had.Row == w:
			out.Same++
		default:
			if stands {
				out.note(Ended, w.OldCode, -1, had.Row, had.Row)
				todo.withdrawn = append(todo.withdrawn, had.ID)
			}
			out.note(Added, w.OldCode, i, nil, w)
			todo.adds = append(todo.adds, w)
			standing[p] = alias{Row: w}
		}
	}
	all, days := []AliasRow{}, []string{}
	for _, s := range standing {
		all, days = append(all, s.Row), append(days, s.Row.Since)
	}
	slices.SortFunc(all, func(a, b AliasRow) int { return cmp.Compare(a.Since, b.Since) })
	slices.Sort(days)
	for _, day := range slices.Compact(days) {
		steps := map[string]string{}
		for _, r := range all { // the newest of a code counts
			if r.Since <= day {
				steps[r.OldCode] = r.NewCode
			}
		}
		for i, w := range want {
			code, ok := steps[w.OldCode]
			for n := 0; ok && n <= len(steps); n++ {
				if code == w.OldCode {
					at{f, section, i}.bad("new_code", "leads back to old_code on %s", day)
					break
				}
				code, ok = steps[code]
			}
		}
		if len(*f) > 0 {
			return out, todo
		}
	}
	return out, todo
}
