package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
)

func (s *server) requestRefund(c *gin.Context) {
	payment, err := id(c, "pay_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in gateway.NewRefund
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Gateway.RequestRefund(c.Request.Context(), caller(c), k, payment, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	answer(c, a)
}

// maxNote is how much a person may say about a decision.
const maxNote = 500

// decideRefund lets a person approve or reject, with a few words.
func (s *server) decideRefund(decide func(ctx context.Context, c gateway.Caller, id, note string) (*gateway.RefundView, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		refund, err := id(c, "rfd_")
		var in struct {
			Note string `json:"note"`
		}
		if err == nil {
			err = readOptional(c, &in)
		}
		if err == nil && len([]rune(in.Note)) > maxNote {
			err = invalid("note", "at most 500 characters")
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		v, err := decide(c.Request.Context(), caller(c), refund, in.Note)
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, v)
	}
}

func (s *server) retryRefund(c *gin.Context) {
	refund, err := id(c, "rfd_")
	if err == nil {
		err = readOptional(c, &struct{}{})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.RetryRefund(c.Request.Context(), caller(c), refund)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) listSurplus(c *gin.Context) {
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Gateway.Surplus(c.Request.Context(), caller(c), c.Query("agency_code"), limit, after)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

func (s *server) proposeApplication(c *gin.Context) {
	payment, err := id(c, "pay_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in gateway.NewApplication
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.ProposeApplication(c.Request.Context(), caller(c), payment, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusCreated, v)
}

func (s *server) decideApplication(approve bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		application, err := id(c, "sap_")
		if err == nil {
			err = readOptional(c, &struct{}{})
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		v, err := s.Gateway.DecideApplication(c.Request.Context(), caller(c), application, approve)
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, v)
	}
}
