package vietqr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"feegate/gateway/vnd"
)

// Services of the switch: a transfer to an account, or to a card.
const (
	ToAccount = "QRIBFTTA"
	ToCard    = "QRIBFTTC"
)

// Identifiers of the payload's objects.
const (
	idFormat   = "00"
	idPoint    = "01"
	idMerchant = "38"
	idCurrency = "53"
	idAmount   = "54"
	idCountry  = "58"
	idMore     = "62"
	idCRC      = "63"

	subGUID     = "00" // of idMerchant
	subOrg      = "01"
	subService  = "02"
	subBank     = "00" // of subOrg
	subConsumer = "01"
	subBill     = "01" // of idMore
	subPurpose  = "08"

	guid       = "A000000727"
	maxField   = 99
	maxNumber  = 19
	maxService = 10
	maxText    = 25
	maxDigits  = 13
)

// ErrPayload says that a text is no payload of a transfer, or that none can be made of the fields.
var ErrPayload = errors.New("not a VietQR payload")

// Payload is what a code says. Codes with an amount are of the kind for one payment, which keeps nobody from paying them twice.
type Payload struct {
	BIN     string // of the beneficiary's bank
	Number  string // of the account, or of the card
	Service string // "" = ToAccount
	Amount  vnd.Amount
	Bill    string // many bank apps drop it: nothing is found again by it
	Purpose string // becomes the content of the transfer
}

// Build writes the payload.
func (p Payload) Build() (string, error) {
	if p.Service == "" {
		p.Service = ToAccount
	}
	if err := p.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	put := func(id, value string) {
		if value != "" { // an empty object is left out
			fmt.Fprintf(&b, "%s%02d%s", id, len(value), value)
		}
	}
	nest := func(pairs ...string) string {
		var n strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			if v := pairs[i+1]; v != "" {
				fmt.Fprintf(&n, "%s%02d%s", pairs[i], len(v), v)
			}
		}
		return n.String()
	}
	point, amount := "11", ""
	if p.Amount > 0 {
		point, amount = "12", p.Amount.String()
	}
	put(idFormat, "01")
	put(idPoint, point)
	put(idMerchant, nest(subGUID, guid, subOrg, nest(subBank, p.BIN, subConsumer, p.Number), subService, p.Service))
	put(idCurrency, "704")
	put(idAmount, amount)
	put(idCountry, "VN")
	put(idMore, nest(subBill, p.Bill, subPurpose, p.Purpose))
	b.WriteString(idCRC + "04")
	return fmt.Sprintf("%s%04X", b.String(), crc(b.String())), nil
}

func (p Payload) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrPayload, what) }
	switch {
	case !isBIN(p.BIN):
		return bad("a bank is six digits")
	case len(p.Number) == 0 || len(p.Number) > maxNumber || !alphanumeric(p.Number):
		return bad("an account number is 1 to 19 letters and digits")
	case len(p.Service) == 0 || len(p.Service) > maxService || !alphanumeric(p.Service):
		return bad("a service is 1 to 10 letters and digits")
	case p.Amount < 0 || len(p.Amount.String()) > maxDigits:
		return bad("the amount has at most 13 digits and no sign")
	case len(p.Bill) > maxText || !printable(p.Bill):
		return bad("a bill number is at most 25 plain characters")
	case len(p.Purpose) > maxText || !printable(p.Purpose):
		return bad("a purpose is at most 25 plain characters")
	}
	return nil
}

// Parse reads a payload and says what is wrong with one that is none. Objects may stand in any order between the first and the
// last, unknown ones are passed over, an unknown service is kept as it is.
func Parse(s string) (Payload, error) {
	bad := func(format string, args ...any) (Payload, error) {
		return Payload{}, fmt.Errorf("%w: %s", ErrPayload, fmt.Sprintf(format, args...))
	}
	if len(s) > 512 { // EMVCo's own limit
		return bad("it is longer than 512 characters")
	}
	if !printable(s) {
		return bad("it has characters outside plain ASCII")
	}
	body := len(s) - len("63040000")
	if body < 0 || s[body:body+4] != idCRC+"04" {
		return bad("it does not end in a checksum (6304 and four digits)")
	}
	if got, err := strconv.ParseUint(s[body+4:], 16, 16); err != nil || uint16(got) != crc(s[:body+4]) {
		return bad("the checksum is wrong: %s, computed %04X", s[body+4:], crc(s[:body+4]))
	}
	top, err := objects("", s[:body])
	if err != nil {
		return Payload{}, err
	}
	if !strings.HasPrefix(s, "000201") {
		return bad("it does not begin with the format indicator 000201")
	}
	for _, want := range []struct{ id, name string }{{idPoint, "point of initiation"}, {idMerchant, "account"}, {idCurrency, "currency"}, {idCountry, "country"}} {
		if top[want.id] == "" {
			return bad("object %s (%s) is missing", want.id, want.name)
		}
	}
	switch {
	case top[idPoint] != "11" && top[idPoint] != "12":
		return bad("object 01: the point of initiation is 11 or 12, not %q", top[idPoint])
	case top[idCurrency] != "704":
		return bad("object 53: the currency is 704 (đồng), not %q", top[idCurrency])
	case top[idCountry] != "VN":
		return bad("object 58: the country is VN, not %q", top[idCountry])
	}
	p := Payload{}
	if err := p.readAccount(top[idMerchant]); err != nil {
		return Payload{}, err
	}
	if v, there := top[idAmount]; there {
		if len(v) > maxDigits || v[0] == '0' {
			return bad("object 54: an amount is 1 to 13 digits without a zero in front, not %q", v)
		}
		if p.Amount, err = vnd.Parse(v); err != nil {
			return bad("object 54: an amount is whole đồng, not %q", v)
		}
	}
	if v := top[idMore]; v != "" {
		more, err := objects("62-", v)
		if err != nil {
			return Payload{}, err
		}
		p.Bill, p.Purpose = more[subBill], more[subPurpose]
	}
	if err := p.check(); err != nil {
		return Payload{}, err
	}
	return p, nil
}

func (p *Payload) readAccount(value string) error {
	account, err := objects("38-", value)
	if err != nil {
		return err
	}
	if account[subGUID] != guid {
		return fmt.Errorf("%w: object 38-00: %q is another network than NAPAS", ErrPayload, account[subGUID])
	}
	org, err := objects("38-01-", account[subOrg])
	if err != nil {
		return err
	}
	p.BIN, p.Number, p.Service = org[subBank], org[subConsumer], account[subService]
	if p.Service == "" {
		p.Service = ToAccount
	}
	return nil
}

// objects takes a text of objects apart; within names where it stands.
func objects(within, s string) (map[string]string, error) {
	bad := func(at int, format string, args ...any) (map[string]string, error) {
		return nil, fmt.Errorf("%w: object %s at character %d: %s", ErrPayload, within+s[at:min(at+2, len(s))], at+1, fmt.Sprintf(format, args...))
	}
	found := map[string]string{}
	for at := 0; at < len(s); {
		if len(s)-at < 4 || !digits(s[at:at+4]) {
			return bad(at, "two digits of identifier and two of length do not stand there")
		}
		id := s[at : at+2]
		n, _ := strconv.Atoi(s[at+2 : at+4]) // digits
		switch _, twice := found[id]; {
		case n == 0:
			return bad(at, "is empty")
		case len(s)-at-4 < n:
			return bad(at, "says %d characters, %d are left", n, len(s)-at-4)
		case twice:
			return bad(at, "comes twice")
		}
		found[id] = s[at+4 : at+4+n]
		at += 4 + n
	}
	return found, nil
}

// crc is CRC-16/CCITT-FALSE: polynomial 1021, from FFFF, nothing reflected.
func crc(s string) uint16 {
	sum := uint16(0xFFFF)
	for i := range len(s) {
		sum ^= uint16(s[i]) << 8
		for range 8 {
			if sum&0x8000 != 0 {
				sum = sum<<1 ^ 0x1021
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}

func all(s string, ok func(c byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func digits(s string) bool { return all(s, func(c byte) bool { return c >= '0' && c <= '9' }) }

func alphanumeric(s string) bool {
	return all(s, func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' })
}

func printable(s string) bool { return all(s, func(c byte) bool { return c >= ' ' && c <= '~' }) }

func isBIN(s string) bool { return len(s) == 6 && digits(s) }
