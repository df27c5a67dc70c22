package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// mountCounter adds what the procedure-handling system and the one-stop counter tell: dossiers, money over the counter, and the
// slips with which its cash went to the bank.
func (s *server) mountCounter(v1 *gin.RouterGroup) {
	v1.PUT("/dossiers/:dossier", s.may(identity.DossiersWrite), s.putDossier)
	v1.GET("/dossiers/:dossier", s.may(identity.DossiersWrite), s.getDossier)
	v1.POST("/orders/:id/counter-payments", s.may(identity.CounterWrite, identity.Finance), s.recordCounterPayment)
	v1.POST("/counter-payments/:id/void", s.may("", identity.Finance, identity.Approver), s.voidCounterPayment)
	v1.POST("/deposits", s.may(identity.CounterWrite, identity.Finance), s.recordDeposit)
}

func (s *server) putDossier(c *gin.Context) {
	var in gateway.Dossier
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	v, created, err := s.Gateway.PutDossier(c.Request.Context(), caller(c), c.Param("dossier"), in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(statusOf(created), v)
}

func (s *server) getDossier(c *gin.Context) {
	v, err := s.Gateway.Dossier(c.Request.Context(), caller(c), c.Param("dossier"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) recordCounterPayment(c *gin.Context) {
	order, err := id(c, "ord_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in gateway.NewCounterPayment
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if p := principal(c); p.Kind == identity.KindUser {
		if in.Officer != "" && in.Officer != p.Name {
			s.refuse(c, invalid("officer", "is who signed in: "+p.Name))
			return
		}
		in.Officer = p.Name
	}
	a, err := s.Gateway.RecordCounterPayment(c.Request.Context(), caller(c), k, order, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	answer(c, a)
}

func (s *server) voidCounterPayment(c *gin.Context) {
	payment, err := id(c, "pay_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	v, err := s.Gateway.VoidCounterPayment(c.Request.Context(), caller(c), payment, in.Reason)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) recordDeposit(c *gin.Context) {
	var in gateway.NewDeposit
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	v, known, err := s.Gateway.RecordDeposit(c.Request.Context(), caller(c), in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(statusOf(!known), v)
}

func statusOf(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}
