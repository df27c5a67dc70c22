package reconciliation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Figures is everything that a closing says. Its canonical form is JSON by RFC 8785: members sorted, no blanks, whole numbers alone; the
// lists are in the order of their ids, files in the order in which they came.
type Figures struct {
	AccountID   string      `json:"account_id"`
	Date        string      `json:"date"`
	Payments    CountAmount `json:"payments"`
	Settled     Settled     `json:"settled"`
	Bank        CountAmount `json:"bank"`
	Matched     CountAmount `json:"matched"`
	Adjustments CountAmount `json:"adjustments"`
	Sides
	BankSide      Sides             `json:"bank_side"`
	ItemsSHA256   string            `json:"items_sha256"` // over a line "id amount stated" for each payment and refund of the day itself
	Imports       []FiledImport     `json:"imports"`
	Discrepancies []NamedDifference `json:"discrepancies"`
	Adjusted      []Adjustment      `json:"adjustment_items"`
}

// FiledImport is a file that the figures rest on.
type FiledImport struct {
	Kind   string     `json:"kind" db:"kind"` // settlement, statement
	ID     string     `json:"id" db:"id"`
	SHA256 string     `json:"sha256" db:"sha256"`
	Lines  int64      `json:"lines" db:"lines"`
	Amount vnd.Signed `json:"amount" db:"amount"`
}

// NamedDifference is a discrepancy as it stood at the closing.
type NamedDifference struct {
	ID         string     `json:"id" db:"id"`
	Kind       string     `json:"kind" db:"kind"`
	Status     string     `json:"status" db:"status"`
	Amount     vnd.Signed `json:"amount" db:"amount"`
	Effect     vnd.Signed `json:"effect" db:"effect"`
	BankEffect vnd.Signed `json:"bank_effect" db:"bank_effect"`
	Action     *string    `json:"action" db:"action"`
	Owner      *string    `json:"owner" db:"owner"`
	Deadline   *string    `json:"deadline" db:"deadline"`
}

// Adjustment is money of a closed day that was heard of, or taken back, after its closing: it counts on an open day, which points back.
type Adjustment struct {
	ID         int64      `json:"id" db:"id"`
	Date       string     `json:"date" db:"date"`
	ForDate    string     `json:"for_date" db:"for_date"`
	Kind       string     `json:"kind" db:"kind"`
	Type       string     `json:"type" db:"type"`
	Item       string     `json:"item" db:"item_id"`
	N          int        `json:"n" db:"n"`
	Amount     vnd.Signed `json:"amount" db:"amount"`
	Settled    vnd.Signed `json:"settled" db:"settled"` // what the bank's statement has of it since
	Lines      int        `json:"lines" db:"lines"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
}

func (f *Figures) of(d *Day) {
	f.AccountID, f.Date = d.AccountID, d.Date
	f.Payments, f.Settled, f.Bank, f.Matched, f.Adjustments, f.Sides, f.BankSide = d.Payments, d.Settled, d.Bank, d.Matched, d.Adjustments, d.Sides, d.BankSide
}

// day gives the figures as a day's.
func (f *Figures) day(status string) Day {
	d := Day{AccountID: f.AccountID, Date: f.Date, Status: status, Payments: f.Payments, Settled: f.Settled, Bank: f.Bank, Matched: f.Matched, Adjustments: f.Adjustments,
		Sides: f.Sides, BankSide: f.BankSide, Discrepancies: map[string]int{}, Files: int64(len(f.Imports)), active: true}
	for _, n := range f.Discrepancies {
		if n.Status != "resolved" {
			d.Discrepancies[n.Kind]++
		}
	}
	return d
}

// settledFacts are the figures without what people may still do about a discrepancy after the closing.
func (f *Figures) settledFacts() *Figures {
	g := *f
	g.Discrepancies = nil
	for _, d := range f.Discrepancies {
		if d.Effect != 0 || d.BankEffect != 0 {
			g.Discrepancies = append(g.Discrepancies, NamedDifference{ID: d.ID, Kind: d.Kind, Effect: d.Effect, BankEffect: d.BankEffect})
		}
	}
	return &g
}

// FigureChange is a figure that two versions of a day tell differently; null where one of them does not have it.
type FigureChange struct {
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// diff compares two canonical forms, figure by figure; the members of a list are known by their id.
func diff(before, after string) ([]FigureChange, error) {
	a, err := flat(before)
	if err != nil {
		return nil, err
	}
	b, err := flat(after)
	if err != nil {
		return nil, err
	}
	var fields []string
	for f := range a {
		fields = append(fields, f)
	}
	for f := range b {
		if _, both := a[f]; !both {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	out := []FigureChange{}
	for _, f := range fields {
		x, inA := a[f]
		y, inB := b[f]
		if x == y && inA == inB {
			continue
		}
		c := FigureChange{Field: f}
		if inA {
			c.Before = &x
		}
		if inB {
			c.After = &y
		}
		out = append(out, c)
	}
	return out, nil
}

// flat reads a canonical form as its single figures, each by its path.
func flat(text string) (map[string]string, error) {
	out := map[string]string{}
	if text == "" {
		return out, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("reading figures: %w", err)
	}
	flatten("", v, out)
	return out, nil
}

func flatten(at string, v any, into map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		for k, w := range x {
			if at != "" {
				k = at + "." + k
			}
			flatten(k, w, into)
		}
	case []any:
		for i, w := range x {
			key := strconv.Itoa(i)
			if m, ok := w.(map[string]any); ok && m["id"] != nil {
				key = fmt.Sprint(m["id"])
			}
			flatten(at+"["+key+"]", w, into)
		}
	case nil:
	default:
		into[at] = fmt.Sprint(x)
	}
}

// asErrors names what differs, for a refusal.
func asErrors(changes []FigureChange) []gateway.FieldError {
	var out []gateway.FieldError
	for _, c := range changes[:min(len(changes), mostMissing)] {
		out = append(out, gateway.FieldError{Field: c.Field, Detail: "was " + told(c.Before) + ", is " + told(c.After)})
	}
	return out
}

func told(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

// DayVersion is one closing of a day, and its signature where it has one.
type DayVersion struct {
	N             int        `json:"n" db:"n"`
	FiguresSHA256 string     `json:"figures_sha256" db:"figures_sha256"`
	ClosedBy      string     `json:"closed_by" db:"closed_by"`
	ClosedAt      time.Time  `json:"closed_at" db:"closed_at"`
	Seq           *int64     `json:"seq" db:"seq"` // among the account's signatures
	SHA256        *string    `json:"sha256" db:"sha256"`
	Previous      *string    `json:"previous" db:"previous"`
	SignedBy      *string    `json:"signed_by" db:"signed_by"`
	SignedAt      *time.Time `json:"signed_at" db:"signed_at"`
	Reason        *string    `json:"reason" db:"reason"` // why the version before it was opened again
}

// FullVersion is a version with its figures and how they differ from another's: the one before where none is named.
type FullVersion struct {
	DayVersion
	AccountID string         `json:"account_id"`
	Date      string         `json:"date"`
	Against   int            `json:"against"` // 0: there is none before
	Diff      []FigureChange `json:"diff"`
	Figures   Figures        `json:"figures"`
}

// signedDocument is what a signature hashes, in canonical form.
type signedDocument struct {
	AccountID string          `json:"account_id"`
	Date      string          `json:"date"`
	Version   int             `json:"version"`
	Seq       int64           `json:"seq"`
	Previous  *string         `json:"previous"`
	ClosedBy  string          `json:"closed_by"`
	ClosedAt  time.Time       `json:"closed_at"`
	SignedBy  string          `json:"signed_by"`
	SignedAt  time.Time       `json:"signed_at"`
	Figures   json.RawMessage `json:"figures"`
}

// ChainState says whether an account's signatures still hold together, each hash over what it says and the hash before it.
type ChainState struct {
	Length int64       `json:"length"`
	Intact bool        `json:"intact"`
	Break  *ChainBreak `json:"break"` // the first
}

// ChainBreak is where a chain does not hold.
type ChainBreak struct {
	AccountID string `json:"account_id"`
	Seq       int64  `json:"seq"`
	Date      string `json:"date"`
	Version   int    `json:"version"`
	What      string `json:"what"`
}
