package vnpay

import "feegate/providers"

// meaning is what a code says in our words.
type meaning struct {
	outcome providers.Outcome
	reason  providers.Reason
}

// responseCodes are vnp_ResponseCode of IPN and return, for payments that did not succeed. A code that is not here is
// not known, and what is not known has not failed.
func responseCodes() map[string]meaning {
	return map[string]meaning{
		"07": {providers.Uncertain, providers.ReasonSuspicious}, // debited, under suspicion of fraud
		"09": {providers.Declined, providers.ReasonNotEnrolled},
		"10": {providers.Declined, providers.ReasonWrongDetails},
		"11": {providers.Expired, providers.ReasonExpired},
		"12": {providers.Declined, providers.ReasonAccountLocked},
		"13": {providers.Declined, providers.ReasonAuthentication},
		"24": {providers.Failed, providers.ReasonPayerCancelled},
		"51": {providers.Declined, providers.ReasonInsufficientFunds},
		"65": {providers.Declined, providers.ReasonLimitExceeded},
		"75": {providers.Failed, providers.ReasonBankMaintenance},
		"79": {providers.Declined, providers.ReasonAuthentication},
		"99": {providers.Uncertain, providers.ReasonTechnical},
	}
}

// transactionStatuses are vnp_TransactionStatus of a payment as the query tells it. 05, 06 and 09 speak of a refund of
// it: the payment itself stays paid.
func transactionStatuses() map[string]meaning {
	return map[string]meaning{
		"00": {providers.Succeeded, providers.ReasonNone},
		"01": {providers.Pending, providers.ReasonNone},
		"02": {providers.Failed, providers.ReasonTechnical},
		"04": {providers.Uncertain, providers.ReasonSuspicious}, // debited at the bank, not successful at VNPAY
		"05": {providers.Succeeded, providers.ReasonNone},
		"06": {providers.Succeeded, providers.ReasonNone},
		"07": {providers.Uncertain, providers.ReasonSuspicious},
		"08": {providers.Expired, providers.ReasonExpired},
		"09": {providers.Succeeded, providers.ReasonNone},
		"11": {providers.Failed, providers.ReasonPayerCancelled},
	}
}

func statusOf(st string) (providers.Outcome, providers.Reason) {
	if m, ok := transactionStatuses()[st]; ok {
		return m.outcome, m.reason
	}
	return providers.Uncertain, providers.ReasonUnknownCode
}

// combine reads the two codes of an IPN together: success needs both. Where they contradict each other nothing is known,
// and the query decides.
func combine(rc, st string) (providers.Outcome, providers.Reason) {
	m, known := responseCodes()[rc]
	switch {
	case rc == "00" && st == "00":
		return providers.Succeeded, providers.ReasonNone
	case st == "01":
		return providers.Pending, providers.ReasonNone
	case rc == "07" || st == "04" || st == "07":
		return providers.Uncertain, providers.ReasonSuspicious
	case st == "00": // success beside a code that is none: a conflict, even with "expired"
		return providers.Uncertain, providers.ReasonUnknownCode
	case rc == "11" || st == "08":
		return providers.Expired, providers.ReasonExpired
	case rc == "00": // a fine call beside a status that is no success
		return providers.Uncertain, providers.ReasonUnknownCode
	case known && (st == "02" || st == "11"):
		return m.outcome, m.reason
	}
	return providers.Uncertain, providers.ReasonUnknownCode
}

// call is what a response code of the query says of the query itself.
type call int

const (
	callUnclear call = iota // 94, 99 and what is not known: ask again later
	callNotFound
	callConfig
)

// codeNotFound: VNPAY knows no such transaction.
const codeNotFound = "91"

// callCodes are vnp_ResponseCode of a query that told nothing of a payment.
func callCodes() map[string]call {
	return map[string]call{"02": callConfig, "03": callConfig, codeNotFound: callNotFound, "94": callUnclear, "97": callConfig, "99": callUnclear}
}

func callOf(rc string) call { return callCodes()[rc] }

// refundCodes are vnp_ResponseCode of a refund, from the vendor's newer and older tables together. 00 and 94 say that VNPAY
// works on it.
func refundCodes() map[string]meaning {
	refused := meaning{providers.Failed, providers.ReasonTechnical}
	ours := meaning{providers.Failed, providers.ReasonConfiguration}
	unclear := meaning{providers.Uncertain, providers.ReasonTechnical}
	return map[string]meaning{
		"00":         {providers.Pending, providers.ReasonNone},
		"02":         ours, // no such terminal, or more than was paid
		"03":         ours,
		"04":         refused, // everything, after a part
		"13":         refused, // parts only
		codeNotFound: refused,
		"93":         refused, // the amount
		"94":         {providers.Pending, providers.ReasonNone},
		"95":         refused, // not a payment that succeeded
		"97":         ours,
		"98":         unclear,
		"99":         unclear,
	}
}

// refundStatuses are vnp_TransactionStatus of a refund's row.
func refundStatuses() map[string]meaning {
	return map[string]meaning{
		"00": {providers.Succeeded, providers.ReasonNone},
		"01": {providers.Pending, providers.ReasonNone},
		"02": {providers.Failed, providers.ReasonTechnical},
		"04": {providers.Uncertain, providers.ReasonSuspicious},
		"05": {providers.Pending, providers.ReasonNone}, // VNPAY works on it
		"06": {providers.Pending, providers.ReasonNone}, // sent to the bank
		"07": {providers.Uncertain, providers.ReasonSuspicious},
		"09": {providers.Declined, providers.ReasonIssuerRejected},
	}
}

func refundStatusMeaning(st string) meaning {
	if m, ok := refundStatuses()[st]; ok {
		return m
	}
	return meaning{providers.Uncertain, providers.ReasonUnknownCode}
}

// refundAnswerMeaning reads the answer to a refund. An accepted one follows its status, but is never done by it: the answer
// to a request is no proof that money went back.
func refundAnswerMeaning(rc, st string) meaning {
	m, ok := refundCodes()[rc]
	if !ok {
		return meaning{providers.Uncertain, providers.ReasonUnknownCode}
	}
	if rc == "00" && st != "" {
		if s := refundStatusMeaning(st); s.outcome != providers.Succeeded {
			return s
		}
	}
	return m
}
