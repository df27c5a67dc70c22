package api

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

// mountCloses adds closed reports: frozen figures, another person's name under them, what moved since, and when they are made by themselves.
func (s *server) mountCloses(v1 *gin.RouterGroup) {
	read := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver, identity.Admin)
	people := s.may("", identity.Reporter, identity.Finance, identity.Approver, identity.Admin)
	v1.POST("/reports/adoption/closes", people, s.closeReport)
	v1.GET("/reports/adoption/revisions", read, s.listRevisions)
	v1.GET("/reports/adoption/revisions/:n", read, s.getRevision)
	v1.GET("/reports/adoption/revisions/:n/diff", people, s.diffRevisions)
	v1.GET("/reports/adoption/revisions/:n/verify", people, s.verifyRevision)
	v1.POST("/reports/adoption/revisions/:n/approve", s.may("", identity.Approver), s.approveRevision)
	v1.GET("/reports/schedules", people, s.listSchedules)
	v1.PUT("/reports/schedules/:every", s.may("", identity.Admin), s.putSchedule)
	v1.DELETE("/reports/schedules/:every", s.may("", identity.Admin), s.dropSchedule)
}

func (s *server) closeReport(c *gin.Context) {
	var in adoption.Closing
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	rev, made, err := s.Adoption.Close(c.Request.Context(), caller(c), in)
	if err != nil {
		s.refuse(c, err)
		return
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
		s.audit(c, "report.closed", rev.ID)
	}
	c.JSON(status, rev)
}

func (s *server) listRevisions(c *gin.Context) {
	limit, err := limitOf(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	items, next, err := s.Adoption.Revisions(c.Request.Context(), c.Query("from"), c.Query("to"), c.Query("after"), limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, next)
}

// revisionNo reads which revision is meant; false: it was refused.
func (s *server) revisionNo(c *gin.Context) (int, bool) {
	n, err := strconv.Atoi(c.Param("n"))
	if err != nil || n < 1 || n > 1e6 {
		s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such revision"})
		return 0, false
	}
	return n, true
}

func (s *server) getRevision(c *gin.Context) {
	n, ok := s.revisionNo(c)
	if !ok {
		return
	}
	rev, err := s.Adoption.Revision(c.Request.Context(), caller(c), c.Query("from"), c.Query("to"), n)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, rev)
}

func (s *server) diffRevisions(c *gin.Context) {
	n, ok := s.revisionNo(c)
	if !ok {
		return
	}
	limit, err := limitOf(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	against := 0
	if q := c.Query("against"); q != "" {
		if against, err = strconv.Atoi(q); err != nil || against < 1 {
			s.refuse(c, invalid("against", "must be the number of a revision"))
			return
		}
	}
	d, err := s.Adoption.Diff(c.Request.Context(), caller(c), c.Query("from"), c.Query("to"), n, against, c.Query("after"), limit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, d)
}

func (s *server) verifyRevision(c *gin.Context) {
	n, ok := s.revisionNo(c)
	if !ok {
		return
	}
	v, err := s.Adoption.Verify(c.Request.Context(), caller(c), c.Query("from"), c.Query("to"), n)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

func (s *server) approveRevision(c *gin.Context) {
	n, ok := s.revisionNo(c)
	if !ok {
		return
	}
	rev, err := s.Adoption.Approve(c.Request.Context(), caller(c), c.Query("from"), c.Query("to"), n)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "report.approved", rev.ID)
	c.JSON(http.StatusOK, rev)
}

func (s *server) listSchedules(c *gin.Context) {
	items, err := s.Adoption.Schedules(c.Request.Context())
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) putSchedule(c *gin.Context) {
	var in struct {
		WorkingDays int    `json:"working_days"`
		Since       string `json:"since"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	set, err := s.Adoption.PutSchedule(c.Request.Context(), caller(c), adoption.ReportSchedule{Every: c.Param("every"), WorkingDays: in.WorkingDays, Since: in.Since})
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "report.scheduled", set.Every)
	c.JSON(http.StatusOK, set)
}

func (s *server) dropSchedule(c *gin.Context) {
	if err := s.Adoption.DropSchedule(c.Request.Context(), caller(c), c.Param("every")); err != nil {
		s.refuse(c, err)
		return
	}
	s.audit(c, "report.unscheduled", c.Param("every"))
	c.Status(http.StatusNoContent)
}
