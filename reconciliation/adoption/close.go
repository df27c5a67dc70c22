package adoption

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/reconciliation/document"
)

// Problems of closing reports.
const (
	ProblemReportOpen   = "report-open"   // the period has not ended
	ProblemReportBusy   = "report-busy"   // what was under way when the report was asked for did not end in time
	ProblemReportState  = "report-state"  // somebody was there before
	ProblemProvinceOnly = "province-only" // for people who see all agencies
)

// Where a revision comes from.
const (
	byPerson   = "person"
	bySchedule = "schedule"
	byEvidence = "evidence" // what is known since the one before
)

// System is who closes what closes by itself.
const System = "system"

// Frozen is everything that a closed report says. Its canonical form (RFC 8785) is what is hashed.
type Frozen struct {
	Definition string           `json:"definition"`
	Parameters Parameters       `json:"parameters"`
	Period     Period           `json:"period"`
	AsOf       time.Time        `json:"as_of"`
	Total      Row              `json:"total"`
	By         map[string][]Row `json:"by"` // of frozenGroupings
	Evidence   Digest           `json:"evidence"`
}

// Digest is over every fact that was counted, one line each in the order of their keys, with what it adds to each figure.
type Digest struct {
	Lines  int64  `json:"lines"`
	SHA256 string `json:"sha256"`
}

// frozenGroupings are the ways in which a closed report is divided.
func frozenGroupings() []string {
	return []string{"agency", "procedure", "field", "commune", "provider", "channel", "month"}
}

// Revision is a closed report. Figures is nil in lists.
type Revision struct {
	ID         string     `json:"id" db:"id"`
	From       string     `json:"from" db:"period_from"`
	To         string     `json:"to" db:"period_to"`
	Revision   int        `json:"revision" db:"revision"`
	AsOf       time.Time  `json:"as_of" db:"as_of"`
	Definition string     `json:"definition" db:"definition"`
	SHA256     string     `json:"sha256" db:"sha256"`
	Previous   *string    `json:"previous" db:"previous"`
	Source     string     `json:"source" db:"source"`
	Reason     string     `json:"reason" db:"reason"`
	ClosedBy   string     `json:"closed_by" db:"closed_by"`
	ClosedAt   time.Time  `json:"closed_at" db:"recorded_at"`
	ApprovedBy *string    `json:"approved_by" db:"approved_by"`
	ApprovedAt *time.Time `json:"approved_at" db:"approved_at"`
	Latest     bool       `json:"latest" db:"latest"`
	Figures    *Frozen    `json:"figures,omitempty" db:"-"`
	text       string
}

// Closing asks for a period to be closed.
type Closing struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Reason string `json:"reason,omitempty"`
}

// TellClosed has f told of every closed report, in its transaction.
func (r *Reporter) TellClosed(f Teller) { r.tell = f }

// Close freezes a period's figures as they are known now. Where nothing was learnt since the last revision that one is the answer, and made
// is false.
func (r *Reporter) Close(ctx context.Context, c gateway.Caller, in Closing) (rev *Revision, made bool, err error) {
	if err := r.unlimited(c); err != nil {
		return nil, false, err
	}
	if len([]rune(in.Reason)) > 500 {
		return nil, false, &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "reason", Detail: "at most 500 characters"}}}
	}
	return r.close(ctx, in, byPerson, c.Actor)
}

// unlimited: a report of the province is closed and approved by those who see all of it.
func (r *Reporter) unlimited(c gateway.Caller) error {
	if len(c.Agencies) > 0 {
		return &gateway.Problem{Name: ProblemProvinceOnly, Detail: "a report is closed for the whole province, by a person who sees all agencies"}
	}
	return nil
}

func (r *Reporter) close(ctx context.Context, in Closing, source, by string) (*Revision, bool, error) {
	q := Question{From: in.From, To: in.To}
	s, err := q.read(r.now())
	if err != nil {
		return nil, false, err
	}
	if s.asOf.Before(s.to) {
		return nil, false, &gateway.Problem{Name: ProblemReportOpen, Detail: "the period has not ended: its figures still grow", Fields: []gateway.FieldError{{Field: "to", Detail: "must be a day that is over"}}}
	}
	q.AsOf = s.asOf.Format(time.RFC3339Nano)
	if err := r.settled(ctx); err != nil {
		return nil, false, err
	}
	f, err := r.freeze(ctx, q)
	if err != nil {
		return nil, false, err
	}
	last, err := r.revision(ctx, in.From, in.To, 0)
	if err != nil {
		return nil, false, err
	}
	rev := &Revision{ID: newID("rev_"), From: in.From, To: in.To, Revision: 1, AsOf: f.AsOf, Definition: f.Definition, Source: source, Reason: strings.TrimSpace(in.Reason), ClosedBy: by, ClosedAt: r.now(), Latest: true, Figures: f}
	if last != nil {
		if sameFigures(last.Figures, f) {
			return last, false, nil
		}
		rev.Revision, rev.Previous = last.Revision+1, &last.SHA256
	}
	if rev.text, rev.SHA256, err = document.Canonical(f); err != nil {
		return nil, false, err
	}
	return r.keep(ctx, rev)
}

// freeze counts a period in every way at one instant.
func (r *Reporter) freeze(ctx context.Context, q Question) (*Frozen, error) {
	f := &Frozen{By: map[string][]Row{}, Period: Period{q.From, q.To}}
	r = r.here()
	for _, g := range frozenGroupings() {
		q.GroupBy = g
		report, err := r.Adoption(ctx, q)
		if err != nil {
			return nil, err
		}
		f.By[g] = report.Rows
		if g == "agency" {
			f.Definition, f.Parameters, f.AsOf, f.Total = report.Definition, report.Parameters, report.AsOf, report.Total
		}
	}
	var err error
	f.Evidence, err = r.digest(ctx, q)
	return f, err
}

// sameFigures compares what two closings say, whenever they were: the facts with what they add to each figure, and what is held against them. Names
// are not figures.
func sameFigures(a, b *Frozen) bool {
	one, err := json.Marshal(a.Total.Targets)
	if err != nil {
		return false
	}
	other, err := json.Marshal(b.Total.Targets)
	return err == nil && string(one) == string(other) && a.Evidence == b.Evidence && a.Definition == b.Definition && a.Parameters == b.Parameters
}

// Approve puts another person's name under a revision. Said again by the same person it is the same answer.
func (r *Reporter) Approve(ctx context.Context, c gateway.Caller, from, to string, n int) (*Revision, error) {
	if err := r.unlimited(c); err != nil {
		return nil, err
	}
	rev, err := r.Revision(ctx, c, from, to, n)
	if err != nil {
		return nil, err
	}
	if rev.ApprovedBy != nil {
		if *rev.ApprovedBy == c.Actor {
			return rev, nil
		}
		return nil, &gateway.Problem{Name: ProblemReportState, Detail: "the revision is approved already"}
	}
	if rev.ClosedBy == c.Actor {
		return nil, &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "a report is approved by another person than who closed it"}
	}
	if err := r.approve(ctx, rev.ID, c.Actor); err != nil {
		return nil, err
	}
	return r.Revision(ctx, c, from, to, n)
}

// Revision gives a closed report: the n-th of a period, the last where n is 0. Who is limited to agencies is given their rows alone, and their sum.
func (r *Reporter) Revision(ctx context.Context, c gateway.Caller, from, to string, n int) (*Revision, error) {
	rev, err := r.revision(ctx, from, to, n)
	if err != nil {
		return nil, err
	}
	if rev == nil {
		return nil, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such revision"}
	}
	if len(c.Agencies) == 0 {
		return rev, nil
	}
	q, s := Question{Agencies: c.Agencies}, span{}
	if err := r.divide(ctx, &q, &s); err != nil { // with those that came into them
		return nil, err
	}
	rev.Figures.limit(s.agencies)
	return rev, nil
}

// limit leaves the rows of some agencies, and their sum.
func (f *Frozen) limit(agencies []string) {
	rows := slices.DeleteFunc(f.By["agency"], func(row Row) bool { return !slices.Contains(agencies, row.Group.Code) })
	sum := counted{values: map[string]int64{}}
	for i := range rows {
		for name, n := range rows[i].values() {
			sum.values[name] += n
		}
	}
	targets := []Hundredths{}
	for _, t := range f.Total.Targets {
		targets = append(targets, t.Percent)
	}
	f.Total, f.By = sum.row(true, targets, f.Parameters), map[string][]Row{"agency": rows}
}

// Verification says whether a revision still is what was closed.
type Verification struct {
	Revision   int      `json:"revision"`
	SHA256     string   `json:"sha256"`
	Intact     bool     `json:"intact"`     // the bytes are those that were hashed, and follow the revision before
	Repeatable bool     `json:"repeatable"` // the same figures come out of the rows, as they were known then
	Findings   []string `json:"findings"`
}

// Verify counts a revision again from the rows.
func (r *Reporter) Verify(ctx context.Context, c gateway.Caller, from, to string, n int) (*Verification, error) {
	if err := r.unlimited(c); err != nil {
		return nil, err
	}
	rev, err := r.revision(ctx, from, to, n)
	if err != nil {
		return nil, err
	}
	if rev == nil {
		return nil, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such revision"}
	}
	v := &Verification{Revision: rev.Revision, SHA256: rev.SHA256, Intact: true, Repeatable: true, Findings: []string{}}
	if document.Digest(rev.text) != rev.SHA256 {
		v.Intact = false
		v.Findings = append(v.Findings, "the figures are not those that were hashed")
	}
	if rev.Previous != nil {
		before, err := r.revision(ctx, rev.From, rev.To, rev.Revision-1)
		if err != nil {
			return nil, err
		}
		if before == nil || before.SHA256 != *rev.Previous {
			v.Intact = false
			v.Findings = append(v.Findings, "it does not follow the revision before it")
		}
	}
	again, err := r.freeze(ctx, Question{From: rev.From, To: rev.To, AsOf: rev.AsOf.Format(time.RFC3339Nano)})
	if err != nil {
		return nil, err
	}
	again.Parameters, again.Definition = rev.Figures.Parameters, rev.Figures.Definition
	if again.Evidence != rev.Figures.Evidence {
		v.Repeatable = false
		v.Findings = append(v.Findings, fmt.Sprintf("the facts as they were known then are %d lines now, were %d", again.Evidence.Lines, rev.Figures.Evidence.Lines))
	}
	if !sameTotals(again, rev.Figures) {
		v.Repeatable = false
		v.Findings = append(v.Findings, "the total counted again from the rows is another")
	}
	return v, nil
}

// sameTotals compares counts, without names and targets, which are the catalogue's of today.
func sameTotals(a, b *Frozen) bool {
	x, y := a.Total, b.Total
	x.Targets, y.Targets = nil, nil
	one, err := json.Marshal(x)
	if err != nil {
		return false
	}
	other, err := json.Marshal(y)
	return err == nil && string(one) == string(other)
}
