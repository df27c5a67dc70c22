package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// mountRefundLists is how refunds go back that no interface pays back: in a list that finance hands to the bank.
func (s *server) mountRefundLists(v1 *gin.RouterGroup) {
	v1.POST("/refund-lists", s.may("", identity.Finance), s.createRefundList)
	v1.GET("/refund-lists", s.may("", identity.Finance, identity.Approver), s.listRefundLists)
	v1.GET("/refund-lists/:id", s.may("", identity.Finance, identity.Approver), s.getRefundList)
	v1.POST("/refunds/:id/confirm", s.may("", identity.Finance, identity.Approver), s.confirmRefund)
	v1.POST("/refunds/:id/returned", s.may("", identity.Finance, identity.Approver), s.returnRefund)
}

func (s *server) createRefundList(c *gin.Context) {
	var in gateway.NewRefundList
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Gateway.CreateRefundList(c.Request.Context(), caller(c), k, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	answer(c, a)
}

func (s *server) listRefundLists(c *gin.Context) {
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Gateway.RefundLists(c.Request.Context(), caller(c), c.Query("agency_code"), after, limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

// getRefundList shows accounts and names in clear, so each look is audited before it is given.
func (s *server) getRefundList(c *gin.Context) {
	name, err := id(c, "rfl_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	l, err := s.Gateway.RefundList(c.Request.Context(), caller(c), name)
	if err == nil {
		looked := map[string]any{"transfers": l.Count}
		if wantsTable(c) {
			looked["as"] = "csv"
		}
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "refund_list.read", name, looked)
	}
	switch {
	case err != nil:
		s.refuse(c, err)
	case wantsTable(c):
		c.Header("Content-Disposition", `attachment; filename="hoan-tien-`+l.ID+`.csv"`)
		table(c, l.Items, "")
	default:
		c.JSON(http.StatusOK, l)
	}
}

func (s *server) confirmRefund(c *gin.Context) {
	name, err := id(c, "rfd_")
	var in gateway.NewConfirmation
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.ConfirmRefund(c.Request.Context(), caller(c), name, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) returnRefund(c *gin.Context) {
	name, err := id(c, "rfd_")
	var in struct {
		Note string `json:"note"`
	}
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.ReturnRefund(c.Request.Context(), caller(c), name, in.Note)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}
