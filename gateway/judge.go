package gateway

import (
	"feegate/gateway/vnd"
	"feegate/providers"
)

// Source says where a word about a payment came from; it decides how far the word is trusted.
type Source string

// Sources. Callback and Return are claims, Lookup and Settlement are the provider's own word when asked.
const (
	SourceCallback   Source = "callback"
	SourceReturn     Source = "return"
	SourceLookup     Source = "lookup"
	SourceSettlement Source = "settlement"
	SourceCheckout   Source = "checkout"
	SourcePerson     Source = "person"
	SourceClock      Source = "clock"
)

// authoritative: the provider was asked, or has settled.
func (s Source) authoritative() bool {
	return s == SourceLookup || s == SourceSettlement || s == SourcePerson || s == SourceStatement
}

// Stored is what the judge needs to know of a payment and its order.
type Stored struct {
	Status                 string
	Requested, Received    vnd.Amount
	Transaction            string
	OrderStatus            string
	OrderAmount, OrderPaid vnd.Amount
	NewerLive              bool // another order of the same dossier and fee is open or paid
	PastGiveUp             bool // "not found" may expire the payment now
	Overtaken              bool // the payment came into its state after the question was sent that this word answers: the answer may be older
	ByTransfer             bool // its money lies in our own bank account: what becomes of a code or link to pay by takes none of it back
}

// Decision is what is to be done about one word. The zero value changes nothing.
type Decision struct {
	To         string     // the payment's new state, "" = unchanged
	Received   vnd.Amount // with To = succeeded
	Allocate   vnd.Amount // what of it pays the order
	Surplus    vnd.Amount // what of it belongs to no order
	OrderTo    string     // the order's new state, "" = unchanged
	Late       bool       // the order is paid after its expiry
	InDoubt    bool       // a person or a look-up must decide
	AskAgain   bool       // look up as soon as the plan allows
	Unanswered bool       // asked about a payment that had its last word, for something denied it: no last word came
	Mismatch   bool       // amount_mismatch: kept, named, nothing changed by it
	Contradict bool       // the word denies a recorded success
	Verdict    providers.Verdict
}

// Judge decides what a provider's word does to a payment: a pure function of what is stored and what was said.
//
// The rules are the laws of the house: unknown is not failed; a claim with another amount changes nothing until a look-up or
// the settlement confirms it; late money is money; a recorded success is taken back only by the provider's word when asked.
func Judge(s Stored, n providers.Notice, src Source) Decision {
	d := Decision{Verdict: providers.VerdictRecorded}
	if src == SourceReturn {
		// A browser proves nothing: ask.
		d.AskAgain = s.Status == PaymentPending || s.Status == PaymentCreated
		return d
	}
	// A bank transfer is what it is: nobody can hold a payer's bank to the amount that was asked for.
	mismatch := n.Amount != 0 && n.Amount != s.Requested && n.Transfer == nil
	if n.Doubt || (mismatch && !src.authoritative() && (s.Status != PaymentSucceeded || n.Amount != s.Received)) {
		d.AskAgain = s.Status != PaymentReversed
		if mismatch {
			d.Mismatch, d.Verdict = true, providers.VerdictAmountMismatch
		}
		return d
	}
	switch n.Outcome {
	case providers.Succeeded:
		return judgeSuccess(s, n, d, mismatch)
	case providers.Reversed:
		return judgeDenial(s, src, d)
	case providers.Declined, providers.Failed, providers.Expired:
		if s.Status == PaymentSucceeded && s.ByTransfer {
			d.Verdict = providers.VerdictDuplicate
			return d
		}
		if s.Status == PaymentSucceeded {
			return judgeDenial(s, src, d)
		}
		return judgeFailure(s, n, d)
	case providers.NotFound:
		if s.PastGiveUp && (s.Status == PaymentPending || s.Status == PaymentCreated) {
			d.To = PaymentExpired
		}
	case providers.Pending:
		if s.Status == PaymentCreated {
			d.To = PaymentPending
		}
		d.Unanswered = src == SourceLookup && ended(s.Status) && !s.ByTransfer
	default: // Uncertain, or a word that this program does not know
		if s.Status == PaymentCreated {
			d.To = PaymentPending
		}
		d.InDoubt = s.Status == PaymentCreated || s.Status == PaymentPending
		d.AskAgain = !src.authoritative() && (d.InDoubt || ended(s.Status))
		d.Unanswered = src == SourceLookup && ended(s.Status)
	}
	return d
}

// ended: a payment in this state is looked up only when a claim contradicts it. (A reversed one is for people.)
func ended(status string) bool {
	return status == PaymentSucceeded || status == PaymentFailed || status == PaymentExpired
}

func judgeSuccess(s Stored, n providers.Notice, d Decision, mismatch bool) Decision {
	if s.Status == PaymentSucceeded {
		d.Verdict = providers.VerdictDuplicate
		return d
	}
	if s.Status == PaymentReversed {
		// Taken back by evidence before: a person decides, nothing moves by itself.
		d.InDoubt = true
		return d
	}
	d.To, d.Received, d.Mismatch = PaymentSucceeded, s.Requested, mismatch
	if n.Amount != 0 {
		d.Received = n.Amount
	}
	d.Contradict = s.Status == PaymentFailed
	owed := s.OrderAmount - s.OrderPaid
	payable := s.OrderStatus == OrderOpen || (s.OrderStatus == OrderExpired && !s.NewerLive)
	if payable {
		d.Allocate = min(d.Received, owed)
	}
	d.Surplus = d.Received - d.Allocate
	if payable && d.Allocate == owed {
		d.OrderTo, d.Late = OrderPaid, s.OrderStatus == OrderExpired
	}
	return d
}

func judgeFailure(s Stored, n providers.Notice, d Decision) Decision {
	to := PaymentFailed
	if n.Outcome == providers.Expired {
		to = PaymentExpired
	}
	switch s.Status {
	case PaymentCreated, PaymentPending:
		d.To = to
	default:
		d.Verdict = providers.VerdictDuplicate
	}
	return d
}

// judgeDenial: the word denies a success that is recorded. A claim only makes us ask; the provider's own word when asked
// reverses it, where it was asked after the success.
func judgeDenial(s Stored, src Source, d Decision) Decision {
	if s.Status != PaymentSucceeded {
		d.Verdict = providers.VerdictDuplicate
		return d
	}
	d.Contradict = true
	if src.authoritative() && !s.Overtaken {
		d.To = PaymentReversed
		return d
	}
	d.AskAgain = true
	return d
}
