package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"feegate/gateway"
	"feegate/reconciliation/adoption/honesty"
)

type exceptionsData struct {
	*honesty.Annex
	Scope *scope
	Query template.URL // escaped already
}

// exceptions is each rule with what it found.
func (c *Console) exceptions(v *visit) error {
	s, err := v.scope()
	if err != nil {
		return err
	}
	a, err := c.Honesty.Annex(v.r.Context(), s.asked())
	if err != nil {
		return err
	}
	v.known = &known{a.Definition, a.AsOf}
	return v.show(http.StatusOK, "exceptions", "Ngoại lệ", exceptionsData{a, s, s.Query()})
}

type foundData struct {
	*honesty.Findings
	Scope *scope
	Rule  honesty.Rule
	Query template.URL
	Next  string
	Reads bool
}

// ruleFound is what one rule found.
func (c *Console) ruleFound(v *visit) error {
	rules := honesty.Rules()
	at := slices.IndexFunc(rules, func(r honesty.Rule) bool { return r.ID == v.r.PathValue("rule") })
	if at < 0 {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	s, err := v.scope()
	if err != nil {
		return err
	}
	l, err := c.Honesty.Exceptions(v.r.Context(), s.asked(), rules[at].ID, v.rows(), v.r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	d := foundData{Findings: l, Scope: s, Rule: rules[at], Query: s.Query(), Reads: v.reads()}
	if l.Next != nil {
		d.Next = "?" + string(d.Query) + "&after=" + url.QueryEscape(*l.Next)
	}
	v.known = &known{l.Definition, l.AsOf}
	return v.show(http.StatusOK, "exception", text(rules[at].ID+" · "+v.in.either(rules[at].TitleVI, rules[at].Title)), d)
}

// exceptionCount is how many exceptions stand beside the rate.
type exceptionCount struct {
	All, Rules int   // rules there are, and those that found something
	Found      int64 // by all of them
}

// leaveCounting is for how long the rate's page leaves counting to the exceptions' own page, once it took too long.
const leaveCounting = 10 * time.Minute

// counting begins to count the exceptions of a question, as their page does; what it gives waits for the count: nil where it took too long. The rules read
// the rows themselves: of half a million orders a year, a month took them 7 s, the year 65 s, and the rate itself 12 ms.
func (c *Console) counting(ctx context.Context, q honesty.Question) func() (*exceptionCount, error) {
	if until := c.uncounted.Load(); until != nil && c.Now().Before(*until) {
		return func() (*exceptionCount, error) { return nil, nil }
	}
	type outcome struct {
		annex *honesty.Annex
		err   error
	}
	done := make(chan outcome, 1)
	limited, cancel := context.WithTimeout(ctx, c.CountWithin)
	go func() {
		defer cancel()
		a, err := c.Honesty.Annex(limited, q)
		if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			until := c.Now().Add(leaveCounting)
			c.uncounted.Store(&until)
			err = nil // a is nil
		}
		done <- outcome{a, err}
	}()
	return func() (*exceptionCount, error) {
		o := <-done
		if o.annex == nil || o.err != nil {
			return nil, o.err
		}
		n := &exceptionCount{All: len(o.annex.Rules)}
		for _, r := range o.annex.Rules {
			if n.Found += r.Count; r.Count > 0 {
				n.Rules++
			}
		}
		return n, nil
	}
}
