package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"feegate/gateway/catalogue"
	"feegate/gateway/vnd"
	"feegate/migrations/dbtest"
)

var day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func day(n int) string { return day0.AddDate(0, 0, n).Format(time.DateOnly) }

func open(t *testing.T) *sqlx.DB {
	t.Helper()
	db := dbtest.New(t)
	for _, q := range []string{`INSERT INTO fields (code, name) VALUES ('F', 'Lĩnh vực')`, `INSERT INTO agencies (code, name) VALUES ('A', 'Xã A'), ('B', 'Xã B')`, `INSERT INTO procedures (code, name, field_code) VALUES ('P', 'Thủ tục', 'F')`} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// interval draws [from, to); to -1 has no end.
func interval(t *rapid.T) (from, to int) {
	from = rapid.IntRange(0, 12).Draw(t, "from")
	if rapid.Bool().Draw(t, "open") {
		return from, -1
	}
	return from, from + rapid.IntRange(1, 6).Draw(t, "days")
}

func end(to int) any {
	if to < 0 {
		return nil
	}
	return day(to)
}

// TestTheDatabaseRefusesWhatOverlaps inserts rows straight into the tables: two of one key never hold on one day.
func TestTheDatabaseRefusesWhatOverlaps(t *testing.T) {
	db := open(t)
	type row struct {
		key      string
		from, to int
	}
	overlap := func(a, b row) bool {
		return a.key == b.key && (a.to < 0 || b.from < a.to) && (b.to < 0 || a.from < b.to)
	}
	rapid.Check(t, func(t *rapid.T) {
		tx, err := db.BeginTxx(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		var stand []row
		for range rapid.IntRange(2, 8).Draw(t, "rows") {
			from, to := interval(t)
			fee, mode := rapid.SampledFrom([]string{"X", "Y"}).Draw(t, "fee"), rapid.SampledFrom([]string{"any", "online"}).Draw(t, "mode")
			var agency any
			if a := rapid.SampledFrom([]string{"", "A"}).Draw(t, "agency"); a != "" {
				agency = a
			}
			r := row{fmt.Sprint(fee, agency, mode), from, to}
			refused := false
			for _, s := range stand {
				refused = refused || overlap(s, r)
			}
			if _, err := tx.Exec(`SAVEPOINT one`); err != nil {
				t.Fatal(err)
			}
			_, err := tx.Exec(`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount, agency_code, filing_mode, valid_from, valid_to) VALUES ($1, 'P', 'Phí', 'phi', 1, $2, $3, $4, $5)`, fee, agency, mode, day(from), end(to))
			if (err != nil) != refused {
				t.Fatalf("%+v beside %+v: %v", r, stand, err)
			}
			if err == nil {
				stand = append(stand, r)
			} else if _, err := tx.Exec(`ROLLBACK TO SAVEPOINT one`); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestADocumentHoldsAfterItWasPut: whatever stood before, the rows of a document that is taken hold from their days on, a dry run said
// what it would do, and putting it again does nothing.
func TestADocumentHoldsAfterItWasPut(t *testing.T) {
	db := open(t)
	s, owner := catalogue.New(db), dbtest.Admin(t, db)
	ctx := t.Context()
	record := func(context.Context, sqlx.ExtContext, catalogue.SectionOutcome) error { return nil }
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		if _, err := owner.ExecContext(ctx, `DELETE FROM fee_schedules`); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "documents") {
			d := catalogue.Document{}
			for range rapid.IntRange(1, 4).Draw(t, "rows") {
				from, to := interval(t)
				amount := vnd.Amount(rapid.IntRange(1, 3).Draw(t, "amount") * 1000)
				r := catalogue.ScheduleRow{FeeCode: "X", ProcedureCode: "P", Name: "Phí", Kind: "phi", UnitAmount: &amount, ValidFrom: day(from), FilingMode: rapid.SampledFrom([]string{"any", "online"}).Draw(t, "mode")}
				if to >= 0 {
					r.ValidTo = day(to)
				}
				d.FeeSchedules = append(d.FeeSchedules, r)
			}
			would, err := s.Put(ctx, d, true, day0, record)
			if err != nil {
				var wrong *catalogue.InvalidError
				if !asInvalid(err, &wrong) || len(wrong.Fields) == 0 {
					t.Fatal(err)
				}
				continue // its rows contradict each other, or what stands
			}
			taken++
			did, err := s.Put(ctx, d, false, day0, record)
			if err != nil || did.Changes != would.Changes {
				t.Fatalf("%v: %+v, the dry run said %+v", err, did, would)
			}
			if again, err := s.Put(ctx, d, false, day0, record); err != nil || again.Changes != 0 {
				t.Fatalf("%v: again %+v", err, again)
			}
			for _, r := range d.FeeSchedules {
				fees, _, err := s.FeesOf(ctx, "P", "A", r.FilingMode, r.ValidFrom)
				if err != nil || fees["X"].UnitAmount == nil {
					t.Fatalf("%+v: %v %+v", r, err, fees)
				}
				if f := fees["X"]; f.FilingMode == r.FilingMode && (*f.UnitAmount != *r.UnitAmount || f.ValidFrom != r.ValidFrom) {
					t.Fatalf("%+v: %+v", r, f)
				}
			}
		}
	})
	if taken < 50 {
		t.Errorf("only %d documents were taken", taken)
	}
}

func asInvalid(err error, into **catalogue.InvalidError) bool { return errors.As(err, into) }
