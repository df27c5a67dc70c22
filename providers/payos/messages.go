package payos

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/vietqr"
)

// Codes of the envelope that are known. What else comes is not known, and what is not known has not failed.
const (
	codeOK        = "00"
	codeInvalid   = "20"
	codeNotFound  = "101"
	codeSignature = "201"
	codeUsed      = "231"
)

// creations are the codes of a create: nil = a link is there.
func creations() map[string]error {
	return map[string]error{
		codeOK:        nil,
		codeInvalid:   &providers.RefusedError{Kind: providers.ErrRefused, Code: codeInvalid, Reason: providers.ReasonConfiguration},
		codeSignature: &providers.RefusedError{Kind: providers.ErrConfig, Code: codeSignature, Reason: providers.ReasonConfiguration},
		codeUsed:      fmt.Errorf("%w: the number is used: an earlier sending may have made the link", providers.ErrUncertain),
	}
}

// gets are the codes of a look-up beside success.
func gets() []string { return []string{codeNotFound, codeSignature} }

// meaning is what a link's state says.
type meaning struct {
	outcome providers.Outcome
	reason  providers.Reason
}

// states of a link. Whatever it says, each transfer is money of its own, and may still come after a final one.
func states() map[string]meaning {
	return map[string]meaning{
		"PENDING":    {providers.Pending, providers.ReasonNone},
		"PROCESSING": {providers.Pending, providers.ReasonNone},
		"UNDERPAID":  {providers.Pending, providers.ReasonNone}, // the rest may come
		"PAID":       {providers.Succeeded, providers.ReasonNone},
		"CANCELLED":  {providers.Failed, providers.ReasonPayerCancelled},
		"EXPIRED":    {providers.Expired, providers.ReasonExpired},
		"FAILED":     {providers.Failed, providers.ReasonTechnical},
	}
}

func unknownCode(code string) error {
	return fmt.Errorf("%w: code %s", providers.ErrUncertain, code)
}

func readCreate(a answer, req createRequest) (providers.Redirect, error) {
	err, known := creations()[a.code]
	switch {
	case !known:
		return providers.Redirect{}, unknownCode(a.code)
	case err != nil:
		return providers.Redirect{}, err
	}
	t, err := texts(a.data, "checkoutUrl", "qrCode", "bin", "accountNumber", "accountName", "amount", "description", "orderCode")
	if err != nil {
		return providers.Redirect{}, err
	}
	if t[7] != strconv.FormatUint(req.OrderCode, 10) || t[5] != req.Amount.String() {
		return providers.Redirect{}, fmt.Errorf("%w: the answer is of another link than was asked for", providers.ErrUncertain)
	}
	u, err := url.Parse(t[0])
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return providers.Redirect{}, fmt.Errorf("%w: no address to pay at", providers.ErrMalformed)
	}
	r := providers.Redirect{URL: t[0], QRPayload: t[1]}
	if t[3] != "" { // what payOS says stands, whatever we asked for: it may put a word of its own in front
		r.Transfer = &providers.TransferTo{BankBIN: t[2], BankName: bankName(t[2]), AccountNumber: t[3], AccountName: t[4], Amount: req.Amount, Content: t[6]}
	}
	return r, nil
}

// readGet reads a link's state and transfers.
func (p *provider) readGet(a answer, reference string, order uint64) (providers.Notice, error) {
	n := providers.Notice{Reference: reference, Code: a.code}
	switch a.code {
	case codeOK:
	case codeNotFound:
		n.Outcome = providers.NotFound
		return n, nil
	case codeSignature:
		return n, &providers.RefusedError{Kind: providers.ErrConfig, Code: a.code, Reason: providers.ReasonConfiguration}
	default:
		return n, unknownCode(a.code)
	}
	t, err := texts(a.data, "id", "orderCode", "status", "amountPaid")
	if err != nil {
		return n, err
	}
	if t[1] != strconv.FormatUint(order, 10) {
		return n, fmt.Errorf("%w: the answer is of another link than was asked for", providers.ErrUncertain)
	}
	n.Code, n.Transaction = t[2], t[0]
	m, known := states()[n.Code]
	if !known {
		m = meaning{providers.Uncertain, providers.ReasonUnknownCode}
	}
	n.Outcome, n.Reason = m.outcome, m.reason
	if n.Amount, err = vnd.Parse(t[3]); err != nil {
		return n, fmt.Errorf("%w: amountPaid", providers.ErrMalformed)
	}
	rows, ok := a.data["transactions"].([]any)
	if !ok && a.data["transactions"] != nil {
		return n, fmt.Errorf("%w: transactions", providers.ErrMalformed)
	}
	for _, row := range rows {
		o, ok := row.(map[string]any)
		if !ok {
			return n, fmt.Errorf("%w: transactions", providers.ErrMalformed)
		}
		part, err := p.movement(o, t[0], t[1])
		if err != nil {
			return n, err
		}
		n.Parts = append(n.Parts, part)
		if part.PaidAt.After(n.PaidAt) {
			n.PaidAt = part.PaidAt
		}
	}
	if n.Outcome == providers.Succeeded && (n.Amount == 0 || len(n.Parts) == 0) {
		return n, fmt.Errorf("%w: paid, and no transfer is told", providers.ErrUncertain)
	}
	return n, nil
}

func readCancel(a answer, order uint64) error {
	if a.code == codeSignature {
		return &providers.RefusedError{Kind: providers.ErrConfig, Code: a.code, Reason: providers.ReasonConfiguration}
	}
	if a.code != codeOK {
		return unknownCode(a.code)
	}
	t, err := texts(a.data, "orderCode", "status")
	if err != nil {
		return err
	}
	if t[0] != strconv.FormatUint(order, 10) || t[1] != "CANCELLED" {
		return fmt.Errorf("%w: the link is not cancelled: %.20q", providers.ErrUncertain, t[1])
	}
	return nil
}

// readWebhook reads a webhook, not yet authenticated.
func readWebhook(c providers.Callback) (message, error) {
	if c.Method != http.MethodPost || c.Return {
		return message{}, providers.ErrWrongMethod
	}
	if kind := c.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return message{}, fmt.Errorf("%w: not JSON", providers.ErrMalformed)
		}
	}
	m, err := readMessage(c.Body, maxBody)
	if err == nil && (m.data == nil || m.signature == "") {
		err = fmt.Errorf("%w: no data or no signature", providers.ErrMalformed)
	}
	return m, err
}

// trial reports whether payOS tries an address with its sample, which tells of no money. No reference of ours has its number.
func (m message) trial() bool {
	t, err := texts(m.data, "orderCode", "description")
	return err == nil && t[0] == "123" && t[1] == "VQRIO123"
}

// notice is an authentic webhook in our words: one bank transfer.
func (p *provider) notice(m message) (providers.Notice, error) {
	t, err := texts(m.data, "orderCode", "paymentLinkId", "code", "currency", "amount")
	if err != nil {
		return providers.Notice{}, err
	}
	if t[0] == "" {
		return providers.Notice{}, fmt.Errorf("%w: no orderCode", providers.ErrMalformed)
	}
	if t[2] != codeOK || t[3] != "" && t[3] != "VND" { // not known to occur: ask what became of it
		amount, err := vnd.Parse(t[4])
		if err != nil {
			return providers.Notice{}, fmt.Errorf("%w: amount", providers.ErrMalformed)
		}
		return providers.Notice{Reference: referenceOf(t[0]), Outcome: providers.Uncertain, Code: t[2], Reason: providers.ReasonUnknownCode, Amount: amount, Doubt: true}, nil
	}
	return p.movement(m.data, t[1], t[0])
}

// readReturn reads what a browser brings back. Nobody vouches for it: it changes nothing, and has payOS asked.
func readReturn(query string) (providers.Notice, error) {
	if len(query) > maxBody {
		return providers.Notice{}, fmt.Errorf("%w: too long", providers.ErrMalformed)
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(q["orderCode"]) != 1 {
		return providers.Notice{}, fmt.Errorf("%w: no orderCode", providers.ErrMalformed)
	}
	reference := referenceOf(q.Get("orderCode"))
	if reference == "" {
		return providers.Notice{}, fmt.Errorf("%w: the orderCode is not one of ours", providers.ErrMalformed)
	}
	return providers.Notice{Reference: reference, Outcome: providers.Uncertain, Doubt: true}, nil
}

// bankName is what people call the bank of six digits: "" where the table has none.
func bankName(bin string) string {
	b, err := vietqr.FindBank(bin)
	if err != nil {
		return ""
	}
	return b.Name
}
