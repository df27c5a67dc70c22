// Package page is what checkout and console have in common: how they look, how a page is sent, how money and time are written,
// and where a visitor comes from. It knows nothing of orders.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

//go:embed base.css
var look embed.FS

// vietnam has no daylight saving.
var vietnam = time.FixedZone("+07", 7*3600)

// Time writes a moment for people, in Vietnamese time: 23/11/2026 08:15. No moment is nothing.
func Time(t any) string {
	switch v := t.(type) {
	case time.Time:
		if !v.IsZero() {
			return v.In(vietnam).Format("02/01/2006 15:04")
		}
	case *time.Time:
		if v != nil {
			return Time(*v)
		}
	}
	return ""
}

// Day writes a day that came as 2026-11-23.
func Day(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	return t.Format("02/01/2006")
}

// Money writes any amount for people: 1.250.000 ₫, with a blank that does not break.
func Money(a any) string {
	s := ""
	switch v := a.(type) {
	case vnd.Amount:
		s = v.Format()
	case vnd.Signed:
		s = v.Format()
	default:
		s = fmt.Sprint(a)
	}
	return strings.Replace(s, " ₫", "\u00a0₫", 1)
}

// Assets are a place's style sheets and scripts. Their addresses change with their content, so that they may be kept for ever.
type Assets struct {
	prefix, version string
	files           map[string][]byte
}

// NewAssets takes the css and js files of a place, and the look that all places share.
func NewAssets(prefix string, own fs.FS) (*Assets, error) {
	a := &Assets{prefix: prefix, files: map[string][]byte{}}
	sum := sha256.New()
	for _, from := range []fs.FS{look, own} {
		names, err := fs.Glob(from, "*.*s") // css and js
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			body, err := fs.ReadFile(from, name)
			if err != nil {
				return nil, err
			}
			a.files[name] = body
			sum.Write(body)
		}
	}
	a.version = hex.EncodeToString(sum.Sum(nil)[:4])
	return a, nil
}

// URL is where a file is served.
func (a *Assets) URL(name string) string { return a.prefix + a.version + "/" + name }

// Mount serves the files. An old page's address gets the file as it is now.
func (a *Assets) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET "+a.prefix+"{version}/{name}", func(w http.ResponseWriter, r *http.Request) {
		body, ok := a.files[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.PathValue("name"))))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.PathValue("version") == a.version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(body)
	})
}

// Render writes a page into memory: what fails half way is never sent.
func Render(t *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// Send renders a page and writes it.
func Send(w http.ResponseWriter, status int, t *template.Template, name string, data any, formAction string) error {
	body, err := Render(t, name, data)
	if err != nil {
		return err
	}
	return Write(w, status, body, formAction)
}

// Write writes a page with what keeps it safe. formAction says where its forms may lead, redirects included.
func Write(w http.ResponseWriter, status int, body []byte, formAction string) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// Visitors tells where a request comes from: the peer, or who a trusted proxy says it speaks for.
type Visitors struct{ trusted []netip.Prefix }

// NewVisitors takes the addresses and networks whose X-Forwarded-For is believed.
func NewVisitors(trusted []string) (*Visitors, error) {
	v := &Visitors{}
	for _, t := range trusted {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			a, err := netip.ParseAddr(t)
			if err != nil {
				return nil, fmt.Errorf("trusted proxies: %w", err)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		v.trusted = append(v.trusted, p)
	}
	return v, nil
}

// Address is where the request comes from. What a proxy did not write itself, the last in the list, is believed only as far as
// trusted proxies reach.
func (v *Visitors) Address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at := peer.Addr().Unmap()
	told := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(told) - 1; i >= 0 && v.trusts(at); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(told[i]))
		if err != nil {
			break
		}
		at = before.Unmap()
	}
	return at.String()
}

func (v *Visitors) trusts(a netip.Addr) bool {
	for _, p := range v.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
