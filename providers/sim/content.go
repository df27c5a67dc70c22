package sim

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"feegate/gateway/vnd"
)

// qrCode is what a bank's app reads off a VietQR code.
type qrCode struct {
	bank, account, purpose string
	amount                 vnd.Amount
}

// readQR reads a payload as a bank's app does: field 38 has the account, 54 the amount, 62-08 the content, 63 the checksum.
func readQR(s string) (qrCode, error) {
	if len(s) < 12 || s[len(s)-8:len(s)-4] != "6304" {
		return qrCode{}, errors.New("it has no checksum at the end")
	}
	sum := checksum(s[:len(s)-4])
	if got, err := strconv.ParseUint(s[len(s)-4:], 16, 16); err != nil || uint32(got) != sum {
		return qrCode{}, fmt.Errorf("its checksum is %s and should be %04X", s[len(s)-4:], sum)
	}
	top, err := fieldsOf(s[:len(s)-8])
	if err != nil {
		return qrCode{}, err
	}
	merchant, err := fieldsOf(top["38"])
	if err != nil {
		return qrCode{}, err
	}
	to, err := fieldsOf(merchant["01"])
	if err != nil {
		return qrCode{}, err
	}
	more, err := fieldsOf(top["62"])
	if err != nil {
		return qrCode{}, err
	}
	c := qrCode{bank: to["00"], account: to["01"], purpose: more["08"]}
	if a := top["54"]; a != "" {
		if c.amount, err = vnd.Parse(a); err != nil {
			return qrCode{}, fmt.Errorf("its amount is %q", a)
		}
	}
	if c.account == "" {
		return qrCode{}, errors.New("it names no account")
	}
	return c, nil
}

// checksum is the one at a payload's end, bit by bit.
func checksum(s string) uint32 {
	sum := uint32(0xFFFF)
	for _, b := range []byte(s) {
		for bit := 7; bit >= 0; bit-- {
			top := sum>>15&1 ^ uint32(b)>>bit&1
			if sum = sum << 1 & 0xFFFF; top == 1 {
				sum ^= 0x1021
			}
		}
	}
	return sum
}

// WriteQR is the code that a provider with accounts of its own shows: for one payment.
func WriteQR(bank, account string, amount vnd.Amount, content string) string {
	field := func(id, v string) string { return fmt.Sprintf("%s%02d%s", id, len(v), v) }
	s := field("00", "01") + field("01", "12") + field("38", field("00", "A000000727")+field("01", field("00", bank)+field("01", account))+field("02", "QRIBFTTA")) +
		field("53", "704") + field("54", amount.String()) + field("58", "VN") + field("62", field("08", content)) + "6304"
	return s + fmt.Sprintf("%04X", checksum(s))
}

func fieldsOf(s string) (map[string]string, error) {
	fields := map[string]string{}
	for s != "" {
		if len(s) < 4 {
			return nil, errors.New("it ends in the middle of a field")
		}
		n, err := strconv.Atoi(s[2:4])
		if err != nil || n < 0 || len(s) < 4+n {
			return nil, fmt.Errorf("field %s is shorter than it says", s[:2])
		}
		fields[s[:2]], s = s[4:4+n], s[4+n:]
	}
	return fields, nil
}

var reference = regexp.MustCompile(`PHX[2-9A-HJKMNP-Z]{10}`)

// meant is the merchant's reference that the payer typed, if one can be read.
func meant(content string) string {
	return reference.FindString(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, content))
}

// Mangles is what banks, apps and payers do to a content, by name.
func Mangles() []string {
	return []string{"prefix", "words", "suffix", "upper", "lower", "spaces", "nospace", "dashes", "name", "truncate", "damage"}
}

// mangle does to a content what was asked, in that order.
func mangle(content, asked string, t Transfer) (string, error) {
	if asked == "" {
		return content, nil
	}
	for _, what := range strings.FieldsFunc(asked, func(r rune) bool { return r == '|' || r == ',' }) {
		switch strings.TrimSpace(what) {
		case "prefix":
			content = fmt.Sprintf("MBVCB.%d.%s.CT tu %s %s toi %s", 3278907000+t.Number, content, t.PayerAccount, t.PayerName, t.Account)
		case "words":
			content = fmt.Sprintf("CT DEN:%012d ND: %s", 612345670000+t.Number, content)
		case "suffix":
			content += fmt.Sprintf(" GD %06d-%s FT%s", t.Number, t.At.Format("020106 15:04:05"), t.At.Format("060102150405"))
		case "upper":
			content = strings.ToUpper(content)
		case "lower":
			content = strings.ToLower(content)
		case "spaces": // lines of a statement are four characters here
			var b strings.Builder
			for i, r := range []rune(content) {
				if i > 0 && i%4 == 0 {
					b.WriteByte(' ')
				}
				b.WriteRune(r)
			}
			content = b.String()
		case "nospace":
			content = strings.ReplaceAll(content, " ", "")
		case "dashes":
			content = strings.ReplaceAll(content, " ", "-")
		case "name":
			content = t.PayerName + " nop le phi " + content
		case "truncate": // within the reference
			content = string([]rune(content)[:max(1, len([]rune(content))*3/4)])
		case "damage": // one character is another
			r := []rune(content)
			if len(r) > 0 {
				i := len(r) * 2 / 3
				if r[i] != 'Z' {
					r[i] = 'Z'
				} else {
					r[i] = 'Y'
				}
			}
			content = string(r)
		default:
			return "", fmt.Errorf("mangle: %w: %q is not one of %s", ErrInvalid, what, strings.Join(Mangles(), ", "))
		}
	}
	return content, nil
}
