package account

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func approved(number string, from, decided time.Time) Beneficiary {
	return Beneficiary{ID: number, Payee: Payee{Number: number}, Status: BeneficiaryApproved, EffectiveAt: &from, DecidedAt: &decided}
}

func TestWhichBeneficiaryIsInForce(t *testing.T) {
	day := func(d, hour int) time.Time { return time.Date(2026, 3, d, hour, 0, 0, 0, vietnam) }
	waiting := Beneficiary{Payee: Payee{Number: "9"}, Status: BeneficiaryProposed}
	a := Account{Beneficiaries: []Beneficiary{waiting, approved("3", day(20, 0), day(12, 9)), approved("2", day(10, 9), day(10, 9)), approved("1", day(1, 0), day(1, 0))}}
	for at, want := range map[time.Time]string{day(1, 0): "1", day(10, 8): "1", day(10, 9): "2", day(19, 23): "2", day(20, 0): "3"} {
		a.settle(at)
		if a.Unapproved || a.BeneficiaryAccount != want {
			t.Errorf("%s: %q, want %s", at, a.BeneficiaryAccount, want)
		}
	}
	a.settle(day(1, 0).Add(-time.Second))
	if !a.Unapproved || a.BeneficiaryAccount != "9" || a.Valid("2026-03-10") { // the adapter can be made, nothing can be paid
		t.Errorf("before the first: %+v", a)
	}
	for _, c := range []struct {
		day, number string
		right       bool
	}{
		{"2026-03-09", "1", true}, {"2026-03-09", "2", false}, {"2026-03-10", "1", true}, {"2026-03-10", "2", true}, {"2026-03-10", "3", false},
		{"2026-03-20", "3", true}, {"2026-03-20", "2", false}, {"2026-02-20", "7", true}, {"2026-03-20", "9", false},
	} {
		if got := a.PaidRightly(c.day, c.number); got != c.right {
			t.Errorf("money of %s into %s: %v", c.day, c.number, got)
		}
	}
	none := Account{}
	if none.settle(day(1, 0)); !none.Unapproved || none.Valid("2026-03-10") {
		t.Error("without any it can be paid into")
	}
}

// A beneficiary is never in force before its time, never one that was not approved, and the order of the list does not matter.
func TestBeneficiariesInForceByProperty(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "n")
		var all []Beneficiary
		for i := range n {
			b := approved(string(rune('a'+i)), start.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "from"))*time.Hour), start.Add(time.Duration(i)*time.Minute))
			if rapid.IntRange(0, 3).Draw(t, "rejected") == 0 {
				b.Status, b.EffectiveAt = BeneficiaryRejected, nil
			}
			all = append(all, b)
		}
		now := start.Add(time.Duration(rapid.IntRange(-1, 60).Draw(t, "now")) * time.Hour)
		got := at(all, now)
		shuffled := rapid.Permutation(all).Draw(t, "order")
		again := at(shuffled, now)
		if (got == nil) != (again == nil) || got != nil && got.ID != again.ID {
			t.Fatalf("by another order: %v, %v", got, again)
		}
		for _, b := range all {
			possible := b.Status == BeneficiaryApproved && !b.EffectiveAt.After(now)
			if possible && got == nil || got != nil && b.ID == got.ID && !possible || possible && got.EffectiveAt.Before(*b.EffectiveAt) {
				t.Fatalf("%v of %v at %s", got, all, now)
			}
		}
	})
}
