package vnd

import "strings"

// Words writes an amount in Vietnamese as documents of account have it: Một triệu hai trăm năm mươi nghìn đồng.
func (a Amount) Words() string { return Signed(a).Words() }

// Words writes an amount in Vietnamese; a negative one begins with Âm.
func (s Signed) Words() string {
	n, words := int64(s), []string{}
	if n < 0 {
		words, n = append(words, "âm"), -n
	}
	words = append(append(words, spoken(n)...), "đồng")
	text := strings.Join(words, " ")
	first := []rune(text)
	return strings.ToUpper(string(first[0])) + string(first[1:])
}

// spoken says a number: groups of three from the left, each with its name; tỷ has the thousands and millions of its own before it.
func spoken(n int64) []string {
	const billion = 1_000_000_000
	if n == 0 {
		return []string{"không"}
	}
	var out []string
	if n >= billion {
		out = append(spoken(n/billion), "tỷ")
	}
	begun := n >= billion
	for _, g := range []struct {
		size int64
		name string
	}{{1_000_000, "triệu"}, {1000, "nghìn"}, {1, ""}} {
		part := n % billion / g.size % 1000
		if part == 0 {
			continue
		}
		out = append(out, hundreds(part, begun)...)
		if g.name != "" {
			out = append(out, g.name)
		}
		begun = true
	}
	return out
}

// hundreds says 1 to 999; whole is for a group that others stand before: its hundreds are said even where they are none.
func hundreds(n int64, whole bool) []string {
	digits := [...]string{"không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín"}
	h, t, u := n/100, n/10%10, n%10
	var out []string
	if h > 0 || whole {
		out = append(out, digits[h], "trăm")
	}
	switch {
	case t == 0 && u > 0 && len(out) > 0:
		out = append(out, "lẻ")
	case t == 1:
		out = append(out, "mười")
	case t > 1:
		out = append(out, digits[t], "mươi")
	}
	switch {
	case u == 0:
	case u == 1 && t > 1:
		out = append(out, "mốt")
	case u == 5 && t > 0:
		out = append(out, "lăm")
	default:
		out = append(out, digits[u])
	}
	return out
}
