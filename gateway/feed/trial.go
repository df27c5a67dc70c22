package feed

import (
	"context"
	"time"
)

// testType is an event that says nothing but that the endpoint is reached. It is in no feed: its number is 0.
const testType = "webhook_endpoint.test"

// Test sends an endpoint an event that means nothing, signed like any other, and writes the attempt down with the deliveries. It changes
// nothing of the endpoint: only a real event says whether it works again.
func (s *Endpoints) Test(ctx context.Context, clientID, id string) (*Delivery, error) {
	e, err := s.Get(ctx, clientID, id)
	if err != nil {
		return nil, err
	}
	sealed, err := sealedSecrets(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	now := s.now()
	secrets, err := unseal(s.keys, id, sealed, now)
	if err != nil {
		return nil, err
	}
	out := Delivery{AttemptedAt: now, EventID: newID("evt_"), Attempt: 1}
	body, err := envelope(out.EventID, testType, now, map[string]any{"id": id})
	if err != nil {
		return nil, err
	}
	t := &turnOf{d: &Deliverer{http: s.guard.client(sendTimeout)}, e: &claimed{ID: id, URL: e.URL}, secrets: secrets}
	began := time.Now()
	out.Status, out.Detail = t.send(ctx, &Event{ID: out.EventID, Body: body})
	out.TookMS = int(time.Since(began).Milliseconds())
	t.d.http.CloseIdleConnections()
	return &out, insertDelivery(context.WithoutCancel(ctx), s.db, id, &out)
}
