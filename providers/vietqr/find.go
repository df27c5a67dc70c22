package vietqr

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Fold is a text as nothing but A–Z and 0–9: without marks, spaces and signs, in capitals. What banks do to the content of a
// transfer leaves this unchanged, save cutting it off.
func Fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case r == 'đ' || r == 'Đ':
			b.WriteByte('D')
		case r >= 'a' && r <= 'z':
			b.WriteByte(byte(r) - 'a' + 'A')
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// Find looks for our reference in the content of a transfer. "" and false: there is none, or only a damaged one. "" and true:
// there are several, and no program may choose.
func Find(content string) (reference string, ambiguous bool) { return only(FindAll(content)) }

// Agree is Find where the notifier has looked for the reference too (theirs; "" = it found none). Its word is used first, and
// both must agree where both found one: two different ones are ambiguous.
func Agree(theirs, content string) (reference string, ambiguous bool) {
	all := FindAll(theirs)
	for _, r := range FindAll(content) {
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return only(all)
}

func only(all []string) (string, bool) {
	if len(all) == 1 {
		return all[0], false
	}
	return "", len(all) > 1
}

// FindAll gives every reference in a content, each once, in the order in which they stand.
func FindAll(content string) []string {
	s := Fold(content)
	var found []string
	for at := 0; at+Length <= len(s); at++ {
		one := s[at : at+Length]
		if strings.HasPrefix(one, Prefix) && checked(one[len(Prefix):]) && !slices.Contains(found, one) {
			found = append(found, one)
		}
	}
	return found
}
