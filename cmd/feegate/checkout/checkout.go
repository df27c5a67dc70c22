// Package checkout is the page a payer sees: what is paid, for which dossier, and the ways to pay it; then what became of it.
// Server-rendered, Vietnamese first, whole without a script: the script counts down and asks whether there is news. It decides
// nothing: the gateway does.
package checkout

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
)

//go:embed checkout.html checkout.css checkout.js
var files embed.FS

// Deps is what the pages need; every field is required.
type Deps struct {
	Gateway  *gateway.Gateway
	Visitors *page.Visitors
	Admit    func(address string) bool // whether a visitor may ask now
	// Down says until when an account cannot be paid into, by the machine's clock, no time where nobody knows; false: it can.
	Down func(accountID string) (until time.Time, down bool)
	Now  func() time.Time
	Log  *slog.Logger
}

// Pages serves what lies under /pay/.
type Pages struct {
	Deps
	assets  *page.Assets
	streams *streams
	pages   map[string]*template.Template // by language
}

// New makes the pages.
func New(d Deps) (*Pages, error) {
	p := &Pages{Deps: d, pages: map[string]*template.Template{}}
	p.streams = newStreams(d.Gateway.Stands, d.Log)
	var err error
	if p.assets, err = page.NewAssets("/pay/files/", files); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		t, err := template.New("checkout.html").Funcs(template.FuncMap{"time": page.Time, "asset": p.assets.URL}).Funcs(words(lang)).ParseFS(files, "checkout.html")
		if err != nil {
			return nil, err
		}
		p.pages[lang] = t
	}
	return p, nil
}

// Mount adds the routes. Who holds a token may look and pay; nobody may try tokens without end.
func (p *Pages) Mount(mux *http.ServeMux) {
	p.assets.Mount(mux)
	for pattern, h := range map[string]http.HandlerFunc{"GET /pay/{token}": p.show, "POST /pay/{token}": p.pay, "POST /pay/{token}/ask": p.ask, "GET /pay/{token}/status": p.status, "GET /pay/{token}/events": p.events,
		"GET /pay/{token}/confirmation.pdf": p.confirmation} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			head := w.Header() // of short answers too; a page says more
			head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			head.Set("X-Frame-Options", "DENY")
			head.Set("X-Content-Type-Options", "nosniff")
			head.Set("Referrer-Policy", "no-referrer")
			head.Set("Cache-Control", "no-store")
			if !p.Admit(p.Visitors.Address(r)) {
				w.Header().Set("Retry-After", "1")
				http.Error(w, speak(language(w, r))("too-many"), http.StatusTooManyRequests)
				return
			}
			h(w, r)
		})
	}
}

// language is the one chosen with ?lang=, which a cookie then keeps: a payer comes back from the provider without it.
func language(w http.ResponseWriter, r *http.Request) string {
	if q := r.URL.Query().Get("lang"); q == "en" || q == "vi" {
		http.SetCookie(w, &http.Cookie{Name: "feegate_lang", Value: q, Path: "/pay/", MaxAge: 30 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
		return q
	}
	if c, err := r.Cookie("feegate_lang"); err == nil && c.Value == "en" {
		return "en"
	}
	return languages[0]
}

// home is the page's own address, in the visitor's language: a browser that refuses cookies keeps it too.
func home(w http.ResponseWriter, r *http.Request, query url.Values) string {
	if lang := language(w, r); lang != languages[0] {
		query.Set("lang", lang)
	}
	to := "/pay/" + url.PathEscape(r.PathValue("token"))
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) { p.render(w, r, "", http.StatusOK) }

func (p *Pages) render(w http.ResponseWriter, r *http.Request, problem string, status int) {
	lang := language(w, r)
	v := view{Problem: problem, Key: rand.Text(), Other: languages[1], Asked: r.URL.Query().Has("asked")}
	if lang == languages[1] {
		v.Other = languages[0]
	}
	order, caller, err := p.Gateway.OrderByToken(r.Context(), r.PathValue("token"))
	switch {
	case gateway.ProblemName(err) == gateway.ProblemNotFound:
		v.State, status = stateMissing, http.StatusNotFound
	case err != nil:
		p.fail(w, lang, "reading an order", err)
		return
	default:
		v.Base = "/pay/" + url.PathEscape(r.PathValue("token"))
		v.speaks(lang)
		v.fill(order, p.Now(), r.URL.Query().Has("again"))
		if v.State == stateWaiting {
			if err := v.drawCode(lang); err != nil {
				p.Log.Error("the code on a checkout page", "error", err) // what to type stands there all the same
			}
		}
		if err := p.name(r, &v); err != nil {
			p.Log.Error("names on a checkout page", "error", err) // the codes stand there instead
		}
		if v.choosing() {
			if v.Ways, err = p.ways(r, caller, order, lang); err != nil {
				p.fail(w, lang, "ways to pay", err)
				return
			}
		}
	}
	// Browsers hold the redirect after a form to form-action, and it leads to the provider.
	if err := page.Send(w, status, p.pages[lang], "checkout.html", v, "'self' http: https:"); err != nil {
		p.fail(w, lang, "checkout page", err)
	}
}

func (p *Pages) fail(w http.ResponseWriter, lang, doing string, err error) {
	p.Log.Error(doing, "error", err)
	http.Error(w, speak(lang)("busy"), http.StatusServiceUnavailable)
}

func (p *Pages) name(r *http.Request, v *view) error {
	v.Agency = v.Order.AgencyCode
	agencies, err := p.Gateway.Agencies(r.Context())
	if err != nil {
		return err
	}
	if n := agencies[v.Order.AgencyCode]; n != "" {
		v.Agency = n
	}
	v.Procedure, err = p.Gateway.ProcedureName(r.Context(), v.Order.ProcedureCode)
	return err
}

// ways are the buttons: those that work and those that do not, with the reason.
func (p *Pages) ways(r *http.Request, c gateway.Caller, o *gateway.OrderView, lang string) ([]way, error) {
	all, err := p.Gateway.Ways(r.Context(), c, o)
	if err != nil {
		return nil, err
	}
	t, out := speak(lang), make([]way, 0, len(all))
	seen := map[string]int{}
	for _, w := range all {
		b := way{Account: w.AccountID, Provider: w.Provider, Method: w.Method}
		if until, down := p.Down(w.AccountID); down {
			b.Why = t("way.closed")
			if !until.IsZero() {
				b.Why = t("way.down", max(1, int((time.Until(until)+time.Minute-1)/time.Minute)))
			}
		}
		if w.ClosedUntil != nil {
			b.Why = t("way.maintenance", page.Time(*w.ClosedUntil))
		}
		if w.Outside {
			b.Why = t("way.outside", money(lang)(w.Min), money(lang)(w.Max))
		}
		// Accounts with one title are one way to a payer: the first that works now.
		if at, same := seen[w.Title]; same {
			if out[at].Why != "" && b.Why == "" {
				out[at] = b
			}
			continue
		}
		seen[w.Title] = len(out)
		out = append(out, b)
	}
	for i := range out {
		if out[i].Why == "" {
			out[i].Main = true
			break
		}
	}
	return out, nil
}

// form reads a small form; false: it answered.
func (p *Pages) form(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, speak(language(w, r))("unread"), http.StatusBadRequest)
		return false
	}
	return true
}

// pay starts a payment and sends the payer to the provider.
func (p *Pages) pay(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	order, caller, err := p.Gateway.OrderByToken(r.Context(), r.PathValue("token"))
	if err != nil {
		p.render(w, r, "", http.StatusNotFound) // it says what is the matter
		return
	}
	account, method, _ := strings.Cut(r.PostForm.Get("account"), "/")
	in := gateway.NewPayment{AccountID: account, Method: method, PayerIP: p.Visitors.Address(r), Despite: r.PostForm.Get("despite") == "yes", Locale: language(w, r)}
	hash := sha256.Sum256([]byte(in.AccountID + "/" + in.Method))
	a, err := p.Gateway.StartPayment(r.Context(), caller, gateway.Key{Principal: "checkout", Method: http.MethodPost, Path: "/pay/" + order.ID,
		Key: r.PostForm.Get("key"), BodyHash: hash[:]}, order.ID, in)
	var started gateway.PaymentView
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(a.Body)).Decode(&started)
	}
	if err == nil {
		to := started.Address()
		if to == "" || started.Transfer() != nil { // what to transfer is shown here; or whether the provider has it is not known yet: the page says so
			to = home(w, r, url.Values{})
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	var problem *gateway.Problem
	if !errors.As(err, &problem) {
		p.Log.Error("starting a payment", "order", order.ID, "error", err)
		problem = &gateway.Problem{Name: gateway.ProblemUnavailable}
	}
	p.render(w, r, problem.Name, http.StatusConflict)
}

// ask looks the payments under way up, at the payer's wish.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	order, _, err := p.Gateway.OrderByToken(r.Context(), r.PathValue("token"))
	if err != nil {
		p.render(w, r, "", http.StatusNotFound)
		return
	}
	for i := range order.Payments {
		if !live(&order.Payments[i]) {
			continue
		}
		if err := p.Gateway.LookUp(r.Context(), order.Payments[i].ID); err != nil && !errors.Is(err, gateway.ErrTooSoon) {
			p.Log.Warn("a payer asked again", "payment", order.Payments[i].ID, "error", err) // the sweep goes on asking
		}
	}
	http.Redirect(w, r, home(w, r, url.Values{"asked": {"1"}}), http.StatusSeeOther)
}

// status says in one word what the page would show; the script looks whether it changed.
func (p *Pages) status(w http.ResponseWriter, r *http.Request) {
	order, _, err := p.Gateway.OrderByToken(r.Context(), r.PathValue("token"))
	code, mark := http.StatusOK, ""
	switch {
	case gateway.ProblemName(err) == gateway.ProblemNotFound:
		code = http.StatusNotFound
	case err != nil:
		p.Log.Error("a checkout page's status", "error", err)
		code = http.StatusServiceUnavailable
	default:
		var v view
		v.fill(order, p.Now(), false)
		mark = v.Mark
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"state": mark})
}
