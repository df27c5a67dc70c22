package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// first makes the order and its attempts, and does what the plan says of each.
func (l *liar) first(ctx context.Context, r *liarRun) {
	r.Order = l.order(ctx, r, "")
	for a, attempt := range r.Attempts {
		p := l.pay(ctx, r, r.Order, fmt.Sprint("p", r.N, "-", a), attempt)
		if p == nil {
			continue
		}
		for _, lie := range attempt.Lies {
			l.act(ctx, r, *p, lie, false)
		}
		for i, act := range attempt.Acts {
			l.act(ctx, r, *p, act, i > 0)
		}
	}
}

// order makes the order, or the one that takes its place.
func (l *liar) order(ctx context.Context, r *liarRun, supersedes string) string {
	reference := fmt.Sprintf("L%d%s", r.N, map[bool]string{true: "b"}[supersedes != ""])
	body := map[string]any{"reference": reference, "dossier_code": fmt.Sprintf("H10.12-2603%02d-%04d", 1+r.N/9000, r.N%9000), "procedure_code": "1.100001", "agency_code": "H10.12",
		"payer": map[string]string{"name": "Nguyễn Văn A"}, "amount": r.Amount, "expires_at": l.world.Now().Add(6 * time.Hour).Format(time.RFC3339),
		"lines": []map[string]any{{"fee_code": "1.100001-le_phi", "kind": "le_phi", "name": "Lệ phí", "quantity": 1, "unit_amount": r.Amount, "gross": r.Amount, "net": r.Amount}}}
	if supersedes != "" {
		body["supersedes"] = supersedes
	}
	status, v := l.call(ctx, l.key, http.MethodPost, "/v1/orders", "o"+reference, body)
	id, _ := v["id"].(string)
	r.note("order %s: %d %s %v", reference, status, id, v["detail"])
	if supersedes == "" && status != http.StatusCreated {
		l.t.Errorf("order %d: %d %v", r.N, status, v)
	}
	return id
}

// pay starts an attempt; nil where there is none.
func (l *liar) pay(ctx context.Context, r *liarRun, order, key string, a liarAttempt) *liarPayment {
	if order == "" {
		return nil
	}
	if a.Armed {
		if err := l.world.Arm(a.Provider, sim.Decision{Outcome: "succeed", Callback: &sim.CallbackSpec{BeforeAnswer: true, Copies: 2}}); err != nil {
			l.t.Error(err)
		}
	}
	status, v := l.call(ctx, l.key, http.MethodPost, "/v1/orders/"+order+"/payments", key, map[string]any{"provider": a.Provider, "despite": true})
	p := &liarPayment{Provider: a.Provider}
	p.ID, _ = v["id"].(string)
	p.Reference, _ = v["provider_reference"].(string)
	r.note("%s at %s: %d %s %s %v", key, a.Provider, status, p.ID, p.Reference, v["detail"])
	switch {
	case status == http.StatusCreated || status == http.StatusAccepted:
	case status == http.StatusConflict || status == http.StatusServiceUnavailable || status == 0 || strings.HasSuffix(fmt.Sprint(v["type"]), gateway.ProblemAmountOutside):
		return nil
	default:
		l.t.Errorf("order %d: paying at %s: %d %v", r.N, a.Provider, status, v)
		return nil
	}
	if to, ok := v["redirect"].(map[string]any); ok {
		p.QR, _ = to["qr_payload"].(string)
		if url, _ := to["url"].(string); a.Provider == "vnpay" && url != "" { // it knows a payment once its address was fetched
			for range 4 {
				if status, _, err := try(ctx, "", http.MethodGet, url, "", nil); err == nil && status < 400 {
					break
				}
			}
		}
	}
	r.Payments = append(r.Payments, *p)
	return p
}

// act makes an act of the plan true. sure: the gateway may have done with the payment, so the word must reach it.
func (l *liar) act(ctx context.Context, r *liarRun, p liarPayment, a liarAct, sure bool) {
	spec := &sim.CallbackSpec{Send: &a.Tell, Copies: a.Copies, DelayMS: int64(a.Delay), Forge: a.Forge}
	if a.Claim > 0 {
		claim := vnd.Amount(a.Claim)
		spec.Amount = &claim
	}
	var other *vnd.Amount
	if a.Other > 0 && a.Other != r.Amount {
		amount := vnd.Amount(a.Other)
		other = &amount
	}
	if isWallet(p.Provider) {
		l.decide(ctx, r, p, sim.Decision{Outcome: a.Outcome, Amount: other, Callback: spec})
		return
	}
	if a.Outcome != "succeed" { // nobody speaks for a bank account until money comes
		return
	}
	if sure && p.Provider == "payos" {
		l.gw.mu.RLock()
		defer l.gw.mu.RUnlock()
		spec = nil
	}
	o := sim.TransferOrder{QRPayload: p.QR, Amount: other, Mangle: a.Mangle, PayerAccount: fmt.Sprintf("99%08d", r.N), Notify: spec}
	if a.Content != "" {
		o.Content = &a.Content
	}
	if p.QR == "" {
		return
	}
	done, err := l.world.Pay(ctx, o)
	r.note("%s %s transfer %+v as %q %s: %v %v", p.Provider, p.Reference, a, done.Content, done.Reference, statuses(done.Callbacks), err)
	if err != nil {
		l.t.Errorf("order %d: %v", r.N, err)
	}
}

// second ends orders, pays back, takes back, and contradicts what was said before.
func (l *liar) second(ctx context.Context, r *liarRun) {
	switch r.End {
	case "cancel":
		status, v := l.call(ctx, l.key, http.MethodPost, "/v1/orders/"+r.Order+"/cancel", "c"+r.Order, nil)
		r.note("cancel: %d %v", status, v["detail"])
	case "supersede":
		if r.Next = l.order(ctx, r, r.Order); r.Next != "" {
			if p := l.pay(ctx, r, r.Next, fmt.Sprint("q", r.N), liarAttempt{Provider: wallets()[r.N%4]}); p != nil {
				l.act(ctx, r, *p, liarAct{Outcome: "succeed", Tell: r.N%3 > 0, Copies: 1}, false)
			}
		}
	}
	for n, how := range r.Refunds {
		l.refund(ctx, r, n, how)
	}
	if r.Reverse {
		for _, p := range r.Payments {
			if p.Provider == "vnpay" || p.Provider == "momo" { // the two that tell of it
				l.insist(ctx, r, p, "reverse", "decline")
				break
			}
		}
	}
	if r.Late == "again" {
		l.again(ctx, r)
	}
}

// third is late money: the order's time is over.
func (l *liar) third(ctx context.Context, r *liarRun) {
	if r.Late == "late" {
		l.again(ctx, r)
	}
}

// again is money for the last attempt, whatever was said of it before: a wallet first says no, and then that it has the money.
func (l *liar) again(ctx context.Context, r *liarRun) {
	if len(r.Payments) == 0 {
		return
	}
	p := r.Payments[len(r.Payments)-1]
	if !isWallet(p.Provider) {
		l.act(ctx, r, p, liarAct{Outcome: "succeed", Tell: true, Copies: 1}, true)
		return
	}
	l.decide(ctx, r, p, sim.Decision{Outcome: "decline"})
	l.insist(ctx, r, p, "succeed", "succeed")
}

// refund asks for money of the first payment that has some, and two people approve it at once.
func (l *liar) refund(ctx context.Context, r *liarRun, n int, how string) {
	for _, p := range r.Payments {
		_, v := l.call(ctx, l.key, http.MethodGet, "/v1/payments/"+p.ID, "", nil)
		left, _ := v["refundable_amount"].(float64)
		if left <= 0 || v["status"] != "succeeded" {
			continue
		}
		amount := left
		if how == "part" {
			amount = float64(int64(left) / 2)
		}
		status, v := l.call(ctx, l.key, http.MethodPost, "/v1/payments/"+p.ID+"/refunds", fmt.Sprint("r", r.N, "-", n),
			map[string]any{"amount": int64(amount), "available": int64(left), "reason": "nộp thừa"})
		id, _ := v["id"].(string)
		r.note("refund %s of %s %v of %v: %d %v", how, p.ID, amount, left, status, v["detail"])
		if status != http.StatusAccepted {
			return
		}
		if how == "reject" {
			status, v := l.call(ctx, l.sessions["approver"], http.MethodPost, "/v1/refunds/"+id+"/reject", "", nil)
			r.note("rejected: %d %v", status, v["detail"])
			return
		}
		var wg sync.WaitGroup
		for _, who := range []string{"approver", "approver-2"} {
			wg.Go(func() { l.call(ctx, l.sessions[who], http.MethodPost, "/v1/refunds/"+id+"/approve", "", nil) })
		}
		wg.Wait()
		return
	}
}
