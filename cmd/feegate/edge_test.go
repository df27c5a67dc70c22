package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func (s *street) problem(r reply, status int, name string) map[string]any {
	s.t.Helper()
	if r.status != status || r.header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%d %s, want %d %s: %s\n%s", r.status, r.header.Get("Content-Type"), status, name, r.body, s.logs)
		return map[string]any{}
	}
	v := r.get(s.t)
	if v["type"] != "urn:feegate:problem:"+name || v["title"] == "" || v["title_vi"] == "" || v["request"] == "" {
		s.t.Errorf("want %s: %s", name, r.body)
	}
	return v
}

func TestWhatIsNotAnOrder(t *testing.T) {
	s := newStreet(t)
	good := anOrder("R1")
	swap := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct {
		body   string
		header map[string]string
		status int
		kind   string
		field  string
	}{
		"half a đồng":          {swap(`"amount":50000}`, `"amount":0.5}`), nil, 422, "invalid", "amount"},
		"an exponent":          {swap(`"amount":50000}`, `"amount":5e4}`), nil, 422, "invalid", "amount"},
		"a point":              {swap(`"amount":50000}`, `"amount":50000.0}`), nil, 422, "invalid", "amount"},
		"a negative":           {swap(`"amount":50000}`, `"amount":-1}`), nil, 422, "invalid", "amount"},
		"ten quadrillion":      {swap(`"amount":50000}`, `"amount":10000000000000000}`), nil, 422, "invalid", "amount"},
		"beyond int64":         {swap(`"amount":50000}`, `"amount":99999999999999999999999}`), nil, 422, "invalid", "amount"},
		"a text":               {swap(`"amount":50000}`, `"amount":"5"}`), nil, 422, "invalid", "amount"},
		"null":                 {swap(`"amount":50000}`, `"amount":null}`), nil, 422, "invalid", "amount"},
		"another sum":          {swap(`"amount":50000}`, `"amount":50001}`), nil, 422, "invalid", "amount"},
		"a line's net":         {swap(`"net":50000`, `"net":5e4`), nil, 422, "invalid", "lines[0].net"},
		"gross":                {swap(`"gross":50000`, `"gross":50001`), nil, 422, "invalid", "lines[0].gross"},
		"quantity":             {swap(`"quantity":2`, `"quantity":"2"`), nil, 422, "invalid", "lines[0].quantity"},
		"unknown field":        {swap(`"reference"`, `"referenze":1,"reference"`), nil, 422, "invalid", "referenze"},
		"another case":         {swap(`"reference"`, `"Reference"`), nil, 422, "invalid", "Reference"},
		"unknown in a line":    {swap(`"fee_code"`, `"x":1,"fee_code"`), nil, 422, "invalid", "lines[0].x"},
		"unknown procedure":    {swap(`"1.001"`, `"9.999"`), nil, 422, "invalid", "procedure_code"},
		"no such agency":       {swap(`"H10.12",`, `"H99",`), nil, 422, "invalid", "agency_code"},
		"NUL":                  {swap(`"R1"`, `"R\u0000"`), nil, 422, "invalid", ""},
		"NUL in metadata":      {swap(`"reference"`, `"metadata":{"a":"\u0000"},"reference"`), nil, 422, "invalid", ""},
		"a javascript address": {swap(`"reference"`, `"return_url":"javascript:alert(1)","reference"`), nil, 422, "invalid", "return_url"},
		"a field twice":        {swap(`"reference"`, `"amount":1,"reference"`), nil, 400, "unreadable", ""},
		"not UTF-8":            {swap(`Văn`, "V\xffn"), nil, 400, "unreadable", ""},
		"half a body":          {good[:40], nil, 400, "unreadable", ""},
		"two bodies":           {good + good, nil, 400, "unreadable", ""},
		"a list":               {`[]`, nil, 400, "unreadable", ""},
		"nothing":              {``, nil, 400, "unreadable", ""},
		"too much":             {`{"reference":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "too-large", ""},
		"a form":               {good, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type", ""},
		"no idempotency key":   {good, map[string]string{"Idempotency-Key": ""}, 400, "idempotency-key-missing", ""},
		"a blank in the key":   {good, map[string]string{"Idempotency-Key": "a b"}, 400, "idempotency-key-missing", ""},
		"a long key":           {good, map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}, 400, "idempotency-key-missing", ""},
		"nobody":               {good, map[string]string{"Authorization": ""}, 401, "unauthorised", ""},
		"no such key":          {good, map[string]string{"Authorization": "Bearer fgk_test_nobody"}, 401, "unauthorised", ""},
		"another scheme":       {good, map[string]string{"Authorization": "Basic " + portalKey}, 401, "unauthorised", ""},
		"may only read":        {good, map[string]string{"Authorization": "Bearer fgk_test_reader"}, 403, "forbidden", ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := *s
			at.t = t
			h := map[string]string{"Authorization": "Bearer " + portalKey, "Idempotency-Key": "k-" + strings.ReplaceAll(url.QueryEscape(name), "+", "-")}
			for k, v := range c.header {
				h[k] = v
			}
			v := at.problem(at.send(http.MethodPost, s.api+"/v1/orders", c.body, h), c.status, c.kind)
			if c.field == "" {
				return
			}
			fields := []string{}
			errs, _ := v["errors"].([]any)
			for _, e := range errs {
				f, _ := e.(map[string]any)["field"].(string)
				fields = append(fields, f)
			}
			if !slices.Contains(fields, c.field) {
				t.Errorf("fields %v, want %s", fields, c.field)
			}
		})
	}
	if n := s.count(`SELECT count(*) FROM orders`); n != 0 {
		t.Errorf("%d orders", n)
	}
}

func TestTheSameCallTwice(t *testing.T) {
	s := newStreet(t)
	first := s.call(http.MethodPost, "/v1/orders", "k", anOrder("R1"))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(anOrder("R1"))); err != nil {
		t.Fatal(err)
	}
	again := s.call(http.MethodPost, "/v1/orders", "k", compact.String()) // the same in canonical form
	if again.status != first.status || !bytes.Equal(again.body, first.body) || again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
	}
	s.problem(s.call(http.MethodPost, "/v1/orders", "k", anOrder("R2")), 422, "idempotency-key-reused")
	id := first.get(t)["id"]
	if v := s.problem(s.call(http.MethodPost, "/v1/orders", "k2", anOrder("R1")), 409, "reference-used"); v["order"] != id {
		t.Errorf("%v, want order %v", v, id)
	}
	if v := s.problem(s.call(http.MethodPost, "/v1/orders", "k3", anOrder("R3")), 409, "fee-already-open"); v["order"] != id {
		t.Errorf("%v, want order %v", v, id)
	}
	order, _ := id.(string)
	pay := func() reply {
		return s.call(http.MethodPost, "/v1/orders/"+order+"/payments", "p", map[string]string{"account_id": "acc_momo"})
	}
	one, two := pay(), pay()
	if one.status != 201 || two.status != 201 || !bytes.Equal(one.body, two.body) || two.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s\n%d %s", one.status, one.body, two.status, two.body)
	}
	if n := s.count(`SELECT count(*) FROM payments`); n != 1 {
		t.Errorf("%d payments", n)
	}
	for _, path := range []string{"/v1/orders/" + order, "/v1/orders/%00", "/v1/orders/ord_nothing", "/v1/payments/" + order, "/v1/nothing"} {
		s.problem(s.send(http.MethodGet, s.api+path, nil, map[string]string{"Authorization": "Bearer fgk_test_other"}), 404, "not-found")
	}
	s.problem(s.call(http.MethodDelete, "/v1/orders", "", nil), 405, "method-not-allowed")
}

func TestAReturningPayerIsSentToTheOrder(t *testing.T) {
	s := newStreet(t)
	order, _, reference := s.started("vnpay")
	v := s.call(http.MethodGet, "/v1/orders/"+order, "", nil).get(t)
	page, _ := v["checkout_url"].(string)
	if _, err := url.Parse(page); err != nil || !strings.HasPrefix(page, s.api+"/pay/") {
		t.Fatalf("checkout page %q", page)
	}
	// The payer presses the simulator's button, which sends them back as the provider would.
	form := url.Values{"account": {"FEEGATE1"}, "reference": {reference}, "choice": {"pay"}}.Encode()
	back := s.send(http.MethodPost, s.sim+"/vnpay/paymentv2/Transaction/Choice", form, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}).header.Get("Location")
	if !strings.HasPrefix(back, s.api+"/returns/vnpay/acc_vnpay?") {
		t.Fatalf("the provider sends the payer to %q", back)
	}
	r := s.send(http.MethodGet, back, nil, nil)
	if r.status != http.StatusSeeOther || r.header.Get("Location") != page {
		t.Errorf("%d %q, want the page %s\n%s", r.status, r.header.Get("Location"), page, s.logs)
	}
	if n := s.count(`SELECT count(*) FROM callbacks WHERE kind = 'return'`); n != 1 {
		t.Errorf("%d returns kept", n)
	}
}

func TestProvidersAndTheirTrouble(t *testing.T) {
	s := newStreet(t)
	list := func(query string) map[string]map[string]any {
		r := s.call(http.MethodGet, "/v1/providers?"+query, "", nil)
		if r.status != http.StatusOK {
			t.Fatalf("%d %s", r.status, r.body)
		}
		out := map[string]map[string]any{}
		items, _ := r.get(t)["items"].([]any)
		for _, i := range items {
			m, _ := i.(map[string]any)
			id, _ := m["id"].(string)
			out[id] = m
		}
		return out
	}
	if all := list("agency_code=H10.12&kind=phi&amount=50000"); len(all) != 2 || all["acc_momo"]["available"] != true || all["acc_vnpay"]["available"] != true {
		t.Errorf("%v", all)
	}
	if dear := list("amount=60000000"); dear["acc_momo"]["available"] != false || dear["acc_momo"]["reason"] != "amount_outside_limits" {
		t.Errorf("%v", dear)
	}
	if tax := list("kind=nvtc"); tax["acc_momo"]["reason"] != "kind_not_taken" {
		t.Errorf("%v", tax)
	}
	s.problem(s.call(http.MethodGet, "/v1/providers?amount=5e4", "", nil), 422, "invalid")

	id, _ := s.call(http.MethodPost, "/v1/orders", "o", anOrder("R1")).get(t)["id"].(string)
	s.problem(s.call(http.MethodPost, "/v1/orders/"+id+"/payments", "p2", map[string]any{"provider": "momo", "amount": 999}), 422, "amount-outside-limits")
	s.simServer.Close() // nothing listens: nothing is sent
	r := s.call(http.MethodPost, "/v1/orders/"+id+"/payments", "p", map[string]string{"provider": "momo"})
	v := s.problem(r, 503, "provider-unavailable")
	if working, _ := v["accounts"].([]any); r.header.Get("Retry-After") == "" || len(working) != 1 || working[0] != "acc_vnpay" {
		t.Errorf("Retry-After %q: %s", r.header.Get("Retry-After"), r.body)
	}
	if n := s.count(`SELECT count(*) FROM idempotency_keys WHERE key = 'p'`); n != 0 {
		t.Error("a 503 keeps its key")
	}
}

func TestAnUnclearProvider(t *testing.T) {
	s := newStreet(t)
	fault := s.send(http.MethodPost, s.sim+"/control/momo/faults", map[string]any{"operation": "checkout", "fault": "reset_after_accept", "probability": 1}, nil)
	if fault.status/100 != 2 {
		t.Fatalf("fault: %d %s", fault.status, fault.body)
	}
	id, _ := s.call(http.MethodPost, "/v1/orders", "o", anOrder("R1")).get(t)["id"].(string)
	r := s.call(http.MethodPost, "/v1/orders/"+id+"/payments", "p", map[string]string{"provider": "momo"})
	if v := r.get(t); r.status != http.StatusAccepted || v["redirect"] != nil || v["status"] != "pending" || v["in_doubt"] != true {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestWithoutItsDatabase(t *testing.T) {
	s := newStreet(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if r := s.send(http.MethodGet, s.api+path, nil, nil); r.status != http.StatusOK {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	_, _, reference := s.started("momo")
	if err := s.own.Close(); err != nil {
		t.Fatal(err)
	}
	if r := s.send(http.MethodGet, s.api+"/readyz", nil, nil); r.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", r.status)
	}
	if r := s.send(http.MethodGet, s.api+"/healthz", nil, nil); r.status != http.StatusOK {
		t.Errorf("healthz: %d", r.status)
	}
	if got := s.decide("momo", reference, map[string]any{"outcome": "succeed"}); len(got) != 1 || got[0]/100 != 5 {
		t.Errorf("a callback that could not be kept was answered %v", got)
	}
	s.problem(s.call(http.MethodGet, "/v1/orders/ord_1", "", nil), 500, "internal")
}
