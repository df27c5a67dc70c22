package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"feegate/gateway/identity"
)

const aCatalogue = `{
	"fields": [{"code": "HT", "name": "Hộ tịch"}, {"code": "XD", "name": "Xây dựng"}],
	"communes": [{"code": "c-cu", "name": "Xã Cũ", "valid_to": "2025-07-01"}, {"code": "c-moi", "name": "Xã Mới", "valid_from": "2025-07-01"}],
	"agencies": [{"code": "H10.13", "name": "UBND xã Cũ", "commune_code": "c-cu", "valid_to": "2025-07-01"}, {"code": "H19.1", "name": "UBND xã Mới", "commune_code": "c-moi", "valid_from": "2025-07-01"}],
	"agency_aliases": [{"old_code": "H10.13", "new_code": "H19.1", "since": "2025-07-01", "legal_basis": "NQ 1"}],
	"commune_aliases": [{"old_code": "c-cu", "new_code": "c-moi", "since": "2025-07-01", "legal_basis": "NQ 1"}],
	"procedures": [{"code": "1.004", "name": "Cấp giấy phép", "field_code": "XD", "legal_basis": "QĐ 1", "valid_from": "2024-01-01", "agency_codes": ["H10.12", "H19.1"]}],
	"fee_schedules": [
		{"fee_code": "GP", "procedure_code": "1.004", "name": "Lệ phí", "kind": "le_phi", "unit_amount": 75000, "legal_basis": "NQ 2", "valid_from": "2024-01-01"},
		{"fee_code": "GP", "procedure_code": "1.004", "name": "Lệ phí", "kind": "le_phi", "unit_amount": 60000, "legal_basis": "NQ 2", "filing_mode": "postal", "valid_from": "2024-01-01"},
		{"fee_code": "GP", "procedure_code": "1.004", "name": "Lệ phí", "kind": "le_phi", "unit_amount": 50000, "legal_basis": "NQ 2", "agency_code": "H10.12", "valid_from": "2024-01-01", "valid_to": "2026-01-01"},
		{"fee_code": "TD", "procedure_code": "1.004", "name": "Phí thẩm định", "kind": "phi", "unit_amount": null, "assessed": true, "legal_basis": "NQ 2", "valid_from": "2024-01-01"}],
	"pilot_discounts": [{"fee_code": "GP", "percent": 50, "legal_basis": "NQ 3", "valid_from": "2024-01-01"}],
	"exemption_groups": [{"code": "ngheo", "name": "Hộ nghèo", "kind": "exempt", "legal_basis": "Luật 97, điều 10", "valid_from": "2017-01-01"},
		{"code": "co-cong", "name": "Người có công", "kind": "reduced", "percent": 30, "legal_basis": "Luật 97, điều 10", "valid_from": "2017-01-01"}]}`

// admins are two of them, an approver, and one of an agency alone.
func (s *street) admins() (first, second, approver, limited string) {
	s.t.Helper()
	return s.person("quản trị", []identity.Role{identity.Admin}), s.person("quản trị 2", []identity.Role{identity.Admin}),
		s.person("người duyệt", []identity.Role{identity.Approver}), s.person("quản trị xã", []identity.Role{identity.Admin}, "H10.12")
}

func (s *street) invalidField(r reply, field string) {
	s.t.Helper()
	errs, _ := s.problem(r, 422, "invalid")["errors"].([]any)
	for _, e := range errs {
		if e.(map[string]any)["field"] == field {
			return
		}
	}
	s.t.Errorf("%s, want %s", r.body, field)
}

func section(v map[string]any, name string) map[string]any {
	for _, x := range v["sections"].([]any) {
		if x.(map[string]any)["section"] == name {
			return x.(map[string]any)
		}
	}
	return map[string]any{}
}

func TestTheCatalogueChangesThroughTime(t *testing.T) {
	s := newStreet(t)
	admin, _, _, limited := s.admins()
	put := func(query, body string) reply { return s.as(admin, http.MethodPut, "/v1/catalogue"+query, "", body) }

	would := s.ok(put("?dry_run=true", aCatalogue), http.StatusOK)
	if would["dry_run"] != true || would["changes"] != 16.0 || section(would, "fee_schedules")["added"] != 4.0 || s.count(`SELECT count(*) FROM exemption_groups`) != 0 {
		t.Errorf("%v", would)
	}
	did := s.ok(put("", aCatalogue), http.StatusOK)
	if did["dry_run"] != false || did["changes"] != would["changes"] || section(did, "fields")["same"] != 1.0 {
		t.Errorf("%v", did)
	}
	if again := s.ok(put("", aCatalogue), http.StatusOK); again["changes"] != 0.0 {
		t.Errorf("the same document changes %v", again)
	}
	s.problem(s.as(limited, http.MethodPut, "/v1/catalogue", "", aCatalogue), 404, "not-found")
	if n := s.count(`SELECT count(*) FROM audit WHERE action = 'catalogue.changed' AND detail -> 'items' IS NOT NULL`); n != 9 {
		t.Errorf("%d sections in the audit", n)
	}

	// Orders are priced by the row of their agency and filing mode, and know by which.
	order := func(n int, agency, mode, lines string) map[string]any {
		return s.ok(s.call(http.MethodPost, "/v1/orders", fmt.Sprint("c", n), fmt.Sprintf(`{"reference":"C%d","dossier_code":"H10.12-25%04d-0001","procedure_code":"1.004","agency_code":%q%s,"price":"from_schedule","lines":[%s]}`,
			n, 1200+n, agency, mode, lines)), http.StatusCreated)
	}
	one := `{"fee_code":"GP","quantity":1}`
	for n, c := range []struct {
		agency, mode, lines string
		amount              float64
	}{
		{"H19.1", "", one, 75000}, {"H19.1", `,"filing_mode":"postal"`, one, 60000}, {"H19.1", `,"filing_mode":"online"`, one, 37500},
		{"H10.12", "", one, 50000}, {"H10.12", `,"filing_mode":"postal"`, one, 50000},
		{"H19.1", `,"filing_mode":"online"`, `{"fee_code":"GP","quantity":1,"adjustments":[{"group":"co-cong","evidence":"thẻ 12"}]}`, 26250},
		{"H19.1", `,"filing_mode":"online"`, `{"fee_code":"GP","quantity":1,"adjustments":[{"group":"co-cong","evidence":"thẻ 12"},{"group":"ngheo","evidence":"giấy 3","verified_by":"Trần B"}]}`, 0},
		{"H19.1", "", `{"fee_code":"TD","quantity":1,"unit_amount":900000,"assessment":{"document":"TB 7","date":"2025-12-01"}}`, 900000},
	} {
		v := order(n+1, c.agency, c.mode, c.lines)
		line := v["lines"].([]any)[0].(map[string]any)
		if v["amount"] != c.amount || line["schedule_id"] == nil || line["legal_basis"] != "NQ 2" || v["priced_on"] == nil {
			t.Errorf("%+v: %v", c, v)
		}
		for _, a := range line["adjustments"].([]any) {
			if a.(map[string]any)["legal_basis"] == "" || a.(map[string]any)["evidence"] == "" {
				t.Errorf("%v", a)
			}
		}
		if n == 6 {
			if first := line["adjustments"].([]any)[0].(map[string]any); first["type"] != "exempt" || first["amount"] != 75000.0 || len(line["adjustments"].([]any)) != 2 {
				t.Errorf("the exemption comes first: %v", line)
			}
		}
	}
	s.invalidField(s.call(http.MethodPost, "/v1/orders", "cx", `{"reference":"CX","dossier_code":"H10.12-251220-0001","procedure_code":"1.004","agency_code":"H10.12","price":"from_schedule",
		"lines":[{"fee_code":"GP","quantity":1,"adjustments":[{"group":"ngheo","evidence":""}]}]}`), "lines[0].adjustments[0].evidence")

	// What priced orders is not rewritten: a later day closes it and opens another.
	row := `{"fee_schedules": [{"fee_code": "GP", "procedure_code": "1.004", "name": "Lệ phí", "kind": "le_phi", "unit_amount": %d, "legal_basis": "NQ 9", "valid_from": %q%s}]}`
	s.invalidField(put("", fmt.Sprintf(row, 80000, "2024-01-01", "")), "fee_schedules[0].valid_from")
	changed := section(s.ok(put("", fmt.Sprintf(row, 80000, "2026-01-01", "")), http.StatusOK), "fee_schedules")
	if changed["added"] != 1.0 || changed["ended"] != 1.0 {
		t.Errorf("%v", changed)
	}
	ended := changed["items"].([]any)[0].(map[string]any)
	if ended["action"] != "ended" || ended["before"].(map[string]any)["valid_to"] != nil || ended["after"].(map[string]any)["valid_to"] != "2026-01-01" || ended["after"].(map[string]any)["unit_amount"] != 75000.0 {
		t.Errorf("%v", ended)
	}
	if again := s.ok(put("", aCatalogue), http.StatusOK); again["changes"] != 0.0 {
		t.Errorf("what was said of the past still holds, and changes %v", again)
	}
	s.invalidField(put("", fmt.Sprintf(row, 70000, "2025-01-01", `, "valid_to": "2026-06-01"`)), "fee_schedules[0].valid_to")
	if v := s.ok(put("", fmt.Sprintf(row, 85000, "2026-01-01", "")), http.StatusOK); section(v, "fee_schedules")["changed"] != 1.0 { // nobody has paid by it yet
		t.Errorf("%v", v)
	}
	list := s.ok(s.as(admin, http.MethodGet, "/v1/catalogue/procedures?on=2025-12-31&after=1.003", "", nil), http.StatusOK)["items"].([]any)
	if fees := list[0].(map[string]any)["fees"].([]any); len(fees) != 4 || fees[0].(map[string]any)["unit_amount"] != 75000.0 {
		t.Errorf("%v", list)
	}

	// A procedure changes its name and field; the past keeps both.
	s.ok(put("", `{"procedures": [{"code": "1.004", "name": "Cấp phép xây dựng", "field_code": "HT", "valid_from": "2026-02-01"}]}`), http.StatusOK)
	for on, name := range map[string]string{"2026-01-31": "Cấp giấy phép", "2026-02-01": "Cấp phép xây dựng"} {
		v := s.ok(s.as(admin, http.MethodGet, "/v1/catalogue/procedures?after=1.003&on="+on, "", nil), http.StatusOK)["items"].([]any)[0].(map[string]any)
		if v["name"] != name || fmt.Sprint(v["agency_codes"]) != "[H10.12 H19.1]" {
			t.Errorf("%s: %v", on, v)
		}
	}
	s.invalidField(s.as(admin, http.MethodGet, "/v1/catalogue/procedures?on=x", "", nil), "on")

	places := s.ok(s.as(admin, http.MethodGet, "/v1/catalogue/agencies", "", nil), http.StatusOK)["items"].([]any)
	for _, p := range places {
		if v := p.(map[string]any); v["code"] == "H10.13" && (v["current_code"] != "H19.1" || len(v["aliases"].([]any)) != 1) || v["code"] == "H19.1" && len(v["carries_on"].([]any)) != 1 {
			t.Errorf("%v", v)
		}
	}
	communes := s.ok(s.as(admin, http.MethodGet, "/v1/catalogue/communes", "", nil), http.StatusOK)["items"].([]any)
	if len(communes) != 2 || communes[0].(map[string]any)["aliases"].([]any)[0].(map[string]any)["new_code"] != "c-moi" {
		t.Errorf("%v", communes)
	}
	groups := s.ok(s.as(admin, http.MethodGet, "/v1/catalogue/exemption-groups", "", nil), http.StatusOK)["items"].([]any)
	if len(groups) != 2 || groups[1].(map[string]any)["percent"] != 100.0 {
		t.Errorf("%v", groups)
	}
	s.problem(s.call(http.MethodPut, "/v1/catalogue", "", aCatalogue), 403, "forbidden")
}

func TestWhatIsWrongWithACatalogueIsNamed(t *testing.T) {
	s := newStreet(t)
	admin, _, _, _ := s.admins()
	s.ok(s.as(admin, http.MethodPut, "/v1/catalogue", "", aCatalogue), http.StatusOK)
	before := s.count(`SELECT count(*) FROM audit`)
	fee := func(more string) string {
		return `{"fields": [{"code": "NEW", "name": "Mới"}], "fee_schedules": [{"fee_code": "F", "procedure_code": "1.004", "name": "Phí", "kind": "phi", "valid_from": "2026-01-01"` + more + `}]}`
	}
	for field, body := range map[string]string{
		"fee_schedules[0].unit_amount":      fee(``),
		"fee_schedules[0].assessed":         fee(`, "unit_amount": 5, "assessed": true`),
		"fee_schedules[0].valid_to":         fee(`, "unit_amount": 5, "valid_to": "2026-01-01"`),
		"fee_schedules[0].agency_code":      fee(`, "unit_amount": 5, "agency_code": "H10.99"`),
		"fee_schedules[0].filing_mode":      fee(`, "unit_amount": 5, "filing_mode": "fax"`),
		"fee_schedules[0].colour":           fee(`, "colour": 5`),
		"procedures[0].field_code":          `{"procedures": [{"code": "1.9", "name": "X", "field_code": "nobody", "valid_from": "2026-01-01"}]}`,
		"pilot_discounts[0].percent":        `{"pilot_discounts": [{"fee_code": "GP", "percent": 10, "fixed": 5, "legal_basis": "x", "valid_from": "2026-01-01"}]}`,
		"pilot_discounts[0].fee_code":       `{"pilot_discounts": [{"fee_code": "nobody", "percent": 10, "legal_basis": "x", "valid_from": "2026-01-01"}]}`,
		"exemption_groups[0].percent":       `{"exemption_groups": [{"code": "g", "name": "g", "kind": "reduced", "legal_basis": "x", "valid_from": "2026-01-01"}]}`,
		"agency_aliases[0].new_code":        `{"agency_aliases": [{"old_code": "H19.1", "new_code": "H10.13", "since": "2026-01-01", "legal_basis": ""}]}`,
		"agency_aliases[0].old_code":        `{"agency_aliases": [{"old_code": "H77", "new_code": "H10.13", "since": "2026-01-01", "legal_basis": ""}]}`,
		"exemption_groups[1].valid_from":    `{"exemption_groups": [{"code": "g", "name": "g", "kind": "exempt", "legal_basis": "x", "valid_from": "2026-01-01"}, {"code": "g", "name": "h", "kind": "exempt", "legal_basis": "x", "valid_from": "2026-01-01"}]}`,
		"exemption_groups[0].valid_to":      `{"exemption_groups": [{"code": "g", "name": "g", "kind": "exempt", "legal_basis": "x", "valid_from": "2026-01-01", "valid_to": "2027-01-01"}, {"code": "g", "name": "h", "kind": "exempt", "legal_basis": "x", "valid_from": "2026-05-01"}]}`,
		"":                                  `{}`,
		"commune_aliases[0].new_code":       `{"commune_aliases": [{"old_code": "c-cu", "new_code": "c-cu", "since": "2026-01-01", "legal_basis": ""}]}`,
		"agencies[0].valid_to":              `{"agencies": [{"code": "H19.1", "name": "UBND xã Mới", "valid_to": "2025-01-01"}]}`,
		"fee_schedules[0].fee_code":         `{"fee_schedules": [{"fee_code": "a b", "procedure_code": "1.004", "name": "Phí", "kind": "phi", "unit_amount": 5, "valid_from": "2026-01-01"}]}`,
		"fee_schedules[0].unit_amount.nvtc": `{"fee_schedules": [{"fee_code": "T", "procedure_code": "1.004", "name": "Thuế", "kind": "nvtc", "unit_amount": 5, "valid_from": "2026-01-01"}]}`,
	} {
		s.invalidField(s.as(admin, http.MethodPut, "/v1/catalogue", "", body), strings.TrimSuffix(field, ".nvtc"))
	}
	if s.count(`SELECT count(*) FROM audit`) != before || s.count(`SELECT count(*) FROM fields WHERE code = 'NEW'`) != 0 {
		t.Error("something of a refused document was kept")
	}
	// A withdrawn alias and another: the old one stays readable.
	s.ok(s.as(admin, http.MethodPut, "/v1/catalogue", "", `{"agency_aliases": [{"old_code": "H10.13", "new_code": "H10.12", "since": "2025-07-01", "legal_basis": "NQ 1"}]}`), http.StatusOK)
	if n := s.count(`SELECT count(*) FROM agency_aliases WHERE ended_at IS NOT NULL`); n != 1 || s.count(`SELECT count(*) FROM agency_aliases`) != 2 {
		t.Errorf("%d withdrawn", n)
	}
	s.ok(s.as(admin, http.MethodPut, "/v1/catalogue", "", `{"agency_aliases": [{"old_code": "H10.13", "new_code": "H10.12", "since": "2025-07-01", "withdrawn": true}]}`), http.StatusOK)
	if n := s.count(`SELECT count(*) FROM agency_aliases WHERE ended_at IS NULL`); n != 0 {
		t.Errorf("%d stand", n)
	}
	// What the program's own role may not do, whatever the program says.
	for _, q := range []string{`DELETE FROM fee_schedules`, `UPDATE agency_aliases SET new_code = 'H10.12'`, `DELETE FROM agency_aliases`, `UPDATE targets SET percent = 1`, `UPDATE definitions SET parameters = '{}'`,
		`INSERT INTO fee_schedules (fee_code, procedure_code, name, kind, unit_amount, valid_from) VALUES ('GP', '1.004', 'x', 'phi', 1, '2025-05-05')`,
		`INSERT INTO targets (percent, valid_from, origin, status, proposed_by, proposed_at) SELECT 1, '2030-01-01', 'people', 'approved', id, '2026-01-01' FROM users LIMIT 1`} {
		if _, err := s.own.ExecContext(t.Context(), q); err == nil {
			t.Errorf("the service may %s", q)
		}
	}
}

func workbook(t *testing.T, sheets map[string][][]any, formula bool) string {
	t.Helper()
	f := excelize.NewFile()
	defer func() { _ = f.Close() }()
	for name, rows := range sheets {
		if _, err := f.NewSheet(name); err != nil {
			t.Fatal(err)
		}
		for i, r := range rows {
			if err := f.SetSheetRow(name, fmt.Sprintf("A%d", i+1), &r); err != nil {
				t.Fatal(err)
			}
		}
		if formula {
			if err := f.SetCellFormula(name, "B2", "1+1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.DeleteSheet("Sheet1"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheCatalogueComesAsAFile(t *testing.T) {
	s := newStreet(t)
	admin, _, _, limited := s.admins()
	table := "\uFEFFMã;Tên;Căn cứ pháp lý;Loại;Phần trăm;Có hiệu lực từ\nngheo;Hộ nghèo;Luật 97;exempt;;01/01/2017\nco-cong;Người có công;Luật 97;reduced;30;2017-01-01\n"
	would := s.ok(s.uploadTo(admin, "/v1/catalogue/imports?dry_run=true", "section", "exemption_groups", "file", table), http.StatusOK)
	if would["changes"] != 2.0 || s.count(`SELECT count(*) FROM exemption_groups`) != 0 {
		t.Errorf("%v", would)
	}
	s.ok(s.uploadTo(admin, "/v1/catalogue/imports", "section", "exemption_groups", "file", table), http.StatusOK)
	if v := s.ok(s.uploadTo(admin, "/v1/catalogue/imports", "section", "exemption_groups", "file", table), http.StatusOK); v["changes"] != 0.0 {
		t.Errorf("%v", v)
	}
	book := workbook(t, map[string][][]any{
		"fields":     {{"code", "name"}, {"DD", "Đất đai"}},
		"Thủ tục":    {{"Mã", "Tên", "Mã lĩnh vực", "Có hiệu lực từ", "Cơ quan tiếp nhận"}, {"1.005", "Đăng ký đất đai", "DD", 45658, "H10.12"}},
		"Mức thu":    {{"Mã khoản thu", "Mã thủ tục", "Tên", "Loại", "Mức thu", "Theo thông báo", "Căn cứ pháp lý", "Có hiệu lực từ"}, {"DK", "1.005", "Phí", "phi", 80000, "", "NQ 1", "01/01/2025"}, {"TT", "1.005", "Thẩm định", "phi", "", "x", "NQ 1", "2025-01-01"}},
		"agencies":   {},
		"procedures": {},
	}, false)
	if v := s.ok(s.uploadTo(admin, "/v1/catalogue/imports", "file", book), http.StatusOK); v["changes"] != 5.0 || section(v, "fee_schedules")["added"] != 2.0 {
		t.Errorf("%v", v)
	}
	if n := s.count(`SELECT count(*) FROM fee_schedules WHERE fee_code = 'DK' AND unit_amount = 80000 AND valid_from = '2025-01-01'`); n != 1 {
		t.Errorf("%d rows", n)
	}
	for name, c := range map[string]struct {
		section, file, field, says string
	}{
		"a formula":             {"", workbook(t, map[string][][]any{"fields": {{"code", "name"}, {"X", "Y"}}}, true), "file", "B2"},
		"a formula in a text":   {"fields", "code,name\nX,=1+1\n", "fields", "row 2, column 2"},
		"no section":            {"", "code,name\nX,Y\n", "section", "must be one of"},
		"another section":       {"orders", "code,name\nX,Y\n", "section", "must be one of"},
		"a column of nothing":   {"fields", "code,colour\nX,Y\n", "fields", "colour"},
		"a sheet of nothing":    {"", workbook(t, map[string][][]any{"Bảng": {{"code", "name"}, {"X", "Y"}}}, false), "file", "Bảng"},
		"a code that lost its":  {"", workbook(t, map[string][][]any{"fields": {{"code", "name"}, {1.10001, "Y"}}}, false), "fields[0].code", "row 2"},
		"an amount in words":    {"fee_schedules", "fee_code,procedure_code,name,kind,unit_amount,valid_from\nDK,1.005,Phí,phi,nhiều,2025-01-01\n", "fee_schedules[0].unit_amount", "row 2"},
		"wrong in the document": {"fields", "code,name\n\nX,Y\nX,Z\n", "fields[1].code", "row 4"},
		"no table":              {"fields", "code,name\n\"X,Y\n", "file", "no table"},
		"not UTF-8":             {"fields", "code,name\nX,\xe9\n", "file", "UTF-8"},
		"empty":                 {"fields", "", "file", "bytes"},
		"a broken workbook":     {"", "PK\x03\x04nonsense", "file", "workbook"},
	} {
		parts := []string{"file", c.file}
		if c.section != "" {
			parts = append([]string{"section", c.section}, parts...)
		}
		r := s.uploadTo(admin, "/v1/catalogue/imports", parts...)
		s.invalidField(r, c.field)
		if !strings.Contains(string(r.body), c.says) {
			t.Errorf("%s: %s, want %s", name, r.body, c.says)
		}
	}
	s.problem(s.uploadTo(limited, "/v1/catalogue/imports", "section", "fields", "file", "code,name\nX,Y\n"), 404, "not-found")
	s.invalidField(s.uploadTo(admin, "/v1/catalogue/imports", "section", "fields"), "file")
	s.invalidField(s.uploadTo(admin, "/v1/catalogue/imports", "colour", "red", "file", "x"), "colour")
	s.problem(s.as(admin, http.MethodPost, "/v1/catalogue/imports", "", "{}"), 415, "unsupported-media-type")
}
