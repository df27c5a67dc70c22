package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"feegate/gateway/vnd"
	"feegate/providers/sim"
)

const (
	maxDossiers  = 1_000 // the list keeps the newest
	maxSecrets   = 10
	maxAnswer    = 4 << 20
	webhookLimit = 1 << 20
)

type portalOptions struct {
	Gateway, Key, Public, File string
	Log                        *slog.Logger
}

// portal is a small public-service portal: it creates orders at the gateway as any portal does, sends the payer to pay,
// and believes only the gateway's signed webhooks.
type portal struct {
	portalOptions
	world  *sim.World
	client *http.Client

	mu    sync.Mutex
	state portalState
}

// portalState is what the portal keeps on disk.
type portalState struct {
	Endpoint string    `json:"endpoint"` // the address registered last
	Secrets  []string  `json:"secrets"`  // newest first; earlier ones for what is still on its way
	Serial   int       `json:"serial"`
	Dossiers []dossier `json:"dossiers"` // newest first
}

type dossier struct {
	Code      string     `json:"code"`
	Procedure string     `json:"procedure"`
	Order     string     `json:"order"`
	Amount    vnd.Amount `json:"amount"`
	Checkout  string     `json:"checkout"`
	Status    string     `json:"status"` // as the last webhook said; open until then
	LearntAt  time.Time  `json:"learnt_at"`
	CreatedAt time.Time  `json:"created_at"`
}

func newPortal(world *sim.World, o portalOptions) (*portal, error) {
	p := &portal{portalOptions: o, world: world, client: &http.Client{Timeout: 40 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	p.state.Serial = mathrand.IntN(5_000) // without an old state: dossier codes of an earlier run on this day may stand at the gateway
	if o.File == "" {
		return p, nil
	}
	raw, err := os.ReadFile(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &p.state)
	}
	if err != nil {
		return nil, fmt.Errorf("portal state: %w", err)
	}
	return p, nil
}

// change alters the state and writes it down.
func (p *portal) change(f func(*portalState)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.state)
	if p.File == "" {
		return
	}
	raw, err := json.Marshal(p.state)
	if err == nil {
		err = sim.WriteFile(p.File, raw)
	}
	if err != nil {
		p.Log.Error("portal state not written", "error", err)
	}
}

func (p *portal) dossiers() []dossier {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.state.Dossiers)
}

// gatewayError is an answer that is not a success, in the gateway's own words.
type gatewayError struct {
	Status                 int
	Title, TitleVI, Detail string
}

func (e *gatewayError) Error() string {
	words := e.TitleVI
	if words == "" {
		words = e.Title
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s: %s", e.Status, words, e.Detail))
}

// ask makes one call of the gateway's API.
func (p *portal) ask(ctx context.Context, method, path, idempotencyKey string, body, into any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.Gateway+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.Key)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", idempotencyKey)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		var problem struct {
			Title   string `json:"title"`
			TitleVI string `json:"title_vi"`
			Detail  string `json:"detail"`
		}
		_ = json.Unmarshal(raw, &problem) // an answer without a problem document still has its status
		return &gatewayError{resp.StatusCode, problem.Title, problem.TitleVI, problem.Detail}
	}
	return json.Unmarshal(raw, into)
}

// register makes the portal's webhook endpoint known to the gateway, once for each address of the portal. It tries again
// until the gateway answers or the context ends.
func (p *portal) register(ctx context.Context) error {
	address := p.Public + "/portal/webhooks"
	p.mu.Lock()
	done := p.state.Endpoint == address && len(p.state.Secrets) > 0
	p.mu.Unlock()
	if done {
		return nil
	}
	body := map[string]any{"url": address, "types": []string{"order.created", "order.paid", "order.partly_paid", "order.expired",
		"order.cancelled", "order.superseded", "order.refunded", "order.surplus"}}
	key := "portal-endpoint-" + rand.Text() // one key for all tries: at most one endpoint comes of them
	for {
		var made struct {
			Secret string `json:"secret"`
		}
		err := p.ask(ctx, http.MethodPost, "/v1/webhook-endpoints", key, body, &made)
		if err == nil {
			if _, err := standardwebhooks.NewWebhook(made.Secret); err != nil || made.Secret == "" {
				return fmt.Errorf("the gateway gave a secret that cannot be used: %w", err)
			}
			p.change(func(s *portalState) {
				s.Endpoint = address
				s.Secrets = append([]string{made.Secret}, s.Secrets[:min(len(s.Secrets), maxSecrets-1)]...)
			})
			return nil
		}
		var refused *gatewayError
		if errors.As(err, &refused) && refused.Status/100 == 4 && refused.Status != http.StatusTooManyRequests {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// webhook takes what the gateway tells, if its signature is right.
func (p *portal) webhook(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, webhookLimit))
	if err != nil {
		http.Error(rw, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if !p.genuine(body, r.Header) {
		http.Error(rw, "signature does not match", http.StatusUnauthorized)
		return
	}
	var event struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(rw, "cannot be read", http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(event.Type, "order.") && event.Data.Status != "" {
		p.change(func(s *portalState) {
			i := slices.IndexFunc(s.Dossiers, func(d dossier) bool { return d.Order == event.Data.ID })
			// Deliveries of one order come in order; one that comes again late must not undo a later word.
			if i >= 0 && !event.Timestamp.Before(s.Dossiers[i].LearntAt) {
				s.Dossiers[i].Status, s.Dossiers[i].LearntAt = event.Data.Status, event.Timestamp
			}
		})
	}
	rw.WriteHeader(http.StatusNoContent)
}

func (p *portal) genuine(body []byte, h http.Header) bool {
	p.mu.Lock()
	secrets := slices.Clone(p.state.Secrets)
	p.mu.Unlock()
	return slices.ContainsFunc(secrets, func(secret string) bool {
		wh, err := standardwebhooks.NewWebhook(secret)
		return err == nil && wh.Verify(body, h) == nil
	})
}

// procedure is one of the catalogue.
type procedure struct {
	Code     string   `json:"code"`
	Name     string   `json:"name"`
	Field    any      `json:"field"`
	Agencies []string `json:"agency_codes"`
	Fees     []fee    `json:"fees"`
}

type fee struct {
	Code   string      `json:"fee_code"`
	Kind   string      `json:"kind"`
	Name   string      `json:"name"`
	Amount *vnd.Amount `json:"unit_amount"`
}

// KindName is the kind in Vietnamese.
func (f fee) KindName() string {
	switch f.Kind {
	case "phi":
		return "phí"
	case "le_phi":
		return "lệ phí"
	}
	return "nghĩa vụ tài chính"
}

// Title is what the payer reads.
func (f fee) Title() string {
	if f.Name != "" {
		return f.Name
	}
	return strings.ToUpper(f.KindName()[:1]) + f.KindName()[1:] + " " + f.Code
}

// catalogue fetches every procedure, page by page.
func (p *portal) catalogue(ctx context.Context) ([]procedure, error) {
	var all []procedure
	after := ""
	for range 50 {
		var page struct {
			Items []procedure `json:"items"`
			Next  *string     `json:"next"`
		}
		q := url.Values{"limit": {"200"}}
		if after != "" {
			q.Set("after", after)
		}
		if err := p.ask(ctx, http.MethodGet, "/v1/catalogue/procedures?"+q.Encode(), "", nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == nil || *page.Next == "" {
			break
		}
		after = *page.Next
	}
	return all, nil
}

// chosen is a fee that the payer ticked, with its amount where the schedule has none.
type chosen struct {
	fee
	unit vnd.Amount
}

// order creates a dossier's order at the gateway and remembers it.
func (p *portal) order(ctx context.Context, proc procedure, agency, payer string, fees []chosen) (dossier, error) {
	now := p.world.Now()
	d := dossier{Procedure: proc.Name, Status: "open", CreatedAt: now}
	var serial int
	p.change(func(s *portalState) { s.Serial++; serial = s.Serial })
	d.Code = fmt.Sprintf("H10.12-%s-%04d", now.Format("060102"), serial%10_000)
	lines := make([]map[string]any, len(fees))
	for i, f := range fees {
		lines[i] = map[string]any{"fee_code": f.Code, "kind": f.Kind, "name": f.Title(), "quantity": 1, "unit_amount": f.unit, "gross": f.unit, "net": f.unit}
		if f.Kind == "nvtc" {
			lines[i]["tax_notice"] = map[string]string{"number": fmt.Sprintf("TB-%s-%04d", now.Format("060102"), serial)}
		}
		d.Amount += f.unit
	}
	// The reference carries something random: with a lost data directory the serial starts again, references never may.
	reference := d.Code + "-" + rand.Text()[:8]
	body := map[string]any{"reference": reference, "dossier_code": d.Code, "procedure_code": proc.Code, "agency_code": agency, "filing_mode": "online",
		"payer": map[string]string{"name": payer, "relation": "self"}, "lines": lines, "amount": d.Amount, "return_url": p.Public + "/portal/orders/" + url.PathEscape(d.Code)}
	var made struct {
		ID       string     `json:"id"`
		Status   string     `json:"status"`
		Amount   vnd.Amount `json:"amount"`
		Checkout string     `json:"checkout_url"`
	}
	if err := p.ask(ctx, http.MethodPost, "/v1/orders", reference, body, &made); err != nil {
		return dossier{}, err
	}
	d.Order, d.Checkout, d.Amount, d.Status = made.ID, made.Checkout, made.Amount, made.Status
	p.change(func(s *portalState) {
		s.Dossiers = append([]dossier{d}, s.Dossiers[:min(len(s.Dossiers), maxDossiers-1)]...)
	})
	return d, nil
}
