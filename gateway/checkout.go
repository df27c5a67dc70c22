package gateway

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"feegate/gateway/vnd"
	"feegate/providers"
)

// OrderByToken gives the order of a checkout address and who its source system is; a token that is not ours is a not-found, whatever
// the order.
func (g *Gateway) OrderByToken(ctx context.Context, token string) (*OrderView, Caller, error) {
	none := &Problem{Name: ProblemNotFound, Detail: "there is no such order"}
	id, mac, ok := strings.Cut(token, ".")
	given, err := base64.RawURLEncoding.DecodeString(mac)
	if !ok || err != nil {
		return nil, Caller{}, none
	}
	want, err := g.keys.Digest(tokenPurpose, []byte("ord_"+id))
	if err != nil {
		return nil, Caller{}, err
	}
	if subtle.ConstantTimeCompare(given, want[:18]) != 1 {
		return nil, Caller{}, none
	}
	o, err := oneOrder(ctx, g.db, `id = $1`, "ord_"+id)
	if err != nil {
		return nil, Caller{}, err
	}
	c := Caller{ClientID: o.ClientID, SourceSystem: o.SourceSystem, Mode: o.Mode, Actor: "payer"}
	v, err := g.Order(ctx, c, o.ID)
	return v, c, err
}

// Way is one account that an order can be paid into.
type Way struct {
	AccountID, Provider string
	Min, Max            vnd.Amount // of one payment
	Outside             bool       // the amount owed is outside them
}

// Ways lists what the checkout may offer for an order, in the province's order. The caller is the order's, as OrderByToken gives it.
func (g *Gateway) Ways(ctx context.Context, c Caller, v *OrderView) ([]Way, error) {
	entries, err := g.accounts.ForAgency(ctx, v.AgencyCode)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, l := range v.Lines {
		kinds = append(kinds, l.Kind)
	}
	day := g.now().In(vietnam).Format("2006-01-02")
	var out []Way
	for _, e := range entries {
		if e.Err != nil || !e.Account.Valid(day) || !e.Account.Takes(kinds) || e.Account.Mode != c.Mode {
			continue
		}
		lo, hi := e.Account.Limits(providers.MethodAny)
		owed := v.Owed()
		out = append(out, Way{e.Account.ID, e.Account.Provider, lo, hi, owed < lo || owed > hi})
	}
	return out, nil
}

// Owed is what is still to be paid.
func (v *OrderView) Owed() vnd.Amount { return v.Amount - v.PaidAmount }
