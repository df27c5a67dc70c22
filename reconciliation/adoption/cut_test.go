package adoption

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However agencies were merged and renamed, a report cut by who carries on has the figures of the report by the codes of filing, added up,
// and the same total; and who may see a successor sees what was filed before it.
func TestBothCutsAddUpToTheSame(t *testing.T) {
	x := newWorlds(t)
	merged := 0
	x.check(t, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		w, s := aWorld(d, prefix), d.span()
		w.write(t, x.owner, prefix, "live")
		type step struct {
			from, to, since string
			recorded        time.Time
		}
		agencies := []string{prefix + "1", prefix + "2", prefix + "3", prefix + "4"}
		if _, err := x.owner.ExecContext(t.Context(), `INSERT INTO agencies (code, name) VALUES ($1, 'A3'), ($2, 'A4')`, agencies[2], agencies[3]); err != nil {
			t.Fatal(err)
		}
		last := s.to.AddDate(0, 0, -1)
		var steps []step
		for i, from := range agencies[:3] { // to a later one: no ring
			if d.yes(70) {
				steps = append(steps, step{from, agencies[d.n(i+1, 3)], last.AddDate(0, 0, d.n(-9, 3)).Format(time.DateOnly), s.asOf.AddDate(0, 0, d.n(-30, 3))})
			}
		}
		heir := map[string]string{}
		for _, a := range agencies {
			heir[a] = a
		}
		for _, st := range steps {
			if _, err := x.owner.ExecContext(t.Context(), `INSERT INTO agency_aliases (old_code, new_code, since, recorded_at) VALUES ($1, $2, $3, $4)`, st.from, st.to, st.since, st.recorded); err != nil {
				t.Fatal(err)
			}
		}
		for range steps {
			for a, at := range heir {
				for _, st := range steps {
					if st.from == at && st.since <= last.Format(time.DateOnly) && !st.recorded.After(s.asOf) {
						heir[a] = st.to
					}
				}
			}
		}
		filed := counts(t, x.reporter, asked(prefix, "agency"), s)
		want := map[string]map[string]int64{}
		for group, figures := range filed {
			to := group
			if group != total {
				to = heir[group]
				if to != group {
					merged++
				}
			}
			if want[to] == nil {
				want[to] = map[string]int64{}
			}
			for name, n := range figures {
				want[to][name] += n
			}
		}
		q := asked(prefix, "agency")
		q.Cut, q.To = Current, last.Format(time.DateOnly)
		if err := x.reporter.divide(t.Context(), &q, s); err != nil {
			t.Fatal(err)
		}
		got := counts(t, x.reporter, q, s)
		if len(got) != len(want) {
			t.Fatalf("%v: groups %v, want %v", steps, got, want)
		}
		for group := range want {
			if !maps.Equal(got[group], plain(want[group])) {
				t.Fatalf("%v, %q: %v, want %v", steps, group, got[group], want[group])
			}
		}
		end := agencies[3] // whoever may see the last sees all that have come into it
		q = Question{GroupBy: "agency", Cut: Filed, To: q.To, Agencies: []string{end}}
		if err := x.reporter.divide(t.Context(), &q, s); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, st := range steps {
			all[st.from] = st.to
		}
		seen := counts(t, x.reporter, q, s)
		for group, figures := range filed {
			at := group
			for all[at] != "" {
				at = all[at]
			}
			if group != total && (at == end) != (seen[group] != nil) && len(figures) > 0 {
				t.Fatalf("%v: who may see %s and %q: %v", steps, end, group, seen[group])
			}
		}
	})
	if merged == 0 {
		t.Error("nothing was ever merged")
	}
}
