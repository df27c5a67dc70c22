package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Problem is an error with a meaning for the caller; the edge alone turns it into a document. Name is from the closed list
// of the API's problems.
type Problem struct {
	Name   string
	Detail string
	Fields []FieldError
	Order  string // the order that stands in the way, where one does

	RetryAfter time.Duration // when to come again, where a provider said so; 0 = it did not
}

// FieldError names a field of the caller's input and what is wrong with it.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	parts := make([]string, 0, len(p.Fields)+1)
	parts = append(parts, strings.TrimSpace(p.Name+" "+p.Detail))
	for _, f := range p.Fields {
		parts = append(parts, f.Field+": "+f.Detail)
	}
	return strings.Join(parts, "; ")
}

// ProblemName gives the name of the problem in err, or "".
func ProblemName(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Name
	}
	return ""
}

// The closed list of problems that this room gives.
const (
	ProblemInvalid          = "invalid"
	ProblemNotFound         = "not-found"
	ProblemReferenceUsed    = "reference-used"
	ProblemFeeAlreadyOpen   = "fee-already-open"
	ProblemFeeAlreadyPaid   = "fee-already-paid"
	ProblemMixed            = "mixed-beneficiaries"
	ProblemKeyReused        = "idempotency-key-reused"
	ProblemKeyInFlight      = "idempotency-key-in-flight"
	ProblemOrderState       = "order-state"
	ProblemAmountOutside    = "amount-outside-limits"
	ProblemTooManyPayments  = "too-many-payments"
	ProblemOrderExpiring    = "order-expiring"
	ProblemPaymentInDoubt   = "payment-in-doubt"
	ProblemUnavailable      = "provider-unavailable"
	ProblemOrderPartlyPaid  = "order-partly-paid"
	ProblemAccountUnsuited  = "account-unsuited"
	ProblemPaymentState     = "payment-state"
	ProblemRefundState      = "refund-state"
	ProblemAvailableChanged = "available-changed"
	ProblemSecondPerson     = "second-person-needed"
	ProblemApplicationState = "application-state"
	ProblemReceiptRecorded  = "receipt-recorded"
	ProblemProposalState    = "proposal-state"
	ProblemProposalExists   = "proposal-exists"
)

type fieldErrors []FieldError

func (f *fieldErrors) add(field, format string, a ...any) {
	if len(*f) < 100 {
		*f = append(*f, FieldError{field, fmt.Sprintf(format, a...)})
	}
}
