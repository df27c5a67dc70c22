package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"feegate/gateway"
)

// readBody reads a body of at most limit bytes.
func readBody(c *gin.Context, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &gateway.Problem{Name: problemTooLarge, Detail: fmt.Sprintf("at most %d bytes", limit)}
	case err != nil:
		return nil, &gateway.Problem{Name: problemUnreadable, Detail: "the body broke off"}
	}
	return raw, nil
}

// readJSON reads a body into v and gives the digest of its canonical form (RFC 8785). A body that is not JSON in UTF-8, or
// names a field twice, cannot be read; one with a wrong or unknown field is read, but not valid.
func readJSON(c *gin.Context, v any) ([]byte, error) {
	if t := c.GetHeader("Content-Type"); t != "" {
		if kind, _, err := mime.ParseMediaType(t); err != nil || kind != "application/json" {
			return nil, &gateway.Problem{Name: problemMediaType, Detail: "Content-Type must be application/json"}
		}
	}
	raw, err := readBody(c, maxBody)
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(bytes.Clone(raw))
	if err := canonical.Canonicalize(); err != nil {
		return nil, &gateway.Problem{Name: problemUnreadable, Detail: "the body is not JSON in UTF-8, or names a field twice"}
	}
	if canonical.Kind() != '{' {
		return nil, &gateway.Problem{Name: problemUnreadable, Detail: "the body must be a JSON object"}
	}
	if holdsNUL(canonical) {
		return nil, invalid("", `\u0000 cannot be stored`)
	}
	if err := json.Unmarshal(raw, v, json.RejectUnknownMembers(true)); err != nil {
		var s *json.SemanticError
		if !errors.As(err, &s) {
			return nil, &gateway.Problem{Name: problemUnreadable, Detail: "the body is not JSON"}
		}
		switch field := fieldName(s.JSONPointer); {
		case errors.Is(s.Err, json.ErrUnknownName):
			return nil, invalid(field, "is not a field of this call")
		case s.Err != nil && s.GoType != nil && strings.HasSuffix(s.GoType.PkgPath(), "gateway/vnd"):
			return nil, invalid(field, s.Err.Error())
		default:
			return nil, invalid(field, "is not of the right type or form")
		}
	}
	digest := sha256.Sum256(canonical)
	return digest[:], nil
}

func invalid(field, detail string) error {
	return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: field, Detail: detail}}}
}

// fieldName writes a JSON pointer as the API's fields are written: /lines/0/net is lines[0].net.
func fieldName(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}

// holdsNUL reports whether a text in canonical JSON holds U+0000, which the database cannot keep.
func holdsNUL(canonical []byte) bool {
	for i := 0; i+1 < len(canonical); i++ {
		if canonical[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(canonical[i:], []byte(`\u0000`)) {
			return true
		}
		i++ // what is escaped begins no escape of its own
	}
	return false
}

// idempotencyKey reads the header that the call requires.
func idempotencyKey(c *gin.Context, hash []byte) (gateway.Key, error) {
	values := c.Request.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return gateway.Key{}, &gateway.Problem{Name: problemKeyMissing, Detail: "this call needs an Idempotency-Key header"}
	}
	k := values[0]
	if len(values) > 1 || len(k) < 1 || len(k) > 255 || strings.ContainsFunc(k, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return gateway.Key{}, &gateway.Problem{Name: problemKeyMissing, Detail: "the Idempotency-Key must be 1 to 255 visible ASCII characters, once"}
	}
	return gateway.Key{Principal: cmp.Or(principal(c).ClientID, principal(c).ID), Method: c.Request.Method, Path: c.Request.URL.Path, Key: k, BodyHash: hash}, nil
}

var anID = regexp.MustCompile(`^[a-z]{3}_[A-Za-z0-9_-]{1,60}$`)

// id reads the id of the path; what cannot be one belongs to nobody.
func id(c *gin.Context, prefix string) (string, error) {
	v := c.Param("id")
	if !anID.MatchString(v) || !strings.HasPrefix(v, prefix) {
		return "", &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such object"}
	}
	return v, nil
}

// show answers with one object, by the id in the address, as far as the caller may see it.
func show[T any](s *server, prefix string, get func(context.Context, gateway.Caller, string) (T, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		name, err := id(c, prefix)
		if err != nil {
			s.refuse(c, err)
			return
		}
		v, err := get(c.Request.Context(), caller(c), name)
		if err != nil {
			s.refuse(c, err)
			return
		}
		c.JSON(http.StatusOK, v)
	}
}
