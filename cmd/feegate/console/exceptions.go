package console

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"feegate/gateway"
	"feegate/reconciliation/adoption/honesty"
)

type exceptionsData struct {
	*honesty.Annex
	Query template.URL // escaped already
}

// asked is the rate's period as a question of the honesty rules.
func (v *visit) asked() honesty.Question {
	q := v.period()
	return honesty.Question{From: q.From, To: q.To, Agency: v.r.URL.Query().Get("agency"), Agencies: q.Agencies}
}

func (v *visit) askedAgain(q honesty.Question) template.URL {
	out := "from=" + url.QueryEscape(q.From) + "&to=" + url.QueryEscape(q.To)
	if q.Agency != "" {
		out += "&agency=" + url.QueryEscape(q.Agency)
	}
	return template.URL(out) // made of escaped values alone
}

// exceptions is each rule with what it found.
func (c *Console) exceptions(v *visit) error {
	q := v.asked()
	a, err := c.Honesty.Annex(v.r.Context(), q)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "exceptions", "Ngoại lệ", exceptionsData{a, v.askedAgain(q)})
}

type foundData struct {
	*honesty.Findings
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
	q := v.asked()
	l, err := c.Honesty.Exceptions(v.r.Context(), q, rules[at].ID, pageSize, v.r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	d := foundData{Findings: l, Rule: rules[at], Query: v.askedAgain(q), Reads: v.reads()}
	if l.Next != nil {
		d.Next = "?" + string(d.Query) + "&after=" + url.QueryEscape(*l.Next)
	}
	return v.show(http.StatusOK, "exception", text(rules[at].ID+" · "+v.in.either(rules[at].TitleVI, rules[at].Title)), d)
}
