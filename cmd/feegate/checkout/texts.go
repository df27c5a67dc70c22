package checkout

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// text is one sentence in both languages.
type text struct{ vi, en string }

// languages that the pages speak; the first is the one that they begin with.
var languages = []string{"vi", "en"}

//go:embed messages.json
var messages []byte

// texts is every word of the pages, in both languages. %s are filled in order.
var texts = mustRead(messages)

// mustRead reads the catalogue. It is built in: one that cannot be read never passes a test.
func mustRead(raw []byte) map[string]text {
	read := map[string]struct{ VI, EN string }{}
	if err := json.Unmarshal(raw, &read); err != nil {
		panic("the checkout's messages: " + err.Error())
	}
	out := map[string]text{}
	for key, t := range read {
		out[key] = text{t.VI, t.EN}
	}
	return out
}

// reasons is the closed list of why a payment did not succeed; each has a sentence in messages.json.
var reasons = []providers.Reason{providers.ReasonNone, providers.ReasonPayerCancelled, providers.ReasonInsufficientFunds, providers.ReasonLimitExceeded,
	providers.ReasonNotEnrolled, providers.ReasonWrongDetails, providers.ReasonAccountLocked, providers.ReasonAuthentication, providers.ReasonBankMaintenance,
	providers.ReasonIssuerRejected, providers.ReasonAccountRestricted, providers.ReasonExpired, providers.ReasonSuspicious, providers.ReasonConfiguration,
	providers.ReasonTechnical, providers.ReasonUnknownCode}

// statuses of a payment; each has a sentence in messages.json.
var statuses = []string{gateway.PaymentCreated, gateway.PaymentPending, gateway.PaymentSucceeded, gateway.PaymentFailed, gateway.PaymentExpired, gateway.PaymentReversed}

// speak gives a language's texts: the key's sentence with its places filled; a key that is not there is a defect that tests find.
func speak(lang string) func(key string, fill ...any) string {
	return func(key string, fill ...any) string {
		t, ok := texts[key]
		if !ok {
			return key
		}
		s := t.vi
		if lang == "en" {
			s = t.en
		}
		if len(fill) > 0 {
			s = fmt.Sprintf(s, fill...)
		}
		return s
	}
}

// money writes an amount as the language does: 120.000 ₫, or 120,000 ₫ in English.
func money(lang string) func(any) string {
	if lang == "en" {
		return func(a any) string { return strings.ReplaceAll(page.Money(a), ".", ",") }
	}
	return page.Money
}

// words are what the templates call in a language.
func words(lang string) template.FuncMap {
	t := speak(lang)
	or := func(prefix, key, otherwise string) string {
		if _, ok := texts[prefix+key]; ok {
			return t(prefix + key)
		}
		return otherwise
	}
	return template.FuncMap{"copies": func(name, value string) copied { return copied{t(name), value} },
		"digits": func(a vnd.Amount) string { return strconv.FormatInt(int64(a), 10) }, "t": t, "money": money(lang), "lang": func() string { return lang },
		"reason": func(r string) string { return or("reason.", r, t("reason.unknown_code")) },
		"way":    func(provider string) string { return or("way.", provider, strings.ToUpper(provider)) },
		"kind":   func(k string) string { return or("kind.", k, k) },
		"sentence": func(problem string) string {
			return or("problem.", problem, t("problem.any"))
		}}
}
