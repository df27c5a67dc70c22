package console

import (
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/providers"
	"feegate/reconciliation"
)

// statementData is a bank statement on the upload page.
type statementData struct {
	BankAccount string
	Preview     *statementView
	Done        *statementView
}

// statementView is a statement as people check it before and after it is imported.
type statementView struct {
	*reconciliation.StatementImport
	Old     int64 // lines that an earlier statement had
	By      string
	Parts   []statementPart
	Columns [][]column // of each table that nobody has confirmed
	More    int        // findings that are not shown
	Outcome *reconciliation.Outcome
	Confirm []layoutRow
	Days    []payoutRow
	Work    bool
}

type statementPart struct {
	reconciliation.StatementPart
	Sums bool // what came in and went out is known for this account alone
}

// column says what a table's column was read as.
type column struct {
	Is    text
	Words string
}

type layoutRow struct {
	reconciliation.Layout
	Columns []column
}

type payoutRow struct {
	reconciliation.PayoutDay
	Place place
}

// columnNames are what a column can hold, as the statements' reader calls it.
var columnNames = map[string]text{"booking date": "Ngày hạch toán", "value date": "Ngày hiệu lực", "reference": "Mã của ngân hàng", "debit": "Tiền ra", "credit": "Tiền vào", "amount": "Số tiền", "mark": "Dấu vào/ra",
	"balance": "Số dư", "narrative": "Nội dung", "counterparty": "Bên kia", "counterparty account": "Tài khoản bên kia", "counterparty bank": "Ngân hàng bên kia", "fee": "Phí", "vat": "Thuế"}

// columnsOf reads a layout: "debit: Ghi nợ; credit: Ghi có".
func columnsOf(described string) (out []column) {
	for part := range strings.SplitSeq(described, "; ") {
		is, words, ok := strings.Cut(part, ": ")
		if name, known := columnNames[is]; ok && known {
			out = append(out, column{text(name), words})
		} else if n := len(out); n > 0 { // a header's own words may hold a semicolon
			out[n-1].Words += "; " + part
		}
	}
	return out
}

// layoutNew begins what an import says of columns that nobody has confirmed.
const layoutNew = "layout_new"

// statement takes a bank statement, or looks at it only. The part is handed on as it is: what reads it holds it once.
func (v *visit) statement(d uploadData, bankAccount string, file *multipart.Part) error {
	d.Bank.BankAccount = bankAccount
	if file == nil || file.FileName() == "" {
		d.Errors = []providers.LineError{{Field: "Tệp", Detail: "chưa chọn tệp"}}
		return v.showUpload(http.StatusUnprocessableEntity, d)
	}
	f := reconciliation.StatementFile{BankAccount: strings.TrimSpace(bankAccount), Name: file.FileName(), DryRun: v.r.URL.Query().Has("preview"), Body: file}
	imp, err := v.c.Reconciler.Statement(v.r.Context(), v.caller(), f)
	if err != nil {
		return v.refuseUpload(d, err)
	}
	if f.DryRun {
		d.Bank.Preview, err = v.statementView(imp, false)
	} else {
		if !imp.Known {
			v.audit("statement.imported", imp.ID)
		}
		d.Bank.Done, err = v.statementView(imp, true)
	}
	if err != nil {
		return err
	}
	return v.showUpload(http.StatusOK, d)
}

// statementView makes a statement ready for people; with what it settled where it stands.
func (v *visit) statementView(imp *reconciliation.StatementImport, settled bool) (*statementView, error) {
	d := &statementView{StatementImport: imp, Old: imp.Lines - imp.Added, By: v.who(imp.ImportedBy), Work: v.may(identity.Finance)}
	one := len(imp.Statements) == 1
	for _, s := range imp.Statements {
		part := statementPart{s, s.Lines > 0}
		if !part.Sums && one && imp.Added == imp.Lines { // of a known file, as far as its lines are all its own
			part.Lines, part.Credits, part.Debits, part.Sums = imp.Lines, imp.Credits, imp.Debits, true
		}
		d.Parts = append(d.Parts, part)
	}
	unconfirmed := slices.ContainsFunc(imp.Findings, func(f reconciliation.Finding) bool { return f.Kind == layoutNew })
	for _, s := range imp.Statements {
		if unconfirmed && s.Layout != "" {
			d.Columns = append(d.Columns, columnsOf(s.Layout))
		}
	}
	imp.Findings = slices.DeleteFunc(slices.Clone(imp.Findings), func(f reconciliation.Finding) bool { return f.Kind == layoutNew }) // they stand as a table
	d.More = max(0, len(imp.Findings)-maxShown)
	imp.Findings = imp.Findings[:len(imp.Findings)-d.More]
	if !settled {
		return d, nil
	}
	var err error
	if d.Outcome, err = v.c.Reconciler.Outcome(v.r.Context(), v.caller(), imp); err != nil {
		return nil, err
	}
	all, err := v.places()
	if err != nil {
		return nil, err
	}
	d.Columns = nil
	for _, l := range d.Outcome.Layout {
		d.Confirm = append(d.Confirm, layoutRow{l, columnsOf(l.Described)})
	}
	for _, day := range d.Outcome.Days {
		d.Days = append(d.Days, payoutRow{day, find(all, day.AccountID)})
	}
	return d, nil
}

// importPage shows a statement that was imported and what it has settled by now; a settlement file has its day's page.
func (c *Console) importPage(v *visit) error {
	id := v.r.PathValue("id")
	if i, err := c.Reconciler.Import(v.r.Context(), v.caller(), id); err == nil {
		return v.back("/console/days/" + i.Date + "?account=" + i.AccountID)
	} else if gateway.ProblemName(err) != gateway.ProblemNotFound {
		return err
	}
	imp, err := c.Reconciler.StatementImport(v.r.Context(), v.caller(), id)
	if err != nil {
		return err
	}
	d, err := v.statementView(imp, true)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "import", "Sao kê ngân hàng", d)
}

// confirmLayout says that a bank's columns were read rightly.
func (c *Console) confirmLayout(v *visit) error {
	l, err := c.Reconciler.ConfirmLayout(v.r.Context(), v.caller(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.audit("layout.confirmed", l.ID)
	to := "/console/today"
	if id := v.r.PostForm.Get("import"); id != "" && !strings.ContainsAny(id, "/?#\\") {
		to = "/console/imports/" + id
	}
	return v.back(to + "?done=layout")
}
