package gateway

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Stray is a message that came to an account and belongs to no payment: somebody else's, forged, or not to be read.
type Stray struct {
	Heard
	Digest []byte `db:"digest"`
}

// Strays gives an account's messages that belong to no payment, newest first; next is what to give as after for the ones before, "" at the end.
// With raw they are opened, which may name people: the caller notes who looks. Whether the caller may see the account is the caller's to know.
func (g *Gateway) Strays(ctx context.Context, accountID, after string, limit int, raw bool) (out []Stray, next string, err error) {
	before, digest := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), []byte{}
	if after != "" {
		at, rest, _ := strings.Cut(after, "~")
		if before, err = time.Parse(time.RFC3339Nano, at); err == nil {
			digest, err = base64.RawURLEncoding.DecodeString(rest)
		}
		if err != nil {
			return nil, "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"after", "must be the next of an earlier answer"}}}
		}
	}
	if err := g.db.SelectContext(ctx, &out, `SELECT received_at, kind, verdict, account_id, sealed, digest FROM callbacks
		WHERE account_id = $1 AND payment_id = '' AND (received_at, digest) < ($2, $3) ORDER BY received_at DESC, digest DESC LIMIT $4`, accountID, before, digest, limit+1); err != nil {
		return nil, "", fmt.Errorf("reading the messages to %s that belong to no payment: %w", accountID, err)
	}
	if len(out) > limit {
		out = out[:limit]
		last := out[limit-1]
		next = last.At.UTC().Format(time.RFC3339Nano) + "~" + base64.RawURLEncoding.EncodeToString(last.Digest)
	}
	for i := range out {
		if !raw {
			continue
		}
		plain, err := g.keys.Open(out[i].Sealed, "callback:"+out[i].Account)
		if err != nil {
			return nil, "", fmt.Errorf("opening a message to %s: %w", accountID, err)
		}
		out[i].Raw = string(plain)
	}
	return out, next, nil
}
