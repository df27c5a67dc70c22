package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxSize is how long a mapping's text may be.
const MaxSize = 256 << 10

// Faults is everything that is wrong with a mapping, one line an entry, so that it is mended in one go.
type Faults []string

func (f Faults) Error() string {
	return fmt.Sprintf("the mapping has %d faults:\n- %s", len(f), strings.Join(f, "\n- "))
}

// Parse reads and checks a mapping. The error is [Faults]: each names its entry and says what is wrong with it.
func Parse(text []byte) (*Mapping, error) {
	if len(text) > MaxSize {
		return nil, Faults{fmt.Sprintf("the text is longer than %d KiB", MaxSize>>10)}
	}
	leaves, err := entries(text)
	if err != nil {
		return nil, Faults{err.Error()}
	}
	m := &Mapping{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, Faults{strings.TrimPrefix(err.Error(), "json: ")}
	}
	c := checker{m: m}
	c.messages()
	c.hashes()
	c.receipt()
	c.codes()
	c.answers()
	c.settings()
	c.settlement()
	c.marks(leaves)
	if len(c.faults) > 0 {
		slices.Sort(c.faults)
		return nil, slices.Compact(c.faults)
	}
	m.id = identify(m.Version, text)
	return m, nil
}

// entries walks the JSON and gives the path of every entry; an array is one entry. A name given twice is refused: nobody
// could say which one holds.
func entries(text []byte) ([]string, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the text is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var leaves []string
	var walk func(path string, depth int) error
	walk = func(path string, depth int) error {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch {
		case depth > 8:
			return errors.New("nested too deeply")
		case t == json.Delim('['):
			leaves = append(leaves, path)
			for dec.More() {
				before := len(leaves)
				if err := walk(path, depth+1); err != nil {
					return err
				}
				leaves = leaves[:before]
			}
			_, err = dec.Token()
		case t == json.Delim('{'):
			seen := map[string]bool{}
			for dec.More() {
				name, err := dec.Token()
				if err != nil {
					return err
				}
				key, _ := name.(string)
				if seen[key] {
					return fmt.Errorf("%s occurs twice", join(path, key))
				}
				seen[key] = true
				if err := walk(join(path, key), depth+1); err != nil {
					return err
				}
			}
			_, err = dec.Token()
		default:
			leaves = append(leaves, path)
		}
		return err
	}
	if err := walk("", 0); err != nil {
		return nil, fmt.Errorf("it is not JSON, or broken off: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return leaves, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

type checker struct {
	m      *Mapping
	faults Faults
}

func (c *checker) fault(entry, format string, args ...any) {
	c.faults = append(c.faults, entry+": "+fmt.Sprintf(format, args...))
}

// keys holds a map to the words that are known, and says which are missing.
func keys[V any](c *checker, entry string, m map[string]V, required, optional []string) {
	for _, k := range required {
		if _, ok := m[k]; !ok {
			c.fault(join(entry, k), "is missing")
		}
	}
	for k := range m {
		if !slices.Contains(required, k) && !slices.Contains(optional, k) {
			c.fault(join(entry, k), "is not a word that this program knows")
		}
	}
}

// text holds a value to what can stand in a hash.
func (c *checker) text(entry, v string, empty bool) {
	switch {
	case v == "" && !empty:
		c.fault(entry, "is empty")
	case Unhashable(v, c.m.Hash.Separator):
		c.fault(entry, "holds the hash's separator, a control character or a line break")
	}
}

// Unhashable reports whether a value may not stand in a message: between separators that nothing escapes, a value with one in
// it makes two messages with one digest.
func Unhashable(v, separator string) bool {
	if separator != "" && strings.Contains(v, separator) || !utf8.ValidString(v) {
		return true
	}
	return strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

func fields() []string {
	return []string{Type, Version, Partner, Reference, Amount, PaymentType, Channel, Device, Language, Currency, Bank, Description, Time, IP, Code,
		Text, Transaction, Status, Digest, ReceiptInfo, InitCode, InitText, PayURL}
}

// hashed are the roles that a message may hash, and those that it must: what no hash covers, anybody can change.
var hashed = map[string]struct{ may, must []string }{
	Init: {[]string{Type, Version, Partner, Reference, Amount, PaymentType, Channel, Device, Language, Currency, Bank, Description, Time, IP},
		[]string{Partner, Reference, Amount}},
	Query:       {[]string{Type, Version, Partner, Reference, Time}, []string{Partner, Reference}},
	Bill:        {[]string{Type, Version, Partner, Reference, Time}, []string{Partner, Reference}},
	Callback:    {[]string{Type, Version, Code, Text, Partner, Reference, Amount, Currency, Transaction, Bank, Time, Description, Status}, []string{Code, Partner, Reference, Amount}},
	Answer:      {[]string{Code, Text, Partner, Time}, []string{Code}},
	QueryAnswer: {[]string{Type, Version, Code, Text, Partner, Reference, Amount, Currency, Transaction, Bank, Time, Description, Status}, []string{Reference, Amount, Status}},
}

func (c *checker) messages() {
	m := c.m
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,20}$`).MatchString(m.Version) {
		c.fault("version", "must be 1 to 20 letters, digits, points, underscores or hyphens")
	}
	keys(c, "functions", m.Functions, []string{Init, Query, Bill, Callback}, nil)
	for name, f := range m.Functions {
		c.text("functions."+name+".type", f.Type, false)
		if name == Callback && f.Path != "" {
			c.fault("functions.callback.path", "the platform calls our address: it has no path here")
		}
		if name != Callback && !regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`).MatchString(f.Path) {
			c.fault("functions."+name+".path", "must be a path such as /payment/%s", name)
		}
	}
	keys(c, "fields", m.Fields, fields(), nil)
	used := map[string]string{}
	for _, role := range slices.Sorted(maps.Keys(m.Fields)) {
		name := m.Fields[role]
		c.text("fields."+role, name, false)
		if other, twice := used[name]; twice && name != "" {
			c.fault("fields."+role, "%q is the name of %s already", name, other)
		}
		used[name] = role
	}
	keys(c, "values", m.Values, []string{PaymentType, Channel, Device, Language, Currency, Bank}, nil)
	for role, v := range m.Values {
		c.text("values."+role, v, false)
	}
}

func (c *checker) hashes() {
	m := c.m
	if !slices.Contains([]string{"sha256", "sha512", "hmac-sha256", "hmac-sha512"}, m.Hash.Algorithm) {
		c.fault("hash.algorithm", "%q is none of sha256, sha512, hmac-sha256, hmac-sha512", shortened(m.Hash.Algorithm))
	}
	if s := m.Hash.Separator; len(s) != 1 || s[0] <= ' ' || s[0] >= 0x7F || s[0] >= '0' && s[0] <= '9' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z' {
		c.fault("hash.separator", "must be one ASCII character that is no letter, digit or blank")
	}
	keys(c, "hashes", m.Hashes, slices.Collect(maps.Keys(hashed)), nil)
	roleOf := map[string]string{}
	for role, name := range m.Fields {
		roleOf[name] = role
	}
	for message, order := range m.Hashes {
		rule, entry := hashed[message], "hashes."+message
		if len(order) == 0 && message == QueryAnswer {
			continue
		}
		seen := map[string]bool{}
		for _, name := range order {
			switch role, known := roleOf[name]; {
			case !known:
				c.fault(entry, "%q is the name of no field", shortened(name))
			case !slices.Contains(rule.may, role):
				c.fault(entry, "%q is no field of this message", name)
			case seen[name]:
				c.fault(entry, "%q occurs twice", name)
			}
			seen[name] = true
		}
		for _, role := range rule.must {
			if name := m.Fields[role]; name != "" && !seen[name] {
				c.fault(entry, "leaves out %s: what no hash covers, anybody can change", name)
			}
		}
	}
}

func receiptFields() []string {
	return []string{"service_kind", "procedure", "procedure_name", "service", "service_name", "agency", "agency_name", "dossier", "account", "account_bank",
		"account_name", "treasury", "treasury_account", "content", "fees", "fee_kind", "fee_code", "fee_name", "fee_amount", "budget", "budget_name", "budget_amount"}
}

func (c *checker) receipt() {
	r := c.m.Receipt
	keys(c, "receipt.fields", r.Fields, receiptFields(), nil)
	for role, name := range r.Fields {
		c.text("receipt.fields."+role, name, false)
	}
	keys(c, "receipt.kinds", r.Kinds, []string{"phi", "le_phi"}, nil)
	for kind, v := range r.Kinds {
		c.text("receipt.kinds."+kind, v, false)
	}
	if r.Kinds["phi"] == r.Kinds["le_phi"] {
		c.fault("receipt.kinds", "phi and le_phi have one value: nobody could tell a fee from a charge")
	}
	c.text("receipt.service_kind", r.ServiceKind, false)
	c.text("receipt.service_suffix", r.ServiceSuffix, true)
}

func (c *checker) classes(entry string, codes map[string]string, needed string, allowed ...string) {
	have := false
	for code, class := range codes {
		if code == "" || len(code) > 20 || Unhashable(code, c.m.Hash.Separator) {
			c.fault(entry, "%q is no code", shortened(code))
		}
		if !slices.Contains(allowed, class) {
			c.fault(join(entry, code), "%q is none of %s", shortened(class), strings.Join(allowed, ", "))
		}
		have = have || class == needed
	}
	if !have {
		c.fault(entry, "no code is %s: nothing would ever be paid", needed)
	}
}

func (c *checker) codes() {
	c.classes("codes.init", c.m.Codes.Init, Accepted, Accepted, Refused, Config, Uncertain)
	c.classes("codes.callback", c.m.Codes.Callback, Succeeded, Succeeded, Pending, "declined", Failed, "expired", Uncertain)
	c.classes("codes.query", c.m.Codes.Query, Read, Read, NotFound, Config, Uncertain)
	c.classes("statuses", c.m.Statuses, Succeeded, Succeeded, Pending, "declined", Failed, "expired", "reversed", Uncertain)
}

func (c *checker) answers() {
	all := []string{"recorded", "unknown_payment", "forged", "malformed", "failed"}
	keys(c, "answers", c.m.Answers, all, nil)
	for name, a := range c.m.Answers {
		c.text("answers."+name+".code", a.Code, false)
		c.text("answers."+name+".text", a.Text, true)
		if name != "recorded" && name != "unknown_payment" && a.Code == c.m.Answers["recorded"].Code {
			c.fault("answers."+name+".code", "is what we answer when we have recorded the message: the platform would not come again")
		}
	}
}

func (c *checker) settings() {
	keys(c, "times", c.m.Times, []string{Query, Bill}, nil)
	for name, v := range c.m.Times {
		if v != "init" && v != "call" {
			c.fault("times."+name, "%q is neither init (the time of the INIT) nor call (the time of the call)", shortened(v))
		}
	}
	if !slices.Contains([]string{"signed", "reference", "none"}, c.m.Return) {
		c.fault("return", "%q is none of signed, reference, none", shortened(c.m.Return))
	}
	d, err := time.ParseDuration(c.m.MinInterval)
	if err != nil || d < time.Second || d > 24*time.Hour {
		c.fault("min_interval", "must be a duration from 1s to 24h, such as 5m")
	}
	c.m.minInterval = d
}

func (c *checker) settlement() {
	s := c.m.Settlement
	required := []string{"date", "partner", "reference", "transaction", "type", "amount", "fee", "net", "time", "status"}
	optional := []string{"bank", "paid_to", "settled", ""}
	if !slices.Contains([]string{"|", ",", ";", "\t"}, s.Separator) {
		c.fault("settlement.separator", "must be | , ; or a tab")
	}
	names, roles := map[string]bool{}, map[string]bool{}
	for i, col := range s.Columns {
		entry := fmt.Sprintf("settlement.columns[%d]", i)
		switch {
		case strings.TrimSpace(col.Name) == "" || strings.ContainsAny(col.Name, "|,;\t\r\n\""):
			c.fault(entry, "%q is no name of a column", shortened(col.Name))
		case names[col.Name]:
			c.fault(entry, "%q occurs twice", col.Name)
		case !slices.Contains(required, col.Is) && !slices.Contains(optional, col.Is):
			c.fault(entry, "%q is not a word that this program knows", shortened(col.Is))
		case col.Is != "" && roles[col.Is]:
			c.fault(entry, "a column with %s stands before it already", col.Is)
		}
		names[col.Name], roles[col.Is] = true, true
	}
	for _, r := range required {
		if !roles[r] {
			c.fault("settlement.columns", "no column is %s", r)
		}
	}
	if s.Payment == "" || s.Refund == "" || s.Payment == s.Refund {
		c.fault("settlement.payment", "payment and refund need two different words")
	}
	if len(s.Success) == 0 || slices.Contains(s.Success, "") {
		c.fault("settlement.success", "no status says that money moved")
	}
	if s.DayLayout() == "" {
		c.fault("settlement.date", "%q is none of %s", shortened(s.Date), strings.Join(slices.Sorted(maps.Keys(dayLayouts)), ", "))
	}
	if s.TimeLayout() == "" {
		c.fault("settlement.time", "%q is none of %s", shortened(s.Time), strings.Join(slices.Sorted(maps.Keys(timeLayouts)), ", "))
	}
	if !regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`).MatchString(s.CutOff) {
		c.fault("settlement.cut_off", "must be a time of day such as 16:30, or 24:00 for midnight")
	}
}

// marks: every entry says whether it was verified or is assumed; the longest mark that covers an entry holds for it.
func (c *checker) marks(leaves []string) {
	for entry, mark := range c.m.Marks {
		if mark != "verified" && mark != "assumed" {
			c.fault("marks."+entry, "%q is neither verified nor assumed", shortened(mark))
		}
		if !slices.ContainsFunc(leaves, func(l string) bool { return covers(entry, l) }) {
			c.fault("marks."+entry, "marks no entry")
		}
	}
	for _, l := range leaves {
		if l != "source" && !covers("marks", l) && c.m.Mark(l) == "" {
			c.fault(l, "is marked neither verified nor assumed")
		}
	}
}

func covers(mark, entry string) bool { return mark == entry || strings.HasPrefix(entry, mark+".") }

// Mark is verified or assumed, for an entry by its path.
func (m *Mapping) Mark(entry string) string {
	best := ""
	for path := range m.Marks {
		if covers(path, entry) && len(path) > len(best) {
			best = path
		}
	}
	return m.Marks[best]
}
