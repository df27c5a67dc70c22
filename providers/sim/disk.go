package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const diskVersion = 1

// saved is the state as it stands on disk. Credentials are in it, so the file is the owner's only.
type saved struct {
	Version  int                         `json:"version"`
	Now      time.Time                   `json:"now"`
	Accounts []Account                   `json:"accounts"`
	Payments []Payment                   `json:"payments"`
	Armed    map[string][]Decision       `json:"armed,omitempty"`
	ArmedRef map[string][]RefundDecision `json:"armed_refunds,omitempty"`
	Retries  []retry                     `json:"retries,omitempty"`

	Transfers []Transfer `json:"transfers,omitempty"`
}

type disk struct {
	path  string
	dirty chan struct{}
}

func openDisk(dir string) (*disk, *saved, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	d := &disk{path: filepath.Join(dir, "simulator.json"), dirty: make(chan struct{}, 1)}
	raw, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var s saved
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.path, err)
	}
	if s.Version != diskVersion {
		return nil, nil, fmt.Errorf("%s: written by another version (%d, this is %d): use an empty data directory", d.path, s.Version, diskVersion)
	}
	return d, &s, nil
}

// write replaces the file in one step: a crash leaves the old state or the new, never half of one.
func (d *disk) write(s saved) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return WriteFile(d.path, raw)
}

// WriteFile replaces a file of the owner's only, in one step.
func WriteFile(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(raw); err != nil {
		_ = f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// changed asks for a write; many changes share one.
func (w *World) changed() {
	if w.disk == nil {
		return
	}
	select {
	case w.disk.dirty <- struct{}{}:
	default:
	}
}

// saveLoop writes after changes. The rest between two writes grows with what a write costs, so that a large ledger is not
// written the whole time.
func (w *World) saveLoop() {
	rest := 50 * time.Millisecond
	for {
		select {
		case <-w.disk.dirty:
		case <-w.stop.Done():
			return
		}
		begun := time.Now()
		if err := w.disk.write(w.snapshot()); err != nil {
			w.log.Error("simulator state not written", "error", err)
		}
		w.pause(w.stop, max(rest, 4*time.Since(begun)))
	}
}

// snapshot copies the headers of the state under the lock; payments are values that nobody changes in place.
func (w *World) snapshot() saved {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := saved{Version: diskVersion, Now: w.clock.Now(), Accounts: w.sortedAccounts(),
		Payments: make([]Payment, 0, len(w.ledger.order)), Armed: map[string][]Decision{}, ArmedRef: map[string][]RefundDecision{}}
	for _, k := range w.ledger.order {
		s.Payments = append(s.Payments, w.ledger.payments[k])
	}
	for name, waiting := range w.armed {
		s.Armed[name] = append([]Decision(nil), waiting...)
	}
	for name, waiting := range w.armedRef {
		s.ArmedRef[name] = append([]RefundDecision(nil), waiting...)
	}
	s.Retries = append(s.Retries, w.retries...)
	s.Transfers = append(s.Transfers, w.bank.transfers...)
	return s
}

func (w *World) restore(s *saved) error {
	for _, a := range s.Accounts {
		w.accounts[accountKey{a.Provider, a.Terminal}] = a
	}
	for _, p := range s.Payments {
		if _, known := w.wires[p.Provider]; !known {
			return fmt.Errorf("a payment of %q, which this program does not simulate", p.Provider)
		}
		w.put(p)
	}
	for _, t := range s.Transfers {
		w.bank.add(t)
	}
	for name, waiting := range s.Armed {
		w.armed[name] = waiting
	}
	for name, waiting := range s.ArmedRef {
		w.armedRef[name] = waiting
	}
	w.retries = s.Retries
	return nil
}
