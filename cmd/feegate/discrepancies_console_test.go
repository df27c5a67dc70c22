package main

import (
	"bytes"

	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
	"feegate/providers/sim"
	"feegate/reconciliation"
)

// says holds a page to its status and to what it must say.
func (o *officer) says(r reply, status int, words ...string) {
	o.s.t.Helper()
	for _, w := range words {
		if r.status != status || !strings.Contains(strings.ReplaceAll(string(r.body), "\u00a0", " "), w) {
			o.s.t.Errorf("%d, want %d with %q\n%s", r.status, status, w, r.body)
		}
	}
}

// acted holds an act to where it leads.
func (o *officer) acted(r reply, to string) {
	o.s.t.Helper()
	if r.status != http.StatusSeeOther || r.header.Get("Location") != to {
		o.s.t.Errorf("%d to %q, want %q\n%s", r.status, r.header.Get("Location"), to, r.body)
	}
}

func TestTheWorkListAtTheConsole(t *testing.T) {
	d := newWorklist(t, 8, sim.Changes{Lose: 3, Invent: 1, Alter: 1, Seed: 3})
	thu, tam := d.officer("thu", []identity.Role{identity.Finance}), d.officer("tam", []identity.Role{identity.Approver})
	lost := d.ids("kind=missing_at_provider")
	at := "/console/discrepancies/" + lost[0]
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	thu.says(thu.get("/console/discrepancies"), http.StatusOK, "<strong>5</strong> sai lệch", "Chưa giao <b>5</b>", "Nhà cung cấp không có <b>3</b>", "12/03/2026", "Chọn cả trang")
	thu.says(thu.get("/console/discrepancies?kind=missing_at_gateway&owner=none&sort=amount&min_amount=1&from="+day+"&to="+day), http.StatusOK, "<strong>1</strong> sai lệch", `value="missing_at_gateway" selected`)
	thu.says(thu.get("/console/discrepancies?select=all"), http.StatusOK, ` checked></td>`)
	thu.says(thu.get("/console/discrepancies?overdue=1"), http.StatusOK, "Không có sai lệch nào", "Bỏ lọc")
	if page := tam.get("/console/discrepancies"); strings.Contains(string(page.body), "Xử lý những dòng") {
		t.Error("an approver may resolve")
	}

	// One: taken up, handed on, noted, asked about, answered, with a paper.
	thu.acted(thu.act(at+"/assign", form()), at+"?done=assigned")
	mine := d.one(`SELECT id FROM users WHERE name = 'thu'`)
	thu.says(thu.get("/console/discrepancies?owner=me"), http.StatusOK, "<strong>1</strong> sai lệch", "thu")
	other := d.officer("bao", []identity.Role{identity.Finance})
	other.says(other.act(at+"/assign", form()), http.StatusConflict, "thu đã nhận việc này")
	thu.acted(thu.act(at+"/assign", form("owner", d.id("hoa"), "from", mine, "deadline", "2026-03-11", "note", "hộ tôi")), at+"?done=assigned")
	thu.acted(thu.act(at+"/notes", form("note", "gọi <b>rồi</b>")), at+"?done=noted")
	thu.says(thu.act(at+"/notes", form("note", "")), http.StatusUnprocessableEntity, "phải có nội dung")
	thu.says(thu.act(at+"/trace", form("asked_of", "")), http.StatusUnprocessableEntity, "Nơi nhận", "Nội dung hỏi")
	thu.says(thu.get(at+"/trace-letter"), http.StatusNotFound, "chưa có yêu cầu tra soát")
	thu.acted(thu.act(at+"/trace", form("asked_of", "Công ty MoMo", "question", "Vì sao thiếu?")), at+"?done=asked")
	tam.says(tam.get(at+"/trace-letter"), http.StatusOK, "Kính gửi: Công ty MoMo", "Vì sao thiếu?")
	thu.acted(thu.act(at+"/answer", form("answer", "Trả ngày mai")), at+"?done=answered")
	thu.says(thu.act(at+"/nonsense", form()), http.StatusNotFound, "Không tìm thấy")
	tam.says(tam.act(at+"/notes", form("note", "x")), http.StatusForbidden, "không có quyền")

	paper := func(csrf, name string, content []byte) reply {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		_ = w.WriteField("csrf", csrf)
		p, err := w.CreateFormFile("file", name)
		if err == nil {
			_, err = p.Write(content)
		}
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return thu.do(http.MethodPost, at+"/attachments", w.FormDataContentType(), &b, nil)
	}
	thu.says(paper("x", "a.pdf", []byte("%PDF-1.4")), http.StatusForbidden, "Biểu mẫu đã cũ")
	thu.says(paper(thu.token(), "a.exe", []byte("MZ\x00\x01")), http.StatusUnprocessableEntity, "phải là PDF, PNG")
	thu.says(paper(thu.token(), "a.pdf", append([]byte("%PDF-1.4"), make([]byte, 6<<20)...)), http.StatusUnprocessableEntity, "tối đa 5 MiB")
	thu.says(paper(thu.token(), "", nil), http.StatusUnprocessableEntity, "chưa chọn tệp")
	thu.acted(paper(thu.token(), "biên bản.pdf", []byte("%PDF-1.4 x")), at+"?done=attached")
	got := tam.get(at + "/attachments/1")
	if got.status != http.StatusOK || string(got.body) != "%PDF-1.4 x" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", got.status, got.header)
	}
	thu.says(thu.get(at+"/attachments/9"), http.StatusNotFound, "Không tìm thấy")
	if n := d.count(`SELECT count(*) FROM audit WHERE action = 'attachment.read'`); n != 1 {
		t.Errorf("%d looks at a paper are in the audit", n)
	}
	thu.says(thu.get(at), http.StatusOK, "Được giao</strong> cho hoa, hạn 11/03/2026", "gọi &lt;b&gt;rồi&lt;/b&gt;", "Trả ngày mai", "biên bản.pdf", "Đã trả lời", "/console/help/discrepancies#missing_at_provider", "Tra soát")

	// Many: ticked, proposed, and decided on by another.
	many := form("deed", "resolve", "action", "claim_from_provider", "note", "cả loạt", "query", "kind=missing_at_provider&after=x", "key", "key-many-claimed")
	many["id"] = lost
	thu.acted(thu.act("/console/discrepancies/bulk", many), "/console/discrepancies?done=proposed&kind=missing_at_provider")
	mixed := form("deed", "resolve", "action", "explain", "note", "x", "key", "key-many-mixed")
	mixed["id"] = []string{d.of("amount_mismatch"), d.of("missing_at_gateway")}
	thu.says(thu.act("/console/discrepancies/bulk", mixed), http.StatusUnprocessableEntity, "Sai lệch thứ 2 được chọn", "khác loại với sai lệch đầu tiên")
	thu.says(thu.act("/console/discrepancies/bulk", form("deed", "resolve", "action", "explain", "note", "x", "key", "key-many-none")), http.StatusUnprocessableEntity, "phải chọn từ 1 đến 500")
	thu.says(thu.act("/console/discrepancies/bulk", form("deed", "approve", "key", "key-many-wrong")), http.StatusForbidden, "không có quyền")
	thu.says(thu.act("/console/discrepancies/bulk", form("deed", "x", "key", "key-many-what")), http.StatusUnprocessableEntity, "không đọc được")
	tam.says(tam.act("/console/discrepancies/bulk", form("deed", "resolve", "action", "explain", "note", "x", "key", "key-many-role")), http.StatusForbidden, "không có quyền")
	tam.says(tam.get("/console/discrepancies?proposed=1"), http.StatusOK, "<strong>3</strong> sai lệch", "chờ duyệt: Yêu cầu nhà cung cấp trả", "Duyệt các đề nghị đã chọn")
	decide := form("deed", "approve", "query", "proposed=1", "key", "key-many-decided")
	decide["id"] = lost
	tam.acted(tam.act("/console/discrepancies/bulk", decide), "/console/discrepancies?done=approved&proposed=1")
	if d.balance("claim:acc_momo") != 150000 {
		t.Errorf("claimed %d", d.balance("claim:acc_momo"))
	}
	thu.acted(thu.act(at+"/resolutions", form("action", "explain", "note", "đã trả", "key", "key-one-explained")), at+"?done=resolved")
	thu.says(thu.get(at), http.StatusOK, "Mở lại sai lệch 50.000 ₫")
	thu.acted(thu.act(at+"/reopen", form("reason", "chưa trả")), at+"?done=reopened")
	thu.says(thu.act(at+"/reopen", form("reason", "chưa trả")), http.StatusConflict, "chưa được xử lý, không có gì để mở lại")

	help := tam.get("/console/help/discrepancies")
	for _, g := range reconciliation.Guides() {
		tam.says(help, http.StatusOK, `id="`+g.Kind+`"`, strings.Split(g.Means, ".")[0])
	}
	csv := thu.get("/console/discrepancies.csv?kind=missing_at_provider")
	thu.says(csv, http.StatusOK, "Người phụ trách,Hạn,Quá hạn", ",hoa,2026-03-1")
}

// TestTheWorkListInABrowser looks at the pages of the work list as people see them, at both widths.
func TestTheWorkListInABrowser(t *testing.T) {
	d := newWorklist(t, 9, sim.Changes{Lose: 3, Invent: 2, Alter: 1, Double: 1, Seed: 3})
	folder := pictures(t)
	id := d.of("missing_at_provider")
	altered := d.of("amount_mismatch")
	d.ok(d.do(d.mai, id, "assign", body{"note": "Tôi gọi MoMo trước 9 giờ"}), http.StatusOK)
	d.ok(d.attach(d.mai, id, "file", "Email của MoMo 10-03.pdf", []byte("%PDF-1.4 x")), http.StatusCreated)
	d.ok(d.do(d.hoa, altered, "assign", body{}), http.StatusOK)
	d.move(72 * time.Hour)
	signIn := func(name string) *browser {
		b := openBrowser(t, folder, 1280, host(t, d.api))
		b.open(d.api + "/console/sign-in")
		b.fill("#name", name)
		b.fill("#password", password)
		b.press("button.main", "Việc sáng nay")
		return b
	}
	clerk := signIn("mai")
	clerk.open(d.api + "/console/discrepancies")
	clerk.until("quá hạn")
	clerk.look("worklist")
	clerk.open(d.api + "/console/discrepancies/" + id)
	clerk.run("open the trace form", chromedp.Click(chromedp.Search(`//summary[text()="Yêu cầu tra soát"]`)))
	clerk.fill("#asked_of", "Công ty Cổ phần Dịch vụ Di động Trực tuyến (MoMo)")
	clerk.fill("#question", "Giao dịch nêu trên đã trừ tiền người nộp nhưng không có trong tệp đối soát ngày 10/03/2026. Đề nghị cho biết ngày quyết toán.")
	clerk.look("worklist-case-trace")
	clerk.press("form[action$='/trace'] button", "In công văn tra soát")
	clerk.look("worklist-case")
	clerk.open(d.api + "/console/discrepancies/" + id + "/trace-letter")
	clerk.until("Kính gửi")
	clerk.look("worklist-letter")
	clerk.open(d.api + "/console/discrepancies/" + altered)
	clerk.until("≠")
	clerk.look("worklist-case-differs")
	clerk.open(d.api + "/console/discrepancies?kind=missing_at_provider&select=all")
	clerk.fill("#action", "claim_from_provider")
	clerk.fill("#note", "MoMo xác nhận thiếu cả ba khoản")
	clerk.look("worklist-many")
	clerk.press("button[value='resolve']", "Đã ghi đề nghị")
	boss := signIn("lan")
	boss.open(d.api + "/console/discrepancies?proposed=1&select=all")
	boss.until("Duyệt các đề nghị đã chọn")
	boss.look("worklist-decide")
	boss.press("button[value='approve']", "Đã duyệt.")
	boss.open(d.api + "/console/help/discrepancies")
	boss.look("worklist-help")
	if got := len(d.ids("status=investigating&kind=missing_at_provider")); got != 3 {
		t.Errorf("%d are claimed", got)
	}
}
