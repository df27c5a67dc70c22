package api

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
)

// mountOperations are what an operator does when a provider is in trouble.
func (s *server) mountOperations(v1 *gin.RouterGroup) {
	read := []identity.Role{identity.Operator, identity.Finance, identity.Admin}
	v1.GET("/providers/:id/overrides", s.may("", read...), s.listOverrides)
	v1.POST("/providers/:id/overrides", s.may("", identity.Operator), s.override)
	v1.GET("/providers/:id/maintenance", s.may("", read...), s.listMaintenance)
	v1.POST("/providers/:id/maintenance", s.may("", identity.Operator), s.announceMaintenance)
	v1.POST("/providers/:id/maintenance/:window/end", s.may("", identity.Operator), s.endMaintenance)
}

// ownAccount is the account of the address, where the person may work on its agency; others do not exist.
func (s *server) ownAccount(c *gin.Context) (*account.Entry, error) {
	none := &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such account"}
	name := c.Param("id")
	if !accountID.MatchString(name) {
		return nil, none
	}
	e, err := s.Accounts.Get(c.Request.Context(), name)
	who := caller(c)
	switch {
	case errors.Is(err, account.ErrNoAccount):
		return nil, none
	case err != nil:
		return nil, err
	case len(who.Agencies) > 0 && !slices.Contains(who.Agencies, e.Account.AgencyCode):
		return nil, none
	}
	return e, nil
}

func (s *server) listOverrides(c *gin.Context) {
	e, err := s.ownAccount(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, err := s.Accounts.Overrides(c.Request.Context(), e.Account.ID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next": nil})
}

// override switches an operation off or on by hand, or lets the breaker decide again.
func (s *server) override(c *gin.Context) {
	e, err := s.ownAccount(c)
	var in struct {
		Operation string `json:"operation"`
		Mode      string `json:"mode"`
		Reason    string `json:"reason"`
	}
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	o := account.Override{AccountID: e.Account.ID, Operation: in.Operation, Mode: in.Mode, Reason: in.Reason, By: principal(c).ID, RecordedAt: s.Now()}
	if err = gateway.AccountProblem(o.Check()); err == nil {
		err = s.Accounts.Override(c.Request.Context(), o)
	}
	if err == nil {
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "provider.override", o.AccountID, map[string]any{"operation": o.Operation, "mode": o.Mode, "reason": o.Reason})
	}
	if err == nil { // this process at once, the others within seconds
		err = s.ApplyOverrides(c.Request.Context())
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusCreated, o)
}

func (s *server) listMaintenance(c *gin.Context) {
	e, err := s.ownAccount(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, err := s.Accounts.WindowsOf(c.Request.Context(), e.Account.ID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next": nil})
}

// announceMaintenance tells beforehand when an account cannot be paid into.
func (s *server) announceMaintenance(c *gin.Context) {
	e, err := s.ownAccount(c)
	var in struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Reason string    `json:"reason"`
	}
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	w := account.Window{ID: "mnt_" + strings.ToLower(rand.Text()), AccountID: e.Account.ID, From: in.From, To: in.To, Reason: in.Reason, By: principal(c).ID, RecordedAt: s.Now()}
	if err = gateway.AccountProblem(w.Check(w.RecordedAt)); err == nil {
		err = s.Accounts.Announce(c.Request.Context(), w)
	}
	if err == nil {
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "provider.maintenance", w.AccountID, map[string]any{"id": w.ID, "from": w.From, "to": w.To, "reason": w.Reason})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusCreated, w)
}

func (s *server) endMaintenance(c *gin.Context) {
	e, err := s.ownAccount(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	id := c.Param("window")
	ended, err := s.Accounts.EndWindow(c.Request.Context(), e.Account.ID, id, s.by(c), "", s.Now())
	if err == nil && !ended {
		err = &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such maintenance that is not over"}
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
