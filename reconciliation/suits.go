package reconciliation

import (
	"slices"

	"feegate/gateway/vnd"
)

// Actions are what can be done about a discrepancy of a kind, what is usual first. What is not among them makes no sense for it.
func Actions(kind string) []string {
	switch kind {
	case "missing_at_provider":
		return []string{CarryForward, ClaimFromProvider, Explain, WriteOff}
	case "missing_at_gateway":
		return []string{RecordPayment, AcceptMatch, Explain, CarryForward, ClaimFromProvider, WriteOff}
	case "status_mismatch":
		return []string{RecordPayment, Explain, CarryForward, RefundPayer, ClaimFromProvider, WriteOff}
	case "amount_mismatch":
		return []string{ClaimFromProvider, RefundPayer, Explain, CarryForward, WriteOff}
	case "duplicate_line":
		return []string{Explain, CarryForward, ClaimFromProvider, WriteOff}
	case "fee_mismatch":
		return []string{ClaimFromProvider, Explain, WriteOff, CarryForward}
	case "wrong_account":
		return []string{Explain, ClaimFromProvider, RefundPayer, CarryForward, WriteOff}
	case "refund_unmatched":
		return []string{CarryForward, Explain, RefundPayer, ClaimFromProvider, WriteOff}
	case "surplus":
		return []string{RefundPayer, Explain, CarryForward}
	case "in_doubt":
		return []string{CarryForward, Explain}
	case "reversal":
		return []string{Explain, ClaimFromProvider, CarryForward, WriteOff}
	case "bank_short", "bank_over":
		return []string{ClaimFromProvider, Explain, CarryForward, WriteOff}
	case "bank_unmatched":
		return []string{RecordPayment, Explain, CarryForward, ClaimFromProvider, WriteOff}
	}
	return []string{CarryForward, Explain} // late, file_missing, statement_gap: no money is lost, it is only not there to be seen
}

// movable is the money that a claim or a write-off moves; 0 where there is none. What differs at the bank alone is moved by its effect
// there, a wrong fee by itself.
func (d *Discrepancy) movable() vnd.Signed {
	switch {
	case d.Effect != 0:
		return d.Effect
	case d.Kind == "fee_mismatch":
		return d.Amount
	case slices.Contains([]string{"bank_short", "bank_over", "bank_unmatched", "wrong_account"}, d.Kind):
		return d.BankEffect
	}
	return 0
}

// suits refuses an action that makes no sense for a discrepancy.
func (d *Discrepancy) suits(action string) error {
	switch {
	case action == RefundPayer && (d.Kind == "missing_at_gateway" || d.Kind == "bank_unmatched"):
		return invalid("action", "record the money first (record_payment, without an order): then it is surplus, and can be refunded")
	case (action == RecordPayment || action == AcceptMatch) && !slices.Contains(Actions(d.Kind), action) && d.TransferID == nil:
		return invalid("action", action+" is for a settlement line without a payment that succeeded here, not for "+d.Kind)
	case (action == RecordPayment || action == AcceptMatch) && d.TransferID != nil && (d.Kind != "bank_unmatched" || action != RecordPayment):
		return invalid("action", action+" is not for a transfer that is "+d.Kind)
	case !slices.Contains(Actions(d.Kind), action):
		return invalid("action", action+" makes no sense for "+d.Kind)
	case (action == ClaimFromProvider || action == WriteOff) && d.movable() == 0:
		return invalid("action", action+" moves money, and there is none in this discrepancy: its effect is 0")
	}
	return nil
}
