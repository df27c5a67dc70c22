package gateway

import (
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"feegate/gateway/vnd"
)

// Bounds of an order.
const (
	DefaultLifetime = 7 * 24 * time.Hour
	MinLifetime     = 15 * time.Minute
	MaxLifetime     = 90 * 24 * time.Hour
	MaxLines        = 50
)

// NewOrder is what a portal asks for; it has the shape of the API's body.
type NewOrder struct {
	Reference     string            `json:"reference"`
	DossierCode   string            `json:"dossier_code"`
	ProcedureCode string            `json:"procedure_code"`
	AgencyCode    string            `json:"agency_code"`
	FilingMode    string            `json:"filing_mode,omitempty"`
	Payer         *Payer            `json:"payer,omitempty"`
	Lines         []NewLine         `json:"lines"`
	Amount        *vnd.Amount       `json:"amount"`
	Price         string            `json:"price,omitempty"`
	ExpiresAt     *time.Time        `json:"expires_at,omitempty"`
	ReturnURL     string            `json:"return_url,omitempty"`
	Supersedes    string            `json:"supersedes,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

// Payer is personal data: kept sealed in its own table, in no event, move or log.
type Payer struct {
	Name           string `json:"name"`
	IdentityNumber string `json:"identity_number,omitempty"`
	Phone          string `json:"phone,omitempty"`
	Email          string `json:"email,omitempty"`
	Relation       string `json:"relation,omitempty"`
}

// NewLine is one fee of an order. Gross = Quantity × UnitAmount, Net = Gross − Σ adjustments.
type NewLine struct {
	FeeCode     string       `json:"fee_code"`
	Kind        string       `json:"kind"`
	Name        string       `json:"name"`
	Quantity    int          `json:"quantity"`
	UnitAmount  *vnd.Amount  `json:"unit_amount"`
	Gross       *vnd.Amount  `json:"gross"`
	Adjustments []Adjustment `json:"adjustments,omitempty"`
	Net         *vnd.Amount  `json:"net"`
	Purpose     string       `json:"purpose,omitempty"`
	LegalBasis  string       `json:"legal_basis,omitempty"`
	TaxNotice   *TaxNotice   `json:"tax_notice,omitempty"`
	Assessment  *Assessment  `json:"assessment,omitempty"`

	schedule *int64 // the row that it was priced by
}

// Assessment is the document that says how much a fee comes to that is assessed case by case.
type Assessment struct {
	Document string `json:"document"`
	Date     string `json:"date,omitempty"`
}

// Adjustment takes an amount off a line, by law and with evidence.
type Adjustment struct {
	Type       string     `json:"type"`
	Amount     vnd.Amount `json:"amount"`
	LegalBasis string     `json:"legal_basis"`
	Evidence   string     `json:"evidence"`
	Group      string     `json:"group,omitempty"`       // of the catalogue's exemption groups
	VerifiedBy string     `json:"verified_by,omitempty"` // the officer or register that saw the evidence
}

// TaxNotice is the source of an nvtc amount.
type TaxNotice struct {
	Number  string `json:"number"`
	TaxCode string `json:"tax_code,omitempty"`
	Chapter string `json:"chapter,omitempty"`
	SubItem string `json:"sub_item,omitempty"`
}

// Validate checks everything that needs no database. The error is a *Problem naming each field; nil means that every pointer
// of the order and its lines is set and the sums hold.
func (o *NewOrder) Validate(now time.Time) error {
	var e fieldErrors
	text(&e, "reference", o.Reference, 1, 100)
	if err := CheckDossierCode(o.DossierCode); err != nil {
		e.add("dossier_code", "%v", err)
	}
	text(&e, "procedure_code", o.ProcedureCode, 1, 40)
	text(&e, "agency_code", o.AgencyCode, 1, 40)
	oneOf(&e, "filing_mode", o.FilingMode, "", "online", "counter", "postal")
	oneOf(&e, "price", o.Price, "", "from_schedule")
	if o.Payer != nil {
		text(&e, "payer.name", o.Payer.Name, 1, 200)
		text(&e, "payer.identity_number", o.Payer.IdentityNumber, 0, 40)
		text(&e, "payer.phone", o.Payer.Phone, 0, 40)
		text(&e, "payer.email", o.Payer.Email, 0, 200)
		oneOf(&e, "payer.relation", o.Payer.Relation, "", "self", "authorised", "organisation")
	}
	if o.ReturnURL != "" {
		if err := checkReturnURL(o.ReturnURL); err != nil {
			e.add("return_url", "%v", err)
		}
	}
	if o.ExpiresAt != nil {
		if left := o.ExpiresAt.Sub(now); left < MinLifetime || left > MaxLifetime {
			e.add("expires_at", "must lie between 15 minutes and 90 days from now")
		}
	}
	if len(o.Metadata) > 20 {
		e.add("metadata", "at most 20 entries")
	}
	for k, v := range o.Metadata {
		text(&e, "metadata."+k, v, 0, 500)
		if k == "" || len(k) > 40 || strings.ContainsFunc(k, control) {
			e.add("metadata."+k, "a name has 1 to 40 bytes and no control character")
		}
	}
	if o.Supersedes != "" && !orderID.MatchString(o.Supersedes) {
		e.add("supersedes", "is not the id of an order")
	}
	o.validateLines(&e)
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

func (o *NewOrder) validateLines(e *fieldErrors) {
	if len(o.Lines) < 1 || len(o.Lines) > MaxLines {
		e.add("lines", "1 to %d lines", MaxLines)
		return
	}
	var sum vnd.Amount
	complete := true
	seen := map[[2]string]int{}
	for i := range o.Lines {
		l, at := &o.Lines[i], fmt.Sprintf("lines[%d].", i)
		ok := l.validate(e, at)
		complete = complete && ok
		if ok {
			sum += *l.Net
		}
		if first, twice := seen[[2]string{l.FeeCode, l.Purpose}]; twice {
			e.add(at+"fee_code", "the same fee and purpose as lines[%d]", first)
		} else {
			seen[[2]string{l.FeeCode, l.Purpose}] = i
		}
	}
	switch {
	case o.Amount == nil:
		e.add("amount", "is missing")
	case complete && (sum != *o.Amount || !sum.Valid()):
		e.add("amount", "is %s, the lines' net amounts add up to %s", *o.Amount, sum)
	}
}

var orderID = regexp.MustCompile(`^ord_[A-Za-z0-9_-]{1,60}$`)

var feeCode = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// validate reports whether the line's amounts are there and add up.
func (l *NewLine) validate(e *fieldErrors, at string) bool {
	before := len(*e)
	if !feeCode.MatchString(l.FeeCode) {
		e.add(at+"fee_code", "1 to 40 letters, digits, dots, hyphens or underscores")
	}
	oneOf(e, at+"kind", l.Kind, "phi", "le_phi", "nvtc")
	text(e, at+"name", l.Name, 1, 300)
	text(e, at+"purpose", l.Purpose, 0, 100)
	text(e, at+"legal_basis", l.LegalBasis, 0, 300)
	if a := l.Assessment; a != nil {
		text(e, at+"assessment.document", a.Document, 1, 200)
		if a.Date != "" && !isDay(a.Date) {
			e.add(at+"assessment.date", "must be a date like 2026-01-31")
		}
	}
	if l.Quantity < 1 || l.Quantity > 9999 {
		e.add(at+"quantity", "1 to 9,999")
	}
	for _, a := range []struct {
		field string
		value *vnd.Amount
	}{{"unit_amount", l.UnitAmount}, {"gross", l.Gross}, {"net", l.Net}} {
		if a.value == nil {
			e.add(at+a.field, "is missing")
		}
	}
	if l.Kind == "nvtc" && (l.TaxNotice == nil || l.TaxNotice.Number == "") {
		e.add(at+"tax_notice.number", "is required for nvtc: the amount comes from the notice alone")
	}
	if n := l.TaxNotice; n != nil {
		text(e, at+"tax_notice.number", n.Number, 0, 60)
		text(e, at+"tax_notice.tax_code", n.TaxCode, 0, 20)
		text(e, at+"tax_notice.chapter", n.Chapter, 0, 20)
		text(e, at+"tax_notice.sub_item", n.SubItem, 0, 20)
	}
	if l.Kind == "nvtc" && len(l.Adjustments) > 0 {
		e.add(at+"adjustments", "nvtc has none: the notice already holds them")
	}
	if len(l.Adjustments) > 10 {
		e.add(at+"adjustments", "at most 10")
	}
	var off vnd.Amount
	for j, a := range l.Adjustments {
		name := fmt.Sprintf("%sadjustments[%d].", at, j)
		oneOf(e, name+"type", a.Type, "exempt", "reduced", "pilot")
		text(e, name+"legal_basis", a.LegalBasis, 1, 300)
		text(e, name+"evidence", a.Evidence, 1, 300)
		text(e, name+"group", a.Group, 0, 40)
		text(e, name+"verified_by", a.VerifiedBy, 0, 100)
		off += a.Amount
	}
	if l.UnitAmount == nil || l.Gross == nil || l.Net == nil {
		return false
	}
	// Quantity ≤ 9,999 and a unit < 10^12 stay far below the limit of int64.
	if l.Quantity >= 1 && l.Quantity <= 9999 && *l.Gross != vnd.Amount(l.Quantity)*(*l.UnitAmount) {
		e.add(at+"gross", "is not quantity × unit_amount")
	}
	if off > *l.Gross || *l.Net != *l.Gross-off {
		e.add(at+"net", "is not gross − adjustments")
	}
	return len(*e) == before
}

// Kinds are the kinds of the order's lines, each once, sorted.
func (o *NewOrder) Kinds() []string {
	seen := map[string]bool{}
	var kinds []string
	for _, l := range o.Lines {
		if !seen[l.Kind] {
			seen[l.Kind] = true
			kinds = append(kinds, l.Kind)
		}
	}
	sort.Strings(kinds)
	return kinds
}

// Both forms of the dossier code: H10.12-260310-0007 (Decision 20/2020/QĐ-TTg) and 000.00.12.H10-220415-0001 before it.
var dossierCode = regexp.MustCompile(`^(?:\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}|[A-Z]\d{2}(?:\.\d{1,3}){0,3})-(\d{6})-\d{4,6}$`)

// CheckDossierCode checks the shape and that the date inside is a real one.
func CheckDossierCode(code string) error {
	m := dossierCode.FindStringSubmatch(code)
	if m == nil {
		return fmt.Errorf("must look like H10.12-260310-0007 or 000.00.12.H10-220415-0001")
	}
	if _, err := time.Parse("060102", m[1]); err != nil {
		return fmt.Errorf("its date %s does not exist", m[1])
	}
	return nil
}

func checkReturnURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case len(s) > 500:
		return fmt.Errorf("at most 500 bytes")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("must be an absolute http or https address")
	case u.User != nil:
		return fmt.Errorf("must not hold a user or password")
	}
	return nil
}

func text(e *fieldErrors, field, s string, min, max int) {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		e.add(field, "is not valid UTF-8")
	case n < min:
		e.add(field, "is missing")
	case n > max:
		e.add(field, "at most %d characters", max)
	case strings.ContainsFunc(s, control):
		e.add(field, "holds a control character")
	}
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

func oneOf(e *fieldErrors, field, s string, allowed ...string) {
	for _, a := range allowed {
		if s == a {
			return
		}
	}
	if allowed[0] == "" {
		allowed = allowed[1:]
	}
	e.add(field, "must be one of %s", strings.Join(allowed, ", "))
}
