package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/identity"
	"feegate/providers"
	"feegate/providers/breaker"
)

var (
	watching  = []identity.Role{identity.Operator, identity.Finance, identity.Admin, identity.Approver}
	operating = []identity.Role{identity.Operator}
)

// mountProviders adds how providers are, and what an operator does when one is not well.
func (c *Console) mountProviders(mux *http.ServeMux) {
	c.on(mux, "GET /console/providers", watching, c.providers)
	c.on(mux, "GET /console/providers/{id}", watching, c.provider)
	c.on(mux, "GET /console/providers/{id}/messages", watching, c.strays)
	c.on(mux, "POST /console/providers/{id}/override", operating, c.override)
	c.on(mux, "POST /console/providers/{id}/maintenance", operating, c.announce)
	c.on(mux, "POST /console/providers/{id}/maintenance/{window}/end", operating, c.endMaintenance)
	c.on(mux, "POST /console/providers/{id}/beneficiaries/{beneficiary}/{decision}", deciding, c.decideBeneficiary)
}

// operationWords name what a provider is asked for.
var operationWords = map[string]text{"checkout": "tạo giao dịch", "lookup": "tra cứu", "refund": "hoàn tiền", "cancel": "hủy giao dịch", "receipt": "lấy chứng từ"}

// stateWords name how a breaker stands: a word, a shape and how it looks.
var stateWords = map[string]word{"closed": {"good", "●", "Thông"}, "half_open": {"warn", "◐", "Đang thử lại"}, "open": {"bad", "✕", "Ngắt"}}

// overrideWords name an operator's word over a breaker.
var overrideWords = map[string]text{account.ModeAutomatic: "tự động", account.ModeOpen: "ngắt bằng tay", account.ModeClosed: "mở bằng tay, dù lỗi"}

// circuitRow is one operation of one account now, in this process, and over the last day in all of them.
type circuitRow struct {
	Operation, Mode, Reason string
	State                   word
	Since                   time.Time
	Failures, Busy, Limit   int
	Next                    time.Time
	Strip                   []stretch
	Says                    string // the strip in a sentence
	Day                     lastDay
}

// past is what was noted of the operations since strips that end now begin.
type past struct {
	now     time.Time
	changes []gateway.ProviderChange
	calls   map[operationOf][]breaker.Tally
}

// past reads it for an account, for all accounts where it is empty.
func (c *Console) past(ctx context.Context, accountID string) (past, error) {
	p := past{now: c.Now()}
	var err error
	if p.changes, err = c.Gateway.ProviderChanges(ctx, accountID, p.now.Add(-24*time.Hour)); err != nil {
		return p, err
	}
	calls, err := c.Gateway.ProviderCalls(ctx, accountID, stripFrom(p.now))
	p.calls = byOperation(calls)
	return p, err
}

type providerRow struct {
	*account.Entry
	Place    place
	Problems []string
	Word     word
	Circuits []circuitRow
}

// circuits are the operations of an account, those never called too.
func (c *Console) circuits(in speech, e *account.Entry, p past) (out []circuitRow) {
	states := map[string]breaker.State{}
	for _, st := range c.Breakers.Snapshot(e.Account.ID) {
		states[string(st.Operation)] = st
	}
	for _, op := range account.Operations() {
		if _, ok := e.Provider.(providers.Refunder); op == string(providers.OpRefund) && !ok {
			continue
		}
		if _, ok := e.Provider.(providers.Canceller); op == string(providers.OpCancel) && !ok {
			continue
		}
		st, called := states[op]
		row := circuitRow{Operation: op, Mode: account.ModeAutomatic, State: stateWords["closed"]}
		if called {
			row.State, row.Reason, row.Since, row.Failures, row.Busy, row.Limit, row.Next = stateWords[st.State], st.Reason, st.Since, st.Failures, st.InFlight, st.Limit, st.NextProbe
			switch st.Mode {
			case breaker.ForcedOpen:
				row.Mode = account.ModeOpen
			case breaker.ForcedClosed:
				row.Mode = account.ModeClosed
			}
		}
		row.Strip, row.Says = in.strip(p.changes, e.Account.ID, op, p.now)
		row.Day = in.dayOf(p.calls[operationOf{e.Account.ID, providers.Operation(op)}], p.now)
		out = append(out, row)
	}
	return out
}

func (v *visit) providerRow(e *account.Entry, p past, agencies map[string]string) providerRow {
	row := providerRow{Entry: e, Place: v.place(&e.Account, agencies), Circuits: v.c.circuits(v.in, e, p), Word: word{"good", "●", "Dùng được"}}
	now := p.now
	for _, problem := range e.Problems(now) {
		row.Problems = append(row.Problems, v.in.standstill(problem))
	}
	until, off := e.Account.UnderMaintenance(now)
	switch {
	case off:
		row.Word = word{"warn", "◌", text(v.in.Sayf("Bảo trì đến %s", until.In(vietnam).Format("02/01 15:04")))}
	case len(row.Problems) > 0:
		row.Word = word{"bad", "✕", "Không dùng được"}
	default:
		for _, ci := range row.Circuits {
			if ci.Operation == string(providers.OpCheckout) && ci.State.Class == "bad" || row.Word.Class == "good" && ci.State.Class != "good" {
				row.Word = word{"warn", "◐", "Có thao tác bị ngắt"}
			}
		}
	}
	return row
}

// sees says whether the person may see an account.
func (v *visit) sees(e *account.Entry) bool {
	a := v.session.Principal.Agencies
	return len(a) == 0 || slices.Contains(a, e.Account.AgencyCode)
}

type providersData struct {
	Rows    []providerRow
	Well    int
	Manages bool
}

func (c *Console) providers(v *visit) error {
	ctx := v.r.Context()
	entries, err := c.Accounts.ForAgency(ctx, "")
	if err != nil {
		return err
	}
	last, err := c.past(ctx, "")
	if err != nil {
		return err
	}
	agencies, err := c.Gateway.Agencies(ctx)
	if err != nil {
		return err
	}
	d := providersData{Manages: v.may(managing...)}
	for _, e := range entries {
		if v.sees(e) {
			row := v.providerRow(e, last, agencies)
			if row.Word.Class == "good" {
				d.Well++
			}
			d.Rows = append(d.Rows, row)
		}
	}
	slices.SortStableFunc(d.Rows, func(a, b providerRow) int { // those that are not well first
		rank := map[string]int{"bad": 0, "warn": 1, "good": 2}
		return rank[a.Word.Class] - rank[b.Word.Class]
	})
	return v.show(http.StatusOK, "providers", "Nhà cung cấp", d)
}

type providerData struct {
	providerRow
	Overrides  []overrideRow
	Windows    []windowRow
	Changes    []stateChange
	Operations []string
	Operates   bool
	Manages    bool
	Checks     bool
	Callback   string // where the provider is to call
	Terms      termsView
}

type overrideRow struct {
	account.Override
	Who string
}

type windowRow struct {
	account.Window
	Who string
	On  bool // not over, and may be ended
}

type stateChange struct {
	gateway.ProviderChange
	Word word
}

// entry is the account of the address, where the person may see it; others do not exist.
func (v *visit) entry() (*account.Entry, error) {
	return v.found(v.c.Accounts.Get(v.r.Context(), v.r.PathValue("id")))
}

// found is an account that was read, where the person may see it.
func (v *visit) found(e *account.Entry, err error) (*account.Entry, error) {
	if errors.Is(err, account.ErrNoAccount) || err == nil && !v.sees(e) {
		return nil, &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	return e, err
}

func (c *Console) provider(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	ctx := v.r.Context()
	last, err := c.past(ctx, e.Account.ID)
	if err != nil {
		return err
	}
	agencies, err := c.Gateway.Agencies(ctx)
	if err != nil {
		return err
	}
	changes, now := last.changes, last.now
	d := providerData{providerRow: v.providerRow(e, last, agencies), Operates: v.may(operating...), Manages: v.may(managing...), Checks: v.may(checking...), Terms: v.terms(e)}
	d.Callback = c.Accounts.CallbackURL(e.Account.Provider, e.Account.ID)
	for _, ci := range d.Circuits {
		d.Operations = append(d.Operations, ci.Operation)
	}
	for i := len(changes) - 1; i >= 0; i-- {
		if changes[i].Since.After(now.Add(-24 * time.Hour)) {
			d.Changes = append(d.Changes, stateChange{changes[i], stateWords[changes[i].State]})
		}
	}
	slices.SortStableFunc(d.Changes, func(a, b stateChange) int { return b.Since.Compare(a.Since) })
	overrides, err := c.Accounts.Overrides(ctx, e.Account.ID)
	if err != nil {
		return err
	}
	for _, o := range overrides {
		d.Overrides = append(d.Overrides, overrideRow{o, v.who(o.By)})
	}
	windows, err := c.Accounts.WindowsOf(ctx, e.Account.ID)
	if err != nil {
		return err
	}
	for _, w := range windows {
		d.Windows = append(d.Windows, windowRow{w, v.who(w.By), w.EndedAt == nil && now.Before(w.To)})
	}
	return v.show(http.StatusOK, "provider", text(v.in.Sayf("Tài khoản thu của %s", d.Place.Agency)), d)
}

// operationProblem says what is wrong with an operator's wish.
func operationProblem(err error) error {
	var wrong *account.InvalidError
	if !errors.As(err, &wrong) {
		return err
	}
	p := &gateway.Problem{Name: gateway.ProblemInvalid}
	said := map[string]string{"reason": "cần nói rõ vì sao, trên một dòng, nhiều nhất 500 ký tự", "to": "phải sau lúc này và sau giờ bắt đầu, nhiều nhất 30 ngày", "operation": "hãy chọn trong danh sách", "mode": "hãy chọn trong danh sách"}
	for _, f := range wrong.Fields {
		p.Fields = append(p.Fields, gateway.FieldError{Field: f.Field, Detail: cmp.Or(said[f.Field], f.Detail)})
	}
	return p
}

// override switches an operation by hand, in this process at once, in others within seconds.
func (c *Console) override(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	ctx, f := v.r.Context(), v.r.PostForm
	o := account.Override{AccountID: e.Account.ID, Operation: f.Get("operation"), Mode: f.Get("mode"), Reason: f.Get("reason"), By: v.session.Principal.ID, RecordedAt: c.Now()}
	if err := o.Check(); err != nil {
		return operationProblem(err)
	}
	if err := c.Accounts.Override(ctx, o); err != nil {
		return err
	}
	if err := c.Identity.Audit(ctx, nil, v.actor(), "provider.override", o.AccountID, map[string]any{"operation": o.Operation, "mode": o.Mode, "reason": o.Reason}); err != nil {
		return err
	}
	if err := c.ApplyOverrides(ctx); err != nil {
		return err
	}
	return v.back("/console/providers/" + url.PathEscape(o.AccountID) + "?done=override")
}

// momentOf reads what a form's field for a moment gives, in Vietnamese time; "" is no moment.
func momentOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation("2006-01-02T15:04", text, vietnam)
}

// announce tells beforehand, or now, that an account cannot be paid into.
func (c *Console) announce(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	ctx, f := v.r.Context(), v.r.PostForm
	w := account.Window{ID: "mnt_" + strings.ToLower(rand.Text()), AccountID: e.Account.ID, Reason: f.Get("reason"), By: v.session.Principal.ID, RecordedAt: c.Now()}
	for name, into := range map[string]*time.Time{"from": &w.From, "to": &w.To} {
		if *into, err = momentOf(f.Get(name)); err != nil {
			return &gateway.Problem{Name: gateway.ProblemInvalid, Fields: []gateway.FieldError{{Field: name, Detail: "phải là ngày và giờ"}}}
		}
	}
	if err := w.Check(w.RecordedAt); err != nil {
		return operationProblem(err)
	}
	if err := c.Accounts.Announce(ctx, w); err != nil {
		return err
	}
	if err := c.Identity.Audit(ctx, nil, v.actor(), "provider.maintenance", w.AccountID, map[string]any{"id": w.ID, "from": w.From, "to": w.To, "reason": w.Reason}); err != nil {
		return err
	}
	return v.back("/console/providers/" + url.PathEscape(w.AccountID) + "?done=maintenance")
}

// endMaintenance says that an account can be paid into again before it was said to be, and why.
func (c *Console) endMaintenance(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	why, err := v.why()
	if err != nil {
		return err
	}
	ended, err := c.Accounts.EndWindow(v.r.Context(), e.Account.ID, v.r.PathValue("window"), v.by(""), why, c.Now())
	if err != nil {
		return err
	}
	if !ended {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	return v.back("/console/providers/" + url.PathEscape(e.Account.ID) + "?done=maintenance-ended")
}
