package adoption

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"
)

const total = "\x00total"

// counts is what the database counts of a world: figures by group, without those that are 0.
func counts(t *rapid.T, r *Reporter, q Question, s *span) map[string]map[string]int64 {
	rows, err := r.figures(t.Context(), q, s)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]int64{}
	for _, c := range rows {
		key := c.code
		if c.total {
			key = total
		}
		out[key] = plain(c.values)
	}
	return out
}

// plain leaves out what is 0 and what says another's number once more.
func plain(values map[string]int64) map[string]int64 {
	m := maps.Clone(values)
	maps.DeleteFunc(m, func(_ string, n int64) bool { return n == 0 })
	return m
}

type worlds struct {
	service, owner *sqlx.DB
	reporter       *Reporter
	n              int
}

func newWorlds(t *testing.T) *worlds {
	x := &worlds{}
	x.service, x.owner = ground(t)
	x.reporter = New(x.service, func() time.Time { return epoch.AddDate(2, 0, 0) })
	return x
}

// enough: each world costs a dozen statements, and rapid asks for 100.
const enough = 30

func (x *worlds) check(t *testing.T, property func(*rapid.T)) { x.checkSome(t, enough, property) }

func (x *worlds) checkSome(t *testing.T, enough int, property func(*rapid.T)) {
	done := 0
	rapid.Check(t, func(t *rapid.T) {
		if done++; done > enough {
			return
		}
		defer func() {
			if t.Failed() { // rapid runs what failed again
				done = 0
			}
		}()
		property(t)
	})
}

func (x *worlds) prefix() string { x.n++; return fmt.Sprintf("w%d-", x.n) }

func asked(prefix, groupBy string) Question {
	return Question{GroupBy: groupBy, Agencies: []string{prefix + "1", prefix + "2"}}
}

func (d dice) span() *span {
	from := epoch.AddDate(0, 0, d.n(0, 40))
	return &span{asOf: d.at().AddDate(0, 0, d.n(0, 40)), from: from, to: from.AddDate(0, 0, d.n(5, 60))}
}

// Whatever happened, the database counts what the definition says, in every grouping, and the groups add up to the total.
func TestTheFiguresAreTheDefinitions(t *testing.T) {
	x := newWorlds(t)
	x.check(t, func(t *rapid.T) {
		prefix := x.prefix()
		d := throw(t)
		w, s := aWorld(d, prefix), d.span()
		w.write(t, x.owner, prefix, "live")
		for _, by := range []string{oneOf(d, Groupings()...), oneOf(d, Groupings()...)} {
			got, want := counts(t, x.reporter, asked(prefix, by), s), w.count(s.asOf, s.from, s.to, by)
			sums := map[string]int64{}
			for group, figures := range want {
				if !maps.Equal(got[group], plain(figures)) {
					t.Fatalf("by %q, %q: counted %v, the definition says %v", by, group, got[group], plain(figures))
				}
				if group != total {
					for name, n := range figures {
						sums[name] += n
					}
				}
			}
			if len(got) != len(want) || !maps.Equal(plain(sums), got[total]) {
				t.Fatalf("by %q: groups %v, total %v", by, sums, got[total])
			}
		}
	})
}

// The list behind any figure of any group adds up to it, page by page.
func TestEveryListAddsUpToItsFigure(t *testing.T) {
	x := newWorlds(t)
	x.check(t, func(t *rapid.T) {
		d, prefix := throw(t), x.prefix()
		w := aWorld(d, prefix)
		s := d.span()
		w.write(t, x.owner, prefix, "live")
		name, by := oneOf(d, Figures()...), oneOf(d, append(Groupings(), "")...)
		f := figures[name]
		if !ofDossiers(by) && (f.of == dossiers || f.of == exemption) {
			by = ""
		}
		for group, values := range counts(t, x.reporter, asked(prefix, by), s) {
			b := Behind{Question: asked(prefix, by), Figure: name, Limit: 2}
			if group != total {
				b.Group, b.Given = group, true
			}
			var sum int64
			for after := ""; ; {
				var l List
				last, err := x.reporter.lines(t.Context(), b, f, s, after, &l)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range l.Items {
					sum += i.Counts
				}
				if l.Value != values[name] {
					t.Fatalf("%s of %q: value %d, report %d", name, group, l.Value, values[name])
				}
				if after = last; last == "" {
					break
				}
			}
			if sum != values[name] {
				t.Fatalf("%s of %q: lines %d, report %d", name, group, sum, values[name])
			}
		}
	})
}

// What is recorded later changes no answer as of earlier.
func TestAnAnswerAsOfATimeStays(t *testing.T) {
	x := newWorlds(t)
	x.check(t, func(t *rapid.T) {
		before, after := x.prefix(), x.prefix()
		d := throw(t)
		seed := aWorld(d, before)
		s := d.span()
		seed.until(s.asOf).write(t, x.owner, before, "live")
		renamed(seed, before, after).write(t, x.owner, after, "live")
		a, b := counts(t, x.reporter, asked(before, ""), s), counts(t, x.reporter, asked(after, ""), s)
		if !maps.Equal(a[total], b[total]) {
			t.Fatalf("as known then %v, as known now %v", a[total], b[total])
		}
	})
}

// Paying an order in more parts, in whatever way, never raises the headline, and what tests did is in no figure.
func TestSplittingAPaymentGainsNothing(t *testing.T) {
	x := newWorlds(t)
	x.check(t, func(t *rapid.T) {
		d, whole, parted, trial := throw(t), x.prefix(), x.prefix(), x.prefix()
		w := aWorld(d, whole)
		w.refunds = nil
		s := d.span()
		v := renamed(w, whole, parted)
		for range 5 {
			split(d, v)
		}
		w.write(t, x.owner, whole, "live")
		v.write(t, x.owner, parted, "live")
		renamed(w, whole, trial).write(t, x.owner, trial, "test")
		one, more := counts(t, x.reporter, asked(whole, ""), s)[total], counts(t, x.reporter, asked(parted, ""), s)[total]
		for _, name := range []string{"transactions", "transactions_upper", "transactions_remote", "dossiers", "amount"} {
			if more[name] > one[name] || more[name+Denominator] != one[name+Denominator] {
				t.Fatalf("%s: %d of %d in one, %d of %d in parts", name, one[name], one[name+Denominator], more[name], more[name+Denominator])
			}
		}
		if got := counts(t, x.reporter, asked(trial, ""), s)[total]; len(got) != 0 {
			t.Fatalf("of tests: %v", got)
		}
	})
}
