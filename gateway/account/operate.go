package account

import (
	"time"
)

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
