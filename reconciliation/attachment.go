package reconciliation

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// Limits of what is attached to a discrepancy.
const (
	MaxAttachment  = 5 << 20
	maxAttachments = 20
	maxFileName    = 120
)

// Attachment is a paper that belongs to a discrepancy; its content is sealed in the database.
type Attachment struct {
	N          int       `json:"n" db:"n"`
	Name       string    `json:"name" db:"name"`
	Type       string    `json:"type" db:"type"`
	Size       int       `json:"size" db:"size"`
	SHA256     string    `json:"sha256" db:"sha256"`
	RecordedBy string    `json:"recorded_by" db:"recorded_by"`
	RecordedAt time.Time `json:"recorded_at" db:"recorded_at"`
	Known      bool      `json:"-" db:"-"` // the very same was attached before
}

// The types that may be attached. What a file says it is does not count, only what it is.
const (
	typePDF  = "application/pdf"
	typePNG  = "image/png"
	typeJPEG = "image/jpeg"
	typeXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	typeDOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	typeText = "text/plain; charset=utf-8"
)

// contentType finds out what a file is; "" is none of those that may be attached.
func contentType(body []byte) string {
	switch kind := http.DetectContentType(body); kind {
	case typePDF, typePNG, typeJPEG:
		return kind
	case "application/zip":
		return officeType(body)
	case typeText: // and no markup that a browser would run
		if utf8.Valid(body) && !bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<")) && bytes.IndexFunc(body, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }) < 0 {
			return kind
		}
	}
	return ""
}

// officeType tells a spreadsheet or a document from any other archive, and refuses one with macros. Nothing is unpacked.
func officeType(body []byte) string {
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return ""
	}
	kind, typed := "", false
	for _, f := range z.File {
		switch {
		case strings.HasSuffix(strings.ToLower(f.Name), "vbaproject.bin"):
			return ""
		case f.Name == "[Content_Types].xml":
			typed = true
		case f.Name == "xl/workbook.xml":
			kind = typeXLSX
		case f.Name == "word/document.xml":
			kind = typeDOCX
		}
	}
	if !typed {
		return ""
	}
	return kind
}

// fileName is safeName of a file that may come without a name.
func fileName(name string) string {
	if name == "" {
		return ""
	}
	return safeName(name)
}

// safeName is a file's name without folders and without what no name needs. Every file that comes in has its name from here, whatever door
// it came by.
func safeName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune(`"<>|?*:`, r) {
			return -1
		}
		return r
	}, name))
	if r := []rune(name); len(r) > maxFileName {
		name = string(r[len(r)-maxFileName:]) // its end says what it is
	}
	if strings.Trim(name, ".") == "" {
		return "tep"
	}
	return name
}

// Attach adds a paper. The very same one again is the one that is there.
func (r *Reconciler) Attach(ctx context.Context, c gateway.Caller, id, name string, body []byte) (*Attachment, error) {
	kind := contentType(body)
	switch {
	case len(body) == 0:
		return nil, invalid("file", "is empty")
	case len(body) > MaxAttachment:
		return nil, invalid("file", fmt.Sprintf("at most %d MiB", MaxAttachment>>20))
	case kind == "":
		return nil, invalid("file", "must be PDF, PNG, JPEG, XLSX or DOCX without macros, or text in UTF-8: its content says what it is")
	}
	digest := sha256.Sum256(body)
	a := &Attachment{Name: safeName(name), Type: kind, Size: len(body), SHA256: hex.EncodeToString(digest[:]), RecordedBy: c.Actor}
	sealed, err := r.gateway.SealText(sealedFor(id, a.SHA256), string(body))
	if err != nil {
		return nil, err
	}
	err = r.inRow(ctx, func(tx *sqlx.Tx) error {
		d, err := r.locked(ctx, tx, c, id)
		if err != nil {
			return err
		}
		a.RecordedAt = r.now()
		if err := insertAttachment(ctx, tx, id, a, sealed); err != nil || a.Known {
			return err
		}
		return changeDiscrepancy(ctx, tx, d, decided{What: "attached", Actor: c.Actor, Note: a.Name, At: a.RecordedAt})
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// sealedFor ties what is sealed to its place.
func sealedFor(id, digest string) string { return "attachment:" + id + ":" + digest }

// Attachment gives a paper with its content.
func (r *Reconciler) Attachment(ctx context.Context, c gateway.Caller, id string, n int) (*Attachment, []byte, error) {
	a, sealed, err := r.readAttachment(ctx, c, id, n)
	if err != nil {
		return nil, nil, err
	}
	body, err := r.gateway.OpenText(sealedFor(id, a.SHA256), sealed)
	if err != nil {
		return nil, nil, fmt.Errorf("attachment %d of %s: %w", n, id, err)
	}
	return a, []byte(body), nil
}
