package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption/honesty"
)

// mountHonesty adds what the honesty rules found, what can truly be paid online, and the national figure made again.
func (s *server) mountHonesty(v1 *gin.RouterGroup) {
	reports := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver)
	v1.GET("/exceptions", reports, s.exceptions)
	v1.GET("/exceptions/summary", reports, s.exceptionSummary)
	v1.GET("/exceptions/sample", s.may("", identity.Finance, identity.Approver), s.exemptionSample)
	v1.GET("/reports/exemptions", reports, s.exemptions)
	v1.GET("/reports/enabled", reports, s.enabled)
	v1.GET("/reports/national", reports, s.national)
	v1.GET("/reports/national/dossiers", s.mayAny([]identity.Scope{identity.ReportsRead, identity.DossiersWrite}, identity.Reporter, identity.Finance, identity.Approver), s.nationalDossiers)
	v1.GET("/reports/national/differences", s.mayAny([]identity.Scope{identity.ReportsRead, identity.DossiersWrite}, identity.Reporter, identity.Finance, identity.Approver), s.nationalDifferences)
	v1.PUT("/reports/national/sent", s.may(identity.DossiersWrite), s.putNationalSent)
	v1.PUT("/reports/national/official", s.may("", identity.Finance, identity.Admin), s.putNationalOfficial)
}

// asked is a question of the honesty rules: like one for the rate.
func (s *server) asked(c *gin.Context) (honesty.Question, error) {
	q, err := s.question(c)
	return honesty.Question{From: q.From, To: q.To, AsOf: q.AsOf, Agency: c.Query("agency_code"), Agencies: q.Agencies}, err
}

// told answers, or refuses.
func told[T any](s *server, c *gin.Context, v T, err error) {
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, v)
}

// listed answers with a page, as a table where the caller would rather have one.
func listed[T, L any](s *server, c *gin.Context, whole L, items []T, next *string) {
	if !wantsTable(c) {
		c.JSON(http.StatusOK, whole)
		return
	}
	at := ""
	if next != nil {
		at = *next
	}
	table(c, items, at)
}

func (s *server) exceptions(c *gin.Context) {
	q, err := s.asked(c)
	limit := 0
	if err == nil {
		limit, err = limitOf(c)
	}
	var l *honesty.Findings
	if err == nil {
		l, err = s.Honesty.Exceptions(c.Request.Context(), q, c.Query("rule"), limit, c.Query("after"))
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, l, l.Items, l.Next)
}

func (s *server) exceptionSummary(c *gin.Context) {
	q, err := s.asked(c)
	var a *honesty.Annex
	if err == nil {
		a, err = s.Honesty.Annex(c.Request.Context(), q)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, a, a.Rows, nil)
}

func (s *server) exemptionSample(c *gin.Context) {
	q, err := s.asked(c)
	size := 0
	if err == nil {
		size, err = limitOf(c)
	}
	seed := c.Query("seed")
	if err == nil && (seed == "" || len(seed) > 100 || strings.ContainsRune(seed, 0)) {
		err = invalid("seed", "must be 1 to 100 bytes: the same seed draws the same")
	}
	var items []honesty.Sampled
	if err == nil {
		items, err = s.Honesty.Sample(c.Request.Context(), q, seed, size)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, gin.H{"seed": seed, "items": items}, items, nil)
}

func (s *server) exemptions(c *gin.Context) {
	q, err := s.asked(c)
	var e *honesty.Exemptions
	if err == nil {
		e, err = s.Honesty.Exemptions(c.Request.Context(), q)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, e, e.Rows, nil)
}

func (s *server) enabled(c *gin.Context) {
	q, err := s.question(c)
	var e *honesty.Enabled
	if err == nil {
		e, err = s.Honesty.Enabled(c.Request.Context(), c.Query("on"), q.From, q.To, "", q.Agencies)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, e, e.Items, nil)
}

func (s *server) national(c *gin.Context) {
	q, err := s.asked(c)
	var n *honesty.National
	if err == nil {
		n, err = s.Honesty.National(c.Request.Context(), q)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	if !wantsTable(c) {
		c.JSON(http.StatusOK, n)
		return
	}
	table(c, gapLines(n), "")
}

// gapLine is one side of an agency's gap as a row of a table.
type gapLine struct {
	Agency  string `json:"agency_code"`
	Name    string `json:"agency_name"`
	Side    string `json:"side"`
	Ours    int64  `json:"ours"`
	Theirs  *int64 `json:"theirs"`
	Gap     *int64 `json:"gap"`
	Start   int64  `json:"start_time"`
	Maybe   int64  `json:"provisional"`
	Proxy   int64  `json:"proxy"`
	Mixed   int64  `json:"mixed"`
	Wrong   int64  `json:"flag_sent_wrong"`
	NotZero int64  `json:"exempt_not_zero"`
	Rest    *int64 `json:"not_explained"`
}

func gapLines(n *honesty.National) (out []gapLine) {
	for _, r := range append(append([]honesty.GapRow{}, n.Gap.Rows...), n.Gap.Total) {
		name := r.Agency.Name
		if r.Agency.Code == "" {
			name = "TOTAL"
		}
		for _, side := range []struct {
			name string
			g    honesty.GapSides
		}{{"numerator", r.Numerator}, {"denominator", r.Denominator}} {
			x, g := side.g.Causes, side.g
			l := gapLine{r.Agency.Code, name, side.name, g.Ours, g.Theirs, g.Gap, x["start_time"], x["provisional"], x["proxy"], x["mixed"], x["flag_sent_wrong"], x["exempt_not_zero"], nil}
			if rest, known := x["not_explained"]; known {
				l.Rest = &rest
			}
			out = append(out, l)
		}
	}
	return out
}

// ofSource keeps a case system to its own dossiers; a report's reader has the province.
func (s *server) ofSource(c *gin.Context) string {
	if p := principal(c); p.Kind == identity.KindClient && !p.HasScope(identity.ReportsRead) {
		return p.SourceSystem
	}
	return ""
}

func (s *server) nationalDossiers(c *gin.Context) {
	q, err := s.asked(c)
	limit := 0
	if err == nil {
		limit, err = limitOf(c)
	}
	var l *honesty.NationalDossiers
	if err == nil {
		q.Source = s.ofSource(c)
		l, err = s.Honesty.Flags(c.Request.Context(), q, c.Query("show"), limit, c.Query("after"))
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, l, l.Items, l.Next)
}

func (s *server) nationalDifferences(c *gin.Context) {
	_, err := s.question(c)
	limit := 0
	if err == nil {
		limit, err = limitOf(c)
	}
	var d *honesty.Differences
	if err == nil {
		d, err = s.Honesty.Differences(c.Request.Context(), c.Query("date"), s.ofSource(c), caller(c).Agencies, limit, c.Query("after"))
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	listed(s, c, d, d.Items, d.Next)
}

func (s *server) putNationalSent(c *gin.Context) {
	var in struct {
		Dossiers []honesty.Sent `json:"dossiers"`
	}
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	if p := principal(c); p.Mode != "live" {
		_, err := s.question(c)
		s.refuse(c, err)
		return
	}
	n, err := s.Honesty.NoteSent(c.Request.Context(), principal(c).SourceSystem, in.Dossiers)
	told(s, c, struct {
		Told int       `json:"told"`
		News int       `json:"news"`
		At   time.Time `json:"recorded_at"`
	}{len(in.Dossiers), n, s.Now()}, err)
}

func (s *server) putNationalOfficial(c *gin.Context) {
	var in honesty.Official
	if _, err := readJSON(c, &in); err != nil {
		s.refuse(c, err)
		return
	}
	if len(caller(c).Agencies) > 0 {
		s.refuse(c, invalid("counts", "speak of the whole province: somebody of all agencies imports them"))
		return
	}
	o, created, err := s.Honesty.ImportOfficial(c.Request.Context(), principal(c).ID, in)
	if err == nil && created {
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "national.official.imported", o.ID, map[string]any{"from": o.From, "to": o.To, "sha256": o.SHA256})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(statusOf(created), o)
}
