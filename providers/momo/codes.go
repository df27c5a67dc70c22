package momo

import "feegate/providers"

// Codes that the code itself must know by name.
const (
	codeAuthorised       = "9000"
	codeDuplicateRequest = "40"
	codeNotFound         = "42"
)

// meaning is what a code says of a payment or refund.
type meaning struct {
	outcome providers.Outcome
	reason  providers.Reason
}

// payments are the codes of IPN, return and query. A code that is not here is not known, and what is not known has not
// failed. ReasonConfiguration marks codes that refuse a call of ours: they are reported, and say nothing of the payment.
func payments() map[string]meaning {
	ours := meaning{providers.Pending, providers.ReasonConfiguration}
	waiting := meaning{providers.Pending, providers.ReasonNone}
	return map[string]meaning{
		"0":    {providers.Succeeded, providers.ReasonNone},
		"10":   {providers.Pending, providers.ReasonTechnical}, // maintenance
		"11":   ours,
		"12":   ours,
		"13":   ours,
		"20":   ours,
		"21":   ours,
		"22":   ours,
		"40":   {providers.Uncertain, providers.ReasonTechnical},
		"42":   {providers.NotFound, providers.ReasonNone},
		"43":   waiting,
		"47":   ours,
		"98":   {providers.Failed, providers.ReasonTechnical},
		"99":   {providers.Uncertain, providers.ReasonTechnical},
		"1000": waiting,
		"1001": {providers.Declined, providers.ReasonInsufficientFunds},
		"1002": {providers.Declined, providers.ReasonIssuerRejected},
		"1003": {providers.Failed, providers.ReasonTechnical},
		"1004": {providers.Declined, providers.ReasonLimitExceeded},
		"1005": {providers.Expired, providers.ReasonExpired},
		"1006": {providers.Failed, providers.ReasonPayerCancelled},
		"1007": {providers.Declined, providers.ReasonAccountLocked},
		"1017": {providers.Failed, providers.ReasonTechnical},
		"1026": {providers.Declined, providers.ReasonIssuerRejected},
		"2001": {providers.Failed, providers.ReasonTechnical},
		"2007": {providers.Failed, providers.ReasonTechnical},
		"3001": {providers.Failed, providers.ReasonTechnical},
		"3002": {providers.Failed, providers.ReasonTechnical},
		"3003": {providers.Failed, providers.ReasonTechnical},
		"3004": {providers.Failed, providers.ReasonTechnical},
		"4001": {providers.Declined, providers.ReasonAccountRestricted},
		"4002": {providers.Declined, providers.ReasonAccountRestricted},
		"4010": {providers.Declined, providers.ReasonAuthentication},
		"4011": {providers.Declined, providers.ReasonAuthentication},
		"4015": {providers.Declined, providers.ReasonAuthentication},
		"4100": {providers.Declined, providers.ReasonAuthentication},
		"7000": waiting,
		"7002": waiting,
		"8000": waiting,
		"9000": waiting, // the vendor's "treat as paid" is not followed: only 0 pays
	}
}

func paymentMeaning(code string) meaning {
	if m, ok := payments()[code]; ok {
		return m
	}
	return meaning{providers.Uncertain, providers.ReasonUnknownCode}
}

// creation is what a code says of a create: an address is ready (nil), or why not.
type creation struct {
	err    error
	reason providers.Reason
}

// creations are the codes of create. Whatever may have made a payment that we cannot see yet is uncertain.
func creations() map[string]creation {
	config := creation{providers.ErrConfig, providers.ReasonConfiguration}
	later := creation{err: providers.ErrUncertain}
	return map[string]creation{
		"0":    {},
		"10":   later, // maintenance: not final, so no refusal
		"11":   config,
		"12":   config,
		"13":   config,
		"20":   config,
		"21":   {providers.ErrRefused, providers.ReasonConfiguration},
		"22":   {providers.ErrRefused, providers.ReasonLimitExceeded},
		"40":   later,
		"41":   later,
		"42":   {providers.ErrRefused, providers.ReasonConfiguration},
		"43":   later,
		"45":   config,
		"47":   config,
		"98":   {providers.ErrRefused, providers.ReasonTechnical},
		"99":   later,
		"1000": later,
		"1026": {providers.ErrRefused, providers.ReasonIssuerRejected},
		"2019": config,
		"7000": later,
		"7002": later,
		"8000": later,
	}
}

func createMeaning(code string) creation {
	if c, ok := creations()[code]; ok {
		return c
	}
	return creation{err: providers.ErrUncertain}
}

// refunds are the codes of a refund and of a row of refundTrans.
func refunds() map[string]meaning {
	unclear := meaning{providers.Uncertain, providers.ReasonTechnical}
	return map[string]meaning{
		"0":    {providers.Succeeded, providers.ReasonNone},
		"10":   unclear,
		"40":   unclear,
		"41":   unclear,
		"42":   unclear,
		"43":   {providers.Pending, providers.ReasonNone},
		"99":   unclear,
		"1001": {providers.Uncertain, providers.ReasonInsufficientFunds}, // the merchant's balance
		"1002": {providers.Declined, providers.ReasonIssuerRejected},
		"1004": {providers.Declined, providers.ReasonLimitExceeded},
		"1007": {providers.Declined, providers.ReasonAccountLocked},
		"1080": unclear,
		"1081": unclear, // perhaps refunded already: the query tells
		"1088": {providers.Failed, providers.ReasonTechnical},
		"7000": {providers.Pending, providers.ReasonNone},
		"7002": {providers.Pending, providers.ReasonNone},
		"9000": unclear,
	}
}

// refusedRefunds are codes that refuse a refund before anything happened. That is certain of a first sending only: a
// second one may be refused because the first one went through.
func refusedRefunds() []string { return []string{"11", "12", "13", "20", "21", "22", "45", "47"} }

func refundMeaning(code string, sentBefore bool) meaning {
	if m, ok := refunds()[code]; ok {
		return m
	}
	for _, c := range refusedRefunds() {
		if c == code && !sentBefore {
			return meaning{providers.Failed, providers.ReasonConfiguration}
		}
		if c == code {
			return meaning{providers.Uncertain, providers.ReasonConfiguration}
		}
	}
	return meaning{providers.Uncertain, providers.ReasonUnknownCode}
}
