package adoption

import (
	"context"
	"time"

	"feegate/gateway"
)

// Difference says how a period's figures moved between two revisions, fact by fact: what the items add to a figure, over all pages, is the figure's
// difference.
type Difference struct {
	From    string           `json:"from"`
	To      string           `json:"to"`
	Before  RevisionRef      `json:"before"`
	After   RevisionRef      `json:"after"`
	Figures map[string]Moved `json:"figures"` // those that moved, from the frozen totals
	Items   []Change         `json:"items"`
	Next    *string          `json:"next"`
}

// RevisionRef names one side of a difference.
type RevisionRef struct {
	Revision int       `json:"revision"`
	AsOf     time.Time `json:"as_of"`
	SHA256   string    `json:"sha256"`
}

// Moved is a figure before and after.
type Moved struct {
	Before     int64 `json:"before"`
	After      int64 `json:"after"`
	Difference int64 `json:"difference"`
}

// Change is a fact that counts in another way than before.
type Change struct {
	Subject     string           `json:"subject"` // unit, dossier, refunded, exempt
	Order       *string          `json:"order"`
	DossierCode string           `json:"dossier_code"`
	AgencyCode  string           `json:"agency_code"`
	Before      *Side            `json:"before"` // null: it was not counted
	After       *Side            `json:"after"`  // null: it is not counted any more
	Adds        map[string]int64 `json:"adds"`   // to each figure that it moves
	Cause       string           `json:"cause"`
	CauseVI     string           `json:"cause_vi"`
	Because     []Because        `json:"because"` // what was recorded between the two
	key, source string
}

// Side is how a fact counts in one of the revisions.
type Side struct {
	Bucket        *string   `json:"bucket"`
	Net           int64     `json:"net"`
	At            time.Time `json:"at"`
	AgencyCode    string    `json:"agency_code"`
	ProcedureCode string    `json:"procedure_code"`
	Channel       *string   `json:"channel"`
}

// Elsewhere reports whether it counts for another agency or procedure than before.
func (c *Change) Elsewhere() bool {
	return c.Before != nil && c.After != nil && (c.Before.AgencyCode != c.After.AgencyCode || c.Before.ProcedureCode != c.After.ProcedureCode)
}

// Because is one record that made the change.
type Because struct {
	Kind       string    `json:"kind"` // payment, settlement_line, match_ended, payout, statement, deposit, refund, reversal, discrepancy, dossier, payer
	ID         string    `json:"id"`
	Payment    *string   `json:"payment"`
	RecordedAt time.Time `json:"recorded_at"`
}

// Diff compares a revision with an earlier one of its period; against 0: the one before it.
func (r *Reporter) Diff(ctx context.Context, c gateway.Caller, from, to string, n, against int, after string, limit int) (*Difference, error) {
	if err := r.unlimited(c); err != nil {
		return nil, err
	}
	b, err := r.Revision(ctx, c, from, to, n)
	if err != nil {
		return nil, err
	}
	if against == 0 {
		against = b.Revision - 1
	}
	if against < 1 || against >= b.Revision {
		return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "against", Detail: "must be an earlier revision of the same period; the first has none before it"}}}
	}
	a, err := r.Revision(ctx, c, b.From, b.To, against)
	if err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxLines {
		limit = MaxLines
	}
	at := cursor{AsOf: b.AsOf}
	if after != "" {
		k, ok := readCursor(after)
		if !ok || !k.AsOf.Equal(b.AsOf) {
			return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "after", Detail: "must be the next of an earlier page"}}}
		}
		at = k
	}
	d := &Difference{From: b.From, To: b.To, Before: a.ref(), After: b.ref(), Figures: moved(&a.Figures.Total, &b.Figures.Total), Items: []Change{}}
	if d.Items, err = r.changes(ctx, a, b, at.Key, limit+1); err != nil {
		return nil, err
	}
	if len(d.Items) > limit {
		d.Items = d.Items[:limit]
		next := cursor{b.AsOf, d.Items[limit-1].key}.String()
		d.Next = &next
	}
	for i := range d.Items {
		d.Items[i].explain()
	}
	return d, r.because(ctx, a.AsOf, b.AsOf, d.Items)
}

func (r *Revision) ref() RevisionRef { return RevisionRef{r.Revision, r.AsOf, r.SHA256} }

// moved lists the figures that differ.
func moved(before, after *Row) map[string]Moved {
	out := map[string]Moved{}
	a, b := before.values(), after.values()
	for _, n := range Figures() {
		if a[n] != b[n] {
			out[n] = Moved{a[n], b[n], b[n] - a[n]}
		}
	}
	return out
}

// values are a row's figures by their names in the catalogue of figures.
func (row *Row) values() map[string]int64 {
	out := map[string]int64{}
	put := func(name string, r *Rate) {
		if r != nil {
			out[name], out[name+Denominator] = r.Numerator, r.Denominator
		}
	}
	put("transactions", &row.Rates.Transactions)
	put("transactions_upper", &row.Rates.TransactionsUpper)
	put("transactions_remote", &row.Rates.TransactionsRemote)
	put("dossiers", row.Rates.Dossiers)
	put("amount", &row.Rates.Amount)
	put("coverage", row.Rates.Coverage)
	put("bank_proven", &row.Rates.BankProven)
	for kind, r := range row.ByKind {
		put(kind, &r)
	}
	for bucket, n := range row.Buckets {
		out[bucket] = n
	}
	for side, n := range row.Side {
		if n != nil {
			out[side] = *n
		}
	}
	return out
}

// causes say in Vietnamese what a change is.
var causes = map[string]string{
	"recorded_later":   "Khoản nộp được ghi nhận sau lần khóa trước",
	"no_longer":        "Không còn được tính: đã hoàn hết, bị thu hồi hoặc chuyển sang kỳ khác",
	"refunded":         "Đã hoàn hết tiền hoặc bị thu hồi",
	"confirmed":        "Dòng đối soát của nhà cung cấp đã khớp",
	"unconfirmed":      "Dòng đối soát không còn khớp, hoặc khoản tiền đang bị tra soát",
	"payer_known":      "Tài khoản nộp được xác định là của cán bộ, hoặc nộp thay cho nhiều người",
	"payer_cleared":    "Tài khoản nộp không còn bị coi là nộp thay",
	"paid_on":          "Đơn thu được nộp tiếp",
	"refunded_part":    "Hoàn một phần",
	"bank_proven":      "Tiền đã thấy ở ngân hàng",
	"bank_unproven":    "Tiền không còn thấy ở ngân hàng",
	"dossier_told":     "Hệ thống giải quyết hồ sơ báo thêm về hồ sơ",
	"dossier_payments": "Các khoản nộp của hồ sơ thay đổi",
	"moved":            "Chuyển sang đơn vị, thủ tục, kênh hoặc ngày khác",
	"counted_anew":     "Được tính theo cách khác",
}

// explain names the cause by what the two sides say.
func (c *Change) explain() {
	bucket := func(s *Side) string {
		if s == nil || s.Bucket == nil {
			return ""
		}
		return *s.Bucket
	}
	a, b := bucket(c.Before), bucket(c.After)
	switch {
	case c.Subject == string(refunded) && c.Before == nil:
		c.Cause = "refunded"
	case c.Subject == string(dossiers):
		c.Cause = "dossier_payments"
	case c.Before == nil:
		c.Cause = "recorded_later"
	case c.After == nil:
		c.Cause = "no_longer"
	case b == "proxy" && a != "proxy":
		c.Cause = "payer_known"
	case a == "proxy" && b != "proxy":
		c.Cause = "payer_cleared"
	case a == "online_provisional" && b == "online":
		c.Cause = "confirmed"
	case a == "online" && b == "online_provisional":
		c.Cause = "unconfirmed"
	case a != b:
		c.Cause = "paid_on"
	case c.Before.Net > c.After.Net:
		c.Cause = "refunded_part"
	case c.Before.Net < c.After.Net:
		c.Cause = "paid_on"
	case c.Adds["bank_proven"] > 0:
		c.Cause = "bank_proven"
	case c.Adds["bank_proven"] < 0:
		c.Cause = "bank_unproven"
	case len(c.Adds) == 0:
		c.Cause = "moved"
	default:
		c.Cause = "counted_anew"
	}
	c.CauseVI = causes[c.Cause]
}
