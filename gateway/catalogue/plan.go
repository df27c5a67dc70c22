package catalogue

import (
	"cmp"
	"encoding/json"
	"slices"
)

// What happens to a row.
const (
	Added   = "added"
	Changed = "changed"
	Ended   = "ended"
)

// Change is one row that a document changes. Row is its place in the document, -1 for one that ends because another begins.
type Change struct {
	Action string          `json:"action"`
	Code   string          `json:"code"`
	Row    int             `json:"row"`
	Before json.RawMessage `json:"before"` // null: it is new
	After  json.RawMessage `json:"after"`
}

// SectionOutcome is what a document does to a section.
type SectionOutcome struct {
	Section string   `json:"section"`
	Added   int      `json:"added"`
	Changed int      `json:"changed"`
	Ended   int      `json:"ended"`
	Same    int      `json:"same"` // rows of the document that hold already
	Items   []Change `json:"items"`
}

func (s *SectionOutcome) note(action, code string, row int, before, after any) {
	c := Change{Action: action, Code: code, Row: row, Before: json.RawMessage("null"), After: json.RawMessage(said(after))}
	if before != nil {
		c.Before = json.RawMessage(said(before))
	}
	switch action {
	case Added:
		s.Added++
	case Changed:
		s.Changed++
	case Ended:
		s.Ended++
	}
	s.Items = append(s.Items, c)
}

// Outcome is what a document does, or, for a dry run, would do.
type Outcome struct {
	DryRun   bool             `json:"dry_run"`
	Changes  int              `json:"changes"`
	Sections []SectionOutcome `json:"sections"`
}

// dated is a row that holds on [from, to); rows of one key never overlap.
type dated[T any] interface {
	key() string
	code() string
	span() (from, to string)
	with(from, to string) T
}

func (r versionRow) key() string            { return r.ProcedureCode }
func (r versionRow) code() string           { return r.ProcedureCode }
func (r versionRow) span() (string, string) { return r.ValidFrom, r.ValidTo }
func (r versionRow) with(from, to string) versionRow {
	r.ValidFrom, r.ValidTo = from, to
	return r
}

func (r ScheduleRow) key() string {
	agency := ""
	if r.AgencyCode != nil {
		agency = *r.AgencyCode
	}
	return r.FeeCode + "\x1f" + agency + "\x1f" + r.FilingMode
}
func (r ScheduleRow) code() string           { return r.FeeCode }
func (r ScheduleRow) span() (string, string) { return r.ValidFrom, r.ValidTo }
func (r ScheduleRow) with(from, to string) ScheduleRow {
	r.ValidFrom, r.ValidTo = from, to
	return r
}

func (r PilotRow) key() string            { return r.FeeCode }
func (r PilotRow) code() string           { return r.FeeCode }
func (r PilotRow) span() (string, string) { return r.ValidFrom, r.ValidTo }
func (r PilotRow) with(from, to string) PilotRow {
	r.ValidFrom, r.ValidTo = from, to
	return r
}

func (r GroupRow) key() string            { return r.Code }
func (r GroupRow) code() string           { return r.Code }
func (r GroupRow) span() (string, string) { return r.ValidFrom, r.ValidTo }
func (r GroupRow) with(from, to string) GroupRow {
	r.ValidFrom, r.ValidTo = from, to
	return r
}

// stored is a row as the database has it. Used: orders were priced by it.
type stored[T any] struct {
	ID   int64
	Used bool
	Row  T
}

// slot is a row as it is to stand.
type slot[T dated[T]] struct {
	id       int64
	used     bool
	was      *T
	row      T
	doc      int  // its place in the document, -1: not in it
	fixedEnd bool // the document says when it ends
}

// writes is what a section's plan has the database do: what ends, then what ends later than it did, what is rewritten, what is new.
type writes[T any] struct {
	ends, later, rewrites []kept[T]
	adds                  []T
}

// kept is a stored row as it is to be.
type kept[T any] struct {
	ID  int64 `json:"id"`
	Row T     `json:"row"`
}

// planDated lays a document's rows over the stored ones. A row that begins where one stands says how that one is to be; one that begins
// later closes it and opens another. An absent end leaves the end as it is.
func planDated[T dated[T]](f *faults, section string, have []stored[T], want []T) (SectionOutcome, writes[T]) {
	out, todo := SectionOutcome{Section: section, Items: []Change{}}, writes[T]{}
	line := map[string][]*slot[T]{}
	touched := map[string]bool{}
	for _, r := range want {
		touched[r.key()] = true
	}
	for i := range have {
		if h := have[i]; touched[h.Row.key()] {
			line[h.Row.key()] = append(line[h.Row.key()], &slot[T]{id: h.ID, used: h.Used, was: &h.Row, row: h.Row, doc: -1})
		}
	}
	order := make([]int, len(want))
	for i := range order {
		order[i] = i
	}
	begin := func(r T) string { from, _ := r.span(); return from }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(begin(want[a]), begin(want[b])) })
	for _, i := range order {
		a := at{f, section, i}
		line[want[i].key()] = lay(a, line[want[i].key()], want[i])
	}
	keys := make([]string, 0, len(line))
	for k := range line {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, s := range line[k] {
			s.settle(&out, &todo)
		}
	}
	return out, todo
}

// lay puts a wanted row into its line.
func lay[T dated[T]](a at, line []*slot[T], w T) []*slot[T] {
	from, to := w.span()
	var same, cover, next *slot[T]
	for _, s := range line {
		begins, ends := s.row.span()
		switch {
		case begins == from:
			same = s
		case begins < from && (ends == "" || ends > from):
			cover = s
		case begins > from && (next == nil || begins < first(next.row.span())):
			next = s
		}
	}
	if same != nil && same.doc >= 0 {
		a.bad("valid_from", "%s[%d] is of the same and begins on the same day", a.section, same.doc)
		return line
	}
	if next != nil && to != "" && to > first(next.row.span()) {
		a.bad("valid_to", "overlaps the row that begins on %s", first(next.row.span()))
		return line
	}
	if same != nil {
		had, end := same.row.span()
		if said(same.row.with("", "")) != said(w.with("", "")) {
			if same.used {
				a.bad("valid_from", "orders were priced by the row that begins on %s: it is not rewritten; give a later day", had)
				return line
			}
		}
		same.doc, same.fixedEnd = a.row, to != ""
		if to == "" {
			to = end
		}
		same.row = w.with(from, to)
		return line
	}
	if cover != nil {
		begins, _ := cover.row.span()
		if cover.doc >= 0 && cover.fixedEnd {
			at{a.f, a.section, cover.doc}.bad("valid_to", "overlaps %s[%d], which begins on %s", a.section, a.row, from)
			return line
		}
		cover.row = cover.row.with(begins, from)
	}
	fixed := to != ""
	if to == "" && next != nil {
		to = first(next.row.span())
	}
	return append(line, &slot[T]{row: w.with(from, to), doc: a.row, fixedEnd: fixed})
}

func first(from, _ string) string { return from }

// settle notes what becomes of a row.
func (s *slot[T]) settle(out *SectionOutcome, todo *writes[T]) {
	if s.was == nil {
		out.note(Added, s.row.code(), s.doc, nil, s.row)
		todo.adds = append(todo.adds, s.row)
		return
	}
	before, after := said(*s.was), said(s.row)
	if before == after {
		if s.doc >= 0 {
			out.Same++
		}
		return
	}
	_, had := (*s.was).span()
	_, has := s.row.span()
	same := said((*s.was).with("", "")) == said(s.row.with("", ""))
	if same && has != "" && (had == "" || has < had) {
		out.note(Ended, s.row.code(), s.doc, *s.was, s.row)
		todo.ends = append(todo.ends, kept[T]{s.id, s.row})
		return
	}
	out.note(Changed, s.row.code(), s.doc, *s.was, s.row)
	if same {
		todo.later = append(todo.later, kept[T]{s.id, s.row})
		return
	}
	todo.rewrites = append(todo.rewrites, kept[T]{s.id, s.row})
}

// planSimple lays rows over stored ones that have no dates of their own; merged fills what a row does not say.
func planSimple[T any](f *faults, section string, have map[string]T, want []T, code func(T) string, merged func(had *T, row T) T, ended func(had, row T) bool) (SectionOutcome, []T) {
	out, todo := SectionOutcome{Section: section, Items: []Change{}}, []T{}
	seen := map[string]int{}
	for i, w := range want {
		c := code(w)
		if other, twice := seen[c]; twice {
			at{f, section, i}.bad("code", "stands in %s[%d] too", section, other)
			continue
		}
		seen[c] = i
		had, known := have[c]
		if !known {
			row := merged(nil, w)
			out.note(Added, c, i, nil, row)
			todo = append(todo, row)
			continue
		}
		row := merged(&had, w)
		if said(had) == said(row) {
			out.Same++
			continue
		}
		action := Changed
		if ended(had, row) {
			action = Ended
		}
		out.note(action, c, i, had, row)
		todo = append(todo, row)
	}
	return out, todo
}
