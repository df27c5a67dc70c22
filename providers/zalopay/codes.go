package zalopay

import (
	"time"

	"feegate/providers"
)

// finalWord is how long after its end an order's refusal by an unknown code counts as a failure: it has been asked after
// once more by then.
const finalWord = 15 * time.Minute

const (
	// newOrder is how long an order that ZaloPay does not know may still be on its way there.
	newOrder = 2 * time.Minute
	// newRefund is the same of a refund.
	newRefund = 5 * time.Minute
)

// Codes beside return_code 2 whose meaning depends on time.
const (
	codeNotOpened = "-49"
	codeNoFunds   = "-63"
	codeNoOrder   = "-101"
	codeNoRefund  = "-21"
)

// meaning is what a code says of a payment or refund.
type meaning struct {
	outcome providers.Outcome
	reason  providers.Reason
}

// unknown is what a code says that is in no table: what is not known has not failed.
func unknown() meaning { return meaning{providers.Uncertain, providers.ReasonUnknownCode} }

// payments are the sub codes of a query's return_code 2. ReasonConfiguration marks those that refuse our call, and an
// uncertain ReasonTechnical those that did not answer it: both say nothing of the payment.
func payments() map[string]meaning {
	ours := meaning{providers.Pending, providers.ReasonConfiguration}
	unanswered := meaning{providers.Uncertain, providers.ReasonTechnical}
	limit := meaning{providers.Declined, providers.ReasonLimitExceeded}
	m := map[string]meaning{
		"2":           {providers.Uncertain, providers.ReasonNone}, // a duplicate: of what, it does not say
		codeNotOpened: {providers.Expired, providers.ReasonExpired},
		"-54":         {providers.Expired, providers.ReasonExpired},
		codeNoFunds:   {providers.Declined, providers.ReasonInsufficientFunds},
		codeNoOrder:   {providers.Failed, providers.ReasonTechnical},
		"-117":        {providers.Declined, providers.ReasonAuthentication},
		"-217":        {providers.Declined, providers.ReasonIssuerRejected},
		"-332":        {providers.Declined, providers.ReasonIssuerRejected}, // a promotion's terms
		"-333":        {providers.Declined, providers.ReasonIssuerRejected},
		"-429":        unanswered,
		"-500":        unanswered,
		"-999":        unanswered,
	}
	for _, code := range []string{"-2", "-53", "-92", "-401", "-402", "-403", "-405"} {
		m[code] = ours
	}
	for _, code := range []string{"-1330", "-1331", "-1332", "-1333", "-1340", "-1341", "-1342", "-1343"} { // a day's and a month's
		m[code] = limit
	}
	// Steps on the way: in a queue, waiting for an OTP, a PIN or a bank.
	for _, code := range []string{"3", "4", "5", "9", "10", "12", "13", "14", "15", "16", "17", "18", "19", "23", "24", "26", "27", "28", "29", "35",
		"36", "46", "47", "48"} {
		m[code] = meaning{providers.Pending, providers.ReasonNone}
	}
	return m
}

// paymentMeaning reads a query's answer at a time.
func paymentMeaning(a answer, pay providers.Payment, now time.Time) meaning {
	switch {
	case a.success():
		return meaning{providers.Succeeded, providers.ReasonNone}
	case a.ret == "3":
		return meaning{providers.Pending, providers.ReasonNone}
	case a.ret != "2":
		return unknown()
	}
	over := now.After(expiry(pay))
	m, ok := payments()[a.sub]
	switch {
	case !ok && now.After(expiry(pay).Add(finalWord)): // return_code 2 is a failure, only why is not known
		return meaning{providers.Failed, providers.ReasonUnknownCode}
	case !ok:
		return unknown()
	case a.sub == codeNotOpened && !over:
		return meaning{providers.Pending, providers.ReasonNone}
	case a.sub == codeNoFunds && !over: // one try failed; the order can still be paid
		return meaning{providers.Pending, providers.ReasonInsufficientFunds}
	case a.sub == codeNoOrder && now.Sub(pay.CreatedAt) <= newOrder:
		return meaning{providers.Uncertain, providers.ReasonTechnical}
	}
	return m
}

// creation is what a code says of a create: why no address came.
type creation struct {
	err    error
	reason providers.Reason
}

// creations are the sub codes of a create's return_code 2. Whatever may have made an order that we cannot see is uncertain.
func creations() map[string]creation {
	m := map[string]creation{
		"-68":  {providers.ErrUncertain, providers.ReasonNone}, // an earlier sending of this id: it may have succeeded
		"-429": {providers.ErrRefused, providers.ReasonTechnical},
		"-500": {providers.ErrUncertain, providers.ReasonNone},
		"-999": {providers.ErrRefused, providers.ReasonTechnical},
	}
	for _, code := range []string{"-2", "-53", "-92", "-401", "-402", "-403", "-405"} {
		m[code] = creation{providers.ErrConfig, providers.ReasonConfiguration}
	}
	return m
}

func createMeaning(a answer) creation {
	if c, ok := creations()[a.sub]; ok && a.ret == "2" {
		return c
	}
	return creation{err: providers.ErrUncertain}
}

// refunds are the sub codes of a refund's return_code 2.
func refunds() map[string]meaning {
	m := map[string]meaning{
		"-13": {providers.Failed, providers.ReasonExpired},
		"-14": {providers.Failed, providers.ReasonLimitExceeded},
		"-31": {providers.Failed, providers.ReasonExpired},
		"-63": {providers.Failed, providers.ReasonInsufficientFunds}, // the merchant's balance
	}
	for _, code := range []string{"-2", "-4", "-5", "-6", "-8", "-9", "-18", "-32", "-101"} { // not refundable, not paid, not known
		m[code] = meaning{providers.Failed, providers.ReasonTechnical}
	}
	for _, code := range []string{"-3", "-10", "-12", "-24", "-25", "-26", "-53", "-401", "-402"} {
		m[code] = meaning{providers.Failed, providers.ReasonConfiguration}
	}
	for _, code := range []string{"-1", "-15", "-16", "-17", "-19", "-20", "-22", "-23", "-28", "-29", "-30", "-429", "-500", "-999"} {
		m[code] = meaning{providers.Uncertain, providers.ReasonTechnical}
	}
	return m
}

// refundMeaning reads the answer to a refund's sending. A refusal is certain of a first sending only: a second one may be
// refused because the first one went through.
func refundMeaning(a answer, sentBefore bool) meaning {
	switch {
	case a.success(), a.ret == "3":
		return meaning{providers.Pending, providers.ReasonNone}
	case a.ret != "2":
		return unknown()
	}
	m, ok := refunds()[a.sub]
	if !ok {
		return unknown()
	}
	if m.outcome == providers.Failed && sentBefore {
		m.outcome = providers.Uncertain
	}
	return m
}

// refundStates are the sub codes of the return_code 2 that a refund's query has, marked as in payments.
func refundStates() map[string]meaning {
	failed := meaning{providers.Failed, providers.ReasonTechnical}
	ours := meaning{providers.Pending, providers.ReasonConfiguration}
	unanswered := meaning{providers.Uncertain, providers.ReasonTechnical}
	return map[string]meaning{
		"0": failed, "-2": failed, "-4": failed, "-9": failed, "-32": failed,
		"-13":        {providers.Failed, providers.ReasonExpired},
		"-14":        {providers.Failed, providers.ReasonLimitExceeded},
		"-16":        {providers.Pending, providers.ReasonNone},
		codeNoRefund: failed, codeNoOrder: failed,
		"-401": ours, "-402": ours,
		"-429": unanswered, "-500": unanswered, "-999": unanswered,
	}
}

// refundStateMeaning reads a refund's query; age is the refund's.
func refundStateMeaning(a answer, age time.Duration) meaning {
	switch {
	case a.success():
		return meaning{providers.Succeeded, providers.ReasonNone}
	case a.ret == "3" && a.sub == "-1": // ZaloPay's own people must act
		return meaning{providers.Uncertain, providers.ReasonNone}
	case a.ret == "3":
		return meaning{providers.Pending, providers.ReasonNone}
	case a.ret != "2":
		return unknown()
	case (a.sub == codeNoOrder || a.sub == codeNoRefund) && age <= newRefund:
		return meaning{providers.Uncertain, providers.ReasonNone}
	}
	if m, ok := refundStates()[a.sub]; ok {
		return m
	}
	return unknown()
}

// unansweredCode marks codes by which ZaloPay did not answer the question.
func unansweredCode(sub string) bool { return sub == "-429" || sub == "-500" || sub == "-999" }
