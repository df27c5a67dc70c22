package providers

import (
	"fmt"
	"time"

	"feegate/gateway/vnd"
)

// Capabilities is what a provider can do at all; an account may narrow it.
type Capabilities struct {
	Methods  []Method
	Min, Max vnd.Amount            // over all methods
	PerAsked map[Method]vnd.Amount // a higher minimum for one method
	Lifetime time.Duration         // of a payment, never past the order
	Redirect bool                  // sends the payer to a page or app (channel PORTAL_CHECKOUT)
}

// Registration is one provider in the registry. Credentials names the secret fields that an account must have; TerminalField
// is the one of them that is the terminal.
type Registration struct {
	Name          string
	Title         string // for people
	Capabilities  Capabilities
	Credentials   []string
	Optional      []string // credentials that an account may have besides
	Purposes      []string // for which an account may have an address of its own (Account.URLs)
	Settings      []string // names of Account.Settings
	TerminalField string
	DefaultURL    string // the sandbox base address
	Timeouts      map[Operation]time.Duration
	// NewReference draws our reference of a payment where the provider's wire wants a form of its own; nil = the gateway's.
	// [A-Za-z0-9]{1,64}; it may clash once in a long while, then another is drawn.
	NewReference func(dossierCode string, at time.Time) (string, error)
	// FindReference looks for our reference in a text that banks write: the content of a transfer, a statement's narrative. Set
	// where Transfers is. "" and true: there are several, and no program may choose.
	FindReference func(content string) (reference string, ambiguous bool)
	// Itemised: its wire wants the order's lines and names told at the checkout (Payment.Lines …).
	Itemised bool
	// Transfers: the payer's bank sends money to the beneficiary directly, so several may come for one reference, and any amount.
	Transfers bool
	// BuildsAddress: Checkout makes no call, it builds by itself what the payer opens or scans.
	BuildsAddress bool
	New           func(Account, Deps) (Provider, error)
}

// Registry is the set of providers of this program, by name.
type Registry map[string]Registration

// NewRegistry makes a registry; a name given twice is an error of the program.
func NewRegistry(rs ...Registration) Registry {
	m := make(Registry, len(rs))
	for _, r := range rs {
		if _, twice := m[r.Name]; twice {
			panic("provider registered twice: " + r.Name)
		}
		m[r.Name] = r
	}
	return m
}

// New makes the adapter for an account, or says what its set-up lacks (ErrConfig).
func (r Registry) New(name string, a Account, d Deps) (Provider, error) {
	reg, ok := r[name]
	if !ok {
		return nil, fmt.Errorf("provider %q: %w: not known to this program", name, ErrConfig)
	}
	if len(a.Credentials) == 0 {
		return nil, fmt.Errorf("provider %q, account %s: %w: no active secret", name, a.ID, ErrConfig)
	}
	for _, c := range a.Credentials {
		for _, f := range reg.Credentials {
			if c[f] == "" {
				return nil, fmt.Errorf("provider %q, account %s: %w", name, a.ID, &SetUpError{"credentials." + f, "is missing"})
			}
		}
	}
	p, err := reg.New(a, d)
	if err != nil {
		return nil, fmt.Errorf("provider %q, account %s: %w", name, a.ID, err)
	}
	return p, nil
}
