// Package document is how what must stay is written down: figures in canonical form with their hash, and papers to be printed and signed, as PDF
// and as workbooks, with the house's typeface and styles. It knows nothing of what the figures mean, reads nothing and keeps nothing.
package document

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"feegate/gateway/vnd"
)

// Fact is one line of a document's head.
type Fact struct{ Name, Value string }

// Line makes a fact.
func Line(name, value string) Fact { return Fact{name, value} }

// Canonical writes v by RFC 8785 and hashes that.
func Canonical(v any) (text, digest string, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", "", fmt.Errorf("writing figures: %w", err)
	}
	form := jsontext.Value(raw)
	if err := form.Canonicalize(); err != nil {
		return "", "", fmt.Errorf("writing figures: %w", err)
	}
	return string(form), Digest(string(form)), nil
}

// Digest is the SHA-256 of a text, in hexadecimal.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Day writes a date as people do.
func Day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t.Format("02/01/2006")
}

// Time writes a time as Vietnamese clocks show it.
func Time(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(zone()).Format("02/01/2006 15:04")
}

// Number writes 1250000 as 1.250.000.
func Number(n int64) string { s := []rune(vnd.Signed(n).Format()); return string(s[:len(s)-2]) }

// AsDate is a date for a workbook's cell.
func AsDate(date string) any {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return t
}

// AsTime is a time as Vietnamese clocks show it: a workbook knows no zones.
func AsTime(t time.Time) time.Time {
	v := t.In(zone())
	return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), 0, time.UTC)
}

func zone() *time.Location { return time.FixedZone("+07", 7*3600) }
