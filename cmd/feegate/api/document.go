package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// getDocument gives what the provider itself wrote about a payment, as it came.
func (s *server) getDocument(c *gin.Context) {
	name, err := id(c, "pay_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	d, err := s.Gateway.Document(c.Request.Context(), caller(c), name)
	if err == nil { // a provider's document may name the payer
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "document.read", name, nil)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Content-Disposition", `attachment; filename="`+name+`.pdf"`)
	c.Header("Digest", "sha-256="+d.SHA256)
	c.Data(http.StatusOK, d.ContentType, d.Body)
}
