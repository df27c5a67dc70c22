package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

// Limits of an upload.
const (
	maxField     = 1 << 10
	maxFirst     = 1 << 20 // a file that comes before its fields may be this long; a longer one must come after them
	uploadWithin = 15 * time.Minute
)

// importSettlement takes a settlement file as multipart. The fields stand before the file, which is then read as it arrives
// and never held; a short file may also stand first.
func (s *server) importSettlement(c *gin.Context) {
	f := reconciliation.File{By: principal(c).ID}
	if q := c.Query("dry_run"); q != "" {
		v, err := strconv.ParseBool(q)
		if err != nil {
			s.refuse(c, invalid("dry_run", "must be true or false"))
			return
		}
		f.DryRun = v
	}
	// A large file over a slow line takes longer than other calls may. Where the connection has no deadlines this does nothing.
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(uploadWithin))
	_ = control.SetWriteDeadline(time.Now().Add(uploadWithin))
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, reconciliation.MaxFile)
	parts, err := c.Request.MultipartReader()
	if err != nil {
		s.refuse(c, &gateway.Problem{Name: problemMediaType, Detail: "the body must be multipart/form-data"})
		return
	}
	form := uploadForm{parts: parts, file: &f}
	imp, err := s.takeUpload(c, &form)
	if err != nil {
		s.refuseUpload(c, err)
		return
	}
	status := http.StatusCreated
	if imp.Known || f.DryRun {
		status = http.StatusOK
	}
	if status == http.StatusCreated {
		s.audit(c, "settlement.imported", imp.ID)
	}
	c.JSON(status, imp)
}

// importStatement takes a bank statement as multipart: small enough to be held, as it must add up before any of it counts.
func (s *server) importStatement(c *gin.Context) {
	f := reconciliation.StatementFile{}
	dry, err := strconv.ParseBool(c.DefaultQuery("dry_run", "false"))
	if err != nil {
		s.refuse(c, invalid("dry_run", "must be true or false"))
		return
	}
	f.DryRun = dry
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, reconciliation.MaxStatement+maxBody)
	parts, err := c.Request.MultipartReader()
	if err != nil {
		s.refuse(c, &gateway.Problem{Name: problemMediaType, Detail: "the body must be multipart/form-data"})
		return
	}
	seen := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.refuse(c, readError(err))
			return
		}
		name := part.FormName()
		if seen[name] {
			s.refuse(c, invalid(name, "is given twice"))
			return
		}
		seen[name] = true
		most := int64(maxField)
		if name == "file" {
			most = reconciliation.MaxStatement
		}
		raw, err := io.ReadAll(io.LimitReader(part, most+1))
		switch {
		case err != nil:
			s.refuse(c, readError(err))
			return
		case int64(len(raw)) > most:
			s.refuse(c, invalid(name, "is too long"))
			return
		}
		switch name {
		case "file":
			f.Name, f.Body = part.FileName(), bytes.NewReader(raw)
		case "bank_account":
			f.BankAccount = string(raw)
		case "format":
			f.Format = string(raw)
		default:
			s.refuse(c, invalid(name, "is not a field of this call"))
			return
		}
	}
	if f.Body == nil {
		s.refuse(c, invalid("file", "is required"))
		return
	}
	imp, err := s.Reconciler.Statement(c.Request.Context(), caller(c), f)
	if err != nil {
		s.refuseUpload(c, err)
		return
	}
	status := http.StatusCreated
	if imp.Known || f.DryRun {
		status = http.StatusOK
	} else {
		s.audit(c, "statement.imported", imp.ID)
	}
	c.JSON(status, imp)
}

func (s *server) takeUpload(c *gin.Context, form *uploadForm) (*reconciliation.Import, error) {
	if err := form.readFields(); err != nil {
		return nil, err
	}
	if _, err := s.Reconciler.Account(c.Request.Context(), caller(c), form.file.AccountID); err != nil {
		return nil, err
	}
	return s.Reconciler.Settlement(c.Request.Context(), *form.file)
}

// uploadForm reads the parts of an upload up to where its file can be read.
type uploadForm struct {
	parts *multipart.Reader
	file  *reconciliation.File
	seen  []string
}

// readFields reads parts until the file, or all of them where a short file came first, and holds them to what the call takes.
func (u *uploadForm) readFields() error {
	for {
		part, err := u.parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return readError(err)
		}
		name := part.FormName()
		if slices.Contains(u.seen, name) {
			return invalid(name, "is given twice")
		}
		u.seen = append(u.seen, name)
		if name != "file" {
			if err := u.field(part, name); err != nil {
				return err
			}
			continue
		}
		u.file.Name = part.FileName()
		if u.has("account_id") && u.has("date") {
			u.file.Body = &tail{u: u, part: part}
			return nil
		}
		first, err := io.ReadAll(io.LimitReader(part, maxFirst+1))
		if err != nil {
			return readError(err)
		}
		if len(first) > maxFirst {
			return invalid("file", "must stand after account_id and date: it is read as it arrives")
		}
		u.file.Body = bytes.NewReader(first)
	}
	for _, name := range []string{"file", "account_id", "date"} {
		if !u.has(name) {
			return invalid(name, "is required")
		}
	}
	return nil
}

func (u *uploadForm) has(name string) bool { return slices.Contains(u.seen, name) }

func (u *uploadForm) field(part io.Reader, name string) error {
	raw, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return readError(err)
	}
	if len(raw) > maxField || !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return invalid(name, "is not a short text in UTF-8")
	}
	value := string(raw)
	switch name {
	case "account_id":
		u.file.AccountID = value
	case "date":
		u.file.Date = value
	case "format":
		u.file.Format = value
	case "replaces":
		u.file.Replaces = value
	case "expected_lines":
		n, err := vnd.Parse(value)
		if err != nil {
			return invalid(name, "must be a number of rows, digits only")
		}
		lines := int64(n)
		u.file.ExpectedLines = &lines
	case "expected_amount":
		n, err := vnd.ParseSigned(value)
		if err != nil {
			return invalid(name, "must be whole đồng, digits only, a minus sign allowed")
		}
		u.file.ExpectedAmount = &n
	default:
		return invalid(name, "is not a field of this call")
	}
	return nil
}

// tail is the file's part while it is read; at its end it makes sure that no field comes too late to be heeded.
type tail struct {
	u    *uploadForm
	part io.Reader
	err  error
}

func (t *tail) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.part.Read(p)
	if errors.Is(err, io.EOF) {
		switch next, after := t.u.parts.NextPart(); {
		case after == nil:
			err = invalid(next.FormName(), "must stand before the file: the file is read as it arrives")
		case !errors.Is(after, io.EOF):
			err = after
		}
	}
	t.err = err
	return n, err
}

// readError says why a body could not be read.
func readError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &gateway.Problem{Name: problemTooLarge, Detail: fmt.Sprintf("at most %d MiB", reconciliation.MaxFile>>20)}
	}
	return &gateway.Problem{Name: problemUnreadable, Detail: "the body broke off or is not multipart/form-data"}
}

// lineError is one thing wrong with a file; line counts from 1, the header being 1, and is absent for the file as a whole.
type lineError struct {
	Line   int    `json:"line,omitempty"`
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// refuseUpload answers with what is wrong with a file, line by line.
func (s *server) refuseUpload(c *gin.Context, err error) {
	var u *reconciliation.UnreadableError
	var p *gateway.Problem
	var cut *reconciliation.BrokenError
	switch {
	case errors.As(err, &u):
		lines := make([]lineError, 0, len(u.Lines))
		for _, l := range u.Lines {
			field := l.Field
			if field == "" {
				field = "file"
			}
			lines = append(lines, lineError{l.Line, field, l.Detail})
		}
		s.refuseLines(c, "the file is refused: nothing of it is kept", lines)
	case errors.As(err, &p):
		s.refuse(c, p)
	case errors.As(err, &cut):
		s.refuse(c, readError(err))
	default:
		s.refuse(c, err)
	}
}
