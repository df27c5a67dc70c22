package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/providers"
	"feegate/providers/breaker"
)

// watch looks after the breakers of this process: it hears what operators say, asks whether a provider is back, and tells of
// changes.
type watch struct {
	breakers *breaker.Group
	accounts *account.Store
	gateway  *gateway.Gateway
	changes  chan gateway.ProviderState
	log      *slog.Logger

	mu      sync.Mutex
	applied map[[2]string]account.Override // by account and operation
}

// applyOverrides brings the breakers to the newest word of each operation.
func (w *watch) applyOverrides(ctx context.Context) error {
	newest, err := w.accounts.Overrides(ctx, "")
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.applied == nil {
		w.applied = map[[2]string]account.Override{}
	}
	modes := map[string]breaker.Mode{account.ModeOpen: breaker.ForcedOpen, account.ModeClosed: breaker.ForcedClosed, account.ModeAutomatic: breaker.Auto}
	for _, o := range newest {
		key := [2]string{o.AccountID, o.Operation}
		if last, ok := w.applied[key]; ok && last.Mode == o.Mode && last.Reason == o.Reason || !ok && o.Mode == account.ModeAutomatic {
			continue
		}
		w.applied[key] = o
		w.breakers.Override(o.AccountID, providers.Operation(o.Operation), modes[o.Mode], o.Reason)
	}
	return nil
}

// probe asks the providers whose checkout or refund waits for a look-up's word after a payment that does not exist: any answer
// says that they are back, and no money is touched.
func (w *watch) probe(ctx context.Context, _ int) (int, error) {
	var errs error
	for _, id := range w.breakers.WaitForLookup() {
		e, err := w.accounts.Get(ctx, id)
		if err != nil || e.Err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		_, err = e.Provider.Lookup(ctx, e.Account.NobodysPayment(time.Now()))
		w.log.Info("asked whether a provider is back", "account", id, "answered", err == nil)
	}
	return 0, errs
}

// tell records changes of breakers and tells the portals, until the context ends.
func (w *watch) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-w.changes:
			if err := w.note(ctx, s); err != nil && ctx.Err() == nil {
				w.log.Error("telling of a breaker", "account", s.AccountID, "operation", s.Operation, "error", err)
			}
		}
	}
}

func (w *watch) note(ctx context.Context, s gateway.ProviderState) error {
	s.Reason = w.reason(s)
	return w.gateway.NoteProviderState(ctx, s)
}

// reason is the operator's, where one made the state what it is.
func (w *watch) reason(s gateway.ProviderState) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.applied[[2]string{s.AccountID, s.Operation}]; o.Mode == s.State {
		return o.Reason
	}
	return ""
}
