package main

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"feegate/gateway/identity"
	"feegate/migrations/dbtest"
)

// readable is what a person finds in a file: a workbook's parts, a paper's text, or the body as it is.
func readable(t *testing.T, r reply) string {
	t.Helper()
	switch {
	case bytes.HasPrefix(r.body, []byte("PK")):
		z, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, f := range z.File {
			part, err := f.Open()
			if err == nil {
				_, err = io.Copy(&all, part)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return all.String()
	case bytes.HasPrefix(r.body, []byte("%PDF")):
		file := filepath.Join(t.TempDir(), "x.pdf")
		if err := os.WriteFile(file, r.body, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.Command("pdftotext", "-layout", file, "-").Output()
		if err != nil {
			t.Fatalf("pdftotext: %v", err)
		}
		return string(text)
	}
	return string(r.body)
}

// A payer's name, number, telephone and address, a person's password, a key and a session stand in no page, file, list or log line of
// anybody, and nowhere in the database in clear, after the whole morning.
func TestNobodysSecretsAreToldToAnybody(t *testing.T) {
	s := aFullMorning(t)
	planted := map[string]string{"identity number": "079123987654", "telephone": "0909123987", "address": "planted.person@example.vn", "name": "Đặng Thị Kín Đáo"}
	body := strings.NewReplacer(`"payer":{"name":"Nguyễn Văn A"}`, `"payer":{"name":"`+planted["name"]+`","identity_number":"`+planted["identity number"]+`","phone":"`+planted["telephone"]+`","email":"`+planted["address"]+`"}`, "0007", "0888").Replace(anOrder("KIN"))
	order := s.ok(s.call(http.MethodPost, "/v1/orders", "kin", body), 201)
	paid := s.ok(s.call(http.MethodPost, "/v1/orders/"+text(order["id"])+"/payments", "kin-pay", map[string]string{"provider": "momo"}), 201)
	s.decide("momo", text(paid["provider_reference"]), map[string]any{"outcome": "succeed"})
	wrong := "mật khẩu gõ nhầm của ai đó"
	s.send(http.MethodPost, s.api+"/v1/sessions", map[string]string{"name": "mai", "password": wrong}, nil)

	payment := text(paid["id"])
	secret := map[string]string{"password": password, "wrong password": wrong, "key": portalKey, "checkout token": text(order["checkout_url"])[strings.LastIndex(text(order["checkout_url"]), "/")+1:]}
	files := []string{"/console/payments/" + payment, "/console/search?q=H10.12-260310-0888", "/console/search?q=" + planted["identity number"], "/console/discrepancies.csv?status=", "/console/ledger.csv", "/console/ledger/acc_momo/clearing.csv", "/console/rate.csv?from=2026-03-01",
		"/console/days/2026-03-10/minutes.xlsx?account=acc_vnpay_7", "/console/days/2026-03-10/minutes.pdf?account=acc_vnpay_7", "/console/months/2026-03/minutes.xlsx?account=acc_vnpay_7", "/console/papers/BM-05.pdf", "/console/papers/BM-05.xlsx", "/console/rate/evidence?figure=transactions&from=2026-03-01&to=2026-03-31"}
	calls := []string{"/v1/orders/" + text(order["id"]), "/v1/payments/" + payment, "/v1/orders?dossier_code=H10.12-260310-0888", "/v1/events?limit=200", "/v1/audit", "/v1/discrepancies", "/v1/exceptions", "/v1/search?q=H10.12-260310-0888", "/v1/reports/adoption/evidence?from=2026-03-01&to=2026-03-31&figure=transactions"}
	read := 0
	told := func(who, where, said string) {
		t.Helper()
		for what, v := range planted {
			if strings.Contains(said, v) && !(strings.Contains(where, "q="+v) && strings.Count(said, v) <= 3) { // what was asked for stands in its own field, in the sentence that there is nothing, and in the way to the other language
				t.Errorf("%s at %s is told a payer's %s", who, where, what)
			}
		}
		for what, v := range secret {
			if strings.Contains(said, v) && !(what == "checkout token" && strings.HasPrefix(where, "/v1/orders")) {
				t.Errorf("%s at %s is told a %s", who, where, what)
			}
		}
	}
	for _, role := range identity.Roles() {
		if role == identity.PortalAdmin {
			continue
		}
		token := s.person("role "+string(role), []identity.Role{role})
		o := s.browser().in("role " + string(role))
		for _, address := range append(everyAddress(s), files...) {
			if r := o.get(address); r.status == http.StatusOK {
				read++
				told(string(role), address, readable(t, r))
			}
		}
		for _, call := range calls {
			if r := s.as(token, http.MethodGet, call, "", nil); r.status == http.StatusOK {
				read++
				told(string(role), call, readable(t, r))
			}
		}
	}
	for _, call := range calls {
		for _, key := range []string{portalKey, "fgk_test_reader"} {
			if r := s.as(key, http.MethodGet, call, "", nil); r.status == http.StatusOK {
				read++
				told("a key", call, readable(t, r))
			}
		}
	}
	told("whoever reads the log", "", s.logs.String())
	if read < 150 || len(s.logs.String()) < 10000 {
		t.Errorf("%d pages and %d bytes of log", read, len(s.logs.String()))
	}
	// In the database the values stand in no column of text or JSON.
	var rows []struct{ Table, Column string }
	db := dbtest.Admin(t, s.db)
	if err := db.SelectContext(t.Context(), &rows, `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND (c.data_type IN ('text', 'json', 'jsonb', 'ARRAY', 'bytea'))`); err != nil {
		t.Fatal(err)
	}
	// An order's answer, as it is kept to be given again and as its portal hears of it, has the way to pay, which is good for nothing else.
	answers := map[string]bool{"outbox.body": true, "feed.body": true, "idempotency_keys.response": true}
	for _, r := range rows {
		for _, group := range []map[string]string{planted, secret} {
			for what, v := range group {
				if what == "checkout token" && answers[r.Table+"."+r.Column] {
					continue
				}
				var kept int
				q := `SELECT count(*) FROM "` + r.Table + `" WHERE position($1::text IN "` + r.Column + `"::text) > 0 OR position(encode(convert_to($1::text, 'UTF8'), 'hex') IN "` + r.Column + `"::text) > 0`
				if err := db.GetContext(t.Context(), &kept, q, v); err != nil || kept != 0 {
					t.Errorf("%s.%s keeps a %s in clear %d times: %v", r.Table, r.Column, what, kept, err)
				}
			}
		}
	}
	if len(rows) < 100 {
		t.Errorf("only %d columns", len(rows))
	}
}
