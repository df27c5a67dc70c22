package gateway

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// DaySigned is what portals are told when an account's day is signed: from then on its figures stand.
type DaySigned struct {
	AccountID  string    `json:"account_id"`
	Provider   string    `json:"provider"`
	AgencyCode string    `json:"agency_code"`
	Date       string    `json:"date"`
	Version    int       `json:"version"`
	SHA256     string    `json:"sha256"`
	Previous   *string   `json:"previous"`
	SignedAt   time.Time `json:"signed_at"`
}

// TellDaySigned writes the event for every portal of the account's mode, in the signature's own transaction.
func (g *Gateway) TellDaySigned(ctx context.Context, tx *sqlx.Tx, s DaySigned) error {
	entry, err := g.accounts.Get(ctx, s.AccountID)
	if err != nil {
		return err
	}
	s.Provider, s.AgencyCode = entry.Account.Provider, entry.Account.AgencyCode
	portals, err := portalsOf(ctx, tx, entry.Account.Mode)
	if err != nil {
		return err
	}
	e := &effects{}
	for _, to := range portals {
		row, err := event("day.signed", &orderRow{ClientID: to.ClientID, SourceSystem: to.SourceSystem}, s, s.SignedAt)
		if err != nil {
			return err
		}
		e.outbox = append(e.outbox, row)
	}
	return e.write(ctx, tx)
}
