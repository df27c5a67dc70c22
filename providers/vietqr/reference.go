package vietqr

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// A reference is three letters, eight symbols of a number in base 31, and two check symbols: thirteen characters that a bank may
// change the case of, push spaces into, and set into its own text. The alphabet has no 0, O, 1, I, L.
const (
	Prefix   = "PHX"
	alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
	base     = uint64(len(alphabet)) // a prime: that is what makes the check symbols see every slip
	bodyLen  = 8
	checkLen = 2
	// Length of a whole reference.
	Length = len(Prefix) + bodyLen + checkLen
)

// Numbers is how many references there are: 31^8. First is the lowest number that is drawn; those below are left for what
// providers send when they try an address.
const (
	Numbers = base * base * base * base * base * base * base * base
	First   = 1000
)

// ErrReference says that a text is not one of our references.
var ErrReference = errors.New("not a transfer reference")

// Encode writes the reference of a number below Numbers.
func Encode(n uint64) (string, error) {
	if n >= Numbers {
		return "", fmt.Errorf("%w: the number %d is too large", ErrReference, n)
	}
	var body [bodyLen]byte
	for i := bodyLen - 1; i >= 0; i-- {
		body[i] = alphabet[n%base]
		n /= base
	}
	return Prefix + string(body[:]) + checkOf(string(body[:])), nil
}

// Decode gives the number of a reference, exactly as Encode writes it.
func Decode(reference string) (uint64, error) {
	s, ok := strings.CutPrefix(reference, Prefix)
	if !ok || !checked(s) {
		return 0, ErrReference
	}
	var n uint64
	for i := range bodyLen {
		n = n*base + value(s[i])
	}
	return n, nil
}

// NewReference draws a reference at random. Nothing of the dossier is in it.
func NewReference(string, time.Time) (string, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).SetUint64(Numbers-First))
	if err != nil {
		return "", fmt.Errorf("drawing a reference: %w", err)
	}
	return Encode(First + n.Uint64())
}

// value is a symbol's place in the alphabet; base for what has none.
func value(c byte) uint64 {
	if i := strings.IndexByte(alphabet, c); i >= 0 {
		return uint64(i)
	}
	return base
}

// checkOf weighs the body by place and by its square: the first sees one wrong symbol, both together see two that changed places.
func checkOf(body string) string {
	var c1, c2 uint64
	for i := range bodyLen {
		at := uint64(i + 1)
		c1 += at * value(body[i])
		c2 += at * at * value(body[i])
	}
	return string([]byte{alphabet[c1%base], alphabet[c2%base]})
}

// checked reports whether body and check symbols fit.
func checked(s string) bool {
	return len(s) == bodyLen+checkLen && all(s, func(c byte) bool { return value(c) < base }) && checkOf(s[:bodyLen]) == s[bodyLen:]
}
