package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed letter.html letter.css
var letterFiles embed.FS

// SendLetter writes an official letter, to be printed on A4. It stands alone: its style is its own, and it asks nobody for anything.
func SendLetter(w http.ResponseWriter, letter any) error {
	css, err := letterFiles.ReadFile("letter.css")
	if err != nil {
		return fmt.Errorf("the letter: %w", err)
	}
	t, err := template.ParseFS(letterFiles, "letter.html")
	if err != nil {
		return fmt.Errorf("the letter: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		Style  template.CSS
		Letter any
	}{template.CSS(css), letter}); err != nil { // our own file
		return fmt.Errorf("the letter: %w", err)
	}
	digest := sha256.Sum256(css)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	_, err = w.Write(b.Bytes())
	return err
}
