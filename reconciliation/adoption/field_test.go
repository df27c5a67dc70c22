package adoption

import (
	"testing"

	"pgregory.net/rapid"
)

// A procedure that moved to another field within a period counts in either for its own days: from the sums as from the rows.
func TestAProcedureThatMovedCountsInEitherField(t *testing.T) {
	x, folder := aggregated(t)
	for _, q := range []string{
		`INSERT INTO procedure_versions (procedure_code, name, field_code, valid_from, valid_to) VALUES ('p1', 'P1', 'f1', '2020-01-01', '2026-02-17'), ('p1', 'P1', 'f2', '2026-02-17', NULL),
			('p2', 'P2', 'f2', '2020-01-01', '2026-03-01'), ('p2', 'P2', 'f1', '2026-03-01', NULL)`,
	} {
		if _, err := x.owner.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	fields := map[string]bool{}
	x.check(t, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		aWorld(d, prefix).write(t, x.owner, prefix, "live")
		if d.yes(70) {
			if _, _, err := folder.fold(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s := d.span()
		s.asOf = epoch.AddDate(2, 0, 0)
		s.from, s.to = epoch.AddDate(0, 0, d.n(-5, 45)), epoch.AddDate(0, 0, d.n(46, 120))
		q := asked(prefix, "field")
		if d.yes(30) {
			q.Agencies = nil
		}
		x.bothWays(t, q, s)
		x.theSameList(t, d, q, s)
		for group := range counts(t, x.reporter, q, s) {
			fields[group] = true
		}
	})
	if !fields["f1"] || !fields["f2"] {
		t.Errorf("fields %v", fields)
	}
}
