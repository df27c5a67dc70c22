package gateway

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A cursor is where a list goes on: the last item's time, to the microsecond that the database keeps, and its id.

func writeCursor(t time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(t.UnixMicro(), 36) + "." + id))
}

// readCursor reads what writeCursor wrote; "" is the beginning, with an empty id.
func readCursor(s string) (time.Time, string, error) {
	if s == "" {
		return time.Time{}, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	micros, id, found := strings.Cut(string(raw), ".")
	at, notNumber := strconv.ParseInt(micros, 36, 64)
	if err != nil || notNumber != nil || !found || id == "" || len(id) > 60 || at < 0 || at > 1<<53 {
		return time.Time{}, "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"after", "must be the next of an earlier answer"}}}
	}
	for _, c := range id {
		if c < 0x21 || c > 0x7e {
			return time.Time{}, "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"after", "must be the next of an earlier answer"}}}
		}
	}
	return time.UnixMicro(at), id, nil
}
