package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"feegate/gateway/identity"
	"feegate/providers/sim"
)

// A file of a hundred thousand lines is looked through and taken in by the page, which says meanwhile how far it is.
func TestUploadingAHundredThousandLinesInABrowser(t *testing.T) {
	const lines = 100_000
	s := newStreet(t)
	s.person("mai", []identity.Role{identity.Finance})
	order := s.ordered("large", "H10.12-260310-0900", 50000)
	if _, err := s.db.ExecContext(t.Context(), `INSERT INTO payments (id, order_id, account_id, provider, provider_reference, provider_transaction, status, mode, requested_amount, received_amount, allocated_amount, channel, created_at, paid_at, recorded_at)
		SELECT 'pay_' || substr(md5('p' || i), 1, 26), $1, 'acc_vnpay', 'vnpay', 'L' || i, 'T' || i, 'succeeded', 'live', 50000, 50000, 50000, 'portal_checkout', t, t, t
		FROM (SELECT i, $3::timestamptz - i * interval '1 millisecond' AS t FROM generate_series(1, $2::int) i) s`, order, lines, s.world.Now()); err != nil {
		t.Fatal(err)
	}
	rows := make([]sim.Earlier, lines)
	for i := range rows {
		n := i + 1
		rows[i] = sim.Earlier{Account: "FEEGATE1", Reference: fmt.Sprint("L", n), Transaction: fmt.Sprint("T", n), Amount: 50000, PaidAt: s.world.Now().Add(-time.Duration(n) * time.Millisecond)}
	}
	if _, err := s.world.Enter("vnpay", rows); err != nil {
		t.Fatal(err)
	}
	_, file, _, err := s.world.Settlement("vnpay", "FEEGATE1", day, sim.Changes{})
	if err != nil {
		t.Fatal(err)
	}
	s.move(24 * time.Hour)
	path := filepath.Join(t.TempDir(), "vnpay lớn.csv")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t, pictures(t), desk, host(t, s.api))
	b.open(s.api + "/console/sign-in")
	b.fill("#name", "mai")
	b.fill("#password", password)
	b.press("button.main", "Việc sáng nay")
	b.open(s.api + "/console/upload")
	b.until("Kéo tệp thả vào đây")
	b.run("choose the account", chromedp.SetValue(chromedp.CSS("#account"), "acc_vnpay"))
	b.fill("#date", day)
	b.run("choose the file", chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
	// What the page says on the way is gone when it is done: it is written down as it comes.
	value(b, "listen", chromedp.Evaluate[bool](`(() => { window.said = []; const zone = document.querySelector("form:not(#statement)[data-preview] .drop");
		new MutationObserver(() => { const bar = zone.querySelector("progress"); said.push(zone.querySelector("[role=status]").textContent + (bar ? " | " + bar.getAttribute("aria-label") : "")); }).observe(zone, {childList: true, subtree: true, characterData: true, attributes: true}); return true; })()`))
	b.press("form:not(#statement)[data-preview] button[formaction]", "100.000 dòng")
	b.look("large-preview")
	if said := value(b, "what was said", chromedp.Evaluate[string](`said.join("\n")`)); !strings.Contains(said, "Đang gửi tệp") || !strings.Contains(said, "Đã gửi hết. Đang đọc và đối soát") {
		t.Errorf("on the way: %s", said)
	}
	if n := s.count(`SELECT count(*) FROM imports`); n != 0 {
		t.Errorf("a preview kept %d files", n)
	}
	b.press("form:not(#statement)[data-preview] button.main", "Đã nhập vnpay lớn.csv")
	b.look("large-done")
	if n := s.count(`SELECT count(*) FROM settlement_lines`); n != lines {
		t.Errorf("%d lines", n)
	}
}
