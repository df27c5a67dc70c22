package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"feegate/gateway/identity"
	"feegate/providers/sim"
)

// worklist is a morning with every kind of the simulator's differences, a finance officer, a second one and an approver.
type worklist struct {
	*street
	mai, hoa, lan string
}

func newWorklist(t *testing.T, payments int, c sim.Changes) *worklist {
	t.Helper()
	s := newStreet(t)
	s.paid("momo", payments, true)
	d := &worklist{s, s.person("mai", []identity.Role{identity.Finance}), s.person("hoa", []identity.Role{identity.Finance}), s.person("lan", []identity.Role{identity.Approver})}
	s.ok(s.upload(d.mai, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", c)), http.StatusCreated)
	return d
}

func (d *worklist) id(name string) string {
	d.t.Helper()
	return d.one(`SELECT id FROM users WHERE name = '` + name + `'`)
}

// of is the first discrepancy of a kind.
func (d *worklist) of(kind string) string {
	d.t.Helper()
	items := d.list(d.mai, "kind="+kind)
	if len(items) == 0 {
		d.t.Fatal("no " + kind)
	}
	return text(items[0]["id"])
}

func (d *worklist) do(token, id, deed string, body any) reply {
	d.t.Helper()
	return d.as(token, http.MethodPost, "/v1/discrepancies/"+id+"/"+deed, "", body)
}

func (d *worklist) get(id string) map[string]any {
	d.t.Helper()
	return d.ok(d.as(d.lan, http.MethodGet, "/v1/discrepancies/"+id, "", nil), http.StatusOK)
}

func (d *worklist) what(id string) (out []string) {
	d.t.Helper()
	for _, h := range d.get(id)["history"].([]any) {
		out = append(out, text(h.(map[string]any)["what"]))
	}
	return out
}

// refused holds a problem to its name and to a word of it.
func (d *worklist) refused(r reply, status int, words ...string) {
	d.t.Helper()
	for _, w := range words {
		if r.status != status || !strings.Contains(string(r.body), w) {
			d.t.Errorf("%d %s, want %d with %q", r.status, r.body, status, w)
		}
	}
}

type body = map[string]any

func TestTheWorkListIsSortedFilteredAndCounted(t *testing.T) {
	d := newWorklist(t, 6, sim.Changes{Lose: 1, Invent: 1, Alter: 1, Double: 1, Seed: 3})
	// Tuesday 10 March: one working day is the 11th, two the 12th.
	for kind, deadline := range map[string]string{"missing_at_gateway": "2026-03-11", "duplicate_line": "2026-03-11", "missing_at_provider": "2026-03-12", "amount_mismatch": "2026-03-12"} {
		got := d.list(d.mai, "kind="+kind)
		if len(got) != 1 || got[0]["deadline"] != deadline || got[0]["overdue"] != false || got[0]["age_days"] != 0.0 || got[0]["owner"] != nil || got[0]["proposed"] != nil {
			t.Errorf("%s: %v", kind, got)
		}
	}
	d.move(48 * time.Hour) // Thursday
	gone := d.of("missing_at_gateway")
	d.ok(d.do(d.mai, gone, "assign", body{}), http.StatusOK)
	ids := func(query string) (out []string) {
		for _, i := range d.list(d.lan, query) {
			out = append(out, text(i["kind"]))
		}
		return out
	}
	if got := ids("sort=deadline"); len(got) != 4 || strings.Join(got[:2], " ") != "duplicate_line missing_at_gateway" && strings.Join(got[:2], " ") != "missing_at_gateway duplicate_line" {
		t.Errorf("by deadline: %v", got)
	}
	for query, want := range map[string]int{"overdue=true": 2, "overdue=false": 4, "owner=none": 3, "owner=" + d.id("mai"): 1, "status=unresolved": 4, "status=open": 3, "status=investigating": 1,
		"from=2026-03-11": 0, "to=" + day: 4, "min_amount=999999999999": 0, "min_amount=1": 4, "proposed=true": 0, "account_id=acc_vnpay": 0, "overdue=true&owner=none&kind=duplicate_line": 1} {
		if got := ids(query); len(got) != want {
			t.Errorf("%s: %v, want %d", query, got, want)
		}
	}
	for _, sort := range []string{"date", "age", "amount", "deadline"} {
		whole, paged := d.list(d.lan, "sort="+sort), []string{}
		after := ""
		for range 5 {
			r := d.ok(d.as(d.lan, http.MethodGet, "/v1/discrepancies?limit=1&sort="+sort+after, "", nil), http.StatusOK)
			for _, i := range r["items"].([]any) {
				paged = append(paged, text(i.(map[string]any)["id"]))
			}
			if r["next"] == nil {
				break
			}
			after = "&after=" + text(r["next"])
		}
		for i := range whole {
			if len(paged) != len(whole) || whole[i]["id"] != paged[i] {
				t.Fatalf("by %s, one by one: %v, want %v", sort, paged, whole)
			}
			if size := func(i int) float64 { return max(whole[i]["amount"].(float64), -whole[i]["amount"].(float64)) }; sort == "amount" && i > 0 && size(i) > size(i-1) {
				t.Errorf("by amount: %v", whole)
			}
		}
	}
	for query, field := range map[string]string{"sort=size": "sort", "overdue=maybe": "overdue", "min_amount=5e4": "min_amount", "after=x": "after", "sort=amount&after=2026-03-10~dis_a": "after",
		"kind=x": "kind", "status=x": "status", "date=x": "date", "proposed=2": "proposed"} {
		d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies?"+query, "", nil), http.StatusUnprocessableEntity, `"field":"`+field+`"`)
	}
	d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies?account_id=acc_none", "", nil), http.StatusNotFound, "not-found")
	d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies/summary?account_id=acc_none", "", nil), http.StatusNotFound, "not-found")
	d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies/summary?status=x", "", nil), http.StatusUnprocessableEntity, "status")
	d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies/summary?overdue=x", "", nil), http.StatusUnprocessableEntity, "overdue")

	rows := d.tableOf(d.mai, "/v1/discrepancies?sort=deadline&limit=3", 2)
	if len(rows) != 4 || rows[0]["overdue"] != "true" || rows[0]["deadline"] != "2026-03-11" || rows[3]["age_days"] != "2" {
		t.Errorf("as a table: %v", rows)
	}
	sum := d.ok(d.as(d.lan, http.MethodGet, "/v1/discrepancies/summary?status=unresolved", "", nil), http.StatusOK)
	total, kinds, owners := sum["total"].(map[string]any), sum["by_kind"].([]any), sum["by_owner"].([]any)
	if total["count"] != 4.0 || total["overdue"] != 2.0 || total["oldest"] != day || len(kinds) != 4 || len(owners) != 2 || kinds[0].(map[string]any)["overdue"] != 1.0 {
		t.Errorf("%v", sum)
	}
	none := d.ok(d.as(d.lan, http.MethodGet, "/v1/discrepancies/summary?from=2027-01-01", "", nil), http.StatusOK)
	if none["total"].(map[string]any)["count"] != 0.0 || len(none["by_kind"].([]any)) != 0 {
		t.Errorf("%v", none)
	}
}

func TestADeadlineCountsWorkingDays(t *testing.T) {
	s := newStreet(t)
	s.paid("momo", 2, true)
	mai := s.person("mai", []identity.Role{identity.Finance})
	s.move(3 * 24 * time.Hour) // Friday the 13th; Monday is a holiday here
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO holidays (date, name) VALUES ('2026-03-16', 'a day off')`); err != nil {
		t.Fatal(err)
	}
	s.ok(s.upload(mai, "", "account_id", "acc_momo", "date", day, "file", s.settlement("momo", sim.Changes{Lose: 1, Invent: 1, Seed: 3})), http.StatusCreated)
	for kind, want := range map[string]string{"missing_at_gateway": "2026-03-17", "missing_at_provider": "2026-03-18"} {
		if got := s.list(mai, "kind="+kind); got[0]["deadline"] != want {
			t.Errorf("%s: %v, want %s", kind, got[0]["deadline"], want)
		}
	}
}

func TestOneDiscrepancyIsWorkedOn(t *testing.T) {
	d := newWorklist(t, 4, sim.Changes{Lose: 1, Seed: 3})
	id := d.of("missing_at_provider")
	mai, hoa := d.id("mai"), d.id("hoa")

	got := d.ok(d.do(d.mai, id, "assign", body{"note": "mine"}), http.StatusOK)
	if got["owner"] != mai || got["status"] != "investigating" || got["deadline"] != "2026-03-12" {
		t.Errorf("%v", got)
	}
	d.refused(d.do(d.hoa, id, "assign", body{}), http.StatusConflict, "resolution-state", mai+" has taken it up")
	d.refused(d.do(d.hoa, id, "assign", body{"owner": hoa, "from": hoa}), http.StatusConflict, "has taken it up")
	got = d.ok(d.do(d.hoa, id, "assign", body{"owner": hoa, "from": mai, "deadline": "2026-03-20"}), http.StatusOK)
	if got["owner"] != hoa || got["deadline"] != "2026-03-20" || got["status"] != "investigating" {
		t.Errorf("%v", got)
	}
	n := len(d.what(id))
	d.ok(d.do(d.hoa, id, "assign", body{"owner": hoa, "deadline": "2026-03-20"}), http.StatusOK)
	if len(d.what(id)) != n {
		t.Error("the same again is written down again")
	}
	far := d.person("nga", []identity.Role{identity.Finance}, "H10.99")
	for field, in := range map[string]body{"owner": {"owner": "usr_nobody"}, "deadline": {"deadline": "soon"}, `deadline","detail":"is past`: {"deadline": "2026-03-09"},
		"note": {"note": strings.Repeat("x", 2001)}, "who": {"who": "x"}, `owner","detail":"is not a person`: {"owner": d.id("nga")}} {
		d.refused(d.do(d.hoa, id, "assign", in), http.StatusUnprocessableEntity, `"field":"`+field)
	}
	d.refused(d.do(far, id, "assign", body{}), http.StatusNotFound, "not-found")
	d.refused(d.do(d.lan, id, "assign", body{}), http.StatusForbidden, "forbidden")
	d.refused(d.do(d.hoa, "dis_none", "assign", body{}), http.StatusNotFound, "not-found")
	d.refused(d.as(d.hoa, http.MethodPost, "/v1/discrepancies/pay_1/assign", "", body{}), http.StatusNotFound, "not-found")

	d.ok(d.do(d.mai, id, "notes", body{"note": "Đã gọi điện"}), http.StatusCreated)
	d.refused(d.do(d.mai, id, "notes", body{"note": " "}), http.StatusUnprocessableEntity, `"field":"note"`)
	d.refused(d.do(far, id, "notes", body{"note": "x"}), http.StatusNotFound, "not-found")

	// A trace request, one at a time.
	d.refused(d.as(d.lan, http.MethodGet, "/v1/discrepancies/"+id+"/trace-letter", "", nil), http.StatusNotFound, "ask first")
	d.refused(d.do(d.mai, id, "trace/answer", body{"answer": "x"}), http.StatusConflict, "no trace request")
	for field, in := range map[string]body{"asked_of": {"question": "x"}, "question": {"asked_of": "MoMo"}, "due": {"asked_of": "MoMo", "question": "x", "due": "x"},
		`due","detail":"is past`: {"asked_of": "MoMo", "question": "x", "due": "2026-03-01"}} {
		d.refused(d.do(d.mai, id, "trace", in), http.StatusUnprocessableEntity, `"field":"`+field)
	}
	asked := d.ok(d.do(d.mai, id, "trace", body{"asked_of": "Công ty <MoMo>", "question": "Khoản này đã quyết toán chưa?"}), http.StatusCreated)
	if asked["n"] != 1.0 || asked["due"] != "2026-03-13" || asked["asked_by"] != mai || asked["answer"] != nil {
		t.Errorf("%v", asked)
	}
	d.refused(d.do(d.hoa, id, "trace", body{"asked_of": "MoMo", "question": "x"}), http.StatusConflict, "waits for its answer")
	letter := d.as(d.lan, http.MethodGet, "/v1/discrepancies/"+id+"/trace-letter", "", nil)
	for _, want := range []string{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "Công ty &lt;MoMo&gt;", "Khoản này đã quyết toán chưa?", "50.000 đồng", "13/03/2026", "UBND xã", "không có trong tệp đối soát của quý đơn vị", id + "/1", "10/03/2026"} {
		if letter.status != http.StatusOK || !strings.Contains(string(letter.body), want) {
			t.Errorf("the letter has no %q: %d %s", want, letter.status, letter.body)
		}
	}
	if csp := letter.header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "style-src 'sha256-") || strings.Contains(string(letter.body), "Nguyễn") {
		t.Errorf("the letter: %s\n%s", csp, letter.body)
	}
	d.refused(d.do(d.mai, id, "trace/answer", body{"answer": ""}), http.StatusUnprocessableEntity, `"field":"answer"`)
	answered := d.ok(d.do(d.hoa, id, "trace/answer", body{"answer": "Trả ngày 12"}), http.StatusOK)
	if answered["answer"] != "Trả ngày 12" || answered["answered_by"] != hoa || answered["answered_at"] == nil {
		t.Errorf("%v", answered)
	}
	d.refused(d.do(d.hoa, id, "trace/answer", body{"answer": "x"}), http.StatusConflict, "no trace request")
	if again := d.ok(d.do(d.hoa, id, "trace", body{"asked_of": "Ngân hàng", "question": "Đã về chưa?", "due": "2026-03-30"}), http.StatusCreated); again["n"] != 2.0 {
		t.Errorf("%v", again)
	}

	if got := strings.Join(d.what(id), " "); got != " assigned assigned noted asked answered asked" {
		t.Errorf("history: %q", got)
	}
	full := d.get(id)
	h := full["history"].([]any)
	if last := h[1].(map[string]any); last["owner"] != mai || last["note"] != "mine" || last["actor"] != mai || h[2].(map[string]any)["deadline"] != "2026-03-20" || len(full["traces"].([]any)) != 2 {
		t.Errorf("%v", h)
	}
	// What is evidence stays as it is, whoever asks.
	for _, q := range []string{`UPDATE discrepancy_traces SET answer = 'other' WHERE n = 1`, `UPDATE discrepancy_traces SET question = 'other' WHERE n = 2`, `DELETE FROM discrepancy_traces`} {
		if _, err := d.db.ExecContext(t.Context(), q); err == nil {
			t.Errorf("%s was done", q)
		}
	}
	// Resolved, it takes notes and nothing else of this.
	d.ok(d.as(d.mai, http.MethodPost, "/v1/discrepancies/"+id+"/resolutions", "e1", body{"action": "explain", "note": "known"}), http.StatusCreated)
	d.ok(d.do(d.mai, id, "notes", body{"note": "afterthought"}), http.StatusCreated)
	d.refused(d.do(d.mai, id, "assign", body{}), http.StatusConflict, "resolved")
	d.refused(d.do(d.mai, id, "trace", body{"asked_of": "MoMo", "question": "x"}), http.StatusConflict, "resolved")
}

// attach sends a paper as multipart.
func (d *worklist) attach(token, id, field, name string, content []byte, more ...string) reply {
	d.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	p, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = p.Write(content)
	}
	for _, m := range more {
		_ = w.WriteField(m, "x")
	}
	if err != nil || w.Close() != nil {
		d.t.Fatal(err)
	}
	return d.send(http.MethodPost, d.api+"/v1/discrepancies/"+id+"/attachments", b.String(), map[string]string{"Authorization": "Bearer " + token, "Content-Type": w.FormDataContentType()})
}

func office(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		f, err := z.Create(n)
		if err == nil {
			_, err = io.WriteString(f, "<x/>")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPapersAreAttached(t *testing.T) {
	d := newWorklist(t, 4, sim.Changes{Lose: 1, Seed: 3})
	id := d.of("missing_at_provider")
	pdf := append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte("Nguyễn Văn A "), 1000)...)
	a := d.ok(d.attach(d.mai, id, "file", `C:\tmp\Biên bản "1".pdf`, pdf), http.StatusCreated)
	digest := sha256.Sum256(pdf)
	if a["n"] != 1.0 || a["name"] != "Biên bản 1.pdf" || a["type"] != "application/pdf" || a["size"] != float64(len(pdf)) || a["sha256"] != hex.EncodeToString(digest[:]) || a["recorded_by"] != d.id("mai") {
		t.Errorf("%v", a)
	}
	if again := d.ok(d.attach(d.hoa, id, "file", "other name.pdf", pdf), http.StatusOK); again["n"] != 1.0 || again["recorded_by"] != d.id("mai") {
		t.Errorf("the same again: %v", again)
	}
	got := d.as(d.lan, http.MethodGet, "/v1/discrepancies/"+id+"/attachments/1", "", nil)
	disposition, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
	if got.status != http.StatusOK || !bytes.Equal(got.body, pdf) || err != nil || disposition != "attachment" || params["filename"] != "Biên bản 1.pdf" ||
		got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Content-Type") != "application/pdf" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v %v", got.status, got.header, err)
	}
	if n := d.count(`SELECT count(*) FROM discrepancy_attachments WHERE position('Nguy' IN encode(content_sealed, 'escape')) > 0`); n != 0 {
		t.Error("a paper lies open in the database")
	}
	for name, want := range map[string]struct {
		content []byte
		kind    string
	}{
		"a.png": {append([]byte("\x89PNG\r\n\x1a\n"), 0), "image/png"}, "b.jpg": {[]byte("\xff\xd8\xff\xe0"), "image/jpeg"}, "c.csv": {[]byte("mã,số tiền\n1,2\n"), "text/plain; charset=utf-8"},
		"d.xlsx": {office(t, "[Content_Types].xml", "xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		"e.docx": {office(t, "[Content_Types].xml", "word/document.xml"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	} {
		r := d.ok(d.attach(d.mai, id, "file", name, want.content), http.StatusCreated)
		if r["type"] != want.kind {
			t.Errorf("%s: %v", name, r)
		}
		if g := d.as(d.lan, http.MethodGet, fmt.Sprintf("/v1/discrepancies/%s/attachments/%v", id, r["n"]), "", nil); !bytes.Equal(g.body, want.content) {
			t.Errorf("%s: %d", name, g.status)
		}
	}
	for name, content := range map[string][]byte{"x.pdf": []byte("<html><script>alert(1)</script>"), "x.png": []byte("MZ\x90\x00\x03"), "m.xlsx": office(t, "[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"),
		"z.zip": office(t, "a.txt"), "empty.pdf": {}, "bad.txt": []byte("ti\xeang"), "s.svg": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "u.txt": []byte("a\x07b")} {
		d.refused(d.attach(d.mai, id, "file", name, content), http.StatusUnprocessableEntity, `"field":"file"`)
	}
	d.refused(d.attach(d.mai, id, "paper", "x.pdf", pdf), http.StatusUnprocessableEntity, `"field":"paper"`)
	d.refused(d.attach(d.mai, id, "file", "x.pdf", pdf, "note"), http.StatusUnprocessableEntity, `"field":"note"`)
	d.refused(d.attach(d.mai, id, "file", "x.pdf", pdf, "file"), http.StatusUnprocessableEntity, "given twice")
	d.refused(d.attach(d.mai, id, "file", "x.pdf", append([]byte("%PDF-"), make([]byte, 5<<20)...)), http.StatusRequestEntityTooLarge, "too-large")
	d.refused(d.attach(d.mai, id, "file", "x.pdf", append([]byte("%PDF-"), make([]byte, 7<<20)...)), http.StatusRequestEntityTooLarge, "too-large")
	d.refused(d.do(d.mai, id, "attachments", body{}), http.StatusUnsupportedMediaType, "unsupported-media-type")
	d.refused(d.attach(d.lan, id, "file", "x.pdf", pdf), http.StatusForbidden, "forbidden")
	far := d.person("nga", []identity.Role{identity.Finance}, "H10.99")
	d.refused(d.attach(far, id, "file", "x.pdf", pdf), http.StatusNotFound, "not-found")
	for _, n := range []string{"7", "x", "0"} {
		d.refused(d.as(d.mai, http.MethodGet, "/v1/discrepancies/"+id+"/attachments/"+n, "", nil), http.StatusNotFound, "not-found")
	}
	d.refused(d.as(far, http.MethodGet, "/v1/discrepancies/"+id+"/attachments/1", "", nil), http.StatusNotFound, "not-found")
	for i := range 14 {
		d.ok(d.attach(d.mai, id, "file", "n.txt", fmt.Appendf(nil, "note %d", i)), http.StatusCreated)
	}
	d.refused(d.attach(d.mai, id, "file", "n.txt", []byte("one more")), http.StatusConflict, "20 attachments")
	if got := strings.Join(d.what(id), " "); strings.Count(got, "attached") != 20 {
		t.Errorf("history: %q", got)
	}
	if _, err := d.db.ExecContext(t.Context(), `UPDATE discrepancy_attachments SET name = 'x'`); err == nil {
		t.Error("a paper was changed")
	}
}
