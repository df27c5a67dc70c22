package dvcqg

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/dvcqg/mapping"
)

const (
	timeLayout   = "20060102150405"
	maxReference = 64
	maxText      = 200 // no limit is known: short enough for a bank's statement
)

// zone is Vietnam's time, which has no daylight saving.
func zone() *time.Location { return time.FixedZone("+07", 7*60*60) }

func wireTime(t time.Time) string { return t.In(zone()).Format(timeLayout) }

// readTime gives the zero time for what is no time: it decides nothing, so it must not stop a payment.
func readTime(s string) time.Time {
	t, err := time.ParseInLocation(timeLayout, s, zone())
	if err != nil {
		return time.Time{}
	}
	return t
}

// canonical is the hashed text: the values in the message's order, an empty slot for what is missing, nothing escaped. The
// secret of a plain hash stands behind it.
func canonical(m *mapping.Mapping, message string, value func(name string) string) string {
	order := m.Hashes[message]
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = value(name)
	}
	return strings.Join(parts, m.Hash.Separator)
}

// digest is the checksum of a canonical text under a secret.
func digest(m *mapping.Mapping, text, secret string) []byte {
	algorithm, keyed := strings.CutPrefix(m.Hash.Algorithm, "hmac-")
	make256 := func() hash.Hash { return sha256.New() }
	if algorithm == "sha512" {
		make256 = func() hash.Hash { return sha512.New() }
	}
	if keyed {
		h := hmac.New(make256, []byte(secret))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	h := make256()
	h.Write([]byte(text + m.Hash.Separator + secret))
	return h.Sum(nil)
}

// signed makes a message of ours: every value is held to what may stand between separators, then hashed with the first secret.
// block, if any, travels beside the hashed fields.
func (p *provider) signed(message string, byRole map[string]string, block map[string]any) ([]byte, error) {
	values := p.m.Named(byRole)
	out := make(map[string]any, len(values)+len(block)+1)
	for name, v := range block {
		out[name] = v
	}
	for name, v := range values {
		if mapping.Unhashable(v, p.m.Hash.Separator) {
			return nil, fmt.Errorf("%w: %w: %s holds a character that no hashed value may hold", providers.ErrRefused, providers.ErrMalformed, name)
		}
		out[name] = v
	}
	text := canonical(p.m, message, func(name string) string { return values[name] })
	out[p.m.Name(mapping.Digest)] = hex.EncodeToString(digest(p.m, text, p.secrets[0]))
	return providers.CompactJSON(out) // names in order: the same bytes for the same message
}

// isSigned compares decoded bytes in constant time, under every active secret.
func (p *provider) isSigned(message string, value func(name string) string) bool {
	got, err := hex.DecodeString(value(p.m.Name(mapping.Digest)))
	if err != nil {
		return false
	}
	text := canonical(p.m, message, value)
	for _, secret := range p.secrets {
		if hmac.Equal(got, digest(p.m, text, secret)) {
			return true
		}
	}
	return false
}

// initBody is an INIT with its receipt block. The same payment makes the same bytes.
func (p *provider) initBody(pay providers.Payment) ([]byte, error) {
	if pay.Method != providers.MethodAny {
		return nil, fmt.Errorf("%w: the platform has no method %q", providers.ErrRefused, pay.Method)
	}
	if !validReference(pay.Reference) || pay.Amount <= 0 || !pay.Amount.Valid() {
		return nil, fmt.Errorf("%w: reference or amount", providers.ErrRefused)
	}
	block, err := p.receiptBlock(pay)
	if err != nil {
		return nil, err
	}
	m := p.m
	return p.signed(mapping.Init, map[string]string{
		mapping.Type: m.Functions[mapping.Init].Type, mapping.Version: m.Version, mapping.Partner: p.partner, mapping.Reference: pay.Reference,
		mapping.Amount: pay.Amount.String(), mapping.PaymentType: m.Values[mapping.PaymentType], mapping.Channel: m.Values[mapping.Channel],
		mapping.Device: m.Values[mapping.Device], mapping.Language: m.Values[mapping.Language], mapping.Currency: m.Values[mapping.Currency],
		mapping.Bank: m.Values[mapping.Bank], mapping.Description: p.description(pay), mapping.Time: wireTime(pay.CreatedAt), mapping.IP: address(pay.PayerIP),
	}, map[string]any{m.Name(mapping.ReceiptInfo): block})
}

// askBody is a QUERY or GET_BILL.
func (p *provider) askBody(function string, pay providers.Payment, at time.Time) ([]byte, error) {
	if !validReference(pay.Reference) {
		return nil, fmt.Errorf("%w: the reference is not 1 to %d letters and digits", providers.ErrConfig, maxReference)
	}
	return p.signed(function, map[string]string{
		mapping.Type: p.m.Functions[function].Type, mapping.Version: p.m.Version, mapping.Partner: p.partner, mapping.Reference: pay.Reference,
		mapping.Time: wireTime(at),
	}, nil)
}

// timeOf is the time that a question carries: the INIT's or its own, as the mapping says.
func (p *provider) timeOf(function string, pay providers.Payment) time.Time {
	if p.m.Times[function] == "init" {
		return pay.CreatedAt
	}
	return p.deps.Now()
}

// receiptBlock says what is paid for. It names no payer: feegate hands personal data to nobody.
func (p *provider) receiptBlock(pay providers.Payment) (map[string]any, error) {
	r := p.m.Receipt
	content := p.clean(pay.Description)
	if content == "" {
		content = p.description(pay)
	}
	block := map[string]any{r.Fields["service_kind"]: r.ServiceKind, r.Fields["content"]: content}
	service := ""
	if pay.ProcedureCode != "" {
		service = pay.ProcedureCode + r.ServiceSuffix
	}
	for role, v := range map[string]string{
		"procedure": pay.ProcedureCode, "procedure_name": pay.ProcedureName, "service": service, "service_name": pay.ProcedureName,
		"agency": pay.AgencyCode, "agency_name": pay.AgencyName, "dossier": pay.DossierCode,
		"account": p.account.Beneficiary.Number, "account_bank": p.account.Beneficiary.Bank, "account_name": p.account.Beneficiary.Name,
		"treasury": p.account.Settings[SettingTreasury], "treasury_account": p.account.Settings[SettingTreasuryAccount],
	} {
		if v = p.clean(v); v != "" {
			block[r.Fields[role]] = v
		}
	}
	lines, err := paidLines(pay)
	if err != nil {
		return nil, err
	}
	fees, budget := []map[string]string{}, []map[string]string{}
	for _, l := range lines {
		kind, isFee := r.Kinds[l.Kind]
		name := p.clean(l.Name)
		if name == "" {
			name = content
		}
		switch {
		case isFee:
			fee := map[string]string{r.Fields["fee_kind"]: kind, r.Fields["fee_name"]: name, r.Fields["fee_amount"]: l.Amount.String()}
			if code := p.clean(l.Code); code != "" {
				fee[r.Fields["fee_code"]] = code
			}
			fees = append(fees, fee)
		case l.Kind == "nvtc":
			budget = append(budget, map[string]string{r.Fields["budget_name"]: name, r.Fields["budget_amount"]: l.Amount.String()})
		default:
			return nil, fmt.Errorf("%w: the mapping has no value for the kind %q", providers.ErrConfig, l.Kind)
		}
	}
	if len(fees) > 0 {
		block[r.Fields["fees"]] = fees
	}
	if len(budget) > 0 {
		block[r.Fields["budget"]] = budget
	}
	return block, nil
}

// paidLines are the lines that a payment pays, one per fee and kind, so that phí and lệ phí can be told apart; their sum is its
// amount. A payment of part of the order pays its lines from the first on. One of which no line is known is one item.
func paidLines(pay providers.Payment) ([]providers.Line, error) {
	if len(pay.Lines) == 0 {
		return []providers.Line{{Kind: "phi", Name: pay.Description, Amount: pay.Amount}}, nil
	}
	var out []providers.Line
	left := pay.Amount
	for _, l := range pay.Lines {
		if l.Amount = min(l.Amount, left); l.Amount <= 0 {
			continue
		}
		left -= l.Amount
		out = append(out, l)
	}
	if left > 0 {
		return nil, fmt.Errorf("%w: the lines make %s đ less than the amount", providers.ErrRefused, vnd.Amount(left))
	}
	return out, nil
}

// description is what payer and statement see: our reference first, as a bank may cut the rest, in plain ASCII.
func (p *provider) description(pay providers.Payment) string {
	text := strings.TrimSpace(pay.Reference + " " + plain(pay.Description))
	text = strings.ReplaceAll(text, p.m.Hash.Separator, " ")
	return strings.TrimSpace(text[:min(len(text), maxText)])
}

// plain is a Vietnamese text without its marks: letters, digits and a little punctuation, single blanks.
func plain(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.NewReplacer("đ", "d", "Đ", "D").Replace(s)) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".,:_-()", r):
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // a mark of the letter before it
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// clean keeps Vietnamese as it is, composed, and takes out what may not stand in a message.
func (p *provider) clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || mapping.Unhashable(string(r), p.m.Hash.Separator) {
			return ' '
		}
		return r
	}, norm.NFC.String(s))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxText {
		s = strings.TrimSpace(string(r[:maxText]))
	}
	return s
}

func address(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		return "127.0.0.1"
	}
	return a.String()
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func validReference(s string) bool {
	if s == "" || len(s) > maxReference {
		return false
	}
	for i := range len(s) {
		if !letterOrDigit(s[i]) {
			return false
		}
	}
	return true
}

// newReference is the platform's customary form, "dvc", the dossier's code without punctuation and the time, and six random
// characters, since two attempts may fall into one second.
func newReference(dossierCode string, at time.Time) (string, error) {
	code := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && letterOrDigit(byte(r)) {
			return r
		}
		return -1
	}, dossierCode)
	const random = 6
	code = code[:min(len(code), maxReference-len("dvc")-len(timeLayout)-random)]
	return "dvc" + code + wireTime(at) + rand.Text()[:random], nil
}
