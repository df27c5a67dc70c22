// Package console is where the province's finance people work: the morning's days, files, discrepancies, payments, and the online
// payment rate. Server-rendered, whole without a script. It asks the rooms by their Go interfaces and decides nothing: a rule that
// the API keeps is kept by the room behind both.
package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/feed"
	"feegate/gateway/identity"
	"feegate/providers/breaker"
	"feegate/reconciliation"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/forms"
	"feegate/reconciliation/adoption/honesty"
)

//go:embed *.html console.css console.js messages.en.json
var files embed.FS

// Deps is what the console needs; every field is required.
type Deps struct {
	Gateway        *gateway.Gateway
	Reconciler     *reconciliation.Reconciler
	Adoption       *adoption.Reporter
	Forms          *forms.Maker
	Honesty        *honesty.Book
	Identity       *identity.Store
	Accounts       *account.Store
	Breakers       *breaker.Group
	Endpoints      *feed.Endpoints
	Jobs           Jobs
	Visitors       *page.Visitors
	ApplyOverrides func(context.Context) error // an operator's word, in this process
	Admit          func(address string) bool   // whether a visitor who is not known may ask now
	PublicURL      string
	CountWithin    time.Duration // how long the rate's page waits for the exceptions to be counted
	Now            func() time.Time
	Log            *slog.Logger
}

// Console serves what lies under /console.
type Console struct {
	Deps
	assets  *page.Assets
	pages   map[string]map[string]*template.Template // by language and name
	tongues map[string]speech
	foreign *http.CrossOriginProtection
	routes  map[string][]identity.Role
	filing  chan struct{} // holds who makes a file now
	// until when the exceptions are not counted beside the rate; nil: they are
	uncounted atomic.Pointer[time.Time]
	outside   *outsider // nil where people sign in by their passwords alone
}

// New makes the console.
func New(d Deps) (*Console, error) {
	c := &Console{Deps: d, pages: map[string]map[string]*template.Template{}, routes: map[string][]identity.Role{}, filing: make(chan struct{}, 1), foreign: http.NewCrossOriginProtection()}
	if err := c.foreign.AddTrustedOrigin(d.PublicURL); err != nil {
		return nil, fmt.Errorf("the public address: %w", err)
	}
	var err error
	if c.assets, err = page.NewAssets("/console/files/", files); err != nil {
		return nil, err
	}
	if err := c.speak(); err != nil {
		return nil, err
	}
	return c, nil
}

// The roles of the pages: the same as the API's. An auditor may read whatever any of them may read.
var (
	working   = []identity.Role{identity.Finance}
	reading   = []identity.Role{identity.Finance, identity.Approver}
	deciding  = []identity.Role{identity.Approver}
	reporting = []identity.Role{identity.Reporter, identity.Finance, identity.Approver}
	browsing  = []identity.Role{identity.Reporter, identity.Finance, identity.Approver, identity.Admin}
)

// Mount adds the routes.
func (c *Console) Mount(mux *http.ServeMux) {
	c.assets.Mount(mux)
	mux.HandleFunc("GET /console/sign-in", c.signInPage)
	mux.Handle("POST /console/sign-in", c.foreign.Handler(http.HandlerFunc(c.signIn)))
	mux.HandleFunc("GET "+outsidePath+"/start", c.outsideStart)
	mux.HandleFunc("GET "+outsidePath+"/callback", c.outsideBack)
	c.on(mux, "POST /console/sign-out", identity.Roles(), c.signOut)
	c.on(mux, "GET /console", identity.Roles(), c.home)
	c.on(mux, "GET /console/today", reading, c.today)
	c.on(mux, "GET /console/days/{date}", reading, c.day)
	c.on(mux, "POST /console/days/{date}/match", working, c.match)
	c.mountClosing(mux)
	c.on(mux, "GET /console/upload", working, c.uploadPage)
	c.on(mux, "POST /console/upload", working, c.upload)
	c.on(mux, "GET /console/imports/{id}", reading, c.importPage)
	c.on(mux, "POST /console/layouts/{id}/confirm", working, c.confirmLayout)
	c.on(mux, "GET /console/discrepancies", reading, c.discrepancies)
	c.on(mux, "GET /console/discrepancies.csv", reading, c.discrepanciesCSV)
	c.on(mux, "GET /console/discrepancies/{id}", reading, c.discrepancy)
	c.on(mux, "POST /console/discrepancies/bulk", append(working, deciding...), c.bulk)
	c.on(mux, "POST /console/discrepancies/{id}/resolutions", working, c.resolve)
	c.on(mux, "POST /console/discrepancies/{id}/{deed}", working, c.workOn)
	c.on(mux, attachPattern, working, c.attach)
	c.on(mux, "GET /console/discrepancies/{id}/attachments/{n}", reading, c.attachment)
	c.on(mux, "GET /console/discrepancies/{id}/trace-letter", reading, c.traceLetter)
	c.on(mux, "GET /console/help/discrepancies", reading, c.help)
	c.on(mux, "POST /console/discrepancies/{id}/resolutions/{n}/{decision}", deciding, c.decideResolution)
	c.on(mux, "GET /console/payments/{id}", reading, c.payment)
	c.on(mux, "POST /console/payments/{id}/refunds", working, c.requestRefund)
	c.on(mux, "POST /console/refunds/{id}/{decision}", deciding, c.decideRefund)
	c.on(mux, "GET /console/refunds", reading, c.refunds)
	c.on(mux, "POST /console/refunds/lists", working, c.makeList)
	c.on(mux, "GET /console/refunds/lists/{id}", reading, c.refundList)
	c.on(mux, "GET /console/refunds/lists/{id}/list.csv", reading, c.refundListCSV)
	c.on(mux, "POST /console/refunds/{id}/told", reading, c.tellRefund)
	c.on(mux, "GET /console/bank", reading, c.bank)
	c.on(mux, "GET /console/bank/{line}", reading, c.credit)
	c.on(mux, "POST /console/bank/proposals/{id}", working, c.acceptMatch)
	c.on(mux, "GET /console/search", reading, c.search)
	c.on(mux, "GET /console/ledger", reading, c.ledger)
	c.on(mux, "GET /console/ledger.csv", reading, c.ledgerCSV)
	c.on(mux, "GET /console/ledger/{account}", reading, c.clearing)
	c.on(mux, "GET /console/ledger/{account}/clearing.csv", reading, c.clearingCSV)
	c.mountCatalogue(mux)
	c.on(mux, "GET /console/rate", reporting, c.rate)
	c.on(mux, "GET /console/rate.csv", reporting, c.rateCSV)
	c.on(mux, "GET /console/rate/evidence", reporting, c.evidence)
	c.mountReports(mux)
	c.on(mux, "GET /console/exceptions", reporting, c.exceptions)
	c.on(mux, "GET /console/exceptions/{rule}", reporting, c.ruleFound)
	c.on(mux, "GET /console/audit", auditing, c.audit)
	c.mountProviders(mux)
	c.mountMerchants(mux)
	c.mountWebhooks(mux)
	c.on(mux, "GET /console/style", identity.Roles(), c.style)
	c.mountAccount(mux)
	c.mountPeople(mux)
	c.mountJobs(mux)
	mux.HandleFunc("/console/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/console/" {
			http.Redirect(w, r, "/console", http.StatusSeeOther)
			return
		}
		v := c.visit(w, r)
		if err := v.enter(); err != nil { // who is not signed in is told the same, without the pages' names
			v.session = nil
		}
		v.refuse(&gateway.Problem{Name: gateway.ProblemNotFound})
	})
}

// visit is one request of a person who is signed in.
type visit struct {
	c       *Console
	w       http.ResponseWriter
	r       *http.Request
	in      speech
	session *identity.Session
	token   string
	names   map[string]string // of people, by id
	handler func(*visit) error
	known   *known
	part    *[]byte // where the page goes that is made for a file, nil where it is sent
}

// shell is what every page holds around its own data.
type shell struct {
	At, User, CSRF, AsOf string
	Title                text
	Other                template.URL // this page in the other language
	Nav                  []link
	Notice               text
	Tour                 text   // what a page is, for who comes by it on a tour
	Audits               bool   // may look into the audit
	Known                *known // of what a report says
	Key                  string // of an act, so that a form sent twice acts once
	Data                 any
}

// With is the shell around other data: for a part of a page that has a form of its own.
func (s shell) With(data any) shell {
	s.Data = data
	return s
}

type link struct {
	Path string
	Name text
	Here bool
}

// errCSRF says that a form did not come from our page.
var errCSRF = errors.New("the form's token is not the session's")

// streamed are the acts whose form is read by themselves, with its token.
func streamed() []string {
	return []string{uploadPattern, attachPattern, cataloguePattern, catalogueConfirm}
}

// maxForm is the longest form besides an upload.
const maxForm = 64 << 10

// Routes gives the pages and acts for people who are signed in, by their patterns, with the roles that they are for; an auditor may read
// every page besides.
func (c *Console) Routes() map[string][]identity.Role { return maps.Clone(c.routes) }

// on adds a page or an act for people with one of the roles.
func (c *Console) on(mux *http.ServeMux, pattern string, roles []identity.Role, h func(*visit) error) {
	c.routes[pattern] = roles
	act := strings.HasPrefix(pattern, http.MethodPost)
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := c.visit(w, r)
		v.handler = h
		if !act && v.turned() {
			return
		}
		if err := v.enter(); err != nil {
			if !errors.Is(err, identity.ErrUnauthenticated) {
				v.refuse(err)
				return
			}
			if !c.Admit(c.Visitors.Address(r)) {
				http.Error(w, v.in.Say(tooMany), http.StatusTooManyRequests)
				return
			}
			to := "/console/sign-in"
			if !act {
				to += "?next=" + template.URLQueryEscaper(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		allowed := roles
		if !act {
			allowed = append(slices.Clone(roles), identity.Auditor)
		}
		if v.session.Principal.Held != "" && !own(pattern) {
			http.Redirect(w, r, accountPath, http.StatusSeeOther)
			return
		}
		err := error(nil)
		switch {
		case !v.session.Principal.HasRole(allowed...):
			err = &gateway.Problem{Name: problemForbidden}
		case act && !slices.Contains(streamed(), pattern): // an upload's token stands in its body, which is read as it arrives
			err = v.form()
		}
		if err == nil {
			err = h(v)
		}
		if err != nil {
			v.refuse(err)
		}
	})
	if act {
		handler = c.foreign.Handler(handler)
	}
	mux.Handle(pattern, handler)
}

// form reads a form and holds it to the session's token.
func (v *visit) form() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được"}
	}
	if !v.genuine(v.r.PostForm.Get("csrf")) {
		return errCSRF
	}
	return nil
}

// caller is who asks, as the rooms need to know it.
func (v *visit) caller() gateway.Caller {
	p := &v.session.Principal
	return gateway.Caller{Mode: "live", Actor: p.ID, Person: true, Agencies: p.Agencies, Address: v.c.Visitors.Address(v.r)}
}

func (v *visit) actor() identity.Actor {
	return identity.Actor{Kind: identity.KindUser, ID: v.session.Principal.ID, Address: v.c.Visitors.Address(v.r)}
}

// audit notes who did it. The deed is recorded with its doer already: a failure here is told to the log alone.
func (v *visit) audit(action, object string) {
	if err := v.c.Identity.Audit(v.r.Context(), nil, v.actor(), action, object, nil); err != nil {
		v.c.Log.Error("not audited", "action", action, "object", object, "error", err)
	}
}

// known is by which definition a report counts, and what was known to it.
type known struct {
	Definition string
	AsOf       time.Time
}

// audits says that the person may look into the audit, which is the whole province's.
func (v *visit) audits() bool {
	return len(v.session.Principal.Agencies) == 0 && v.may(append([]identity.Role{identity.Auditor}, auditing...)...)
}

// may reports whether the person has one of the roles.
func (v *visit) may(roles ...identity.Role) bool { return v.session.Principal.HasRole(roles...) }

// who gives a person's name for people to read; programs and persons no longer there keep their id.
func (v *visit) who(id string) string {
	switch id {
	case "":
		return ""
	case "matching":
		return v.in.Say("đối soát tự động")
	}
	if _, ok := v.names[id]; !ok {
		v.names[id] = id
		if u, err := v.c.Identity.User(v.r.Context(), id); err == nil {
			v.names[id] = u.Name
		}
	}
	return v.names[id]
}

// back sends the person on after an act, to a page of ours.
func (v *visit) back(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// show sends a page.
func (v *visit) show(status int, name string, title text, data any) error {
	s := shell{Title: text(v.in.Head(title)), Other: v.other(), At: name, Data: data, AsOf: page.Time(v.c.Now()), Key: rand.Text(), Notice: cmp.Or(notices[v.r.URL.Query().Get("done")], deedNotices[v.r.URL.Query().Get("done")])}
	if v.r.URL.Query().Has("tour") {
		s.Tour = tourWords[name]
	}
	if v.session != nil {
		s.User, s.CSRF = v.session.Principal.Name, v.session.CSRF
		s.Nav, s.Audits, s.Known = v.nav(), v.audits(), v.known
	}
	body, err := page.Render(v.c.pages[v.in.Code][name], "layout", s)
	if err != nil {
		return err
	}
	if v.part != nil {
		*v.part = body
		return nil
	}
	if status == http.StatusOK && v.session != nil {
		if as := v.as(); as != "" {
			return v.take(as, name, v.in.Say(title), body)
		}
		body = v.offered(body)
	}
	return page.Write(v.w, status, body, "'self'")
}

func (v *visit) nav() []link {
	var out []link
	for _, n := range []struct {
		path  string
		name  text
		roles []identity.Role
	}{{"/console/today", "Hôm nay", reading}, {"/console/discrepancies", "Sai lệch", reading}, {"/console/bank", "Ngân hàng", reading}, {"/console/closings", "Khóa sổ", closers},
		{"/console/upload", "Tải tệp", working},
		{"/console/refunds", "Hoàn tiền", reading}, {"/console/ledger", "Sổ tiền", reading}, {"/console/search", "Tìm", reading}, {"/console/rate", "Tỷ lệ trực tuyến", reporting}, {"/console/outlook", "Nhìn tới", reporting}, {"/console/reports", "Báo cáo", reporters}, {"/console/catalogue", "Danh mục", browsing}, {"/console/providers", "Nhà cung cấp", watching}, {"/console/keys", "Khóa", keeping}, {"/console/webhooks", "Webhook", hooking}, {"/console/jobs", "Công việc", running}, {"/console/users", "Người dùng", managing}, {"/console/audit", "Nhật ký", auditing}} {
		auditor := n.path != "/console/upload" && v.may(identity.Auditor)
		if auditor || v.may(n.roles...) {
			out = append(out, link{n.path, text(v.in.Head(n.name)), strings.HasPrefix(v.r.URL.Path, n.path)})
		}
	}
	return out
}

// home goes to the first page that the person may open.
func (c *Console) home(v *visit) error {
	nav := v.nav()
	if len(nav) == 0 {
		return v.back(accountPath)
	}
	return v.back(nav[0].Path)
}

// person is the id of somebody, for whom a sentence has the name.
var person = regexp.MustCompile(`usr_[a-z0-9_]+`)

// refuse answers with what went wrong, in a sentence, and what to do.
func (v *visit) refuse(err error) {
	var p *gateway.Problem
	said := &sentence{}
	if !errors.As(err, &p) {
		switch {
		case errors.As(err, &said):
			p = &gateway.Problem{Name: said.name}
		case errors.Is(err, errCSRF):
			p = &gateway.Problem{Name: problemCSRF}
		default:
			v.c.Log.Error("console", "path", v.r.URL.Path, "error", err)
			p = &gateway.Problem{Name: problemInternal}
		}
	}
	if p.Name == reconciliation.ProblemDayNotReady {
		p = v.in.lacking(p)
	}
	m := meaningOf(p.Name)
	if v.session != nil {
		p.Detail = person.ReplaceAllStringFunc(p.Detail, v.who)
	}
	data := struct {
		What, Next         text
		Name, Said, Detail string
		Fields             []gateway.FieldError
	}{m.what, m.next, p.Name, v.in.Sayf(said.said, said.with...), p.Detail, p.Fields}
	if err := v.show(m.status, "problem", m.what, data); err != nil {
		v.c.Log.Error("console", "error", err)
		http.Error(v.w, v.in.Say(m.what), m.status)
	}
}
