package statement

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
)

// decode gives a file's text: UTF-8, UTF-16 by its byte order mark, or Windows-1258, the code page of old Vietnamese Windows. TCVN3 (ABC
// fonts) draws Vietnamese letters over bytes that mean others: read as anything else its words are no words, so no header is found.
func decode(raw []byte) (string, error) {
	with := func(e encoding.Encoding, b []byte) (string, error) {
		out, err := e.NewDecoder().Bytes(b)
		if err != nil {
			return "", refuse(1, "encoding", "cannot be read: %v", err)
		}
		return norm.NFC.String(string(out)), nil
	}
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		raw = raw[3:]
		if !utf8.Valid(raw) {
			return "", refuse(1, "encoding", "says that it is UTF-8 and is not")
		}
		return string(raw), nil
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}), bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return with(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), raw)
	case utf8.Valid(raw):
		if bytes.IndexByte(raw, 0) >= 0 {
			return "", refuse(1, "encoding", "holds zero bytes: UTF-16 without its mark, or no text at all; save it as UTF-8")
		}
		return string(raw), nil
	}
	return with(charmap.Windows1258, raw)
}
