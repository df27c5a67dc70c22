package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/providers/breaker"
)

type accountView struct {
	ID         string                         `json:"id"`
	Provider   string                         `json:"provider"`
	AgencyCode string                         `json:"agency_code"`
	Kinds      []string                       `json:"kinds"`
	Methods    []methodView                   `json:"methods"`
	MinAmount  vnd.Amount                     `json:"min_amount"`
	MaxAmount  vnd.Amount                     `json:"max_amount"`
	Operations map[providers.Operation]string `json:"operations"`
	Available  bool                           `json:"available"`
	Reason     string                         `json:"reason,omitempty"`
}

type methodView struct {
	Method    providers.Method `json:"method"`
	MinAmount vnd.Amount       `json:"min_amount"`
	MaxAmount vnd.Amount       `json:"max_amount"`
}

// Why an account is not available.
const (
	reasonSetUp   = "not_set_up"
	reasonOpen    = "provider_not_reachable"
	reasonDay     = "not_in_force"
	reasonKind    = "kind_not_taken"
	reasonAmount  = "amount_outside_limits"
	reasonOtherly = "other_mode"
)

// A business day is Asia/Ho_Chi_Minh, which has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)

func (s *server) listProviders(c *gin.Context) {
	agency, kind := c.Query("agency_code"), c.Query("kind")
	if kind != "" && !slices.Contains([]string{"phi", "le_phi", "nvtc"}, kind) {
		s.refuse(c, invalid("kind", "must be one of phi, le_phi, nvtc"))
		return
	}
	var amount *vnd.Amount
	if q := c.Query("amount"); q != "" {
		a, err := vnd.Parse(q)
		if err != nil {
			s.refuse(c, invalid("amount", err.Error()))
			return
		}
		amount = &a
	}
	entries, err := s.Accounts.ForAgency(c.Request.Context(), agency)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items := []accountView{}
	for _, e := range entries {
		v := s.viewAccount(e, kind, amount)
		if e.Account.Mode != caller(c).Mode {
			v.Available, v.Reason = false, reasonOtherly
		}
		items = append(items, v)
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next": nil})
}

func (s *server) viewAccount(e *account.Entry, kind string, amount *vnd.Amount) accountView {
	a := &e.Account
	lo, hi := a.Limits(providers.MethodAny)
	v := accountView{ID: a.ID, Provider: a.Provider, AgencyCode: a.AgencyCode, Kinds: a.Kinds, Methods: []methodView{}, MinAmount: lo, MaxAmount: hi,
		Operations: map[providers.Operation]string{providers.OpCheckout: breaker.Closed, providers.OpLookup: breaker.Closed}}
	for _, m := range a.Capabilities.Methods {
		if m != providers.MethodAny && a.Offers(m) {
			mlo, mhi := a.Limits(m)
			v.Methods = append(v.Methods, methodView{m, mlo, mhi})
		}
	}
	if _, ok := e.Provider.(providers.Refunder); ok {
		v.Operations[providers.OpRefund] = breaker.Closed
	}
	for op, st := range s.breakerStates(a.ID) {
		v.Operations[op] = st.State
	}
	v.Reason, _ = s.closedFor(a, e.Err)
	switch {
	case v.Reason != "":
	case kind != "" && !a.Takes([]string{kind}):
		v.Reason = reasonKind
	case amount != nil && (*amount < lo || *amount > hi):
		v.Reason = reasonAmount
	}
	v.Available = v.Reason == ""
	return v
}

// closedFor says why no payment can be started at the account now, and until when where that is known.
func (s *server) closedFor(a *account.Account, broken error) (string, time.Time) {
	if broken != nil {
		return reasonSetUp, time.Time{}
	}
	if !a.Valid(s.Now().In(vietnam).Format(time.DateOnly)) {
		return reasonDay, time.Time{}
	}
	if st, ok := s.breakerStates(a.ID)[providers.OpCheckout]; ok && st.State == breaker.Open {
		return reasonOpen, st.NextProbe
	}
	return "", time.Time{}
}
