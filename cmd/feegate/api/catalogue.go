package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/catalogue"
	"feegate/gateway/identity"
)

// mountCatalogue is what may be charged, by whom, since when: to read, and for administrators to change, all of a document or nothing.
func (s *server) mountCatalogue(v1 *gin.RouterGroup) {
	read := s.mayAny([]identity.Scope{identity.OrdersRead, identity.CatalogueWrite}, identity.Finance, identity.Approver, identity.Reporter, identity.Admin)
	v1.GET("/catalogue/agencies", read, s.listPlaces)
	v1.GET("/catalogue/communes", read, func(c *gin.Context) {
		items, err := s.Gateway.Communes(c.Request.Context())
		whole(s, c, items, err)
	})
	v1.GET("/catalogue/exemption-groups", read, s.listGroups)
	v1.PUT("/catalogue", s.may(identity.CatalogueWrite, identity.Admin), s.putCatalogue)
	v1.POST("/catalogue/imports", s.may(identity.CatalogueWrite, identity.Admin), s.importCatalogue)
}

// decider is who asks, with the audit that the change writes in its own transaction.
func (s *server) decider(c *gin.Context) gateway.By {
	p := principal(c)
	return gateway.By{ID: p.ID, Agencies: p.Agencies, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		return s.Identity.Audit(ctx, tx, actor(c), action, object, detail)
	}}
}

// whole answers a list that is short enough to be given at once.
func whole[T any](s *server, c *gin.Context, items []T, err error) {
	if err != nil {
		s.refuse(c, err)
		return
	}
	list(c, items, "")
}

func (s *server) listPlaces(c *gin.Context) {
	items, err := s.Gateway.Places(c.Request.Context(), c.Query("on"))
	whole(s, c, items, err)
}

func (s *server) listGroups(c *gin.Context) {
	items, err := s.Gateway.Groups(c.Request.Context(), c.Query("on"))
	whole(s, c, items, err)
}

// dryRun reads ?dry_run=.
func dryRun(c *gin.Context) (bool, error) {
	v, err := strconv.ParseBool(c.DefaultQuery("dry_run", "false"))
	if err != nil {
		return false, invalid("dry_run", "must be true or false")
	}
	return v, nil
}

// liveAlone: a test client's system has no catalogue of its own, and does not change everybody's.
func liveAlone(c *gin.Context) error {
	if p := principal(c); p.Kind == identity.KindClient && p.Mode != "live" {
		return &gateway.Problem{Name: problemForbidden, Detail: "a test client does not change the catalogue"}
	}
	return nil
}

func (s *server) putCatalogue(c *gin.Context) {
	var d catalogue.Document
	dry, err := dryRun(c)
	if err == nil {
		err = liveAlone(c)
	}
	if err == nil {
		_, err = readJSON(c, &d)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	out, err := s.Gateway.PutCatalogue(c.Request.Context(), d, dry, s.decider(c))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, out)
}

// importCatalogue takes the same as a workbook or a text table: small enough to be held, as it is checked whole.
func (s *server) importCatalogue(c *gin.Context) {
	dry, err := dryRun(c)
	if err == nil {
		err = liveAlone(c)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	raw, section, err := catalogueFile(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	out, err := s.Gateway.ImportCatalogue(c.Request.Context(), raw, section, dry, s.decider(c))
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, out)
}

func catalogueFile(c *gin.Context) (file []byte, section string, err error) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, catalogue.MaxFile+maxBody)
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return nil, "", &gateway.Problem{Name: problemMediaType, Detail: "the body must be multipart/form-data"}
	}
	seen := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", readError(err)
		}
		name, most := part.FormName(), int64(maxField)
		if name == "file" {
			most = catalogue.MaxFile
		}
		if seen[name] {
			return nil, "", invalid(name, "is given twice")
		}
		seen[name] = true
		raw, err := io.ReadAll(io.LimitReader(part, most+1))
		switch {
		case err != nil:
			return nil, "", readError(err)
		case int64(len(raw)) > most:
			return nil, "", invalid(name, "is too long")
		}
		switch name {
		case "file":
			file = raw
		case "section":
			section = string(raw)
		default:
			return nil, "", invalid(name, "is not a field of this call")
		}
	}
	if !seen["file"] {
		return nil, "", invalid("file", "is required")
	}
	return file, section, nil
}
