package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/account"
	"feegate/providers"
)

// Directions of a movement on our bank account.
const (
	transferIn  = "in"
	transferOut = "out"
)

// alikeWithin is how far apart two sources may date one movement that has no reference of the bank.
const alikeWithin = 10 * time.Minute

// recordTransfer takes one bank transfer through the door. The movement is written once, whoever tells of it and how often; then
// its money goes to the payment with its reference: the one that was shown to the payer takes the first transfer, each further
// one is a payment of its own. What has no readable reference, or came into another account than the agency's, is kept and belongs to
// nobody until people say so.
func (g *Gateway) recordTransfer(ctx context.Context, w Word) (providers.Verdict, error) {
	var verdict providers.Verdict
	for range 4 {
		var refund *RefundWord
		err := transact(ctx, g.db, func(tx *sqlx.Tx) (err error) {
			verdict, refund, err = g.takeTransfer(ctx, tx, w)
			return err
		})
		if err == nil && refund != nil {
			_, err = g.RecordRefund(ctx, *refund)
		}
		if err == nil {
			return verdict, nil
		}
		if !IsStale(err) {
			return providers.VerdictFailed, fmt.Errorf("recording a bank transfer told by %s: %w", w.AccountID, err)
		}
	}
	return providers.VerdictFailed, fmt.Errorf("recording a bank transfer told by %s: it kept changing", w.AccountID)
}

// takeTransfer writes one movement and what it does; a debit that proves a refund of ours gives the word for that door.
func (g *Gateway) takeTransfer(ctx context.Context, tx *sqlx.Tx, w Word) (providers.Verdict, *RefundWord, error) {
	entry, err := g.accounts.Get(ctx, w.AccountID)
	if err != nil {
		return "", nil, err
	}
	if entry.Account.Unapproved { // whose money it takes nobody has approved: its word is kept and moves nothing
		e := &effects{}
		if err := g.keepRaw(e, w, "", providers.VerdictRecorded); err != nil {
			return "", nil, err
		}
		return providers.VerdictRecorded, nil, e.write(ctx, tx)
	}
	e := &effects{}
	t, err := g.movement(entry, &w)
	if err != nil {
		return "", nil, err
	}
	if err := lockBankAccount(ctx, tx, t.BankAccount); err != nil {
		return "", nil, err
	}
	known, told, err := g.knownTransfer(ctx, tx, t, &w)
	if err != nil {
		return "", nil, err
	}
	owns := !t.WrongAccount
	verdict := providers.VerdictRecorded
	settled := false
	if known != nil {
		verdict, settled = providers.VerdictDuplicate, known.PaymentID != nil
		reference := t.Reference // the second source may have what the first had lost
		*t = known.transferRow
		t.Reference = or(t.Reference, reference)
	} else {
		e.transfers = append(e.transfers, *t)
	}
	if w.transfer != nil {
		*w.transfer = t.ID
	}
	if !told {
		by := "callback"
		switch {
		case w.Source == SourceStatement:
			by = "statement"
		case w.Source.authoritative():
			by = "lookup"
		}
		e.tellings = append(e.tellings, tellingRow{w.AccountID, w.Notice.Transfer.ID, t.ID, by, owns, g.now()})
	}
	var refund *RefundWord
	switch {
	case settled, !owns, t.Reference == "":
	case t.Direction == transferOut:
		if refund, err = refundOfDebit(ctx, tx, t, &entry.Account); err != nil {
			return "", nil, err
		}
	default:
		v, err := g.creditTransfer(ctx, tx, e, t, w, &entry.Account, verdict)
		return v, nil, err
	}
	if err := g.keepRaw(e, w, deref(paymentOf(known)), verdict); err != nil {
		return "", nil, err
	}
	return verdict, refund, e.write(ctx, tx)
}

func paymentOf(k *knownMovement) *string {
	if k == nil {
		return nil
	}
	return k.PaymentID
}

// movement is a notice as a row.
func (g *Gateway) movement(entry *account.Entry, w *Word) (*transferRow, error) {
	n, m := &w.Notice, w.Notice.Transfer
	own := plainAccount(or(entry.Account.BeneficiaryAccount, entry.Account.Terminal))
	t := &transferRow{ID: newID("btr_"), AccountID: w.AccountID, BankAccount: or(plainAccount(m.Account), own), Direction: transferIn, Amount: n.Amount,
		BankReference: strings.TrimSpace(m.Reference), Reference: n.Reference, Ambiguous: m.Ambiguous, At: n.PaidAt, RecordedAt: g.now()}
	if m.Out {
		t.Direction = transferOut
	}
	t.WrongAccount = t.BankAccount != own
	if t.At.IsZero() {
		t.At = t.RecordedAt
	}
	digest, err := g.keys.Digest("transfer", []byte(folded(m.Content)))
	if err != nil {
		return nil, fmt.Errorf("digesting a transfer's content: %w", err)
	}
	sealed, err := g.keys.Seal([]byte(m.Content), "transfer:"+t.ID)
	if err != nil {
		return nil, fmt.Errorf("sealing a transfer's content: %w", err)
	}
	t.ContentDigest, t.ContentSealed = `\x`+hex.EncodeToString(digest), `\x`+hex.EncodeToString(sealed)
	payer, err := g.payerEvidence(n.Payer)
	if err != nil {
		return nil, err
	}
	if payer != nil {
		t.PayerKind, t.PayerBank, t.PayerMasked, t.PayerDigest = payer.kind, payer.bank, payer.masked, &payer.digest
	}
	return t, nil
}

// folded is a content without what sources change in it: case, spaces, signs.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, s)
}

// oneInTheOther: banks set what the payer wrote into words of their own. A short text says too little to tell by.
func oneInTheOther(a, b string) bool {
	const telling = 6
	return len(a) >= telling && strings.Contains(b, a) || len(b) >= telling && strings.Contains(a, b)
}

// creditTransfer gives the money to the payment with its reference, or to a new one beside it.
func (g *Gateway) creditTransfer(ctx context.Context, tx *sqlx.Tx, e *effects, t *transferRow, w Word, teller *account.Account, verdict providers.Verdict) (providers.Verdict, error) {
	raw := w.Raw
	w.Raw = nil // kept once, under the account of who told it
	accountID, err := accountOfTransfer(ctx, tx, t.Reference)
	if err != nil {
		return "", err
	}
	keep := func(paymentID string, v providers.Verdict) (providers.Verdict, error) {
		told := w
		told.Raw = raw
		if err := g.keepRaw(e, told, paymentID, v); err != nil {
			return "", err
		}
		return v, e.write(ctx, tx)
	}
	if accountID == "" {
		return keep("", providers.VerdictUnknownPayment)
	}
	shown, err := g.accounts.Get(ctx, accountID)
	if err != nil {
		return "", err
	}
	if plainAccount(or(shown.Account.BeneficiaryAccount, shown.Account.Terminal)) != t.BankAccount || shown.Account.AgencyCode != teller.AgencyCode || shown.Account.Mode != teller.Mode {
		// The reference of one agency's payment on another agency's account, or told by another agency's source: people sort that out.
		return keep("", verdict)
	}
	w.AccountID, w.Notice.Reference, w.Notice.Transaction = accountID, t.Reference, or(w.Notice.Transaction, t.ID)
	o, p, err := lockPayment(ctx, tx, accountID, t.Reference)
	if err != nil {
		return "", err
	}
	if p == nil {
		return "", errors.New("the payment of a transfer's reference has no order")
	}
	if p.Status == PaymentSucceeded || p.Status == PaymentReversed {
		if has, err := transferOf(ctx, tx, p.ID); err != nil {
			return "", err
		} else if has == "" && p.ProviderTransaction == w.Notice.Transaction { // a look-up of the whole was faster
			p.TransferID = &t.ID
			e.paymentChanges = append(e.paymentChanges, paymentChange{*p, p.Status})
			return keep(p.ID, providers.VerdictDuplicate)
		}
		p = g.another(o, p, t)
	}
	p.TransferID = &t.ID
	v, events, err := g.judged(ctx, tx, e, o, p, nil, w)
	if err != nil {
		return "", err
	}
	if strings.Contains(p.ProviderReference, "~") { // a new row is written as it ends up, not changed
		e.payments, e.paymentChanges = append(e.payments, *p), e.paymentChanges[:len(e.paymentChanges)-1]
	}
	if err := g.announce(ctx, tx, e, o, viewPayment(p), events, g.now()); err != nil {
		return "", err
	}
	return keep(p.ID, v)
}

// another is a payment for a further transfer under the reference of one that has its money already.
func (g *Gateway) another(o *orderRow, first *paymentRow, t *transferRow) *paymentRow {
	return &paymentRow{ID: newID("pay_"), OrderID: o.ID, AccountID: first.AccountID, Provider: first.Provider, ProviderReference: first.ProviderReference + "~" + t.ID,
		Status: PaymentCreated, Mode: first.Mode, RequestedAmount: t.Amount, Method: first.Method, InitiatedBy: first.InitiatedBy, Place: first.Place, Locale: first.Locale,
		Description: first.Description, CreatedAt: g.now(), ByTransfer: true}
}
