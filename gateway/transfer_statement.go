package gateway

import (
	"context"
	"fmt"

	"feegate/providers"
)

// SourceStatement is the bank's own statement.
const SourceStatement Source = "statement"

// RecordStatementLine takes a line of the bank's statement through the door, as the merchant account's whose money it is: it confirms
// a transfer that was told of, or is one that nobody told of. It gives the transfer.
func (g *Gateway) RecordStatementLine(ctx context.Context, accountID string, n providers.Notice) (transfer string, err error) {
	if _, err := g.recordTransfer(ctx, Word{AccountID: accountID, Notice: n, Source: SourceStatement, transfer: &transfer}); err != nil {
		return "", err
	}
	return transfer, nil
}

// ReverseTransfer takes back the payment of a transfer that the bank took back: the one that came into the account within the last days with
// the same amount, and whose bank reference or whose reference of ours the bank's text names. It gives the payment, one that was taken back before too. Where none or
// several are named nothing is done and it gives "": the debit is kept.
func (g *Gateway) ReverseTransfer(ctx context.Context, bankAccount string, n providers.Notice) (payment string, err error) {
	found, err := g.takenBack(ctx, bankAccount, n)
	if err != nil || found == nil {
		return "", err
	}
	if found.Status == PaymentReversed {
		return found.ID, nil
	}
	if _, err = g.Record(ctx, Word{AccountID: found.Account, Source: SourceStatement,
		Notice: providers.Notice{Reference: found.Reference, Outcome: providers.Reversed, Code: "statement", PaidAt: n.PaidAt}}); err != nil {
		return "", err
	}
	return found.ID, nil
}

// SealText seals what people wrote, for a purpose.
func (g *Gateway) SealText(purpose, text string) ([]byte, error) {
	sealed, err := g.keys.Seal([]byte(text), purpose)
	if err != nil {
		return nil, fmt.Errorf("sealing a text: %w", err)
	}
	return sealed, nil
}

// OpenText opens what SealText sealed for the same purpose.
func (g *Gateway) OpenText(purpose string, sealed []byte) (string, error) {
	plain, err := g.keys.Open(sealed, purpose)
	if err != nil {
		return "", fmt.Errorf("opening a sealed text: %w", err)
	}
	return string(plain), nil
}
