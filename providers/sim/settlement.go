package sim

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"feegate/gateway/vnd"
)

// Line is one row of a day's settlement.
type Line struct {
	Payment     Payment // the original, for a refund
	Refund      bool
	Reference   string // the payment's, or the refund's own
	Transaction string
	Amount, Fee vnd.Amount
	Time        time.Time
}

// Net is what the row adds to the payout.
func (l Line) Net() vnd.Signed { return l.Gross() - vnd.Signed(l.Fee) }

// Gross is the row's signed amount.
func (l Line) Gross() vnd.Signed {
	if l.Refund {
		return -vnd.Signed(l.Amount)
	}
	return vnd.Signed(l.Amount)
}

// SettlementFormat is a provider's file.
type SettlementFormat struct {
	Filename  func(terminal, day string) string
	Separator rune // 0 = a comma
	Header    []string
	Row       func(Line) []string
}

// Changes is how many lines of a file to spoil, by a seed.
type Changes struct {
	Lose, Invent, Alter, Double int
	Seed                        uint64
}

func (c Changes) check() error {
	for _, n := range []int{c.Lose, c.Invent, c.Alter, c.Double} {
		if n < 0 || n > MaxPayments {
			return fmt.Errorf("lose, invent, alter, double: %w: 0 to %d", ErrInvalid, MaxPayments)
		}
	}
	return nil
}

func (c Changes) rng(what string) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(what) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(c.Seed, h))
}

// Change is one line that is not as the ledger has it, for a test that wants to know which.
type Change struct {
	Kind      string     `json:"kind"` // lost, invented, altered, doubled
	Reference string     `json:"reference"`
	Was       vnd.Amount `json:"was"`
	Is        vnd.Amount `json:"is"`
}

// Lines is the true settlement of an account's business day: payments by the day they were paid, refunds by their own.
func (w *World) Lines(provider, terminal, day string) []Line {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []Line
	for _, k := range w.ledger.order {
		p := w.ledger.payments[k]
		if k.provider != provider || k.account != terminal || p.State != Succeeded {
			continue
		}
		if Day(p.PaidAt) == day {
			lines = append(lines, Line{p, false, p.Reference, p.Transaction, p.Taken, p.Fee, p.PaidAt})
		}
		for _, r := range p.Refunds {
			if r.State == Succeeded && Day(r.At) == day {
				lines = append(lines, Line{p, true, r.Reference, r.Transaction, r.Amount, 0, r.At})
			}
		}
	}
	sortLines(lines)
	return lines
}

func sortLines(lines []Line) {
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Reference, b.Reference), cmp.Compare(a.Transaction, b.Transaction))
	})
}

// Settlement writes the file of an account's day with its changes. The TOTAL line is of what the file says, so that a
// spoilt file is still a valid one.
func (w *World) Settlement(provider, terminal, day string, c Changes) (name string, file []byte, changes []Change, err error) {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return "", nil, nil, fmt.Errorf("date: %w: YYYY-MM-DD", ErrInvalid)
	}
	a, ok := w.Account(provider, terminal)
	if !ok {
		return "", nil, nil, fmt.Errorf("account %q: %w", terminal, ErrUnknown)
	}
	if !w.Settles(provider) {
		return "", nil, nil, fmt.Errorf("%s: %w: it has no settlement file, the bank's statement is the proof (GET /control/bank/statement)", provider, ErrInvalid)
	}
	lines, changes, err := w.spoil(a, day, w.Lines(provider, terminal, day), c)
	if err != nil {
		return "", nil, nil, err
	}
	f := w.wires[provider].Settlement()
	var buf bytes.Buffer
	out := csv.NewWriter(&buf)
	if f.Separator != 0 {
		out.Comma = f.Separator
	}
	_ = out.Write(f.Header) // writes to memory do not fail; Flush's Error is checked below
	var gross, net vnd.Signed
	var fee vnd.Amount
	for _, l := range lines {
		_ = out.Write(f.Row(l))
		gross, net, fee = gross+l.Gross(), net+l.Net(), fee+l.Fee
	}
	_ = out.Write([]string{"TOTAL", strconv.Itoa(len(lines)), gross.String(), fee.String(), net.String()})
	out.Flush()
	return f.Filename(terminal, day), buf.Bytes(), changes, out.Error()
}

// spoil loses, alters, doubles and invents. No line meets two of these, so that each can be counted.
func (w *World) spoil(a Account, day string, lines []Line, c Changes) ([]Line, []Change, error) {
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	rng := c.rng(a.Provider + "/" + a.Terminal + "/" + day)
	var alterable, others []int
	for i, l := range lines {
		if l.Refund {
			others = append(others, i)
		} else {
			alterable = append(alterable, i)
		}
	}
	if c.Alter > len(alterable) || c.Lose+c.Alter+c.Double > len(lines) {
		return nil, nil, fmt.Errorf("lose, alter, double: %w: the day has %d payments and %d refunds", ErrInvalid, len(alterable), len(others))
	}
	rng.Shuffle(len(alterable), func(i, j int) { alterable[i], alterable[j] = alterable[j], alterable[i] })
	rest := append(slices.Clone(alterable[c.Alter:]), others...)
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	fate := map[int]string{}
	for _, i := range alterable[:c.Alter] {
		fate[i] = "altered"
	}
	for n, i := range rest[:c.Lose+c.Double] {
		if fate[i] = "lost"; n >= c.Lose {
			fate[i] = "doubled"
		}
	}
	out := make([]Line, 0, len(lines)+c.Double+c.Invent)
	changes := []Change{}
	for i, l := range lines {
		was := l.Amount
		switch fate[i] {
		case "lost":
			changes = append(changes, Change{"lost", l.Reference, was, 0})
			continue
		case "altered":
			l.Amount = otherAmount(rng, was)
			l.Fee = a.Tariff.Fee(l.Amount)
			changes = append(changes, Change{"altered", l.Reference, was, l.Amount})
		case "doubled":
			out = append(out, l)
			changes = append(changes, Change{"doubled", l.Reference, was, 2 * was})
		}
		out = append(out, l)
	}
	midnight, _ := time.ParseInLocation(time.DateOnly, day, Zone())
	for range c.Invent {
		l := Line{Amount: vnd.Amount(5+rng.IntN(500)) * 1000, Time: midnight.Add(time.Duration(rng.IntN(24*60*60)) * time.Second)}
		l.Reference, l.Transaction = w.unused(a.Provider, rng)
		l.Fee = a.Tariff.Fee(l.Amount)
		l.Payment = Payment{Provider: a.Provider, Account: a.Terminal, Reference: l.Reference, Transaction: l.Transaction}
		out = append(out, l)
		changes = append(changes, Change{"invented", l.Reference, 0, l.Amount})
	}
	sortLines(out)
	return out, changes, nil
}

// otherAmount differs from was and is above 0.
func otherAmount(rng *rand.Rand, was vnd.Amount) vnd.Amount {
	d := vnd.Amount(1+rng.IntN(9)) * 1000
	if rng.IntN(2) == 0 && was > d {
		return was - d
	}
	return was + d
}

// unused invents a reference and a number that nobody has.
func (w *World) unused(provider string, rng *rand.Rand) (reference, transaction string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		reference = fmt.Sprintf("INV%015d", rng.Uint64N(1e15))
		transaction = strconv.FormatUint(95_000_000_000+rng.Uint64N(4e9), 10)
		_, known := w.ledger.byReference[join(provider, reference)]
		if !known && !w.ledger.numbered(provider, transaction) {
			return reference, transaction
		}
	}
}

// Settles reports whether a provider writes settlement files. Who only tells of transfers does not.
func (w *World) Settles(provider string) bool {
	_, bank := w.wires[provider].(Bank)
	return !bank
}
