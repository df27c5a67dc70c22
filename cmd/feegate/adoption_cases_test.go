package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers/sim"
)

// caseOf is one of testdata/adoption-cases.md: what is done, and what the rate is then.
type caseOf struct {
	name         string
	steps, wants [][]string
}

func adoptionCases(t *testing.T) []caseOf {
	t.Helper()
	raw, err := os.ReadFile("testdata/adoption-cases.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []caseOf
	asked := false
	for _, line := range strings.Split(string(raw), "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			out = append(out, caseOf{name: name})
			continue
		}
		if !strings.HasPrefix(line, "|") || len(out) == 0 || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		c := &out[len(out)-1]
		switch {
		case cells[0] == "when":
			asked = false
		case cells[0] == "asked":
			asked = true
		case asked:
			c.wants = append(c.wants, cells)
		default:
			c.steps = append(c.steps, cells)
		}
	}
	return out
}

// stage is a province in which a case is played.
type stage struct {
	*example
	orders   map[string]string // A -> its id
	dossiers map[string]int
	started  map[string]string // "A momo" -> the provider's reference
	files    map[string]string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	x := &stage{example: &example{street: newStreet(t), payments: map[string]string{}}, orders: map[string]string{}, dossiers: map[string]int{}, started: map[string]string{}, files: map[string]string{}}
	x.caseSystem()
	x.reporter = x.person("thống kê", []identity.Role{identity.Reporter})
	x.finance, x.approver = x.person("kế toán", []identity.Role{identity.Finance}), x.person("kế toán trưởng", []identity.Role{identity.Approver})
	if _, err := x.db.ExecContext(t.Context(), `INSERT INTO targets (percent, valid_from) VALUES (50, '2025-12-31')`); err != nil {
		t.Fatal(err)
	}
	cred := map[string]string{"partnerCode": "FEEGATEMOMON", "accessKey": "AK2", "secretKey": "SK2"}
	if err := x.app.accounts.Create(t.Context(), account.Account{ID: "acc_nvtc", Provider: "momo", AgencyCode: "H10.12", Kinds: []string{"nvtc"}, BaseURL: x.sim + "/momo", Credentials: cred}); err != nil {
		t.Fatal(err)
	}
	if r := x.send(http.MethodPut, x.sim+"/control/momo/accounts/FEEGATEMOMON", map[string]any{"credentials": cred, "callback_url": x.api + "/callbacks/momo/acc_nvtc"}, nil); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	return x
}

// accountNamed is where a provider's name of the cases leads: provider, account, terminal.
func accountNamed(name string) (provider, id, terminal string) {
	switch name {
	case "momo":
		return "momo", "acc_momo", "FEEGATEMOMO"
	case "land":
		return "momo", "acc_nvtc", "FEEGATEMOMON"
	}
	return "vnpay", "acc_vnpay", "FEEGATE1"
}

func march26(text string) string { return "2026-" + text }

// do plays one step.
func (x *stage) do(when, what string) {
	x.t.Helper()
	if to, err := time.ParseInLocation("2006-01-02 15:04", march26(when), sim.Zone()); err != nil || to.After(x.world.Now()) {
		x.at(march26(when))
	}
	w := strings.Fields(strings.ReplaceAll(what, ",", " "))
	has := func(word string) bool { return strings.Contains(" "+strings.Join(w, " ")+" ", " "+word+" ") }
	after := func(word string) string {
		for i := range w[:len(w)-1] {
			if w[i] == word {
				return w[i+1]
			}
		}
		return ""
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			x.t.Fatalf("%s: %q is no number", what, s)
		}
		return n
	}
	switch w[0] {
	case "order":
		x.order(w[1], number(after("dossier")), w[5], number(w[6]), has("exempt"), after("supersedes"))
	case "pay", "start":
		more := map[string]any{}
		if n := after("amount"); n != "" {
			more["amount"] = number(n)
		}
		if has("officer") {
			more["initiated_by"] = "officer"
		}
		if has("qr") {
			more["method"], more["place"] = "qr", "counter"
		}
		x.start(w[1], after("by"), more)
		if w[0] == "pay" {
			x.finish(w[1], after("by"))
		}
	case "finish":
		x.finish(w[1], after("by"))
	case "take": // back A by momo
		provider, _, _ := accountNamed(w[4])
		x.decide(provider, x.started[w[2]+" "+w[4]], map[string]any{"outcome": "reverse"})
		x.move(time.Hour)
		if _, err := x.app.gateway.Sweep(x.t.Context(), 10); err != nil { // it looks the payment up: a denial alone is no proof
			x.t.Fatal(err)
		}
	case "cash", "pos", "transfer":
		x.counter(strings.ReplaceAll(what, " ", "-"), x.orders[w[1]], number(w[2]), w[0], after("receipt"))
	case "postal":
		in := counterMoney(number(w[3]), "cash", after("receipt"), x.world.Now().Add(-time.Second))
		in["postal"] = true
		x.made(x.as(caseKey, http.MethodPost, "/v1/orders/"+x.orders[w[2]]+"/counter-payments", strings.ReplaceAll(what, " ", "-"), in))
	case "settle":
		again := has("again")
		provider, id, terminal := accountNamed(w[len(w)-2])
		day := march26(w[len(w)-1])
		if again {
			if r := x.upload(x.finance, "", "account_id", id, "date", day, "file", x.files[id+day]); r.status != 200 {
				x.t.Fatalf("%s: %d %s", what, r.status, r.body)
			}
			return
		}
		_, file, _, err := x.world.Settlement(provider, terminal, day, sim.Changes{})
		if err != nil {
			x.t.Fatal(err)
		}
		x.files[id+day] = string(file)
		x.settle(id, provider, terminal, day)
	case "refund":
		name, amount := w[1], w[len(w)-1]
		if w[1] == "the" {
			name = w[4] + " momo" // the second success
		}
		x.refund(name, number(amount))
	case "cancel":
		x.ok(x.call(http.MethodPost, "/v1/orders/"+x.orders[w[1]]+"/cancel", "", nil), 200)
	case "expire":
		if _, err := x.app.gateway.Expire(x.t.Context(), 100); err != nil {
			x.t.Fatal(err)
		}
	case "dossier":
		in := map[string]any{"status": w[2], "procedure_code": "1.001", "agency_code": "H10.12", "received_on": "2026-03-10"}
		if w[2] == "closed" {
			in["closed_at"] = x.world.Now().Add(-time.Minute).Format(time.RFC3339)
		}
		if due := after("due"); due != "" {
			in["amount_due"] = number(due)
		}
		if r := x.as(caseKey, http.MethodPut, "/v1/dossiers/"+dossierOf(number(w[1])), "", in); r.status/100 != 2 {
			x.t.Fatalf("%s: %d %s", what, r.status, r.body)
		}
	default:
		x.t.Fatalf("nobody knows how to %q", what)
	}
}

func (x *stage) order(name string, dossier int, kind string, amount int, exempted bool, supersedes string) {
	x.t.Helper()
	line := map[string]any{"fee_code": "F-" + kind, "kind": kind, "name": "Khoản thu", "quantity": 1, "unit_amount": amount, "gross": amount, "net": amount}
	in := map[string]any{"reference": name, "dossier_code": dossierOf(dossier), "procedure_code": "1.001", "agency_code": "H10.12", "lines": []any{line}, "amount": amount}
	if kind == "nvtc" {
		line["tax_notice"] = map[string]any{"number": "TB-1"}
	}
	if exempted {
		line["adjustments"] = []any{map[string]any{"type": "exempt", "amount": amount, "legal_basis": "Luật 97/2015, điều 10", "evidence": "sổ hộ nghèo 12"}}
		line["net"], in["amount"] = 0, 0
	}
	if supersedes != "" {
		in["supersedes"] = x.orders[supersedes]
	}
	x.orders[name] = x.made(x.call(http.MethodPost, "/v1/orders", "order-"+name, in))
}

// start begins a payment; the payer has not decided yet.
func (x *stage) start(order, by string, more map[string]any) {
	x.t.Helper()
	provider, id, _ := accountNamed(by)
	in := map[string]any{"account_id": id}
	for k, v := range more {
		in[k] = v
	}
	r := x.call(http.MethodPost, "/v1/orders/"+x.orders[order]+"/payments", "pay-"+order+by, in)
	x.payments[order], x.payments[order+" "+by] = x.made(r), x.made(r)
	v := r.get(x.t)
	if provider == "vnpay" {
		to, _ := v["redirect"].(map[string]any)["url"].(string)
		x.send(http.MethodGet, to, nil, nil)
	}
	x.started[order+" "+by], _ = v["provider_reference"].(string)
}

func (x *stage) finish(order, by string) {
	x.t.Helper()
	provider, _, _ := accountNamed(by)
	if got := x.decide(provider, x.started[order+" "+by], map[string]any{"outcome": "succeed"}); len(got) != 1 || got[0]/100 != 2 {
		x.t.Fatalf("%s by %s: callbacks %v\n%s", order, by, got, x.logs)
	}
}

func (x *stage) refund(name string, amount int) {
	x.t.Helper()
	payment := x.payments[name]
	available := x.as(x.finance, http.MethodGet, "/v1/payments/"+payment, "", nil).get(x.t)["refundable_amount"]
	asked := x.as(x.finance, http.MethodPost, "/v1/payments/"+payment+"/refunds", "refund-"+strings.ReplaceAll(name, " ", "-"), map[string]any{"amount": amount, "available": available, "reason": "nộp thừa"})
	id, _ := x.ok(asked, http.StatusAccepted)["id"].(string)
	x.ok(x.as(x.approver, http.MethodPost, "/v1/refunds/"+id+"/approve", "", nil), 200)
	if v := x.as(x.finance, http.MethodGet, "/v1/refunds/"+id, "", nil).get(x.t); v["status"] != "succeeded" {
		x.t.Fatalf("the refund of %s: %v", name, v)
	}
}

var askedFor = regexp.MustCompile(`^(\d\d)( cut=current)? as of (\d\d-\d\d)$`)

func TestWhatCountsByExample(t *testing.T) {
	cases := adoptionCases(t)
	if len(cases) < 20 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if len(c.steps) == 0 || len(c.wants) == 0 {
				t.Fatal("nothing happens, or nothing is asked")
			}
			x := newStage(t)
			for _, s := range c.steps {
				x.do(s[0], s[1])
			}
			if last := "2026-04-30 23:59"; x.world.Now().Format("2006-01-02 15:04") < last {
				x.at("2026-05-02 09:00")
			}
			for _, w := range c.wants {
				m := askedFor.FindStringSubmatch(w[0])
				if m == nil {
					t.Fatalf("asked %q", w[0])
				}
				first, err := time.Parse(time.DateOnly, "2026-"+m[1]+"-01")
				if err != nil {
					t.Fatal(err)
				}
				query := fmt.Sprintf("?from=%s&to=%s&as_of=2026-%s%s", first.Format(time.DateOnly), first.AddDate(0, 1, -1).Format(time.DateOnly), m[3], strings.Replace(m[2], " ", "&", 1))
				report := x.reportOf(query)
				figures := flat(report.Total)
				var got string
				switch name, percent, target := strings.Cut(w[1], " "); {
				case target:
					for _, tg := range report.Total.Targets {
						if h, _ := tg.Percent.MarshalJSON(); string(h) == percent {
							got = tg.Status
						}
					}
				case strings.Contains(w[2], "/"):
					got = fmt.Sprintf("%d/%d", figures[name], figures[name+".denominator"])
				default:
					got = strconv.FormatInt(figures[name], 10)
				}
				if got != w[2] {
					t.Errorf("%s, %s: %s, want %s", w[0], w[1], got, w[2])
				}
			}
		})
	}
}
