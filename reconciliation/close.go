package reconciliation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// Problems of closing and signing.
const (
	ProblemDayNotReady = "day-not-ready" // what is missing stands in its fields
	ProblemDayState    = "day-state"
	ProblemDayChanged  = "day-changed" // the rows no longer say what was closed
)

// The states of a day.
const (
	dayOpen     = "open"
	dayMatched  = "matched"
	dayClosed   = "closed"
	daySigned   = "signed"
	dayReopened = "reopened"
)

// The roles that open a day again, one each.
const (
	reopenAdmin    = "admin"
	reopenApprover = "approver"
)

// DayState is how far an account's day has come, and who brought it there. Figures are those of the closing that stands.
type DayState struct {
	AccountID     string     `json:"account_id" db:"account_id"`
	Date          string     `json:"date" db:"date"`
	Status        string     `json:"status" db:"status"`
	Version       int        `json:"version" db:"version"` // of the last closing; 0 before the first
	ClosedBy      *string    `json:"closed_by" db:"closed_by"`
	ClosedAt      *time.Time `json:"closed_at" db:"closed_at"`
	SignedBy      *string    `json:"signed_by" db:"signed_by"`
	SignedAt      *time.Time `json:"signed_at" db:"signed_at"`
	FiguresSHA256 *string    `json:"figures_sha256" db:"figures_sha256"`
	SHA256        *string    `json:"sha256" db:"sha256"`     // of the signed version; null before
	Previous      *string    `json:"previous" db:"previous"` // the account's signature before it
}

// DayDetail is a day's state with its figures, its versions, and what keeps it from being closed.
type DayDetail struct {
	DayState
	Figures   *Figures             `json:"figures"` // null unless it is closed
	Versions  []DayVersion         `json:"versions"`
	Reopening *Reopening           `json:"reopening"` // the one that waits for a decision
	Missing   []gateway.FieldError `json:"missing"`   // what a close would be refused for
	Chain     ChainState           `json:"chain"`
}

// Closed says that the day's figures are frozen.
func (s *DayState) Closed() bool { return s.Status == dayClosed || s.Status == daySigned }

// Reopening is the wish to open a day again.
type Reopening struct {
	ID        int64      `json:"-" db:"id"`
	Version   int        `json:"version" db:"n"`
	Status    string     `json:"status" db:"status"`
	Reason    string     `json:"reason" db:"reason"`
	AskedBy   string     `json:"asked_by" db:"asked_by"`
	AskedAs   string     `json:"asked_as" db:"asked_as"`
	AskedAt   time.Time  `json:"asked_at" db:"asked_at"`
	DecidedBy *string    `json:"decided_by" db:"decided_by"`
	DecidedAs *string    `json:"decided_as" db:"decided_as"`
	DecidedAt *time.Time `json:"decided_at" db:"decided_at"`
}

// errMoved says that money came in while the day was being added up.
var errMoved = errors.New("the day's payments changed meanwhile")

// onDay checks who asks about which day.
func (r *Reconciler) onDay(ctx context.Context, c gateway.Caller, accountID, date string) error {
	if err := checkDate("date", date); err != nil {
		return err
	}
	_, err := r.Account(ctx, c, accountID)
	return err
}

// alone with a day: f runs under the matching lock, again where money came in meanwhile.
func (r *Reconciler) withDay(ctx context.Context, f func(*sqlx.Tx) error) error {
	var err error
	for range 5 {
		if err = r.undisturbed(ctx, f); !errors.Is(err, errMoved) {
			return err
		}
	}
	return err
}

// CloseDay matches a day a last time and freezes what it came to, where nothing is missing. All of it is one transaction. Who closed a
// day and says so again is given the same answer.
func (r *Reconciler) CloseDay(ctx context.Context, c gateway.Caller, accountID, date string) (*DayDetail, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	if !r.now().Before(endOf(date)) {
		if err := r.settle(ctx, []accountDay{{accountID, date}}); err != nil {
			return nil, err
		}
	}
	var missing []gateway.FieldError
	err := r.withDay(ctx, func(tx *sqlx.Tx) (err error) {
		missing, err = r.closeIn(ctx, tx, c, accountID, date)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(missing) > 0: // the matching stands: what is named can be looked at
		return nil, &gateway.Problem{Name: ProblemDayNotReady, Detail: fmt.Sprintf("the day %s cannot be closed yet", date), Fields: missing}
	}
	return r.DayDetail(ctx, c, accountID, date)
}

func (r *Reconciler) closeIn(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, accountID, date string) (missing []gateway.FieldError, err error) {
	s, err := dayState(ctx, tx, accountID, date, true)
	if err != nil {
		return nil, err
	}
	if s.Closed() {
		if *s.ClosedBy == c.Actor {
			return nil, nil // said again
		}
		return nil, r.alreadyClosed(ctx, tx, s)
	}
	if err := r.matchIn(ctx, tx, []accountDay{{accountID, date}}); err != nil {
		return nil, err
	}
	if s, err = dayState(ctx, tx, accountID, date, true); err != nil {
		return nil, err
	}
	now := r.now()
	day, err := r.dayNow(ctx, tx, accountID, date)
	if err != nil {
		return nil, err
	}
	if missing, err = r.missing(ctx, tx, day, now); err != nil || len(missing) > 0 {
		return missing, err
	}
	return nil, r.freeze(ctx, tx, s, day, c.Actor, now)
}

func (r *Reconciler) alreadyClosed(ctx context.Context, x sqlx.QueryerContext, s *DayState) error {
	by, at, did := s.ClosedBy, s.ClosedAt, "closed"
	if s.Status == daySigned {
		by, at, did = s.SignedBy, s.SignedAt, "signed"
	}
	name, err := nameOf(ctx, x, *by)
	if err != nil {
		return err
	}
	return &gateway.Problem{Name: ProblemDayClosed, Detail: fmt.Sprintf("the day %s was %s by %s at %s", s.Date, did, name, at.In(vietnam).Format(time.RFC3339))}
}

// endOf is the midnight at which a business day ends.
func endOf(date string) time.Time {
	t, _ := time.ParseInLocation(time.DateOnly, date, vietnam) // it was checked
	return t.AddDate(0, 0, 1)
}

// mostMissing bounds what one refusal names.
const mostMissing = 100

// missing says what keeps a day, matched just now, from being closed.
func (r *Reconciler) missing(ctx context.Context, x sqlx.QueryerContext, d *Day, now time.Time) ([]gateway.FieldError, error) {
	out := []gateway.FieldError{}
	add := func(field, format string, a ...any) {
		if len(out) < mostMissing {
			out = append(out, gateway.FieldError{Field: field, Detail: fmt.Sprintf(format, a...)})
		}
	}
	if now.Before(endOf(d.Date)) {
		add("date", "the day is not over: it ends at %s", endOf(d.Date).Format(time.RFC3339))
	}
	if d.Payments.Count > 0 && d.Status != dayMatched {
		add("file", "%d payments and no file that settles them: the day was never matched", d.Payments.Count)
	}
	if d.Unexplained != 0 {
		add("unexplained_difference", "is %s, must be 0", d.Unexplained)
	}
	if d.BankSide.Unexplained != 0 {
		add("bank_side.unexplained_difference", "is %s, must be 0", d.BankSide.Unexplained)
	}
	waiting, err := r.untold(ctx, x, d.AccountID, d.Date)
	if err != nil {
		return nil, err
	}
	if waiting > 0 {
		add("statement", "%d movements of the bank's statement are being taken in: whose money each is, is not known yet", waiting)
	}
	open, err := unfinished(ctx, x, d.AccountID, d.Date)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		if o.Kind == "statement_gap" {
			add("statement_gap", "%s: the bank's statements do not go on from one another", o.ID)
		}
		for _, f := range []struct {
			name string
			lack bool
		}{{"owner", o.Owner == nil}, {"deadline", o.Deadline == nil}, {"action", o.Action == nil}} {
			if f.lack {
				add("discrepancies["+o.ID+"]."+f.name, "%s has no %s", o.Kind, f.name)
			}
		}
		if o.Proposal != nil {
			add("discrepancies["+o.ID+"].resolution", "resolution %d waits for another person's decision", *o.Proposal)
		}
	}
	return out, nil
}

// SignDay puts a second person's name under a closed day and its hash behind the account's last: who closed it cannot sign.
func (r *Reconciler) SignDay(ctx context.Context, c gateway.Caller, accountID, date string) (*DayDetail, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	if err := r.withDay(ctx, func(tx *sqlx.Tx) error { return r.signIn(ctx, tx, c, accountID, date) }); err != nil {
		return nil, err
	}
	return r.DayDetail(ctx, c, accountID, date)
}

func (r *Reconciler) signIn(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, accountID, date string) error {
	s, err := dayState(ctx, tx, accountID, date, true)
	if err != nil {
		return err
	}
	switch {
	case s.Status == daySigned && *s.SignedBy == c.Actor:
		return nil // said again
	case s.Status == daySigned:
		return r.alreadyClosed(ctx, tx, s)
	case s.Status != dayClosed:
		return &gateway.Problem{Name: ProblemDayState, Detail: "the day " + date + " is " + s.Status + ": it must be closed before it is signed"}
	case *s.ClosedBy == c.Actor:
		return &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "who closed a day cannot sign it"}
	}
	if err := r.matchIn(ctx, tx, []accountDay{{accountID, date}}); err != nil { // what came since the closing goes where it counts
		return err
	}
	changed, err := r.noLonger(ctx, tx, s)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		return &gateway.Problem{Name: ProblemDayChanged, Detail: "the day " + date + " no longer comes to what was closed: it has to be opened again", Fields: changed}
	}
	return r.seal(ctx, tx, s, c.Actor, r.now())
}

// AskReopen asks for a closed day to be opened again; as is the person's role in it.
func (r *Reconciler) AskReopen(ctx context.Context, c gateway.Caller, roles []string, accountID, date, reason string) (*DayDetail, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 1 || n > maxNote {
		return nil, invalid("reason", fmt.Sprintf("must say why, in 1 to %d characters", maxNote))
	}
	as := reopenApprover
	if slices.Contains(roles, reopenAdmin) {
		as = reopenAdmin
	}
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		s, err := dayState(ctx, tx, accountID, date, true)
		if err != nil {
			return err
		}
		if !s.Closed() {
			return &gateway.Problem{Name: ProblemDayState, Detail: "the day " + date + " is " + s.Status + ": only what is closed can be opened again"}
		}
		waiting, err := reopening(ctx, tx, accountID, date)
		if err != nil {
			return err
		}
		if waiting != nil {
			if waiting.AskedBy == c.Actor && waiting.Reason == reason {
				return nil // said again
			}
			name, err := nameOf(ctx, tx, waiting.AskedBy)
			if err != nil {
				return err
			}
			return &gateway.Problem{Name: ProblemDayState, Detail: fmt.Sprintf("%s has asked for it already, at %s", name, waiting.AskedAt.In(vietnam).Format(time.RFC3339))}
		}
		return askReopening(ctx, tx, s, c.Actor, as, reason, r.now())
	})
	if err != nil {
		return nil, err
	}
	return r.DayDetail(ctx, c, accountID, date)
}

// DecideReopen lets another person in the other role open the day again; a wish may also be rejected, or taken back by who had it.
func (r *Reconciler) DecideReopen(ctx context.Context, c gateway.Caller, roles []string, accountID, date string, approve bool) (*DayDetail, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		s, err := dayState(ctx, tx, accountID, date, true)
		if err != nil {
			return err
		}
		o, err := reopening(ctx, tx, accountID, date)
		switch {
		case err != nil:
			return err
		case o == nil:
			return &gateway.Problem{Name: ProblemDayState, Detail: "nobody has asked for the day " + date + " to be opened again, or it is decided"}
		case approve && o.AskedBy == c.Actor:
			return &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "who asked for a day to be opened again cannot agree to it"}
		}
		other := reopenAdmin
		if o.AskedAs == reopenAdmin {
			other = reopenApprover
		}
		if !approve {
			other = roles[0]
		} else if !slices.Contains(roles, other) {
			return &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "it was asked for by an " + o.AskedAs + ": an " + other + " must agree"}
		}
		return decideReopening(ctx, tx, s, o, c.Actor, other, approve, r.now())
	})
	if err != nil {
		return nil, err
	}
	return r.DayDetail(ctx, c, accountID, date)
}

// ReopenRoles are a person's roles that count for opening a day again.
func ReopenRoles[R ~string](roles []R) []string {
	var out []string
	for _, r := range roles {
		if s := string(r); s == reopenAdmin || s == reopenApprover {
			out = append(out, s)
		}
	}
	return out
}
