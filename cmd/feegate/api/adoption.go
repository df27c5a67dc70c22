package api

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
)

// mountAdoption adds the online payment rate and the payments behind it. A program with the scope sees the figures of the whole
// province, a person those of their agencies. What a test client did is in no report, and it sees none.
func (s *server) mountAdoption(v1 *gin.RouterGroup) {
	may := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver)
	v1.GET("/reports/adoption", may, s.adoption)
	v1.GET("/reports/adoption.csv", may, s.adoption)
	v1.GET("/reports/adoption.xlsx", may, s.adoption)
	v1.GET("/reports/adoption/evidence", may, s.adoptionEvidence)
}

func (s *server) question(c *gin.Context) (adoption.Question, error) {
	p := principal(c)
	if p.Kind == identity.KindClient && p.Mode != "live" {
		return adoption.Question{}, &gateway.Problem{Name: problemForbidden, Detail: "a test client has no reports: test payments are in none"}
	}
	// A sign of an offset that was not escaped arrives as a blank.
	return adoption.Question{From: c.Query("from"), To: c.Query("to"), AsOf: strings.ReplaceAll(c.Query("as_of"), " ", "+"), GroupBy: c.Query("group_by"), Cut: c.Query("cut"),
		Agencies: caller(c).Agencies}, nil
}

func (s *server) adoption(c *gin.Context) {
	q, err := s.question(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	report, err := s.Adoption.Adoption(c.Request.Context(), q)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if strings.HasSuffix(c.FullPath(), ".xlsx") {
		raw, err := forms.Report(report)
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.Header("Content-Disposition", `attachment; filename="adoption_`+q.From+`_`+q.To+`.xlsx"`)
		c.Data(http.StatusOK, xlsxType, raw)
		return
	}
	if !strings.HasSuffix(c.FullPath(), ".csv") && !wantsTable(c) {
		c.JSON(http.StatusOK, report)
		return
	}
	var b bytes.Buffer
	if err := report.WriteCSV(&b); err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Content-Disposition", `attachment; filename="adoption_`+q.From+`_`+q.To+`.csv"`)
	c.Data(http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
}

func (s *server) adoptionEvidence(c *gin.Context) {
	q, err := s.question(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	b := adoption.Behind{Question: q, Figure: c.Query("figure"), Bucket: c.Query("bucket"), Group: c.Query("group"), After: c.Query("after")}
	_, b.Given = c.GetQuery("group")
	if b.Limit, err = limitOf(c); err != nil {
		s.refuse(c, err)
		return
	}
	lines, err := s.Adoption.Evidence(c.Request.Context(), b)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if wantsTable(c) {
		next := ""
		if lines.Next != nil {
			next = *lines.Next
		}
		table(c, lines.Items, next)
		return
	}
	c.JSON(http.StatusOK, lines)
}
