package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/catalogue"
	"feegate/gateway/identity"
	"feegate/reconciliation/adoption"
)

const (
	cataloguePattern = "POST /console/catalogue/preview"
	catalogueConfirm = "POST /console/catalogue/confirm"
)

// mountCatalogue is the catalogue to look things up in, and for administrators to change: a file, its preview, and a confirmation of just
// what was previewed.
func (c *Console) mountCatalogue(mux *http.ServeMux) {
	admin, decide := []identity.Role{identity.Admin}, []identity.Role{identity.Admin, identity.Approver}
	c.on(mux, "GET /console/catalogue", browsing, c.catalogue)
	c.on(mux, cataloguePattern, admin, c.previewCatalogue)
	c.on(mux, catalogueConfirm, admin, c.confirmCatalogue)
	c.on(mux, "POST /console/catalogue/targets", admin, c.proposeTarget)
	c.on(mux, "POST /console/catalogue/targets/{id}/{decision}", decide, c.decideTarget)
	c.on(mux, "POST /console/catalogue/definitions/{id}/{decision}", decide, c.decideDefinition)
}

// decider is the person, with the audit that a change writes in its own transaction.
func (v *visit) decider() gateway.By {
	p := &v.session.Principal
	return gateway.By{ID: p.ID, Agencies: p.Agencies, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		return v.c.Identity.Audit(ctx, tx, v.actor(), action, object, detail)
	}}
}

// shelf is a part of the catalogue.
type shelf struct {
	Code string
	Name text
	Here bool
}

func shelves() []shelf {
	return []shelf{{"procedures", "Thủ tục và mức thu", false}, {"agencies", "Cơ quan và mã cũ", false}, {"groups", "Nhóm miễn, giảm", false},
		{"targets", "Các chỉ tiêu", false}, {"definitions", "Định nghĩa tỷ lệ", false}}
}

type catalogueData struct {
	Shelves     []shelf
	Show        string
	On, Q, Next string
	Procedures  []catalogue.Procedure
	Agencies    []catalogue.Agency
	Communes    []catalogue.Commune
	Groups      []catalogue.Group
	Targets     []gateway.Target
	Definitions []adoption.Proposed
	Me          string
	Changes     bool // may change the catalogue
	Decides     bool // may decide on what was proposed
	Today       string
	Sections    []string
	Preview     *catalogue.Outcome
	Document    string // what was previewed
	Seal        string // of what it would do
	Moved       bool   // something else has changed meanwhile
	Errors      []gateway.FieldError
}

func (c *Console) catalogue(v *visit) error {
	q := v.r.URL.Query()
	return v.showCatalogue(http.StatusOK, catalogueData{Show: q.Get("show"), On: q.Get("on"), Q: strings.TrimSpace(q.Get("q"))})
}

func (v *visit) showCatalogue(status int, d catalogueData) (err error) {
	ctx, p := v.r.Context(), &v.session.Principal
	d.Me, d.Sections, d.Today = p.ID, catalogue.Sections(), v.c.Now().In(vietnam).Format(time.DateOnly)
	d.Changes, d.Decides = v.may(identity.Admin) && len(p.Agencies) == 0, v.may(identity.Admin, identity.Approver) && len(p.Agencies) == 0
	if d.On == "" {
		d.On = d.Today
	}
	if len(d.Q) > 100 || strings.ContainsRune(d.Q, 0) {
		d.Q = ""
	}
	found := false
	for _, s := range shelves() {
		s.Here = s.Code == d.Show
		found = found || s.Here
		d.Shelves = append(d.Shelves, s)
	}
	if !found {
		d.Show, d.Shelves[0].Here = "procedures", true
	}
	switch d.Show {
	case "agencies":
		if d.Agencies, err = v.c.Gateway.Places(ctx, d.On); err == nil {
			d.Communes, err = v.c.Gateway.Communes(ctx)
		}
	case "groups":
		d.Groups, err = v.c.Gateway.Groups(ctx, d.On)
	case "targets":
		d.Targets, err = v.c.Gateway.Targets(ctx)
	case "definitions":
		d.Definitions, err = v.c.Adoption.Definitions(ctx)
	default:
		after := v.r.URL.Query().Get("after")
		if len(after) > 40 || strings.ContainsRune(after, 0) {
			after = ""
		}
		if d.Procedures, d.Next, err = v.c.Gateway.Procedures(ctx, d.On, d.Q, v.rows(), after); d.Next != "" {
			d.Next = "?" + url.Values{"on": {d.On}, "q": {d.Q}, "after": {d.Next}}.Encode()
		}
	}
	if err != nil {
		return err
	}
	return v.show(status, "catalogue", "Danh mục", d)
}

// catalogueForm reads a form that may be long, and holds it to the session's token.
func (v *visit) catalogueForm() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, 2*catalogue.MaxFile)
	if err := v.r.ParseMultipartForm(2 * catalogue.MaxFile); err != nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được, hoặc tệp quá lớn"}
	}
	if !v.genuine(v.r.PostForm.Get("csrf")) {
		return errCSRF
	}
	return nil
}

// preview says what a document would do, and seals it.
func (v *visit) preview(d catalogue.Document) (*catalogue.Outcome, string, error) {
	out, err := v.c.Gateway.PutCatalogue(v.r.Context(), d, true, v.decider())
	if err != nil {
		return nil, "", err
	}
	raw, err := json.Marshal(out)
	digest := sha256.Sum256(raw)
	return out, hex.EncodeToString(digest[:]), err
}

func (c *Console) previewCatalogue(v *visit) error {
	if err := v.catalogueForm(); err != nil {
		return err
	}
	refuse := func(err error) error {
		var p *gateway.Problem
		if errors.As(err, &p) && p.Name == gateway.ProblemInvalid {
			return v.showCatalogue(http.StatusUnprocessableEntity, catalogueData{Errors: p.Fields})
		}
		return err
	}
	file, _, err := v.r.FormFile("file")
	if err != nil {
		return v.showCatalogue(http.StatusUnprocessableEntity, catalogueData{Errors: []gateway.FieldError{{Field: "file", Detail: "chưa chọn tệp"}}})
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, catalogue.MaxFile+1))
	if err != nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "tệp chưa nhận hết; hãy gửi lại"}
	}
	section := v.r.PostForm.Get("section")
	if strings.HasPrefix(string(raw), "PK") {
		section = "" // the sheets say it themselves
	}
	im, err := c.Gateway.ReadCatalogue(raw, section)
	if err != nil {
		return refuse(err)
	}
	out, seal, err := v.preview(im.Document)
	if err != nil {
		return refuse(gateway.InFile(im, err))
	}
	document, err := json.Marshal(im.Document)
	if err != nil {
		return err
	}
	return v.showCatalogue(http.StatusOK, catalogueData{Preview: out, Document: string(document), Seal: seal})
}

// confirmCatalogue does what was previewed: where the catalogue has moved on meanwhile, it shows anew what would happen.
func (c *Console) confirmCatalogue(v *visit) error {
	if err := v.catalogueForm(); err != nil {
		return err
	}
	document := v.r.PostForm.Get("document")
	var d catalogue.Document
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được"}
	}
	out, seal, err := v.preview(d)
	if err != nil {
		return err
	}
	if seal != v.r.PostForm.Get("seal") {
		return v.showCatalogue(http.StatusConflict, catalogueData{Preview: out, Document: document, Seal: seal, Moved: true})
	}
	if _, err := c.Gateway.PutCatalogue(v.r.Context(), d, false, v.decider()); err != nil {
		return err
	}
	return v.back("/console/catalogue?done=catalogue")
}

func (c *Console) proposeTarget(v *visit) error {
	f := v.r.PostForm
	if len(v.session.Principal.Agencies) > 0 {
		return &gateway.Problem{Name: problemForbidden}
	}
	_, err := c.Gateway.ProposeTarget(v.r.Context(), gateway.NewTarget{Percent: gateway.Percent(strings.Replace(strings.TrimSpace(f.Get("percent")), ",", ".", 1)),
		ValidFrom: f.Get("valid_from"), Source: f.Get("source"), Replaces: f.Get("replaces")}, v.decider())
	if err != nil {
		return err
	}
	return v.back("/console/catalogue?show=targets&done=target")
}

// provincial reads what was decided on a proposal of the whole province.
func (v *visit) provincial() (approve bool, err error) {
	switch v.r.PathValue("decision") {
	case "approve":
		approve = true
	case "reject":
	default:
		return false, &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	if len(v.session.Principal.Agencies) > 0 {
		return false, &gateway.Problem{Name: problemForbidden}
	}
	return approve, nil
}

func (c *Console) decideTarget(v *visit) error {
	approve, err := v.provincial()
	if err == nil {
		_, err = c.Gateway.DecideTarget(v.r.Context(), v.r.PathValue("id"), approve, "", v.decider())
	}
	if err != nil {
		return err
	}
	return v.back("/console/catalogue?show=targets&done=" + map[bool]string{true: "approved", false: "rejected"}[approve])
}

func (c *Console) decideDefinition(v *visit) error {
	approve, err := v.provincial()
	if err == nil {
		_, err = c.Adoption.DecideDefinition(v.r.Context(), v.r.PathValue("id"), approve, "", v.decider())
	}
	if err != nil {
		return err
	}
	return v.back("/console/catalogue?show=definitions&done=" + map[bool]string{true: "approved", false: "rejected"}[approve])
}
