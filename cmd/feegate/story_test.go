package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The story: one agency's day from a portal's orders to a rate that can be proven, through the built programs and HTTP alone.

type storyOrder struct {
	ID            string         `json:"id"`
	Status        string         `json:"status"`
	PaidAmount    int64          `json:"paid_amount"`
	SurplusAmount int64          `json:"surplus_amount"`
	Late          bool           `json:"late"`
	ExpiresAt     time.Time      `json:"expires_at"`
	Payments      []storyPayment `json:"payments"`
}

type storyPayment struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	Reference  string `json:"provider_reference"`
	Refundable int64  `json:"refundable_amount"`
	Evidence   string `json:"evidence"`
	Redirect   struct {
		URL string `json:"url"`
	} `json:"redirect"`
}

// order makes a fee order of the first agency; n tells the dossiers apart.
func (b *box) order(n, amount int, more ...string) storyOrder {
	b.t.Helper()
	body := demoOrder(fmt.Sprint("S", n), n, amount)
	for _, m := range more {
		body = strings.Replace(body, "{", "{"+m+",", 1)
	}
	return get[storyOrder](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders", body)
}

// start begins a payment; the payer's browser opens the provider's page.
func (b *box) pay(order, provider string, more ...string) storyPayment {
	b.t.Helper()
	body := `{"provider":"` + provider + `"` + strings.Join(append([]string{""}, more...), ",") + `}`
	p := get[storyPayment](b, http.StatusCreated, b.ready.APIKey, http.MethodPost, "/v1/orders/"+order+"/payments", body)
	if status, raw, err := try(b.t.Context(), "", http.MethodGet, p.Redirect.URL, "", nil); err != nil || status >= 400 {
		b.t.Fatalf("the provider's page: %d %s %v", status, raw, err)
	}
	return p
}

// decides makes an outcome true at the provider and gives the statuses that its callbacks met.
func (b *box) decides(provider, reference, decision string) []int {
	b.t.Helper()
	said := get[struct{ Callbacks []struct{ Status int } }](b, http.StatusOK, "", http.MethodPost, "/control/"+provider+"/payments/"+reference, decision)
	var out []int
	for _, c := range said.Callbacks {
		out = append(out, c.Status)
	}
	return out
}

func (b *box) look(order string) storyOrder {
	b.t.Helper()
	return get[storyOrder](b, http.StatusOK, b.ready.APIKey, http.MethodGet, "/v1/orders/"+order, nil)
}

func (b *box) is(order, status string) storyOrder {
	b.t.Helper()
	var o storyOrder
	b.until("order "+order+" "+status, func() bool {
		o = b.look(order)
		return o.Status == status
	})
	return o
}

func (b *box) advance(by string) {
	b.t.Helper()
	get[map[string]any](b, http.StatusOK, "", http.MethodPost, "/control/clock", map[string]string{"advance": by})
}

// upload sends a settlement file as a person does.
func (b *box) upload(session, account, date string, file []byte) (int, []byte) {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range map[string]string{"account_id": account, "date": date} {
		if err := form.WriteField(name, value); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", "settlement.csv")
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := part.Write(file); err != nil {
		b.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.ready.API+"/v1/settlements", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", "Bearer "+session)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// file is the day's settlement file as the provider writes it, spoilt on request.
func (b *box) file(provider, account, query string) []byte {
	b.t.Helper()
	terminal := ""
	for _, a := range b.ready.Accounts {
		if a.ID == account {
			terminal = a.Credentials[map[string]string{"vnpay": "vnp_TmnCode", "momo": "partnerCode"}[provider]]
		}
	}
	status, raw := b.do("", http.MethodGet, "/control/"+provider+"/settlement?account="+terminal+"&date=2026-03-10"+query, nil)
	if status != http.StatusOK {
		b.t.Fatalf("settlement file: %d %s", status, raw)
	}
	return raw
}

type storyDay struct {
	Payments      struct{ Count, Amount int64 }
	Settled       struct{ Count, Amount, Fee, Net int64 }
	Matched       struct{ Count, Amount int64 }
	Difference    int64 `json:"difference"`
	Explained     int64 `json:"explained_difference"`
	Unexplained   int64 `json:"unexplained_difference"`
	Discrepancies map[string]int
}

func (b *box) day(session, account string) storyDay {
	b.t.Helper()
	return get[storyDay](b, http.StatusOK, session, http.MethodGet, "/v1/reconciliations/2026-03-10?account_id="+account, nil)
}

type storyRate struct {
	Numerator, Denominator int64
	Percent                *string
}

type storyRow struct {
	Group *struct{ Code string }
	Rates map[string]*storyRate
}

func (b *box) rates(group string) (rows map[string]storyRow, total storyRow) {
	b.t.Helper()
	report := get[struct {
		Rows  []storyRow
		Total storyRow
	}](b, http.StatusOK, b.ready.ReportingKey, http.MethodGet, "/v1/reports/adoption?from=2026-03-01&to=2026-03-31&group_by="+group, nil)
	rows = map[string]storyRow{}
	for _, r := range report.Rows {
		rows[r.Group.Code] = r
	}
	return rows, report.Total
}

func (b *box) balances(session string) map[string]int64 {
	b.t.Helper()
	list := get[struct {
		Items []struct {
			Account string
			Balance int64
		}
	}](b, http.StatusOK, session, http.MethodGet, "/v1/ledger/balances", nil)
	out := map[string]int64{}
	for _, i := range list.Items {
		out[i.Account] = i.Balance
	}
	return out
}

func TestTheStory(t *testing.T) {
	b := openBox(t, "--empty", "--clock", "2026-03-10T09:00:00+07:00")
	momo, vnpay := b.account("momo"), b.account("vnpay")
	finance, approver := b.signIn("finance"), b.signIn("approver")

	// A payer pays; the provider says so twice; it is recorded once.
	plain := b.order(1, 120000)
	if said := b.decides("vnpay", b.pay(plain.ID, "vnpay").Reference, `{"outcome":"succeed","callback":{"send":true,"copies":2}}`); len(said) != 2 {
		t.Errorf("doubled callback: %v", said)
	}
	if o := b.is(plain.ID, "paid"); o.PaidAmount != 120000 || o.SurplusAmount != 0 {
		t.Errorf("%+v", o)
	}
	// A lost callback is found by the sweep.
	lost := b.order(2, 250000)
	b.decides("momo", b.pay(lost.ID, "momo").Reference, `{"outcome":"succeed","callback":{"send":false}}`)
	// A forged one changes nothing; the truth is found by asking.
	forged := b.order(3, 90000)
	b.decides("momo", b.pay(forged.ID, "momo").Reference, `{"outcome":"succeed","callback":{"send":true,"forge":true}}`)
	if o := b.look(forged.ID); o.Status != "open" {
		t.Errorf("a forged callback made the order %s", o.Status)
	}
	if o := b.look(lost.ID); o.Status != "open" {
		t.Errorf("nobody has told of the payment and the order is %s", o.Status)
	}
	// A short-lived order whose payer is slow.
	slow := b.order(4, 300000, `"expires_at":"2026-03-10T09:16:00+07:00"`)
	slowPayment := b.pay(slow.ID, "momo")
	b.advance("20m")
	b.is(lost.ID, "paid")
	b.is(forged.ID, "paid")
	b.is(slow.ID, "expired")
	b.decides("momo", slowPayment.Reference, `{"outcome":"succeed"}`)
	if o := b.is(slow.ID, "paid"); !o.Late {
		t.Error("money after the expiry is not called late")
	}
	// Two payments of one order, both succeed: the second is surplus.
	twice := b.order(5, 80000)
	first, second := b.pay(twice.ID, "momo"), b.pay(twice.ID, "vnpay", `"despite":true`)
	b.decides("momo", first.Reference, `{"outcome":"succeed"}`)
	b.decides("vnpay", second.Reference, `{"outcome":"succeed"}`)
	b.until("the second success is surplus", func() bool { o := b.look(twice.ID); return o.Status == "paid" && o.SurplusAmount == 80000 })
	// A refund in part, by two people.
	given := b.order(6, 500000)
	givenPayment := b.pay(given.ID, "momo")
	b.decides("momo", givenPayment.Reference, `{"outcome":"succeed"}`)
	b.is(given.ID, "paid")
	refund := get[struct{ ID, Status string }](b, http.StatusAccepted, finance, http.MethodPost, "/v1/payments/"+givenPayment.ID+"/refunds",
		`{"amount":100000,"available":500000,"reason":"nộp thừa"}`)
	if status, raw := b.do(finance, http.MethodPost, "/v1/refunds/"+refund.ID+"/approve", nil); status != http.StatusForbidden {
		t.Errorf("finance approves its own refund: %d %s", status, raw)
	}
	get[map[string]any](b, http.StatusOK, approver, http.MethodPost, "/v1/refunds/"+refund.ID+"/approve", nil)
	b.until("the refund is done", func() bool {
		return get[struct{ Status string }](b, http.StatusOK, b.ready.APIKey, http.MethodGet, "/v1/refunds/"+refund.ID, nil).Status == "succeeded"
	})
	if o := b.look(given.ID); o.Status != "partly_refunded" {
		t.Errorf("after the refund the order is %s", o.Status)
	}
	// More of the day, for the file to have something to lose and alter.
	for n := 7; n < 13; n++ {
		o := b.order(n, 1000*n)
		b.decides("momo", b.pay(o.ID, "momo").Reference, `{"outcome":"succeed"}`)
		b.is(o.ID, "paid")
	}
	cash := b.order(13, 400000)
	get[map[string]any](b, http.StatusCreated, b.ready.CaseKey, http.MethodPost, "/v1/orders/"+cash.ID+"/counter-payments",
		`{"amount":400000,"method":"cash","receipt_series":"C26T","receipt_number":"0000001","received_at":"2026-03-10T09:10:00+07:00","officer":"Cán bộ một cửa"}`)
	b.is(cash.ID, "paid")

	if _, before := b.rates("provider"); before.Rates["transactions"].Numerator != 0 || before.Rates["transactions"].Denominator != 13 {
		t.Errorf("before anything is settled: %+v", before.Rates["transactions"])
	}
	// The next morning.
	b.advance("23h")
	if status, raw := b.upload(finance, vnpay, "2026-03-10", b.file("vnpay", vnpay, "")); status != http.StatusCreated {
		t.Fatalf("VNPAY's file: %d %s", status, raw)
	}
	spoilt := b.file("momo", momo, "&lose=1&invent=1&alter=1&seed=7")
	if status, raw := b.upload(finance, momo, "2026-03-10", spoilt); status != http.StatusCreated {
		t.Fatalf("MoMo's file: %d %s", status, raw)
	}
	if status, raw := b.upload(finance, momo, "2026-03-10", spoilt); status != http.StatusOK {
		t.Errorf("the same file again: %d %s", status, raw)
	}
	if d := b.day(finance, vnpay); d.Difference != 0 || d.Unexplained != 0 || d.Matched.Count != 2 || !maps.Equal(d.Discrepancies, map[string]int{"surplus": 1}) {
		t.Errorf("VNPAY's day: %+v", d)
	}
	named := b.day(finance, momo)
	if want := map[string]int{"missing_at_provider": 1, "missing_at_gateway": 1, "amount_mismatch": 1}; !maps.Equal(named.Discrepancies, want) || named.Unexplained != 0 || named.Difference == 0 {
		t.Errorf("MoMo's day: %+v", named)
	}
	_, after := b.rates("provider")
	if r := after.Rates["transactions"]; r.Denominator != 13 || r.Numerator != 10 { // 12 online orders, one line lost and one altered
		t.Errorf("after the settlement: %+v", r)
	}
	books(t, b, finance, momo, vnpay, named)

	// The invented line is looked into and turns out to be what the provider took for nobody: two people record it.
	found := get[struct {
		Items []struct {
			ID     string
			Amount int64
		}
	}](b, http.StatusOK, finance, http.MethodGet, "/v1/discrepancies?date=2026-03-10&kind=missing_at_gateway", nil).Items
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	path := "/v1/discrepancies/" + found[0].ID + "/resolutions"
	resolution := get[struct {
		N      int
		Status string
	}](b, http.StatusCreated, finance, http.MethodPost, path, `{"action":"record_payment","note":"đã tra soát với nhà cung cấp"}`)
	if resolution.Status != "proposed" {
		t.Errorf("%+v", resolution)
	}
	get[map[string]any](b, http.StatusOK, approver, http.MethodPost, fmt.Sprintf("%s/%d/approve", path, resolution.N), nil)
	healed := b.day(finance, momo)
	if healed.Discrepancies["missing_at_gateway"] != 0 || healed.Discrepancies["surplus"] != 1 || healed.Unexplained != 0 || healed.Difference != named.Difference+found[0].Amount {
		t.Errorf("after the resolution: %+v, before: %+v", healed, named)
	}
	// The portal heard all of it, once each, in order per order.
	heard := map[string]int{}
	at := "0"
	for {
		status, raw := b.do(b.ready.APIKey, http.MethodGet, "/v1/events?limit=200&after="+at, nil)
		if private := strings.Contains(string(raw), "079000000001") || strings.Contains(string(raw), "Nguyễn Văn A"); status != http.StatusOK || private {
			t.Fatalf("events: %d, a person in them: %v", status, private)
		}
		var page struct {
			Items []struct{ Type string }
			Next  string
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			heard[e.Type]++
		}
		if at = page.Next; len(page.Items) == 0 {
			break
		}
	}
	for kind, n := range map[string]int{"order.created": 13, "order.paid": 13, "order.expired": 1, "order.surplus": 1, "order.partly_refunded": 1, "refund.succeeded": 1, "payment.succeeded": 14} {
		if heard[kind] != n {
			t.Errorf("%d × %s, want %d: %v", heard[kind], kind, n, heard)
		}
	}
	if logs := b.logs.String(); strings.Contains(logs, "079000000001") || strings.Contains(logs, "Nguyễn Văn A") || strings.Contains(logs, b.ready.APIKey) {
		t.Error("the log holds a person or a key")
	}
}

// books holds the providers' truth, the moves, the report and the day against each other, to the đồng.
func books(t *testing.T, b *box, session, momo, vnpay string, day storyDay) {
	t.Helper()
	taken := get[truth](b, http.StatusOK, "", http.MethodGet, "/control/ledger", nil)
	kept := map[string]int64{}
	for _, p := range taken.Payments {
		kept[p.Provider] += p.Amount - p.Refunded
	}
	balance := b.balances(session)
	rows, _ := b.rates("provider")
	for provider, account := range map[string]string{"momo": momo, "vnpay": vnpay} {
		// What came in and was not given back stands in clearing until settled, then as receivable and fee.
		moves := balance["clearing:"+account] + balance["receivable:"+account] + balance["fee:"+account]
		surplus := -balance["surplus:"+account]
		counted := rows[provider].Rates["amount"].Denominator
		if moves != kept[provider] || counted+surplus != kept[provider] {
			t.Errorf("%s kept %d; moves say %d; the report counts %d and %d are surplus\n%v", provider, kept[provider], moves, counted, surplus, balance)
		}
	}
	// Clearing holds exactly the day's difference, which is exactly what the named discrepancies explain.
	if c := balance["clearing:"+momo]; c != day.Difference || c != day.Explained {
		t.Errorf("clearing %d, difference %d, explained %d", c, day.Difference, day.Explained)
	}
	if c := balance["clearing:"+vnpay]; c != 0 {
		t.Errorf("VNPAY's clearing holds %d", c)
	}
	if got := balance["receivable:"+momo]; got != day.Settled.Net || balance["fee:"+momo] != day.Settled.Fee || got+balance["fee:"+momo]+day.Explained != kept["momo"] {
		t.Errorf("receivable %d, fee %d, settled %+v, kept %d", got, balance["fee:"+momo], day.Settled, kept["momo"])
	}
}
