package console

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/reconciliation"
)

const attachPattern = "POST /console/discrepancies/{id}/attachments"

// deedNotices are what a case's page says after a deed, by ?done=; notices has the rest.
var deedNotices = map[string]text{"assigned": "Đã giao việc.", "noted": "Đã ghi chú.", "attached": "Đã đính kèm.", "asked": "Đã ghi yêu cầu tra soát. Hãy in công văn.", "answered": "Đã ghi câu trả lời.",
	"reopened": "Đã mở lại."}

// workOn is what is done about one discrepancy besides resolving it.
func (c *Console) workOn(v *visit) (err error) {
	id, f, ctx := v.r.PathValue("id"), v.r.PostForm, v.r.Context()
	done := ""
	switch v.r.PathValue("deed") {
	case "assign":
		done = "assigned"
		_, err = c.Reconciler.Assign(ctx, v.caller(), id, reconciliation.Assignment{Owner: f.Get("owner"), From: f.Get("from"), Deadline: f.Get("deadline"), Note: f.Get("note")})
	case "notes":
		done = "noted"
		_, err = c.Reconciler.Note(ctx, v.caller(), id, f.Get("note"))
	case "trace":
		done = "asked"
		_, err = c.Reconciler.Ask(ctx, v.caller(), id, reconciliation.NewTrace{AskedOf: f.Get("asked_of"), Question: f.Get("question"), Due: f.Get("due")})
	case "answer":
		done = "answered"
		_, err = c.Reconciler.Answered(ctx, v.caller(), id, f.Get("answer"))
	case "reopen":
		done = "reopened"
		_, err = c.Reconciler.Reopen(ctx, v.caller(), id, f.Get("reason"))
	default:
		err = &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	if err != nil {
		return err
	}
	v.audit("discrepancy."+done, id)
	return v.back("/console/discrepancies/" + url.PathEscape(id) + "?done=" + done)
}

// attach takes a paper; the form's token stands before it.
func (c *Console) attach(v *visit) error {
	id := v.r.PathValue("id")
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, reconciliation.MaxAttachment+maxForm)
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
	refuse := func(detail string) error {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "file", Detail: detail}}}
	}
	if file == nil || file.FileName() == "" {
		return refuse("chưa chọn tệp")
	}
	body, err := io.ReadAll(file)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refuse("at most 5 MiB")
	case err != nil:
		return refuse("chưa nhận hết; hãy gửi lại")
	}
	a, err := c.Reconciler.Attach(v.r.Context(), v.caller(), id, file.FileName(), body)
	if err != nil {
		return err
	}
	if !a.Known {
		v.audit("discrepancy.attached", id)
	}
	return v.back("/console/discrepancies/" + url.PathEscape(id) + "?done=attached")
}

// attachment sends a paper to be kept, never shown in place.
func (c *Console) attachment(v *visit) error {
	n, err := number(v.r.PathValue("n"))
	if err != nil {
		return err
	}
	a, body, err := c.Reconciler.Attachment(v.r.Context(), v.caller(), v.r.PathValue("id"), n)
	if err != nil {
		return err
	}
	// A paper may name people.
	if err := c.Identity.Audit(v.r.Context(), nil, v.actor(), "attachment.read", v.r.PathValue("id"), map[string]any{"n": n}); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", a.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; form-action 'self'; frame-ancestors 'none'")
	_, err = v.w.Write(body)
	return err
}

// traceLetter sends the letter of the latest trace request, to be printed.
func (c *Console) traceLetter(v *visit) error {
	l, err := c.Reconciler.TraceLetter(v.r.Context(), v.caller(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return page.SendLetter(v.w, l)
}
