package gateway

import (
	"encoding/hex"
	"fmt"
	"strings"

	"feegate/providers"
)

// payerEvidence is who paid, as it may be kept: a keyed digest and what people may see of the account.
type payerEvidence struct{ kind, bank, masked, digest string }

// payerEvidence digests what a wire says of the payer; nil where it says nothing. The digest is over kind, bank and account, so
// that the same account is the same payer whatever source told of it.
func (g *Gateway) payerEvidence(p *providers.Payer) (*payerEvidence, error) {
	if p == nil || p.Account == "" {
		return nil, nil
	}
	account := plainAccount(p.Account)
	digest, err := g.keys.Digest("payer", []byte(p.Kind+"\x00"+strings.ToUpper(p.Bank)+"\x00"+account))
	if err != nil {
		return nil, fmt.Errorf("digesting a payer's account: %w", err)
	}
	masked := p.Masked
	if masked == "" {
		masked = "••••" + account[max(0, len(account)-4):]
	}
	return &payerEvidence{p.Kind, p.Bank, masked, `\x` + hex.EncodeToString(digest)}, nil
}

// plainAccount is an account number as sources agree on it: letters and digits alone, capitals.
func plainAccount(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}
