package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// mountBank opens the bank's side: movements and what each is, payouts, what may belong together, and what could explain a difference.
func (s *server) mountBank(v1 *gin.RouterGroup) {
	work, read := s.may("", identity.Finance), s.may("", identity.Finance, identity.Approver)
	v1.GET("/bank/lines", read, s.listBankLines)
	v1.GET("/bank/lines/:line", read, s.getBankLine)
	v1.GET("/bank/layouts", read, s.listLayouts)
	v1.POST("/bank/layouts/:id/confirm", work, s.confirmLayout)
	v1.GET("/imports/:id/lines", read, s.listImportLines)
	v1.GET("/payouts", read, s.listPayouts)
	v1.POST("/payouts/:id/end", work, s.endPayout)
	v1.GET("/match-proposals", read, s.listMatches)
	v1.POST("/match-proposals/:id/accept", work, s.acceptMatch)
	v1.GET("/reconciliations/:date/explanations", read, s.explanations)
	v1.GET("/ledger/lines", read, s.ledgerLines)
	v1.GET("/holidays", read, s.listHolidays)
	v1.PUT("/holidays/:date", s.may("", identity.Admin), s.putHoliday)
	v1.DELETE("/holidays/:date", s.may("", identity.Admin), s.deleteHoliday)
}

func (s *server) listBankLines(c *gin.Context) {
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Reconciler.BankLines(c.Request.Context(), caller(c), reconciliation.BankFilter{BankAccount: c.Query("bank_account"), From: c.Query("from"), To: c.Query("to"),
		Standing: c.Query("standing"), Role: c.Query("role"), After: after, Limit: limit})
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

func (s *server) getBankLine(c *gin.Context) {
	n, err := strconv.ParseInt(c.Param("line"), 10, 64)
	if err != nil {
		s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such movement of the bank"})
		return
	}
	v, err := s.Reconciler.Credit(c.Request.Context(), caller(c), n)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "bank_line.read", c.Param("line")) // its text may name people
	c.JSON(http.StatusOK, v)
}

// listImportLines gives the lines of an import, of a settlement file or of a statement, with how each stands.
func (s *server) listImportLines(c *gin.Context) {
	name, err := id(c, "imp_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	limit, after, err := page(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	ctx, who, standing := c.Request.Context(), caller(c), c.Query("standing")
	items, next, err := s.Reconciler.SettledLines(ctx, who, name, standing, after, limit)
	if err == nil {
		list(c, items, next)
		return
	}
	if gateway.ProblemName(err) == gateway.ProblemNotFound {
		if _, err = s.Reconciler.StatementImport(ctx, who, name); err == nil {
			var lines []reconciliation.BankLine
			if lines, next, err = s.Reconciler.BankLines(ctx, who, reconciliation.BankFilter{ImportID: name, Standing: standing, After: after, Limit: limit}); err == nil {
				list(c, lines, next)
				return
			}
		}
	}
	s.refuse(c, err)
}

func (s *server) listPayouts(c *gin.Context) {
	limit, err := limitOf(c)
	all := false
	if q := c.Query("ended"); err == nil && q != "" {
		if all, err = strconv.ParseBool(q); err != nil {
			err = invalid("ended", "must be true or false")
		}
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, err := s.Reconciler.Payouts(c.Request.Context(), caller(c), c.Query("account_id"), c.Query("from"), c.Query("to"), all, limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) endPayout(c *gin.Context) {
	name, err := id(c, "pyo_")
	var in struct {
		Reason string `json:"reason"`
	}
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	p, err := s.Reconciler.EndPayout(c.Request.Context(), caller(c), name, in.Reason)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "payout.ended", name)
	c.JSON(http.StatusOK, p)
}

func (s *server) listMatches(c *gin.Context) {
	items, err := s.Reconciler.ProposedMatches(c.Request.Context(), caller(c), c.Query("account_id"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) acceptMatch(c *gin.Context) {
	name, err := id(c, "prp_")
	var in struct {
		AccountID string `json:"account_id"`
		Note      string `json:"note"`
	}
	if err == nil {
		_, err = readJSON(c, &in)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	m, err := s.Reconciler.Accept(c.Request.Context(), caller(c), in.AccountID, name, in.Note)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "match.accepted", name)
	c.JSON(http.StatusOK, m)
}

func (s *server) explanations(c *gin.Context) {
	day, found, err := s.Reconciler.Explanations(c.Request.Context(), caller(c), c.Query("account_id"), c.Param("date"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"unexplained_difference": day.Unexplained, "bank_side_unexplained_difference": day.BankSide.Unexplained, "explanations": found})
}

// ledgerLines gives an account's clearing line by line, at a time: now when absent.
func (s *server) ledgerLines(c *gin.Context) {
	limit, after, err := page(c)
	at := s.Now()
	if q := c.Query("at"); err == nil && q != "" {
		if at, err = time.Parse(time.RFC3339, q); err != nil {
			err = invalid("at", "must be a time like 2026-01-31T17:00:00+07:00")
		}
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, sum, err := s.Reconciler.ClearingLines(c.Request.Context(), caller(c), c.Query("account_id"), at, after, limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if wantsTable(c) {
		list(c, items, next)
		return
	}
	var more *string
	if next != "" {
		more = &next
	}
	c.JSON(http.StatusOK, gin.H{"at": at, "balance": sum, "items": items, "next": more})
}

func (s *server) listHolidays(c *gin.Context) {
	items, err := s.Reconciler.Holidays(c.Request.Context(), c.Query("from"), c.Query("to"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) putHoliday(c *gin.Context) {
	var in struct {
		Name string `json:"name"`
	}
	_, err := readJSON(c, &in)
	if err == nil {
		err = s.Reconciler.PutHoliday(c.Request.Context(), c.Param("date"), in.Name)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "holiday.set", c.Param("date"))
	c.JSON(http.StatusOK, reconciliation.Holiday{Date: c.Param("date"), Name: in.Name})
}

func (s *server) deleteHoliday(c *gin.Context) {
	if err := s.Reconciler.DeleteHoliday(c.Request.Context(), c.Param("date")); err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "holiday.removed", c.Param("date"))
	c.Status(http.StatusNoContent)
}

func (s *server) listLayouts(c *gin.Context) {
	items, err := s.Reconciler.Layouts(c.Request.Context(), caller(c))
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) confirmLayout(c *gin.Context) {
	name, err := id(c, "lay_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	l, err := s.Reconciler.ConfirmLayout(c.Request.Context(), caller(c), name)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "layout.confirmed", name)
	c.JSON(http.StatusOK, l)
}
