// Package mapping is what one version of the national portal's payment platform looks like on the wire, as data: addresses,
// field names, the order of each hash, codes, values, the settlement file. The platform publishes none of it, so whatever a
// province learns from its access documents is typed into such a file and never into a program.
//
// It is a leaf: the adapter and the simulator both read it, and share nothing else.
package mapping

import (
	"crypto/sha256"
	_ "embed" // the version that this program brings along
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Messages that have a hash.
const (
	Init        = "init"
	Query       = "query"
	Bill        = "bill"
	Callback    = "callback"
	Answer      = "answer"       // ours, to a callback
	QueryAnswer = "query_answer" // the platform's, to a query; an empty order = it carries no hash
)

// Roles of the fields of a message; Mapping.Fields gives each its name.
const (
	Type        = "type"
	Version     = "version"
	Partner     = "partner"
	Reference   = "reference"
	Amount      = "amount"
	PaymentType = "payment_type"
	Channel     = "channel"
	Device      = "device"
	Language    = "language"
	Currency    = "currency"
	Bank        = "bank"
	Description = "description"
	Time        = "time"
	IP          = "ip"
	Code        = "code"
	Text        = "text"
	Transaction = "transaction"
	Status      = "status"
	Digest      = "digest"
	ReceiptInfo = "receipt"
	InitCode    = "init_code"
	InitText    = "init_text"
	PayURL      = "pay_url"
)

// Classes of codes and statuses that are no outcome of a payment.
const (
	Accepted  = "accepted" // an INIT: the payer can go on
	Read      = "read"     // a QUERY: its status counts
	Refused   = "refused"
	Config    = "config" // our set-up
	NotFound  = "not_found"
	Uncertain = "uncertain"
	Succeeded = "succeeded"
	Pending   = "pending"
	Failed    = "failed"
)

// Mapping is one version. Every map is by our own word: what stands on the wire is the value.
type Mapping struct {
	Version        string              `json:"version"` // as sent
	Source         string              `json:"source"`  // where it comes from, for people
	Functions      map[string]Function `json:"functions"`
	Fields         map[string]string   `json:"fields"`
	Values         map[string]string   `json:"values"` // of fields that are always the same
	Hash           Hash                `json:"hash"`
	Hashes         map[string][]string `json:"hashes"` // names of the hashed fields, in order
	Receipt        Receipt             `json:"receipt"`
	Codes          Codes               `json:"codes"`
	Statuses       map[string]string   `json:"statuses"`
	Answers        map[string]Reply    `json:"answers"`
	Times          map[string]string   `json:"times"`  // init or call: whose time a query or bill carries
	Return         string              `json:"return"` // what a payer brings back: signed (the callback's fields), reference (alone), none
	ConfirmByQuery *bool               `json:"confirm_by_query,omitempty"`
	MinInterval    string              `json:"min_interval"`
	Settlement     Settlement          `json:"settlement"`
	Marks          map[string]string   `json:"marks"` // entry or group of entries → verified or assumed

	id          string
	minInterval time.Duration
}

// Function is a message that goes to an address of its own.
type Function struct {
	Type string `json:"type"`           // of the message
	Path string `json:"path,omitempty"` // below the account's base address
}

// Hash is the checksum's recipe: the fields' values with the separator between them, and the secret.
type Hash struct {
	Algorithm string `json:"algorithm"` // sha256 and sha512: the secret stands last; hmac-sha256 and hmac-sha512: it is the key
	Separator string `json:"separator"` // no value may hold it
}

// Receipt is the block that says what is paid for; no hash covers it.
type Receipt struct {
	Fields        map[string]string `json:"fields"`
	Kinds         map[string]string `json:"kinds"` // our kind of a fee → the platform's
	ServiceKind   string            `json:"service_kind"`
	ServiceSuffix string            `json:"service_suffix"` // procedure code + this = service code
}

// Codes are the result codes, each with its class. One that is not listed is not known, and what is not known decides nothing.
type Codes struct {
	Init     map[string]string `json:"init"`
	Callback map[string]string `json:"callback"`
	Query    map[string]string `json:"query"`
}

// Reply is our answer to a callback, by what became of it.
type Reply struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Settlement is the layout of the settlement file.
type Settlement struct {
	Separator string   `json:"separator"`
	Columns   []Column `json:"columns"`
	Payment   string   `json:"payment"` // words of the type column
	Refund    string   `json:"refund"`
	Success   []string `json:"success"` // statuses of money that moved
	Date      string   `json:"date"`    // how a day is written
	Time      string   `json:"time"`    // how a time is written
	CutOff    string   `json:"cut_off"` // HH:mm, when the platform's business day ends
}

// Column is one column; Is is our word for it, "" for one that nobody reads.
type Column struct {
	Name string `json:"name"`
	Is   string `json:"is,omitempty"`
}

//go:embed mapping-1.0.6.json
var version106 []byte

// Default is the version that this program brings along: what is publicly known, and our assumptions where nothing is.
const Default = "1.0.6"

// Known are the versions that an account may name.
func Known() []string { return []string{Default} }

// Load gives the mapping of an account's setting: "" = Default, a known version, or a mapping's whole text.
func Load(setting string) (*Mapping, error) {
	text := []byte(setting)
	switch setting = strings.TrimSpace(setting); {
	case setting == "" || setting == Default:
		text = version106
	case !strings.HasPrefix(setting, "{"):
		return nil, fmt.Errorf("mapping %q is not known to this program (known: %s); give a known version or the mapping itself as JSON",
			shortened(setting), strings.Join(Known(), ", "))
	}
	m, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// ID names the mapping for ever: its version and the beginning of its digest, so that two texts of one version differ.
func (m *Mapping) ID() string { return m.id }

func identify(version string, text []byte) string {
	sum := sha256.Sum256(text)
	return version + "+" + hex.EncodeToString(sum[:4])
}

// Confirm reports whether a callback only makes us ask.
func (m *Mapping) Confirm() bool { return m.ConfirmByQuery == nil || *m.ConfirmByQuery }

// Interval is the least time between two queries of one payment.
func (m *Mapping) Interval() time.Duration { return m.minInterval }

// Name is the field of a role.
func (m *Mapping) Name(role string) string { return m.Fields[role] }

// Named gives the values of roles by the names of their fields.
func (m *Mapping) Named(byRole map[string]string) map[string]string {
	out := make(map[string]string, len(byRole))
	for role, v := range byRole {
		out[m.Fields[role]] = v
	}
	return out
}

// Column is where the settlement file has something, by our word; -1 = nowhere.
func (s Settlement) Column(is string) int {
	return slices.IndexFunc(s.Columns, func(c Column) bool { return c.Is == is })
}

// Header is the file's first line.
func (s Settlement) Header() []string {
	out := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		out[i] = c.Name
	}
	return out
}

// DayLayout and TimeLayout are Go's way to write the same.
func (s Settlement) DayLayout() string  { return dayLayouts[s.Date] }
func (s Settlement) TimeLayout() string { return timeLayouts[s.Time] }

var (
	dayLayouts  = map[string]string{"yyyyMMdd": "20060102", "yyyy-MM-dd": time.DateOnly, "dd/MM/yyyy": "02/01/2006"}
	timeLayouts = map[string]string{"yyyyMMddHHmmss": "20060102150405", "yyyy-MM-dd HH:mm:ss": time.DateTime, "dd/MM/yyyy HH:mm:ss": "02/01/2006 15:04:05"}
)

func shortened(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
