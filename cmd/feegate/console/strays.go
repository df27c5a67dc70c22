package console

import (
	"net/http"
	"net/url"
	"strings"

	"feegate/gateway"
)

type straysData struct {
	ID    string
	Place place
	Rows  []moment
	Raw   bool
	Next  string
}

// strays are the messages to an account that belong to no payment, as received where somebody asks for that.
func (c *Console) strays(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	d := straysData{ID: e.Account.ID, Raw: q.Get("raw") == "1"}
	if d.Raw { // what was received may name people
		if err := c.Identity.Audit(ctx, nil, v.actor(), "callback.read", d.ID, nil); err != nil {
			return err
		}
	}
	agencies, err := c.Gateway.Agencies(ctx)
	if err != nil {
		return err
	}
	d.Place = v.place(&e.Account, agencies)
	rows := v.rows()
	if d.Raw { // for a file too: each may be long
		rows = pageSize
	}
	list, next, err := c.Gateway.Strays(ctx, d.ID, q.Get("after"), rows, d.Raw)
	if err != nil {
		return err
	}
	for i := range list {
		d.Rows = append(d.Rows, heardMoment(&list[i].Heard))
	}
	if next != "" {
		d.Next = "?after=" + url.QueryEscape(next)
		if d.Raw {
			d.Next += "&raw=1"
		}
	}
	return v.show(http.StatusOK, "strays", "Tin không thuộc giao dịch nào", d)
}

// heardMoment is a message for people to read.
func heardMoment(h *gateway.Heard) moment {
	m := moment{At: h.At, What: or(heardWords)(h.Kind), Says: verdictWords[h.Verdict], Raw: strings.ToValidUTF8(h.Raw, "�")}
	if m.Says.Word == "" {
		m.Says = word{"warn", "○", text(h.Verdict)}
	}
	return m
}
