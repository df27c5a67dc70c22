package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"feegate/providers/sim"
)

// A file's name that its sender chose with care is a name and nothing else: no folder, no control character, no header of ours.
func TestFilesWithWickedNames(t *testing.T) {
	s, mai, dis, _ := morning(t)
	body := func(name, csrf, field, file string, fields ...string) (string, string) {
		b := "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n" + csrf + "\r\n"
		for i := 0; i+1 < len(fields); i += 2 {
			b += "--x\r\nContent-Disposition: form-data; name=\"" + fields[i] + "\"\r\n\r\n" + fields[i+1] + "\r\n"
		}
		return "multipart/form-data; boundary=x", b + "--x\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"" + name + "\"\r\nContent-Type: text/csv\r\n\r\n" + file + "\r\n--x--\r\n"
	}
	at := "/console/discrepancies/" + dis + "/attachments"
	for n, name := range []string{"../../../etc/passwd.pdf", `..\\..\\x.pdf`, "/etc/cron.d/x.pdf", "a%0d%0aX-Evil: 1.pdf", "<script>alert(1)</script>.pdf", "..", "b\u202egpj.pdf", strings.Repeat("dài", 200) + ".pdf", "=cmd.pdf"} {
		kind, b := body(name, mai.token(), "file", fmt.Sprintf("%%PDF-1.4 %d", n))
		r := mai.do(http.MethodPost, at, kind, strings.NewReader(b), nil)
		if r.status != http.StatusSeeOther {
			t.Errorf("%q: %d %s", name, r.status, plainly(r))
			continue
		}
		kept := s.one(`SELECT name FROM discrepancy_attachments ORDER BY n DESC LIMIT 1`)
		if strings.ContainsAny(kept, `/\<>"`) || strings.ContainsFunc(kept, unicode.IsControl) || strings.ContainsRune(kept, '\u202e') || len([]rune(kept)) > 120 || strings.Trim(kept, ".") == "" {
			t.Errorf("%q is kept as %q", name, kept)
		}
		got := mai.get(fmt.Sprint(at, "/", s.one(`SELECT max(n)::text FROM discrepancy_attachments`)))
		if got.status != http.StatusOK || got.header.Get("X-Evil") != "" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || strings.ContainsAny(got.header.Get("Content-Disposition"), "\r\n") {
			t.Errorf("%q: %d %v", name, got.status, got.header)
		}
	}
	// Settlement files and statements, by the page and by the API.
	for n, name := range []string{"../../x/y.csv", `..\\z.csv`, "c?*d.csv"} {
		file := s.settlement("vnpay", sim.Changes{Invent: n + 1, Seed: uint64(n + 9)})
		kind, b := body(name, mai.token(), "file", file, "account", "acc_vnpay", "date", day, "replaces", s.replaced())
		r := mai.do(http.MethodPost, "/console/upload", kind, strings.NewReader(b), nil)
		kept := s.one(`SELECT file_name FROM imports WHERE kind = 'settlement' AND account_id = 'acc_vnpay' ORDER BY recorded_at DESC, id DESC LIMIT 1`)
		if r.status != http.StatusOK || strings.ContainsAny(kept, `/\`) || strings.ContainsFunc(kept, unicode.IsControl) || kept == "" {
			t.Errorf("%q is kept as %q: %d %s", name, kept, r.status, plainly(r))
		}
	}
}

// replaced is the file of VNPAY's day that stands, "" where there is none.
func (s *street) replaced() string {
	return s.one(`SELECT coalesce((SELECT id FROM imports WHERE account_id = 'acc_vnpay' AND kind = 'settlement' AND status = 'visible' ORDER BY recorded_at DESC, id DESC LIMIT 1), '')`)
}
