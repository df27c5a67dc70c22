package checkout

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

// confirmation gives the confirmation of payment as a paper to keep. Whoever holds the page's token may have it: it says what the
// page says, and names no payer.
func (p *Pages) confirmation(w http.ResponseWriter, r *http.Request) {
	lang := language(w, r)
	order, _, err := p.Gateway.OrderByToken(r.Context(), r.PathValue("token"))
	if err != nil && gateway.ProblemName(err) != gateway.ProblemNotFound {
		p.fail(w, lang, "reading an order", err)
		return
	}
	var v view
	if err == nil {
		v.fill(order, p.Now(), false)
	}
	if v.State != statePaid && v.State != stateRefunded {
		p.render(w, r, "", http.StatusNotFound) // the page says how it stands
		return
	}
	if err := p.name(r, &v); err != nil {
		p.Log.Error("names on a confirmation", "error", err) // the codes stand there instead
	}
	pdf, err := v.paper(p.Now())
	if err != nil {
		p.fail(w, lang, "a confirmation of payment", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", `attachment; filename="xac-nhan-thanh-toan-`+safeName(order.DossierCode)+`.pdf"`)
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Length", strconv.Itoa(len(pdf)))
	if _, err := w.Write(pdf); err != nil {
		p.Log.Info("a confirmation was not taken", "error", err)
	}
}

// safeName keeps of a text what a header and any file system take.
func safeName(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '-'
	}, text)
}

// paper writes the confirmation, in Vietnamese: it goes to a Vietnamese file.
func (v *view) paper(now time.Time) ([]byte, error) {
	t, o := speak(languages[0]), v.Order
	word := words(languages[0])
	way, kind := word["way"].(func(string) string), word["kind"].(func(string) string)
	p := document.NewSheet(true, t("pdf.title")+" "+o.DossierCode, t("pdf.foot", o.ID, page.Time(now)), now)
	p.Centred(t("pdf.title"), "B", 16)
	p.Centred(t("pdf.no-receipt"), "", 11)
	p.Ln(5)
	head := []document.Fact{document.Line(t("agency"), v.Agency), document.Line(t("dossier"), o.DossierCode)}
	if v.Procedure != "" {
		head = append(head, document.Line(t("procedure"), v.Procedure))
	}
	p.Facts(append(head, document.Line(t("order"), o.ID)))

	p.Heading(t("fees.paid"))
	var lines [][]string
	for _, l := range o.Lines {
		name := l.Name
		if l.Quantity > 1 {
			name += " × " + strconv.Itoa(l.Quantity)
		}
		lines = append(lines, []string{name, kind(l.Kind), number(l.Net)})
	}
	lines = append(lines, []string{t("total"), "", number(o.Amount)})
	p.Grid([]document.Column{{Name: t("pdf.fee"), Width: 100}, {Name: t("pdf.kind"), Width: 34}, {Name: t("pdf.amount"), Width: 40, Align: "R"}}, lines,
		func(n int) bool { return n == len(lines)-1 })

	p.Heading(t("pdf.payments"))
	var paid [][]string
	for _, x := range v.Took {
		paid = append(paid, []string{page.Time(x.PaidAt), way(x.Provider), x.ProviderTransaction, number(x.ReceivedAmount)})
	}
	for _, a := range o.Applied {
		paid = append(paid, []string{page.Time(a.RecordedAt), t("pdf.applied"), "", number(a.Amount)})
	}
	p.Grid([]document.Column{{Name: t("paid.at"), Width: 32}, {Name: t("paid.way"), Width: 62}, {Name: t("paid.number"), Width: 44}, {Name: t("pdf.amount"), Width: 36, Align: "R"}}, paid, nil)
	p.Ln(3)
	p.Text(t("pdf.sum", plain(o.PaidAmount), o.PaidAmount.Words()))
	if o.RefundedAmount > 0 {
		p.Text(t("refunded", plain(o.RefundedAmount)))
	}
	if o.SurplusAmount > 0 {
		p.Text(t("surplus", plain(o.SurplusAmount), plain(o.SurplusAmount)))
	}
	if o.Late {
		p.Text(t("paid.late"))
	}
	p.Heading(t("receipts"))
	if len(o.Receipts) == 0 {
		p.Text(t("pdf.receipts.none"))
	}
	for _, x := range o.Receipts {
		p.Text(kind(x.Kind) + ": " + t("receipt.line", x.Series, x.Number))
	}
	p.Ln(4)
	p.Text(t("paid.confirm") + " " + t("zone"))
	return p.Bytes()
}

// number is an amount in a column that names its unit.
func number(a vnd.Amount) string { return document.Number(int64(a)) }

// plain is an amount in running text.
func plain(a vnd.Amount) string { return page.Money(a) }
