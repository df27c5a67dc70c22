// Package forms lays the figures of reports out as the papers that a province hands in: BM-01 … BM-09, each one table or a few, with a head that says what
// was counted, when, by which definition, and who put their names under it. A form is made once and written as JSON, CSV, XLSX or PDF from the same cells,
// so that all of them say the same.
//
// It reads what adoption and reconciliation count and counts nothing itself: no SQL.
package forms

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/honesty"
)

// Kind is what stands in a column.
type Kind string

// The kinds of columns.
const (
	Text    Kind = "text"
	Count   Kind = "count"
	Money   Kind = "money"   // whole đồng
	Percent Kind = "percent" // an exact fraction, shown with one decimal
	Points  Kind = "points"  // a difference of percentages, in hundredths of a point
	Date    Kind = "date"
	Hours   Kind = "hours"
	Index   Kind = "index" // số thứ tự
)

// Column is one of a table.
type Column struct {
	Key   string  `json:"key"`
	Name  string  `json:"name"` // in Vietnamese, as it is printed
	Kind  Kind    `json:"kind"`
	Width float64 `json:"-"`
	Sum   bool    `json:"-"` // its total is the sum of its rows
}

// Table is columns and rows; a cell is a text, an int64, an adoption.Rate, or nil where there is nothing to say. Total is nil where nothing can be added up.
type Table struct {
	Title   string   `json:"title"`
	Columns []Column `json:"columns"`
	Rows    [][]any  `json:"-"`
	Total   []any    `json:"-"`
	Empty   string   `json:"-"` // the sentence where there are no rows
}

// Head stands on every form.
type Head struct {
	From       string              `json:"from"`
	To         string              `json:"to"`
	AsOf       time.Time           `json:"as_of"`
	Definition string              `json:"definition"`
	Parameters adoption.Parameters `json:"parameters"`
	Revision   *int                `json:"revision"` // null: figures that were not closed
	SHA256     *string             `json:"sha256"`
	PreparedBy *string             `json:"prepared_by"`
	PreparedAt *time.Time          `json:"prepared_at"`
	ApprovedBy *string             `json:"approved_by"`
	ApprovedAt *time.Time          `json:"approved_at"`
	Coverage   adoption.Rate       `json:"coverage"`
	Enough     bool                `json:"enough_data"` // the coverage reaches the gate
	Agencies   []string            `json:"agencies"`    // whose figures these are; none: the province
	MadeAt     time.Time           `json:"made_at"`
}

// Form is one paper.
type Form struct {
	ID     string   `json:"form"`
	Title  string   `json:"title"`
	Head   Head     `json:"head"`
	Tables []*Table `json:"tables"`
	Notes  []string `json:"notes"`
	Words  []string `json:"words"` // amounts in words
}

// Ask says which papers: a period as it was known, or a revision of it.
type Ask struct {
	adoption.Question
	Revision int // 0: not a closed one
	Caller   gateway.Caller
}

// Maker makes forms.
type Maker struct {
	reporter   *adoption.Reporter
	reconciler *reconciliation.Reconciler
	accounts   *account.Store
	book       *honesty.Book
	names      func(ctx context.Context, ids []string) (map[string]string, error)
	now        func() time.Time
	makers     []maker
}

type maker struct {
	id, title string
	fill      func(m *Maker, ctx context.Context, a Ask, f *Form) error
}

// New makes a maker; names gives people's names by their ids.
func New(reporter *adoption.Reporter, reconciler *reconciliation.Reconciler, accounts *account.Store, book *honesty.Book, names func(context.Context, []string) (map[string]string, error), now func() time.Time) *Maker {
	return &Maker{reporter: reporter, reconciler: reconciler, accounts: accounts, book: book, names: names, now: now, makers: []maker{
		{"BM-01", "TỶ LỆ THANH TOÁN TRỰC TUYẾN", (*Maker).bm01},
		{"BM-02", "THỦ TỤC TRIỂN KHAI THANH TOÁN TRỰC TUYẾN", (*Maker).bm02},
		{"BM-03", "SỐ TIỀN THU PHÍ, LỆ PHÍ, NGHĨA VỤ TÀI CHÍNH", (*Maker).bm03},
		{"BM-04", "ĐỐI SOÁT VỚI NHÀ CUNG CẤP VÀ NGÂN HÀNG", (*Maker).bm04},
		{"BM-05", "HOÀN TIỀN VÀ TRA SOÁT", (*Maker).bm05},
		{"BM-06", "MIỄN, GIẢM PHÍ, LỆ PHÍ", (*Maker).bm06},
		{"BM-07", "NGOẠI LỆ THEO QUY TẮC TRUNG THỰC G1–G15", (*Maker).bm07},
		{"BM-08", "CHÊNH LỆCH VỚI CỔNG DỊCH VỤ CÔNG QUỐC GIA", (*Maker).bm08},
		{"BM-09", "BIỂU TƯƠNG THÍCH QUYẾT ĐỊNH 766", (*Maker).bm09},
	}}
}

// IDs are the forms that can be made.
func (m *Maker) IDs() []string {
	ids := make([]string, len(m.makers))
	for i, x := range m.makers {
		ids[i] = x.id
	}
	return ids
}

// Title is a form's.
func (m *Maker) Title(id string) string {
	for _, x := range m.makers {
		if x.id == id {
			return x.title
		}
	}
	return ""
}

// Make makes one form, or all of them where id is "".
func (m *Maker) Make(ctx context.Context, id string, a Ask) ([]*Form, error) {
	if id != "" && !slices.Contains(m.IDs(), id) {
		return nil, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such form; there are " + strings.Join(m.IDs(), ", ")}
	}
	a.Agencies = a.Caller.Agencies
	head, err := m.head(ctx, &a)
	if err != nil {
		return nil, err
	}
	out := []*Form{}
	for _, x := range m.makers {
		if id != "" && x.id != id {
			continue
		}
		f := &Form{ID: x.id, Title: x.title, Head: *head, Tables: []*Table{}, Notes: []string{}, Words: []string{}}
		if err := x.fill(m, ctx, a, f); err != nil {
			return nil, fmt.Errorf("making %s: %w", x.id, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// head says what is counted, and turns a question about a revision into one about its instant.
func (m *Maker) head(ctx context.Context, a *Ask) (*Head, error) {
	h := &Head{From: a.From, To: a.To, Agencies: a.Agencies, MadeAt: m.now()}
	if a.Revision > 0 {
		rev, err := m.reporter.Revision(ctx, a.Caller, a.From, a.To, a.Revision)
		if err != nil {
			return nil, err
		}
		a.From, a.To, a.AsOf = rev.From, rev.To, rev.AsOf.Format(time.RFC3339Nano)
		h.From, h.To, h.Revision, h.SHA256, h.PreparedAt, h.ApprovedAt = rev.From, rev.To, &rev.Revision, &rev.SHA256, &rev.ClosedAt, rev.ApprovedAt
		ids := []string{rev.ClosedBy}
		if rev.ApprovedBy != nil {
			ids = append(ids, *rev.ApprovedBy)
		}
		names, err := m.names(ctx, ids)
		if err != nil {
			return nil, err
		}
		name := func(id string) *string {
			if id == adoption.System {
				id = "feegate, theo lịch"
			} else if n := names[id]; n != "" {
				id = n
			}
			return &id
		}
		h.PreparedBy = name(rev.ClosedBy)
		if rev.ApprovedBy != nil {
			h.ApprovedBy = name(*rev.ApprovedBy)
		}
	}
	q := a.Question
	q.GroupBy = ""
	report, err := m.reporter.Adoption(ctx, q)
	if err != nil {
		return nil, err
	}
	h.AsOf, h.Definition, h.Parameters, h.Coverage = report.AsOf, report.Definition, report.Parameters, *report.Total.Rates.Coverage
	h.Enough = h.Coverage.Denominator > 0 && h.Coverage.Numerator*100 >= h.Coverage.Denominator*int64(h.Parameters.CoverageGate)
	if a.AsOf == "" { // all tables speak of one moment
		a.AsOf = report.AsOf.Format(time.RFC3339Nano)
	}
	return h, nil
}

// number fills the first column of a table with 1, 2, 3 …
func (t *Table) number() *Table {
	for i, row := range t.Rows {
		row[0] = int64(i + 1)
	}
	return t
}

// totals adds up the columns that can be added up; of the others others says what stands there, by key.
func (t *Table) totals(label string, others map[string]any) *Table {
	t.Total = make([]any, len(t.Columns))
	labelled := false
	for i, c := range t.Columns {
		switch {
		case c.Sum:
			var sum int64
			for _, row := range t.Rows {
				if n, ok := row[i].(int64); ok {
					sum += n
				}
			}
			t.Total[i] = sum
		case others[c.Key] != nil:
			t.Total[i] = others[c.Key]
		case c.Kind == Text && !labelled:
			t.Total[i], labelled = label, true
		}
	}
	return t
}
