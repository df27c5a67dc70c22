package gateway_test

import (
	"fmt"
	"sync"
	"testing"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// Many callers at once share a statement; one whom the database refuses must not fail the others, and each gets its own answer.
func TestOrdersWrittenTogetherKeepTheirOwnAnswers(t *testing.T) {
	s := newStreet(t)
	s.order(1, 50000) // holds the fee of dossier 0001 and the reference R1
	const n = 240
	type made struct {
		a   gateway.Answer
		err error
	}
	results := make([]made, n)
	var wg sync.WaitGroup
	for i := range n {
		in := newOrder(1000+i, 50000)
		k := gateway.Key{Principal: "cli_portal", Method: "POST", Path: "/v1/orders", Key: fmt.Sprint("k", i), BodyHash: []byte{1}}
		switch i % 12 {
		case 3:
			in.ProcedureCode = "9.999999"
		case 5:
			in.Reference = "R1"
		case 7:
			in.DossierCode = "H10.12-260310-0001"
		case 9: // the twin of the one before: same key and body
			in = newOrder(1000+i-1, 50000)
			k.Key = fmt.Sprint("k", i-1)
		case 11: // the same key, another body
			in = newOrder(1000+i, 50000)
			k.Key, k.BodyHash = fmt.Sprint("k", i-1), []byte{2}
		}
		wg.Go(func() {
			a, err := s.g.CreateOrder(t.Context(), s.caller, k, in)
			results[i] = made{a, err}
		})
	}
	wg.Wait()
	want := map[int]string{3: gateway.ProblemInvalid, 5: gateway.ProblemReferenceUsed, 7: gateway.ProblemFeeAlreadyOpen}
	for i, r := range results {
		name := gateway.ProblemName(r.err)
		switch i % 12 {
		case 3, 5, 7:
			if name != want[i%12] {
				t.Errorf("%d: %q %v, want %s", i, name, r.err, want[i%12])
			}
		case 9:
			if r.err != nil || string(r.a.Body) != string(results[i-1].a.Body) || r.a.Replayed == results[i-1].a.Replayed {
				t.Errorf("%d: twins: %v %v, replayed %v and %v", i, r.err, results[i-1].err, r.a.Replayed, results[i-1].a.Replayed)
			}
		case 10, 11: // one of the two bodies has the key, the other is told so
		default:
			if r.err != nil || r.a.Status != 201 {
				t.Errorf("%d: %v", i, r.err)
			}
		}
	}
	for i := 10; i < n; i += 12 {
		a, b := results[i], results[i+1]
		if (a.err == nil) == (b.err == nil) || gateway.ProblemName(a.err)+gateway.ProblemName(b.err) != gateway.ProblemKeyReused {
			t.Errorf("%d: one key, two bodies: %v, %v", i, a.err, b.err)
		}
	}
	var orders, events int
	if err := s.db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox WHERE type = 'order.created')`).Scan(&orders, &events); err != nil {
		t.Fatal(err)
	}
	if expected := 1 + n - n/12*5; orders != expected || events != expected {
		t.Errorf("%d orders, %d events, want %d", orders, events, expected)
	}
}

// Words about many payments at once, some of them about one order, some about none: each is judged as if it came alone.
func TestWordsHeardTogetherAreJudgedOneByOne(t *testing.T) {
	s := newStreet(t)
	const n = 40
	type attempt struct{ order, first, second string }
	attempts := make([]attempt, n)
	for i := range attempts {
		o := s.order(100+i, 60000)
		a := attempt{order: o.ID}
		for _, reference := range []*string{&a.first, &a.second} {
			in := gateway.NewPayment{Provider: "vnpay"}
			answer, err := s.g.StartPayment(t.Context(), s.caller, s.key(in), o.ID, in)
			if err != nil {
				t.Fatal(err)
			}
			*reference = decode[gateway.PaymentView](t, answer.Body).ProviderReference
		}
		attempts[i] = a
	}
	var wg sync.WaitGroup
	say := func(reference string, amount vnd.Amount, want ...providers.Verdict) {
		wg.Go(func() {
			v, err := s.g.Record(t.Context(), gateway.Word{AccountID: vnpayAccount, Source: gateway.SourceCallback, Raw: []byte(reference),
				Notice: providers.Notice{Reference: reference, Outcome: providers.Succeeded, Amount: amount, Code: "00", Transaction: "T" + reference}})
			for _, w := range want {
				if v == w && err == nil {
					return
				}
			}
			t.Errorf("%s: %s %v, want %v", reference, v, err, want)
		})
	}
	for i, a := range attempts {
		for range 3 { // the same word thrice: one records, two repeat
			say(a.first, 60000, providers.VerdictRecorded, providers.VerdictDuplicate)
		}
		say(a.second, 60000, providers.VerdictRecorded)
		say(fmt.Sprint("FGNOBODY", i), 60000, providers.VerdictUnknownPayment)
	}
	wg.Wait()
	for _, a := range attempts {
		v, err := s.g.Order(t.Context(), s.caller, a.order)
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != gateway.OrderPaid || v.PaidAmount != 60000 || v.SurplusAmount != 60000 {
			t.Errorf("%s: %s, paid %d, surplus %d", v.ID, v.Status, v.PaidAmount, v.SurplusAmount)
		}
	}
	var moves, callbacks int64
	if err := s.db.QueryRowContext(t.Context(), `SELECT (SELECT sum(amount) FROM moves), (SELECT count(*) FROM callbacks)`).Scan(&moves, &callbacks); err != nil {
		t.Fatal(err)
	}
	if moves != n*120000 || callbacks != n*5 {
		t.Errorf("moves of %d, %d callbacks kept", moves, callbacks)
	}
}
