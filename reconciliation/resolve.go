package reconciliation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// What can be done about a discrepancy.
const (
	RecordPayment      = "record_payment"
	CarryForward       = "carry_forward"
	RefundPayer        = "refund_payer"
	ClaimFromProvider  = "claim_from_provider"
	WriteOff           = "write_off"
	AcceptMatch        = "accept_match"
	Explain            = "explain"
	dueIn              = 7 * 24 * time.Hour // when something is to have happened, unless a person says otherwise
	maxNote            = 2000
	resolutionProposed = "proposed"
	resolutionDone     = "done"
	resolutionRejected = "rejected"
)

var actions = []string{RecordPayment, CarryForward, RefundPayer, ClaimFromProvider, WriteOff, AcceptMatch, Explain}

// NeedsTwo says that another person must agree before the action is done.
func NeedsTwo(action string) bool {
	return slices.Contains([]string{RecordPayment, RefundPayer, ClaimFromProvider, WriteOff}, action)
}

// NewResolution is what a person wants done; it has the shape of the API's body.
type NewResolution struct {
	Action    string `json:"action"`
	OrderID   string `json:"order_id,omitempty"`   // record_payment: what the money was for
	PaymentID string `json:"payment_id,omitempty"` // accept_match: the payment that the line belongs to
	Note      string `json:"note"`
	Owner     string `json:"owner,omitempty"`    // who sees to it; the proposer when absent
	Deadline  string `json:"deadline,omitempty"` // a week from today when absent
}

// Resolution is one thing that was done, or is proposed, about a discrepancy.
type Resolution struct {
	N          int        `json:"n" db:"n"`
	Action     string     `json:"action" db:"action"`
	Status     string     `json:"status" db:"status"`
	OrderID    *string    `json:"order_id" db:"order_id"`
	PaymentID  *string    `json:"payment_id" db:"payment_id"`
	Note       string     `json:"note" db:"note"`
	ProposedBy string     `json:"proposed_by" db:"proposed_by"`
	ProposedAt time.Time  `json:"proposed_at" db:"proposed_at"`
	DecidedBy  *string    `json:"decided_by" db:"decided_by"`
	DecidedAt  *time.Time `json:"decided_at" db:"decided_at"`
}

func (in *NewResolution) validate() error {
	p := &gateway.Problem{Name: gateway.ProblemInvalid}
	add := func(field, detail string) {
		p.Fields = append(p.Fields, gateway.FieldError{Field: field, Detail: detail})
	}
	if !slices.Contains(actions, in.Action) {
		add("action", "must be one of "+strings.Join(actions, ", "))
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(in.Note)); n < 1 || n > maxNote {
		add("note", fmt.Sprintf("must say why, in 1 to %d characters", maxNote))
	}
	if in.OrderID != "" && in.Action != RecordPayment {
		add("order_id", "goes with record_payment alone")
	}
	if (in.PaymentID != "") != (in.Action == AcceptMatch) {
		add("payment_id", "goes with accept_match, which needs it")
	}
	if in.Deadline != "" && checkDate("deadline", in.Deadline) != nil {
		add("deadline", "must be a date like 2026-01-31")
	}
	if len(p.Fields) > 0 {
		return p
	}
	return nil
}

// Resolve does what one person may do, at once, and proposes what needs two.
func (r *Reconciler) Resolve(ctx context.Context, c gateway.Caller, k gateway.Key, id string, in NewResolution) (gateway.Answer, error) {
	if a, found, err := r.gateway.Replay(ctx, k); err != nil || found {
		return a, err
	}
	if err := in.validate(); err != nil {
		return gateway.Answer{}, err
	}
	var answer gateway.Answer
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		done, err := r.propose(ctx, tx, c, id, in)
		if err != nil {
			return err
		}
		body, err := json.Marshal(done)
		if err != nil {
			return err
		}
		answer = gateway.Answer{Status: http.StatusCreated, Body: body}
		return gateway.KeepKey(ctx, tx, k, id, answer, r.now())
	})
	if gateway.KeyTaken(err) {
		a, _, err := r.gateway.Replay(ctx, k)
		return a, err
	}
	return answer, err
}

func (r *Reconciler) propose(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, id string, in NewResolution) (*Resolution, error) {
	d, err := r.openDiscrepancy(ctx, tx, c, id)
	if err != nil {
		return nil, err
	}
	if err := r.fits(ctx, tx, c, d, in); err != nil {
		return nil, err
	}
	now := r.now()
	out := &Resolution{Action: in.Action, Status: resolutionProposed, Note: strings.TrimSpace(in.Note), ProposedBy: c.Actor, ProposedAt: now}
	if in.OrderID != "" {
		out.OrderID = &in.OrderID
	}
	if in.PaymentID != "" {
		out.PaymentID = &in.PaymentID
	}
	if err := r.assigned(ctx, tx, c, &in, d.AccountID); err != nil {
		return nil, err
	}
	in.see(c, d, now)
	if err := insertResolution(ctx, tx, d.ID, out); err != nil {
		return nil, err
	}
	state := decided{What: "proposed", Owner: in.Owner, Deadline: in.Deadline, Actor: c.Actor, Note: "proposed " + in.Action + ": " + out.Note, At: now}
	if NeedsTwo(in.Action) {
		return out, changeDiscrepancy(ctx, tx, d, state)
	}
	out.Status, state.What, state.Action, state.Note, state.Payment = resolutionDone, "done", in.Action, in.Action+": "+out.Note, in.PaymentID
	if in.Action == Explain {
		state.Status = "resolved"
	}
	if err := finishResolution(ctx, tx, d.ID, out); err != nil {
		return nil, err
	}
	if err := changeDiscrepancy(ctx, tx, d, state); err != nil {
		return nil, err
	}
	if in.Action == AcceptMatch {
		return out, r.tie(ctx, tx, d, in.PaymentID)
	}
	return out, nil
}

// assigned holds a named owner to those who may work on the account.
func (r *Reconciler) assigned(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, in *NewResolution, accountID string) error {
	if in.Owner == "" || in.Owner == c.Actor {
		return nil
	}
	fits, err := ownerFits(ctx, tx, in.Owner, accountID)
	if err == nil && !fits {
		err = invalid("owner", notOwner)
	}
	return err
}

// see fills in whose it is and until when: what nobody owns is the proposer's, and what is put off gets a week.
func (in *NewResolution) see(c gateway.Caller, d *Discrepancy, now time.Time) {
	if in.Owner == "" && d.Owner == nil {
		in.Owner = c.Actor
	}
	if in.Deadline == "" && (d.Deadline == nil || in.Action == CarryForward) {
		in.Deadline = now.Add(dueIn).In(vietnam).Format(time.DateOnly)
	}
}

// fits refuses an action that makes no sense for this discrepancy, when it is proposed: what its approval would meet later.
func (r *Reconciler) fits(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, d *Discrepancy, in NewResolution) error {
	if err := d.suits(in.Action); err != nil {
		return err
	}
	if in.Action != RecordPayment && in.Action != AcceptMatch {
		return nil
	}
	if closed, err := frozen(ctx, tx, d.AccountID, d.Date); err != nil {
		return err
	} else if closed {
		return &gateway.Problem{Name: ProblemDayClosed, Detail: "the day " + d.Date + " is closed: its payments and matches stay as they are"}
	}
	if d.TransferID == nil && d.LineID == nil {
		return invalid("action", in.Action+" is for a settlement line without a payment that succeeded here, not for "+d.Kind)
	}
	if in.OrderID != "" {
		o, err := r.gateway.Order(ctx, c, in.OrderID)
		if gateway.ProblemName(err) == gateway.ProblemNotFound {
			return invalid("order_id", "there is no such order")
		}
		if err != nil {
			return err
		}
		entry, err := r.Account(ctx, c, d.AccountID)
		if err != nil {
			return err
		}
		kinds := make([]string, 0, len(o.Lines))
		for _, l := range o.Lines {
			kinds = append(kinds, l.Kind)
		}
		if o.AgencyCode != entry.Account.AgencyCode || !entry.Account.Takes(kinds) {
			return invalid("order_id", "the money came into an account that may not take this order's fees")
		}
	}
	if in.PaymentID != "" {
		return payable(ctx, tx, d, in.PaymentID)
	}
	return nil
}

// Decide agrees to a proposal, and does it, or rejects it: by another person than the one who proposed it.
func (r *Reconciler) Decide(ctx context.Context, c gateway.Caller, id string, n int, approve bool) (*Resolution, error) {
	var out *Resolution
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		d, err := r.locked(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if out, err = oneResolution(ctx, tx, id, n); err != nil {
			return err
		}
		again, err := r.decide(ctx, tx, c, d, out, approve)
		if err != nil || !again {
			return err
		}
		return r.matchIn(ctx, tx, []accountDay{{d.AccountID, d.Date}})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// decide decides on a locked discrepancy's proposal; again says that its day is to be matched anew.
func (r *Reconciler) decide(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, d *Discrepancy, p *Resolution, approve bool) (again bool, err error) {
	to := resolutionRejected
	if approve {
		to = resolutionDone
	}
	switch {
	case p.Status == to && p.DecidedBy != nil && *p.DecidedBy == c.Actor:
		return false, nil // the same person saying it again
	case p.Status != resolutionProposed:
		return false, &gateway.Problem{Name: ProblemResolution, Detail: "another person has decided: this resolution is " + p.Status}
	case p.ProposedBy == c.Actor:
		return false, &gateway.Problem{Name: gateway.ProblemSecondPerson, Detail: "who proposed a resolution cannot decide on it"}
	case approve && d.Status == "resolved":
		return false, &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is resolved: nothing is left to do; the proposal can be rejected"}
	}
	now := r.now()
	p.Status, p.DecidedBy, p.DecidedAt = to, &c.Actor, &now
	state := decided{What: resolutionRejected, Actor: c.Actor, Note: "rejected " + p.Action, At: now}
	if !approve {
		if err := finishResolution(ctx, tx, d.ID, p); err != nil {
			return false, err
		}
		return false, changeDiscrepancy(ctx, tx, d, state)
	}
	state.What, state.Action, state.Note = "approved", p.Action, "approved "+p.Action
	switch p.Action {
	case WriteOff:
		state.Status = "resolved"
	case ClaimFromProvider, RefundPayer:
		state.Status = "investigating" // until the money has come, or gone
	}
	if p.Action == RecordPayment {
		payment, err := r.recordFound(ctx, tx, c, d, p)
		if err != nil {
			return false, err
		}
		p.PaymentID, state.Payment = &payment, payment
	}
	if err := finishResolution(ctx, tx, d.ID, p); err != nil {
		return false, err
	}
	if err := changeDiscrepancy(ctx, tx, d, state); err != nil {
		return false, err
	}
	if p.Action == WriteOff || p.Action == ClaimFromProvider {
		err = r.moveOff(ctx, tx, d, p)
	}
	return p.Action == RecordPayment, err
}

// recordFound makes the line's payment a recorded one, through the gateway's door.
func (r *Reconciler) recordFound(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, d *Discrepancy, p *Resolution) (string, error) {
	if closed, err := frozen(ctx, tx, d.AccountID, d.Date); err != nil {
		return "", err
	} else if closed {
		return "", &gateway.Problem{Name: ProblemDayClosed, Detail: "the day " + d.Date + " is closed: its payments stay as they are"}
	}
	if d.TransferID != nil {
		return r.gateway.RecordTransfer(ctx, tx, c, *d.TransferID, deref(p.OrderID))
	}
	if d.LineID == nil {
		return "", &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy has no settlement line to record"}
	}
	l, err := liveLine(ctx, tx, *d.LineID)
	if err != nil {
		return "", err
	}
	f := gateway.Found{AccountID: d.AccountID, Reference: l.Reference, Transaction: l.Transaction, Amount: l.Amount, PaidAt: l.At, By: c.Actor}
	f.OrderID = deref(p.OrderID)
	payment, reference, err := r.gateway.RecordFound(ctx, tx, c, f)
	if err != nil {
		return "", err
	}
	if reference != l.Reference { // the line's own reference is another payment's: only a person can say which is which
		if err := insertPersonsMatch(ctx, tx, d, payment, r.now()); err != nil {
			return "", err
		}
	}
	return payment, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// undisturbed runs f in a transaction with the matching lock; a change of somebody else's in between makes it run again.
func (r *Reconciler) undisturbed(ctx context.Context, f func(*sqlx.Tx) error) error {
	var err error
	for range 3 {
		if err = r.inLock(ctx, f); !gateway.IsStale(err) {
			return err
		}
	}
	return err
}

// A business day is Asia/Ho_Chi_Minh, which has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)
