package dvcqg

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"feegate/providers"
	"feegate/providers/dvcqg/mapping"
	"feegate/providers/providertest"
)

const (
	testPartner   = "H10DEMO"
	testSecret    = "demo-secret"
	testReference = "dvcH1012260310000720260310141500"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// variant is the mapping of the program with texts replaced, from and to in turn; each must be there.
func variant(t testing.TB, changes ...string) string {
	t.Helper()
	text := string(file(t, "mapping/mapping-1.0.6.json"))
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the mapping has no %s", changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

// unconfirmed is a mapping whose callbacks decide by themselves.
func unconfirmed(t testing.TB) string {
	return variant(t, `"confirm_by_query": true`, `"confirm_by_query": false`)
}

// another is a later version as it might be: other names, addresses, codes, words and a keyed hash.
func another(t testing.TB) string {
	return variant(t, `"confirm_by_query": true`, `"confirm_by_query": false`, `"version": "1.0.6"`, `"version": "2.1"`, `"sha256"`, `"hmac-sha512"`,
		`"MaThamChieu"`, `"RefId"`, `"SoTien"`, `"Amount"`, `"TrangThaiGD"`, `"State"`, `"MaXacThuc"`, `"Mac"`, `"/payment/`, `"/v2/pay/`,
		`{"1": "succeeded", "2": "uncertain", "3": "pending", "4": "failed"}`, `{"PAID": "succeeded", "HELD": "uncertain", "OPEN": "pending", "DEAD": "failed"}`,
		`"codes.query": "assumed"`, `"codes.query": "verified"`, `"statuses.2": "assumed"`, `"statuses.HELD": "verified"`,
		`"separator": "|"`, `"separator": ";"`, `"so_tien"`, `"tien"`, `"query_answer": []`, `"query_answer": ["MaLoi", "RefId", "Amount", "State"]`)
}

func testAccount(m string) providers.Account {
	return providers.Account{
		ID: "acc_test", Terminal: testPartner, BaseURL: "http://127.0.0.1:1",
		Credentials: []map[string]string{{CredentialPartner: testPartner, CredentialSecret: testSecret}},
		Beneficiary: providers.Beneficiary{Bank: "970436", Number: "0011223344", Name: "UBND XA"},
		Settings:    map[string]string{SettingMapping: m, SettingTreasury: "0117"},
	}
}

func testPayment() providers.Payment {
	at := time.Date(2026, 3, 10, 14, 15, 0, 0, zone())
	return providers.Payment{
		Reference: testReference, Amount: 120000, Description: "Lệ phí hồ sơ H10.12-260310-0007", PayerIP: "203.0.113.10", Locale: "vi",
		CreatedAt: at, ExpiresAt: at.Add(lifetime), Transaction: "GD0001",
		DossierCode: "H10.12-260310-0007", ProcedureCode: "1.001", ProcedureName: "Trích lục", AgencyCode: "H10.12", AgencyName: "UBND xã",
		Lines: []providers.Line{{Kind: "phi", Code: "P1", Name: "Phí", Amount: 100000}, {Kind: "le_phi", Code: "L1", Name: "Lệ phí", Amount: 20000}},
	}
}

// confirm is the platform's call, under a mapping.
func confirm(m *mapping.Mapping, cred map[string]string, over map[string]string) providers.Callback {
	roles := map[string]string{
		mapping.Type: "CONFIRM", mapping.Code: "00", mapping.Partner: cred[CredentialPartner], mapping.Reference: testReference, mapping.Amount: "120000",
		mapping.Currency: "VND", mapping.Transaction: "GD0001", mapping.Bank: "VCB", mapping.Time: "20260310141733", mapping.Description: "THANH TOAN",
	}
	maps.Copy(roles, over)
	v := m.Named(roles)
	v[m.Name(mapping.Digest)] = hex.EncodeToString(digest(m, canonical(m, mapping.Callback, func(n string) string { return v[n] }), cred[CredentialSecret]))
	b, _ := providers.CompactJSON(v)
	return providers.Callback{Method: "POST", Body: b}
}

func say(m *mapping.Mapping) func(map[string]string, providertest.Say) providers.Callback {
	return func(cred map[string]string, s providertest.Say) providers.Callback {
		over := map[string]string{}
		if s.Code != "" {
			over[mapping.Code] = s.Code
		}
		if s.Amount != 0 {
			over[mapping.Amount] = s.Amount.String()
		}
		if s.Text != "" {
			over[mapping.Description] = s.Text
		}
		return confirm(m, cred, over)
	}
}

// answers is the platform's answer to any request of ours.
func answers(m *mapping.Mapping, paid string) func(map[string]string, string, []byte, providertest.Say) (int, []byte) {
	return func(cred map[string]string, path string, request []byte, s providertest.Say) (int, []byte) {
		o, err := providers.ParseObject(request, maxAnswer)
		if err != nil {
			return 400, nil
		}
		text := func(role string) string { v, _ := o.Text(m.Name(role)); return v }
		if path == m.Functions[mapping.Init].Path {
			code := "0"
			if s.Code != "" {
				code = s.Code
			}
			inner, _ := providers.CompactJSON(map[string]string{m.Name(mapping.PayURL): "https://pay.example/t/1"})
			b, _ := json.Marshal(map[string]string{m.Name(mapping.InitCode): code, m.Name(mapping.InitText): string(inner)})
			return 200, b
		}
		roles := map[string]string{mapping.Code: "00", mapping.Reference: text(mapping.Reference), mapping.Amount: "120000", mapping.Status: paid,
			mapping.Transaction: "GD0001", mapping.Time: "20260310141733"}
		switch {
		case s.Channel == "query" && s.Code != "":
			roles[mapping.Code] = s.Code
		case s.Code != "":
			roles[mapping.Status] = s.Code
		}
		if s.Amount != 0 {
			roles[mapping.Amount] = s.Amount.String()
		}
		v := m.Named(roles)
		if len(m.Hashes[mapping.QueryAnswer]) > 0 {
			v[m.Name(mapping.Digest)] = hex.EncodeToString(digest(m, canonical(m, mapping.QueryAnswer, func(n string) string { return v[n] }), cred[CredentialSecret]))
		}
		b, _ := providers.CompactJSON(v)
		return 200, b
	}
}

const goodSettlement = "ngay_gd|ma_doi_tac|ma_tham_chieu|ma_giao_dich|loai|so_tien|phi|thuc_nhan|ma_ngan_hang|tk_thu_huong|thoi_gian_gd|trang_thai|ngay_quyet_toan|ghi_chu\n" +
	"20260310|H10DEMO|dvcH1012260310000720260310141500|GD0001|PAY|120000|1320|118680|VCB|0011223344|20260310141733|1|20260311|\n" +
	"20260310|H10DEMO|dvcH1012260310000820260310150000|GD0002|PAY|2500000000|27500|2499972500|VCB|0011223344|20260310150210|1|20260311|\"Nộp tiền, đợt 1\"\n" +
	"20260310|H10DEMO|dvcH1012260310000720260310141500|GD0003|REFUND|20000|0|-20000|VCB|0011223344|20260310170000|1|20260311|\n" +
	"TOTAL|3|2500100000|28820|2500071180\n"

func subject(t testing.TB, text string) providertest.Subject {
	t.Helper()
	m, err := mapping.Load(text)
	if err != nil {
		t.Fatal(err)
	}
	account := testAccount(text)
	other := account
	other.ID, other.Terminal = "acc_other", "OTHER"
	other.Credentials = []map[string]string{{CredentialPartner: "OTHER", CredentialSecret: testSecret}}
	paid := ""
	for status, class := range m.Statuses {
		if class == mapping.Succeeded {
			paid = status
		}
	}
	settlement := strings.ReplaceAll(strings.Replace(goodSettlement, "so_tien", m.Settlement.Columns[m.Settlement.Column("amount")].Name, 1), "|", m.Settlement.Separator)
	replaceOnce := func(from, to string) string { return strings.Replace(settlement, from, to, 1) }
	return providertest.Subject{
		Registration: Registration(), Account: account, Other: other, Payment: testPayment(),
		NextSecret: map[string]string{CredentialPartner: testPartner, CredentialSecret: "the-next-secret-after-rotation"},
		Now:        time.Date(2026, 3, 10, 14, 30, 0, 0, zone()),
		Vectors:    file(t, "testdata/vectors.json"), Vector: vector(t),
		Callback: say(m), SignedFields: append(slices.Clone(m.Hashes[mapping.Callback]), m.Name(mapping.Digest)),
		Unproven: m.Confirm(), Refuses: m.Hash.Separator + "\u2028",
		Tamper: func(c providers.Callback, field string) providers.Callback {
			v := map[string]string{}
			_ = json.Unmarshal(c.Body, &v)
			v[field] = "1" + v[field]
			c.Body, _ = providers.CompactJSON(v)
			return c
		},
		Calls: []providertest.Via{providertest.Checkout, providertest.Lookup}, Answer: answers(m, paid), Codes: file(t, "testdata/codes.json"),
		Channels: map[string]providertest.Channel{
			"callback": {Via: providertest.Callback, Known: slices.Collect(maps.Keys(m.Codes.Callback)), Unknown: "07"},
			"init":     {Via: providertest.Checkout, Known: slices.Collect(maps.Keys(m.Codes.Init)), Unknown: "12"},
			"query":    {Via: providertest.Lookup, Known: slices.Collect(maps.Keys(m.Codes.Query)), Unknown: "99"},
			"status":   {Via: providertest.Lookup, Known: slices.Collect(maps.Keys(m.Statuses)), Unknown: "9"},
		},
		Separator: m.Settlement.Separator, Settlement: settlement,
		BadSettlements: map[string]string{
			"no day → ngay_gd":                 replaceOnce("20260310", "soon"),
			"a time of 12 hours → thoi":        replaceOnce("20260310141733", "02:17 PM"),
			"no partner → ma_doi_tac":          replaceOnce("H10DEMO", ""),
			"no reference → ma_tham_chieu":     replaceOnce(testReference, ""),
			"no status → trang_thai":           replaceOnce(m.Settlement.Separator+"1"+m.Settlement.Separator, m.Settlement.Separator+m.Settlement.Separator),
			"no settle date → ngay_quyet_toan": replaceOnce("20260311", "soon"),
			"a plus refund → thuc_nhan":        replaceOnce("-20000", "20000"),
			"total of another fee → TOTAL fee": replaceOnce("28820", "28821"),
		},
	}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, subject(t, ""))
}

func TestConformanceWhereCallbacksDecide(t *testing.T) {
	s := subject(t, unconfirmed(t))
	s.Codes = []byte(strings.Replace(string(s.Codes), `"00": "uncertain"`, `"00": "succeeded"`, 1))
	providertest.Run(t, s)
}

// A version with other names, codes, words and another checksum is a file, not a change of the program.
func TestConformanceOfAnotherMapping(t *testing.T) {
	s := subject(t, another(t))
	s.Codes = []byte(`{"callback": {"00": "succeeded"}, "init": {"0": "redirect"}, "query": {"00": "succeeded"},
		"status": {"PAID": "succeeded", "HELD": "uncertain/unknown_code", "OPEN": "pending", "DEAD": "failed/technical"}}`)
	providertest.Run(t, s)
}

// vector recomputes a published case under the program's own mapping.
func vector(t testing.TB) func(providertest.VectorCase) (string, string, bool) {
	m, err := mapping.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return func(c providertest.VectorCase) (string, string, bool) {
		var v map[string]string
		if json.Unmarshal(c.Input, &v) != nil {
			return "", "", false
		}
		message := messageOf(c, v)
		text := canonical(m, message, func(n string) string { return v[n] })
		return text + "|<secret>", hex.EncodeToString(digest(m, text, testSecret)), message != ""
	}
}

func messageOf(c providertest.VectorCase, v map[string]string) string {
	switch {
	case c.Kind == "callback":
		return mapping.Callback
	case c.Kind == "answer":
		return mapping.Answer
	}
	return map[string]string{"INIT": mapping.Init, "QUERY": mapping.Query, "GET_BILL": mapping.Bill}[v["LoaiBanTin"]]
}
