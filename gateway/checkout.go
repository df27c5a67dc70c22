package gateway

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

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
	Title               string     // what it is to a payer: accounts of one title are the same way
	ByTransfer          bool       // the payer's bank sends to the agency's account directly
	Method              string     // to ask for
	Min, Max            vnd.Amount // of one payment
	Outside             bool       // the amount owed is outside them
	ClosedUntil         *time.Time // under maintenance
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
	now := g.now()
	day := now.In(vietnam).Format(time.DateOnly)
	var out []Way
	for _, e := range entries {
		if e.Err != nil || !e.Account.Valid(day) || !e.Account.Takes(kinds) || e.Account.Mode != c.Mode {
			continue
		}
		reg, method := e.Account.Registration, providers.MethodAny
		if reg.Transfers && e.Account.Offers(providers.MethodQR) {
			method = providers.MethodQR // the page shows a code to scan
		}
		lo, hi := e.Account.Limits(method)
		owed := v.Owed()
		w := Way{AccountID: e.Account.ID, Provider: e.Account.Provider, Title: reg.Title, ByTransfer: reg.Transfers, Method: string(method), Min: lo, Max: hi, Outside: owed < lo || owed > hi}
		if until, yes := e.Account.UnderMaintenance(now); yes {
			w.ClosedUntil = &until
		}
		out = append(out, w)
	}
	return out, nil
}

// Owed is what is still to be paid.
func (v *OrderView) Owed() vnd.Amount { return v.Amount - v.PaidAmount }
