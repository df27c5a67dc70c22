package api

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"feegate/gateway/identity"
	"feegate/reconciliation/adoption/forms"
)

// mountForms adds the papers that a province hands in: as JSON, CSV, workbook and PDF from the same cells.
func (s *server) mountForms(v1 *gin.RouterGroup) {
	may := s.may(identity.ReportsRead, identity.Reporter, identity.Finance, identity.Approver)
	v1.GET("/reports/forms", may, s.listForms)
	v1.GET("/reports/forms.xlsx", may, s.getForms("", "xlsx"))
	v1.GET("/reports/forms.pdf", may, s.getForms("", "pdf"))
	v1.GET("/reports/forms/:form", may, func(c *gin.Context) {
		id, kind, _ := strings.Cut(c.Param("form"), ".")
		if kind == "" && wantsTable(c) {
			kind = "csv"
		}
		s.getForms(strings.ToUpper(id), kind)(c)
	})
}

func (s *server) listForms(c *gin.Context) {
	items := []gin.H{}
	for _, id := range s.Forms.IDs() {
		items = append(items, gin.H{"form": id, "title": s.Forms.Title(id)})
	}
	list(c, items, "")
}

// getForms makes a form, or all of them, in one of its shapes.
func (s *server) getForms(id, kind string) gin.HandlerFunc {
	return func(c *gin.Context) {
		q, err := s.question(c)
		if err != nil {
			s.refuse(c, err)
			return
		}
		a := forms.Ask{Question: q, Caller: caller(c)}
		if r := c.Query("revision"); r != "" {
			if a.Revision, err = strconv.Atoi(r); err != nil || a.Revision < 1 || a.Revision > 1e6 {
				s.refuse(c, invalid("revision", "must be the number of a revision"))
				return
			}
			if a.AsOf != "" {
				s.refuse(c, invalid("as_of", "a revision has its own"))
				return
			}
		}
		made, err := s.Forms.Make(c.Request.Context(), id, a)
		if err != nil {
			s.refuse(c, err)
			return
		}
		name := "BM"
		if id != "" {
			name = id
		}
		name += "_" + made[0].Head.From + "_" + made[0].Head.To
		var raw []byte
		var media string
		switch kind {
		case "xlsx":
			raw, err = forms.XLSX(made)
			media = xlsxType
		case "pdf":
			raw, err = forms.PDF(made)
			media = pdfType
		case "csv":
			var b bytes.Buffer
			err = made[0].WriteCSV(&b)
			raw, media = b.Bytes(), "text/csv; charset=utf-8"
		case "", "json":
			c.JSON(http.StatusOK, made[0])
			return
		default:
			s.refuse(c, invalid("form", "is written as json, csv, xlsx or pdf"))
			return
		}
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.Header("Content-Disposition", `attachment; filename="`+name+`.`+kind+`"`)
		c.Data(http.StatusOK, media, raw)
	}
}
