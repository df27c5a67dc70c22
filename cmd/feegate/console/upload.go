package console

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"
	"unicode/utf8"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/reconciliation"
)

const uploadPattern = "POST /console/upload"

// Limits of an upload.
const (
	maxField     = 1 << 10
	uploadWithin = 15 * time.Minute
	maxShown     = 100 // findings and errors on a page
)

type uploadData struct {
	All           []place
	AccountID     string
	Date          string
	ExpectedLines string
	Replaces      string
	Replaceable   []reconciliation.Import // standing files of the account's day
	Preview, Done *reconciliation.Import
	Errors        []providers.LineError
	More          int // findings or errors that are not shown
	Known         bool
	Account       place
	Bank          statementData
}

func (c *Console) uploadPage(v *visit) error {
	q := v.r.URL.Query()
	d := uploadData{AccountID: q.Get("account"), Date: q.Get("date")}
	if d.Date == "" {
		d.Date = c.date(1)
	}
	return v.showUpload(http.StatusOK, d)
}

func (v *visit) showUpload(status int, d uploadData) error {
	var err error
	if d.All, err = v.places(); err != nil {
		return err
	}
	d.Account = find(d.All, d.AccountID)
	if d.AccountID != "" && d.Date != "" {
		all, _, err := v.c.Reconciler.Imports(v.r.Context(), v.caller(), d.AccountID, d.Date, "", maxShown)
		if err != nil && gateway.ProblemName(err) == "" {
			return err
		}
		for _, i := range all {
			if i.SupersededAt == nil && i.Status == "visible" {
				d.Replaceable = append(d.Replaceable, i)
			}
		}
	}
	return v.show(status, "upload", "Tải tệp đối soát", d)
}

// upload takes a file of either kind: the fields stand before it, so that it is read as it arrives and never held. With ?preview it is only looked at.
func (c *Console) upload(v *visit) error {
	control := http.NewResponseController(v.w)
	_ = control.SetReadDeadline(time.Now().Add(uploadWithin)) // where the connection has no deadlines this does nothing
	_ = control.SetWriteDeadline(time.Now().Add(uploadWithin))
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, reconciliation.MaxFile)
	parts, err := v.r.MultipartReader()
	if err != nil {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được"}
	}
	fields, file, err := readForm(parts)
	if err != nil {
		return err
	}
	if !v.genuine(fields["csrf"]) {
		return errCSRF
	}
	d := uploadData{AccountID: fields["account"], Date: fields["date"], ExpectedLines: fields["expected_lines"], Replaces: fields["replaces"]}
	if d.Date == "" {
		d.Date = c.date(1)
	}
	if fields["kind"] == "statement" {
		return v.statement(d, fields["bank_account"], file)
	}
	refuse := func(field, detail string) error {
		d.Errors = []providers.LineError{{Field: field, Detail: detail}}
		return v.showUpload(http.StatusUnprocessableEntity, d)
	}
	if file == nil || file.FileName() == "" {
		return refuse("Tệp", "chưa chọn tệp")
	}
	if _, err := c.Reconciler.Account(v.r.Context(), v.caller(), d.AccountID); err != nil {
		if gateway.ProblemName(err) == gateway.ProblemNotFound {
			return refuse("Tài khoản", "chưa chọn tài khoản, hoặc bạn không được làm việc với tài khoản này")
		}
		return err
	}
	f := reconciliation.File{AccountID: d.AccountID, Date: d.Date, Name: file.FileName(), By: v.session.Principal.ID, Replaces: d.Replaces,
		DryRun: v.r.URL.Query().Has("preview"), Body: file}
	if d.ExpectedLines != "" {
		n, err := vnd.Parse(d.ExpectedLines)
		if err != nil {
			return refuse("Số dòng", "chỉ gồm chữ số")
		}
		lines := int64(n)
		f.ExpectedLines = &lines
	}
	imp, err := c.Reconciler.Settlement(v.r.Context(), f)
	if err != nil {
		return v.refuseUpload(d, err)
	}
	d.More = max(0, len(imp.Findings)-maxShown)
	imp.Findings = imp.Findings[:len(imp.Findings)-d.More]
	d.Known = imp.Known
	if f.DryRun {
		d.Preview = imp
		return v.showUpload(http.StatusOK, d)
	}
	if !imp.Known {
		v.audit("settlement.imported", imp.ID)
	}
	d.Done = imp
	return v.showUpload(http.StatusOK, d)
}

// refuseUpload says line by line what is wrong with a file.
func (v *visit) refuseUpload(d uploadData, err error) error {
	var lines *reconciliation.UnreadableError
	var broken *reconciliation.BrokenError
	var tooLarge *http.MaxBytesError
	var p *gateway.Problem
	switch {
	case errors.As(err, &lines):
		d.More = max(0, len(lines.Lines)-maxShown)
		d.Errors = lines.Lines[:len(lines.Lines)-d.More]
	case errors.As(err, &tooLarge):
		d.Errors = []providers.LineError{{Field: "Tệp", Detail: "quá lớn"}}
	case errors.As(err, &broken):
		d.Errors = []providers.LineError{{Field: "Tệp", Detail: "chưa nhận hết; hãy gửi lại"}}
	case errors.As(err, &p):
		m := meaningOf(p.Name)
		d.Errors = []providers.LineError{{Detail: v.in.Say(m.what) + ". " + v.in.Say(m.next)}}
		if said := v.in.known(p.Detail); said != "" {
			d.Errors[0].Detail += " (" + said + ")"
		}
		for _, f := range p.Fields {
			d.Errors = append(d.Errors, providers.LineError{Field: f.Field, Detail: f.Detail})
		}
		return v.showUpload(m.status, d)
	default:
		return err
	}
	return v.showUpload(http.StatusUnprocessableEntity, d)
}

// readForm reads the fields up to the file, which is left unread; nil where there is none.
func readForm(parts *multipart.Reader) (map[string]string, *multipart.Part, error) {
	fields := map[string]string{}
	for range 20 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, nil, nil
		}
		if err != nil {
			break
		}
		if part.FormName() == "file" {
			return fields, part, nil
		}
		raw, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil || len(raw) > maxField || !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
			break
		}
		fields[part.FormName()] = string(raw)
	}
	return nil, nil, &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được"}
}
