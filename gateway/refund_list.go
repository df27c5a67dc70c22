package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// MaxRefundList bounds one list.
const MaxRefundList = 500

// Destination is where a payer wants a refund sent who cannot be paid back to where the money came from.
type Destination struct {
	Bank          string `json:"bank"`
	AccountNumber string `json:"account_number"`
	AccountName   string `json:"account_name"`
	Evidence      string `json:"evidence"` // what shows that the account is the payer's
}

func (d *Destination) validate(e *fieldErrors) {
	text(e, "to.bank", d.Bank, 1, 100)
	if n := plainAccount(d.AccountNumber); n != d.AccountNumber || len(n) < 4 || len(n) > 30 {
		e.add("to.account_number", "4 to 30 capital letters and digits, without spaces")
	}
	text(e, "to.account_name", d.AccountName, 1, 100)
	text(e, "to.evidence", d.Evidence, 1, 300)
}

// NewRefundList asks for a list: of the refunds named, or of all that wait.
type NewRefundList struct {
	AgencyCode string   `json:"agency_code"`
	Refunds    []string `json:"refunds,omitempty"`
}

// RefundList is what finance hands to the bank.
type RefundList struct {
	ID         string           `json:"id" db:"id"`
	AgencyCode string           `json:"agency_code" db:"agency_code"`
	Count      int              `json:"count" db:"count"`
	Amount     vnd.Amount       `json:"amount" db:"amount"`
	CreatedBy  string           `json:"created_by" db:"created_by"`
	CreatedAt  time.Time        `json:"created_at" db:"created_at"`
	Items      []RefundListItem `json:"items,omitempty" db:"-"`
}

// RefundListItem is one transfer to make. Without an account the money goes back to where it came from: SourceReference and
// SourceAccount name that transfer at the bank.
type RefundListItem struct {
	N               int        `json:"n" db:"n"`
	Refund          string     `json:"refund" db:"refund_id"`
	Status          string     `json:"status" db:"status"`
	Amount          vnd.Amount `json:"amount" db:"amount"`
	Bank            string     `json:"bank" db:"to_bank"`
	AccountNumber   string     `json:"account_number" db:"-"`
	AccountName     string     `json:"account_name" db:"-"`
	Content         string     `json:"content" db:"reference"`
	Payment         string     `json:"payment" db:"payment_id"`
	DossierCode     string     `json:"dossier_code" db:"dossier_code"`
	SourceReference string     `json:"source_reference" db:"source_reference"`
	SourceAccount   string     `json:"source_account" db:"source_account"`
	SourceBank      string     `json:"source_bank" db:"source_bank"`
	PaidAt          *time.Time `json:"paid_at" db:"paid_at"`
}

// CreateRefundList puts approved refunds that no interface pays back into a list, each once: they are under way from then on, and
// what proves them done is the bank's word. Money of a tax notice is not among them: it goes back through the tax authority.
func (g *Gateway) CreateRefundList(ctx context.Context, c Caller, k Key, in NewRefundList) (Answer, error) {
	if a, found, err := g.replay(ctx, k); err != nil || found {
		return a, err
	}
	if err := in.validate(c); err != nil {
		return Answer{}, err
	}
	var answer Answer
	err := g.retrying(ctx, "a list of refunds", func(tx *sqlx.Tx) (err error) {
		answer, err = g.listRefunds(ctx, tx, c, k, in)
		return err
	})
	if violated(err) == "idempotency_keys_pkey" {
		a, found, again := g.replay(ctx, k)
		if again != nil || found {
			return a, again
		}
	}
	return answer, err
}

func (in *NewRefundList) validate(c Caller) error {
	var e fieldErrors
	text(&e, "agency_code", in.AgencyCode, 1, 40)
	if len(in.Refunds) > MaxRefundList {
		e.add("refunds", "at most %d in one list", MaxRefundList)
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	if !c.Person || len(c.Agencies) > 0 && !slices.Contains(c.Agencies, in.AgencyCode) {
		return &Problem{Name: ProblemNotFound, Detail: "there is no such agency"}
	}
	return nil
}

func (g *Gateway) listRefunds(ctx context.Context, tx *sqlx.Tx, c Caller, k Key, in NewRefundList) (Answer, error) {
	ids, err := waitingRefunds(ctx, tx, in.AgencyCode, in.Refunds)
	if err != nil {
		return Answer{}, err
	}
	for _, id := range in.Refunds {
		if !slices.Contains(ids, id) {
			return Answer{}, &Problem{Name: ProblemInvalid, Fields: []FieldError{{"refunds", id + " is no approved refund of this agency that waits for a list"}}}
		}
	}
	now := g.now()
	list := RefundList{ID: newID("rfl_"), AgencyCode: in.AgencyCode, CreatedBy: c.Actor, CreatedAt: now}
	e, sending := &effects{}, map[string]bool{}
	for _, id := range ids {
		m, r, err := lockRefund(ctx, tx, id)
		if err != nil {
			return Answer{}, err
		}
		ready, err := g.readyForList(ctx, tx, m, r)
		if err != nil {
			return Answer{}, err
		}
		if ready = ready && !sending[r.PaymentID]; !ready { // one at a time of a payment: the next goes with the next list
			if slices.Contains(in.Refunds, id) {
				return Answer{}, &Problem{Name: ProblemRefundState, Detail: id + " cannot be sent now: its payment is no longer there, or another refund of it is under way", Order: r.OrderID}
			}
			continue
		}
		sending[r.PaymentID] = true
		from := r.Status
		if r.ProviderReference, err = g.transferReference(now); err != nil {
			return Answer{}, err
		}
		r.Status, r.SubmittedAt, r.InDoubt, r.ListedBy, r.Code = RefundSubmitted, &now, false, &c.Actor, ""
		r.Sends++
		list.Count++
		list.Amount += r.Amount
		e.refundChanges = append(e.refundChanges, refundChange{*r, from})
		e.history = append(e.history, historyRow{r.ID, from, r.Status, string(SourcePerson), c.Actor, "in list " + list.ID, now})
		e.listItems = append(e.listItems, listItemRow{list.ID, list.Count, r.ID, r.ProviderReference, r.Amount})
		if err := g.announce(ctx, tx, e, ownOrder(m, r), r.public(), []string{"refund.submitted"}, now); err != nil {
			return Answer{}, err
		}
	}
	if list.Count == 0 {
		return Answer{}, &Problem{Name: ProblemRefundState, Detail: "no approved refund of this agency waits for a list"}
	}
	e.lists = []listRow{{list.ID, list.AgencyCode, list.Count, list.Amount, list.CreatedBy, now}}
	body, err := json.Marshal(list)
	if err != nil {
		return Answer{}, fmt.Errorf("refund list %s: %w", list.ID, err)
	}
	a := Answer{Status: http.StatusCreated, Body: body}
	e.keys = []keyRow{keyed(k, list.ID, &a, now)}
	e.audited(c, "refund_list.created", list.ID, now)
	return a, e.write(ctx, tx)
}

// readyForList: the payment stands, and no other refund of it is under way.
func (g *Gateway) readyForList(ctx context.Context, tx *sqlx.Tx, m *money, r *refundRow) (bool, error) {
	if r.Status != RefundApproved && r.Status != RefundFailed || m.payment.Status != PaymentSucceeded {
		return false, nil
	}
	others, err := refundsOf(ctx, tx, m.payment.ID)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(others, func(o refundRow) bool { return o.Status == RefundSubmitted }), nil
}

// transferReference draws a reference that survives a bank's hands, as those of transfer payments do.
func (g *Gateway) transferReference(now time.Time) (string, error) {
	if draw := g.accounts.TransferReference(); draw != nil {
		return draw("", now)
	}
	return newReference(), nil
}

// ownOrder is the order that a refund speaks of; money without one has none.
func ownOrder(m *money, r *refundRow) *orderRow {
	if o := m.orders[r.OrderID]; o != nil {
		return o
	}
	return &orderRow{}
}

// NewConfirmation is what a person found in the bank's statement.
type NewConfirmation struct {
	BankReference string     `json:"bank_reference"`
	PaidAt        *time.Time `json:"paid_at"`
	Note          string     `json:"note,omitempty"`
}

// ConfirmRefund records a refund of a list as done, as another person than who listed it and who asked for it found it in the
// bank's statement; a notifier that tells of the debit does so by itself.
func (g *Gateway) ConfirmRefund(ctx context.Context, c Caller, id string, in NewConfirmation) (*RefundView, error) {
	var e fieldErrors
	text(&e, "bank_reference", in.BankReference, 1, 100)
	text(&e, "note", in.Note, 0, 500)
	switch {
	case in.PaidAt == nil:
		e.add("paid_at", "is missing")
	case in.PaidAt.After(g.now()):
		e.add("paid_at", "lies in the future")
	}
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	return g.decideListed(ctx, c, id, providers.RefundNotice{Outcome: providers.Succeeded, Transaction: in.BankReference, At: *in.PaidAt},
		"bank reference "+in.BankReference+noted(in.Note))
}

// ReturnRefund records that the bank could not carry a listed refund out: it may go into another list, or be rejected.
func (g *Gateway) ReturnRefund(ctx context.Context, c Caller, id, note string) (*RefundView, error) {
	var e fieldErrors
	text(&e, "note", note, 1, 500)
	if len(e) > 0 {
		return nil, &Problem{Name: ProblemInvalid, Fields: e}
	}
	return g.decideListed(ctx, c, id, providers.RefundNotice{Outcome: providers.Failed, Reason: providers.ReasonIssuerRejected}, "returned by the bank: "+note)
}

func noted(note string) string {
	if note == "" {
		return ""
	}
	return ": " + note
}

func (g *Gateway) decideListed(ctx context.Context, c Caller, id string, n providers.RefundNotice, detail string) (*RefundView, error) {
	if _, err := g.visibleRefund(ctx, c, id); err != nil {
		return nil, err
	}
	err := g.retrying(ctx, "refund "+id, func(tx *sqlx.Tx) error {
		m, r, err := lockRefund(ctx, tx, id)
		if err != nil {
			return err
		}
		done := n.Outcome == providers.Succeeded
		switch {
		case !r.Manual:
			return &Problem{Name: ProblemRefundState, Detail: "the provider's own word decides on this refund", Order: r.OrderID}
		case !c.Person || r.RequestedBy == c.Actor || r.ListedBy != nil && *r.ListedBy == c.Actor:
			return &Problem{Name: ProblemSecondPerson, Detail: "another person than who asked for it and who listed it must say what the bank did", Order: r.OrderID}
		case r.Status == RefundSucceeded && done && r.ProviderTransaction == n.Transaction:
			return nil // said again
		case r.Status != RefundSubmitted:
			return &Problem{Name: ProblemRefundState, Detail: "a refund that is " + r.Status + " is not at the bank", Order: r.OrderID}
		case done && r.SubmittedAt != nil && n.At.Before(r.SubmittedAt.Add(-24*time.Hour)):
			return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"paid_at", "lies before the list was made"}}}
		}
		if done {
			other, err := confirmedBy(ctx, tx, r, n.Transaction)
			if err != nil {
				return err
			}
			if other != "" {
				return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"bank_reference", "is that of " + other + ", which went with another list: one debit pays one list"}}}
			}
		}
		return g.carryOutRefund(ctx, tx, m, r, JudgeRefund(r.Status, n), RefundWord{Notice: n, Source: SourcePerson, Actor: c.Actor, Detail: detail, caller: &c})
	})
	if err != nil {
		return nil, err
	}
	return g.Refund(ctx, c, id)
}

// RefundLists lists the lists that a person may see, the newest first.
func (g *Gateway) RefundLists(ctx context.Context, c Caller, agency, after string, limit int) ([]RefundList, string, error) {
	lists, err := g.readLists(ctx, c, agency, after, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(lists) > limit {
		return lists[:limit], lists[limit-1].ID, nil
	}
	return lists, "", nil
}

// RefundList gives one list with its transfers, accounts and names in clear: whoever calls it is audited by the edge.
func (g *Gateway) RefundList(ctx context.Context, c Caller, id string) (*RefundList, error) {
	l, sealed, err := g.readList(ctx, c, id)
	if err != nil {
		return nil, err
	}
	for i := range l.Items {
		raw, ok := sealed[l.Items[i].Refund]
		if !ok {
			continue
		}
		plain, err := g.keys.Open(raw, "refund:"+l.Items[i].Refund)
		if err != nil {
			return nil, fmt.Errorf("where refund %s goes: %w", l.Items[i].Refund, err)
		}
		var d Destination
		if err := json.Unmarshal(plain, &d); err != nil {
			return nil, errors.New("where refund " + l.Items[i].Refund + " goes is damaged")
		}
		l.Items[i].AccountNumber, l.Items[i].AccountName = d.AccountNumber, d.AccountName
	}
	return l, nil
}
