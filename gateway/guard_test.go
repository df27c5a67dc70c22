package gateway

import (
	"errors"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/migrations/dbtest"
)

// Every change of a state names the state it goes from, and the database holds it to that: who decided on what stands no more writes
// nothing, whatever locks were taken before. The locks make this rare; the guard alone makes it impossible.
func TestAChangeFromAStateThatIsOverWritesNothing(t *testing.T) {
	db := dbtest.New(t)
	for _, q := range []string{
		`INSERT INTO source_systems (name) VALUES ('portal')`,
		`INSERT INTO clients (id, name, source_system, created_at) VALUES ('cli', 'Portal', 'portal', '2026-03-01')`,
		`INSERT INTO fields (code, name) VALUES ('ht', 'Hộ tịch')`, `INSERT INTO agencies (code, name) VALUES ('H10.12', 'UBND')`,
		`INSERT INTO procedures (code, name, field_code) VALUES ('1.1', 'Kết hôn', 'ht')`,
		`INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at)
			SELECT 'ord_' || i, 'cli', 'portal', 'live', 'R' || i, 'H10.12-260310-' || i, '1.1', 'H10.12', 'open', 50000, '{le_phi}', '2026-03-10', '2026-03-17' FROM generate_series(1, 2) i`,
		`INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live)
			SELECT 'ord_' || i, 1, 'portal', 'H10.12-260310-' || i, 'F', 'le_phi', 'x', 1, 50000, 50000, 50000, true FROM generate_series(1, 2) i`,
		`INSERT INTO payments (id, order_id, provider, provider_reference, status, mode, requested_amount, created_at) VALUES ('pay_1', 'ord_1', 'counter', 'P1', 'pending', 'live', 50000, '2026-03-10')`,
		`INSERT INTO payments (id, order_id, provider, provider_reference, status, mode, requested_amount, received_amount, reserved_amount, reserved_surplus, created_at, paid_at, recorded_at, channel)
			VALUES ('pay_2', 'ord_2', 'counter', 'P2', 'succeeded', 'live', 50000, 50000, 50000, 50000, '2026-03-10', '2026-03-10', '2026-03-10', 'cash_counter')`,
		`INSERT INTO refunds (id, payment_id, order_id, status, amount, surplus_part, allocated_part, reason, provider_reference, requested_by, requested_at)
			VALUES ('rfd_1', 'pay_2', 'ord_2', 'requested', 50000, 50000, 0, 'x', 'F1', 'mai', '2026-03-10')`,
		`INSERT INTO surplus_applications (id, payment_id, order_id, amount, status, note, proposed_by, proposed_at) VALUES ('sap_1', 'pay_2', 'ord_1', 1, 'proposed', '', 'mai', '2026-03-10')`,
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	now, lan, nam := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC), "lan", "nam"
	order := func(to string, live bool) *effects {
		return &effects{orderChanges: []orderChange{{orderRow{ID: "ord_1", Mode: "live", Status: to}, OrderOpen, live}}}
	}
	payment := func(to string) *effects {
		return &effects{paymentChanges: []paymentChange{{paymentRow{ID: "pay_1", Mode: "live", Status: to}, PaymentPending}}}
	}
	refund := func(to string, by *string) *effects {
		return &effects{refundChanges: []refundChange{{refundRow{ID: "rfd_1", Status: to, DecidedBy: by, DecidedAt: &now}, RefundRequested}}}
	}
	proposal := func(to string, by *string) *effects {
		return &effects{applicationChanges: []applicationChange{{applicationRow{ID: "sap_1", Status: to, DecidedBy: by, DecidedAt: &now}, ApplicationProposed}}}
	}
	for name, c := range map[string]struct {
		first, second *effects
		stands, want  string
	}{
		"order":    {order(OrderCancelled, false), order(OrderExpired, true), `SELECT status FROM orders WHERE id = 'ord_1'`, OrderCancelled},
		"payment":  {payment(PaymentFailed), payment(PaymentExpired), `SELECT status FROM payments WHERE id = 'pay_1'`, PaymentFailed},
		"refund":   {refund(RefundApproved, &lan), refund(RefundRejected, &nam), `SELECT status || ' ' || decided_by FROM refunds WHERE id = 'rfd_1'`, RefundApproved + " lan"},
		"proposal": {proposal(ApplicationRejected, &lan), proposal(ApplicationDone, &nam), `SELECT status || ' ' || decided_by FROM surplus_applications WHERE id = 'sap_1'`, ApplicationRejected + " lan"},
	} {
		t.Run(name, func(t *testing.T) {
			write := func(e *effects) error {
				return transact(t.Context(), db, func(tx *sqlx.Tx) error { return e.write(t.Context(), tx) })
			}
			if err := write(c.first); err != nil {
				t.Fatal(err)
			}
			// What was decided on the same state a moment before.
			if err := write(c.second); !errors.Is(err, errStale) || !IsStale(err) {
				t.Errorf("the later one said %v", err)
			}
			var got string
			if err := db.GetContext(t.Context(), &got, c.stands); err != nil || got != c.want {
				t.Errorf("%s stands (%v), want %s", got, err, c.want)
			}
			both := &effects{orderChanges: []orderChange{{orderRow{ID: "ord_2", Mode: "live", Status: OrderCancelled}, OrderOpen, false}}}
			both.add(c.second)
			if err := write(both); !errors.Is(err, errStale) { // a decision over several rows is all or none
				t.Errorf("beside another row: %v", err)
			}
			if err := db.GetContext(t.Context(), &got, `SELECT status FROM orders WHERE id = 'ord_2'`); err != nil || got != OrderOpen {
				t.Errorf("the other row is %s (%v)", got, err)
			}
		})
	}
}
