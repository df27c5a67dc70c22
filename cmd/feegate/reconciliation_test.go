package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/providers/sim"
)

const day = "2026-03-10"

// upload sends a settlement file as multipart, the parts in the order given: name, value, name, value; "file" is the file.
func (s *street) upload(token, query string, parts ...string) reply {
	s.t.Helper()
	return s.uploadTo(token, "/v1/settlements"+query, parts...)
}

func (s *street) uploadTo(token, path string, parts ...string) reply {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		var err error
		var p io.Writer
		if parts[i] == "file" {
			p, err = w.CreateFormFile("file", "settlement.csv")
		} else {
			p, err = w.CreateFormField(parts[i])
		}
		if err == nil {
			_, err = io.WriteString(p, parts[i+1])
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return s.send(http.MethodPost, s.api+path, b.String(), map[string]string{"Authorization": "Bearer " + token, "Content-Type": w.FormDataContentType()})
}

func (s *street) settlement(provider string, c sim.Changes) string {
	s.t.Helper()
	terminal := map[string]string{"momo": "FEEGATEMOMO", "vnpay": "FEEGATE1"}[provider]
	_, file, _, err := s.world.Settlement(provider, terminal, day, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(file)
}

// paid makes n more orders and pays them at the provider; told says whether its callbacks come.
func (s *street) paid(provider string, n int, told bool) (orders []string) {
	s.t.Helper()
	for range n {
		i := s.count(`SELECT count(*) FROM orders`)
		body := strings.NewReplacer("0007", fmt.Sprintf("%04d", 100+i)).Replace(anOrder(fmt.Sprint("N", i)))
		r := s.call(http.MethodPost, "/v1/orders", fmt.Sprint("n", i), body)
		order, _ := r.get(s.t)["id"].(string)
		p := s.call(http.MethodPost, "/v1/orders/"+order+"/payments", fmt.Sprint("m", i), map[string]string{"provider": provider})
		reference, _ := p.get(s.t)["provider_reference"].(string)
		if reference == "" {
			s.t.Fatalf("%s\n%s", r.body, p.body)
		}
		s.decide(provider, reference, map[string]any{"outcome": "succeed", "callback": map[string]any{"send": told}})
		orders = append(orders, order)
	}
	return orders
}

// list gives the discrepancies that a query finds.
func (s *street) list(token, query string) []map[string]any {
	s.t.Helper()
	r := s.as(token, http.MethodGet, "/v1/discrepancies?"+query, "", nil)
	var got struct{ Items []map[string]any }
	if err := json.Unmarshal(r.body, &got); err != nil || r.status != http.StatusOK {
		s.t.Fatalf("%d %s %v\n%s", r.status, r.body, err, s.logs)
	}
	return got.Items
}

func text(v any) string { t, _ := v.(string); return t }

func TestAMorningOverHTTP(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 6, true)
	mai, lan := s.person("mai", []identity.Role{identity.Finance, identity.Approver}), s.person("lan", []identity.Role{identity.Approver})
	file := s.settlement("momo", sim.Changes{Lose: 1, Invent: 1, Alter: 1, Double: 1, Seed: 3})

	dry := s.upload(mai, "?dry_run=true", "account_id", "acc_momo", "date", day, "file", file)
	if v := dry.get(t); dry.status != 200 || v["lines"] != 7.0 || v["id"] != "" || s.count(`SELECT count(*) FROM imports`) != 0 {
		t.Fatalf("dry run: %d %s", dry.status, dry.body)
	}
	first := s.upload(mai, "", "account_id", "acc_momo", "date", day, "expected_lines", "7", "file", file)
	if v := first.get(t); first.status != http.StatusCreated || v["lines"] != 7.0 || len(v["findings"].([]any)) != 1 {
		t.Fatalf("%d %s\n%s", first.status, first.body, s.logs)
	}
	imp := text(first.get(t)["id"])
	if again := s.upload(mai, "", "file", file, "account_id", "acc_momo", "date", day); again.status != 200 || again.get(t)["id"] != imp {
		t.Errorf("the same again, the file first: %d %s", again.status, again.body)
	}
	if r := s.as(lan, http.MethodGet, "/v1/imports/"+imp, "", nil); r.status != 200 || r.get(t)["file_name"] != "settlement.csv" {
		t.Errorf("import: %d %s", r.status, r.body)
	}
	if r := s.as(lan, http.MethodGet, "/v1/imports?account_id=acc_momo&date="+day, "", nil); r.status != 200 || len(r.get(t)["items"].([]any)) != 1 {
		t.Errorf("imports: %d %s", r.status, r.body)
	}

	r := s.as(lan, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil)
	v := r.get(t)
	kinds, _ := v["discrepancies"].(map[string]any)
	if v["unexplained_difference"] != 0.0 || v["difference"] != v["explained_difference"] || v["status"] != "matched" || len(kinds) != 4 {
		t.Fatalf("%s", r.body)
	}
	for _, k := range []string{"missing_at_provider", "missing_at_gateway", "amount_mismatch", "duplicate_line"} {
		if kinds[k] != 1.0 {
			t.Errorf("%s: %v", k, kinds)
		}
	}
	all := s.as(mai, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": day})
	if a := all.get(t); all.status != 200 || len(a["accounts"].([]any)) != 2 || a["difference"] != v["difference"] {
		t.Errorf("all accounts: %d %s", all.status, all.body)
	}

	// The invented line becomes a recorded payment without an order: two people, and the same one is not two.
	d := s.list(mai, "kind=missing_at_gateway&date="+day)[0]
	path := "/v1/discrepancies/" + text(d["id"])
	body := map[string]string{"action": "record_payment", "note": "the payer has shown the receipt"}
	if r := s.as(mai, http.MethodPost, path+"/resolutions", "", body); r.status != 400 {
		t.Errorf("without a key: %d", r.status)
	}
	p := s.as(mai, http.MethodPost, path+"/resolutions", "r1", body)
	if w := p.get(t); p.status != http.StatusCreated || w["n"] != 1.0 || w["status"] != "proposed" {
		t.Fatalf("%d %s\n%s", p.status, p.body, s.logs)
	}
	if r := s.as(mai, http.MethodPost, path+"/resolutions", "r1", body); r.header.Get("Idempotency-Replayed") != "true" || string(r.body) != string(p.body) {
		t.Errorf("replay: %d %s", r.status, r.body)
	}
	if r := s.as(mai, http.MethodPost, path+"/resolutions", "r2", body); r.status != http.StatusConflict {
		t.Errorf("a second proposal: %d %s", r.status, r.body)
	}
	if r := s.as(mai, http.MethodPost, path+"/resolutions/1/approve", "", nil); r.status != http.StatusForbidden {
		t.Errorf("one's own: %d %s", r.status, r.body)
	}
	for range 2 { // saying it again is the same
		if r := s.as(lan, http.MethodPost, path+"/resolutions/1/approve", "", nil); r.status != 200 || r.get(t)["status"] != "done" {
			t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
		}
	}
	full := s.as(lan, http.MethodGet, path, "", nil)
	w := full.get(t)
	ours, _ := w["ours"].(map[string]any)
	if w["status"] != "resolved" || w["effect"] != 0.0 || w["line"] == nil || len(w["history"].([]any)) < 3 {
		t.Errorf("%s", full.body)
	}
	if ours == nil || ours["status"] != "succeeded" || ours["order"] != nil {
		t.Errorf("recorded: %s", full.body)
	}
	pay := s.as(mai, http.MethodGet, "/v1/payments/"+text(ours["id"]), "", nil)
	if q := pay.get(t); pay.status != 200 || q["surplus_amount"] != ours["amount"] {
		t.Errorf("%d %s", pay.status, pay.body)
	}
	if got := s.list(mai, "kind=surplus"); len(got) != 1 || got[0]["payment_id"] != ours["id"] {
		t.Errorf("surplus: %v", got)
	}

	// A claim moves the money that the provider owes; the books add up to 0 all the same.
	lost := s.list(mai, "kind=missing_at_provider&status=open")[0]
	s.as(mai, http.MethodPost, "/v1/discrepancies/"+text(lost["id"])+"/resolutions", "r3", map[string]string{"action": "claim_from_provider", "note": "asked them"})
	if r := s.as(lan, http.MethodPost, "/v1/discrepancies/"+text(lost["id"])+"/resolutions/1/approve", "", nil); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	books := func() (sum float64, m map[string]float64) {
		r := s.as(lan, http.MethodGet, "/v1/ledger/balances", "", nil)
		m = map[string]float64{}
		for _, i := range r.get(t)["items"].([]any) {
			b := i.(map[string]any)
			m[text(b["account"])] = b["balance"].(float64)
			sum += b["balance"].(float64)
		}
		return sum, m
	}
	v = s.as(lan, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil).get(t)
	if sum, m := books(); sum != 0 || m["clearing:acc_momo"] != v["difference"] || m["claim:acc_momo"] != 50000 {
		t.Errorf("%v %v, difference %v", sum, m, v["difference"])
	}
	if v["unexplained_difference"] != 0.0 {
		t.Errorf("%v", v)
	}

	// The corrected file: refused, then put in the place of the first. What was claimed has come.
	right := s.settlement("momo", sim.Changes{})
	if r := s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", right); r.status != http.StatusConflict || !strings.Contains(string(r.body), "conflicting-settlement") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.upload(mai, "", "account_id", "acc_momo", "date", day, "replaces", imp, "file", right); r.status != http.StatusCreated {
		t.Fatalf("%d %s\n%s", r.status, r.body, s.logs)
	}
	v = s.as(lan, http.MethodGet, "/v1/reconciliations/"+day+"?account_id=acc_momo", "", nil).get(t)
	kinds, _ = v["discrepancies"].(map[string]any) // the recorded payment is now the one that the provider lacks
	if v["unexplained_difference"] != 0.0 || kinds["missing_at_provider"] != 1.0 || len(kinds) != 2 {
		t.Errorf("%v", v)
	}
	if sum, m := books(); sum != 0 || m["clearing:acc_momo"] != v["difference"] || m["claim:acc_momo"] != 0 {
		t.Errorf("%v %v, difference %v", sum, m, v["difference"])
	}
	if n := s.count(`SELECT count(*) FROM settlement_lines WHERE superseded_at IS NOT NULL`); n != 7 {
		t.Errorf("%d lines superseded", n)
	}
	if n := s.count(`SELECT count(*) FROM matches m WHERE (ended_at IS NULL) <> EXISTS (SELECT FROM settlement_lines l WHERE l.id = m.line_id AND superseded_at IS NULL)`); n != 0 {
		t.Errorf("%d matches of replaced lines stand", n)
	}
}

func TestWhoMaySeeAMorning(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 2, true)
	mai := s.person("mai", []identity.Role{identity.Finance}, "H10.12")
	imp := text(s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", sim.Changes{Lose: 1})).get(t)["id"])
	dis := text(s.list(mai, "date="+day)[0]["id"])
	reads := []string{"/v1/imports/" + imp, "/v1/discrepancies/" + dis, "/v1/reconciliations/" + day + "?account_id=acc_momo", "/v1/discrepancies?account_id=acc_momo",
		"/v1/imports?account_id=acc_momo"}
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"finance":        {mai, 200},
		"approver":       {s.person("lan", []identity.Role{identity.Approver}), 200},
		"auditor":        {s.person("tra", []identity.Role{identity.Auditor}), 200},
		"reporter":       {s.person("vy", []identity.Role{identity.Reporter}), 403},
		"another agency": {s.person("hoa", []identity.Role{identity.Finance}, "H10.99"), 404},
		"a key":          {portalKey, 403},
	} {
		for _, path := range reads {
			if r := s.as(c.token, http.MethodGet, path, "", nil); r.status != c.want {
				t.Errorf("%s, %s: %d %s", name, path, r.status, r.body)
			}
		}
		want := map[string]int{"finance": 200, "another agency": 404}[name]
		if want == 0 {
			want = 403
		}
		if r := s.as(c.token, http.MethodPost, "/v1/reconciliations", "", map[string]string{"date": day, "account_id": "acc_momo"}); r.status != want {
			t.Errorf("%s matching: %d %s", name, r.status, r.body)
		}
		if r := s.upload(c.token, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", sim.Changes{Lose: 1})); r.status != want {
			t.Errorf("%s importing: %d %s", name, r.status, r.body)
		}
		body := map[string]string{"action": "write_off", "note": "x"}
		if r := s.as(c.token, http.MethodPost, "/v1/discrepancies/"+dis+"/resolutions", "k-"+name[:1], body); name != "finance" && r.status != want {
			t.Errorf("%s resolving: %d %s", name, r.status, r.body)
		}
	}
	far := s.as(s.person("nga", []identity.Role{identity.Approver}, "H10.99"), http.MethodPost, "/v1/discrepancies/"+dis+"/resolutions/1/approve", "", nil)
	if far.status != 404 {
		t.Errorf("another agency's approver: %d %s", far.status, far.body)
	}
	r := s.as(s.person("thu", []identity.Role{identity.Finance}, "H10.99"), http.MethodGet, "/v1/reconciliations/"+day, "", nil)
	if v := r.get(t); r.status != 200 || v["difference"] != 0.0 || v["accounts"] != nil {
		t.Errorf("the day for one who sees none of it: %s", r.body)
	}
}

func TestBadSettlementsOverHTTP(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 2, true)
	mai := s.person("mai", []identity.Role{identity.Finance})
	good := s.settlement("momo", sim.Changes{})
	header := good[:strings.Index(good, "\n")+1]
	for name, c := range map[string]struct {
		status int
		in     string // in the answer
		parts  []string
	}{
		"empty":                        {422, `"line":1`, []string{"account_id", "acc_momo", "date", day, "file", ""}},
		"header only":                  {422, `"line":1`, []string{"account_id", "acc_momo", "date", day, "file", header}},
		"encoding":                     {422, "UTF-8", []string{"account_id", "acc_momo", "date", day, "file", header + "\xff\xfe\n"}},
		"formula":                      {422, "formula", []string{"account_id", "acc_momo", "date", day, "file", strings.Replace(good, ",PAYMENT,", ",=cmd,", 1)}},
		"terminal":                     {422, "terminal", []string{"account_id", "acc_momo", "date", day, "file", strings.ReplaceAll(good, "FEEGATEMOMO", "SOMEBODY")}},
		"another day":                  {422, "another day", []string{"account_id", "acc_momo", "date", "2026-03-11", "file", good}},
		"lines":                        {422, "expected_lines", []string{"account_id", "acc_momo", "date", day, "expected_lines", "3", "file", good}},
		"amount":                       {422, "expected_amount", []string{"account_id", "acc_momo", "date", day, "file", good, "expected_amount", "99999"}},
		"amount late":                  {422, "expected_amount", []string{"account_id", "acc_momo", "date", day, "file", good, "expected_amount", "100000"}},
		"format":                       {422, `"format"`, []string{"account_id", "acc_momo", "date", day, "format", "xlsx", "file", good}},
		"replaces nothing":             {422, `"replaces"`, []string{"account_id", "acc_momo", "date", day, "replaces", "imp_none", "file", good}},
		"date":                         {422, `"date"`, []string{"account_id", "acc_momo", "date", "10/03/2026", "file", good}},
		"no date":                      {422, `"date"`, []string{"account_id", "acc_momo", "file", good}},
		"no file":                      {422, `"file"`, []string{"account_id", "acc_momo", "date", day}},
		"unknown field":                {422, `"colour"`, []string{"colour", "red", "account_id", "acc_momo", "date", day, "file", good}},
		"account":                      {404, "", []string{"account_id", "acc_none", "date", day, "file", good}},
		"a huge file that comes first": {422, "must stand after", []string{"file", strings.Repeat("x\n", 1<<20), "account_id", "acc_momo", "date", day}},
	} {
		r := s.upload(mai, "", c.parts...)
		if r.status != c.status || !strings.Contains(string(r.body), c.in) || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := s.as(mai, http.MethodPost, "/v1/settlements", "", map[string]string{"a": "b"}); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON: %d %s", r.status, r.body)
	}
	if n := s.count(`SELECT (SELECT count(*) FROM imports) + (SELECT count(*) FROM settlement_lines) + (SELECT count(*) FROM moves WHERE cause_type = 'settlement')`); n != 0 {
		t.Errorf("%d rows kept", n)
	}
	if r := s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", good); r.status != http.StatusCreated {
		t.Errorf("after all that: %d %s", r.status, r.body)
	}
	for _, q := range []string{"date=yesterday", "kind=odd", "status=odd", "limit=0", "limit=201", "after=x", "from=1"} {
		if r := s.as(mai, http.MethodGet, "/v1/discrepancies?"+q, "", nil); r.status != 422 {
			t.Errorf("%s: %d %s", q, r.status, r.body)
		}
	}
}

// A line without an end is refused when its first 64 KiB are read: the rest of the 200 MB is never asked for.
func TestAnEndlessLineIsRefusedEarly(t *testing.T) {
	s := newStreet(t)
	mai := s.person("mai", []identity.Role{identity.Finance})
	read, write := io.Pipe()
	w := multipart.NewWriter(write)
	sent := make(chan int64, 1)
	go func() {
		var n int64
		defer func() { sent <- n; _ = write.Close() }()
		for _, f := range [][2]string{{"account_id", "acc_momo"}, {"date", day}} {
			if w.WriteField(f[0], f[1]) != nil {
				return
			}
		}
		p, err := w.CreateFormFile("file", "f.csv")
		if err != nil {
			return
		}
		for n < 200<<20 {
			k, err := p.Write(bytes.Repeat([]byte("x"), 1<<16))
			if n += int64(k); err != nil {
				return
			}
		}
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.api+"/v1/settlements", read)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mai)
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	_ = read.Close()
	if err != nil || resp.StatusCode != 422 || !strings.Contains(string(body), "64 KiB") {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	if n := <-sent; n > 20<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}
