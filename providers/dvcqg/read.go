package dvcqg

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/dvcqg/mapping"
)

// message is the plain fields of a message by name; digits are as received.
type message map[string]string

func (v message) value(name string) string { return v[name] }

// readMessage reads a JSON object. A value that may not stand between separators makes the whole of it unreadable: the same
// bytes could be read as other fields under the same digest.
func (p *provider) readMessage(body []byte, limit int) (message, error) {
	o, err := providers.ParseObject(body, limit)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, name := range p.m.Fields {
		named[name] = true
	}
	v := message{}
	for name := range o {
		text, err := o.Text(name)
		if err != nil {
			if named[name] && name != p.m.Name(mapping.ReceiptInfo) {
				return nil, err
			}
			continue // a block that nothing of ours reads
		}
		v[name] = text
	}
	return v, p.separate(v)
}

func (p *provider) separate(v message) error {
	for _, text := range v {
		if mapping.Unhashable(text, p.m.Hash.Separator) {
			return fmt.Errorf("%w: a value holds the separator, a control character or a line break", providers.ErrMalformed)
		}
	}
	return nil
}

// read authenticates what comes in: the platform's POST, or what a payer brings back.
func (p *provider) read(c providers.Callback) (providers.Notice, error) {
	var v message
	var err error
	switch {
	case c.Method == http.MethodPost && !c.Return:
		v, err = p.readMessage(c.Body, maxCallback)
	case c.Method == http.MethodGet && c.Return:
		v, err = p.readReturn(c.RawQuery)
		if err == nil && p.m.Return == "reference" { // it only says whose page is to be shown
			if ref := v[p.m.Name(mapping.Reference)]; validReference(ref) {
				return providers.Notice{Reference: ref, Outcome: providers.Uncertain, Doubt: true, ReadBy: p.m.ID()}, nil
			}
			err = fmt.Errorf("%w: no reference", providers.ErrMalformed)
		}
	default:
		err = providers.ErrWrongMethod
	}
	if err != nil {
		return providers.Notice{}, err
	}
	if !p.isSigned(mapping.Callback, v.value) {
		return providers.Notice{}, fmt.Errorf("%w: digest", providers.ErrForged)
	}
	if v[p.m.Name(mapping.Partner)] != p.partner {
		return providers.Notice{}, fmt.Errorf("%w: another partner", providers.ErrForged)
	}
	return p.notice(v)
}

// readReturn reads a payer's query string.
func (p *provider) readReturn(query string) (message, error) {
	if p.m.Return == "none" || len(query) > maxCallback {
		return nil, fmt.Errorf("%w: a return tells nothing", providers.ErrMalformed)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("%w: not a query string", providers.ErrMalformed)
	}
	v := message{}
	for name, all := range q {
		if len(all) != 1 {
			return nil, fmt.Errorf("%w: a parameter occurs twice", providers.ErrMalformed)
		}
		v[name] = all[0]
	}
	return v, p.separate(v)
}

// notice is what a rightly signed callback says.
func (p *provider) notice(v message) (providers.Notice, error) {
	amount, err := vnd.Parse(v[p.m.Name(mapping.Amount)])
	reference := v[p.m.Name(mapping.Reference)]
	if err != nil || reference == "" {
		return providers.Notice{}, fmt.Errorf("%w: amount or reference", providers.ErrMalformed)
	}
	n := providers.Notice{Reference: reference, Code: v[p.m.Name(mapping.Code)], Amount: amount, Transaction: v[p.m.Name(mapping.Transaction)],
		PaidAt: readTime(v[p.m.Name(mapping.Time)]), ReadBy: p.m.ID()}
	n.Outcome, n.Reason, n.Doubt = p.claim(n.Code)
	if v[p.m.Name(mapping.Currency)] != p.m.Values[mapping.Currency] { // an amount of something else is no amount of ours
		n.Outcome, n.Reason, n.Doubt, n.Amount = providers.Uncertain, providers.ReasonSuspicious, true, 0
	}
	return n, nil
}

// readInit gives the address to pay at: a JSON text inside the answer's JSON.
func (p *provider) readInit(status int, body []byte) (providers.Redirect, error) {
	o, err := providers.ParseObject(body, maxAnswer)
	if err != nil {
		return providers.Redirect{}, err
	}
	t, err := o.Texts(p.m.Name(mapping.InitCode), p.m.Name(mapping.InitText))
	if err != nil {
		return providers.Redirect{}, err
	}
	code, class := t[0], p.m.Codes.Init[t[0]]
	switch {
	case code == "":
		return providers.Redirect{}, fmt.Errorf("%w: no code", providers.ErrMalformed)
	case refusal(class, code) != nil:
		return providers.Redirect{}, refusal(class, code)
	case class != mapping.Accepted || status != http.StatusOK:
		return providers.Redirect{}, fmt.Errorf("%w: code %s under HTTP status %d", providers.ErrUncertain, brief(code), status)
	}
	inner, err := providers.ParseObject([]byte(t[1]), maxAnswer)
	if err != nil {
		return providers.Redirect{}, err
	}
	address, err := inner.Text(p.m.Name(mapping.PayURL))
	if err != nil {
		return providers.Redirect{}, err
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return providers.Redirect{}, fmt.Errorf("%w: no address to pay at", providers.ErrMalformed)
	}
	return providers.Redirect{URL: address}, nil
}

// readQuery reads the platform's word. Unless the mapping knows a hash of it, TLS and the echo of our reference vouch for it.
func (p *provider) readQuery(status int, body []byte, pay providers.Payment, asked time.Time) (providers.Notice, error) {
	v, err := p.readMessage(body, maxAnswer)
	if err != nil {
		return providers.Notice{}, err
	}
	code := v[p.m.Name(mapping.Code)]
	class := p.m.Codes.Query[code]
	switch {
	case code == "":
		return providers.Notice{}, fmt.Errorf("%w: no code", providers.ErrMalformed)
	case status != http.StatusOK:
		return providers.Notice{}, fmt.Errorf("%w: HTTP status %d", providers.ErrUncertain, status)
	case refusal(class, code) != nil:
		return providers.Notice{}, refusal(class, code)
	case len(p.m.Hashes[mapping.QueryAnswer]) > 0 && !p.isSigned(mapping.QueryAnswer, v.value):
		return providers.Notice{}, fmt.Errorf("%w: the answer's digest does not match", providers.ErrUncertain)
	}
	for role, want := range map[string]string{
		mapping.Reference: pay.Reference, mapping.Partner: p.partner, mapping.Currency: p.m.Values[mapping.Currency],
	} {
		got := v[p.m.Name(role)]
		if got != want && (got != "" || role == mapping.Reference && class == mapping.Read) {
			return providers.Notice{}, fmt.Errorf("%w: the answer's %s is not what was asked", providers.ErrUncertain, p.m.Name(role))
		}
	}
	n := providers.Notice{Reference: pay.Reference, Code: code, ReadBy: p.m.ID(), Outcome: providers.Uncertain, Reason: providers.ReasonUnknownCode}
	switch class {
	case mapping.NotFound:
		n.Outcome, n.Reason = providers.NotFound, providers.ReasonNone
		return n, nil
	case mapping.Read:
	default: // a code that nobody has told us: whatever stands beside it does not count
		return n, nil
	}
	state := v[p.m.Name(mapping.Status)]
	n.Code, n.Transaction = code+"/"+brief(state), v[p.m.Name(mapping.Transaction)]
	n.Outcome, n.Reason = meaning(p.m.Statuses[state])
	if text := v[p.m.Name(mapping.Amount)]; text != "" {
		if n.Amount, err = vnd.Parse(text); err != nil {
			return providers.Notice{}, fmt.Errorf("%w: amount", providers.ErrMalformed)
		}
	}
	if n.Outcome == providers.Succeeded && n.Amount == 0 {
		return providers.Notice{}, fmt.Errorf("%w: a success without an amount", providers.ErrUncertain)
	}
	// Whether the time is the payment's or the question's echoed is not known: what was asked, or is not yet, is not taken for it.
	if at := readTime(v[p.m.Name(mapping.Time)]); n.Outcome == providers.Succeeded && wireTime(at) != wireTime(asked) && !at.After(p.deps.Now().Add(time.Minute)) {
		n.PaidAt = at
	}
	return n, nil
}

// brief keeps a code that is far too long to be one out of records and errors.
func brief(s string) string {
	if len(s) > 20 {
		return "…"
	}
	return s
}

func isPDF(b []byte) bool { return bytes.HasPrefix(b, []byte("%PDF-")) }
