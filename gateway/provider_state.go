package gateway

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// ProviderState is what portals are told when an operation of an account stops or works again.
type ProviderState struct {
	AccountID  string    `json:"account_id"`
	Provider   string    `json:"provider"`
	AgencyCode string    `json:"agency_code"`
	Operation  string    `json:"operation"`
	State      string    `json:"state"` // closed: it works; open: nothing is sent; half_open: one call finds out
	Was        string    `json:"was"`
	Reason     string    `json:"reason,omitempty"` // an operator's, where one switched it by hand
	Since      time.Time `json:"since"`
}

// NoteProviderState records that an operation's breaker changed and tells every portal, once for all replicas that see it.
func (g *Gateway) NoteProviderState(ctx context.Context, s ProviderState) error {
	entry, err := g.accounts.Get(ctx, s.AccountID)
	if err != nil {
		return err
	}
	s.Provider, s.AgencyCode, s.Since = entry.Account.Provider, entry.Account.AgencyCode, g.now()
	return transact(ctx, g.db, func(tx *sqlx.Tx) error {
		was, changed, err := changeProviderState(ctx, tx, s)
		if err != nil || !changed {
			return err
		}
		s.Was = was
		portals, err := portalsOf(ctx, tx, entry.Account.Mode)
		if err != nil {
			return err
		}
		e := &effects{}
		for _, to := range portals {
			row, err := event("provider.state", &orderRow{ClientID: to.ClientID, SourceSystem: to.SourceSystem}, s, s.Since)
			if err != nil {
				return err
			}
			e.outbox = append(e.outbox, row)
		}
		return e.write(ctx, tx)
	})
}
