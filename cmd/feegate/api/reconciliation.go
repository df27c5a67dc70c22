package api

import (
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// mountReconciliation puts the morning after on HTTP: finance works on it, approvers and auditors read along.
func (s *server) mountReconciliation(v1 *gin.RouterGroup) {
	work, read := s.may("", identity.Finance), s.may("", identity.Finance, identity.Approver)
	v1.POST("/settlements", work, s.importSettlement)
	v1.GET("/imports", read, s.listImports)
	v1.POST("/statements", work, s.importStatement)
	v1.GET("/imports/:id", read, s.getImport)
	v1.POST("/reconciliations", work, s.reconcile)
	v1.GET("/reconciliations/:date", read, s.getDay)
	v1.GET("/ledger/balances", read, s.balances)
	s.mountDiscrepancies(v1)
}

// getImport gives an import, of a settlement or of a statement.
func (s *server) getImport(c *gin.Context) {
	name, err := id(c, "imp_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	imp, err := s.Reconciler.Import(c.Request.Context(), caller(c), name)
	if err == nil {
		c.JSON(http.StatusOK, imp)
		return
	}
	if gateway.ProblemName(err) == gateway.ProblemNotFound {
		var st *reconciliation.StatementImport
		if st, err = s.Reconciler.StatementImport(c.Request.Context(), caller(c), name); err == nil {
			c.JSON(http.StatusOK, st)
			return
		}
	}
	s.refuse(c, err)
}

// audit notes who did it. The deed is recorded with its doer already: a failure here is told to the log alone.
func (s *server) audit(c *gin.Context, action, object string) {
	if err := s.Identity.Audit(c.Request.Context(), nil, actor(c), action, object, nil); err != nil {
		s.Log.ErrorContext(c.Request.Context(), "not audited", "request", c.GetString(requestIDKey), "action", action, "object", object, "error", err)
	}
}

var anImport = regexp.MustCompile(`^(imp_[A-Za-z0-9_-]{1,60})?$`)

func (s *server) listImports(c *gin.Context) {
	limit, err := limitOf(c)
	if err == nil && !anImport.MatchString(c.Query("after")) {
		err = invalid("after", "must be the next of an earlier answer")
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Reconciler.Imports(c.Request.Context(), caller(c), c.Query("account_id"), c.Query("date"), c.Query("after"), limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

// reconcile matches a day again.
func (s *server) reconcile(c *gin.Context) {
	var in struct {
		Date      string `json:"date"`
		AccountID string `json:"account_id,omitempty"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	day, err := s.Reconciler.Reconcile(c.Request.Context(), caller(c), in.Date, in.AccountID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, day)
}

func (s *server) getDay(c *gin.Context) {
	day, err := s.Reconciler.Days(c.Request.Context(), caller(c), c.Param("date"), c.Query("account_id"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, day)
}

// balances adds up the moves recorded until a time, now when absent.
func (s *server) balances(c *gin.Context) {
	at := s.Now()
	if q := c.Query("at"); q != "" {
		t, err := time.Parse(time.RFC3339, q)
		if err != nil {
			s.refuse(c, invalid("at", "must be a time like 2026-01-31T17:00:00+07:00"))
			return
		}
		at = t
	}
	items, err := s.Reconciler.Balances(c.Request.Context(), caller(c), at)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"at": at, "items": items, "next": nil})
}

// refuseLines answers 422 with errors that name lines of a file.
func (s *server) refuseLines(c *gin.Context, detail string, lines []lineError) {
	m := problems[gateway.ProblemInvalid]
	c.Abort()
	c.Header("Content-Type", "application/problem+json")
	c.JSON(m.status, struct {
		document
		Errors []lineError `json:"errors"`
	}{document{Type: "urn:feegate:problem:" + gateway.ProblemInvalid, Title: m.title, TitleVI: m.viet, Status: m.status, Detail: detail, Request: c.GetString(requestIDKey)}, lines})
}
