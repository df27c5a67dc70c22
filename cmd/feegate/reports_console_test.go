package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"feegate/gateway/identity"
)

// A report is closed and approved on the pages, its papers come down, and the look ahead says when it knows nothing.
func TestReportsOnThePages(t *testing.T) {
	x := newExample(t, false, false)
	an, binh := x.officer("an", []identity.Role{identity.Reporter}), x.officer("bình", []identity.Role{identity.Approver})
	an.says(an.get("/console/reports"), 200, "Chưa có báo cáo nào được chốt", `value="2026-03-01"`)
	period := url.Values{"from": {"2026-03-01"}, "to": {"2026-03-31"}, "reason": {"<b>tháng 3</b>"}}
	const first = "/console/reports/2026-03-01/2026-03-31/1"
	an.acted(an.act("/console/reports", period), first+"?done=report-closed")
	an.acted(an.act("/console/reports", url.Values{"from": {"2026-03-01"}, "to": {"2026-03-31"}}), first+"?done=report-same")
	shown := an.get(first + "?done=report-closed")
	an.says(shown, 200, "Đã chốt báo cáo", "50,0 %", "&lt;b&gt;tháng 3&lt;/b&gt;")
	if strings.Contains(string(shown.body), "/approve") {
		t.Error("a reporter is offered to approve")
	}
	if r := an.act("/console/reports", url.Values{"from": {"2026-04-01"}, "to": {"2026-04-30"}}); r.status != 409 || !strings.Contains(string(r.body), "Kỳ báo cáo chưa kết thúc") {
		t.Errorf("%d %s", r.status, r.body)
	}
	x.at("2026-04-12 09:00")
	x.settle("acc_momo", "momo", "FEEGATEMOMO", "2026-03-11")
	const second = "/console/reports/2026-03-01/2026-03-31/2"
	an.acted(an.act("/console/reports", url.Values{"from": {"2026-03-01"}, "to": {"2026-03-31"}}), second+"?done=report-closed")
	binh.says(binh.get(second+"?check=1"), 200, "60,0 %", "Khác lần 1", "Dòng đối soát của nhà cung cấp đã khớp", "dòng đối soát", "Số liệu đúng như lúc chốt", "Duyệt báo cáo 01/03/2026 đến 31/03/2026")
	binh.acted(binh.act(second+"/approve", url.Values{}), second+"?done=report-approved")
	binh.says(binh.get("/console/reports"), 200, "Chờ duyệt", "/2026-03-31/1", "/2026-03-31/2")
	for file, mark := range map[string]string{"BM.xlsx?from=2026-03-01&to=2026-03-31&revision=2": "PK", "BM-01.pdf?from=2026-03-01&to=2026-03-31": "%PDF"} {
		if r := binh.get("/console/papers/" + file); r.status != http.StatusOK || !strings.HasPrefix(string(r.body), mark) {
			t.Errorf("%s: %d", file, r.status)
		}
	}
	if r := binh.get("/console/papers/BM-01.exe"); r.status != 404 {
		t.Errorf("%d", r.status)
	}
	binh.says(binh.get("/console/outlook"), 200, "Chưa đủ dữ liệu", "31/12/2030", "Trích lục")
	chi := x.officer("chi", []identity.Role{identity.Reporter}, "H10.13")
	if r := chi.get("/console/reports"); r.status != 200 || strings.Contains(string(r.body), "Chốt một kỳ") {
		t.Errorf("who sees one agency is offered to close the province's report: %d", r.status)
	}
}
