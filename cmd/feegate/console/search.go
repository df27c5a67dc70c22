package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/reconciliation"
)

type searchData struct {
	Q        string
	Orders   []*gateway.OrderView
	Why      text   // why the orders are found
	Day      string // of a payment whose number nobody has
	Amount   string
	Digits   string
	Seen     bool // it was looked for by day and amount
	Payments []gateway.PaymentView
	Refunds  []gateway.RefundView
	Found    []foundRow
	Agencies map[string]string
	Cut      bool // there may be more of them
}

// Nothing says that nothing was found.
func (d searchData) Nothing() bool {
	return len(d.Orders)+len(d.Payments)+len(d.Refunds)+len(d.Found) == 0
}

// foundRow is one thing of the bank's or a file's, what it is, why it was found, and where it leads.
type foundRow struct {
	reconciliation.Found
	What, Says text
	Path       string
	Place      place
}

var foundWords = map[string]text{"bank_line": "Khoản trên sao kê", "transfer": "Chuyển khoản đã được báo", "payout": "Lần nhà cung cấp trả tiền", "deposit": "Giấy nộp tiền mặt", "settlement_line": "Dòng trong tệp của nhà cung cấp",
	"settlement": "Tệp của nhà cung cấp", "statement": "Sao kê ngân hàng", "bank_account": "Tài khoản ngân hàng"}

var foundReasons = map[string]text{"bank_reference": "mã của ngân hàng", "number": "số thứ tự của khoản trên sao kê", "id": "mã", "slip_number": "số giấy nộp tiền", "reference": "mã tham chiếu", "transaction": "mã giao dịch của nhà cung cấp",
	"file_name": "tên tệp", "bank_account": "số tài khoản"}

// pathOf is the page of what was found: the movement at the bank, else the payment, else the discrepancy, else the day.
func pathOf(f *reconciliation.Found) string {
	switch {
	case f.Type == "statement" || f.Type == "settlement":
		return "/console/imports/" + url.PathEscape(f.ID)
	case f.Type == "bank_account":
		return "/console/bank?from=&bank_account=" + url.QueryEscape(f.BankAccount)
	case f.BankLine != "":
		return "/console/bank/" + f.BankLine
	case f.PaymentID != "":
		return "/console/payments/" + url.PathEscape(f.PaymentID)
	case f.Discrepancy != "":
		return "/console/discrepancies/" + url.PathEscape(f.Discrepancy)
	case f.AccountID != "" && f.Date != "":
		return "/console/days/" + f.Date + "?account=" + url.QueryEscape(f.AccountID)
	}
	return "" // a slip whose credit has not come
}

// maxQuery is how long what is looked for may be, in bytes.
const maxQuery = 200

// search finds by any number that a citizen may read out or that stands on a paper: dossier code, request, payment, reference, transaction, the bank's number, a slip's, a file's name.
func (c *Console) search(v *visit) error {
	d := searchData{Q: strings.TrimSpace(v.r.URL.Query().Get("q"))}
	if len(d.Q) > maxQuery || strings.ContainsRune(d.Q, 0) {
		d.Q = ""
	}
	if q := v.r.URL.Query(); d.Q == "" && (q.Get("day") != "" || q.Get("amount") != "") {
		if err := v.findByAmount(&d); err != nil {
			return err
		}
	}
	if d.Q != "" {
		to, err := v.find(&d)
		if err != nil && gateway.ProblemName(err) != gateway.ProblemNotFound {
			return err
		}
		if to != "" {
			return v.back(to)
		}
		if d.Agencies, err = c.Gateway.Agencies(v.r.Context()); err != nil {
			return err
		}
	}
	d.Cut = max(len(d.Orders), len(d.Payments), len(d.Refunds), len(d.Found)) >= pageSize
	return v.show(http.StatusOK, "search", "Tìm", d)
}

var lastDigits = regexp.MustCompile(`^\d{3,6}$`)

// findByAmount looks for a payment by the day, the amount, and the last digits of the payer's account where they are known.
func (v *visit) findByAmount(d *searchData) error {
	q, p := v.r.URL.Query(), &gateway.Problem{Name: gateway.ProblemInvalid}
	d.Day, d.Amount, d.Digits, d.Seen = q.Get("day"), strings.TrimSpace(q.Get("amount")), strings.TrimSpace(q.Get("digits")), true
	if _, err := time.Parse(time.DateOnly, d.Day); err != nil {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "date", Detail: "phải là một ngày"})
	}
	amount, err := typed(d.Amount)
	if err != nil {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "amount", Detail: "là số nguyên đồng, ví dụ 120.000"})
	}
	if d.Digits != "" && !lastDigits.MatchString(d.Digits) {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "digits", Detail: "là 3 đến 6 số cuối, hoặc để trống"})
	}
	if len(p.Fields) > 0 {
		return p
	}
	d.Payments, err = v.c.Gateway.PaymentsOf(v.r.Context(), v.caller(), d.Day, *amount, d.Digits, pageSize)
	return err
}

// find looks a number up; where it names one page, that is where to go.
func (v *visit) find(d *searchData) (to string, err error) {
	ctx, who, g := v.r.Context(), v.caller(), v.c.Gateway
	switch {
	case strings.HasPrefix(d.Q, "pay_"):
		_, err := g.Payment(ctx, who, d.Q)
		if err != nil {
			return "", err
		}
		return "/console/payments/" + url.PathEscape(d.Q), nil
	case strings.HasPrefix(d.Q, "dis_"):
		_, err := v.c.Reconciler.Discrepancy(ctx, who, d.Q)
		if err != nil {
			return "", err
		}
		return "/console/discrepancies/" + url.PathEscape(d.Q), nil
	case strings.HasPrefix(d.Q, "rfd_"):
		r, err := g.Refund(ctx, who, d.Q)
		if err != nil {
			return "", err
		}
		return "/console/payments/" + url.PathEscape(r.Payment), nil
	case strings.HasPrefix(d.Q, "rfl_"):
		return "/console/refunds/lists/" + url.PathEscape(d.Q), nil // that page notes who looks
	case strings.HasPrefix(d.Q, "ord_"):
		o, err := g.Order(ctx, who, d.Q)
		if err != nil {
			return "", err
		}
		d.Orders, d.Why = []*gateway.OrderView{o}, "mã yêu cầu nộp phí"
		return "", nil
	case gateway.CheckDossierCode(d.Q) == nil:
		d.Orders, _, err = g.Orders(ctx, who, gateway.Filter{DossierCode: d.Q}, pageSize, "")
		d.Why = "mã hồ sơ"
		return "", err
	}
	if d.Orders, _, err = g.Orders(ctx, who, gateway.Filter{Reference: d.Q}, pageSize, ""); err != nil {
		return "", err
	}
	d.Why = "mã tham chiếu của cổng dịch vụ công"
	if len(d.Orders) == 0 {
		if d.Payments, err = g.PaymentsCalled(ctx, who, d.Q, pageSize); err != nil {
			return "", err
		}
	}
	if d.Refunds, err = g.RefundsCalled(ctx, who, d.Q, pageSize); err != nil {
		return "", err
	}
	found, err := v.c.Reconciler.Find(ctx, who, d.Q, pageSize)
	if err != nil || len(found) == 0 {
		return "", err
	}
	all, err := v.places()
	for i := range found {
		f := foundRow{Found: found[i], What: or(foundWords)(found[i].Type), Says: or(foundReasons)(found[i].Why), Path: pathOf(&found[i])}
		if f.AccountID != "" {
			f.Place = find(all, f.AccountID)
		}
		d.Found = append(d.Found, f)
	}
	return "", err
}
