package document

import (
	"encoding/binary"
	"strings"
	"testing"
)

// letters of a typeface, by the table that maps Unicode to its shapes (format 4).
func letters(t *testing.T, font []byte) map[rune]bool {
	t.Helper()
	at := func(b []byte, i int) int { return int(binary.BigEndian.Uint16(b[i:])) }
	for i := range at(font, 4) {
		entry := font[12+16*i:]
		if string(entry[:4]) != "cmap" {
			continue
		}
		cmap := font[binary.BigEndian.Uint32(entry[8:]):]
		for k := range at(cmap, 2) {
			sub := cmap[binary.BigEndian.Uint32(cmap[8+8*k:]):]
			if at(sub, 0) != 4 {
				continue
			}
			has, n := map[rune]bool{}, at(sub, 6)/2
			for s := range n {
				end, start, delta, offset := at(sub, 14+2*s), at(sub, 16+2*n+2*s), at(sub, 16+4*n+2*s), at(sub, 16+6*n+2*s)
				for c := start; c <= end && c < 0xffff; c++ {
					glyph := (c + delta) & 0xffff
					if offset != 0 {
						glyph = at(sub, 16+6*n+2*s+offset+2*(c-start))
					}
					if glyph != 0 {
						has[rune(c)] = true
					}
				}
			}
			return has
		}
	}
	t.Fatal("no table of letters")
	return nil
}

func TestTheTypefaceHasEveryVietnameseLetter(t *testing.T) {
	const marks = "\u0300\u0301\u0303\u0309\u0323"
	all := "ăâđêôơưĂÂĐÊÔƠƯ" + "àáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ" + "₫−–…·“”" + marks
	all += strings.ToUpper(all)
	for c := rune(0x20); c < 0x7f; c++ {
		all += string(c)
	}
	for name, font := range map[string][]byte{"regular": serif, "bold": serifBold} {
		has := letters(t, font)
		for _, c := range all {
			if !has[c] {
				t.Errorf("%s has no %q (%U)", name, c, c)
			}
		}
	}
}
