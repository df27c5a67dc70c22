package dvcqg

import (
	"feegate/providers"
	"feegate/providers/dvcqg/mapping"
)

// meaning is what a class of the mapping says of a payment. The classes are the outcomes' own words; whatever is not one of
// them, and whatever the mapping does not list, is not known.
func meaning(class string) (providers.Outcome, providers.Reason) {
	switch o := providers.Outcome(class); o {
	case providers.Succeeded, providers.Pending, providers.NotFound, providers.Reversed:
		return o, providers.ReasonNone
	case providers.Declined:
		return o, providers.ReasonIssuerRejected
	case providers.Failed:
		return o, providers.ReasonTechnical
	case providers.Expired:
		return o, providers.ReasonExpired
	}
	return providers.Uncertain, providers.ReasonUnknownCode
}

// claim is what a callback's code makes of a payment. The platform's hash is a plain one with the secret inside, weaker than a
// MAC, so it must never be the only proof: unless the province has turned that off, a callback is a claim that makes us ask, and
// the answer to our own question decides.
func (p *provider) claim(code string) (o providers.Outcome, r providers.Reason, doubt bool) {
	class, known := p.m.Codes.Callback[code]
	o, r = meaning(class)
	if !p.m.Confirm() {
		return o, r, false
	}
	if o.Final() {
		o, r = providers.Uncertain, providers.ReasonNone
	}
	if !known {
		r = providers.ReasonUnknownCode
	}
	return o, r, true
}

// refusal is the platform's no to a call of ours; nil for a code that is none.
func refusal(class, code string) error {
	switch class {
	case mapping.Refused:
		return &providers.RefusedError{Kind: providers.ErrRefused, Code: code, Reason: providers.ReasonTechnical}
	case mapping.Config:
		return &providers.RefusedError{Kind: providers.ErrConfig, Code: code, Reason: providers.ReasonConfiguration}
	}
	return nil
}
