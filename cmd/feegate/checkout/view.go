package checkout

import (
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"time"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/providers"
)

// The states of the page: what a payer is told first.
const (
	stateChoose     = "choose"
	stateWaiting    = "waiting"
	stateDoubt      = "doubt"
	stateDeclined   = "declined"
	statePaid       = "paid"
	stateRefunded   = "refunded"
	stateExpired    = "expired"
	stateCancelled  = "cancelled"
	stateSuperseded = "superseded"
	stateNothing    = "nothing"
	stateMissing    = "missing"
)

// longWait is when a payer who waits is told not to pay again.
const longWait = 2 * time.Minute

// someWait is when a payer who waits is told what is waited for.
const someWait = 10 * time.Second

// view is what the template sees.
type view struct {
	State, Mark       string
	Base              string // the page's own path
	Query, Again      string // what keeps the language without a cookie; where another way is chosen
	Other             string // the other language
	Problem, Key      string
	Asked             bool
	Order             *gateway.OrderView
	Agency, Procedure string
	Ways              []way
	Payment           *gateway.PaymentView // the one that the page is about
	Despite           bool                 // an earlier payment is in doubt: choosing means paying all the same
	LeftSeconds       int                  // of the attempt
	Long              bool                 // it waits for long already
	ShowLongIn        int                  // seconds until then
	Ten               bool                 // it waits for ten seconds already
	ShowTenIn         int
	Took              []*gateway.PaymentView // what succeeded
	Over              bool                   // its time has run out, and there is no word yet
	App               template.URL           // opens the wallet's app
	Transfer          *providers.TransferTo
	Code              template.HTML // the code to scan
}

// way is one button.
type way struct {
	Account, Provider string
	Method            string // to ask for
	Why               string // why it cannot be pressed
	Main              bool
}

func live(p *gateway.PaymentView) bool {
	return p.Status == gateway.PaymentCreated || p.Status == gateway.PaymentPending
}

// fill decides what the page is about. again: the payer wants to choose although a payment is under way or was declined.
func (v *view) fill(o *gateway.OrderView, now time.Time, again bool) {
	v.Order = o
	v.State = v.stateOf(o, now)
	v.Mark = v.State
	if v.Payment != nil {
		v.Mark += " " + v.Payment.ID + " " + v.Payment.Status
	}
	if o.Status == gateway.OrderOpen && again && (v.State == stateWaiting || v.State == stateDoubt || v.State == stateDeclined) {
		v.State = stateChoose
	}
	if v.State != stateWaiting && v.State != stateDoubt {
		return
	}
	age := now.Sub(v.Payment.CreatedAt)
	v.Ten, v.ShowTenIn = age >= someWait, int((someWait-age)/time.Second)
	v.Long, v.ShowLongIn = age >= longWait, int((longWait-age)/time.Second)
	if e := v.Payment.ExpiresAt; e != nil {
		v.LeftSeconds = max(0, int(e.Sub(now)/time.Second))
		v.Over = !now.Before(*e)
	}
	if !v.Over {
		v.App, v.Transfer = app(v.Payment), v.Payment.Transfer()
	}
}

func (v *view) stateOf(o *gateway.OrderView, now time.Time) string {
	var newest *gateway.PaymentView
	for i := range o.Payments {
		p := &o.Payments[i]
		switch {
		case p.Status == gateway.PaymentSucceeded:
			v.Took = append(v.Took, p)
			if v.Payment == nil || p.AllocatedAmount > 0 { // one that is surplus as a whole pays nothing here
				v.Payment = p
			}
		case live(p):
			v.Despite = v.Despite || p.InDoubt
		}
		newest = p
	}
	switch o.Status {
	case gateway.OrderPaid, gateway.OrderPartlyRefunded:
		return statePaid
	case gateway.OrderRefunded:
		return stateRefunded
	case gateway.OrderNoPaymentNeeded:
		return stateNothing
	case gateway.OrderCancelled:
		return stateCancelled
	case gateway.OrderSuperseded:
		return stateSuperseded
	case gateway.OrderExpired:
		return stateExpired
	}
	if newest == nil || newest.Status == gateway.PaymentSucceeded || newest.Status == gateway.PaymentReversed {
		if !now.Before(o.ExpiresAt) {
			return stateExpired
		}
		return stateChoose
	}
	v.Payment = newest
	switch {
	case live(newest) && newest.InDoubt:
		return stateDoubt
	case live(newest):
		return stateWaiting
	case !now.Before(o.ExpiresAt):
		return stateExpired
	}
	return stateDeclined
}

// drawCode draws the code that a bank's app scans, beside what a payer types who cannot scan it.
func (v *view) drawCode(lang string) (err error) {
	if v.Transfer == nil {
		return nil
	}
	payload := v.Payment.QRPayload()
	if payload == "" {
		return nil
	}
	v.Code, err = page.QR(payload, speak(lang)("transfer.code", money(lang)(v.Transfer.Amount), v.Transfer.Content))
	return err
}

// speaks says how the page's own links keep its language where cookies are refused.
func (v *view) speaks(lang string) {
	v.Again = "?again=1"
	if lang != languages[0] {
		v.Query = "?lang=" + lang
		v.Again += "&lang=" + lang
	}
}

// copied is what a button copies, and what that is.
type copied struct{ Name, Value string }

// choosing: the page offers the ways to pay.
func (v *view) choosing() bool { return v.State == stateChoose || v.State == stateDeclined }

// Choosing is choosing, for the template.
func (v view) Choosing() bool { return v.choosing() }

// Ended: nothing is to be paid here any more, and this page does not say that it was.
func (v view) Ended() bool {
	return !v.choosing() && v.State != statePaid && v.State != stateWaiting && v.State != stateDoubt
}

// PayAmount is what is asked for now.
func (v view) PayAmount() any { return v.Order.Owed() }

// app is what opens the wallet's app, where the provider gave such an address: of the web, or of a scheme of the app's own.
func app(p *gateway.PaymentView) template.URL {
	if p.Redirect == nil {
		return ""
	}
	var r struct {
		DeepLink string `json:"deeplink"`
	}
	if json.Unmarshal(*p.Redirect, &r) != nil {
		return ""
	}
	u, err := url.Parse(r.DeepLink)
	if err != nil || u.Scheme == "" || slices.Contains([]string{"javascript", "vbscript", "data", "blob", "file"}, u.Scheme) {
		return ""
	}
	return template.URL(r.DeepLink)
}
