package statement

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// style is how a column writes its thousands; one column has one.
type style int

const (
	plain  style = iota // nothing between the digits: fits every style
	dots                // 1.234.567
	commas              // 1,234,567
	blanks              // 1 234 567
)

var (
	currency   = regexp.MustCompile(`(?i)\s*(vnd|vnđ|đ|₫|đồng|dong)\s*$`)
	creditMark = regexp.MustCompile(`(?i)\s*(cr|dr|c|d)\s*$`)
	grouped    = regexp.MustCompile(`^\d{1,3}((\.\d{3})+|(,\d{3})+)$`)
	digitsOnly = regexp.MustCompile(`^\d+$`)
)

// parseNumber reads whole đồng as Vietnamese banks write them. A fraction of a đồng is refused; ",00" is none. A single group of three
// digits after a mark is a thousand. none: the cell holds no amount.
func parseNumber(text string) (n vnd.Signed, s style, none bool, err error) {
	t := strings.TrimSpace(strings.NewReplacer("\u00a0", " ", "\u202f", " ", "'", "").Replace(text))
	if t == "" || t == "-" || t == "–" {
		return 0, plain, true, nil
	}
	negative := false
	t = currency.ReplaceAllString(t, "")
	if m := creditMark.FindStringSubmatch(t); m != nil && len(t) > len(m[0]) {
		t = strings.TrimSuffix(t, m[0])
		negative = strings.HasPrefix(strings.ToUpper(m[1]), "D") && strings.ToUpper(m[1]) == "DR"
	}
	switch {
	case strings.HasPrefix(t, "(") && strings.HasSuffix(t, ")"):
		negative, t = !negative, t[1:len(t)-1]
	case strings.HasPrefix(t, "-"):
		negative, t = !negative, t[1:]
	case strings.HasSuffix(t, "-"):
		negative, t = !negative, t[:len(t)-1]
	case strings.HasPrefix(t, "+"):
		t = t[1:]
	}
	t = strings.TrimSpace(t)
	if strings.Contains(t, " ") {
		if s = blanks; !regexp.MustCompile(`^\d{1,3}( \d{3})+([.,]0+)?$`).MatchString(t) {
			return 0, s, false, fmt.Errorf("%q is not an amount", text)
		}
		t = strings.ReplaceAll(t, " ", "")
	}
	dot, comma := strings.LastIndex(t, "."), strings.LastIndex(t, ",")
	whole := t
	switch {
	case dot >= 0 && comma >= 0: // the last one is the decimal mark
		at, mark := max(dot, comma), dots
		if dot > comma {
			mark = commas
		}
		if s != plain && s != mark || strings.Trim(t[at+1:], "0") != "" || t[at+1:] == "" {
			return 0, s, false, fmt.Errorf("%q is not a whole number of đồng", text)
		}
		whole, s = t[:at], mark
		other := map[style]string{dots: ",", commas: "."}[mark]
		if strings.Contains(whole, other) || !grouped.MatchString(whole) && !digitsOnly.MatchString(whole) {
			return 0, s, false, fmt.Errorf("%q is not an amount", text)
		}
	case grouped.MatchString(t):
		if s = dots; comma >= 0 {
			s = commas
		}
	case dot >= 0 || comma >= 0:
		at := max(dot, comma)
		if strings.Trim(t[at+1:], "0") != "" || at == 0 || strings.ContainsAny(t[:at], ".,") {
			return 0, s, false, fmt.Errorf("%q is not a whole number of đồng", text)
		}
		whole = t[:at]
	}
	whole = strings.NewReplacer(".", "", ",", "").Replace(whole)
	if !digitsOnly.MatchString(whole) {
		return 0, s, false, fmt.Errorf("%q is not an amount", text)
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || v > int64(vnd.Max) {
		return 0, s, false, fmt.Errorf("%q is larger than any amount here", text)
	}
	if negative {
		v = -v
	}
	return vnd.Signed(v), s, false, nil
}

// wholeOf reads a spreadsheet's own number: what is off by less than a millionth is the computer's rounding.
func wholeOf(f float64) (vnd.Signed, error) {
	if r := math.Round(f); math.Abs(f-r) < 1e-6 && math.Abs(r) <= float64(vnd.Max) {
		return vnd.Signed(r), nil
	}
	return 0, fmt.Errorf("%v is not a whole number of đồng", f)
}

// zone is Vietnam's: banks write its time and never say so.
func zone() *time.Location { return time.FixedZone("+07", 7*3600) }

var (
	dayFirst  = regexp.MustCompile(`^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:[\sT]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?`)
	yearFirst = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})(?:[\sT]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?`)
)

// parseDate reads a day, and its time where it is told, as Vietnamese banks write them: the day always stands before the month. rest is what
// follows in the cell.
func parseDate(text string) (day string, at time.Time, rest string, err error) {
	t := strings.TrimSpace(strings.NewReplacer("\r", " ", "\n", " ", "\u00a0", " ").Replace(text))
	m, y, mo, d := yearFirst.FindStringSubmatch(t), 0, 0, 0
	if m != nil {
		y, mo, d = number(m[1]), number(m[2]), number(m[3])
	} else if m = dayFirst.FindStringSubmatch(t); m != nil {
		if d, mo, y = number(m[1]), number(m[2]), number(m[3]); y < 100 {
			y += 2000
		}
	} else {
		return "", time.Time{}, "", fmt.Errorf("%q is not a date like 31/01/2026", text)
	}
	date := time.Date(y, time.Month(mo), d, 0, 0, 0, 0, zone())
	if mo < 1 || mo > 12 || date.Day() != d || y < 2000 || y > 2100 {
		return "", time.Time{}, "", fmt.Errorf("%q is not a day, month and year in this order", text)
	}
	if m[4] != "" {
		h, mi, s := number(m[4]), number(m[5]), number(m[6])
		if h > 23 || mi > 59 || s > 59 {
			return "", time.Time{}, "", fmt.Errorf("%q is not a time of day", text)
		}
		at = time.Date(y, time.Month(mo), d, h, mi, s, 0, zone())
	}
	return date.Format(time.DateOnly), at, strings.TrimSpace(t[len(m[0]):]), nil
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // the pattern has digits alone; "" is 0
	return n
}

// excelDate is the day and time of a spreadsheet's serial number.
func excelDate(serial float64, from1904 bool) (day string, at time.Time, err error) {
	if from1904 {
		serial += 1462
	}
	if serial < 36526 || serial > 73415 { // 2000 to 2100
		return "", time.Time{}, fmt.Errorf("%v is not a date between 2000 and 2100", serial)
	}
	whole := math.Floor(serial)
	date := time.Date(1899, 12, 30, 0, 0, 0, 0, zone()).AddDate(0, 0, int(whole))
	if part := time.Duration(math.Round((serial-whole)*86400)) * time.Second; part > 0 {
		at = date.Add(part)
	}
	return date.Format(time.DateOnly), at, nil
}
