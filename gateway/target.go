package gateway

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// Percent is a percentage with at most two decimals, kept as a text: 30, or 62.5. In JSON it is a number.
type Percent string

var percentForm = regexp.MustCompile(`^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$`)

// MarshalJSON writes the number without needless zeros.
func (p Percent) MarshalJSON() ([]byte, error) {
	r, ok := new(big.Rat).SetString(string(p))
	if !ok {
		return nil, &json.UnsupportedValueError{Str: string(p)}
	}
	s := r.FloatString(2)
	return []byte(strings.TrimSuffix(strings.TrimRight(s, "0"), ".")), nil
}

// UnmarshalJSON takes a number as it is written.
func (p *Percent) UnmarshalJSON(raw []byte) error {
	if !percentForm.Match(raw) {
		return &json.UnsupportedValueError{Str: "must be a number above 0 and up to 100, with at most two decimals"}
	}
	*p = Percent(raw)
	return nil
}

// Target is a share that is to be reached from a day on, with who proposed and who decided it. One that came with the set-up has nobody.
type Target struct {
	ID         string     `json:"id" db:"id"`
	Percent    Percent    `json:"percent" db:"percent"`
	ValidFrom  string     `json:"valid_from" db:"valid_from"`
	ValidTo    *string    `json:"valid_to" db:"valid_to"` // exclusive
	Source     string     `json:"source" db:"source"`
	Replaces   *string    `json:"replaces" db:"replaces"`
	Status     string     `json:"status" db:"status"`
	ProposedBy *string    `json:"proposed_by" db:"proposed_by"`
	ProposedAt *time.Time `json:"proposed_at" db:"proposed_at"`
	DecidedBy  *string    `json:"decided_by" db:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at" db:"decided_at"`
	Note       string     `json:"note" db:"note"`
}

// NewTarget is what is proposed. Replaces names an approved target that ends where this one begins.
type NewTarget struct {
	Percent   Percent `json:"percent"`
	ValidFrom string  `json:"valid_from"`
	ValidTo   string  `json:"valid_to,omitempty"`
	Source    string  `json:"source"`
	Replaces  string  `json:"replaces,omitempty"`
}

func (n *NewTarget) check(today string) error {
	var e fieldErrors
	if r, ok := new(big.Rat).SetString(string(n.Percent)); !ok || r.Sign() <= 0 {
		e.add("percent", "must be a number above 0 and up to 100, with at most two decimals")
	}
	if !isDay(n.ValidFrom) {
		e.add("valid_from", "must be a date like 2026-01-31")
	} else if n.ValidFrom < today {
		e.add("valid_from", "must not lie in the past: what was reported is not changed")
	}
	if n.ValidTo != "" && (!isDay(n.ValidTo) || n.ValidTo <= n.ValidFrom) {
		e.add("valid_to", "must be a date after valid_from; it is the first day without the target")
	}
	n.Source = strings.TrimSpace(n.Source)
	text(&e, "source", n.Source, 1, 300)
	if n.Replaces != "" && !targetID.MatchString(n.Replaces) {
		e.add("replaces", "is not the id of a target")
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

var targetID = regexp.MustCompile(`^tgt_[a-z0-9]{1,60}$`)

// isDay: a real day, in a span that people plan for.
func isDay(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Year() >= 1990 && t.Year() <= 2200
}

// today is the business day.
func (g *Gateway) today() string { return g.now().In(vietnam).Format(time.DateOnly) }
