package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
)

// plainly is a page's text with its blanks made one, for people's sentences to be found in.
func plainly(r reply) string {
	s := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(r.body), " ")
	return regexp.MustCompile(`\s+`).ReplaceAllString(strings.ReplaceAll(s, "\u00a0", " "), " ")
}

// shows holds a page to a status and to some sentences.
func (o *officer) shows(r reply, status int, sentences ...string) {
	o.s.t.Helper()
	text := plainly(r)
	if r.status != status {
		o.s.t.Errorf("%d, want %d: %s", r.status, status, text)
	}
	for _, s := range sentences {
		if !strings.Contains(text, s) {
			o.s.t.Errorf("the page does not say %q:\n%s", s, text)
		}
	}
}

func TestAStatementAtTheUploadPage(t *testing.T) {
	s := newStreet(t)
	bank := s.paidOut()
	api := s.person("api", []identity.Role{identity.Finance})
	mai, far := s.officer("mai", []identity.Role{identity.Finance}), s.officer("far", []identity.Role{identity.Finance}, "H10.99")
	s.take("acc_vnpay_7", 0, 3)
	s.move(24 * time.Hour)
	const day = "2026-03-10"
	s.settled(api, "acc_vnpay_7", "FEEGATE7", day, "")
	file := stated(bank, 1000000, [3]string{"FT1", "148350", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"}, [3]string{"FT2", "70000", "khong ro"}, [3]string{"FT3", "-11000", "PHI SMS"})
	kind := map[string]string{"kind": "statement"}
	imports := func() int {
		return s.count(`SELECT count(*) FROM imports WHERE kind = 'statement'`)
	}

	mai.shows(mai.get("/console/upload"), 200, "Sao kê ngân hàng", "Đối soát của nhà cung cấp", "chỉ khi tệp không ghi")
	preview := mai.upload("?preview=1", mai.token(), kind, "sao-ke.csv", file)
	mai.shows(preview, 200, "Xem trước sao-ke.csv: 3 dòng", "Dòng mới: 3 · đã có từ sao kê trước: 0", "Số dư đầu kỳ 1.000.000 ₫", "+ Tiền vào 218.350 ₫", "− Tiền ra 11.000 ₫", "= Số dư cuối kỳ 1.207.350 ₫",
		"Mẫu tệp mới", "Số tham chiếu Mã của ngân hàng", "Ghi nợ Tiền ra", "Nội dung Nội dung")
	if n := imports(); n != 0 {
		t.Errorf("a preview kept %d imports", n)
	}

	// What is refused says in which line, why, in Vietnamese, and nothing is kept.
	for broken, says := range map[string][]string{
		strings.Replace(file, "1148350", "1148351", 1):         {"dòng 4 , Số dư: ghi 1.148.351 ₫, nhưng dòng trước cộng khoản này là 1.148.350 ₫"},
		strings.Replace(file, "10/03/2026", "30/02/2026", 1):   {"dòng 4 , Ngày hạch toán", "không phải ngày"},
		strings.ReplaceAll(file, "Ngày giao dịch", "Cột"):      {"không có dòng tiêu đề nào có cột ngày"},
		strings.Replace(file, bank, "999", 1):                  {"số tài khoản này không phải của đơn vị bạn phụ trách"},
		strings.Replace(file, "Số tài khoản:;"+bank, "x;y", 1): {"Số tài khoản : cần điền, vì tệp không ghi số tài khoản"},
		"": {"tệp rỗng"}, "<html>": {"Tệp chưa được nhập"}, "PK\x03\x04 no": {"không phải tệp bảng tính đọc được"}} {
		for _, query := range []string{"?preview=1", ""} {
			r := mai.upload(query, mai.token(), kind, "hong.csv", broken)
			if r.status != 422 && r.status != 404 {
				t.Errorf("%q: %d", broken, r.status)
			}
			mai.shows(r, r.status, append(says, "Tệp chưa được nhập. Không có gì được giữ lại.")...)
		}
	}
	for _, foreign := range []struct {
		o      *officer
		token  string
		fields map[string]string
		name   string
		status int
	}{{far, far.token(), kind, "a.csv", 404}, {mai, "x", kind, "a.csv", 403}, {mai, mai.token(), kind, "", 422}, {mai, mai.token(), map[string]string{"kind": "statement", "bank_account": "12"}, "a.csv", 422}} {
		if r := foreign.o.upload("", foreign.token, foreign.fields, foreign.name, file); r.status != foreign.status {
			t.Errorf("%v: %d, want %d", foreign.fields, r.status, foreign.status)
		}
	}
	if n := imports(); n != 0 {
		t.Errorf("%d imports of refused files", n)
	}

	done := mai.upload("", mai.token(), kind, "sao-ke.csv", file)
	mai.shows(done, 200, "Đã nhập sao-ke.csv: 3 dòng", "Nhà cung cấp trả về 1 148.350 ₫", "Phí ngân hàng 1 −11.000 ₫", "Chưa rõ của ai 1 70.000 ₫", "Trả cho những ngày", "10/03/2026 VNPAY", "Đúng, xác nhận các cột này")
	for _, link := range []string{`href="/console/days/2026-03-10?account=acc_vnpay_7"`, `href="/console/bank/`, `href="/console/imports/imp_`} {
		if !strings.Contains(string(done.body), link) {
			t.Errorf("no link %s", link)
		}
	}
	mai.shows(mai.upload("", mai.token(), kind, "sao-ke.csv", file), 200, "Tệp này đã có từ trước, không nhập lại: 3 dòng", "Dòng mới: 3")
	layout, imp := s.one(`SELECT id FROM statement_layouts`), s.one(`SELECT id FROM imports WHERE kind = 'statement'`)
	if r := far.act("/console/layouts/"+layout+"/confirm", url.Values{}); r.status != 404 {
		t.Errorf("a stranger confirms: %d", r.status)
	}
	lan := s.officer("lan", []identity.Role{identity.Approver})
	lan.shows(lan.get("/console/imports/"+imp), 200, "sao-ke.csv : 3 dòng", "mai nhập", "Chờ người đối soát xác nhận", "Chưa rõ của ai")
	if r := lan.act("/console/layouts/"+layout+"/confirm", url.Values{}); r.status != 403 {
		t.Errorf("an approver confirms: %d", r.status)
	}
	if r := far.get("/console/imports/" + imp); r.status != 404 {
		t.Errorf("a stranger looks: %d", r.status)
	}
	confirmed := mai.act("/console/layouts/"+layout+"/confirm", url.Values{"import": {imp}})
	if confirmed.header.Get("Location") != "/console/imports/"+imp+"?done=layout" {
		t.Errorf("%d to %q", confirmed.status, confirmed.header.Get("Location"))
	}
	page := mai.get("/console/imports/" + imp + "?done=layout")
	mai.shows(page, 200, "Đã xác nhận cách đọc các cột")
	if strings.Contains(string(page.body), "/confirm") {
		t.Error("what is confirmed is asked again")
	}
	if n := s.count(`SELECT count(*) FROM audit WHERE action IN ('statement.imported', 'layout.confirmed')`); n != 2 {
		t.Errorf("%d deeds are in the audit", n)
	}

	// A longer file repeats the lines and adds one; another goes on with a gap.
	longer := stated(bank, 1000000, [3]string{"FT1", "148350", "VNPAY FEEGATE7 TT GD NGAY 10/03/2026"}, [3]string{"FT2", "70000", "khong ro"}, [3]string{"FT3", "-11000", "PHI SMS"}, [3]string{"FT4", "5000", "them"})
	mai.shows(mai.upload("?preview=1", mai.token(), kind, "dai.csv", longer), 200, "Dòng mới: 1 · đã có từ sao kê trước: 3")
	gap := strings.ReplaceAll(stated(bank, 5, [3]string{"FT9", "1", "x"}), "10/03/2026", "12/03/2026")
	mai.shows(mai.upload("?preview=1", mai.token(), kind, "hut.csv", gap), 200, "số dư đầu kỳ là 5 ₫, nhưng sao kê đến ngày 10/03/2026 kết thúc với 1.207.350 ₫: còn thiếu sao kê ở giữa")
	unchecked := "Số tài khoản:;" + bank + "\nNgày giao dịch;Số tham chiếu;Ghi nợ;Ghi có;Nội dung\n13/03/2026;FT12;;7;x\n"
	mai.shows(mai.upload("?preview=1", mai.token(), kind, "khong-so-du.csv", unchecked), 200, "tệp không ghi số dư nên không kiểm được tổng", "Tiền vào 7 ₫")
	settlement := s.one(`SELECT id FROM imports WHERE kind = 'settlement'`)
	if r := mai.get("/console/imports/" + settlement); r.header.Get("Location") != "/console/days/"+day+"?account=acc_vnpay_7" {
		t.Errorf("a settlement file leads to %q", r.header.Get("Location"))
	}
	if r := mai.get("/console/imports/imp_none"); r.status != http.StatusNotFound {
		t.Errorf("no import: %d", r.status)
	}
}
