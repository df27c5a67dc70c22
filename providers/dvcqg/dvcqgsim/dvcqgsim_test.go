package dvcqgsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"feegate/providers/dvcqg/mapping"
	"feegate/providers/sim"
)

type vectorCase struct {
	ID, Kind, Digest string
	Input            map[string]string
}

func vectorCases(t *testing.T) []vectorCase {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Cases []vectorCase }
	if err := json.Unmarshal(b, &f); err != nil || len(f.Cases) != 16 {
		t.Fatalf("%d cases, %v", len(f.Cases), err)
	}
	return f.Cases
}

func TestTheSimulatorsChecksumsAreThePublishedOnes(t *testing.T) {
	m := New().(Wire).m
	for _, c := range vectorCases(t) {
		message := map[string]string{"INIT": mapping.Init, "QUERY": mapping.Query, "GET_BILL": mapping.Bill, "CONFIRM": mapping.Callback, "": mapping.Answer}[c.Input["LoaiBanTin"]]
		if got := sum(m, message, c.Input, "demo-secret"); got != c.Digest {
			t.Errorf("%s: %s, want %s", c.ID, got, c.Digest)
		}
	}
}

type world struct {
	*sim.World
	t         *testing.T
	url       string
	callbacks chan map[string]string
	client    *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, callbacks: make(chan map[string]string, 10)}
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m, err := decode(body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", body, err)
		}
		w.callbacks <- m
		_, _ = io.WriteString(rw, `{"MaLoi":"00"}`)
	}))
	t.Cleanup(gateway.Close)
	var err error
	if w.World, err = sim.New(sim.Options{Wires: []sim.Wire{New()}, Start: time.Date(2026, 3, 10, 14, 15, 0, 0, sim.Zone())}); err != nil {
		t.Fatal(err)
	}
	if err := w.PutAccount(sim.Account{Provider: Name, Terminal: "H10DEMO", CallbackURL: gateway.URL + "/callbacks/dvcqg/acc_1", Credentials: map[string]string{"secret": "demo-secret"}}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() { server.Close(); _ = w.Close() })
	w.url = server.URL
	w.client = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

// call posts a function's published message, changed and hashed anew.
func (w *world) call(function, vector string, over map[string]string, block string) map[string]string {
	w.t.Helper()
	m := New().(Wire).m
	fields := map[string]any{}
	hashed := map[string]string{}
	for _, c := range vectorCases(w.t) {
		if c.ID == vector {
			for k, v := range c.Input {
				hashed[k] = v
			}
		}
	}
	for k, v := range over {
		hashed[k] = v
	}
	for k, v := range hashed {
		fields[k] = v
	}
	secret := "demo-secret"
	if over["secret"] != "" {
		secret = over["secret"]
		delete(fields, "secret")
	}
	fields["MaXacThuc"] = strings.ToUpper(sum(m, function, hashed, secret))
	if block != "" {
		fields["ThongTinBienLai"] = json.RawMessage(block)
	}
	body, err := encode(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.client.Post(w.url+"/dvcqg"+m.Functions[function].Path, "application/json", strings.NewReader(string(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(resp.Body)
	if strings.HasPrefix(string(said), "%PDF-") {
		return map[string]string{"pdf": string(said)}
	}
	got, err := decode(said)
	if err != nil {
		w.t.Fatalf("%s: %v", said, err)
	}
	return got
}

const wholeBlock = `{"TKThuHuong":"0011","PhiLePhi":[{"LoaiPhiLePhi":"1","SoTien":"100000"},{"LoaiPhiLePhi":"2","SoTien":"15000"}],"DSKhoanNop":[{"NoiDung":"x","SoTien":"5000"}]}`

func TestAPayerPaysAndComesBack(t *testing.T) {
	w := newWorld(t)
	got := w.call(mapping.Init, "init-request", nil, wholeBlock)
	var inner map[string]string
	if got["error_code"] != "0" || json.Unmarshal([]byte(got["message"]), &inner) != nil || inner["UrlThanhToan"] == "" {
		t.Fatalf("%v", got)
	}
	if q := w.call(mapping.Query, "query-request", nil, ""); q["MaLoi"] != "00" || q["TrangThaiGD"] != "3" || q["SoTien"] != "120000" {
		t.Errorf("pending: %v", q)
	}
	u, _ := url.Parse(inner["UrlThanhToan"])
	resp, err := w.client.PostForm(w.url+choicePath, url.Values{"t": {u.Query().Get("t")}, "choice": {"pay"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Path != "/returns/dvcqg/acc_1" || back.Query().Get("MaLoi") != "00" {
		t.Errorf("the way back: %v %v", back, err)
	}
	c := <-w.callbacks
	m := New().(Wire).m
	if c["MaLoi"] != "00" || c["SoTien"] != "120000" || c["MaXacThuc"] != sum(m, mapping.Callback, c, "demo-secret") || c["ThongTinGiaoDich"] != "THANH TOAN HO SO H10.12-260310-0007" {
		t.Errorf("%v", c)
	}
	if q := w.call(mapping.Query, "query-request", nil, ""); q["TrangThaiGD"] != "1" || q["MaGiaoDich"] != c["MaGiaoDich"] || q["ThoiGianGD"] != c["ThoiGianGD"] {
		t.Errorf("paid: %v", q)
	}
	if b := w.call(mapping.Bill, "get-bill-request", nil, ""); !strings.Contains(b["pdf"], "120000 VND") {
		t.Errorf("%v", b)
	}
	_, file, _, err := w.Settlement(Name, "H10DEMO", "2026-03-10", sim.Changes{})
	if err != nil || !strings.HasPrefix(string(file), "ngay_gd|ma_doi_tac|") || !strings.Contains(string(file), "|0011|20260310") || !strings.Contains(string(file), "\nTOTAL|1|120000|0|120000\n") {
		t.Errorf("%v %s", err, file)
	}
}

func TestWhatTheSimulatorRefuses(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		over  map[string]string
		block string
		code  string
	}{
		"a wrong checksum":        {map[string]string{"secret": "another"}, wholeBlock, "97"},
		"a stranger":              {map[string]string{"MaDoiTac": "NOBODY"}, wholeBlock, "97"},
		"another version":         {map[string]string{"PhienBan": "2"}, wholeBlock, "98"},
		"another function":        {map[string]string{"LoaiBanTin": "QUERY"}, wholeBlock, "98"},
		"no receipt block":        {nil, "", "12"},
		"items of another amount": {nil, `{"PhiLePhi":[{"SoTien":"1"}]}`, "12"},
		"dollars":                 {map[string]string{"MaTienTe": "USD"}, wholeBlock, "12"},
		"no amount":               {map[string]string{"SoTien": "0"}, `{}`, "12"},
	} {
		if got := w.call(mapping.Init, "init-request", c.over, c.block); got["error_code"] != c.code {
			t.Errorf("%s: %v", name, got)
		}
	}
	w.call(mapping.Init, "init-request", nil, wholeBlock)
	if got := w.call(mapping.Init, "init-request", nil, wholeBlock); got["error_code"] != initRefused {
		t.Errorf("the reference again: %v", got)
	}
	if got := w.call(mapping.Query, "query-request", map[string]string{"MaThamChieu": "dvcX"}, ""); got["MaLoi"] == "00" || got["TrangThaiGD"] != "" {
		t.Errorf("a payment of nobody: %v", got)
	}
	if got := w.call(mapping.Bill, "get-bill-request", nil, ""); got["pdf"] != "" {
		t.Error("a receipt before the payment")
	}
	for outcome, status := range map[string]string{"decline": "4", "leave_pending": "3"} {
		if _, err := w.Decide(t.Context(), Name, "dvcH1012260310000720260310141500", sim.Decision{Outcome: outcome}); err != nil {
			t.Fatal(err)
		}
		if got := w.call(mapping.Query, "query-request", nil, ""); got["TrangThaiGD"] != status {
			t.Errorf("%s: %v", outcome, got)
		}
	}
	resp, err := w.client.Get(w.url + payPath + "?t=H10DEMO.dvcH1012260310000720260310141500~0")
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a guessed pay address: %v %v", resp, err)
	}
	_ = resp.Body.Close()
}
