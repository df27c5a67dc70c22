package feed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway/account"
)

// States of an endpoint.
const (
	Active   = "active"
	Paused   = "paused"   // fails; probed now and then, sent nothing else
	Disabled = "disabled" // failed for 3 days or said 410 Gone; a replay makes it active again
)

const (
	overlap      = 24 * time.Hour // both secrets sign for so long after a rotation
	maxEndpoints = 16             // of a client
	maxSecrets   = 5              // that sign at once, whoever rotates in a hurry
)

// Endpoint is where a client wants its events. Cursor is the number up to which they are delivered or waiting.
type Endpoint struct {
	ID           string         `json:"id" db:"id"`
	ClientID     string         `json:"-" db:"client_id"`
	URL          string         `json:"url" db:"url"`
	Types        pq.StringArray `json:"types" db:"types"` // empty: all
	Status       string         `json:"status" db:"status"`
	Cursor       int64          `json:"cursor" db:"cursor"`
	FailingSince *time.Time     `json:"failing_since" db:"failing_since"`
	NextProbeAt  *time.Time     `json:"next_probe_at" db:"next_probe_at"`
	CreatedAt    time.Time      `json:"created_at" db:"created_at"`
}

// Delivery is one attempt. Status is the HTTP status, 0 when there was no answer.
type Delivery struct {
	AttemptedAt time.Time `json:"attempted_at" db:"attempted_at"`
	Number      int64     `json:"number" db:"number"`
	EventID     string    `json:"event" db:"event_id"`
	Attempt     int       `json:"attempt" db:"attempt"`
	Status      int       `json:"status" db:"status"`
	Detail      string    `json:"detail" db:"detail"`
	TookMS      int       `json:"took_ms" db:"took_ms"`
}

// Options of webhooks. AllowLoopback lets them go to this machine, over http too: for the demo and tests alone.
type Options struct{ AllowLoopback bool }

// Endpoints is what clients do with their endpoints; one client never sees another's.
type Endpoints struct {
	db    *sqlx.DB
	keys  *account.Keys
	now   func() time.Time
	guard guard
}

// NewEndpoints makes it; now is the one clock of facts.
func NewEndpoints(db *sqlx.DB, keys *account.Keys, now func() time.Time, o Options) *Endpoints {
	return &Endpoints{db, keys, now, guard{o.AllowLoopback}}
}

// secret signs until Until, or until it is rotated.
type secret struct {
	Secret string     `json:"secret"`
	Until  *time.Time `json:"until,omitempty"`
}

func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

func seal(keys *account.Keys, endpointID string, secrets []secret) ([]byte, error) {
	raw, err := json.Marshal(secrets)
	if err != nil {
		return nil, fmt.Errorf("sealing webhook secrets: %w", err)
	}
	sealed, err := keys.Seal(raw, "webhook:"+endpointID)
	if err != nil {
		return nil, fmt.Errorf("sealing webhook secrets: %w", err)
	}
	return sealed, nil
}

// unseal gives the secrets that sign at a time, newest first.
func unseal(keys *account.Keys, endpointID string, sealed []byte, at time.Time) ([]secret, error) {
	raw, err := keys.Open(sealed, "webhook:"+endpointID)
	if err != nil {
		return nil, fmt.Errorf("opening webhook secrets of %s: %w", endpointID, err)
	}
	var all, valid []secret
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("opening webhook secrets of %s: %w", endpointID, err)
	}
	for _, s := range all {
		if s.Until == nil || at.Before(*s.Until) {
			valid = append(valid, s)
		}
	}
	return valid, nil
}

// Create makes an endpoint for the client's events from now on, and gives its secret, which is shown this once.
func (s *Endpoints) Create(ctx context.Context, clientID, url string, types []string) (Endpoint, string, error) {
	if err := checkTypes(types); err != nil {
		return Endpoint{}, "", err
	}
	if err := s.guard.check(ctx, url); err != nil {
		return Endpoint{}, "", err
	}
	e := Endpoint{ID: newID("whe_"), ClientID: clientID, URL: url, Types: append(pq.StringArray{}, types...), Status: Active, CreatedAt: s.now()}
	plain := newSecret()
	sealed, err := seal(s.keys, e.ID, []secret{{Secret: plain}})
	if err != nil {
		return Endpoint{}, "", err
	}
	if err := insertEndpoint(ctx, s.db, &e, sealed); err != nil {
		return Endpoint{}, "", err
	}
	return e, plain, nil
}

// Rotate gives a new secret; the one before signs too for 24 hours.
func (s *Endpoints) Rotate(ctx context.Context, clientID, id string) (string, error) {
	plain := newSecret()
	err := changeSecrets(ctx, s.db, clientID, id, func(sealed []byte) ([]byte, error) {
		now := s.now()
		secrets, err := unseal(s.keys, id, sealed, now)
		if err != nil {
			return nil, err
		}
		until := now.Add(overlap)
		for i := range secrets {
			if secrets[i].Until == nil {
				secrets[i].Until = &until
			}
		}
		secrets = append([]secret{{Secret: plain}}, secrets...)
		return seal(s.keys, id, secrets[:min(len(secrets), maxSecrets)])
	})
	if err != nil {
		return "", err
	}
	return plain, nil
}

// List gives a client's endpoints, oldest first.
func (s *Endpoints) List(ctx context.Context, clientID string) ([]Endpoint, error) {
	return selectEndpoints(ctx, s.db, clientID)
}

// Standing is an endpoint as an operator sees it.
type Standing struct {
	Endpoint
	Client     string     `db:"client"`
	Behind     int64      `db:"behind"`  // numbers of the feed that were not looked at yet
	Waiting    int64      `db:"waiting"` // events that are to be sent again
	LastAt     *time.Time `db:"last_at"` // of the last attempt
	LastStatus *int       `db:"last_status"`
}

// Standings gives every client's endpoints, those that are not well first.
func (s *Endpoints) Standings(ctx context.Context) ([]Standing, error) {
	return selectStandings(ctx, s.db)
}

// Get gives one endpoint.
func (s *Endpoints) Get(ctx context.Context, clientID, id string) (Endpoint, error) {
	return selectEndpoint(ctx, s.db, clientID, id)
}

// Delete takes an endpoint away with all that waits for it; its deliveries stay on record.
func (s *Endpoints) Delete(ctx context.Context, clientID, id string) error {
	return deleteEndpoint(ctx, s.db, clientID, id)
}

// Deliveries gives the attempts before a time (the zero time: all), newest first.
func (s *Endpoints) Deliveries(ctx context.Context, clientID, id string, before time.Time, limit int) ([]Delivery, error) {
	if _, err := s.Get(ctx, clientID, id); err != nil {
		return nil, err
	}
	return selectDeliveries(ctx, s.db, id, Delivery{AttemptedAt: before}, clamp(limit))
}

// DeliveriesBefore lists what comes behind a delivery in the list of [Endpoints.Deliveries], none twice and none left out, whatever was attempted at the same
// moment; a zero one: from the beginning.
func (s *Endpoints) DeliveriesBefore(ctx context.Context, clientID, id string, last Delivery, limit int) ([]Delivery, error) {
	if _, err := s.Get(ctx, clientID, id); err != nil {
		return nil, err
	}
	return selectDeliveries(ctx, s.db, id, last, clamp(limit))
}

// Replay sends again from a number of the feed on, in order, whatever was delivered before. What waited of earlier numbers is
// due at once. A paused or disabled endpoint is active again.
func (s *Endpoints) Replay(ctx context.Context, clientID, id string, from int64) error {
	return replay(ctx, s.db, clientID, id, max(from, 1), s.now())
}
