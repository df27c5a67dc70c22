package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// mountDays puts the end of a day on HTTP: finance closes it, an approver signs it, an admin and an approver together open it again.
func (s *server) mountDays(v1 *gin.RouterGroup) {
	read, people := s.may("", identity.Finance, identity.Approver), s.may("", identity.Finance, identity.Approver, identity.Admin)
	reopen := s.may("", identity.Admin, identity.Approver)
	v1.GET("/days", people, s.listDays)
	v1.GET("/days/:account/:date", people, s.dayOf(s.Reconciler.DayDetail, ""))
	v1.POST("/days/:account/:date/close", s.may("", identity.Finance), s.dayOf(s.Reconciler.CloseDay, "day.closed"))
	v1.POST("/days/:account/:date/sign", s.may("", identity.Approver), s.dayOf(s.Reconciler.SignDay, "day.signed"))
	v1.POST("/days/:account/:date/reopen", reopen, s.askReopen)
	v1.POST("/days/:account/:date/reopen/approve", reopen, s.decideReopen(true, "day.reopened"))
	v1.POST("/days/:account/:date/reopen/reject", reopen, s.decideReopen(false, "day.reopen.rejected"))
	v1.GET("/days/:account/:date/versions/:n", people, s.getVersion)
	v1.GET("/days/:account/:date/adjustments", read, s.listAdjustments)
	v1.GET("/days/:account/:date/minutes.xlsx", read, s.minutes(s.Reconciler.DayMinutes, "date", xlsxType, (*reconciliation.Minutes).XLSX))
	v1.GET("/days/:account/:date/minutes.pdf", read, s.minutes(s.Reconciler.DayMinutes, "date", pdfType, (*reconciliation.Minutes).PDF))
	v1.GET("/months/:account/:month/minutes.xlsx", read, s.minutes(s.Reconciler.MonthMinutes, "month", xlsxType, (*reconciliation.Minutes).XLSX))
	v1.GET("/months/:account/:month/minutes.pdf", read, s.minutes(s.Reconciler.MonthMinutes, "month", pdfType, (*reconciliation.Minutes).PDF))
}

const (
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	pdfType  = "application/pdf"
)

func (s *server) listDays(c *gin.Context) {
	limit, err := limitOf(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Reconciler.DayStates(c.Request.Context(), caller(c), reconciliation.StateFilter{From: c.Query("from"), To: c.Query("to"), AccountID: c.Query("account_id"),
		Status: c.Query("status"), After: c.Query("after"), Limit: limit})
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

// dayOf reads a day, or does something to it, which is audited.
func (s *server) dayOf(do func(context.Context, gateway.Caller, string, string) (*reconciliation.DayDetail, error), deed string) gin.HandlerFunc {
	return func(c *gin.Context) {
		d, err := do(c.Request.Context(), caller(c), c.Param("account"), c.Param("date"))
		s.answerDay(c, d, err, deed)
	}
}

func (s *server) answerDay(c *gin.Context, d *reconciliation.DayDetail, err error, deed string) {
	if err != nil {
		s.refuse(c, err)
		return
	}
	if deed != "" {
		s.audit(c, deed, d.AccountID+"/"+d.Date)
	}
	c.JSON(http.StatusOK, d)
}

func (s *server) askReopen(c *gin.Context) {
	var in struct {
		Reason string `json:"reason"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	d, err := s.Reconciler.AskReopen(c.Request.Context(), caller(c), reconciliation.ReopenRoles(principal(c).Roles), c.Param("account"), c.Param("date"), in.Reason)
	s.answerDay(c, d, err, "day.reopen.asked")
}

func (s *server) decideReopen(approve bool, deed string) gin.HandlerFunc {
	return func(c *gin.Context) {
		d, err := s.Reconciler.DecideReopen(c.Request.Context(), caller(c), reconciliation.ReopenRoles(principal(c).Roles), c.Param("account"), c.Param("date"), approve)
		s.answerDay(c, d, err, deed)
	}
}

func (s *server) getVersion(c *gin.Context) {
	n, bad := strconv.Atoi(c.Param("n"))
	if bad != nil || n < 1 || n > 1e6 {
		s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such version"})
		return
	}
	against := 0
	if q := c.Query("against"); q != "" {
		if against, bad = strconv.Atoi(q); bad != nil || against < 1 || against > 1e6 {
			s.refuse(c, invalid("against", "must be the number of a version"))
			return
		}
	}
	v, err := s.Reconciler.DayVersion(c.Request.Context(), caller(c), c.Param("account"), c.Param("date"), n, against)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

// listAdjustments gives what landed on a day for closed ones, and what left it after it was closed itself.
func (s *server) listAdjustments(c *gin.Context) {
	landed, left, err := s.Reconciler.Adjustments(c.Request.Context(), caller(c), c.Param("account"), c.Param("date"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"landed": landed, "left": left})
}

// minutes answers with the document of a day or a month.
func (s *server) minutes(of func(context.Context, gateway.Caller, string, string) (*reconciliation.Minutes, error), when, kind string, write func(*reconciliation.Minutes) ([]byte, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		m, err := of(c.Request.Context(), caller(c), c.Param("account"), c.Param(when))
		if err != nil {
			s.refuse(c, err)
			return
		}
		b, err := write(m)
		if err != nil {
			s.refuse(c, err)
			return
		}
		ending := ".xlsx"
		if kind == pdfType {
			ending = ".pdf"
		}
		c.Header("Content-Disposition", `attachment; filename="bien-ban-doi-soat-`+m.Account.ID+"-"+c.Param(when)+ending+`"`)
		c.Data(http.StatusOK, kind, b)
	}
}
