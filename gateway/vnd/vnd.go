// Package vnd is the amount of money: whole đồng, never a float, never a fraction.
//
// It is a leaf: every room may import it, it imports nothing of feegate. An [Amount] is what a person is asked for or
// has paid (0 … 999,999,999,999 đ); a [Signed] is a difference or a net of a settlement, which may be negative.
package vnd

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Max is the largest amount that feegate handles in one place: 999,999,999,999 đ.
const Max = Amount(999_999_999_999)

// ErrAmount says that a text is not an amount of whole đồng within 0 … [Max].
var ErrAmount = errors.New("an amount is whole đồng as digits only, 0 to 999999999999")

// Amount is whole đồng, 0 … [Max].
type Amount int64

// Signed is a difference in whole đồng; it may be negative.
type Signed int64

// Parse reads digits only: no sign, point, exponent, separator, leading zero or blank. The error is [ErrAmount].
func Parse(s string) (Amount, error) {
	if s == "" || len(s) > 12 || (len(s) > 1 && s[0] == '0') {
		return 0, ErrAmount
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrAmount
		}
		n = n*10 + int64(s[i]-'0')
	}
	return Amount(n), nil
}

// ParseSigned reads an amount with an optional minus sign.
func ParseSigned(s string) (Signed, error) {
	digits, negative := strings.CutPrefix(s, "-")
	a, err := Parse(digits)
	if err != nil {
		return 0, err
	}
	if negative {
		return -Signed(a), nil
	}
	return Signed(a), nil
}

// Valid reports whether a lies within 0 … [Max].
func (a Amount) Valid() bool { return a >= 0 && a <= Max }

// String gives the digits alone, as on the wire.
func (a Amount) String() string { return strconv.FormatInt(int64(a), 10) }

// String gives the digits with a minus sign where negative.
func (s Signed) String() string { return strconv.FormatInt(int64(s), 10) }

// Format gives the Vietnamese form for people: 1.250.000 ₫.
func (a Amount) Format() string { return Signed(a).Format() }

// Format gives the Vietnamese form for people: −1.250.000 ₫.
func (s Signed) Format() string {
	digits := strconv.FormatInt(int64(s), 10)
	sign := ""
	if s < 0 {
		sign, digits = "−", digits[1:]
	}
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte('.')
		}
		b.WriteRune(c)
	}
	return sign + b.String() + " ₫"
}

// MarshalJSON writes digits only; an amount outside the range is an error, never a wrong number.
func (a Amount) MarshalJSON() ([]byte, error) {
	if !a.Valid() {
		return nil, fmt.Errorf("amount %d: %w", int64(a), ErrAmount)
	}
	return strconv.AppendInt(nil, int64(a), 10), nil
}

// UnmarshalJSON accepts a JSON number written as digits only: 5e4, 5.0 and "5" are refused.
func (a *Amount) UnmarshalJSON(b []byte) error {
	v, err := Parse(string(b))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// Scan reads the database's vnd or bigint.
func (a *Amount) Scan(src any) error {
	n, err := scanInt(src)
	*a = Amount(n)
	return err
}

// Value gives the database a bigint.
func (a Amount) Value() (driver.Value, error) { return int64(a), nil }

// Scan reads the database's bigint or numeric sum.
func (s *Signed) Scan(src any) error {
	n, err := scanInt(src)
	*s = Signed(n)
	return err
}

// Value gives the database a bigint.
func (s Signed) Value() (driver.Value, error) { return int64(s), nil }

func scanInt(src any) (int64, error) {
	switch v := src.(type) {
	case int64:
		return v, nil
	case []byte:
		return strconv.ParseInt(string(v), 10, 64)
	case string:
		return strconv.ParseInt(v, 10, 64)
	case nil:
		return 0, errors.New("amount is NULL")
	}
	return 0, fmt.Errorf("amount of type %T", src)
}
