package api

import (
	"context"
	"net/http"
	"regexp"
	"strconv"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// mountProposals is what two people change: targets, definitions, accounts that may pay for many. Beside them the accounts of staff, which
// an administrator declares.
func (s *server) mountProposals(v1 *gin.RouterGroup) {
	read := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver, identity.Admin)
	propose, decide := s.may("", identity.Admin), s.may("", identity.Admin, identity.Approver)
	v1.GET("/targets", read, func(c *gin.Context) {
		items, err := s.Gateway.Targets(c.Request.Context())
		whole(s, c, items, err)
	})
	v1.POST("/targets", propose, proposing(s, s.Gateway.ProposeTarget))
	v1.POST("/targets/:id/approve", decide, deciding(s, true, s.Gateway.DecideTarget))
	v1.POST("/targets/:id/reject", decide, deciding(s, false, s.Gateway.DecideTarget))
	v1.GET("/definitions", read, func(c *gin.Context) {
		items, err := s.Adoption.Definitions(c.Request.Context())
		whole(s, c, items, err)
	})
	v1.POST("/definitions", propose, proposing(s, s.Adoption.ProposeDefinition))
	v1.POST("/definitions/:id/approve", decide, deciding(s, true, s.Adoption.DecideDefinition))
	v1.POST("/definitions/:id/reject", decide, deciding(s, false, s.Adoption.DecideDefinition))

	v1.GET("/staff-accounts", s.may("", identity.Admin, identity.Approver), s.listStaffAccounts)
	v1.PUT("/staff-accounts", propose, s.putStaffAccounts)
	v1.GET("/payer-allowances", s.may("", identity.Admin, identity.Approver), func(c *gin.Context) {
		items, err := s.Gateway.Allowances(c.Request.Context())
		whole(s, c, items, err)
	})
	v1.POST("/payer-allowances", propose, proposing(s, s.Gateway.ProposeAllowance))
	allow := func(approve bool) gin.HandlerFunc {
		return deciding(s, approve, func(ctx context.Context, id string, approve bool, _ string, by gateway.By) (*gateway.Allowance, error) {
			return s.Gateway.DecideAllowance(ctx, id, approve, by)
		})
	}
	v1.POST("/payer-allowances/:id/approve", decide, allow(true))
	v1.POST("/payer-allowances/:id/reject", decide, allow(false))
	v1.POST("/payer-allowances/:id/end", decide, deciding(s, false, func(ctx context.Context, id string, _ bool, _ string, by gateway.By) (*gateway.Allowance, error) {
		return s.Gateway.EndAllowance(ctx, id, by)
	}))
}

var proposalID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,70}$`)

// provinces refuses who is limited to agencies: what is the whole province's is not theirs to change.
func provinces(c *gin.Context) error {
	if len(principal(c).Agencies) > 0 {
		return &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "this is the whole province's: who is limited to agencies does not change it"}
	}
	return nil
}

// proposing reads a proposal and answers it as it stands.
func proposing[N, T any](s *server, propose func(context.Context, N, gateway.By) (*T, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		var in N
		err := provinces(c)
		if err == nil {
			_, err = readJSON(c, &in)
		}
		var out *T
		if err == nil {
			out, err = propose(c.Request.Context(), in, s.decider(c))
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusCreated, out)
	}
}

// deciding approves or rejects a proposal, with a few words or none.
func deciding[T any](s *server, approve bool, decide func(context.Context, string, bool, string, gateway.By) (*T, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := struct {
			Note string `json:"note,omitempty"`
		}{}
		err := provinces(c)
		if err == nil && !proposalID.MatchString(c.Param("id")) {
			err = &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such proposal"}
		}
		if err == nil && c.Request.ContentLength != 0 {
			_, err = readJSON(c, &in)
		}
		var out *T
		if err == nil {
			out, err = decide(c.Request.Context(), c.Param("id"), approve, in.Note, s.decider(c))
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, out)
	}
}

func (s *server) listStaffAccounts(c *gin.Context) {
	ended, err := strconv.ParseBool(c.DefaultQuery("ended", "false"))
	if err != nil {
		s.refuse(c, invalid("ended", "must be true or false"))
		return
	}
	items, err := s.Gateway.StaffAccounts(c.Request.Context(), s.decider(c), ended)
	whole(s, c, items, err)
}

func (s *server) putStaffAccounts(c *gin.Context) {
	var in gateway.StaffChange
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	out, err := s.Gateway.PutStaffAccounts(c.Request.Context(), in, s.decider(c))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, out)
}
