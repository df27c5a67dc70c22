package adoption

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The definition OPR-1 once more, written down plainly over facts in memory, to be held against what the database counts.

type fact struct {
	from time.Time
	to   *time.Time // nil: it stands
}

func (f fact) stands(asOf time.Time) bool {
	return !f.from.After(asOf) && (f.to == nil || f.to.After(asOf))
}

type wLine struct {
	fee, kind string
	net       int64
}

type wState struct {
	status string
	at     time.Time
}

type wOrder struct {
	id, dossier, agency, procedure string
	lines                          []wLine
	created                        time.Time
	states                         []wState
}

type wPayment struct {
	id, order, channel, provider string
	paid, recorded               time.Time
	atCounter, receipt           bool // money over the counter; with a receipt
	known, staff                 bool // the payer's account
	reversed                     *time.Time
	matches, payouts, disputes   []fact
}

type wAllocation struct {
	payment, order string
	amount         int64
	at             time.Time
}

type wRefund struct {
	payment, order string
	allocated      int64
	done           bool
	at             time.Time
}

type wDossier struct {
	code, status, agency, procedure string
	closed                          *time.Time
	due                             *int64
	at                              time.Time
}

type world struct {
	orders      []wOrder
	payments    []wPayment
	allocations []wAllocation
	refunds     []wRefund
	dossiers    []wDossier // each dossier's in the order of their telling
	staff       fact
}

func (o *wOrder) amount() (sum int64) {
	for _, l := range o.lines {
		sum += l.net
	}
	return sum
}

func (o *wOrder) status(asOf time.Time) string {
	status := "open"
	if o.amount() == 0 {
		status = "no_payment_needed"
	}
	for _, s := range o.states {
		if !s.at.After(asOf) {
			status = s.status
		}
	}
	return status
}

func (p *wPayment) evidence(asOf time.Time) string {
	any := func(fs []fact) bool { return slices.ContainsFunc(fs, func(f fact) bool { return f.stands(asOf) }) }
	switch {
	case p.reversed != nil && !p.reversed.After(asOf):
		return "reversed"
	case p.atCounter && !p.receipt:
		return "none"
	case any(p.disputes):
		return "disputed"
	case any(p.matches):
		return "confirmed"
	}
	return "provisional"
}

func classOf(channel string) string {
	switch channel {
	case "cash_counter", "cash_postal":
		return "cash"
	case "pos_counter", "transfer_unref":
		return "noncash_other"
	case "officer_proxy":
		return "proxy"
	}
	return "online"
}

type wPay struct { // an allocation with what is left of it
	p          *wPayment
	gross, net int64
}

type wUnit struct {
	o                 *wOrder
	pays              []wPay
	gross, net        int64
	at                time.Time
	bucket            string
	largest           *wPayment
	disputed, counter bool
	bank, unknown     bool
	byKind            map[string]int64
}

// pays are the allocations to an order as known, with their refunds taken off.
func (w *world) pays(o *wOrder, asOf time.Time) (out []wPay) {
	for i := range w.payments {
		p := &w.payments[i]
		if p.recorded.After(asOf) {
			continue
		}
		x := wPay{p: p}
		for _, a := range w.allocations {
			if a.payment == p.id && a.order == o.id && !a.at.After(asOf) {
				x.gross += a.amount
			}
		}
		if x.gross == 0 {
			continue
		}
		x.net = x.gross
		for _, r := range w.refunds {
			if r.payment == p.id && r.done && !r.at.After(asOf) && w.refundOrder(r, asOf) == o.id {
				x.net -= r.allocated
			}
		}
		if x.net < 0 || p.evidence(asOf) == "reversed" {
			x.net = 0
		}
		out = append(out, x)
	}
	return out
}

func (w *world) refundOrder(r wRefund, asOf time.Time) string {
	var of []wAllocation
	for _, a := range w.allocations {
		if a.payment == r.payment && !a.at.After(asOf) {
			of = append(of, a)
		}
	}
	if slices.ContainsFunc(of, func(a wAllocation) bool { return a.order == r.order }) || len(of) == 0 {
		return r.order
	}
	slices.SortFunc(of, func(a, b wAllocation) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order, b.order)) })
	return of[0].order
}

func (w *world) unit(o *wOrder, asOf time.Time) *wUnit {
	u := &wUnit{o: o, bank: true}
	for _, x := range w.pays(o, asOf) {
		if x.net > 0 {
			u.pays = append(u.pays, x)
		}
	}
	if len(u.pays) == 0 {
		return nil
	}
	slices.SortFunc(u.pays, func(a, b wPay) int { return cmp.Or(a.p.paid.Compare(b.p.paid), cmp.Compare(a.p.id, b.p.id)) })
	var largest int64
	classes, evidence := map[string]bool{}, map[string]bool{}
	for _, x := range u.pays {
		u.gross, u.net = u.gross+x.gross, u.net+x.net
		if u.gross-x.gross < o.amount() {
			u.at = x.p.paid
		}
		if x.gross > largest {
			largest, u.largest = x.gross, x.p
		}
		class := classOf(x.p.channel)
		if x.p.known && x.p.staff && w.staff.stands(asOf) && class == "online" {
			class = "proxy"
		}
		e := x.p.evidence(asOf)
		classes[class], evidence[e] = true, true
		u.disputed = u.disputed || e == "disputed"
		u.counter = u.counter || x.p.channel == "qr_counter_self"
		u.unknown = u.unknown || !x.p.known
		matched := slices.ContainsFunc(x.p.matches, func(f fact) bool { return f.stands(asOf) })
		u.bank = u.bank && matched && slices.ContainsFunc(x.p.payouts, func(f fact) bool { return f.stands(asOf) })
	}
	switch {
	case classes["proxy"]:
		u.bucket = "proxy"
	case evidence["none"]:
		u.bucket = "unproven"
	case u.gross < o.amount():
		u.bucket = "incomplete"
	case len(classes) > 1:
		u.bucket = "mixed"
	case classes["online"] && len(evidence) == 1 && evidence["confirmed"]:
		u.bucket = "online"
	case classes["online"]:
		u.bucket = "online_provisional"
	case classes["cash"]:
		u.bucket = "cash"
	default:
		u.bucket = "noncash_other"
	}
	kinds := map[string]int64{}
	for _, l := range o.lines {
		kinds[l.kind] += l.net
	}
	u.byKind = map[string]int64{"phi": u.net * kinds["phi"] / o.amount(), "nvtc": u.net * kinds["nvtc"] / o.amount()}
	if _, has := kinds["le_phi"]; !has && len(kinds) == 1 {
		for k := range kinds {
			u.byKind[k] = u.net
		}
	}
	u.byKind["le_phi"] = u.net - u.byKind["phi"] - u.byKind["nvtc"]
	return u
}

// due is what a dossier owed, by the case system's word or its orders.
func (w *world) due(code string, told *wDossier, asOf time.Time) (sum int64) {
	if told != nil && told.due != nil {
		return *told.due
	}
	for i := range w.orders {
		o := &w.orders[i]
		if o.dossier != code || o.created.After(asOf) {
			continue
		}
		status := o.status(asOf)
		if slices.Contains([]string{"cancelled", "superseded", "refunded", "no_payment_needed"}, status) {
			continue
		}
		for _, l := range o.lines {
			ousted := status == "expired" && slices.ContainsFunc(w.orders, func(n wOrder) bool {
				newer := n.created.After(o.created) || (n.created.Equal(o.created) && n.id > o.id)
				return n.dossier == code && newer && !n.created.After(asOf) && !slices.Contains([]string{"cancelled", "superseded"}, n.status(asOf)) &&
					slices.ContainsFunc(n.lines, func(m wLine) bool { return m.fee == l.fee })
			})
			if !ousted {
				sum += l.net
			}
		}
	}
	return sum
}

// count gives every figure of every group and, under the key total, of all.
func (w *world) count(asOf, from, to time.Time, groupBy string) map[string]map[string]int64 {
	const total = "\x00total"
	out := map[string]map[string]int64{total: {}}
	within := func(t time.Time) bool { return !t.Before(from) && t.Before(to) }
	add := func(group, figure string, n int64) {
		for _, g := range []string{group, total} {
			if out[g] == nil {
				out[g] = map[string]int64{}
			}
			out[g][figure] += n
		}
	}
	if groupBy == "" {
		add = func(_, figure string, n int64) { out[total][figure] += n }
	}
	group := func(agency, procedure, provider, channel string, at time.Time) string {
		at = at.In(zone)
		switch groupBy {
		case "agency":
			return agency
		case "procedure":
			return procedure
		case "field":
			return map[string]string{"p1": "f1", "p2": "f2"}[procedure]
		case "commune":
			if agency[len(agency)-1] == '1' {
				return "c1"
			}
			return ""
		case "provider":
			return provider
		case "channel":
			return channel
		case "day":
			return at.Format("2006-01-02")
		case "month":
			return at.Format("2006-01")
		case "quarter":
			return fmt.Sprintf("%d-Q%d", at.Year(), (at.Month()-1)/3+1)
		}
		return at.Format("2006")
	}
	unitsOf := map[string][]*wUnit{}
	codes := map[string]bool{}
	for i := range w.orders {
		o := &w.orders[i]
		if o.created.After(asOf) {
			continue
		}
		codes[o.dossier] = true
		if o.amount() == 0 {
			if within(o.created) && ofDossiers(groupBy) {
				add(group(o.agency, o.procedure, "", "", o.created), "exempt", 1)
			}
			continue
		}
		u := w.unit(o, asOf)
		if u == nil {
			w.countRefunded(o, asOf, within, func(p *wPayment, at time.Time) {
				add(group(o.agency, o.procedure, p.provider, p.channel, at), "refunded", 1)
			})
			continue
		}
		unitsOf[o.dossier] = append(unitsOf[o.dossier], u)
		if within(u.at) {
			channel := u.largest.channel
			if u.bucket == "mixed" {
				channel = "mixed"
			}
			u.count(group(o.agency, o.procedure, u.largest.provider, channel, u.at), add)
		}
	}
	for _, d := range w.dossiers {
		codes[d.code] = true
	}
	for code := range codes {
		if ofDossiers(groupBy) {
			w.countDossier(code, unitsOf[code], asOf, within, func(agency, procedure string, at time.Time, figure string) {
				add(group(agency, procedure, "", "", at), figure, 1)
			})
		}
	}
	return out
}

func (w *world) countRefunded(o *wOrder, asOf time.Time, within func(time.Time) bool, add func(*wPayment, time.Time)) {
	var at time.Time
	var largest wPay
	for _, x := range w.pays(o, asOf) {
		if x.p.paid.After(at) {
			at = x.p.paid
		}
		first := largest.p != nil && (x.p.paid.Before(largest.p.paid) || (x.p.paid.Equal(largest.p.paid) && x.p.id < largest.p.id))
		if x.gross > largest.gross || (x.gross == largest.gross && first) {
			largest = x
		}
	}
	if largest.p != nil && within(at) {
		add(largest.p, at)
	}
}

func (u *wUnit) count(g string, add func(group, figure string, n int64)) {
	for _, r := range []string{"transactions", "transactions_upper", "transactions_remote", "bank_proven"} {
		add(g, r+Denominator, 1)
	}
	add(g, u.bucket, 1)
	add(g, "amount"+Denominator, u.net)
	for k, n := range u.byKind {
		add(g, k+Denominator, n)
	}
	if u.bucket == "online" || u.bucket == "online_provisional" {
		add(g, "transactions_upper", 1)
	}
	if u.bucket != "online" {
		return
	}
	add(g, "transactions", 1)
	add(g, "amount", u.net)
	for k, n := range u.byKind {
		add(g, k, n)
	}
	if !u.counter {
		add(g, "transactions_remote", 1)
	}
	if u.bank {
		add(g, "bank_proven", 1)
	}
	if u.unknown {
		add(g, "payer_unknown", 1)
	}
}

func (w *world) countDossier(code string, units []*wUnit, asOf time.Time, within func(time.Time) bool, add func(agency, procedure string, at time.Time, figure string)) {
	var told *wDossier
	for i := range w.dossiers {
		if w.dossiers[i].code == code && !w.dossiers[i].at.After(asOf) {
			told = &w.dossiers[i]
		}
	}
	due := w.due(code, told, asOf)
	closed := told != nil && told.status == "closed"
	var last *wUnit
	var gross int64
	online, doubtful := true, false
	for _, u := range units {
		if last == nil || u.at.After(last.at) || (u.at.Equal(last.at) && u.o.id > last.o.id) {
			last = u
		}
		gross += u.gross
		online = online && u.bucket == "online"
		doubtful = doubtful || u.disputed || u.bucket == "unproven" || u.bucket == "incomplete"
	}
	var at time.Time
	var agency, procedure string
	switch {
	case last != nil:
		at, agency, procedure = last.at, last.o.agency, last.o.procedure
	case closed && due > 0:
		at = *told.closed
	default:
		return
	}
	if told != nil {
		agency, procedure = told.agency, told.procedure
	}
	if !within(at) {
		return
	}
	add(agency, procedure, at, "dossiers"+Denominator)
	if last == nil {
		add(agency, procedure, at, "closed_unpaid")
	}
	if last != nil && online && gross >= due {
		add(agency, procedure, at, "dossiers")
	}
	if closed && due > 0 {
		add(agency, procedure, at, "coverage"+Denominator)
		if gross >= due && !doubtful {
			add(agency, procedure, at, "coverage")
		}
	}
}
