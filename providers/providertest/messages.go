package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"feegate/providers"
)

// VectorCase is one case of a vectors file.
type VectorCase struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	Input     json.RawMessage `json:"input"`
	Canonical *string         `json:"canonical"`
	Signature *string         `json:"signature"`
	Digest    *string         `json:"digest"` // what some wires call it
	Expect    struct {
		SignatureValid *bool           `json:"signature_valid"`
		HTTPStatus     int             `json:"http_status"`
		Body           json.RawMessage `json:"body"`
	} `json:"expect"`
}

func checkVectors(t T, s Subject) {
	var file struct {
		Cases []VectorCase `json:"cases"`
	}
	if err := json.Unmarshal(s.Vectors, &file); err != nil || len(file.Cases) == 0 {
		t.Errorf("the vectors are empty or cannot be read: %v", err)
		return
	}
	for _, c := range file.Cases {
		canonical, signature, handled := s.Vector(c)
		if !handled {
			if c.Canonical != nil {
				t.Errorf("vector %s is not tested", c.ID)
			}
			continue
		}
		if c.Canonical != nil && canonical != *c.Canonical {
			t.Errorf("vector %s: canonical string\n got %s\nwant %s", c.ID, canonical, *c.Canonical)
		}
		for _, want := range []*string{c.Signature, c.Digest} {
			if want != nil && signature != *want {
				t.Errorf("vector %s: signature %s, want %s", c.ID, signature, *want)
			}
		}
	}
}

// awkward is what a wire may carry and an encoder may spoil.
func awkward() []string {
	return []string{
		"Hồ sơ số 5: phí + lệ phí & thuế 100% ~ 'đá' * (2)",
		"Nộp phí/lệ phí = 120.000đ; ổn! #1 @xã \"Đắk Lắk\" \\ <b>",
		"Ho\u0302\u0300 so\u031b", // decomposed: nobody may compose what was signed
		" blanks  in   between ",
		"a\u2028b",
	}
}

func checkCanonical(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	for _, text := range awkward() {
		want := s.claimed()
		if strings.ContainsAny(text, s.Refuses) {
			want = "error:malformed"
		}
		if o := verify(w.p, s.Callback(s.Account.Credentials[0], Say{Text: text})); o.word != want {
			t.Errorf("a rightly signed callback with %q: %s, want %s (%v)", text, o.word, want, o.err)
		}
		w.subject.Payment.Description = text
		if o := w.do(Checkout, false); o.err != nil {
			t.Errorf("checkout with the description %q: %v", text, o.err)
		}
	}
}

func checkTampering(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	good := s.Callback(s.Account.Credentials[0], Say{})
	if o := verify(w.p, good); o.word != s.claimed() {
		t.Errorf("the untouched callback: %s (%v)", o.word, o.err)
		return
	}
	if len(s.SignedFields) < 3 {
		t.Errorf("only %d signed fields are named", len(s.SignedFields))
	}
	refused := func(what string, c providers.Callback) {
		if ns, err := w.p.Verify(context.Background(), c); len(ns) != 0 || !errors.Is(err, providers.ErrForged) && !errors.Is(err, providers.ErrMalformed) {
			t.Errorf("%s: accepted with %v, %v", what, ns, err)
		}
	}
	for _, f := range s.SignedFields {
		c := s.Tamper(good, f)
		if c.RawQuery == good.RawQuery && string(c.Body) == string(good.Body) && reflect.DeepEqual(c.Header, good.Header) {
			t.Errorf("Tamper did not change %s", f)
			continue
		}
		refused("changed "+f, c)
	}
	stranger := maps.Clone(s.Account.Credentials[0])
	for name, v := range stranger {
		if name != s.Registration.TerminalField {
			stranger[name] = v + "X"
		}
	}
	refused("signed by a stranger", s.Callback(stranger, Say{}))
	refused("nothing at all", providers.Callback{Method: good.Method})
	refused("half of it", providers.Callback{Method: good.Method, Header: good.Header, RawQuery: half(good.RawQuery), Body: []byte(half(string(good.Body)))})
}

func half(s string) string { return s[:len(s)/2] }

func checkReplay(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	c := s.Callback(s.Account.Credentials[0], Say{})
	first, second := verify(w.p, c), verify(w.p, c)
	if first.err != nil || !reflect.DeepEqual(first.notice, second.notice) {
		t.Errorf("first %+v, again %+v", first, second)
	}
	if first.notice.Reference != s.Payment.Reference || first.notice.Amount != s.Payment.Amount {
		t.Errorf("the notice is about %q, %d", first.notice.Reference, first.notice.Amount)
	}
	if first.notice.Doubt != s.Unproven {
		t.Errorf("a success that the signature proves or not: doubt is %v", first.notice.Doubt)
	}
	if n := first.notice; n.PaidAt.IsZero() && n.Transaction == "" {
		t.Errorf("neither time nor transaction of a success is told: %+v", n)
	}
}

func checkWrongAccount(t T, s Subject) {
	other := s
	other.Account = s.Other
	w, stop := newWorld(t, other, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if o := verify(w.p, s.Callback(s.Account.Credentials[0], Say{})); o.word != "error:forged" {
		t.Errorf("another account's callback, signed with a secret that both have: %s", o.word)
	}
}

func checkWrongMethod(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	c := s.Callback(s.Account.Credentials[0], Say{})
	for _, m := range []string{"PUT", "DELETE", "", "get"} {
		c.Method = m
		if _, err := w.p.Verify(context.Background(), c); !errors.Is(err, providers.ErrWrongMethod) {
			t.Errorf("method %q: %v", m, err)
		}
	}
}

func checkRotation(t T, s Subject) {
	both := s
	both.Account.Credentials = []map[string]string{s.NextSecret, s.Account.Credentials[0]}
	w, stop := newWorld(t, both, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	for i, c := range both.Account.Credentials {
		if o := verify(w.p, s.Callback(c, Say{})); o.word != s.claimed() {
			t.Errorf("while rotating, secret %d: %s", i, o.word)
		}
	}
	alone := s
	alone.Account.Credentials = []map[string]string{s.NextSecret}
	one, stopOne := newWorld(t, alone, nil, 0)
	defer stopOne()
	if one.p == nil {
		return
	}
	if o := verify(one.p, s.Callback(s.Account.Credentials[0], Say{})); o.word != "error:forged" {
		t.Errorf("after the rotation, the old secret: %s", o.word)
	}
}

// told gives the provider's word for a code.
func told(t T, s Subject, ch Channel, say Say) outcome {
	t.Helper()
	w, stop := newWorld(t, s, saying(s, say), 0)
	defer stop()
	if w.p == nil {
		return outcome{word: "no provider"}
	}
	if ch.Via == Callback {
		return verify(w.p, s.Callback(s.Account.Credentials[0], say))
	}
	return w.do(ch.Via, ch.Resent)
}

func checkUnknownCode(t T, s Subject) {
	if len(s.Channels) == 0 {
		t.Errorf("no channel is named")
	}
	for name, ch := range s.Channels {
		if ch.Unknown == "" || slices.Contains(ch.Known, ch.Unknown) {
			t.Errorf("%s: no unknown code to try", name)
			continue
		}
		o := told(t, s, ch, Say{Channel: name, Code: ch.Unknown})
		if word, _, _ := strings.Cut(o.word, "/"); word != string(providers.Uncertain) && word != "error:uncertain" {
			t.Errorf("%s: the unknown code %s is taken for %s", name, ch.Unknown, o.word)
		}
	}
}

func checkCodes(t T, s Subject) {
	var list map[string]map[string]string
	if err := json.Unmarshal(s.Codes, &list); err != nil {
		t.Errorf("the list of codes cannot be read: %v", err)
		return
	}
	listed := 0
	for _, codes := range list {
		listed += len(codes)
	}
	if listed == 0 {
		t.Errorf("the list of codes is empty")
	}
	for name := range list {
		if _, ok := s.Channels[name]; !ok {
			t.Errorf("the list has a channel %s that the subject has not", name)
		}
	}
	for name, ch := range s.Channels {
		for _, code := range ch.Known {
			if _, ok := list[name][code]; !ok {
				t.Errorf("%s: the adapter knows %s, the list does not", name, code)
			}
		}
		for code, want := range list[name] {
			if ch.Known != nil && !slices.Contains(ch.Known, code) {
				t.Errorf("%s: the list has %s, the adapter does not know it", name, code)
				continue
			}
			if o := told(t, s, ch, Say{Channel: name, Code: code}); o.word != want {
				t.Errorf("%s %s: %s, want %s (%v)", name, code, o.word, want, o.err)
			}
		}
	}
}

func checkAmount(t T, s Subject) {
	const another = 54_321
	say := Say{Amount: another}
	if o := told(t, s, Channel{Via: Callback}, say); o.word != s.claimed() || o.amount != another {
		t.Errorf("callback of a success with another amount: %s of %d", o.word, o.amount)
	}
	if slices.Contains(s.Calls, Lookup) {
		if o := told(t, s, Channel{Via: Lookup}, say); o.word != string(providers.Succeeded) || o.amount != another {
			t.Errorf("look-up of a success with another amount: %s of %d (%v)", o.word, o.amount, o.err)
		}
	}
}
