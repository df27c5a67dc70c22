// Package feed is the events: the sequencer that numbers them, the feed that portals read, and webhooks out.
//
// An event is born as an outbox row in its object's own transaction, holding the bytes to send. The sequencer moves it into
// the feed under the next number; from then on it never changes. Portals read the feed (Reader) or are sent it (Deliverer).
//
// It may touch outbox, feed, webhook_endpoints, webhook_retries and deliveries. It knows nothing of orders but their ids, and
// imports nothing of the record.
package feed

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// MaxPage is the most events or deliveries of one page.
const MaxPage = 200

// Errors for the edge to turn into problems.
var (
	ErrNoEndpoint   = errors.New("no such webhook endpoint")
	ErrNoClient     = errors.New("no such client")
	ErrTooMany      = errors.New("the client has as many webhook endpoints as it may have")
	ErrURLRefused   = errors.New("address refused")
	ErrTypesRefused = errors.New("event types refused")
)

// Event is one event of the feed; Body is what is sent, to the byte.
type Event struct {
	Number     int64     `db:"number"`
	ID         string    `db:"event_id"`
	Type       string    `db:"type"`
	ClientID   string    `db:"client_id"`
	OrderID    string    `db:"order_id"`
	Body       string    `db:"body"`
	RecordedAt time.Time `db:"recorded_at"`
}

// Page is a stretch of the feed. Next is the number to go on after, also on the last page; More says that there is more now.
type Page struct {
	Items []Event
	Next  int64
	More  bool
}

// Reader reads the feed.
type Reader struct{ db *sqlx.DB }

// NewReader makes a reader.
func NewReader(db *sqlx.DB) *Reader { return &Reader{db} }

// Events gives the events of a source system after a number, in order, of the types (all when empty; "order.*" is every
// type of order). Events that are for people only are not among them.
func (r *Reader) Events(ctx context.Context, sourceSystem string, after int64, types []string, limit int) (Page, error) {
	if err := checkTypes(types); err != nil {
		return Page{}, err
	}
	limit = clamp(limit)
	items, err := selectEvents(ctx, r.db, sourceSystem, after, types, limit+1)
	if err != nil {
		return Page{}, err
	}
	p := Page{Items: items, Next: after}
	if len(items) > limit {
		p.Items, p.More = items[:limit], true
	}
	if n := len(p.Items); n > 0 {
		p.Next = p.Items[n-1].Number
	}
	return p, nil
}

func clamp(limit int) int {
	if limit <= 0 || limit > MaxPage {
		return MaxPage
	}
	return limit
}

const maxTypes = 50

var typePattern = regexp.MustCompile(`^[a-z_]{1,40}\.([a-z_]{1,40}|\*)$`)

func checkTypes(types []string) error {
	if len(types) > maxTypes {
		return fmt.Errorf("%w: at most %d", ErrTypesRefused, maxTypes)
	}
	for _, t := range types {
		if !typePattern.MatchString(t) {
			return fmt.Errorf("%w: %q is not a type such as order.paid or order.*", ErrTypesRefused, t)
		}
	}
	return nil
}

// wanted reports whether a type is among types; none means all.
func wanted(types []string, kind string) bool {
	family, _, _ := strings.Cut(kind, ".")
	return len(types) == 0 || slices.Contains(types, kind) || slices.Contains(types, family+".*")
}

// newID makes an opaque id: 80 random bits after a time part of the machine's clock, which keeps indexes dense.
func newID(prefix string) string {
	var b [16]byte
	ms := time.Now().UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	rand.Read(b[6:]) // never fails: crypto/rand aborts the program instead
	return prefix + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// envelope makes the bytes of an event of our own.
func envelope(id, kind string, at time.Time, data any) (string, error) {
	b, err := json.Marshal(struct {
		ID        string    `json:"id"`
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Version   int       `json:"version"`
		Data      any       `json:"data"`
	}{id, kind, at, 1, data})
	if err != nil {
		return "", fmt.Errorf("event %s: %w", kind, err)
	}
	return string(b), nil
}

// pause waits, or until ctx ends; it reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
