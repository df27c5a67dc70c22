package console

import (
	"net/http"
	"net/url"
	"slices"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/gateway/vnd"
	"feegate/reconciliation"
)

type discrepanciesData struct {
	Filter   reconciliation.Filter
	Owner    string // as the address has it: me, none, or an id
	Owners   []heapRow
	Mine     string
	All      []place
	Kinds    []string
	Items    []discrepancyRow
	Heaps    []heapRow
	Total    reconciliation.Heap
	Next     string
	Query    string
	All50    string // the same page with every row ticked
	Ticked   bool
	Filtered bool
	Work     bool // may resolve many
	Decide   bool // may decide on many
	Actions  []string
}

type discrepancyRow struct {
	reconciliation.Discrepancy
	Place place
	Whose string
}

// heapRow is one count, with the address of what it counts.
type heapRow struct {
	reconciliation.Heap
	Says, Path string
	Here       bool
}

// pageSize is how many rows a list shows.
const pageSize = 50

// filter reads which discrepancies are asked for: the unresolved, what is due first on top, where nothing else is said. owner is as the address has it.
func (v *visit) filter() (f reconciliation.Filter, owner string) {
	q := v.r.URL.Query()
	owner = q.Get("owner")
	f = reconciliation.Filter{Date: q.Get("date"), From: q.Get("from"), To: q.Get("to"), AccountID: q.Get("account"), Kind: q.Get("kind"), Status: q.Get("status"), Owner: owner,
		Overdue: q.Get("overdue") != "", Proposed: q.Get("proposed") != "", Sort: q.Get("sort"), After: q.Get("after"), Limit: v.rows()}
	if !q.Has("status") {
		f.Status = reconciliation.Unresolved
	}
	if f.Sort == "" {
		f.Sort = "deadline"
	}
	if owner == "me" {
		f.Owner = v.session.Principal.ID
	}
	if amount, err := vnd.Parse(q.Get("min_amount")); err == nil { // what is no amount asks for any
		f.MinAmount = amount
	}
	return f, owner
}

// with gives the page's own address with some of its parameters changed; "" takes one away. A cursor goes with the list that it is of.
func (v *visit) with(pairs ...string) string {
	q := v.r.URL.Query()
	for _, name := range []string{"after", "done", "select"} {
		q.Del(name)
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}

func (c *Console) discrepancies(v *visit) error {
	q := v.r.URL.Query()
	f, owner := v.filter()
	items, next, err := c.Reconciler.Discrepancies(v.r.Context(), v.caller(), f)
	if err != nil {
		return err
	}
	sum, err := c.Reconciler.Summarise(v.r.Context(), v.caller(), f)
	if err != nil {
		return err
	}
	d := discrepanciesData{Filter: f, Owner: owner, Mine: v.session.Principal.ID, Kinds: reconciliation.Kinds(), Total: sum.Total, Filtered: len(q) > 0, Query: v.r.URL.RawQuery,
		Work: v.may(identity.Finance), Decide: v.may(identity.Approver), Ticked: q.Has("select")}
	if d.All, err = v.places(); err != nil {
		return err
	}
	waits := false
	for _, i := range items {
		waits = waits || i.Proposed != nil
		d.Items = append(d.Items, discrepancyRow{i, find(d.All, i.AccountID), v.who(given(i.Owner))})
	}
	d.Decide = d.Decide && waits
	for _, h := range sum.ByKind {
		d.Heaps = append(d.Heaps, heapRow{h, v.in.guide(h.Name).Name, v.with("kind", h.Name), f.Kind == h.Name})
	}
	for _, h := range sum.ByOwner {
		at, says := h.Name, v.who(h.Name)
		if at == "" {
			at, says = reconciliation.Nobody, v.in.Say("Chưa giao")
		}
		d.Owners = append(d.Owners, heapRow{h, says, v.with("owner", at), owner == at})
	}
	d.Actions = bulkActions(f.Kind)
	if next != "" {
		d.Next = v.with("after", next)
	}
	d.All50 = v.with("select", "all", "after", f.After)
	return v.show(http.StatusOK, "discrepancies", "Sai lệch", d)
}

// bulkActions are what can be done about many of a kind, or of any kind, at once.
func bulkActions(kind string) []string {
	all := []string{reconciliation.Explain, reconciliation.CarryForward, reconciliation.ClaimFromProvider, reconciliation.WriteOff, reconciliation.RefundPayer, reconciliation.RecordPayment}
	if kind == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(reconciliation.Actions(kind)), func(a string) bool { return !slices.Contains(all, a) })
}

// bulk does one thing about all that were ticked.
func (c *Console) bulk(v *visit) error {
	f := v.r.PostForm
	ids, done := f["id"], ""
	k, err := v.keyed()
	if err != nil {
		return err
	}
	switch deed := f.Get("deed"); deed {
	case "resolve":
		if !v.may(identity.Finance) {
			return &gateway.Problem{Name: problemForbidden}
		}
		in := reconciliation.BulkResolution{IDs: ids, Action: f.Get("action"), Note: f.Get("note")}
		a, err := c.Reconciler.ResolveAll(v.r.Context(), v.caller(), k, in)
		if err != nil {
			return err
		}
		for i := 0; i < len(ids) && !a.Replayed; i++ {
			v.audit("discrepancy."+in.Action, ids[i])
		}
		done = "resolved"
		if reconciliation.NeedsTwo(in.Action) {
			done = "proposed"
		}
	case "approve", "reject":
		if !v.may(identity.Approver) {
			return &gateway.Problem{Name: problemForbidden}
		}
		decided, err := c.Reconciler.DecideAll(v.r.Context(), v.caller(), ids, deed == "approve")
		if err != nil {
			return err
		}
		for _, d := range decided {
			v.audit("discrepancy."+d.Action+"."+d.Status, d.ID)
		}
		done = map[string]string{"approve": "approved", "reject": "rejected"}[deed]
	default:
		return &gateway.Problem{Name: gateway.ProblemInvalid, Detail: "biểu mẫu không đọc được"}
	}
	back, err := url.ParseQuery(f.Get("query")) // the list as it stood
	if err != nil {
		back = url.Values{}
	}
	for _, name := range []string{"after", "select"} {
		back.Del(name)
	}
	back.Set("done", done)
	return v.back("/console/discrepancies?" + back.Encode())
}

// help is what every kind means and what to do: the documentation's own text.
func (c *Console) help(v *visit) error {
	type section struct {
		reconciliation.Guide
		One, Two []string
	}
	var out []section
	for _, g := range reconciliation.Guides() {
		s := section{Guide: v.in.guide(g.Kind)}
		for _, a := range reconciliation.Actions(g.Kind) {
			if reconciliation.NeedsTwo(a) {
				s.Two = append(s.Two, a)
			} else {
				s.One = append(s.One, a)
			}
		}
		out = append(out, s)
	}
	return v.show(http.StatusOK, "help", "Các loại sai lệch", out)
}
