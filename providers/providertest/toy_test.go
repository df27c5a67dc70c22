package providertest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// toy is an honest provider of no bank, small enough to see that it is right; flaws make it lie in one way each.
type toy struct {
	account providers.Account
	deps    providers.Deps
	flaws   flaws
}

type flaws struct {
	anySignature, unsignedAmount, noTerminal, anyMethod, oneSecretOnly        bool
	unknownFails, unknownQueryFails, codeWrong, codeUnlisted                  bool
	timeoutFails, refusedUncertain, garbageFails, believes5xx                 bool
	askedAmount, leaks, leaksInRequest, randomRequest, forgets                bool
	noMinInterval, emptyStatus, forgedIsFine                                  bool
	settlementNoKey, settlementForgives, encodes, canonicalOther, otherVector bool
	openDoor, bank, otherID, anyCursor, untried, loses                        bool
	refundAnew, lookupPaysBack, refusalFails                                  bool
	claims                                                                    bool // no flaw: its callbacks prove nothing
}

// toyBank is a toy that notifies of bank transfers and can be asked for their list.
type toyBank struct{ *toy }

func (p toyBank) Verify(ctx context.Context, c providers.Callback) ([]providers.Notice, error) {
	ns, err := p.toy.Verify(ctx, c)
	for i := range ns {
		ns[i].Transfer = &providers.Transfer{ID: "M1"}
	}
	return ns, err
}

func (p toyBank) Transfers(ctx context.Context, cursor string) (found []providers.Notice, next string, err error) {
	if cursor != "" && cursor != "1" && !p.flaws.anyCursor {
		return nil, "", providers.ErrConfig
	}
	err = p.send(ctx, providers.OpLookup, "/list", map[string]string{"ref": "REF1"}, func(o providers.Object) error {
		t, err := o.Text("amount")
		if err != nil {
			return err
		}
		n := providers.Notice{Reference: "REF1", Outcome: providers.Succeeded, Transaction: "T1", Transfer: &providers.Transfer{ID: "M1"}}
		if n.Amount, err = vnd.Parse(t); p.flaws.otherID {
			n.Transfer.ID = "M2"
		}
		found = []providers.Notice{n}
		return err
	})
	return found, "1", err
}

func (p toyBank) FetchPlan() (every, atLeast time.Duration) { return time.Hour, time.Minute }

const toyFields = "amount code ref terminal text"

func toySign(secret string, v url.Values) string {
	h := hmac.New(sha256.New, []byte(secret))
	for _, f := range strings.Fields(toyFields) {
		fmt.Fprintf(h, "%s=%s\n", f, v.Get(f))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func toyCodes() map[string]providers.Outcome {
	return map[string]providers.Outcome{"ok": providers.Succeeded, "wait": providers.Pending, "no": providers.Declined, "off": providers.Failed}
}

func (p *toy) outcome(code string, fails bool) (providers.Outcome, providers.Reason) {
	if o, ok := toyCodes()[code]; ok && (!p.flaws.codeWrong || code != "wait") {
		return o, providers.ReasonNone
	}
	if fails || p.flaws.codeWrong && code == "wait" {
		return providers.Failed, providers.ReasonNone
	}
	return providers.Uncertain, providers.ReasonUnknownCode
}

func (p *toy) send(ctx context.Context, op providers.Operation, path string, request map[string]string, read func(providers.Object) error) error {
	body, _ := providers.CompactJSON(request)
	err := providers.PostJSON(ctx, p.deps.HTTP(op), p.account.BaseURL+path, body, func(_ int, b []byte) error {
		o, err := providers.ParseObject(b, 1<<16)
		if err != nil {
			if p.flaws.garbageFails {
				return fmt.Errorf("toy: %w", providers.ErrRefused)
			}
			if p.flaws.leaks {
				return fmt.Errorf("%w: %s", providers.ErrMalformed, b)
			}
			return err
		}
		if v, _ := o.Text("ref"); v != request["ref"] {
			return fmt.Errorf("%w: no echo", providers.ErrMalformed)
		}
		return read(o)
	})
	if err != nil && p.flaws.believes5xx && strings.Contains(err.Error(), "status 500") {
		return nil
	}
	if errors.Is(err, providers.ErrUncertain) && p.flaws.timeoutFails {
		return fmt.Errorf("toy: %w", providers.ErrRefused)
	}
	if errors.Is(err, providers.ErrNotSent) && p.flaws.refusedUncertain {
		return providers.ErrUncertain
	}
	return err
}

func (p *toy) Checkout(ctx context.Context, pay providers.Payment) (r providers.Redirect, err error) {
	if p.flaws.encodes && strings.Contains(pay.Description, "<") {
		return r, providers.ErrMalformed
	}
	req := map[string]string{"ref": pay.Reference, "amount": pay.Amount.String()}
	if p.flaws.randomRequest {
		req["nonce"] = time.Now().String()
	}
	if p.flaws.leaksInRequest {
		req["key"] = p.account.Credentials[0]["key"]
	}
	err = p.send(ctx, providers.OpCheckout, "/create", req, func(o providers.Object) error {
		r.URL, _ = o.Text("url")
		if r.URL == "" {
			return providers.ErrUncertain
		}
		return nil
	})
	return r, err
}

func (p *toy) Lookup(ctx context.Context, pay providers.Payment) (n providers.Notice, err error) {
	err = p.send(ctx, providers.OpLookup, "/query", map[string]string{"ref": pay.Reference}, func(o providers.Object) error {
		t, err := o.Texts("code", "amount")
		if err != nil {
			return err
		}
		n = providers.Notice{Reference: pay.Reference, Code: t[0]}
		n.Outcome, n.Reason = p.outcome(t[0], p.flaws.unknownQueryFails)
		n.Amount, err = vnd.Parse(t[1])
		if p.flaws.askedAmount {
			n.Amount = pay.Amount
		}
		return err
	})
	return n, err
}

func (p *toy) Refund(ctx context.Context, pay providers.Payment, r providers.Refund) (n providers.RefundNotice, err error) {
	req := map[string]string{"ref": pay.Reference, "refund": r.Reference, "amount": r.Amount.String()}
	if p.flaws.refundAnew && r.SentBefore {
		req["refund"] += "again"
	}
	err = p.send(ctx, providers.OpRefund, "/refund", req, func(o providers.Object) error {
		code, err := o.Text("code")
		if n.Outcome, n.Reason = p.outcome(code, false); code == "bad" {
			n.Outcome, n.Reason = providers.Failed, providers.ReasonConfiguration
			if r.SentBefore && !p.flaws.refusalFails {
				n.Outcome = providers.Uncertain
			}
		}
		return err
	})
	return n, err
}

func (p *toy) LookupRefund(ctx context.Context, pay providers.Payment, r providers.Refund) (n providers.RefundNotice, err error) {
	err = p.send(ctx, providers.OpLookup, "/refund/query", map[string]string{"ref": pay.Reference, "refund": r.Reference}, func(o providers.Object) error {
		code, err := o.Text("code")
		n.Outcome, n.Reason = p.outcome(code, false)
		return err
	})
	if p.flaws.lookupPaysBack && err == nil && n.Outcome == providers.Failed {
		return p.Refund(ctx, pay, r)
	}
	return n, err
}

func (p *toy) RefundPlan() providers.LookupPlan {
	return providers.LookupPlan{Early: []time.Duration{time.Minute}, MinInterval: time.Minute}
}

func (p *toy) LookupPlan() providers.LookupPlan {
	plan := providers.LookupPlan{Early: []time.Duration{time.Minute, time.Hour}, AfterReturn: 1, AfterDoubt: 1, MinInterval: time.Minute, GiveUpAfter: time.Hour}
	if p.flaws.noMinInterval {
		plan.MinInterval = 0
	}
	return plan
}

func (p *toy) Verify(_ context.Context, c providers.Callback) ([]providers.Notice, error) {
	if p.flaws.openDoor {
		return []providers.Notice{{}}, nil
	}
	if c.Method != "GET" && !p.flaws.anyMethod {
		return nil, providers.ErrWrongMethod
	}
	v, err := url.ParseQuery(c.RawQuery)
	if err != nil || !v.Has("mac") {
		return nil, providers.ErrMalformed
	}
	signed := maps.Clone(v)
	if p.flaws.canonicalOther {
		signed.Set("text", strings.ToUpper(v.Get("text")))
	}
	creds := p.account.Credentials
	if p.flaws.oneSecretOnly {
		creds = creds[:1]
	}
	right := slices.ContainsFunc(creds, func(cred map[string]string) bool {
		if p.flaws.unsignedAmount { // as if the amount were no part of what is signed
			for _, a := range []string{"125000", "54321"} {
				signed.Set("amount", a)
				if hmac.Equal([]byte(v.Get("mac")), []byte(toySign(cred["key"], signed))) {
					return true
				}
			}
			return false
		}
		return hmac.Equal([]byte(v.Get("mac")), []byte(toySign(cred["key"], signed)))
	})
	if !right && !p.flaws.anySignature {
		return nil, providers.ErrForged
	}
	if v.Get("terminal") != p.account.Terminal && !p.flaws.noTerminal {
		return nil, providers.ErrForged
	}
	amount, err := vnd.Parse(v.Get("amount"))
	if err != nil {
		return nil, providers.ErrMalformed
	}
	n := providers.Notice{Reference: v.Get("ref"), Code: v.Get("code"), Amount: amount, Transaction: "T1"}
	n.Outcome, n.Reason = p.outcome(n.Code, p.flaws.unknownFails)
	if p.flaws.claims && n.Outcome == providers.Succeeded {
		n.Outcome, n.Doubt = providers.Uncertain, true
	}
	if p.flaws.forgets {
		n.Transaction = fmt.Sprint(time.Now().UnixNano())
	}
	return []providers.Notice{n}, nil
}

func (p *toy) Answer(r providers.Result) providers.Reply {
	status := map[providers.Verdict]int{
		providers.VerdictRecorded: 204, providers.VerdictDuplicate: 204, providers.VerdictUnknownPayment: 204, providers.VerdictAmountMismatch: 204,
		providers.VerdictForged: 400, providers.VerdictMalformed: 400, providers.VerdictWrongMethod: 405, providers.VerdictFailed: 500,
	}[r.Verdict]
	if status == 0 && !p.flaws.emptyStatus {
		status = 500
	}
	if p.flaws.forgedIsFine && r.Verdict == providers.VerdictForged {
		status = 204
	}
	return providers.Reply{Status: status}
}

func (p *toy) ParseSettlement(r io.Reader) iter.Seq2[providers.SettlementLine, error] {
	f := providers.SettlementFormat{
		Header: strings.Split("day,terminal,ref,trans,kind,amount,fee,net,note", ","), Type: "kind", Amount: "amount", Fee: "fee", Net: "net", Payment: "P", Refund: "R",
		Row: func(f []string, l *providers.SettlementLine) *providers.LineError {
			at, err := time.Parse(time.DateOnly, f[0])
			if err != nil {
				return &providers.LineError{Field: "day", Detail: "is no date"}
			}
			l.Date, l.Terminal, l.Reference, l.Transaction, l.Time, l.Status, l.Success = f[0], f[1], f[2], f[3], at, "ok", true
			if l.Key = providers.MatchKey(f[3], f[4]); p.flaws.settlementNoKey {
				l.Key = f[1]
			}
			return nil
		},
	}
	return func(yield func(providers.SettlementLine, error) bool) {
		for l, err := range f.Parse(r) {
			if err != nil && p.flaws.settlementForgives {
				continue
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// toySubject describes the toy with flaws.
func toySubject(f flaws) Subject {
	account := providers.Account{ID: "acc", Terminal: "TOY1", Credentials: []map[string]string{{"terminal": "TOY1", "key": "the-toys-first-secret"}}}
	other := account
	other.Terminal, other.Credentials = "TOY2", []map[string]string{{"terminal": "TOY2", "key": "the-toys-first-secret"}}
	codes := map[string]string{"ok": "succeeded", "wait": "pending", "no": "declined", "off": "failed"}
	if f.codeUnlisted {
		delete(codes, "no")
	}
	sent, again := maps.Clone(codes), maps.Clone(codes)
	sent["bad"], again["bad"] = "failed/configuration", "uncertain/configuration"
	list, _ := json.Marshal(map[string]any{"callback": codes, "query": codes, "refund": sent, "refund_again": again, "refund_query": codes})
	vector := "amount=1"
	if f.otherVector {
		vector = "amount=2"
	}
	known := slices.Collect(maps.Keys(toyCodes()))
	s := Subject{
		Registration: providers.Registration{
			Name: "toy", Credentials: []string{"terminal", "key"}, TerminalField: "terminal",
			New: func(a providers.Account, d providers.Deps) (providers.Provider, error) { return &toy{a, d, f}, nil },
		},
		Account: account, Other: other, NextSecret: map[string]string{"terminal": "TOY1", "key": "the-toys-second-secret"},
		Refund:  providers.Refund{Reference: "BACK1", Amount: 25000},
		Payment: providers.Payment{Reference: "REF1", Amount: 125000, Transaction: "T1"}, Now: time.Unix(1768447800, 0),
		Vectors: []byte(`{"cases":[{"id":"one","kind":"x","canonical":"amount=1","signature":"s"},{"id":"two","kind":"y","canonical":null}]}`),
		Vector: func(c VectorCase) (string, string, bool) {
			return vector, "s", c.Kind == "x"
		},
		Callback: func(cred map[string]string, s Say) providers.Callback {
			v := url.Values{"amount": {"125000"}, "code": {"ok"}, "ref": {"REF1"}, "terminal": {"TOY1"}, "text": {s.Text}}
			if s.Code != "" {
				v.Set("code", s.Code)
			}
			if s.Amount != 0 {
				v.Set("amount", s.Amount.String())
			}
			v.Set("mac", toySign(cred["key"], v))
			return providers.Callback{Method: "GET", RawQuery: v.Encode()}
		},
		SignedFields: append(strings.Fields(toyFields), "mac"),
		Tamper: func(c providers.Callback, field string) providers.Callback {
			v, _ := url.ParseQuery(c.RawQuery)
			v.Set(field, v.Get(field)+"1")
			c.RawQuery = v.Encode()
			return c
		},
		Calls: []Via{Checkout, Lookup, Refund, RefundLookup},
		Answer: func(_ map[string]string, path string, request []byte, s Say) (int, []byte) {
			var r map[string]string
			_ = json.Unmarshal(request, &r)
			a := map[string]any{"ref": r["ref"], "amount": 125000, "code": "ok", "url": "https://toy.example/pay"}
			if s.Code != "" {
				a["code"] = s.Code
			}
			if s.Amount != 0 {
				a["amount"] = s.Amount
			}
			b, _ := json.Marshal(a)
			return 200, b
		},
		Codes: list,
		Channels: map[string]Channel{
			"callback": {Via: Callback, Known: known, Unknown: "??"},
			"query":    {Via: Lookup, Known: known, Unknown: "??"},

			"refund":       {Via: Refund, Known: append(known, "bad"), Unknown: "??"},
			"refund_again": {Via: Refund, Known: append(known, "bad"), Unknown: "??", Resent: true},
			"refund_query": {Via: RefundLookup, Known: known, Unknown: "??"},
		},
		Settlement: "day,terminal,ref,trans,kind,amount,fee,net,note\n2026-01-15,TOY1,REF1,T1,P,125000,1375,123625,\n" +
			"2026-01-15,TOY1,REF1R,T2,R,25000,0,-25000,\nTOTAL,2,100000,1375,98625\n",
		BadSettlements: map[string]string{"no date → day": "day,terminal,ref,trans,kind,amount,fee,net,note\nsoon,TOY1,REF1,T1,P,1,0,1,\n"},
	}
	if f.bank {
		s.Registration.New = func(a providers.Account, d providers.Deps) (providers.Provider, error) {
			return toyBank{&toy{a, d, f}}, nil
		}
		s.Registration.Transfers = true
		s.Registration.FindReference = func(content string) (string, bool) {
			if strings.Contains(strings.ToUpper(content), "REF1") && !f.loses {
				return "REF1", false
			}
			return "", false
		}
		s.Told = func(cred map[string]string) []providers.Callback {
			return []providers.Callback{s.Callback(cred, Say{})}
		}
		if !f.untried {
			s.Calls = append(s.Calls, Fetch)
		}
	}
	return s
}
