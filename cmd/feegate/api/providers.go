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
	Circuits   []circuitView                  `json:"circuits"`
	Until      *time.Time                     `json:"until,omitempty"` // when it may be available again, where that is known
	Available  bool                           `json:"available"`
	Reason     string                         `json:"reason,omitempty"`
}

// circuitView is how the calls of one operation fare, in the process that answers.
type circuitView struct {
	Operation   providers.Operation `json:"operation"`
	State       string              `json:"state"`
	Mode        string              `json:"mode"`             // automatic, or an operator's open or closed
	Reason      string              `json:"reason,omitempty"` // the operator's
	Since       time.Time           `json:"since"`
	Failures    int                 `json:"failures"` // in a row
	InFlight    int                 `json:"in_flight"`
	Limit       int                 `json:"limit"`
	NextProbeAt *time.Time          `json:"next_probe_at,omitempty"`
}

func viewCircuit(st breaker.State) circuitView {
	v := circuitView{Operation: st.Operation, State: st.State, Mode: account.ModeAutomatic, Reason: st.Reason, Since: st.Since, Failures: st.Failures, InFlight: st.InFlight, Limit: st.Limit}
	switch st.Mode {
	case breaker.ForcedOpen:
		v.Mode = account.ModeOpen
	case breaker.ForcedClosed:
		v.Mode = account.ModeClosed
	}
	if !st.NextProbe.IsZero() {
		v.NextProbeAt = &st.NextProbe
	}
	return v
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
	reasonPayee   = "beneficiary_not_approved"
	reasonKind    = "kind_not_taken"
	reasonAmount  = "amount_outside_limits"
	reasonOtherly = "other_mode"
	reasonClosed  = "maintenance"
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
	if _, ok := e.Provider.(providers.Canceller); ok {
		v.Operations[providers.OpCancel] = breaker.Closed
	}
	v.Circuits = []circuitView{}
	for _, st := range s.Breakers.Snapshot(a.ID) {
		v.Operations[st.Operation] = st.State
		v.Circuits = append(v.Circuits, viewCircuit(st))
	}
	var until time.Time
	if v.Reason, until = s.closedFor(a, e.Err); !until.IsZero() {
		v.Until = &until
	}
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
	if a.Unapproved {
		return reasonPayee, time.Time{}
	}
	if !a.Valid(s.Now().In(vietnam).Format(time.DateOnly)) {
		return reasonDay, time.Time{}
	}
	if until, yes := a.UnderMaintenance(s.Now()); yes {
		return reasonClosed, until
	}
	if st, ok := s.breakerStates(a.ID)[providers.OpCheckout]; ok && !st.Passing {
		return reasonOpen, st.NextProbe
	}
	return "", time.Time{}
}
