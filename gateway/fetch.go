package gateway

import (
	"context"
	"errors"
	"fmt"

	"feegate/gateway/account"
	"feegate/providers"
)

// wordOf asks the provider after a payment. A bank's notifier knows no payments: its list of movements is read instead, where it
// has one, and then a payment without its transfer has none.
func (g *Gateway) wordOf(ctx context.Context, entry *account.Entry, p *paymentRow) (providers.Notice, error) {
	if f, ok := entry.Provider.(providers.TransferFetcher); ok {
		if err := g.fetch(ctx, entry.Account.ID, f, false); err != nil && !errors.Is(err, providers.ErrConfig) { // without a token there is no list to read
			return providers.Notice{}, err
		}
	}
	return entry.Provider.Lookup(ctx, p.asked())
}

// FetchTransfers reads the lists of the bank's notifiers that are due, each account by itself: what a lost notification said.
func (g *Gateway) FetchTransfers(ctx context.Context, _ int) (int, error) {
	entries, err := g.accounts.ForAgency(ctx, "")
	if err != nil {
		return 0, err
	}
	var due []*account.Entry
	for _, e := range entries {
		if _, ok := e.Provider.(providers.TransferFetcher); ok && e.Err == nil {
			due = append(due, e)
		}
	}
	return 0, eachAccount(due, func(e **account.Entry) string { return (*e).Account.ID }, func(e **account.Entry) error {
		err := g.fetch(ctx, (*e).Account.ID, (*e).Provider.(providers.TransferFetcher), true)
		if errors.Is(err, providers.ErrConfig) {
			return nil
		}
		return err
	})
}

// fetch reads one list from where it was read to, as often as the plan allows: regularly, or at once where somebody waits for it.
// Too soon is no error: what the list said a moment ago is recorded.
func (g *Gateway) fetch(ctx context.Context, accountID string, f providers.TransferFetcher, regular bool) error {
	every, atLeast := f.FetchPlan()
	if !regular {
		every = atLeast
	}
	cursor, mine, err := g.claimCursor(ctx, accountID, every)
	if err != nil || !mine {
		return err
	}
	found, next, err := f.Transfers(ctx, cursor)
	if err != nil {
		return fmt.Errorf("reading the transfers of account %s: %w", accountID, err)
	}
	var errs error
	for _, n := range found { // one that fails keeps no other waiting
		_, err := g.Record(context.WithoutCancel(ctx), Word{AccountID: accountID, Notice: n, Source: SourceLookup})
		errs = errors.Join(errs, err)
	}
	if errs != nil {
		return errs // the cursor stays: they are told again
	}
	return g.moveCursor(ctx, accountID, cursor, next)
}
