package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/providers"
)

// The bank numbers a transfer otherwise in its statement than it told the notifier, or not at all, and puts words around it: the line confirms,
// it never adds.
func TestTheStatementConfirmsHoweverTheBankNumbersIt(t *testing.T) {
	for name, c := range map[string]struct{ told, line, words string }{
		"two numbers":                            {"MBVCB.3278907687", "FT26064000001", ""},
		"no number in the statement":             {"FT1", "", ""},
		"no number there, and words around it":   {"FT1", "", "MBVCB.3278907687.%s.CT tu 0011 toi"},
		"no number at the notifier, words there": {"", "FT1", "MBVCB.3278907687.%s.CT tu 0011 toi"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			o := s.order(1, 60000)
			p := s.show(o.ID)
			s.told(bankA, s.wire("a1", c.told, p.ProviderReference, 60000))
			l := s.wire("statement:x#1", c.line, p.ProviderReference, 60000)
			l.Transfer.DayOnly, l.Payer = true, nil
			if c.words != "" {
				l.Transfer.Content = fmt.Sprintf(c.words, p.ProviderReference)
			}
			y, m, d := l.PaidAt.Date()
			l.PaidAt = time.Date(y, m, d, 12, 0, 0, 0, l.PaidAt.Location())
			if _, err := s.g.RecordStatementLine(t.Context(), bankA, l); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.transfers(o.ID)); got != "[succeeded 60000+0]" {
				t.Errorf("%s", got)
			}
		})
	}
}

// One business at a notifier watches several agencies' accounts, and the wrong endpoint hears first: its word credits nobody and keeps nobody
// else's from it.
func TestANotifierOfAnotherAccountTellsFirst(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 60000)
	p := s.show(o.ID)
	s.told(bankC, s.wire("c1", "FT1", p.ProviderReference, 60000))
	if v := s.get(o.ID); v.Status != gateway.OrderOpen {
		t.Errorf("credited by another account's notifier: %s", v.Status)
	}
	s.told(bankA, s.wire("a1", "FT1", p.ProviderReference, 60000))
	if got := fmt.Sprint(s.transfers(o.ID)); got != "[succeeded 60000+0]" {
		t.Errorf("told by its own notifier: %s", got)
	}
}

// Two refunds of one payment wait for a list: one goes with this list, the other with the next.
func TestTwoRefundsOfOnePaymentGoWithTwoLists(t *testing.T) {
	s := newStreet(t)
	s.people("hoa", "tam")
	p := s.pay(s.order(1, 50000).ID, gateway.NewPayment{Provider: "handmade"})
	s.say("acc_handmade", p.ProviderReference, gateway.SourceCallback, providers.Succeeded, 50000)
	first, second := s.refund(p.ID, 20000), gateway.RefundView{}
	s.approve(first.ID)
	second = s.refund(p.ID, 10000)
	s.approve(second.ID)
	in := gateway.NewRefundList{AgencyCode: "H10.12"}
	for i, want := range []int64{20000, 10000} {
		a, err := s.g.CreateRefundList(t.Context(), person("hoa"), s.key(in), in)
		if err != nil {
			t.Fatal(err)
		}
		l := decode[gateway.RefundList](t, a.Body)
		if l.Count != 1 || int64(l.Amount) != want {
			t.Errorf("list %d: %+v", i, l)
		}
		id := []string{first.ID, second.ID}[i]
		at := s.world.Now()
		if _, err := s.g.ConfirmRefund(t.Context(), person("tam"), id, gateway.NewConfirmation{BankReference: fmt.Sprint("FT", i), PaidAt: &at}); err != nil {
			t.Fatal(err)
		}
	}
}

// people are persons that the database knows too.
func (s *street) people(names ...string) {
	s.t.Helper()
	for _, u := range names {
		if _, err := s.db.ExecContext(s.t.Context(), `INSERT INTO users (id, name, password_hash, roles, created_at) VALUES ($1, $1, 'x', '{finance}', $2) ON CONFLICT DO NOTHING`, person(u).Actor, s.world.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
}
