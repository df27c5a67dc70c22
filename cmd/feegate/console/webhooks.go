package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/feed"
	"feegate/gateway/identity"
)

// hooking are those who look after what other programs are told, and a portal's own admin for that portal; who is limited to agencies does
// not: programs are the whole province's. Of these, sending those have it sent again.
var (
	hooking = []identity.Role{identity.Operator, identity.Admin, identity.PortalAdmin}
	sending = []identity.Role{identity.Operator, identity.PortalAdmin}
)

func (c *Console) mountWebhooks(mux *http.ServeMux) {
	c.on(mux, "GET /console/webhooks", hooking, c.webhooks)
	c.on(mux, "GET /console/webhooks/{id}", hooking, c.webhook)
	c.on(mux, "POST /console/webhooks/{id}/replay", sending, c.replay)
}

// endpointWords name how an endpoint is.
func endpointWord(e *feed.Endpoint) word {
	switch {
	case e.Status == feed.Paused:
		return word{"warn", "◐", "Tạm ngừng, đang dò lại"}
	case e.Status == feed.Disabled:
		return word{"bad", "✕", "Đã tắt"}
	case e.FailingSince != nil:
		return word{"warn", "◐", "Đang lỗi"}
	}
	return word{"good", "●", "Nhận được"}
}

type hookRow struct {
	feed.Standing
	Word word
}

func (c *Console) webhooks(v *visit) error {
	all, err := v.standings()
	if err != nil {
		return err
	}
	rows := []hookRow{}
	for _, s := range all {
		rows = append(rows, hookRow{s, endpointWord(&s.Endpoint)})
	}
	return v.show(http.StatusOK, "webhooks", "Webhook", struct{ Rows []hookRow }{rows})
}

type deliveryRow struct {
	feed.Delivery
	Word word
}

type hookData struct {
	hookRow
	Deliveries []deliveryRow
	Next       string
	Replays    bool
}

// standings are the endpoints that the person looks after: of a portal's admin its own.
func (v *visit) standings() ([]feed.Standing, error) {
	client, err := v.ownClient()
	if err != nil {
		return nil, err
	}
	all, err := v.c.Endpoints.Standings(v.r.Context())
	if err != nil || client == "" {
		return all, err
	}
	return slices.DeleteFunc(all, func(s feed.Standing) bool { return s.ClientID != client }), nil
}

// standing is the endpoint of the address; another's does not exist.
func (v *visit) standing() (*feed.Standing, error) {
	all, err := v.standings()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == v.r.PathValue("id") {
			return &all[i], nil
		}
	}
	return nil, &gateway.Problem{Name: gateway.ProblemNotFound}
}

func (c *Console) webhook(v *visit) error {
	s, err := v.standing()
	if err != nil {
		return err
	}
	var last feed.Delivery
	if q := v.r.URL.Query().Get("before"); q != "" {
		if last, err = deliveryAt(q); err != nil {
			return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "after", Detail: "hãy mở lại danh sách từ đầu"}}}
		}
	}
	list, err := c.Endpoints.DeliveriesBefore(v.r.Context(), s.ClientID, s.ID, last, v.rows())
	if err != nil {
		return err
	}
	d := hookData{hookRow: hookRow{*s, endpointWord(&s.Endpoint)}, Replays: v.may(sending...)}
	for _, x := range list {
		w := word{"bad", "✕", "không trả lời"}
		switch {
		case x.Status >= 200 && x.Status < 300:
			w = word{"good", "●", text(strconv.Itoa(x.Status))}
		case x.Status > 0:
			w = word{"bad", "✕", text(strconv.Itoa(x.Status))}
		}
		d.Deliveries = append(d.Deliveries, deliveryRow{x, w})
	}
	if len(list) == v.rows() {
		d.Next = "?before=" + url.QueryEscape(placeOf(&list[len(list)-1]))
	}
	return v.show(http.StatusOK, "webhook", text(v.in.Sayf("Webhook của %s", s.Client)), d)
}

// placeOf is where a list of deliveries goes on behind one; deliveryAt reads it.
func placeOf(d *feed.Delivery) string {
	return fmt.Sprintf("%s~%d~%d", d.AttemptedAt.Format(time.RFC3339Nano), d.Number, d.Attempt)
}

func deliveryAt(place string) (d feed.Delivery, err error) {
	parts := strings.Split(place, "~")
	if len(parts) != 3 {
		return d, fmt.Errorf("%q is no place in a list of deliveries", place)
	}
	if d.AttemptedAt, err = time.Parse(time.RFC3339Nano, parts[0]); err != nil {
		return d, err
	}
	if d.Number, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return d, err
	}
	d.Attempt, err = strconv.Atoi(parts[2])
	return d, err
}

// replay sends again from a number of the feed on.
func (c *Console) replay(v *visit) error {
	s, err := v.standing()
	if err != nil {
		return err
	}
	why, err := v.why()
	if err != nil {
		return err
	}
	from, err := strconv.ParseInt(v.r.PostForm.Get("number"), 10, 64)
	if err != nil || from < 1 {
		return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: "number", Detail: "phải là số thứ tự của một sự kiện"}}}
	}
	if err := c.Endpoints.Replay(v.r.Context(), s.ClientID, s.ID, from); err != nil {
		if errors.Is(err, feed.ErrNoEndpoint) {
			return &gateway.Problem{Name: gateway.ProblemNotFound}
		}
		return err
	}
	if err := c.Identity.Audit(v.r.Context(), nil, v.actor(), "webhook.replayed", s.ID, map[string]any{"from": from, "reason": why}); err != nil {
		return err
	}
	return v.back("/console/webhooks/" + url.PathEscape(s.ID) + "?done=replay")
}
