package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"feegate/providers"
)

// documentTries is when a provider's document is asked for again after so many tries; then nobody asks any more: a payment needs none.
var documentTries = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour}

// FetchDocuments asks the providers that keep a document on each payment for those of payments that succeeded, each a few times. Whatever comes
// of it, the payment stays as it is.
func (g *Gateway) FetchDocuments(ctx context.Context, limit int) (int, error) {
	entries, err := g.accounts.ForAgency(ctx, "")
	if err != nil {
		return 0, err
	}
	var accounts []string
	for _, e := range entries {
		if _, ok := e.Provider.(providers.ReceiptFetcher); ok && e.Err == nil {
			accounts = append(accounts, e.Account.ID)
		}
	}
	if len(accounts) == 0 {
		return 0, nil
	}
	due, err := g.claimDocuments(ctx, accounts, limit)
	if err != nil {
		return 0, err
	}
	return len(due), eachAccount(due, func(d *dueDocument) string { return *d.AccountID }, func(d *dueDocument) error { return g.fetchDocument(ctx, d) })
}

func (g *Gateway) fetchDocument(ctx context.Context, d *dueDocument) error {
	entry, err := g.accounts.Get(ctx, *d.AccountID)
	if err != nil {
		return err
	}
	fetcher, ok := entry.Provider.(providers.ReceiptFetcher)
	if !ok {
		return nil
	}
	r, err := fetcher.Receipt(ctx, d.asked())
	if err != nil { // the claim has written when it is asked for again
		return nil
	}
	sealed, err := g.keys.Seal(r.Body, "document:"+d.ID)
	if err != nil {
		return fmt.Errorf("sealing the document of %s: %w", d.ID, err)
	}
	return g.keepDocument(ctx, d.ID, r.ContentType, hex.EncodeToString(r.SHA256[:]), sealed)
}

// Document is a provider's own document on a payment.
type Document struct {
	ContentType, SHA256 string
	Body                []byte
}

// Document gives a provider's document on a payment that the caller may see; not-found where there is none.
func (g *Gateway) Document(ctx context.Context, c Caller, paymentID string) (*Document, error) {
	if _, err := g.visiblePayment(ctx, c, paymentID); err != nil {
		return nil, err
	}
	d, sealed, err := g.readDocument(ctx, paymentID)
	if err != nil {
		return nil, err
	}
	if d.Body, err = g.keys.Open(sealed, "document:"+paymentID); err != nil {
		return nil, fmt.Errorf("opening the document of %s: %w", paymentID, err)
	}
	return d, nil
}
