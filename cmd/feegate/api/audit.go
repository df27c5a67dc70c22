package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
)

// mountAudit adds who did what. The audit knows no agency, so that who is limited to agencies does not read it.
func (s *server) mountAudit(v1 *gin.RouterGroup) {
	may := s.may("", identity.Auditor, identity.Admin)
	v1.GET("/audit", may, s.listAudit)
	v1.GET("/audit/verify", may, s.verifyAudit)
}

type auditRow struct {
	ID         int64         `json:"id"`
	RecordedAt time.Time     `json:"recorded_at"`
	ActorKind  identity.Kind `json:"actor_kind"`
	Actor      string        `json:"actor"`
	ActorName  string        `json:"actor_name"`
	Action     string        `json:"action"`
	Object     string        `json:"object"`
	Address    string        `json:"address"`
	RequestID  string        `json:"request_id"`
	Detail     auditDetail   `json:"detail"`
}

// auditDetail is an object in JSON and one cell in a table.
type auditDetail string

// MarshalJSON writes the object.
func (d auditDetail) MarshalJSON() ([]byte, error) { return []byte(d), nil }

// auditFilter reads what the caller looks for.
func auditFilter(c *gin.Context) (f identity.Filter, err error) {
	if len(principal(c).Agencies) > 0 {
		return f, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "the audit is the whole province's: who is limited to agencies does not read it"}
	}
	f = identity.Filter{Object: c.Query("object"), Actor: c.Query("actor"), Action: c.Query("action")}
	if f.Limit, err = limitOf(c); err != nil {
		return f, err
	}
	if q := c.Query("after"); q != "" {
		if f.After, err = strconv.ParseInt(q, 10, 64); err != nil || f.After < 1 {
			return f, invalid("after", "must be the next of an earlier answer")
		}
	}
	for name, end := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		t, err := bound(c, name, name == "to")
		if err != nil {
			return f, err
		}
		if t != nil {
			*end = *t
		}
	}
	return f, nil
}

// listAudit answers a page of the audit; that somebody looked, and for what, is its next row.
func (s *server) listAudit(c *gin.Context) {
	f, err := auditFilter(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	ctx := c.Request.Context()
	rows, next, err := s.Identity.Look(ctx, actor(c), f)
	if err != nil {
		s.refuse(c, err)
		return
	}
	names, err := s.Identity.Names(ctx, actorsOf(rows))
	if err != nil {
		s.refuse(c, err)
		return
	}
	items := []auditRow{}
	for _, r := range rows {
		items = append(items, auditRow{r.ID, r.RecordedAt, r.ActorKind, r.Actor, names[r.Actor], r.Action, r.Object, r.Address, r.RequestID, auditDetail(r.Detail)})
	}
	at := ""
	if next > 0 {
		at = strconv.FormatInt(next, 10)
	}
	list(c, items, at)
}

func actorsOf(rows []identity.Record) (ids []string) {
	for _, r := range rows {
		ids = append(ids, r.Actor)
	}
	return ids
}

// verifyAudit hashes every row again.
func (s *server) verifyAudit(c *gin.Context) {
	if len(principal(c).Agencies) > 0 {
		s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "the audit is the whole province's: who is limited to agencies does not read it"})
		return
	}
	v, err := s.Identity.Verify(c.Request.Context())
	if err == nil {
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "audit.verified", "", map[string]any{"intact": v.Intact})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}
