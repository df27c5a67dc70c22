package reconciliation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Filter says which discrepancies are asked for; what is empty asks for any.
type Filter struct {
	Date, From, To, AccountID, Kind, Status, Owner string
	Overdue                                        bool       // not resolved, and past their deadline
	Proposed                                       bool       // a proposal waits for another person
	MinAmount                                      vnd.Amount // of that size at least, whichever way it goes
	Sort                                           string     // one of Sorts; the day when absent
	After                                          string     // the next of an earlier answer
	Limit                                          int
}

// Unresolved asks for what is open or being looked into.
const Unresolved = "unresolved"

// Nobody asks for what has no owner.
const Nobody = "none"

// Sorts are the orders of the list: by business day, the oldest, the largest, or the soonest due first (so the overdue stand on top).
func Sorts() []string { return []string{"date", "age", "amount", "deadline"} }

// cursors are what a next looks like, by sort.
var cursors = map[string]*regexp.Regexp{
	"date":     regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})~(dis_[a-z0-9]{1,60})$`),
	"age":      regexp.MustCompile(`^(\d{1,17})~(dis_[a-z0-9]{1,60})$`),
	"amount":   regexp.MustCompile(`^(-?\d{1,15})~(dis_[a-z0-9]{1,60})$`),
	"deadline": regexp.MustCompile(`^(-?\d{1,7})~(dis_[a-z0-9]{1,60})$`),
}

// check reads the filter, and gives the cursor apart.
func (f *Filter) check() (afterKey, afterID string, err error) {
	for _, d := range []struct{ field, value string }{{"date", f.Date}, {"from", f.From}, {"to", f.To}} {
		if d.value != "" {
			if err := checkDate(d.field, d.value); err != nil {
				return "", "", err
			}
		}
	}
	if err := oneOf("kind", f.Kind, Kinds()...); err != nil {
		return "", "", err
	}
	if err := oneOf("status", f.Status, "open", "investigating", "resolved", Unresolved); err != nil {
		return "", "", err
	}
	if err := oneOf("sort", f.Sort, Sorts()...); err != nil {
		return "", "", err
	}
	if f.Sort == "" {
		f.Sort = "date"
	}
	if f.After == "" {
		return "", "", nil
	}
	m := cursors[f.Sort].FindStringSubmatch(f.After)
	if m == nil || f.Sort == "date" && checkDate("after", m[1]) != nil {
		return "", "", invalid("after", "must be the next of an earlier answer")
	}
	return m[1], m[2], nil
}

// Discrepancies lists what the caller may see, in the order asked for; next is "" at the end.
func (r *Reconciler) Discrepancies(ctx context.Context, c gateway.Caller, f Filter) (items []Discrepancy, next string, err error) {
	afterKey, afterID, err := f.check()
	if err != nil {
		return nil, "", err
	}
	if f.AccountID != "" {
		if _, err := r.Account(ctx, c, f.AccountID); err != nil {
			return nil, "", err
		}
	}
	now := r.now()
	items, err = r.listDiscrepancies(ctx, c, f, afterKey, afterID, now)
	if err != nil {
		return nil, "", fmt.Errorf("listing discrepancies: %w", err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		last := items[f.Limit-1]
		next = last.Key + "~" + last.ID
	}
	for i := range items {
		items[i].see(now)
	}
	return items, next, nil
}

// Heap is how many discrepancies a kind or a person has, what they come to and how old the oldest is.
type Heap struct {
	Name    string     `json:"name" db:"name"` // a kind, or the id of an owner; "" has none
	Count   int        `json:"count" db:"count"`
	Overdue int        `json:"overdue" db:"overdue"`
	Amount  vnd.Signed `json:"amount" db:"amount"` // sizes added up, whichever way each goes
	Oldest  string     `json:"oldest" db:"oldest"` // the earliest business day
}

// Summary counts a list by kind and by owner.
type Summary struct {
	Total   Heap   `json:"total"`
	ByKind  []Heap `json:"by_kind"`
	ByOwner []Heap `json:"by_owner"`
}

// Summarise counts what a filter finds, over all its pages.
func (r *Reconciler) Summarise(ctx context.Context, c gateway.Caller, f Filter) (*Summary, error) {
	f.After = ""
	if _, _, err := f.check(); err != nil {
		return nil, err
	}
	if f.AccountID != "" {
		if _, err := r.Account(ctx, c, f.AccountID); err != nil {
			return nil, err
		}
	}
	s, err := r.summarise(ctx, c, f, r.now())
	if err != nil {
		return nil, fmt.Errorf("counting discrepancies: %w", err)
	}
	return s, nil
}

// Assignment says whose a discrepancy is and until when; it has the shape of the API's body.
type Assignment struct {
	Owner    string `json:"owner,omitempty"`    // the caller when absent, who so takes it up: not what is somebody else's
	From     string `json:"from,omitempty"`     // whose it is now, as the caller believes
	Deadline string `json:"deadline,omitempty"` // stays as it is when absent
	Note     string `json:"note,omitempty"`
}

// Assign hands a discrepancy to a person, who looks into it from then on.
func (r *Reconciler) Assign(ctx context.Context, c gateway.Caller, id string, in Assignment) (*Discrepancy, error) {
	now := r.now()
	in.Note = strings.TrimSpace(in.Note)
	switch {
	case utf8.RuneCountInString(in.Note) > maxNote:
		return nil, invalid("note", fmt.Sprintf("at most %d characters", maxNote))
	case in.Deadline != "" && checkDate("deadline", in.Deadline) != nil:
		return nil, invalid("deadline", "must be a date like 2026-01-31")
	case in.Deadline != "" && in.Deadline < now.In(vietnam).Format(time.DateOnly):
		return nil, invalid("deadline", "is past")
	}
	return r.changed(ctx, c, id, func(tx *sqlx.Tx, d *Discrepancy) error {
		if d.Status == "resolved" {
			return &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is resolved"}
		}
		if in.From != "" && in.From != deref(d.Owner) || in.Owner == "" && d.Owner != nil && *d.Owner != c.Actor {
			return &gateway.Problem{Name: ProblemResolution, Detail: takenBy(d)}
		}
		owner := in.Owner
		if owner == "" {
			owner = c.Actor
		} else if fits, err := ownerFits(ctx, tx, owner, d.AccountID); err != nil {
			return err
		} else if !fits {
			return invalid("owner", notOwner)
		}
		if owner == deref(d.Owner) && (in.Deadline == "" || in.Deadline == deref(d.Deadline)) && in.Note == "" && d.Status != "open" {
			return nil // as it is
		}
		return changeDiscrepancy(ctx, tx, d, decided{What: "assigned", Status: "investigating", Owner: owner, Deadline: in.Deadline, Actor: c.Actor, Note: in.Note, At: now})
	})
}

const notOwner = "is not a person known here who may work on this account"

func takenBy(d *Discrepancy) string {
	if d.Owner == nil {
		return "it is nobody's any more"
	}
	return *d.Owner + " has taken it up"
}

// Note adds a person's words to the history; nothing else changes, and a resolved one takes them too.
func (r *Reconciler) Note(ctx context.Context, c gateway.Caller, id, note string) (*Discrepancy, error) {
	if err := checkText("note", note); err != nil {
		return nil, err
	}
	return r.changed(ctx, c, id, func(tx *sqlx.Tx, d *Discrepancy) error {
		return changeDiscrepancy(ctx, tx, d, decided{What: "noted", Actor: c.Actor, Note: strings.TrimSpace(note), At: r.now()})
	})
}

// checkText holds what a person writes to a length.
func checkText(field, text string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(text)); n < 1 || n > maxNote {
		return invalid(field, fmt.Sprintf("must say something, in 1 to %d characters", maxNote))
	}
	return nil
}

// Reopen takes back what a person decided about a discrepancy whose facts still differ; the money of its claims and write-offs moves back.
func (r *Reconciler) Reopen(ctx context.Context, c gateway.Caller, id, reason string) (*Discrepancy, error) {
	if n := utf8.RuneCountInString(strings.TrimSpace(reason)); n < 1 || n > maxNote {
		return nil, invalid("reason", fmt.Sprintf("must say why, in 1 to %d characters", maxNote))
	}
	var out *Discrepancy
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) (err error) {
		out, err = r.change(ctx, tx, c, id, func(d *Discrepancy) error {
			switch closed, err := frozen(ctx, tx, d.AccountID, d.Date); {
			case err != nil:
				return err
			case d.Status != "resolved":
				return &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is not resolved"}
			case d.Healed:
				return &gateway.Problem{Name: ProblemResolution, Detail: "the records agree by now: there is nothing to reopen"}
			case closed:
				return &gateway.Problem{Name: ProblemDayClosed, Detail: "the day " + d.Date + " is closed: its discrepancies stay as they are"}
			}
			return reopenDiscrepancy(ctx, tx, d, c.Actor, strings.TrimSpace(reason), r.now())
		})
		return err
	})
	return out, err
}

// changed does something about one discrepancy that no matching must wait for: its row alone is locked.
func (r *Reconciler) changed(ctx context.Context, c gateway.Caller, id string, f func(*sqlx.Tx, *Discrepancy) error) (out *Discrepancy, err error) {
	err = r.inRow(ctx, func(tx *sqlx.Tx) error {
		out, err = r.change(ctx, tx, c, id, func(d *Discrepancy) error { return f(tx, d) })
		return err
	})
	return out, err
}

// change locks a discrepancy, does f and reads it again.
func (r *Reconciler) change(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, id string, f func(*Discrepancy) error) (*Discrepancy, error) {
	d, err := r.locked(ctx, tx, c, id)
	if err != nil {
		return nil, err
	}
	if err := f(d); err != nil {
		return nil, err
	}
	if d, err = r.oneDiscrepancy(ctx, tx, c, id, false); err != nil {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	d.see(r.now())
	return d, nil
}

// locked locks a discrepancy that the caller may see.
func (r *Reconciler) locked(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, id string) (*Discrepancy, error) {
	d, err := r.oneDiscrepancy(ctx, tx, c, id, true)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("discrepancy")
	}
	if err != nil {
		return nil, fmt.Errorf("reading discrepancy %s: %w", id, err)
	}
	return d, nil
}
