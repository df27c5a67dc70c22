package console

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"

	"feegate/gateway"
	"feegate/gateway/identity"
	"feegate/reconciliation"
)

// pair is one fact as both sides have it.
type pair struct {
	Name         text
	Ours, Theirs any
	Differ       bool
	Money        bool
}

type caseData struct {
	*reconciliation.Case
	Place       place
	Pairs       []pair
	Resolutions []resolutionRow
	History     []changeRow
	Traces      []traceRow
	Papers      []paperRow
	Owners      []reconciliation.Person
	MayWork     bool // may take notes, and reopen
	Work        bool // may propose
	Reopen      bool
	Proposed    bool // one waits already
	Asked       bool // a trace request waits for its answer
	Actions     []string
	OwnerName   string
}

type resolutionRow struct {
	reconciliation.Resolution
	Proposer, Decider string
	Decide, Mine      bool
}

type changeRow struct {
	reconciliation.Change
	By, Whose string
}

type traceRow struct {
	reconciliation.Trace
	Asker, Writer string
}

type paperRow struct {
	reconciliation.Attachment
	By string
	KB int
}

func (c *Console) discrepancy(v *visit) error {
	k, err := c.Reconciler.Discrepancy(v.r.Context(), v.caller(), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	all, err := v.places()
	if err != nil {
		return err
	}
	works := v.may(identity.Finance)
	d := caseData{Case: k, Place: find(all, k.AccountID), Pairs: pairs(k), MayWork: works, Work: works && k.Status != "resolved", Reopen: works && k.Status == "resolved" && !k.Healed,
		Actions: fitting(k), OwnerName: v.who(given(k.Owner))}
	if d.Work {
		if d.Owners, err = c.Reconciler.Owners(v.r.Context(), k.AccountID); err != nil {
			return err
		}
	}
	me := v.session.Principal.ID
	for _, r := range k.Resolutions {
		row := resolutionRow{Resolution: r, Proposer: v.who(r.ProposedBy), Decider: v.who(given(r.DecidedBy)), Mine: r.ProposedBy == me}
		if r.Status == "proposed" {
			d.Proposed = true
			row.Decide = v.may(identity.Approver) && !row.Mine
		}
		d.Resolutions = append(d.Resolutions, row)
	}
	for _, h := range k.History {
		row := changeRow{Change: h, By: v.who(h.Actor)}
		if h.What == "assigned" {
			row.Whose = v.who(given(h.Owner))
		}
		d.History = append(d.History, row)
	}
	for _, t := range k.Traces {
		d.Asked = t.Answer == nil
		d.Traces = append(d.Traces, traceRow{t, v.who(t.AskedBy), v.who(given(t.AnsweredBy))})
	}
	for _, a := range k.Attachments {
		d.Papers = append(d.Papers, paperRow{a, v.who(a.RecordedBy), (a.Size + 1023) / 1024})
	}
	return v.show(http.StatusOK, "discrepancy", text(v.in.guide(k.Kind).Name), d)
}

func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// fitting are the actions that make sense for a case; the room refuses what does not all the same.
func fitting(k *reconciliation.Case) (out []string) {
	for _, a := range reconciliation.Actions(k.Kind) {
		if a != reconciliation.RecordPayment && a != reconciliation.AcceptMatch || k.LineID != nil || k.TransferID != nil && a == reconciliation.RecordPayment {
			out = append(out, a)
		}
	}
	return out
}

// pairs lay both records side by side. What one side does not have is a difference only where it has the record at all.
func pairs(k *reconciliation.Case) []pair {
	type side struct {
		amount                 any
		reference, transaction string
		status                 any
		at                     any
	}
	var ours, theirs side
	if o := k.Ours; o != nil {
		ours = side{o.Amount, o.Reference, o.Transaction, state(o.Status).Word, o.EffectiveAt}
		if o.Amount == 0 {
			ours.amount = o.Requested
		}
	}
	if l := k.Line; l != nil {
		theirs = side{l.Amount, l.Reference, l.Transaction, l.Status, l.At}
	}
	both := k.Ours != nil && k.Line != nil
	return []pair{
		{"Số tiền", ours.amount, theirs.amount, both && ours.amount != theirs.amount, true},
		{"Mã tham chiếu", ours.reference, theirs.reference, both && ours.reference != theirs.reference, false},
		{"Mã giao dịch", ours.transaction, theirs.transaction, both && ours.transaction != theirs.transaction, false},
		{"Trạng thái", ours.status, theirs.status, false, false},
		{"Thời gian", ours.at, theirs.at, false, false},
	}
}

// key is the idempotency key of a form: sent twice, it acts once.
func (v *visit) key() gateway.Key {
	form := url.Values{}
	for name, values := range v.r.PostForm {
		if name != "csrf" && name != "key" {
			form[name] = values
		}
	}
	hash := sha256.Sum256([]byte(form.Encode()))
	return gateway.Key{Principal: v.session.Principal.ID, Method: v.r.Method, Path: v.r.URL.Path, Key: v.r.PostForm.Get("key"), BodyHash: hash[:]}
}

var keyText = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// keyed refuses a form without a key.
func (v *visit) keyed() (gateway.Key, error) {
	k := v.key()
	if !keyText.MatchString(k.Key) {
		return k, errCSRF
	}
	return k, nil
}

func (c *Console) resolve(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	k, err := v.keyed()
	if err != nil {
		return err
	}
	in := reconciliation.NewResolution{Action: f.Get("action"), OrderID: f.Get("order_id"), PaymentID: f.Get("payment_id"), Note: f.Get("note"), Deadline: f.Get("deadline")}
	a, err := c.Reconciler.Resolve(v.r.Context(), v.caller(), k, id, in)
	if err != nil {
		return err
	}
	if !a.Replayed {
		v.audit("discrepancy."+in.Action, id)
	}
	done := "resolved"
	if reconciliation.NeedsTwo(in.Action) {
		done = "proposed"
	}
	return v.back("/console/discrepancies/" + url.PathEscape(id) + "?done=" + done)
}

// decision reads approve or reject of a path.
func (v *visit) decision() (approve bool, err error) {
	switch v.r.PathValue("decision") {
	case "approve":
		return true, nil
	case "reject":
		return false, nil
	}
	return false, &gateway.Problem{Name: gateway.ProblemNotFound}
}

func done(approve bool) string {
	if approve {
		return "?done=approved"
	}
	return "?done=rejected"
}

func (c *Console) decideResolution(v *visit) error {
	id := v.r.PathValue("id")
	approve, err := v.decision()
	if err != nil {
		return err
	}
	n, err := number(v.r.PathValue("n"))
	if err != nil {
		return err
	}
	r, err := c.Reconciler.Decide(v.r.Context(), v.caller(), id, n, approve)
	if err != nil {
		return err
	}
	v.audit("discrepancy."+r.Action+"."+r.Status, id)
	return v.back("/console/discrepancies/" + url.PathEscape(id) + done(approve))
}
