package paper

import "feegate/providers"

// meaning is what a code says of a payment.
type meaning struct {
	outcome providers.Outcome
	reason  providers.Reason
}

// payments are the codes of the wallet's document, every one of them. A code that is not here is not known, and what is not
// known has not failed.
func payments() map[string]meaning {
	return map[string]meaning{
		"paid":      {providers.Succeeded, providers.ReasonNone},
		"waiting":   {providers.Pending, providers.ReasonNone},
		"no_money":  {providers.Declined, providers.ReasonInsufficientFunds},
		"cancelled": {providers.Failed, providers.ReasonPayerCancelled},
		"expired":   {providers.Expired, providers.ReasonExpired},
		"unknown":   {providers.NotFound, providers.ReasonNone},
	}
}

func paymentMeaning(code string) meaning {
	if m, ok := payments()[code]; ok {
		return m
	}
	return meaning{providers.Uncertain, providers.ReasonUnknownCode}
}
