package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers/breaker"
)

// mountAccounts is how merchant accounts are opened, changed and checked. No answer holds a secret.
func (s *server) mountAccounts(v1 *gin.RouterGroup) {
	read := []identity.Role{identity.Admin, identity.Operator, identity.Finance, identity.Approver}
	v1.POST("/accounts", s.may("", identity.Admin), s.openAccount)
	v1.GET("/accounts", s.may("", read...), s.listAccounts)
	v1.GET("/accounts/:id", s.may("", read...), s.getAccount)
	v1.PATCH("/accounts/:id", s.may("", identity.Admin), s.changeAccount)
	v1.POST("/accounts/:id/secrets", s.may("", identity.Admin), s.rotateAccount)
	v1.POST("/accounts/:id/secrets/revoke", s.may("", identity.Admin), s.revokeOldSecret)
	v1.POST("/accounts/:id/beneficiaries", s.may("", identity.Admin), s.proposeBeneficiary)
	v1.POST("/accounts/:id/beneficiaries/:beneficiary/approve", s.may("", identity.Approver), s.decideBeneficiary(true))
	v1.POST("/accounts/:id/beneficiaries/:beneficiary/reject", s.may("", identity.Approver), s.decideBeneficiary(false))
	v1.POST("/accounts/:id/check", s.may("", identity.Admin, identity.Operator), s.checkAccount)
}

// by is the person who asks, with the audit that the change writes in its own transaction.
func (s *server) by(c *gin.Context) account.By {
	return account.By{ID: principal(c).ID, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		return s.Identity.Audit(ctx, tx, actor(c), action, object, detail)
	}}
}

// showAccount answers an account as it is now, or why not.
func (s *server) showAccount(c *gin.Context, status int, id string, err error) {
	var e *account.Entry
	if err == nil {
		e, err = s.Accounts.Get(c.Request.Context(), id)
	}
	if err != nil {
		s.refuse(c, gateway.AccountProblem(err))
		return
	}
	c.JSON(status, s.Accounts.View(e))
}

func (s *server) openAccount(c *gin.Context) {
	var in account.NewAccount
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	if !principal(c).InAgency(in.AgencyCode) {
		s.refuse(c, invalid("agency_code", "is not one of yours"))
		return
	}
	id, err := s.Accounts.Open(c.Request.Context(), in, s.by(c))
	s.showAccount(c, http.StatusCreated, id, err)
}

func (s *server) listAccounts(c *gin.Context) {
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	entries, err := s.Accounts.ForAgency(c.Request.Context(), c.Query("agency_code"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	who, provider := principal(c), c.Query("provider")
	entries = slices.DeleteFunc(entries, func(e *account.Entry) bool {
		return !who.InAgency(e.Account.AgencyCode) || provider != "" && e.Account.Provider != provider
	})
	if after != "" {
		at := slices.IndexFunc(entries, func(e *account.Entry) bool { return e.Account.ID == after })
		if at < 0 {
			s.refuse(c, invalid("after", "must be the next of an earlier answer"))
			return
		}
		entries = entries[at+1:]
	}
	next := ""
	if len(entries) > limit {
		entries, next = entries[:limit], entries[limit-1].Account.ID
	}
	items := []account.View{}
	for _, e := range entries {
		items = append(items, s.Accounts.View(e))
	}
	list(c, items, next)
}

func (s *server) getAccount(c *gin.Context) {
	e, err := s.ownAccount(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, s.Accounts.View(e))
}

// own reads the account of the address and the body, if one is asked for.
func (s *server) own(c *gin.Context, in any) (string, bool) {
	e, err := s.ownAccount(c)
	if err == nil && in != nil {
		_, err = readJSON(c, in)
	}
	if err != nil {
		s.refuse(c, err)
		return "", false
	}
	return e.Account.ID, true
}

func (s *server) changeAccount(c *gin.Context) {
	var in account.Change
	if id, ok := s.own(c, &in); ok {
		s.showAccount(c, http.StatusOK, id, s.Accounts.Change(c.Request.Context(), id, in, s.by(c)))
	}
}

// defaultOverlap is how long an old secret is accepted where nothing is said.
const defaultOverlap = 24

func (s *server) rotateAccount(c *gin.Context) {
	in := struct {
		Credentials  map[string]string `json:"credentials"`
		OverlapHours *int              `json:"overlap_hours,omitempty"`
	}{}
	id, ok := s.own(c, &in)
	if !ok {
		return
	}
	hours := defaultOverlap
	if in.OverlapHours != nil {
		hours = *in.OverlapHours
	}
	if longest := int(account.MaxOverlap.Hours()); hours < 0 || hours > longest { // a duration could overflow
		s.refuse(c, invalid("overlap_hours", fmt.Sprintf("must be 0 to %d", longest)))
		return
	}
	s.showAccount(c, http.StatusCreated, id, s.Accounts.Rotate(c.Request.Context(), id, in.Credentials, time.Duration(hours)*time.Hour, s.by(c)))
}

func (s *server) revokeOldSecret(c *gin.Context) {
	if id, ok := s.own(c, nil); ok {
		s.showAccount(c, http.StatusOK, id, s.Accounts.RevokeOld(c.Request.Context(), id, s.by(c)))
	}
}

func (s *server) proposeBeneficiary(c *gin.Context) {
	var in account.NewBeneficiary
	if id, ok := s.own(c, &in); ok {
		_, err := s.Accounts.Propose(c.Request.Context(), id, in, s.by(c))
		s.showAccount(c, http.StatusCreated, id, err)
	}
}

func (s *server) decideBeneficiary(approve bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := struct {
			Note string `json:"note,omitempty"`
		}{}
		var body any
		if c.Request.ContentLength != 0 {
			body = &in
		}
		if id, ok := s.own(c, body); ok {
			s.showAccount(c, http.StatusOK, id, s.Accounts.Decide(c.Request.Context(), id, c.Param("beneficiary"), approve, in.Note, s.by(c)))
		}
	}
}

// checkAccount asks the provider now. Its calls are not those of payments: they trip no breaker, and none stops them.
func (s *server) checkAccount(c *gin.Context) {
	id, ok := s.own(c, nil)
	if !ok {
		return
	}
	report, err := s.Accounts.Check(c.Request.Context(), id, breaker.New(breaker.Settings{}).Client)
	if err == nil {
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "account.checked", id, map[string]any{"works": report.Works})
	}
	if err != nil {
		s.refuse(c, gateway.AccountProblem(err))
		return
	}
	c.JSON(http.StatusOK, report)
}
