package gateway

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// States of what two people change: one proposes, another decides.
const (
	Proposed = "proposed"
	Approved = "approved"
	Rejected = "rejected"
)

// By is the person who asks, with the audit that a change writes in its own transaction.
type By struct {
	ID       string
	Agencies []string // those that the person is limited to; none: all
	Record   func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error
}

// in reports whether the person may work for an agency.
func (b *By) in(agency string) bool {
	if len(b.Agencies) == 0 {
		return true
	}
	for _, a := range b.Agencies {
		if a == agency {
			return true
		}
	}
	return false
}

// Decide says what becomes of a proposal that a person approves or rejects. from is the day from which it is to count ("": at once): what
// is approved after that day would change what was already reported.
func Decide(status, proposer, decider string, approve bool, note, from, today string) (string, error) {
	if utf8.RuneCountInString(note) > 500 || strings.ContainsFunc(note, unicode.IsControl) {
		return "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"note", "must be at most 500 characters on one line"}}}
	}
	switch {
	case status != Proposed:
		return "", &Problem{Name: ProblemProposalState, Detail: "it was decided already"}
	case proposer == decider:
		return "", &Problem{Name: ProblemSecondPerson, Detail: "who proposed it may not decide it"}
	case !approve:
		return Rejected, nil
	case from != "" && from < today:
		return "", &Problem{Name: ProblemProposalState, Detail: "the day from which it was to count has passed: reject it, and propose it again"}
	}
	return Approved, nil
}
