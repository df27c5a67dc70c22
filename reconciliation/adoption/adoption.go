// Package adoption counts the online payment rate by the definition OPR-1: which paid orders were paid online, by evidence, as
// known at a time. A figure and the list of payments behind it come from the same rows by the same condition, so that the list
// adds up to the figure.
//
// It reads the tables of gateway, catalogue and reconciliation and writes nothing but definitions; store*.go alone hold SQL.
package adoption

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// Definition names the rules by which everything here is counted, where no other is in force. A change of a rule is a new definition.
const Definition = "OPR-1"

// CoverageGate is OPR-1's coverage, in percent, below which no target may be called met.
const CoverageGate = 95

// Groupings are the ways to divide a report.
func Groupings() []string {
	return []string{"agency", "procedure", "field", "commune", "provider", "channel", "day", "month", "quarter", "year"}
}

// Reporter answers questions about the rate. It keeps no state of its own.
type Reporter struct {
	db      *sqlx.DB
	replica *replica // nil: there is none
	now     func() time.Time
	tell    Teller // of closed reports; nil: nobody
}

// New makes the reporter; now is the one clock of facts.
func New(db *sqlx.DB, now func() time.Time) *Reporter { return &Reporter{db: db, now: now} }

// Question is what is asked: a period of business days, both inclusive, as it was known at a time.
type Question struct {
	From, To string
	AsOf     string // a date (its end), a time, or "" (now)
	GroupBy  string // one of Groupings, or ""
	Cut      string // of Cuts; "" is Filed
	Agencies []string
}

// Report is the answer.
type Report struct {
	Definition string     `json:"definition"` // the id of the one in force at the period's end
	Parameters Parameters `json:"parameters"` // its numbers
	Period     Period     `json:"period"`
	AsOf       time.Time  `json:"as_of"`
	AsOfCut    bool       `json:"as_of_cut"` // as_of lay in the future and was cut to now
	Cut        string     `json:"cut"`
	GroupBy    string     `json:"group_by"`
	Rows       []Row      `json:"rows"`
	Total      Row        `json:"total"`
	Source
}

// Period is the business days counted, both inclusive.
type Period struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Row is the figures of one group, or of all.
type Row struct {
	Group   *Group            `json:"group"`
	Rates   Rates             `json:"rates"`
	Buckets map[string]int64  `json:"buckets"`
	ByKind  map[string]Rate   `json:"by_kind"`
	Side    map[string]*int64 `json:"side"`
	Targets []Target          `json:"targets"`
}

// Group is what a row is about.
type Group struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Rates are the rates of a row. Dossiers and coverage are nil where the report is divided by provider or channel: a dossier
// has neither.
type Rates struct {
	Transactions       Rate  `json:"transactions"` // the headline
	TransactionsUpper  Rate  `json:"transactions_upper"`
	TransactionsRemote Rate  `json:"transactions_remote"`
	Dossiers           *Rate `json:"dossiers"`
	Amount             Rate  `json:"amount"`
	Coverage           *Rate `json:"coverage"`
	BankProven         Rate  `json:"bank_proven"`
}

// Rate is an exact fraction; Percent is for people.
type Rate struct {
	Numerator   int64   `json:"numerator"`
	Denominator int64   `json:"denominator"`
	Percent     *string `json:"percent"` // nil for an empty denominator: nothing happened, which is neither 0 nor 100 %
}

// Target is a target in force at the period's end.
type Target struct {
	Percent Hundredths `json:"percent"`
	Status  string     `json:"status"`
}

// What may be said of a target.
const (
	Met           = "met"
	NotMet        = "not_met"
	NotEnoughData = "not_enough_data"
)

// Hundredths is a percentage in hundredths: 3000 is 30 %.
type Hundredths int64

// MarshalJSON writes 30, or 62.5.
func (h Hundredths) MarshalJSON() ([]byte, error) {
	s := big.NewRat(int64(h), 100).FloatString(2)
	return []byte(strings.TrimSuffix(strings.TrimRight(s, "0"), ".")), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Hundredths) UnmarshalJSON(raw []byte) error {
	r, ok := new(big.Rat).SetString(string(raw))
	if !ok {
		return fmt.Errorf("%q is not a percentage", raw)
	}
	r.Mul(r, big.NewRat(100, 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return fmt.Errorf("%s has more than two decimals", raw)
	}
	*h = Hundredths(r.Num().Int64())
	return nil
}

// RateOf makes a rate of counts or amounts.
func RateOf(numerator, denominator int64) Rate { return rate(numerator, denominator) }

func rate(numerator, denominator int64) Rate {
	r := Rate{Numerator: numerator, Denominator: denominator}
	if denominator > 0 {
		p := percent(numerator, denominator)
		r.Percent = &p
	}
	return r
}

// small is what still fits when it is multiplied by a percentage in hundredths, twice: larger numbers take the long way.
const small = 1 << 48

// percent is 100·n/d with two decimals, half-up. A report by day has thousands of them.
func percent(n, d int64) string {
	if n >= 0 && n < small && d < small {
		h := (n*20_000 + d) / (2 * d)
		return strconv.FormatInt(h/100, 10) + "." + string([]byte{byte('0' + h%100/10), byte('0' + h%10)})
	}
	h := new(big.Int).Mul(big.NewInt(n), big.NewInt(20_000))
	h.Add(h, big.NewInt(d)).Quo(h, new(big.Int).Mul(big.NewInt(d), big.NewInt(2)))
	return new(big.Rat).SetFrac(h, big.NewInt(100)).FloatString(2)
}

// reaches compares the exact fraction with a percentage.
func (r Rate) reaches(h Hundredths) bool {
	if r.Numerator >= 0 && r.Numerator < small && r.Denominator >= 0 && r.Denominator < small {
		return r.Numerator*10_000 >= r.Denominator*int64(h)
	}
	have := new(big.Int).Mul(big.NewInt(r.Numerator), big.NewInt(10_000))
	return have.Cmp(new(big.Int).Mul(big.NewInt(r.Denominator), big.NewInt(int64(h)))) >= 0
}

// judge says what may be said of a target: a rate that reaches it counts for nothing while too few dossiers are covered (the gate).
func judge(headline, coverage Rate, h, gate Hundredths) Target {
	switch {
	case headline.Denominator == 0:
		return Target{h, NotEnoughData}
	case !headline.reaches(h):
		return Target{h, NotMet}
	case coverage.Denominator == 0 || !coverage.reaches(gate):
		return Target{h, NotEnoughData}
	}
	return Target{h, Met}
}

// zone is Vietnamese time, which has no daylight saving.
var zone = time.FixedZone("+07", 7*3600)

// span is a question made exact: facts recorded up to asOf, units in [from, to).
type span struct {
	asOf, from, to time.Time
	cut            bool
	agencies       []string // those that the asker is limited to, with their predecessors
	successors     successors
	asked          bool // as_of was asked for
	now            time.Time
	source         Source
}

// read checks the question.
func (q *Question) read(now time.Time) (*span, error) {
	var fields []gateway.FieldError
	bad := func(field, detail string) { fields = append(fields, gateway.FieldError{Field: field, Detail: detail}) }
	now = now.In(zone).Truncate(time.Microsecond)
	s := &span{asOf: now, now: now, asked: q.AsOf != ""}
	day := func(field, value string) time.Time {
		t, err := time.ParseInLocation(time.DateOnly, value, zone)
		if err != nil || t.Year() < 2000 || t.Year() > 2200 {
			bad(field, "must be a date like 2026-01-31")
		}
		return t
	}
	s.from, s.to = day("from", q.From), day("to", q.To).AddDate(0, 0, 1)
	if len(fields) == 0 && !s.from.Before(s.to) {
		bad("to", "lies before from")
	}
	if q.AsOf != "" {
		t, err := time.ParseInLocation(time.DateOnly, q.AsOf, zone)
		if err == nil {
			t = t.AddDate(0, 0, 1).Add(-time.Microsecond) // the database's grain
		} else if t, err = time.Parse(time.RFC3339, q.AsOf); err != nil {
			bad("as_of", "must be a date like 2026-01-31 or a time like 2026-01-31T17:00:00+07:00")
		}
		if s.asOf = t.In(zone).Truncate(time.Microsecond); s.asOf.After(now) {
			s.asOf, s.cut = now, true
		}
	}
	if q.GroupBy != "" && !slices.Contains(Groupings(), q.GroupBy) {
		bad("group_by", "must be one of "+strings.Join(Groupings(), ", "))
	}
	if q.Cut == "" {
		q.Cut = Filed
	}
	if !slices.Contains(Cuts(), q.Cut) {
		bad("cut", "must be one of "+strings.Join(Cuts(), ", "))
	}
	if len(fields) > 0 {
		return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: fields}
	}
	return s, nil
}

// ofDossiers reports whether the grouping has a place for dossiers.
func ofDossiers(groupBy string) bool { return groupBy != "provider" && groupBy != "channel" }

// Adoption answers a question with the figures.
func (r *Reporter) Adoption(ctx context.Context, q Question) (*Report, error) {
	s, err := q.read(r.now())
	if err != nil {
		return nil, err
	}
	targets, err := r.targets(ctx, q.To)
	if err != nil {
		return nil, err
	}
	d, err := r.DefinitionOn(ctx, q.To)
	if err != nil {
		return nil, err
	}
	if err := r.divide(ctx, &q, s); err != nil {
		return nil, err
	}
	rows, err := r.figures(ctx, q, s)
	if err != nil {
		return nil, err
	}
	rep := &Report{Definition: d.ID, Parameters: d.Parameters, Period: Period{q.From, q.To}, AsOf: s.asOf, AsOfCut: s.cut, Cut: q.Cut, GroupBy: q.GroupBy, Rows: []Row{}, Source: s.source}
	for _, counted := range rows {
		row := counted.row(ofDossiers(q.GroupBy), targets, d.Parameters)
		if counted.total {
			rep.Total = row
			continue
		}
		row.Group = &Group{counted.code, counted.name}
		rep.Rows = append(rep.Rows, row)
	}
	return rep, nil
}

// counted is the figures of a group as the database counted them, by the names of the catalogue of figures.
type counted struct {
	total      bool
	code, name string
	values     map[string]int64
}

func (c *counted) rate(name string) Rate { return rate(c.values[name], c.values[name+Denominator]) }

func (c *counted) row(dossiers bool, targets []Hundredths, p Parameters) Row {
	row := Row{Buckets: map[string]int64{}, ByKind: map[string]Rate{}, Side: map[string]*int64{}, Targets: []Target{}}
	row.Rates = Rates{Transactions: c.rate("transactions"), TransactionsUpper: c.rate("transactions_upper"), TransactionsRemote: c.rate("transactions_remote"),
		Amount: c.rate("amount"), BankProven: c.rate("bank_proven")}
	for _, b := range Buckets() {
		row.Buckets[b] = c.values[b]
	}
	for _, k := range kinds() {
		row.ByKind[k] = c.rate(k)
	}
	for _, side := range sides() {
		v := c.values[side]
		row.Side[side] = &v
	}
	if !dossiers {
		row.Side["closed_unpaid"], row.Side["exempt"] = nil, nil
		return row
	}
	d, coverage := c.rate("dossiers"), c.rate("coverage")
	row.Rates.Dossiers, row.Rates.Coverage = &d, &coverage
	for _, h := range targets {
		row.Targets = append(row.Targets, judge(row.Rates.Transactions, coverage, h, Hundredths(p.CoverageGate)*100))
	}
	return row
}
