package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/migrations"
	"feegate/migrations/dbtest"
	"feegate/migrations/localdb"
)

// payer does what a portal and a citizen do, and sends again whatever broke, with the same key, until it has an answer.
type payer struct {
	api, sim, key string
}

// insist sends until one of the wanted statuses comes; a broken connection, a 5xx or a 409 of a call in flight is sent again.
func (p payer) insist(ctx context.Context, token, method, url, key string, body any, want ...int) (v map[string]any, err error) {
	for {
		status, raw, err := try(ctx, token, method, url, key, body)
		if err == nil && slices.Contains(want, status) {
			if bytes.HasPrefix(raw, []byte("{")) {
				err = json.Unmarshal(raw, &v)
			}
			return v, err
		}
		if err == nil && status < 500 && status != http.StatusConflict && status != http.StatusTooManyRequests {
			return nil, fmt.Errorf("%s %s: %d %s", method, url, status, raw)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s %s: in vain: %d %s %w", method, url, status, raw, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pay makes an order, starts a payment and has it succeed at the provider; whether the gateway hears of it is its own affair.
func (p payer) pay(ctx context.Context, n int, provider string) error {
	id := fmt.Sprint(provider, "-", n)
	order, err := p.insist(ctx, p.key, http.MethodPost, p.api+"/v1/orders", "o"+id, demoOrder(id, n, 120000), http.StatusCreated)
	if err != nil {
		return err
	}
	path := p.api + "/v1/orders/" + order["id"].(string) + "/payments"
	payment, err := p.insist(ctx, p.key, http.MethodPost, path, "p"+id, map[string]any{"provider": provider, "despite": true}, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return err
	}
	if to, ok := payment["redirect"].(map[string]any); ok && provider == "vnpay" { // it knows a payment once its address was fetched
		if _, err := p.insist(ctx, "", http.MethodGet, to["url"].(string), "", nil, http.StatusOK, http.StatusFound); err != nil {
			return err
		}
	}
	// The provider may never have heard of a payment whose sender was killed: then nothing was taken.
	_, err = p.insist(ctx, "", http.MethodPost, p.sim+"/control/"+provider+"/payments/"+payment["provider_reference"].(string), "",
		map[string]any{"outcome": "succeed"}, http.StatusOK, http.StatusNotFound)
	return err
}

// payAll has n payers pay at once; trouble runs when a third of them has done so.
func (p payer) payAll(t *testing.T, n int, trouble func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	numbers, third := make(chan int), make(chan struct{})
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for i := range numbers {
				if err := p.pay(ctx, i, []string{"momo", "vnpay"}[i%2]); err != nil {
					t.Errorf("payer %d: %v", i, err)
				}
			}
		})
	}
	wg.Go(func() {
		<-third
		trouble()
	})
	for i := range n {
		if i == n/3 {
			close(third)
		}
		numbers <- i + 1
	}
	close(numbers)
	wg.Wait()
}

// truth is what the simulated providers took.
type truth struct {
	Payments []struct {
		Provider  string `json:"provider"`
		Account   string `json:"account"`
		Reference string `json:"provider_reference"`
		Amount    int64  `json:"amount"`
		Refunded  int64  `json:"refunded"`
	} `json:"payments"`
}

// agrees holds the gateway's record against the providers' truth: every payment that was taken is succeeded once, for its
// amount, and nothing else is; the moves say the same; every order was made once.
func agrees(t *testing.T, db *sqlx.DB, taken truth, orders int) {
	t.Helper()
	rows := map[string]int64{}
	var ours []struct {
		Reference string `db:"provider_reference"`
		Amount    int64  `db:"received_amount"`
	}
	if err := db.SelectContext(t.Context(), &ours, `SELECT provider_reference, received_amount FROM payments WHERE status = 'succeeded'`); err != nil {
		t.Fatal(err)
	}
	for _, p := range ours {
		rows[p.Reference] = p.Amount
	}
	var sum int64
	for _, p := range taken.Payments {
		if rows[p.Reference] != p.Amount {
			t.Errorf("%s took %d for %s, the record says %d", p.Provider, p.Amount, p.Reference, rows[p.Reference])
		}
		sum += p.Amount
	}
	if len(rows) != len(taken.Payments) || len(rows) == 0 {
		t.Errorf("%d payments succeeded, the providers took %d", len(rows), len(taken.Payments))
	}
	var moves, allocated, made, paid, twice int64
	if err := db.QueryRowContext(t.Context(), `SELECT (SELECT coalesce(sum(amount), 0) FROM moves WHERE cause_type = 'payment'),
		(SELECT coalesce(sum(a.amount), 0) FROM allocations a), (SELECT count(*) FROM orders), (SELECT coalesce(sum(paid_amount), 0) FROM orders),
		(SELECT count(*) FROM (SELECT FROM outbox WHERE type = 'order.paid' GROUP BY order_id HAVING count(*) > 1) x)
		+ (SELECT count(*) FROM (SELECT FROM feed WHERE type = 'order.paid' GROUP BY order_id HAVING count(*) > 1) y)`).Scan(&moves, &allocated, &made, &paid, &twice); err != nil {
		t.Fatal(err)
	}
	if moves != sum || paid != allocated || made != int64(orders) || twice != 0 {
		t.Errorf("taken %d, moves %d; allocated %d, orders paid %d; %d orders for %d calls; %d told twice", sum, moves, allocated, paid, made, orders, twice)
	}
}

func TestPostgresRestartsDuringPayments(t *testing.T) {
	server := dbtest.Durable(t)
	db, err := connect(t.Context(), server.URL(localdb.Superuser, dbtest.DurableName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := newStreetOn(t, db, server.URL(migrations.ServiceRole, dbtest.DurableName))
	work, stop := context.WithCancel(t.Context())
	working := s.app.work(work, 100*time.Millisecond)
	t.Cleanup(working.Wait)
	t.Cleanup(stop)
	if _, err := db.ExecContext(t.Context(), `INSERT INTO procedures (code, name, field_code) VALUES ('1.100001', 'Kết hôn', 'HT')`); err != nil { // that of demoOrder
		t.Fatal(err)
	}
	const n = 90
	payer{s.api, s.sim, portalKey}.payAll(t, n, func() {
		if err := server.Restart(t.Context()); err != nil {
			t.Error(err)
		}
		s.move(2 * time.Minute)
	})
	var open int
	deadline := time.Now().Add(time.Minute)
	for moved := 0; ; moved++ {
		if err := db.GetContext(t.Context(), &open, `SELECT count(*) FROM payments WHERE status IN ('created', 'pending')`); err != nil {
			t.Fatal(err)
		}
		if open == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d payments without their last word\n%s", open, s.logs)
		}
		if moved < 6 {
			s.move(20 * time.Minute)
		}
		runtime.Gosched()
	}
	var taken truth
	if err := json.Unmarshal(s.send(http.MethodGet, s.sim+"/control/ledger", nil, nil).body, &taken); err != nil {
		t.Fatal(err)
	}
	agrees(t, db, taken, n)
}

func TestKilledDuringPaymentsNothingIsLostOrDoubled(t *testing.T) {
	endedDuringPayments(t, (*box).kill)
}

func TestStoppedDuringPaymentsNothingIsLostOrDoubled(t *testing.T) {
	endedDuringPayments(t, (*box).stop)
}

// endedDuringPayments ends the program in the middle of payments, starts it again, and holds the record against the truth.
func endedDuringPayments(t *testing.T, end func(*box)) {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	args := []string{"--empty", "--clock", "2026-03-10T09:00:00+07:00", "--listen", free(), "--simulator-listen", free()}
	b := openBox(t, args...)
	const n = 90
	payer{b.ready.API, b.ready.Simulator, b.ready.APIKey}.payAll(t, n, func() {
		end(b)
		b.start(args...)
		// A call that died in flight is answered from what stands, once it cannot be alive any more.
		get[map[string]any](b, http.StatusOK, "", http.MethodPost, "/control/clock", map[string]string{"advance": "2m"})
	})
	// What was not heard is asked for, on each provider's plan.
	for range 6 {
		get[map[string]any](b, http.StatusOK, "", http.MethodPost, "/control/clock", map[string]string{"advance": "20m"})
	}
	db, err := connect(t.Context(), b.ready.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	b.until("every payment has its last word", func() bool {
		var open int
		if err := db.GetContext(t.Context(), &open, `SELECT count(*) FROM payments WHERE status IN ('created', 'pending')`); err != nil {
			t.Fatal(err)
		}
		return open == 0
	})
	agrees(t, db, get[truth](b, http.StatusOK, "", http.MethodGet, "/control/ledger", nil), n)
}
