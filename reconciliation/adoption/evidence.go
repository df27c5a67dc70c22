package adoption

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
)

// Behind asks for the payments behind a figure.
type Behind struct {
	Question
	Figure string // of Figures; "" is transactions.denominator: all units
	Bucket string // of Buckets; "" is all; only for figures that count units
	Group  string // the code of a row of the report; with GroupBy
	Given  bool   // whether a group was asked for: a group's code may be empty
	After  string // next of an earlier page
	Limit  int
}

// Line is one payment behind a figure, or a dossier or order that stands there without one.
type Line struct {
	Payment        *string         `json:"payment"`
	Order          *string         `json:"order"`
	DossierCode    string          `json:"dossier_code"`
	Amount         int64           `json:"amount"` // what of the payment paid this order
	Net            int64           `json:"net"`    // what of that is left after refunds
	Channel        *string         `json:"channel"`
	Evidence       *string         `json:"evidence"`
	Bucket         *string         `json:"bucket"`  // of the unit
	UnitAt         *time.Time      `json:"unit_at"` // of the unit
	SettlementLine *SettlementLine `json:"settlement_line"`
	Counts         int64           `json:"counts"` // what this line adds to the figure
}

// SettlementLine is the line that proves a payment.
type SettlementLine struct {
	ID          int64  `json:"id"`
	Import      string `json:"import"`
	Date        string `json:"date"`
	Line        int64  `json:"line"`
	Transaction string `json:"transaction"`
}

// List is a page of lines. Value is the figure itself, over all pages: the lines' counts add up to it.
type List struct {
	Definition string     `json:"definition"`
	Parameters Parameters `json:"parameters"`
	Period     Period     `json:"period"`
	AsOf       time.Time  `json:"as_of"`
	AsOfCut    bool       `json:"as_of_cut"`
	Cut        string     `json:"cut"`
	Figure     string     `json:"figure"`
	Value      int64      `json:"value"`
	Items      []Line     `json:"items"`
	Next       *string    `json:"next"`
	Source
}

// cursor is where a page ended. It keeps as_of, so that all pages speak of the same moment.
type cursor struct {
	AsOf time.Time `json:"a"`
	Key  string    `json:"k"`
}

func (c cursor) String() string {
	raw, _ := json.Marshal(c) // a time and a text: it cannot fail
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readCursor(s string) (c cursor, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return c, err == nil && json.Unmarshal(raw, &c) == nil && !strings.ContainsRune(c.Key, 0)
}

// MaxLines is the longest page.
const MaxLines = 200

// Evidence lists what is behind a figure.
func (r *Reporter) Evidence(ctx context.Context, b Behind) (*List, error) {
	s, err := b.read(r.now())
	if err != nil {
		return nil, err
	}
	if b.Figure == "" {
		b.Figure = "transactions" + Denominator
	}
	f, known := figures[b.Figure]
	var fields []gateway.FieldError
	bad := func(field, detail string) { fields = append(fields, gateway.FieldError{Field: field, Detail: detail}) }
	if !known {
		bad("figure", "must be one of "+strings.Join(Figures(), ", "))
	}
	if b.Bucket != "" {
		switch {
		case !slices.Contains(Buckets(), b.Bucket):
			bad("bucket", "must be one of "+strings.Join(Buckets(), ", "))
		case known && f.of != units:
			bad("bucket", "this figure counts no payments' units")
		}
	}
	if b.Given != (b.GroupBy != "") {
		bad("group", "goes together with group_by")
	}
	if known && !ofDossiers(b.GroupBy) && (f.of == dossiers || f.of == exemption) {
		bad("group_by", "this figure is not divided by provider or channel")
	}
	if strings.ContainsRune(b.Group, 0) {
		bad("group", "holds a NUL")
	}
	if b.Limit < 1 || b.Limit > MaxLines {
		b.Limit = MaxLines
	}
	at := cursor{AsOf: s.asOf}
	if b.After != "" {
		c, ok := readCursor(b.After)
		switch {
		case !ok || c.AsOf.After(r.now()):
			bad("after", "must be the next of an earlier page")
		default:
			at, s.asOf = c, c.AsOf.In(zone)
		}
	}
	if len(fields) > 0 {
		return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: fields}
	}
	d, err := r.DefinitionOn(ctx, b.To)
	if err != nil {
		return nil, err
	}
	if err := r.divide(ctx, &b.Question, s); err != nil {
		return nil, err
	}
	l := &List{Definition: d.ID, Parameters: d.Parameters, Period: Period{b.From, b.To}, AsOf: s.asOf, AsOfCut: s.cut, Cut: b.Cut, Figure: b.Figure}
	last, err := r.lines(ctx, b, f, s, at.Key, l)
	if err != nil {
		return nil, err
	}
	l.AsOf, l.AsOfCut, l.Source = s.asOf, s.cut, s.source
	if last != "" {
		next := cursor{s.asOf, last}.String()
		l.Next = &next
	}
	return l, nil
}
