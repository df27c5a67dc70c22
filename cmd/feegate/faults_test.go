package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/providers"
)

// What a provider may answer to the checkout, and what we make of it: only what is known not to have happened has failed.
func TestEveryAnswerOfAProviderToACheckout(t *testing.T) {
	s := newStreet(t)
	for n, c := range []struct {
		name    string
		answer  http.HandlerFunc // nil: nobody listens
		status  int              // of our answer
		payment string
		doubt   bool
	}{
		{"refuses connections", nil, 503, "failed", false},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is the caller's leaving seen
			<-r.Context().Done()
		}, 202, "pending", true},
		{"resets after accepting", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}, 202, "pending", true},
		{"says 500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 202, "pending", true},
		{"says HTML", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Bảo trì</html>") }, 202, "pending", true},
		{"truncates its JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"resultCode":0,"payUrl":"https://pay.exa`)
		}, 202, "pending", true},
		{"speaks of another payment", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"partnerCode":"X","orderId":"another","requestId":"another","amount":1,"responseTime":1,"message":"ok","resultCode":0,"payUrl":"https://pay.example/x"}`)
		}, 202, "pending", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := *s
			at.t = t
			server := httptest.NewServer(c.answer)
			base := server.URL
			if c.answer == nil {
				server.Close()
			} else {
				t.Cleanup(server.Close)
			}
			id := fmt.Sprint("acc_fault_", n)
			if err := s.app.accounts.Create(t.Context(), account.Account{ID: id, Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"le_phi"}, BaseURL: base,
				Credentials: map[string]string{"partnerCode": id, "accessKey": "A", "secretKey": "S"}, Timeouts: map[providers.Operation]int{providers.OpCheckout: 300, providers.OpLookup: 300}}); err != nil {
				t.Fatal(err)
			}
			order := at.call(http.MethodPost, "/v1/orders", "o"+id, strings.Replace(anOrder("R"+id), "0007", fmt.Sprintf("1%03d", n), 1)).get(t)["id"].(string)
			r := at.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p"+id, map[string]string{"account_id": id})
			if r.status != c.status {
				t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
			}
			payment := at.call(http.MethodGet, "/v1/orders/"+order, "", nil).get(t)["payments"].([]any)[0].(map[string]any)
			if payment["status"] != c.payment || payment["in_doubt"] != c.doubt || payment["received_amount"] != 0.0 {
				t.Errorf("%v", payment)
			}
			if c.status == http.StatusServiceUnavailable {
				if problem := at.problem(r, 503, "provider-unavailable"); r.header.Get("Retry-After") == "" || len(problem["accounts"].([]any)) == 0 {
					t.Errorf("%v %v", r.header, problem)
				}
				return
			}
			// In doubt: another way is opened only for who says "despite".
			at.problem(at.call(http.MethodPost, "/v1/orders/"+order+"/payments", "q"+id, map[string]string{"provider": "vnpay"}), 409, "payment-in-doubt")
			if r := at.call(http.MethodPost, "/v1/orders/"+order+"/payments", "d"+id, map[string]any{"provider": "vnpay", "despite": true}); r.status != http.StatusCreated {
				t.Errorf("despite: %d %s", r.status, r.body)
			}
			at.problem(at.call(http.MethodPost, "/v1/orders/"+order+"/cancel", "c"+id, nil), 409, "payment-in-doubt")
		})
	}
}

// What may come as a callback, and what it changes: nothing but what is rightly signed, for our payment, of its amount.
func TestEveryCallbackThatMustNotPay(t *testing.T) {
	s := newStreet(t)
	order, payment, reference := s.started("vnpay")
	// Rightly signed, another amount: kept and named; a look-up at once finds out what was truly taken.
	s.decide("vnpay", reference, map[string]any{"outcome": "leave_pending", "callback": map[string]any{"send": true, "amount": 40000}})
	if got := s.orderStatus(order); got != "open" {
		t.Errorf("after another amount: %s", got)
	}
	callback := s.api + "/callbacks/vnpay/acc_vnpay"
	for name, c := range map[string]struct {
		method, url, body string
		kept              string // as the verdict
	}{
		"POST where GET is due":  {http.MethodPost, callback, "vnp_TxnRef=" + reference, "wrong_method"},
		"no signature":           {http.MethodGet, callback + "?vnp_TxnRef=" + reference + "&vnp_ResponseCode=00&vnp_TransactionStatus=00&vnp_Amount=5000000&vnp_TmnCode=FEEGATE1", "", ""},
		"a body of a megabyte":   {http.MethodPost, s.api + "/callbacks/momo/acc_momo", strings.Repeat("x", 1<<20), ""},
		"another account's door": {http.MethodGet, s.api + "/callbacks/momo/acc_momo?vnp_TxnRef=" + reference, "", "wrong_method"},
	} {
		before := s.count(`SELECT count(*) FROM callbacks WHERE verdict = $1`, c.kept)
		s.send(c.method, c.url, c.body, nil)
		if c.kept != "" && s.count(`SELECT count(*) FROM callbacks WHERE verdict = $1`, c.kept) != before+1 {
			t.Errorf("%s is not kept as %s", name, c.kept)
		}
		if got := s.orderStatus(order); got != "open" {
			t.Errorf("%s: the order is %s", name, got)
		}
	}
	// The right one, a hundred times at once: paid once.
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s.decide("vnpay", reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": true, "copies": 10}})
		})
	}
	wg.Wait()
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("the order is %s", got)
	}
	if n := s.count(`SELECT count(*) FROM allocations WHERE payment_id = $1`, payment); n != 1 {
		t.Errorf("%d allocations", n)
	}
	if n := s.count(`SELECT count(*) FROM outbox WHERE type = 'order.paid'`); n != 1 {
		t.Errorf("%d times told", n)
	}
	if n := s.count(`SELECT count(*) FROM callbacks WHERE payment_id = $1 AND verdict IN ('recorded', 'duplicate')`, payment); n != 100 {
		t.Errorf("%d callbacks kept of 100", n)
	}
}

// A provider's last word may turn: money that comes after a refusal is money; a success that is denied is asked about.
func TestAProviderThatContradictsItself(t *testing.T) {
	s := newStreet(t)
	order, payment, reference := s.started("momo")
	s.decide("momo", reference, map[string]any{"outcome": "decline"})
	if got := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t)["status"]; got != "failed" {
		t.Fatalf("declined: %v", got)
	}
	s.decide("momo", reference, map[string]any{"outcome": "succeed"})
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("after the late success: %s", got)
	}
	s.decide("momo", reference, map[string]any{"outcome": "decline"})
	if got := s.orderStatus(order); got != "paid" {
		t.Errorf("a claim undid a success: %s", got)
	}
	if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND next_lookup_at IS NOT NULL`, payment); n != 1 {
		t.Error("the denial is not asked about")
	}
}

// A contradiction is asked about until there is an answer: one look-up that fails is not the end of it.
func TestADenialOutlivesALookupThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		before, then map[string]any // what the provider does, and what it does afterwards
		reached, end string
	}{
		"money taken back":               {map[string]any{"outcome": "succeed"}, map[string]any{"outcome": "reverse"}, "succeeded", "reversed"},
		"another amount after a refusal": {map[string]any{"outcome": "decline"}, map[string]any{"outcome": "succeed", "amount": 30000}, "failed", "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			_, payment, reference := s.started("momo")
			s.decide("momo", reference, c.before)
			status := func() any { return s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t)["status"] }
			if got := status(); got != c.reached {
				t.Fatalf("first: %v", got)
			}
			for _, fault := range []string{"status_500", "garbage", "none"} {
				s.ok(s.send(http.MethodPost, s.sim+"/control/momo/faults", map[string]any{"operation": "lookup", "fault": fault}, nil), http.StatusOK)
				if fault == "status_500" {
					s.decide("momo", reference, c.then)
				}
				if got := status(); got != c.reached {
					t.Fatalf("before %s: %v", fault, got)
				}
				s.move(time.Hour)
				if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
					t.Fatal(err)
				}
			}
			if got := status(); got != c.end {
				t.Errorf("at last: %v", got)
			}
			s.move(40 * 24 * time.Hour)
			if n := s.count(`SELECT count(*) FROM payments WHERE id = $1 AND next_lookup_at IS NOT NULL`, payment); n != 0 {
				t.Error("answered, and still asked")
			}
		})
	}
}

// A denial is asked about whatever else is said meanwhile: an old success that comes again, or a payer's browser that comes back, answers no question.
func TestADenialOutlivesWhatIsSaidAgain(t *testing.T) {
	for name, again := range map[string]gateway.Word{
		"the success once more": {Source: gateway.SourceCallback, Notice: providers.Notice{Outcome: providers.Succeeded, Amount: 50000}},
		"the browser":           {Source: gateway.SourceReturn, Notice: providers.Notice{Outcome: providers.Succeeded, Amount: 50000}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t)
			_, payment, reference := s.started("momo")
			s.decide("momo", reference, map[string]any{"outcome": "succeed"})
			s.decide("momo", reference, map[string]any{"outcome": "reverse"})
			again.AccountID, again.Notice.Reference = "acc_momo", reference
			if _, err := s.app.gateway.Record(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			s.move(time.Hour)
			if _, err := s.app.gateway.Sweep(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			if got := s.call(http.MethodGet, "/v1/payments/"+payment, "", nil).get(t)["status"]; got != "reversed" {
				t.Errorf("the money is gone, and the payment %v", got)
			}
		})
	}
}

func TestAnExpiredKeyIsNobodys(t *testing.T) {
	s := newStreet(t)
	hash := sha256.Sum256([]byte("fgk_test_expired"))
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO api_keys (id, client_id, secret_hash, scopes, created_at, expires_at) VALUES ('key_9', 'cli_1', $1, '{orders:read}', $2, $3)`,
		hash[:], s.world.Now(), s.world.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if r := s.as("fgk_test_expired", http.MethodGet, "/v1/providers", "", nil); r.status != http.StatusOK {
		t.Errorf("in force: %d", r.status)
	}
	s.move(2 * time.Hour)
	s.problem(s.as("fgk_test_expired", http.MethodGet, "/v1/providers", "", nil), 401, "unauthorised")
}

// Once a provider is known to be out of reach, a payment there is refused before anything is written or sent.
func TestAProviderKnownToBeDownIsNotAskedAgain(t *testing.T) {
	s := newStreet(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(500) }))
	t.Cleanup(server.Close)
	if err := s.app.accounts.Create(t.Context(), account.Account{ID: "acc_down", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"le_phi"}, BaseURL: server.URL,
		Credentials: map[string]string{"partnerCode": "DOWN", "accessKey": "A", "secretKey": "S"}}); err != nil {
		t.Fatal(err)
	}
	down := 0
	for n := range 20 {
		order := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("o", n), strings.Replace(anOrder(fmt.Sprint("R", n)), "0007", fmt.Sprintf("2%03d", n), 1)).get(t)["id"].(string)
		before := asked
		r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprint("p", n), map[string]string{"account_id": "acc_down"})
		if r.status == http.StatusServiceUnavailable && asked == before {
			down++
			if v := s.call(http.MethodGet, "/v1/orders/"+order, "", nil).get(t); len(v["payments"].([]any)) != 0 {
				t.Errorf("a payment that was never tried is recorded: %v", v["payments"])
			}
			if r := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprint("p", n), map[string]string{"account_id": "acc_down"}); r.status != http.StatusServiceUnavailable {
				t.Errorf("the same call again: %d %s", r.status, r.body)
			}
		}
	}
	if down < 10 || asked > 10 {
		t.Errorf("%d refused at once, the provider was asked %d times", down, asked)
	}
}
