// Package providertest is the conformance suite that every provider passes. A provider's test describes itself as a
// [Subject], playing its own other side, and calls [Run]; each check has a name, and a provider that breaks one of the
// house's laws fails the check of that name.
package providertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
)

// claimed is the word of a rightly signed callback of a success.
func (s Subject) claimed() string {
	if s.Unproven {
		return string(providers.Uncertain)
	}
	return string(providers.Succeeded)
}

// separator stands between the columns of the settlement file.
func (s Subject) separator() string {
	if s.Separator == "" {
		return ","
	}
	return s.Separator
}

// T is what a check needs of *testing.T, so that the suite itself can be tested.
type T interface {
	Helper()
	Errorf(format string, args ...any)
}

// Via is where a provider's code arrives.
type Via string

// The ways in which a provider tells us something.
const (
	Callback     Via = "callback"
	Checkout     Via = "checkout"
	Lookup       Via = "lookup"
	Refund       Via = "refund"
	RefundLookup Via = "refund_lookup"
	Cancel       Via = "cancel" // where the provider is a Canceller
	Fetch        Via = "fetch"  // where it is a TransferFetcher
)

// Say is what the provider is made to say. The zero value is a success of the subject's payment or refund.
type Say struct {
	Channel string     // "" or a name of Subject.Channels
	Code    string     // in that channel
	Amount  vnd.Amount // 0 = as asked
	Text    string     // in the callback's free text field; "" = any
}

// Channel is one table of result codes.
type Channel struct {
	Via     Via
	Known   []string // the codes in the adapter's own table
	Unknown string   // a code that no table has
	Resent  bool     // for refunds: a sending was tried before
}

// Subject describes a provider to the suite.
type Subject struct {
	Registration providers.Registration
	Account      providers.Account // with one active secret; its URLs are paths below the base
	NextSecret   map[string]string // the credentials after a rotation
	Other        providers.Account // another terminal that has the same secret
	Payment      providers.Payment // Transaction is set, as for a refund
	Refund       providers.Refund  // used where the provider is a Refunder
	Now          time.Time

	// Vectors is the file of published vectors; Vector recomputes one case. handled = false fails a case that has a
	// canonical string, and is right for one that has none.
	Vectors []byte
	Vector  func(c VectorCase) (canonical, signature string, handled bool)

	// Callback makes the provider's call, signed with the credentials; Tamper changes a field of it afterwards.
	Callback     func(credentials map[string]string, s Say) providers.Callback
	SignedFields []string
	// Unproven: the wire's signature is too weak to prove a payment, so a callback's success is a claim: its notice is Uncertain
	// with Doubt, and the look-up decides. Refuses are characters that make a callback unreadable, however rightly it is signed.
	Unproven bool
	Refuses  string
	Tamper   func(c providers.Callback, field string) providers.Callback

	// Calls are the ways that send a request; Answer plays the provider's answer to one.
	Calls  []Via
	Answer func(credentials map[string]string, path string, request []byte, s Say) (status int, body []byte)

	// Codes is the list {channel: {code: result}}; a result is "outcome", "outcome/reason", "redirect" or "error:kind" with
	// kind not_sent, uncertain, refused or config. It must list exactly the channel's known codes.
	Codes    []byte
	Channels map[string]Channel

	// Settlement is a right file of the account with a payment, a refund and a TOTAL. BadSettlements are wrong ones by what
	// is wrong, each with a part of the error to expect after a "→".
	Separator      string // between its columns; "" = a comma
	Settlement     string
	BadSettlements map[string]string

	// Lacks is what the provider's wire does not have. Each is proven, not passed over: see lacks.go.
	Lacks Lacks
	// Told are the calls of so many movements of Fetch's answer, each as the provider's server makes it, in the order of the list.
	Told func(credentials map[string]string) []providers.Callback
}

// Check is one law.
type Check struct {
	Name string
	Func func(T, Subject)
	Asks string // what is asked, for who meets it red
}

// Checks are all laws.
func Checks() []Check {
	return []Check{
		{"vectors", checkVectors,
			"testdata/vectors.json holds the published test messages, and Subject.Vector recomputes the signed text and the signature of each. Where the vendor publishes none, compute some by another program."},
		{"canonical", checkCanonical,
			"Verify accepts a rightly signed callback whatever text it carries, and Checkout takes any description: encode, normalise and escape exactly as the vendor does."},
		{"tampering", checkTampering,
			"Verify answers ErrForged or ErrMalformed when any one of Subject.SignedFields is changed, when a stranger signs, and when half of a message comes."},
		{"replay", checkReplay,
			"Verify gives the same notice for the same bytes: our reference, the amount, and a time or transaction of the payment."},
		{"wrong-account", checkWrongAccount,
			"Verify compares the terminal in the message with the account's own: two accounts may have one secret."},
		{"wrong-method", checkWrongMethod,
			"Verify answers ErrWrongMethod to an HTTP method that the vendor never uses."},
		{"rotation", checkRotation,
			"Verify tries every active secret of Account.Credentials and none that has been taken out; sign with the first."},
		{"unknown-code", checkUnknownCode,
			"A code that no table has is Uncertain, never a failure. Name each table of codes in Subject.Channels."},
		{"codes", checkCodes,
			"testdata/codes.json lists every code of the vendor's document with what it means, and the adapter's table says the same."},
		{"amount", checkAmount,
			"The amount of a notice is the one that the provider names, not the one that was asked."},
		{"repeatable", checkRepeatable,
			"The same payment makes the same request, byte for byte: no random and no time of ours in it."},
		{"refund-twice", checkRefundTwice,
			"A refund that is sent again is the same request, byte for byte; asking after it pays nothing back; and a refusal of the second sending does not say that the first one failed."},
		{"timeout", checkTimeout,
			"No answer in time, or half of one, is ErrUncertain: the money may have moved. providers.PostJSON does this."},
		{"not-sent", checkNotSent,
			"Where nobody listens nothing was sent, and the error is ErrNotSent. providers.PostJSON does this."},
		{"garbage", checkGarbage,
			"An answer that says nothing (a page, a 5xx, a redirect, names twice, an empty object) is ErrUncertain, whatever it seems to say."},
		{"settlement", checkSettlement,
			"ParseSettlement reads a right file (Subject.Settlement, with a payment, a refund and a TOTAL) and fills every field that matching needs."},
		{"settlement-bad", checkBadSettlement,
			"ParseSettlement refuses what cannot be right, with the line and the field; Subject.BadSettlements adds what only this file can get wrong."},
		{"secrets", checkSecrets,
			"No secret stands in an error, a request, a redirect or an answer."},
		{"plan", checkPlan,
			"LookupPlan says when to ask: rising times within a day, a minimum interval, what to do after a return and a doubt, and when to give up."},
		{"answers", checkAnswers,
			"Answer gives a valid reply for every verdict, and never thanks for a message that was forged, unreadable or not kept."},
		{"calls", checkCalls,
			"Subject.Calls lists whatever the provider can be asked: each is tried under every fault."},
		{"fetch", checkFetch,
			"A list of transfers tells of a movement exactly as the callback did, so that it is known again."},
	}
}

// Run runs every check as a subtest of its name.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			s.Lacks.or(c)(t, s)
			if t.Failed() {
				t.Logf("what %s asks: %s", c.Name, c.Asks)
			}
		})
	}
}

// world is the subject's provider with a server that plays the other side.
type world struct {
	subject Subject
	p       providers.Provider
	server  *httptest.Server

	mu       sync.Mutex
	requests [][]byte
}

// handler plays the other side; nil = as the subject answers.
type handler func(w http.ResponseWriter, path string, request []byte)

// newWorld starts the other side. timeout is the client's; 0 = long enough.
func newWorld(t T, s Subject, h handler, timeout time.Duration) (w *world, stop func()) {
	t.Helper()
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	if h == nil {
		h = saying(s, Say{})
	}
	w = &world{subject: s}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.requests = append(w.requests, b)
		w.mu.Unlock()
		h(rw, r.URL.Path, b)
	}))
	w.p = build(t, s, w.server.URL, timeout)
	return w, func() { w.server.CloseClientConnections(); w.server.Close() }
}

// saying answers as the provider would.
func saying(s Subject, say Say) handler {
	return func(rw http.ResponseWriter, path string, request []byte) {
		status, body := s.Answer(s.Account.Credentials[0], path, request, say)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_, _ = rw.Write(body)
	}
}

// build makes the provider for an account whose provider answers at base.
func build(t T, s Subject, base string, timeout time.Duration) providers.Provider {
	t.Helper()
	a := s.Account
	a.BaseURL, a.URLs = base, map[string]string{}
	for purpose, path := range s.Account.URLs { // the subject's paths, at the server that plays the other side
		a.URLs[purpose] = base + path
	}
	g := breaker.New(breaker.Settings{Failures: 1 << 20})
	p, err := providers.NewRegistry(s.Registration).New(s.Registration.Name, a, providers.Deps{
		HTTP: func(op providers.Operation) *http.Client { return g.Client(a.ID, op, timeout) },
		Now:  func() time.Time { return s.Now },
	})
	if err != nil {
		t.Errorf("the account is refused: %v", err)
		return nil
	}
	return p
}

// outcome is a result in the words of the code list.
type outcome struct {
	word   string
	err    error
	amount vnd.Amount
	notice providers.Notice
	at     providers.Redirect
}

func wordOf(o providers.Outcome, r providers.Reason) string {
	if r == providers.ReasonNone {
		return string(o)
	}
	return string(o) + "/" + string(r)
}

func errorWord(err error) string {
	switch {
	case errors.Is(err, providers.ErrNotSent):
		return "error:not_sent"
	case errors.Is(err, providers.ErrUncertain):
		return "error:uncertain"
	case errors.Is(err, providers.ErrRefused):
		return "error:refused"
	case errors.Is(err, providers.ErrConfig):
		return "error:config"
	case errors.Is(err, providers.ErrForged):
		return "error:forged"
	case errors.Is(err, providers.ErrMalformed):
		return "error:malformed"
	}
	return "error:outside the closed set: " + err.Error()
}

// do makes one call of the provider.
func (w *world) do(via Via, resent bool) outcome {
	ctx := context.Background()
	s := w.subject
	refund := s.Refund
	refund.SentBefore = resent
	var o outcome
	switch via {
	case Checkout:
		if o.at, o.err = w.p.Checkout(ctx, s.Payment); o.err == nil {
			o.word = "redirect"
		}
	case Lookup:
		if o.notice, o.err = w.p.Lookup(ctx, s.Payment); o.err == nil {
			o.word, o.amount = wordOf(o.notice.Outcome, o.notice.Reason), o.notice.Amount
		}
	case Refund, RefundLookup:
		r, ok := w.p.(providers.Refunder)
		if !ok {
			o.err = errors.New("the provider is no Refunder")
			break
		}
		call := r.Refund
		if via == RefundLookup {
			call = r.LookupRefund
		}
		var n providers.RefundNotice
		if n, o.err = call(ctx, s.Payment, refund); o.err == nil {
			o.word = wordOf(n.Outcome, n.Reason)
		}
	case Cancel:
		c, ok := w.p.(providers.Canceller)
		if !ok {
			o.err = errors.New("the provider is no Canceller")
			break
		}
		if o.err = c.Cancel(ctx, s.Payment); o.err == nil {
			o.word = "cancelled"
		}
	case Fetch:
		f, ok := w.p.(providers.TransferFetcher)
		if !ok {
			o.err = errors.New("the provider is no TransferFetcher")
			break
		}
		if _, _, o.err = f.Transfers(ctx, ""); o.err == nil {
			o.word = "fetched"
		}
	}
	if o.err != nil {
		o.word = errorWord(o.err)
	}
	return o
}

// verify gives the result of a callback.
func verify(p providers.Provider, c providers.Callback) outcome {
	ns, err := p.Verify(context.Background(), c)
	switch {
	case err != nil && len(ns) > 0:
		return outcome{word: "a notice beside an error", err: err}
	case err != nil:
		return outcome{word: errorWord(err), err: err}
	case len(ns) != 1:
		return outcome{word: "not one notice"}
	}
	return outcome{word: wordOf(ns[0].Outcome, ns[0].Reason), amount: ns[0].Amount, notice: ns[0]}
}
