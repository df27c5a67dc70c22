package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// Trace is a trace request (tra soát): what was asked of whom about a discrepancy, and the answer.
type Trace struct {
	N          int        `json:"n" db:"n"`
	AskedOf    string     `json:"asked_of" db:"asked_of"`
	Question   string     `json:"question" db:"question"`
	Due        string     `json:"due" db:"due"`
	AskedBy    string     `json:"asked_by" db:"asked_by"`
	AskedAt    time.Time  `json:"asked_at" db:"asked_at"`
	Answer     *string    `json:"answer" db:"answer"`
	AnsweredBy *string    `json:"answered_by" db:"answered_by"`
	AnsweredAt *time.Time `json:"answered_at" db:"answered_at"`
}

// NewTrace is what is asked of whom; it has the shape of the API's body.
type NewTrace struct {
	AskedOf  string `json:"asked_of"`
	Question string `json:"question"`
	Due      string `json:"due,omitempty"` // three working days from today when absent
}

const (
	maxAskedOf   = 200
	answerInDays = 3 // working days that whoever is asked has, unless a person says otherwise
)

// Ask records a trace request and looks into the discrepancy until it is answered: one at a time.
func (r *Reconciler) Ask(ctx context.Context, c gateway.Caller, id string, in NewTrace) (*Trace, error) {
	now := r.now()
	p := &gateway.Problem{Name: gateway.ProblemInvalid}
	in.AskedOf, in.Question = strings.TrimSpace(in.AskedOf), strings.TrimSpace(in.Question)
	if n := utf8.RuneCountInString(in.AskedOf); n < 1 || n > maxAskedOf {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "asked_of", Detail: fmt.Sprintf("must say something, in 1 to %d characters", maxAskedOf)})
	}
	if n := utf8.RuneCountInString(in.Question); n < 1 || n > maxNote {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "question", Detail: fmt.Sprintf("must say something, in 1 to %d characters", maxNote)})
	}
	switch {
	case in.Due != "" && checkDate("due", in.Due) != nil:
		p.Fields = append(p.Fields, gateway.FieldError{Field: "due", Detail: "must be a date like 2026-01-31"})
	case in.Due != "" && in.Due < now.In(vietnam).Format(time.DateOnly):
		p.Fields = append(p.Fields, gateway.FieldError{Field: "due", Detail: "is past"})
	}
	if len(p.Fields) > 0 {
		return nil, p
	}
	var out *Trace
	err := r.inRow(ctx, func(tx *sqlx.Tx) error {
		d, err := r.locked(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if d.Status == "resolved" {
			return &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is resolved"}
		}
		if out, err = insertTrace(ctx, tx, id, c.Actor, in, now); err != nil {
			return err
		}
		owner := ""
		if d.Owner == nil {
			owner = c.Actor
		}
		return changeDiscrepancy(ctx, tx, d, decided{What: "asked", Status: "investigating", Owner: owner, Actor: c.Actor, Note: in.AskedOf + ": " + in.Question, At: now})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Answered records what came back to the trace request that is open. What it means for the money is another deed.
func (r *Reconciler) Answered(ctx context.Context, c gateway.Caller, id, answer string) (*Trace, error) {
	if err := checkText("answer", answer); err != nil {
		return nil, err
	}
	answer = strings.TrimSpace(answer)
	var out *Trace
	err := r.inRow(ctx, func(tx *sqlx.Tx) error {
		d, err := r.locked(ctx, tx, c, id)
		if err != nil {
			return err
		}
		now := r.now()
		out, err = answerTrace(ctx, tx, id, c.Actor, answer, now)
		if errors.Is(err, errNoTrace) {
			return &gateway.Problem{Name: ProblemResolution, Detail: "no trace request waits for an answer"}
		}
		if err != nil {
			return err
		}
		return changeDiscrepancy(ctx, tx, d, decided{What: "answered", Actor: c.Actor, Note: out.AskedOf + ": " + answer, At: now})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

var errNoTrace = errors.New("no trace request waits for an answer")

// TraceLetter is the letter of the latest trace request.
func (r *Reconciler) TraceLetter(ctx context.Context, c gateway.Caller, id string) (*Letter, error) {
	k, err := r.Discrepancy(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if len(k.Traces) == 0 {
		return nil, notFound("trace request: ask first")
	}
	e, err := r.Account(ctx, c, k.AccountID)
	if err != nil {
		return nil, err
	}
	agency, signer, err := r.letterNames(ctx, e.Account.AgencyCode, k.Traces[len(k.Traces)-1].AskedBy)
	if err != nil {
		return nil, fmt.Errorf("writing the letter of %s: %w", id, err)
	}
	return letter(k, k.Traces[len(k.Traces)-1], &e.Account, agency, signer), nil
}
