package gateway

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"pgregory.net/rapid"

	"feegate/gateway/vnd"
	"feegate/migrations"
	"feegate/providers"
)

// The database checks the same transitions as Go.
func TestStatesAreTheDatabases(t *testing.T) {
	names, err := fs.Glob(migrations.Files(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var sql strings.Builder
	for _, name := range names {
		raw, err := fs.ReadFile(migrations.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		sql.Write(raw)
	}
	for table, transitions := range map[string][]Transition{"orders": OrderTransitions(), "payments": PaymentTransitions(), "refunds": RefundTransitions()} {
		m := regexp.MustCompile(`CREATE TRIGGER `+table+`_state[^;]*check_transition\('\{([^}]*)\}'\)`).FindAllStringSubmatch(sql.String(), -1)
		if m == nil {
			t.Fatalf("%s: no trigger", table)
		}
		var mine []string
		for _, tr := range transitions {
			mine = append(mine, tr.From+">"+tr.To)
		}
		theirs := strings.Split(m[len(m)-1][1], ",") // the newest
		slices.Sort(mine)
		slices.Sort(theirs)
		if !slices.Equal(mine, theirs) {
			t.Errorf("%s: Go has %v, the database %v", table, mine, theirs)
		}
	}
}

func TestJudge(t *testing.T) {
	open := Stored{Status: PaymentPending, Requested: 100, OrderStatus: OrderOpen, OrderAmount: 100}
	with := func(f func(*Stored)) Stored { s := open; f(&s); return s }
	paid := with(func(s *Stored) {
		s.Status, s.Received, s.OrderStatus, s.OrderPaid = PaymentSucceeded, 100, OrderPaid, 100
	})
	ok := providers.Notice{Outcome: providers.Succeeded, Amount: 100}
	for _, c := range []struct {
		name string
		s    Stored
		n    providers.Notice
		src  Source
		want Decision
	}{
		{"success pays", open, ok, SourceCallback, Decision{To: PaymentSucceeded, Received: 100, Allocate: 100, OrderTo: OrderPaid}},
		{"a part leaves the order open", with(func(s *Stored) { s.OrderAmount = 150 }), ok, SourceCallback, Decision{To: PaymentSucceeded, Received: 100, Allocate: 100}},
		{"a browser proves nothing", open, ok, SourceReturn, Decision{AskAgain: true}},
		{"the same again", paid, ok, SourceCallback, Decision{Verdict: providers.VerdictDuplicate}},
		{"another amount by callback", open, providers.Notice{Outcome: providers.Succeeded, Amount: 1}, SourceCallback, Decision{AskAgain: true, Mismatch: true, Verdict: providers.VerdictAmountMismatch}},
		{"another amount by look-up", open, providers.Notice{Outcome: providers.Succeeded, Amount: 130}, SourceLookup, Decision{To: PaymentSucceeded, Received: 130, Allocate: 100, Surplus: 30, OrderTo: OrderPaid, Mismatch: true}},
		{"late on an expired order", with(func(s *Stored) { s.OrderStatus = OrderExpired; s.Status = PaymentExpired }), ok, SourceLookup, Decision{To: PaymentSucceeded, Received: 100, Allocate: 100, OrderTo: OrderPaid, Late: true}},
		{"late beside a newer order", with(func(s *Stored) { s.OrderStatus, s.NewerLive = OrderExpired, true }), ok, SourceLookup, Decision{To: PaymentSucceeded, Received: 100, Surplus: 100}},
		{"on a cancelled order", with(func(s *Stored) { s.OrderStatus = OrderCancelled }), ok, SourceCallback, Decision{To: PaymentSucceeded, Received: 100, Surplus: 100}},
		{"a second success", with(func(s *Stored) { s.OrderStatus, s.OrderPaid = OrderPaid, 100 }), ok, SourceCallback, Decision{To: PaymentSucceeded, Received: 100, Surplus: 100}},
		{"success after failure", with(func(s *Stored) { s.Status = PaymentFailed }), ok, SourceCallback, Decision{To: PaymentSucceeded, Received: 100, Allocate: 100, OrderTo: OrderPaid, Contradict: true}},
		{"unknown is not failed", open, providers.Notice{Outcome: providers.Uncertain}, SourceLookup, Decision{InDoubt: true}},
		{"not found yet", open, providers.Notice{Outcome: providers.NotFound}, SourceLookup, Decision{}},
		{"not found at the end", with(func(s *Stored) { s.PastGiveUp = true }), providers.Notice{Outcome: providers.NotFound}, SourceLookup, Decision{To: PaymentExpired}},
		{"declined", open, providers.Notice{Outcome: providers.Declined}, SourceCallback, Decision{To: PaymentFailed}},
		{"a callback denies a success", paid, providers.Notice{Outcome: providers.Failed, Amount: 100}, SourceCallback, Decision{AskAgain: true, Contradict: true}},
		{"a look-up denies a success", paid, providers.Notice{Outcome: providers.Failed}, SourceLookup, Decision{To: PaymentReversed, Contradict: true}},
		{"a code to pay by has expired, its money is in the bank", with(func(s *Stored) { *s = paid; s.ByTransfer = true }), providers.Notice{Outcome: providers.Expired}, SourceLookup, Decision{Verdict: providers.VerdictDuplicate}},
		{"a part came by transfer, the link waits on", with(func(s *Stored) { *s = paid; s.ByTransfer = true }), providers.Notice{Outcome: providers.Pending}, SourceLookup, Decision{}},
		{"an unclear word about a success", paid, providers.Notice{Outcome: providers.Uncertain}, SourceCallback, Decision{AskAgain: true}},
		{"a denial from before the success", with(func(s *Stored) { s.Status, s.Received, s.Overtaken = PaymentSucceeded, s.Requested, true }), providers.Notice{Outcome: providers.Declined}, SourceLookup, Decision{AskAgain: true, Contradict: true}},
		{"no answer about a success", paid, providers.Notice{Outcome: providers.Uncertain}, SourceLookup, Decision{Unanswered: true}},
		{"no last word about a refusal", with(func(s *Stored) { s.Status = PaymentFailed }), providers.Notice{Outcome: providers.Pending}, SourceLookup, Decision{Unanswered: true}},
		{"a foreign request id", open, providers.Notice{Outcome: providers.Succeeded, Amount: 100, Doubt: true}, SourceCallback, Decision{AskAgain: true}},
	} {
		if c.want.Verdict == "" {
			c.want.Verdict = providers.VerdictRecorded
		}
		if got := Judge(c.s, c.n, c.src); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

// Whatever is said, money is neither made nor lost, and only allowed changes are asked for.
func TestJudgeConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Map(rapid.IntRange(0, 300), func(n int) vnd.Amount { return vnd.Amount(n) })
		s := Stored{
			Status:    rapid.SampledFrom([]string{PaymentCreated, PaymentPending, PaymentSucceeded, PaymentFailed, PaymentExpired, PaymentReversed}).Draw(t, "status"),
			Requested: amount.Draw(t, "requested") + 1, Received: amount.Draw(t, "received"),
			OrderStatus: rapid.SampledFrom([]string{OrderOpen, OrderPaid, OrderExpired, OrderCancelled, OrderSuperseded, OrderRefunded}).Draw(t, "order"),
			OrderAmount: 300, OrderPaid: amount.Draw(t, "paid"), NewerLive: rapid.Bool().Draw(t, "newer"), PastGiveUp: rapid.Bool().Draw(t, "give up"),
		}
		n := providers.Notice{Amount: amount.Draw(t, "amount"), Doubt: rapid.Bool().Draw(t, "doubt"), Outcome: rapid.SampledFrom([]providers.Outcome{
			providers.Succeeded, providers.Pending, providers.Uncertain, providers.NotFound, providers.Declined, providers.Failed, providers.Expired, providers.Reversed, "new word"}).Draw(t, "outcome")}
		src := rapid.SampledFrom([]Source{SourceCallback, SourceReturn, SourceLookup, SourceSettlement}).Draw(t, "source")
		d := Judge(s, n, src)
		if d.To != "" && !slices.Contains(PaymentTransitions(), Transition{s.Status, d.To}) {
			t.Fatalf("%s may not become %s", s.Status, d.To)
		}
		if d.To == PaymentSucceeded && (d.Allocate+d.Surplus != d.Received || d.Allocate > s.OrderAmount-s.OrderPaid || d.Received == 0) {
			t.Fatalf("money is not conserved: %+v", d)
		}
		if d.To != PaymentSucceeded && (d.Allocate != 0 || d.Surplus != 0 || d.OrderTo != "") {
			t.Fatalf("money without a success: %+v", d)
		}
		if src == SourceReturn && d.To != "" {
			t.Fatal("a browser changed a payment")
		}
		if src == SourceCallback && d.To == PaymentReversed {
			t.Fatal("a claim took a success back")
		}
	})
}

func TestDossierCodes(t *testing.T) {
	for code, good := range map[string]bool{"H10.12-260310-0007": true, "000.00.12.H10-220415-0001": true, "H10-260310-123456": true,
		"H10.12-260231-0007": false, "H10.12-26031-0007": false, "h10.12-260310-0007": false, "H10.12-260310-007": false, "": false, "H10.12-260310-0007 ": false} {
		if err := CheckDossierCode(code); (err == nil) != good {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestNextLookupKeepsThePlan(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	plan := providers.LookupPlan{Early: []time.Duration{2 * time.Minute, 5 * time.Minute}, MinInterval: time.Minute}
	at := func(d time.Duration) *time.Time { v := t0.Add(d); return &v }
	for _, c := range []struct{ now, last, want *time.Time }{
		{at(0), nil, at(2 * time.Minute)}, {at(2 * time.Minute), at(2 * time.Minute), at(5 * time.Minute)},
		{at(5 * time.Minute), nil, at(time.Hour)}, {at(25 * time.Hour), nil, at(48 * time.Hour)}, {at(35 * 24 * time.Hour), nil, nil},
		{at(119 * time.Second), at(119 * time.Second), at(179 * time.Second)}, // not within the minimum interval
	} {
		got := nextLookup(plan, t0, nil, c.last, *c.now)
		if (got == nil) != (c.want == nil) || (got != nil && !got.Equal(*c.want)) {
			t.Errorf("at %v: %v, want %v", c.now, got, c.want)
		}
	}
}

// What somebody else's change ended is decided again; anything else is an error.
func TestWhatIsDecidedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a deadlock":          {fmt.Errorf("writing: %w", &pq.Error{Code: "40P01"}), true},
		"a newer live order":  {fmt.Errorf("writing: %w", &pq.Error{Code: "23505", Constraint: "order_lines_live"}), true},
		"another constraint":  {&pq.Error{Code: "23505", Constraint: "orders_pkey"}, false},
		"a broken connection": {io.ErrUnexpectedEOF, false},
		"nothing":             {nil, false},
	} {
		if got := IsStale(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The drawing in the docs is made from the tables, so that it cannot say anything else.
func TestTheDrawnStatesAreTheTables(t *testing.T) {
	var b strings.Builder
	b.WriteString("# States\n\nDrawn from the tables in `gateway/states.go`; the database checks the same changes (a test holds all three together).\n")
	for _, m := range []struct {
		name  string
		table []Transition
	}{{"Order", OrderTransitions()}, {"Payment", PaymentTransitions()}, {"Refund", RefundTransitions()}} {
		fmt.Fprintf(&b, "\n## %s\n\n```mermaid\nstateDiagram-v2\n", m.name)
		for _, x := range m.table {
			fmt.Fprintf(&b, "    %s --> %s\n", x.From, x.To)
		}
		b.WriteString("```\n")
	}
	drawn, err := os.ReadFile("../docs/states.md")
	if err != nil || string(drawn) != b.String() {
		t.Errorf("docs/states.md (%v) must be:\n%s", err, b.String())
	}
}

// A batch is the sum of its decisions: a list that add forgot would be lost for whoever shares a statement, and for nobody else.
func TestAddTakesEveryList(t *testing.T) {
	one, all := &effects{}, &effects{}
	lists := reflect.ValueOf(one).Elem()
	for i := range lists.NumField() {
		f := lists.Field(i)
		list := reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
		list.Set(reflect.MakeSlice(f.Type(), 1, 1))
	}
	all.add(one)
	all.add(one)
	for i := range lists.NumField() {
		if n := reflect.ValueOf(all).Elem().Field(i).Len(); n != 2 {
			t.Errorf("%s: %d rows of two decisions", lists.Type().Field(i).Name, n)
		}
	}
	if n := len(all.sections()); n < lists.NumField() {
		t.Errorf("%d sections write %d lists", n, lists.NumField())
	}
}
