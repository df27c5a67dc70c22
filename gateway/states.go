// Package gateway is the record of what is owed and what was paid: orders, payments, refunds and the moves of money between
// them. It has one door for money, [Gateway.Record]; every other way to make a payment succeed is a defect.
//
// It may touch its own tables (store*.go alone hold SQL), gateway/account, gateway/vnd and the providers' interface. It knows
// no HTTP and no provider by name.
package gateway

// Order, payment and refund states, as the portal sees them.
const (
	OrderNoPaymentNeeded = "no_payment_needed"
	OrderOpen            = "open"
	OrderPaid            = "paid"
	OrderExpired         = "expired"
	OrderCancelled       = "cancelled"
	OrderSuperseded      = "superseded"
	OrderPartlyRefunded  = "partly_refunded"
	OrderRefunded        = "refunded"

	PaymentCreated   = "created"
	PaymentPending   = "pending"
	PaymentSucceeded = "succeeded"
	PaymentFailed    = "failed"
	PaymentExpired   = "expired"
	PaymentReversed  = "reversed"

	RefundRequested = "requested"
	RefundApproved  = "approved"
	RefundRejected  = "rejected"
	RefundSubmitted = "submitted"
	RefundSucceeded = "succeeded"
	RefundFailed    = "failed"
)

// Transition is one allowed change of state.
type Transition struct{ From, To string }

// OrderTransitions are all changes an order may make. The database holds the same table (a test compares them).
func OrderTransitions() []Transition {
	return []Transition{
		{OrderOpen, OrderPaid}, {OrderOpen, OrderExpired}, {OrderOpen, OrderCancelled}, {OrderOpen, OrderSuperseded},
		{OrderExpired, OrderPaid},       // late money is money
		{OrderExpired, OrderSuperseded}, // a newer order takes its place
		{OrderPaid, OrderPartlyRefunded}, {OrderPaid, OrderRefunded}, {OrderPartlyRefunded, OrderRefunded},
		// A payment was reversed by the provider's or the bank's evidence.
		{OrderPaid, OrderOpen}, {OrderPaid, OrderExpired}, {OrderPartlyRefunded, OrderOpen}, {OrderPartlyRefunded, OrderExpired},
	}
}

// PaymentTransitions are all changes a payment may make.
func PaymentTransitions() []Transition {
	return []Transition{
		{PaymentCreated, PaymentPending}, {PaymentCreated, PaymentSucceeded}, {PaymentCreated, PaymentFailed}, {PaymentCreated, PaymentExpired},
		{PaymentPending, PaymentSucceeded}, {PaymentPending, PaymentFailed}, {PaymentPending, PaymentExpired},
		{PaymentExpired, PaymentSucceeded},
		{PaymentFailed, PaymentSucceeded}, // flagged: the provider reversed its word
		{PaymentSucceeded, PaymentReversed},
	}
}

// RefundTransitions are all changes a refund may make.
func RefundTransitions() []Transition {
	return []Transition{
		{RefundRequested, RefundApproved}, {RefundRequested, RefundRejected}, {RefundApproved, RefundSubmitted},
		{RefundApproved, RefundRejected}, // before it is sent: by a person, or since its payment was reversed
		{RefundSubmitted, RefundSucceeded}, {RefundSubmitted, RefundFailed}, {RefundFailed, RefundSubmitted}, {RefundFailed, RefundRejected},
	}
}
