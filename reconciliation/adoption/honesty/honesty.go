// Package honesty looks for the ways in which a rate could be made to look better than it is: the rules G1 to G15, each a named check
// with its findings; which procedures can truly be paid online; and what the national portal should have been told of each dossier.
//
// It reads what the other rooms recorded, by the definition that adoption counts by, and decides nothing about money. It writes payer
// flags, and what concerns the national portal: sent flags, nightly runs, official counts. store*.go alone hold SQL.
package honesty

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/reconciliation/adoption"
)

// Book answers questions of honesty. It keeps no state of its own.
type Book struct {
	db       *sqlx.DB
	adoption *adoption.Reporter
	now      func() time.Time
	// Within is for how long one question may take. It ends before the server's own limit of two minutes for an answer, so that who asked is told.
	Within time.Duration
}

// New makes the book; now is the one clock of facts.
func New(db *sqlx.DB, a *adoption.Reporter, now func() time.Time) *Book {
	return &Book{db, a, now, 90 * time.Second}
}

// limited holds a question to its time: who asked for too much learns what to do about it.
func (b *Book) limited(ctx context.Context, ask func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, b.Within)
	defer cancel()
	err := ask(within)
	if err != nil && errors.Is(within.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "to", Detail: "takes too long to look through: choose a shorter period"}}}
	}
	return err
}

// zone is Vietnamese time, which has no daylight saving.
var zone = time.FixedZone("+07", 7*3600)

// Question is a period of business days, both inclusive, as it was known at a time.
type Question struct {
	From, To string
	AsOf     string // a date (its end), a time, or "" (now)
	Agency   string // one agency alone, or ""
	Source   string // one source system alone, or ""
	Agencies []string
}

// span is a question made exact: facts recorded up to asOf, things of [from, to).
type span struct {
	asOf, from, to time.Time
	cut            bool
}

type faults []gateway.FieldError

func (f *faults) add(field, detail string) {
	*f = append(*f, gateway.FieldError{Field: field, Detail: detail})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: f}
}

func dayOf(f *faults, field, value string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, value, zone)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		f.add(field, "must be a date like 2026-01-31")
	}
	return t
}

// read checks the question.
func (q *Question) read(now time.Time) (*span, error) {
	var bad faults
	now = now.In(zone).Truncate(time.Microsecond)
	s := &span{asOf: now}
	s.from, s.to = dayOf(&bad, "from", q.From), dayOf(&bad, "to", q.To).AddDate(0, 0, 1)
	if len(bad) == 0 && !s.from.Before(s.to) {
		bad.add("to", "lies before from")
	}
	if q.AsOf != "" {
		t, err := time.ParseInLocation(time.DateOnly, q.AsOf, zone)
		if err == nil {
			t = t.AddDate(0, 0, 1).Add(-time.Microsecond) // the database's grain
		} else if t, err = time.Parse(time.RFC3339, q.AsOf); err != nil {
			bad.add("as_of", "must be a date like 2026-01-31 or a time like 2026-01-31T17:00:00+07:00")
		}
		if s.asOf = t.In(zone).Truncate(time.Microsecond); s.asOf.After(now) {
			s.asOf, s.cut = now, true
		}
	}
	if strings.ContainsRune(q.Agency, 0) {
		bad.add("agency_code", "holds a NUL")
	}
	return s, bad.err()
}

// definition is the one in force on a day, with its parameters.
func (b *Book) definition(ctx context.Context, day time.Time) (string, adoption.Parameters, error) {
	d, err := b.adoption.DefinitionOn(ctx, day.In(zone).Format(time.DateOnly))
	return d.ID, d.Parameters, err
}

// cursor is where a page ended. It keeps as_of, so that all pages speak of the same moment.
type cursor struct {
	AsOf time.Time `json:"a"`
	Part string    `json:"p,omitempty"`
	Key  string    `json:"k"`
}

func (c cursor) String() string {
	raw, _ := json.Marshal(c) // a time and texts: it cannot fail
	return base64.RawURLEncoding.EncodeToString(raw)
}

// resume reads a cursor and sets the span's as_of to its own.
func (s *span) resume(after string, now time.Time) (c cursor, err error) {
	if after == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil || json.Unmarshal(raw, &c) != nil || strings.ContainsRune(c.Key+c.Part, 0) || c.AsOf.After(now) || c.AsOf.IsZero() {
		return c, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "after", Detail: "must be the next of an earlier page"}}}
	}
	s.asOf = c.AsOf.In(zone)
	return c, nil
}

// MaxLines is the longest page.
const MaxLines = 200

// Finding is one thing that a rule found. It names no citizen: an account is a digest's beginning.
type Finding struct {
	Rule     string    `json:"rule"`
	Kind     string    `json:"kind"` // which of the rule's ways
	Agency   Agency    `json:"agency"`
	Subject  Subject   `json:"subject"`
	Who      string    `json:"who"`  // the officer or program, where one is known
	Role     string    `json:"role"` // what they are: counter, officer, payer, provider, …
	What     string    `json:"what"`
	WhatVI   string    `json:"what_vi"`
	Since    time.Time `json:"since"` // when what makes it so was recorded
	Amount   *int64    `json:"amount"`
	Payment  *string   `json:"payment"`
	Order    *string   `json:"order"`
	Dossier  *string   `json:"dossier_code"`
	position string
}

// Agency is a collecting agency; no code: the whole province.
type Agency struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Subject is what a finding is about.
type Subject struct {
	Kind string `json:"kind"` // order, payment, dossier, account, receipt, day, agency, procedure, report, definition, callback
	ID   string `json:"id"`
}

// Findings is a page.
type Findings struct {
	Definition string          `json:"definition"`
	Period     adoption.Period `json:"period"`
	AsOf       time.Time       `json:"as_of"`
	AsOfCut    bool            `json:"as_of_cut"`
	Items      []Finding       `json:"items"`
	Next       *string         `json:"next"`
}

// Exceptions lists what the rules found, rule by rule, the oldest first; rule "" is all.
func (b *Book) Exceptions(ctx context.Context, q Question, rule string, limit int, after string) (l *Findings, err error) {
	err = b.limited(ctx, func(ctx context.Context) error {
		l, err = b.exceptions(ctx, q, rule, limit, after)
		return err
	})
	return l, err
}

func (b *Book) exceptions(ctx context.Context, q Question, rule string, limit int, after string) (*Findings, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	names := Names()
	if rule != "" {
		if !slices.Contains(names, rule) {
			return nil, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "rule", Detail: "must be one of " + strings.Join(names, ", ")}}}
		}
		names = []string{rule}
	}
	c, err := s.resume(after, b.now())
	if err != nil {
		return nil, err
	}
	if at := slices.Index(names, c.Part); at > 0 {
		names = names[at:]
	}
	if limit < 1 || limit > MaxLines {
		limit = MaxLines
	}
	definition, p, err := b.definition(ctx, s.to.AddDate(0, 0, -1))
	if err != nil {
		return nil, err
	}
	l := &Findings{Definition: definition, Period: adoption.Period{From: q.From, To: q.To}, AsOf: s.asOf, AsOfCut: s.cut, Items: []Finding{}}
	for _, name := range names {
		from := ""
		if name == c.Part {
			from = c.Key
		}
		found, err := b.find(ctx, checks[name], q, s, p, from, limit+1-len(l.Items))
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].Rule = name
		}
		if l.Items = append(l.Items, found...); len(l.Items) > limit {
			l.Items = l.Items[:limit]
			last := &l.Items[limit-1]
			next := cursor{s.asOf, last.Rule, last.position}.String()
			l.Next = &next
			break
		}
	}
	return l, nil
}

// Tally is how often a rule found something, for an agency and a role.
type Tally struct {
	Rule   string `json:"rule"`
	Agency Agency `json:"agency"`
	Role   string `json:"role"`
	Count  int64  `json:"count"`
	Amount int64  `json:"amount"`
}

// Annex is the exceptions of a period, per rule, agency and role: no citizen, no name (form BM-07).
type Annex struct {
	Definition string          `json:"definition"`
	Period     adoption.Period `json:"period"`
	AsOf       time.Time       `json:"as_of"`
	AsOfCut    bool            `json:"as_of_cut"`
	Rules      []Summed        `json:"rules"`
	Rows       []Tally         `json:"rows"`
}

// Summed is a rule with what it found in all.
type Summed struct {
	Rule
	Values map[string]int `json:"parameters"`
	Count  int64          `json:"count"`
	Amount int64          `json:"amount"`
}

// Annex counts the exceptions.
func (b *Book) Annex(ctx context.Context, q Question) (a *Annex, err error) {
	err = b.limited(ctx, func(ctx context.Context) error {
		a, err = b.annex(ctx, q)
		return err
	})
	return a, err
}

func (b *Book) annex(ctx context.Context, q Question) (*Annex, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	definition, p, err := b.definition(ctx, s.to.AddDate(0, 0, -1))
	if err != nil {
		return nil, err
	}
	a := &Annex{Definition: definition, Period: adoption.Period{From: q.From, To: q.To}, AsOf: s.asOf, AsOfCut: s.cut, Rows: []Tally{}}
	found := map[string][]Tally{}
	for _, names := range together() {
		some, err := b.tallies(ctx, names, q, s, p)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, some)
	}
	for _, name := range Names() {
		sum := Summed{Rule: checks[name].rule(name), Values: checks[name].values(p)}
		for _, r := range found[name] {
			sum.Count, sum.Amount = sum.Count+r.Count, sum.Amount+r.Amount
			a.Rows = append(a.Rows, r)
		}
		a.Rules = append(a.Rules, sum)
	}
	return a, nil
}

// together are the rules by the statements that count them: those that stand on the facts in one, each other by itself, as the database plans it best.
func together() [][]string {
	var onFacts []string
	var out [][]string
	for _, name := range Names() {
		if checks[name].facts {
			onFacts = append(onFacts, name)
		} else {
			out = append(out, []string{name})
		}
	}
	return append(out, onFacts)
}
