package dvcqgsim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"feegate/providers/dvcqg/mapping"
	"feegate/providers/sim"
)

// moment writes a time as the platform does.
func moment(t time.Time) string { return t.In(sim.Zone()).Format("20060102150405") }

func plainSum(text string) string {
	b := sha256.Sum256([]byte(text))
	return hex.EncodeToString(b[:])
}

// sum is a message's checksum in lower-case hex.
func sum(m *mapping.Mapping, message string, fields map[string]string, secret string) string {
	var text strings.Builder
	for i, name := range m.Hashes[message] {
		if i > 0 {
			text.WriteString(m.Hash.Separator)
		}
		text.WriteString(fields[name])
	}
	switch m.Hash.Algorithm {
	case "hmac-sha256":
		h := hmac.New(sha256.New, []byte(secret))
		h.Write([]byte(text.String()))
		return hex.EncodeToString(h.Sum(nil))
	case "hmac-sha512":
		h := hmac.New(sha512.New, []byte(secret))
		h.Write([]byte(text.String()))
		return hex.EncodeToString(h.Sum(nil))
	case "sha512":
		b := sha512.Sum512([]byte(text.String() + m.Hash.Separator + secret))
		return hex.EncodeToString(b[:])
	}
	return plainSum(text.String() + m.Hash.Separator + secret)
}

func equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(a)), []byte(strings.ToLower(b))) == 1
}

// decode reads a JSON object's plain values, each name once. The receipt block is read by [receiptTotal].
func decode(body []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]string{}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if seen[key] {
			return nil, fmt.Errorf("%s comes twice", key)
		}
		seen[key] = true
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		switch v := value.(type) {
		case string:
			fields[key] = v
		case json.Number:
			fields[key] = v.String()
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return fields, nil
}

// encode writes a body; & < > stay themselves.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// minimalPDF is one page with a few lines of ASCII.
func minimalPDF(lines ...string) []byte {
	var text strings.Builder
	text.WriteString("BT /F1 12 Tf 72 720 Td 16 TL")
	for _, l := range lines {
		fmt.Fprintf(&text, " (%s) Tj T*", strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(l))
	}
	text.WriteString(" ET")
	objects := []string{"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}
