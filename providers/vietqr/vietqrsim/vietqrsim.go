// Package vietqrsim plays a bank account that nobody watches: money comes, and the statement alone tells of it. Only
// cmd/simulator and tests import it.
package vietqrsim

import (
	"net/http"
	"time"

	"feegate/providers/sim"
)

// Name of the provider in addresses.
const Name = "vietqr"

// Wire has no wire.
type Wire struct{}

// New makes the wire.
func New() sim.Wire { return Wire{} }

// Name of the provider.
func (Wire) Name() string { return Name }

// Credentials: none.
func (Wire) Credentials() []string { return nil }

// Routes: none.
func (Wire) Routes(*sim.World) map[string]http.HandlerFunc { return nil }

// Callback is never asked for.
func (Wire) Callback(sim.Account, sim.Payment, sim.Message) (sim.Outgoing, error) {
	return sim.Outgoing{}, sim.ErrInvalid
}

// Delivered has nothing to judge.
func (Wire) Delivered(int, []byte) bool { return true }

// Retries: none.
func (Wire) Retries() (int, time.Duration) { return 1, 0 }

// DeclineCode does not exist.
func (Wire) DeclineCode() string { return "" }

// Settlement does not exist.
func (Wire) Settlement() sim.SettlementFormat { return sim.SettlementFormat{} }

// Number is the account itself.
func (Wire) Number(a sim.Account) string { return a.Terminal }

// Tells nobody.
func (Wire) Tells(*sim.World, sim.Account, sim.Transfer, sim.Message) (sim.Outgoing, bool, error) {
	return sim.Outgoing{}, false, nil
}
