package providertest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"feegate/providers"
)

// Lacks says what a provider's wire does not have. A check that would look for it looks for its absence instead, so that nothing
// is passed over in silence, and what is there all the same is found.
type Lacks struct {
	Callbacks  bool // nobody calls: Verify refuses everything
	Calls      bool // checkout and look-up are made without a call
	Codes      bool // no result codes: a message is a success, or none
	Settlement bool // no settlement file: ParseSettlement says so
	Terminal   bool // what is signed names no terminal of ours: the notice tells the bank account, and the gateway judges
}

// or is the check, or what proves that there is nothing for it to look at.
func (l Lacks) or(c Check) func(T, Subject) {
	switch c.Name {
	case "tampering", "replay", "rotation":
		if l.Callbacks {
			return checkNobodyCalls
		}
	case "wrong-account":
		if l.Callbacks {
			return checkNobodyCalls
		}
		if l.Terminal {
			return checkAccountTold
		}
	case "wrong-method":
		if l.Callbacks {
			return checkNobodyCalls
		}
	case "canonical":
		if l.Callbacks {
			return checkDescriptions
		}
	case "amount":
		if l.Callbacks && l.Calls {
			return checkNobodyCalls
		}
	case "unknown-code", "codes":
		if l.Codes {
			return checkNoCodes
		}
	case "timeout", "not-sent", "garbage":
		if l.Calls {
			return checkNoCalls(c)
		}
	case "settlement", "settlement-bad":
		if l.Settlement {
			return checkNoSettlement
		}
	}
	return c.Func
}

// checkNobodyCalls holds a provider without callbacks to refusing whatever comes.
func checkNobodyCalls(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if s.Callback != nil || len(s.SignedFields) > 0 {
		t.Errorf("the subject lacks callbacks and describes one")
	}
	for _, c := range []providers.Callback{{}, {Method: "POST"}, {Method: "POST", Body: []byte(`{"success":true,"amount":125000}`)},
		{Method: "GET", Return: true, RawQuery: "status=PAID&code=00"}, {Method: "GET"}} {
		if ns, err := w.p.Verify(context.Background(), c); len(ns) != 0 || !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed) {
			t.Errorf("nobody calls, and yet %+v gives %v, %v", c, ns, err)
		}
	}
}

// checkAccountTold: where no signature says for whom a message is, the notice must say which account the money came into.
func checkAccountTold(t T, s Subject) {
	other := s
	other.Account = s.Other
	w, stop := newWorld(t, other, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	o := verify(w.p, s.Callback(s.Account.Credentials[0], Say{}))
	if o.word != string(providers.Succeeded) || o.notice.Transfer == nil || o.notice.Transfer.Account == "" {
		t.Errorf("a transfer into another account is not told as one: %+v", o)
		return
	}
	if got := o.notice.Transfer.Account; got != s.Account.Beneficiary.Number || got == s.Other.Beneficiary.Number {
		t.Errorf("a transfer into %s is told as one into %s", s.Account.Beneficiary.Number, got)
	}
}

func checkDescriptions(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	for _, text := range awkward() {
		w.subject.Payment.Description = text
		if o := w.do(Checkout, false); o.err != nil {
			t.Errorf("checkout with the description %q: %v", text, o.err)
		}
	}
}

func checkNoCodes(t T, s Subject) {
	if len(s.Channels) > 0 || len(s.Codes) > 0 {
		t.Errorf("the subject lacks codes and lists some")
	}
	if s.Lacks.Callbacks {
		return // nothing is told at all: see checkNobodyCalls
	}
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if o := verify(w.p, s.Callback(s.Account.Credentials[0], Say{})); o.notice.Code != "" {
		t.Errorf("a notice has the code %q", o.notice.Code)
	}
}

// checkNoCalls: checkout and look-up do not call; other calls, if there are any, are held to the check as ever.
func checkNoCalls(c Check) func(T, Subject) {
	return func(t T, s Subject) {
		if slices.Contains(s.Calls, Checkout) || slices.Contains(s.Calls, Lookup) {
			t.Errorf("the subject lacks calls and lists %v", s.Calls)
		}
		w, stop := newWorld(t, s, nil, 0)
		defer stop()
		if w.p == nil {
			return
		}
		for _, via := range []Via{Checkout, Lookup} {
			if o := w.do(via, false); o.err != nil || len(w.requests) > 0 {
				t.Errorf("%s without a call: %v, %d requests", via, o.err, len(w.requests))
			}
		}
		c.Func(t, s)
	}
}

func checkNoSettlement(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if s.Settlement != "" || len(s.BadSettlements) > 0 {
		t.Errorf("the subject lacks settlement files and shows one")
	}
	for _, file := range []string{"", "day,terminal,ref,amount\n2026-01-15,T,R,1000\nTOTAL,1,1000,0,1000\n", "TOTAL,0,0,0,0\n"} {
		lines, errs := readSettlement(w.p, file)
		var le *providers.LineError
		if len(lines) != 0 || len(errs) != 1 || !errors.As(errs[0], &le) || !strings.Contains(le.Detail, "statement") {
			t.Errorf("the file %q is not refused in favour of the bank's statement: %v %v", file, lines, errs)
		}
	}
}

// checkCalls: whatever the provider can be asked is tried under every fault.
func checkCalls(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	_, refunds := w.p.(providers.Refunder)
	_, cancels := w.p.(providers.Canceller)
	_, fetches := w.p.(providers.TransferFetcher)
	for via, can := range map[Via]bool{Refund: refunds, RefundLookup: refunds, Cancel: cancels, Fetch: fetches} {
		if can != slices.Contains(s.Calls, via) {
			t.Errorf("%s: the provider can is %v, and the subject lists %v", via, can, s.Calls)
		}
	}
	if s.Registration.Transfers {
		if find := s.Registration.FindReference; find == nil {
			t.Errorf("transfers come, and nobody finds the reference in their content")
		} else if got, ambiguous := find("ct den: " + strings.ToLower(s.Payment.Reference) + " ft1"); got != s.Payment.Reference || ambiguous {
			t.Errorf("the reference %s is not found again: %q", s.Payment.Reference, got)
		}
	}
	if !s.Lacks.Calls && !slices.Contains(s.Calls, Lookup) {
		t.Errorf("no look-up is listed in %v, and the subject does not lack calls", s.Calls)
	}
	for _, via := range s.Calls {
		w.requests = nil
		if o := w.do(via, false); o.err != nil || len(w.requests) == 0 {
			t.Errorf("%s, rightly answered: %v, %d requests", via, o.err, len(w.requests))
		}
	}
}

// checkFetch: the list tells of a movement exactly as the call did, so that it is known again.
func checkFetch(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	f, ok := w.p.(providers.TransferFetcher)
	if !ok {
		if s.Told != nil {
			t.Errorf("the provider cannot be asked for a list, and the subject tells of one")
		}
		return
	}
	if every, atLeast := f.FetchPlan(); every <= 0 || atLeast <= 0 || atLeast > every {
		t.Errorf("asked every %v, at least %v apart", every, atLeast)
	}
	if s.Told == nil {
		t.Errorf("no movement of the list is told by a call")
		return
	}
	list, next, err := f.Transfers(context.Background(), "")
	calls := s.Told(s.Account.Credentials[0])
	if err != nil || next == "" || len(list) != len(calls) || len(list) == 0 {
		t.Errorf("%d movements up to %q, %d calls: %v", len(list), next, len(calls), err)
		return
	}
	for i, c := range calls {
		o := verify(w.p, c)
		if o.err != nil {
			t.Errorf("call %d: %v", i, o.err)
			continue
		}
		if got, want := o.notice, list[i]; !got.PaidAt.Equal(want.PaidAt) || got.Reference != want.Reference || got.Amount != want.Amount || got.Transaction != want.Transaction ||
			got.Transfer == nil || want.Transfer == nil || !reflect.DeepEqual(*got.Transfer, *want.Transfer) {
			t.Errorf("movement %d: the call says %+v %+v, the list %+v %+v", i, got, got.Transfer, want, want.Transfer)
		}
	}
	if again, _, err := f.Transfers(context.Background(), next); err != nil || len(again) > len(list) {
		t.Errorf("from %q on: %d movements, %v", next, len(again), err)
	}
	if _, _, err := f.Transfers(context.Background(), "no cursor of ours"); !errors.Is(err, providers.ErrConfig) {
		t.Errorf("with a foreign cursor: %v", err)
	}
}
