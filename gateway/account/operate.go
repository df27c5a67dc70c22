package account

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"feegate/providers"
)

// MaxWindow is how long maintenance may be announced for at once; for longer, an account's validity ends.
const MaxWindow = 30 * 24 * time.Hour

// Operations are those whose breakers an operator may switch by hand.
func Operations() []string {
	return []string{string(providers.OpCheckout), string(providers.OpLookup), string(providers.OpRefund), string(providers.OpCancel)}
}

// Modes is the closed list of an operator's words.
func Modes() []string { return []string{ModeOpen, ModeClosed, ModeAutomatic} }

func checkReason(text *string, fields []FieldError) []FieldError {
	*text = strings.TrimSpace(*text)
	if n := utf8.RuneCountInString(*text); n < 1 || n > 500 || strings.ContainsFunc(*text, unicode.IsControl) {
		fields = append(fields, FieldError{"reason", "must say why, in 1 to 500 characters on one line"})
	}
	return fields
}

// Check says what is wrong with an override that somebody wants; nil: nothing. It trims the reason.
func (o *Override) Check() error {
	var fields []FieldError
	if !slices.Contains(Operations(), o.Operation) {
		fields = append(fields, FieldError{"operation", "must be one of " + strings.Join(Operations(), ", ")})
	}
	if !slices.Contains(Modes(), o.Mode) {
		fields = append(fields, FieldError{"mode", "must be one of " + strings.Join(Modes(), ", ")})
	}
	if fields = checkReason(&o.Reason, fields); len(fields) > 0 {
		return &InvalidError{Fields: fields}
	}
	return nil
}

// Check says what is wrong with a window that somebody wants at a moment; nil: nothing. It trims the reason; a window without a beginning
// begins now.
func (w *Window) Check(now time.Time) error {
	var fields []FieldError
	begins := !w.From.IsZero()
	switch {
	case w.To.IsZero():
		fields = append(fields, FieldError{"to", "is missing"})
	case !w.To.After(now):
		fields = append(fields, FieldError{"to", "is over already"})
	case begins && !w.To.After(w.From):
		fields = append(fields, FieldError{"to", "must be after from"})
	}
	if !begins {
		w.From = now
	}
	if w.To.Sub(w.From) > MaxWindow {
		fields = append(fields, FieldError{"to", "at most 30 days after from"})
	}
	if fields = checkReason(&w.Reason, fields); len(fields) > 0 {
		return &InvalidError{Fields: fields}
	}
	return nil
}

// Modes of an operator's word over a breaker.
const (
	ModeOpen      = "open"      // nothing is sent
	ModeClosed    = "closed"    // everything is sent, whatever failed
	ModeAutomatic = "automatic" // as the breaker finds
)

// Override is an operator's word over the breaker of an account's operation; the newest counts.
type Override struct {
	AccountID  string    `json:"account_id" db:"account_id"`
	Operation  string    `json:"operation" db:"operation"`
	Mode       string    `json:"mode" db:"mode"`
	Reason     string    `json:"reason" db:"reason"`
	By         string    `json:"by" db:"by_user"`
	RecordedAt time.Time `json:"recorded_at" db:"recorded_at"`
}

// Window is a time in which an account is known to be out of service, at its provider's or by an operator's wish.
type Window struct {
	ID         string     `json:"id" db:"id"`
	AccountID  string     `json:"account_id" db:"account_id"`
	From       time.Time  `json:"from" db:"starts_at"`
	To         time.Time  `json:"to" db:"ends_at"`
	Reason     string     `json:"reason" db:"reason"`
	By         string     `json:"by" db:"by_user"`
	RecordedAt time.Time  `json:"recorded_at" db:"recorded_at"`
	EndedAt    *time.Time `json:"ended_at" db:"ended_at"`
	EndedBy    *string    `json:"ended_by" db:"ended_by"`
}

// In reports whether a moment lies in the window, as far as it was not ended early.
func (w *Window) In(t time.Time) bool {
	return !t.Before(w.From) && t.Before(w.To) && (w.EndedAt == nil || t.Before(*w.EndedAt))
}

// UnderMaintenance says until when the account is out of service at a moment; false: it is not.
func (a *Account) UnderMaintenance(now time.Time) (until time.Time, yes bool) {
	for _, w := range a.Windows {
		if w.In(now) && w.To.After(until) {
			until, yes = w.To, true
		}
	}
	return until, yes
}
