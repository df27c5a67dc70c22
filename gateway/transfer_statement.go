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
// the same amount, and whose bank reference or whose reference of ours the bank's text names. Where none or several are named nothing is
// done, and done is false: the debit is kept.
func (g *Gateway) ReverseTransfer(ctx context.Context, bankAccount string, n providers.Notice) (done bool, err error) {
	account, reference, err := g.takenBack(ctx, bankAccount, n)
	if err != nil || reference == "" {
		return false, err
	}
	_, err = g.Record(ctx, Word{AccountID: account, Source: SourceStatement,
		Notice: providers.Notice{Reference: reference, Outcome: providers.Reversed, Code: "statement", PaidAt: n.PaidAt}})
	return err == nil, err
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
