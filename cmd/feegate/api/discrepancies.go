package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

// mountDiscrepancies is the work list: finance works on it, an approver decides on what finance proposes, auditors read along.
func (s *server) mountDiscrepancies(v1 *gin.RouterGroup) {
	work, read, decide := s.may("", identity.Finance), s.may("", identity.Finance, identity.Approver), s.may("", identity.Approver)
	v1.GET("/discrepancies", read, s.listDiscrepancies)
	v1.GET("/discrepancies/summary", read, s.summariseDiscrepancies)
	v1.POST("/discrepancies/resolutions", work, s.resolveAll)
	v1.POST("/discrepancies/resolutions/approve", decide, func(c *gin.Context) { s.decideAll(c, true) })
	v1.POST("/discrepancies/resolutions/reject", decide, func(c *gin.Context) { s.decideAll(c, false) })
	v1.GET("/discrepancies/:id", read, show(s, "dis_", s.Reconciler.Discrepancy))
	v1.POST("/discrepancies/:id/resolutions", work, s.resolve)
	v1.POST("/discrepancies/:id/resolutions/:n/approve", decide, func(c *gin.Context) { s.decideResolution(c, true) })
	v1.POST("/discrepancies/:id/resolutions/:n/reject", decide, func(c *gin.Context) { s.decideResolution(c, false) })
	v1.POST("/discrepancies/:id/assign", work, about(s, http.StatusOK, "assigned", s.Reconciler.Assign))
	v1.POST("/discrepancies/:id/notes", work, about(s, http.StatusCreated, "noted", func(ctx context.Context, c gateway.Caller, id string, in struct {
		Note string `json:"note"`
	}) (*reconciliation.Discrepancy, error) {
		return s.Reconciler.Note(ctx, c, id, in.Note)
	}))
	v1.POST("/discrepancies/:id/reopen", work, about(s, http.StatusOK, "reopened", func(ctx context.Context, c gateway.Caller, id string, in struct {
		Reason string `json:"reason"`
	}) (*reconciliation.Discrepancy, error) {
		return s.Reconciler.Reopen(ctx, c, id, in.Reason)
	}))
	v1.POST("/discrepancies/:id/trace", work, about(s, http.StatusCreated, "asked", s.Reconciler.Ask))
	v1.POST("/discrepancies/:id/trace/answer", work, about(s, http.StatusOK, "answered", func(ctx context.Context, c gateway.Caller, id string, in struct {
		Answer string `json:"answer"`
	}) (*reconciliation.Trace, error) {
		return s.Reconciler.Answered(ctx, c, id, in.Answer)
	}))
	v1.GET("/discrepancies/:id/trace-letter", read, s.traceLetter)
	v1.POST("/discrepancies/:id/attachments", work, s.attach)
	v1.GET("/discrepancies/:id/attachments/:n", read, s.getAttachment)
}

// about does something about one discrepancy, and notes in the audit who did.
func about[In, Out any](s *server, status int, deed string, do func(context.Context, gateway.Caller, string, In) (Out, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		name, err := id(c, "dis_")
		var in In
		if err == nil {
			_, err = readJSON(c, &in)
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		out, err := do(c.Request.Context(), caller(c), name, in)
		if err != nil {
			s.refuse(c, err)
			return
		}
		s.audit(c, "discrepancy."+deed, name)
		c.JSON(status, out)
	}
}

// discrepancyFilter reads what a list or a count is to be of.
func discrepancyFilter(c *gin.Context) (reconciliation.Filter, error) {
	f := reconciliation.Filter{Date: c.Query("date"), From: c.Query("from"), To: c.Query("to"), AccountID: c.Query("account_id"), Kind: c.Query("kind"),
		Status: c.Query("status"), Owner: c.Query("owner")}
	for name, to := range map[string]*bool{"overdue": &f.Overdue, "proposed": &f.Proposed} {
		v, err := strconv.ParseBool(c.DefaultQuery(name, "false"))
		if err != nil {
			return f, invalid(name, "must be true or false")
		}
		*to = v
	}
	if q := c.Query("min_amount"); q != "" {
		v, err := vnd.Parse(q)
		if err != nil {
			return f, invalid("min_amount", err.Error())
		}
		f.MinAmount = v
	}
	return f, nil
}

func (s *server) listDiscrepancies(c *gin.Context) {
	f, err := discrepancyFilter(c)
	if err == nil {
		f.Sort = c.Query("sort")
		f.Limit, f.After, err = page(c)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Reconciler.Discrepancies(c.Request.Context(), caller(c), f)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

func (s *server) summariseDiscrepancies(c *gin.Context) {
	f, err := discrepancyFilter(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sum, err := s.Reconciler.Summarise(c.Request.Context(), caller(c), f)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, sum)
}

func (s *server) resolve(c *gin.Context) {
	name, err := id(c, "dis_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	var in reconciliation.NewResolution
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Reconciler.Resolve(c.Request.Context(), caller(c), k, name, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if !a.Replayed {
		s.audit(c, "discrepancy."+in.Action, name)
	}
	answer(c, a)
}

// decideResolution approves or rejects; the call has no body.
func (s *server) decideResolution(c *gin.Context, approve bool) {
	name, err := id(c, "dis_")
	var n int
	if err == nil {
		n, err = numbered(c, "resolution")
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	done, err := s.Reconciler.Decide(c.Request.Context(), caller(c), name, n, approve)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "discrepancy."+done.Action+"."+done.Status, name)
	c.JSON(http.StatusOK, done)
}

// numbered reads the number of what belongs to an object.
func numbered(c *gin.Context, what string) (int, error) {
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil || n < 1 || n > 1e6 {
		return 0, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such " + what}
	}
	return n, nil
}

// resolveAll does one thing about many that are alike, all or nothing.
func (s *server) resolveAll(c *gin.Context) {
	var in reconciliation.BulkResolution
	k, err := s.call(c, &in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Reconciler.ResolveAll(c.Request.Context(), caller(c), k, in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if !a.Replayed {
		for _, name := range in.IDs {
			s.audit(c, "discrepancy."+in.Action, name)
		}
	}
	answer(c, a)
}

// decideAll approves or rejects what waits for many.
func (s *server) decideAll(c *gin.Context, approve bool) {
	var in struct {
		IDs []string `json:"ids"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	done, err := s.Reconciler.DecideAll(c.Request.Context(), caller(c), in.IDs, approve)
	if err != nil {
		s.refuse(c, err)
		return
	}
	for _, d := range done {
		s.audit(c, "discrepancy."+d.Action+"."+d.Status, d.ID)
	}
	c.JSON(http.StatusOK, gin.H{"items": done})
}
