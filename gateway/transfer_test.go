package gateway_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

const (
	bankA, bankB   = "acc_bank_a", "acc_bank_b"
	bankC          = "acc_bank_c"
	ownBankAccount = "0011000111222"
)

// notifier is a bank's notifier without a wire: the tests say its words themselves.
func notifier(name string) providers.Registration {
	var mu sync.Mutex
	n := 0
	return providers.Registration{Name: name, Title: "VietQR", Transfers: true, Capabilities: providers.Capabilities{Methods: []providers.Method{providers.MethodQR}, Min: 1, Max: 999_999_999, Lifetime: 24 * time.Hour},
		NewReference: func(string, time.Time) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			return fmt.Sprintf("%sREF%06d", name[5:], n/2), nil // every second one clashes: another is drawn
		},
		New: func(a providers.Account, _ providers.Deps) (providers.Provider, error) { return &silent{}, nil }}
}

type silent struct{}

func (*silent) Checkout(_ context.Context, p providers.Payment) (providers.Redirect, error) {
	return providers.Redirect{QRPayload: "QR", Transfer: &providers.TransferTo{AccountNumber: ownBankAccount, Amount: p.Amount, Content: p.Reference}}, nil
}
func (*silent) Lookup(context.Context, providers.Payment) (providers.Notice, error) {
	return providers.Notice{Outcome: providers.NotFound}, nil
}
func (*silent) LookupPlan() providers.LookupPlan {
	return providers.LookupPlan{AfterExpiry: []time.Duration{time.Minute}, AfterReturn: time.Minute, AfterDoubt: time.Second, MinInterval: time.Second, GiveUpAfter: time.Second}
}
func (*silent) Verify(context.Context, providers.Callback) ([]providers.Notice, error) {
	return nil, providers.ErrForged
}
func (*silent) Answer(providers.Result) providers.Reply { return providers.Reply{Status: 200} }
func (*silent) ParseSettlement(io.Reader) iter.Seq2[providers.SettlementLine, error] {
	return func(func(providers.SettlementLine, error) bool) {}
}

// show starts a transfer payment and gives its reference.
func (s *street) show(order string) gateway.PaymentView {
	s.t.Helper()
	return s.pay(order, gateway.NewPayment{AccountID: bankA, Method: "qr"})
}

// wire is one transfer as a source tells of it.
func (s *street) wire(id, bankReference, reference string, amount vnd.Amount) providers.Notice {
	return providers.Notice{Reference: reference, Outcome: providers.Succeeded, Amount: amount, Transaction: bankReference, PaidAt: s.world.Now(),
		Payer:    &providers.Payer{Kind: "bank", Bank: "970436", Account: "00998877"},
		Transfer: &providers.Transfer{ID: id, Account: ownBankAccount, Reference: bankReference, Content: "CK " + reference}}
}

func (s *street) told(account string, n providers.Notice) providers.Verdict {
	s.t.Helper()
	v, err := s.g.Record(context.Background(), gateway.Word{AccountID: account, Notice: n, Source: gateway.SourceCallback, Raw: []byte(n.Transfer.ID)})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *street) transfers(order string) (out []string) {
	for _, p := range s.get(order).Payments {
		out = append(out, fmt.Sprintf("%s %d+%d", p.Status, p.AllocatedAmount, p.SurplusAmount))
	}
	return out
}

func TestTransfersAreMoneyWhateverTheyBring(t *testing.T) {
	s := newStreet(t)
	const asked = 60000
	n := 0
	for name, c := range map[string]struct {
		before  func(order string)
		amounts []vnd.Amount
		status  string
		want    string
	}{
		"what was asked for":  {nil, []vnd.Amount{asked}, "paid", "[succeeded 60000+0]"},
		"less":                {nil, []vnd.Amount{50000}, "open", "[succeeded 50000+0]"},
		"less, then the rest": {nil, []vnd.Amount{50000, 10000}, "paid", "[succeeded 50000+0 succeeded 10000+0]"},
		"more":                {nil, []vnd.Amount{70000}, "paid", "[succeeded 60000+10000]"},
		"twice":               {nil, []vnd.Amount{asked, asked}, "paid", "[succeeded 60000+0 succeeded 0+60000]"},
		"less, then much":     {nil, []vnd.Amount{1, asked}, "paid", "[succeeded 1+0 succeeded 59999+1]"},
		"on an order that is ended": {func(id string) {
			if _, err := s.cancel(id); err != nil {
				t.Fatal(err)
			}
		}, []vnd.Amount{asked}, "cancelled", "[succeeded 0+60000]"},
	} {
		n++
		o := s.order(n, asked)
		p := s.show(o.ID)
		if c.before != nil {
			c.before(o.ID)
		}
		for i, amount := range c.amounts {
			id := fmt.Sprint("T", n, "-", i)
			if v := s.told(bankA, s.wire(id, "FT"+id, p.ProviderReference, amount)); v != providers.VerdictRecorded {
				t.Errorf("%s: %s", name, v)
			}
			for _, again := range []string{bankA, bankB} { // told again, and by the other source
				if v := s.told(again, s.wire(id, "FT"+id, p.ProviderReference, amount)); v != providers.VerdictDuplicate {
					t.Errorf("%s, again by %s: %s", name, again, v)
				}
			}
		}
		if got := fmt.Sprint(s.transfers(o.ID)); got != c.want || s.get(o.ID).Status != c.status {
			t.Errorf("%s: %s, %s; want %s, %s", name, s.get(o.ID).Status, got, c.status, c.want)
		}
	}
	if in, moved := s.sum(`SELECT sum(amount) FROM bank_transfers`), s.sum(`SELECT sum(amount) FROM moves`); in != moved {
		t.Errorf("%d came in, %d is in the books", in, moved)
	}
	if n := s.sum(`SELECT count(*) FROM payments WHERE status = 'succeeded' AND (payer_digest IS NULL OR payer_masked NOT LIKE '%8877' OR channel <> 'qr_remote' OR transfer_id IS NULL)`); n != 0 {
		t.Errorf("%d payments do not say who paid, how or by which transfer", n)
	}
}

func TestLateTransferPaysAnExpiredOrder(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 60000)
	p := s.show(o.ID)
	s.forward(8 * 24 * time.Hour)
	if _, err := s.g.Sweep(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := s.g.Expire(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if v := s.get(o.ID); v.Status != "expired" || v.Payments[0].Status != "expired" {
		t.Fatalf("%s, %s", v.Status, v.Payments[0].Status)
	}
	s.told(bankB, s.wire("1", "FT1", p.ProviderReference, 60000))
	if v := s.get(o.ID); v.Status != "paid" || !v.Late {
		t.Errorf("%s, late %t", v.Status, v.Late)
	}
}

func TestTransfersThatBelongToNobodyAreKept(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 60000)
	p := s.show(o.ID)
	for name, c := range map[string]struct {
		change func(*providers.Notice)
		want   providers.Verdict
	}{
		"no reference":            {func(n *providers.Notice) { n.Reference = "" }, providers.VerdictRecorded},
		"a reference nobody drew": {func(n *providers.Notice) { n.Reference = "aREF999999" }, providers.VerdictUnknownPayment},
		"another account":         {func(n *providers.Notice) { n.Transfer.Account = "999" }, providers.VerdictRecorded},
		"money that left":         {func(n *providers.Notice) { n.Transfer.Out = true }, providers.VerdictRecorded},
		"the reference of a wallet": {func(n *providers.Notice) {
			n.Reference = s.pay(s.order(7, 60000).ID, gateway.NewPayment{AccountID: momoAccount}).ProviderReference
		}, providers.VerdictUnknownPayment},
	} {
		n := s.wire(name, "FT"+name, p.ProviderReference, 60000)
		c.change(&n)
		if v := s.told(bankA, n); v != c.want {
			t.Errorf("%s: %s", name, v)
		}
		if v := s.told(bankA, n); v == providers.VerdictFailed {
			t.Errorf("%s, again: %s", name, v)
		}
	}
	if v := s.get(o.ID); v.Status != "open" || v.Payments[0].Status != "pending" || v.PaidAmount != 0 {
		t.Errorf("%s, %s, paid %d", v.Status, v.Payments[0].Status, v.PaidAmount)
	}
	if n, moved := s.sum(`SELECT count(*) FROM bank_transfers`), s.sum(`SELECT count(*) FROM moves`); n != 5 || moved != 0 {
		t.Errorf("%d transfers kept, %d moves", n, moved)
	}
	if n := s.sum(`SELECT count(*) FROM bank_transfers WHERE wrong_account`); n != 1 {
		t.Errorf("%d in the wrong account", n)
	}
}

// One source has the bank's reference, the other has not; or neither has: amount, content and time tell that it is one movement.
// A source that tells of two movements has seen two, however alike.
func TestOneMovementToldBySourcesThatKnowLittle(t *testing.T) {
	s := newStreet(t)
	o := s.order(1, 60000)
	p := s.show(o.ID)
	s.told(bankA, s.wire("a1", "FT1", p.ProviderReference, 1000))
	if v := s.told(bankB, s.wire("b1", "", p.ProviderReference, 1000)); v != providers.VerdictDuplicate {
		t.Errorf("without the bank's reference: %s", v)
	}
	s.told(bankA, s.wire("a2", "", p.ProviderReference, 1000))
	s.told(bankA, s.wire("a3", "", p.ProviderReference, 1000))
	s.told(bankB, s.wire("b2", "", p.ProviderReference, 1000))
	s.told(bankB, s.wire("b3", "", p.ProviderReference, 1000))
	late := s.wire("b4", "", p.ProviderReference, 1000)
	late.PaidAt = late.PaidAt.Add(time.Hour)
	s.told(bankB, late)
	if got := s.get(o.ID).PaidAmount; got != 4000 {
		t.Errorf("paid %d by three movements of now and one of an hour later, 1000 each", got)
	}
	// What the first source could not read, the second one may.
	unread := s.wire("a5", "FT5", "", 1000)
	s.told(bankA, unread)
	s.told(bankB, s.wire("b5", "FT5", p.ProviderReference, 1000))
	s.told(bankB, s.wire("b5", "FT5", p.ProviderReference, 1000))
	if got := s.get(o.ID).PaidAmount; got != 5000 {
		t.Errorf("paid %d after the reference was read by the second source", got)
	}
}

func TestSourcesRacing(t *testing.T) {
	s := newStreet(t)
	const orders, tellings = 6, 8
	var wg sync.WaitGroup
	var ids []string
	for i := range orders {
		o := s.order(i+1, 60000)
		ids = append(ids, o.ID)
		p := s.show(o.ID)
		for j := range tellings {
			n := s.wire(fmt.Sprint(i, "-", j%2), fmt.Sprint("FT", i, "-", j%2), p.ProviderReference, 30000)
			if j%4 > 1 {
				n.Transfer.Reference = "" // a source that has none
			}
			n.Transfer.Content = fmt.Sprint(i, j%2)
			account := []string{bankA, bankB}[j/4]
			wg.Go(func() {
				if _, err := s.g.Record(context.Background(), gateway.Word{AccountID: account, Notice: n, Source: gateway.SourceCallback}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, id := range ids {
		if v := s.get(id); v.Status != "paid" || v.SurplusAmount != 0 || len(v.Payments) != 2 {
			t.Errorf("%s: %s, %s", id, v.Status, s.transfers(id))
		}
	}
}

// Whatever comes in which order, from whichever source: the books hold what came in, once.
func TestTransfersProperty(t *testing.T) {
	s := newStreet(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		o := s.order(n, 60000)
		p := s.show(o.ID)
		movements := rapid.SliceOfN(rapid.IntRange(1, 80000), 1, 5).Draw(rt, "movements")
		truth := 0
		var words []func()
		for i, amount := range movements {
			truth += amount
			id := fmt.Sprint(n, "-", i)
			for range rapid.IntRange(1, 3).Draw(rt, "tellings") {
				account := rapid.SampledFrom([]string{bankA, bankB}).Draw(rt, "source")
				words = append(words, func() { s.told(account, s.wire(id, "FT"+id, p.ProviderReference, vnd.Amount(amount))) })
			}
		}
		for _, i := range rapid.Permutation(indexes(len(words))).Draw(rt, "order") {
			words[i]()
		}
		v := s.get(o.ID)
		if int(v.PaidAmount) != min(truth, 60000) || int(v.PaidAmount+v.SurplusAmount) != truth || len(v.Payments) != len(movements) {
			rt.Errorf("%v came in: paid %d, surplus %d, %d payments", movements, v.PaidAmount, v.SurplusAmount, len(v.Payments))
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
