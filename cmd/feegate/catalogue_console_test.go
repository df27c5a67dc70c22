package main

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// send posts a multipart form with the page's token.
func (o *officer) send(path string, fields map[string]string, file string) reply {
	o.s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err := w.WriteField("csrf", o.token())
	for k, v := range fields {
		if err == nil {
			err = w.WriteField(k, v)
		}
	}
	if err == nil && file != "" {
		p, e := w.CreateFormFile("file", "danh-muc.csv")
		if err = e; err == nil {
			_, err = p.Write([]byte(file))
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		o.s.t.Fatal(err)
	}
	return o.do(http.MethodPost, path, w.FormDataContentType(), &b, nil)
}

func hidden(t *testing.T, page []byte, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindSubmatch(page)
	if m == nil {
		t.Fatalf("no %s in %s", name, page)
	}
	return strings.NewReplacer("&#34;", `"`, "&amp;", "&", "&#39;", "'", "&#43;", "+").Replace(string(m[1]))
}

func TestTheCatalogueAtTheConsole(t *testing.T) {
	s := newStreet(t)
	admin, second, reporter := s.officer("quản trị", []identity.Role{identity.Admin}), s.officer("quản trị 2", []identity.Role{identity.Admin}), s.officer("thống kê", []identity.Role{identity.Reporter})
	limited := s.officer("quản trị xã", []identity.Role{identity.Admin}, "H10.12")
	says := func(r reply, status int, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if r.status != status || !strings.Contains(string(r.body), want) {
				t.Errorf("%d, no %q in %s", r.status, want, r.body)
			}
		}
	}
	const file = "code;name;kind;percent;legal_basis;valid_from\nngheo;Hộ nghèo;exempt;;Luật 97;2017-01-01\nco-cong;Người có công;reduced;30;Luật 97;2017-01-01\n"
	preview := admin.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, file)
	says(preview, 200, "2 thay đổi", "Chưa có gì được áp dụng", "Hộ nghèo", "Áp dụng 2 thay đổi")
	if s.count(`SELECT count(*) FROM exemption_groups`) != 0 {
		t.Fatal("a preview changes something")
	}
	form := map[string]string{"document": hidden(t, preview.body, "document"), "seal": hidden(t, preview.body, "seal")}
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO exemption_groups (code, name, kind, percent, legal_basis, valid_from) VALUES ('ngheo', 'Hộ nghèo', 'exempt', 100, 'Luật 97', '2017-01-01')`); err != nil {
		t.Fatal(err)
	}
	says(admin.send("/console/catalogue/confirm", form, ""), 409, "người khác thay đổi", "Áp dụng 1 thay đổi")
	moved := admin.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, file)
	form["seal"] = hidden(t, moved.body, "seal")
	if r := admin.send("/console/catalogue/confirm", form, ""); r.status != http.StatusSeeOther {
		t.Errorf("%d %s", r.status, r.body)
	}
	says(reporter.get("/console/catalogue?show=groups"), 200, "Người có công", "giảm 30 %")
	says(admin.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, file), 200, "không có gì phải đổi")
	says(admin.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, strings.ReplaceAll(file, "30", "=30")), 422, "không nhận công thức", "dòng 3, cột 4")
	says(admin.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, strings.ReplaceAll(file, "30", "130")), 422, "dòng 3: phải từ 1 đến 99")
	says(admin.send("/console/catalogue/preview", map[string]string{"section": "fields"}, ""), 422, "chưa chọn tệp")
	if r := reporter.send("/console/catalogue/preview", map[string]string{"section": "fields"}, file); r.status != http.StatusForbidden {
		t.Errorf("a reporter uploads: %d", r.status)
	}
	says(limited.send("/console/catalogue/preview", map[string]string{"section": "exemption_groups"}, file), 404, "Không tìm thấy")
	if page := string(limited.get("/console/catalogue").body); strings.Contains(page, "Thay đổi bằng tệp") || strings.Contains(string(reporter.get("/console/catalogue").body), "Thay đổi bằng tệp") {
		t.Error("who may not change it is offered to")
	}

	for _, q := range []string{`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount, legal_basis, valid_from) VALUES ('LP', '1.001', 'Lệ phí', 'le_phi', 75000, 'NQ 8', '2026-01-01'), ('TT', '1.001', 'Phí', 'phi', NULL, '', '2026-01-01')`,
		`INSERT INTO pilot_discounts (fee_code, percent, legal_basis, valid_from) VALUES ('LP', 50, 'NQ 5', '2026-01-01')`,
		`INSERT INTO communes (code, name) VALUES ('x1', 'Xã Một'), ('x2', 'Xã Hai')`, `INSERT INTO commune_aliases (old_code, new_code, since, recorded_at) VALUES ('x1', 'x2', '2025-07-01', '2025-07-01')`,
		`INSERT INTO agencies (code, name) VALUES ('OLD', 'Xã cũ')`, `INSERT INTO agency_aliases (old_code, new_code, since, recorded_at) VALUES ('OLD', 'H10.12', '2025-07-01', '2025-07-01')`} {
		if _, err := s.db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	says(reporter.get("/console/catalogue?q=lp"), 200, "75.000", "giảm 50 %", "theo thông báo", "NQ 8")
	says(reporter.get("/console/catalogue?q=nobody"), 200, "Không có thủ tục nào chứa")
	says(reporter.get("/console/catalogue?on=2025-12-31"), 200, "không thu phí")
	says(reporter.get("/console/catalogue?show=agencies"), 200, "Xã cũ", "nay là", "Xã Một", "<code>x2</code>", "01/07/2025")
	says(reporter.get("/console/catalogue?on=x"), 422, "Chưa thực hiện được")

	if r := admin.act("/console/catalogue/targets", url.Values{"percent": {"62,5"}, "valid_from": {"2026-03-10"}, "source": {"QĐ 5"}}); r.status != http.StatusSeeOther {
		t.Fatalf("%d %s", r.status, r.body)
	}
	says(admin.get("/console/catalogue?show=targets"), 200, "62,5 %", "Chờ duyệt", "chờ một người khác")
	page := second.get("/console/catalogue?show=targets")
	says(page, 200, "Duyệt chỉ tiêu 62,5 %")
	approve := string(regexp.MustCompile(`/console/catalogue/targets/tgt_[a-z0-9]+/approve`).Find(page.body))
	says(admin.act(approve, url.Values{}), 403, "Cần người khác quyết định")
	if r := second.act(approve, url.Values{}); r.status != http.StatusSeeOther || s.count(`SELECT count(*) FROM targets WHERE status = 'approved'`) != 1 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := second.act(strings.Replace(approve, "/approve", "/perhaps", 1), url.Values{}); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.body)
	}
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO definitions (id, valid_from, reason, origin, status, proposed_by, proposed_at) SELECT 'OPR-1.1', '2026-03-10', 'rà soát', 'people', 'proposed', id, $1 FROM users WHERE name = 'quản trị'`, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	says(second.get("/console/catalogue?show=definitions"), 200, "OPR-1.1", "độ phủ tối thiểu 95 %", "Duyệt OPR-1.1")
	if r := second.act("/console/catalogue/definitions/OPR-1.1/approve", url.Values{}); r.status != http.StatusSeeOther {
		t.Errorf("%d %s", r.status, r.body)
	}
	says(second.get("/console/catalogue?show=definitions"), 200, "đang áp dụng")
}
