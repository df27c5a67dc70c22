package reconciliation_test

import (
	"os"
	"strings"
	"testing"

	"feegate/migrations/dbtest"
	"feegate/reconciliation"
)

// TestEveryKindHasItsPage holds the documentation to the closed list of kinds, to what the program allows, and to the terms in the database.
func TestEveryKindHasItsPage(t *testing.T) {
	written, err := os.ReadFile("../docs/discrepancies.md")
	if err != nil || string(written) != reconciliation.Document() {
		t.Errorf("docs/discrepancies.md (%v) must be:\n%s", err, reconciliation.Document())
	}
	db := dbtest.New(t)
	guides := reconciliation.Guides()
	if len(guides) != len(reconciliation.Kinds()) {
		t.Errorf("%d guides of %d kinds", len(guides), len(reconciliation.Kinds()))
	}
	for i, kind := range reconciliation.Kinds() {
		if i >= len(guides) || guides[i].Kind != kind {
			t.Fatalf("the guide to %s is missing or out of order", kind)
		}
		g := guides[i]
		if n := strings.Count(string(written), "\n## "+kind+"\n"); n != 1 {
			t.Errorf("%s has %d sections", kind, n)
		}
		for _, said := range []string{g.Name, g.English, g.Means, g.MeansEN, g.Usual, g.UsualEN, g.Effect, g.Bank} {
			if said == "" || !strings.Contains(string(written), said) {
				t.Errorf("%s: something is not said: %q", kind, said)
			}
		}
		var days int
		if err := db.GetContext(t.Context(), &days, `SELECT working_days FROM discrepancy_terms WHERE kind = $1`, kind); err != nil || days != g.Days {
			t.Errorf("%s is due in %d days, said to be %d: %v", kind, days, g.Days, err)
		}
		if len(reconciliation.Actions(kind)) < 2 {
			t.Errorf("nothing can be done about %s", kind)
		}
	}
}
