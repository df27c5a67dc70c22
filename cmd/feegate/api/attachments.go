package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/gin-gonic/gin"

	looks "feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/reconciliation"
)

// attach takes one paper as multipart: small enough to be held.
func (s *server) attach(c *gin.Context) {
	name, err := id(c, "dis_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, reconciliation.MaxAttachment+maxBody)
	file, body, err := oneFile(c, reconciliation.MaxAttachment)
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, err := s.Reconciler.Attach(c.Request.Context(), caller(c), name, file, body)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if a.Known {
		c.JSON(http.StatusOK, a)
		return
	}
	s.audit(c, "discrepancy.attached", name)
	c.JSON(http.StatusCreated, a)
}

// oneFile reads a form of one part, the file.
func oneFile(c *gin.Context, most int64) (name string, body []byte, err error) {
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return "", nil, &gateway.Problem{Name: problemMediaType, Detail: "the body must be multipart/form-data"}
	}
	part, err := parts.NextPart()
	switch {
	case errors.Is(err, io.EOF):
		return "", nil, invalid("file", "is required")
	case err != nil:
		return "", nil, attachmentError(err, most)
	case part.FormName() != "file":
		return "", nil, invalid(part.FormName(), "is not a field of this call")
	}
	name = part.FileName()
	if body, err = io.ReadAll(io.LimitReader(part, most+1)); err != nil {
		return "", nil, attachmentError(err, most)
	}
	if int64(len(body)) > most {
		return "", nil, &gateway.Problem{Name: problemTooLarge, Detail: fmt.Sprintf("at most %d MiB", most>>20)}
	}
	switch next, err := parts.NextPart(); {
	case errors.Is(err, io.EOF):
		return name, body, nil
	case err != nil:
		return "", nil, attachmentError(err, most)
	case next.FormName() == "file":
		return "", nil, invalid("file", "is given twice")
	default:
		return "", nil, invalid(next.FormName(), "is not a field of this call")
	}
}

func attachmentError(err error, most int64) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &gateway.Problem{Name: problemTooLarge, Detail: fmt.Sprintf("at most %d MiB", most>>20)}
	}
	return readError(err)
}

// getAttachment gives a paper to be kept, never to be shown in place: it came from anybody.
func (s *server) getAttachment(c *gin.Context) {
	name, err := id(c, "dis_")
	var n int
	if err == nil {
		n, err = numbered(c, "attachment")
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	a, body, err := s.Reconciler.Attachment(c.Request.Context(), caller(c), name, n)
	if err == nil { // a paper may name people
		err = s.Identity.Audit(c.Request.Context(), nil, actor(c), "attachment.read", name, map[string]any{"n": n})
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	c.Header("Content-Security-Policy", "default-src 'none'; sandbox")
	c.Header("Digest", "sha-256="+a.SHA256)
	c.Data(http.StatusOK, a.Type, body)
}

// traceLetter gives the letter of the latest trace request, to be printed.
func (s *server) traceLetter(c *gin.Context) {
	name, err := id(c, "dis_")
	if err != nil {
		s.refuse(c, err)
		return
	}
	l, err := s.Reconciler.TraceLetter(c.Request.Context(), caller(c), name)
	if err == nil {
		err = looks.SendLetter(c.Writer, l)
	}
	if err != nil {
		s.refuse(c, err)
	}
}
