package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/providers"
	"feegate/reconciliation"
)

// The demo's past: three months of invented payments, made by the gateway's own checks, judge and writer, settled by the
// simulated providers' own files. Only the invention is here; every figure that a page or report shows of it is computed.

const (
	historyDays   = 91
	historyOrders = 20000
	historySeed   = 20260310
)

var vietnam = time.FixedZone("+07", 7*3600)

type history struct {
	g         *gateway.Gateway
	fees      []demoFee
	accounts  map[string][]demoAccount // by agency
	terminals map[string]string        // by account id
	rng       *rand.Rand
	n         int                       // orders made
	serial    map[string]int            // dossiers of an agency and day
	taken     map[string][]earlier      // by provider: what the simulators have to know
	sums      map[string]map[string]int // payments by day and account
}

// earlier is a payment as the simulator's bulk call takes it.
type earlier struct {
	Account     string     `json:"account"`
	Reference   string     `json:"reference"`
	Amount      vnd.Amount `json:"amount"`
	PaidAt      time.Time  `json:"paid_at"`
	Transaction string     `json:"transaction"`
}

// demoFee is one fee of the demo's catalogue, and how often an agency meets it.
type demoFee struct {
	procedure, code, kind, name string
	unit                        vnd.Amount
	pages                       int // quantities up to this
	weight                      map[string]int
}

func demoFees() []demoFee {
	ward := func(n int) map[string]int { return map[string]int{"H10.12": n, "H10.13": n / 2} }
	one := func(agency string, n int) map[string]int { return map[string]int{agency: n} }
	return []demoFee{
		{"1.100001", "1.100001-le_phi", "le_phi", "Lệ phí đăng ký kết hôn", 1000000, 1, ward(4)},
		{"2.100002", "2.100002-phi-1", "phi", "Phí chứng thực, hai trang đầu", 2000, 30, ward(40)},
		{"2.100003", "2.100003-phi", "phi", "Phí chứng thực hợp đồng", 50000, 1, ward(24)},
		{"1.100004", "1.100004-le_phi", "le_phi", "Lệ phí cấp phép xây dựng", 75000, 1, ward(8)},
		{"1.100005", "1.100005-le_phi", "le_phi", "Lệ phí cấp phép xây dựng", 150000, 1, one("H10.20", 12)},
		{"1.100008", "1.100008-phi", "phi", "Phí đăng ký biện pháp bảo đảm", 80000, 1, one("H10.21", 30)},
		{"1.100010", "1.100010-phi", "phi", "Phí thẩm định", 8000000, 1, one("H10.22", 3)},
		{"1.100011", "1.100011-le_phi", "le_phi", "Lệ phí cấp giấy phép lao động", 600000, 1, one("H10.23", 10)},
	}
}

// makeHistory invents and records the past, up to yesterday evening; yesterday's settlement files are left for the morning.
func makeHistory(ctx context.Context, db *sqlx.DB, a *app, accounts []demoAccount, simulator string, now time.Time) error {
	h := &history{g: a.gateway, fees: demoFees(), accounts: map[string][]demoAccount{}, terminals: map[string]string{}, rng: rand.New(rand.NewPCG(historySeed, 1)),
		serial: map[string]int{}, taken: map[string][]earlier{}, sums: map[string]map[string]int{}}
	for _, d := range accounts {
		h.terminals[d.ID] = d.terminal()
		if d.Kinds[0] != "nvtc" && (d.Provider == "vnpay" || d.Provider == "momo") { // the past had no other way to pay
			h.accounts[d.AgencyCode] = append(h.accounts[d.AgencyCode], d)
		}
	}
	y, m, day := now.In(vietnam).Date()
	today := time.Date(y, m, day, 0, 0, 0, 0, vietnam)
	writing, together := errgroup.WithContext(ctx)
	writing.SetLimit(2)
	var batch []gateway.PastOrder
	flush := func() {
		b := batch
		batch = nil
		writing.Go(func() error { return h.g.Backfill(together, b) })
	}
	for back := historyDays; back >= 1; back-- {
		date := today.AddDate(0, 0, -back)
		for range h.ordersOn(date) {
			batch = append(batch, h.invent(date, float64(historyDays-back)/historyDays))
			if len(batch) == gateway.MaxBackfill {
				flush()
			}
		}
	}
	flush()
	for provider, rows := range h.taken {
		writing.Go(func() error {
			return send(together, http.MethodPost, simulator+"/control/"+provider+"/bulk", map[string]any{"items": rows})
		})
	}
	if err := writing.Wait(); err != nil {
		return fmt.Errorf("the demo's past: %w", err)
	}
	return h.settle(ctx, db, a, simulator, today)
}

// ordersOn is how many orders a day brings: Saturdays few, and Sundays, when no counter is open.
func (h *history) ordersOn(date time.Time) int {
	switch mean := historyOrders / 67; date.Weekday() {
	case time.Sunday:
		return mean / 12
	case time.Saturday:
		return mean / 6
	default:
		return mean*9/10 + h.rng.IntN(mean/5)
	}
}

func (h *history) pick() (demoFee, string) {
	sum := 0
	for _, f := range h.fees {
		for _, a := range demoAgencies() {
			sum += f.weight[a.code]
		}
	}
	n := h.rng.IntN(sum)
	for _, f := range h.fees {
		for _, a := range demoAgencies() {
			if n -= f.weight[a.code]; n < 0 {
				return f, a.code
			}
		}
	}
	return h.fees[0], demoAgencies()[0].code
}

// invent makes one order of a day and what became of it; progress runs from 0 to 1 over the months, and with it the habit of
// paying online.
func (h *history) invent(date time.Time, progress float64) gateway.PastOrder {
	fee, agency := h.pick()
	h.n++
	place := agency + date.Format("060102")
	h.serial[place]++
	at := date.Add(7*time.Hour + 30*time.Minute + time.Duration(h.rng.IntN(9*3600))*time.Second)
	quantity := 1 + h.rng.IntN(fee.pages)
	amount := vnd.Amount(quantity) * fee.unit
	portal := gateway.Caller{ClientID: "cli_portal", SourceSystem: "province", Mode: "live", Actor: "key_portal"}
	past := gateway.PastOrder{Caller: portal, At: at, Order: gateway.NewOrder{Reference: fmt.Sprintf("LS-%06d", h.n),
		DossierCode: fmt.Sprintf("%s-%s-%04d", agency, date.Format("060102"), h.serial[place]), ProcedureCode: fee.procedure, AgencyCode: agency, FilingMode: "online", Amount: &amount,
		Lines: []gateway.NewLine{{FeeCode: fee.code, Kind: fee.kind, Name: fee.name, Quantity: quantity, UnitAmount: &fee.unit, Gross: &amount, Net: &amount}}}}
	closed := at.Add(time.Duration(1+h.rng.IntN(30)) * time.Hour)
	past.Dossier = &gateway.Dossier{Status: gateway.DossierClosed, ProcedureCode: fee.procedure, AgencyCode: agency, ReceivedOn: date.Format(time.DateOnly), StartedAt: &at,
		ClosedAt: &closed, ApplicantRef: fmt.Sprintf("cd-%05d", h.rng.IntN(15000)), ServiceLevel: "full"}
	if evening := date.Add(19 * time.Hour); closed.After(evening) {
		*past.Dossier.ClosedAt = evening
	}
	past.ToldAt = *past.Dossier.ClosedAt
	online := 0.36 + 0.18*progress
	if date.Weekday() == time.Sunday {
		online = 0.98
	}
	switch u := h.rng.Float64(); {
	case u < online:
		h.payOnline(&past, at, amount)
	case u < online+0.02: // never paid: the dossier waits
		past.Dossier.Status, past.Dossier.ClosedAt = gateway.DossierOpen, nil
	case u < online+0.026: // closed without the fee: the report names these
	default:
		h.payAtCounter(&past, at, amount, agency, 1)
	}
	return past
}

// payOnline has the citizen pay by one of the agency's accounts: mostly at once, sometimes after a refusal, by a code at the
// counter, by an officer for them, in part; and once in a while twice.
func (h *history) payOnline(past *gateway.PastOrder, at time.Time, amount vnd.Amount) {
	account := h.accounts[past.Order.AgencyCode][0]
	if h.rng.Float64() < 0.4 || amount < 5000 { // VNPAY takes nothing below
		account = h.accounts[past.Order.AgencyCode][1]
	}
	if amount < 1000 || (account.Provider == "momo" && amount > 50000000) {
		h.payAtCounter(past, at, amount, past.Order.AgencyCode, 1)
		return
	}
	try := gateway.PastPayment{AccountID: account.ID, Amount: amount, At: at.Add(time.Duration(30+h.rng.IntN(600)) * time.Second)}
	switch u := h.rng.Float64(); {
	case u < 0.05: // refused first
		refused := try
		refused.Reference = h.reference()
		refused.HeardAt = refused.At.Add(40 * time.Second)
		refused.Notice = providers.Notice{Outcome: providers.Declined, Code: map[string]string{"vnpay": "51", "momo": "1001"}[account.Provider], Reason: providers.ReasonInsufficientFunds}
		past.Payments = append(past.Payments, refused)
		try.At = refused.HeardAt.Add(time.Minute)
	case u >= 0.05 && u < 0.13 && account.Provider == "momo":
		try.Method, try.Place = string(providers.MethodQR), "counter"
	case u >= 0.13 && u < 0.145:
		try.InitiatedBy = "officer"
	case u >= 0.145 && u < 0.155 && amount > 20000: // the rest in cash
		try.Amount = amount / 2
		h.payAtCounter(past, at.Add(30*time.Minute), amount-try.Amount, past.Order.AgencyCode, 1)
	case u >= 0.155 && u < 0.1555: // pays twice
		second := try
		h.succeed(&second, account)
		past.Payments = append(past.Payments, second)
	}
	h.succeed(&try, account)
	past.Payments = append(past.Payments, try)
}

func (h *history) reference() string { return fmt.Sprintf("FGLS%09d", h.rng.IntN(1000000000)) }

func (h *history) succeed(p *gateway.PastPayment, account demoAccount) {
	paid := p.At.Add(time.Duration(20+h.rng.IntN(200)) * time.Second).Truncate(time.Second)
	provider := account.Provider
	p.Reference, p.HeardAt = h.reference(), paid.Add(time.Duration(1+h.rng.IntN(9))*time.Second)
	p.Notice = providers.Notice{Outcome: providers.Succeeded, Amount: p.Amount, PaidAt: paid, Transaction: strconv.Itoa(20000000 + len(h.taken[provider])),
		Code: map[string]string{"vnpay": "00", "momo": "0"}[provider]}
	h.taken[provider] = append(h.taken[provider], earlier{h.terminals[p.AccountID], p.Reference, p.Amount, paid, p.Notice.Transaction})
	day := paid.In(vietnam).Format(time.DateOnly)
	if h.sums[day] == nil {
		h.sums[day] = map[string]int{}
	}
	h.sums[day][p.AccountID]++
}

// payAtCounter takes the money at the one-stop counter: mostly cash, by a receipt of the agency's book.
func (h *history) payAtCounter(past *gateway.PastOrder, at time.Time, amount vnd.Amount, agency string, book int) {
	taken := at.Add(time.Duration(1+h.rng.IntN(20)) * time.Minute)
	money := gateway.NewCounterPayment{Amount: &amount, Method: "cash", ReceivedAt: &taken, Officer: "Cán bộ một cửa " + agency, ReceiptSeries: fmt.Sprintf("LS-%02d", book),
		ReceiptNumber: fmt.Sprintf("%07d", h.n)}
	switch u := h.rng.Float64(); {
	case u < 0.10:
		money.Method = "pos"
	case u < 0.115:
		money.Method, money.ReceiptSeries, money.ReceiptNumber = "transfer", "", ""
	}
	past.Counter = append(past.Counter, gateway.PastCounter{Caller: gateway.Caller{ClientID: "cli_case", SourceSystem: "province", Mode: "live", Actor: "key_case"}, At: taken.Add(time.Minute), Money: money})
}

// dayFiles is one day's files as they came the next morning.
type dayFiles struct {
	at    time.Time
	files []reconciliation.File
}

// settle imports every day's files as they came the next morning; the next day's are fetched meanwhile. On a few days they do
// not agree with us, as it happens.
func (h *history) settle(ctx context.Context, db *sqlx.DB, a *app, simulator string, today time.Time) error {
	mornings := make(chan dayFiles, 2)
	whole := ctx
	both, ctx := errgroup.WithContext(whole)
	both.Go(func() error {
		defer close(mornings)
		for back := historyDays; back >= 2; back-- {
			m, err := h.morning(ctx, simulator, today.AddDate(0, 0, -back), back)
			if err != nil {
				return err
			}
			select {
			case mornings <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	both.Go(func() error {
		for m := range mornings {
			r := reconciliation.New(db, a.accounts, a.gateway, func() time.Time { return m.at })
			if _, err := r.Settlements(ctx, m.files); err != nil {
				return fmt.Errorf("the demo's past: %w", err)
			}
		}
		return nil
	})
	if err := both.Wait(); err != nil {
		return err
	}
	return h.bank(whole, db, a, simulator, today)
}

// bankMonth is how many days of the past one statement of the bank covers.
const bankMonth = 31

// bank imports the bank's statements of the past, some at a time, up to the payouts of the day before yesterday: yesterday's comes with the morning's.
func (h *history) bank(ctx context.Context, db *sqlx.DB, a *app, simulator string, today time.Time) error {
	people := gateway.Caller{Person: true, Actor: "demo"}
	for back := historyDays; back >= 2; back -= bankMonth {
		first, last := today.AddDate(0, 0, -back), today.AddDate(0, 0, -max(2, back-bankMonth+1))
		at := last.AddDate(0, 0, 1).Add(7*time.Hour + 30*time.Minute)
		r := reconciliation.New(db, a.accounts, a.gateway, func() time.Time { return at })
		for _, account := range demoAccounts() {
			if account.Kinds[0] == "nvtc" || account.Provider != "vnpay" && account.Provider != "momo" {
				continue
			}
			name := "sao-ke-" + account.ID + "-" + last.Format(time.DateOnly) + ".sta"
			file, err := fetch(ctx, simulator+"/control/bank/statement?format=mt940&account="+url.QueryEscape(account.terminal())+"&date="+first.Format(time.DateOnly)+"&to="+last.Format(time.DateOnly))
			if err != nil {
				return fmt.Errorf("the bank's statement of %s: %w", account.ID, err)
			}
			if _, err := r.Statement(ctx, people, reconciliation.StatementFile{Name: name, Body: bytes.NewReader(file)}); err != nil {
				return fmt.Errorf("the bank's statement of %s: %w", account.ID, err)
			}
		}
	}
	return nil
}

// spoilt is what is wrong with the first account's file, so many days back.
func spoilt(back int) string {
	return map[int]string{64: "&lose=1", 50: "&alter=1", 37: "&invent=1", 22: "&double=1", 9: "&lose=1", 3: "&alter=1&invent=1"}[back]
}

// morning fetches a day's files from the simulated providers.
func (h *history) morning(ctx context.Context, simulator string, date time.Time, back int) (dayFiles, error) {
	m, day := dayFiles{at: date.AddDate(0, 0, 1).Add(7*time.Hour + 20*time.Minute)}, date.Format(time.DateOnly)
	for n, account := range demoAccounts() {
		count := h.sums[day][account.ID]
		if count == 0 {
			continue
		}
		address := simulator + "/control/" + account.Provider + "/settlement?account=" + url.QueryEscape(account.terminal()) + "&date=" + day + "&seed=7"
		if n == 0 && count > 3 {
			address += spoilt(back)
		}
		file, err := fetch(ctx, address)
		if err != nil {
			return m, fmt.Errorf("settlement of %s for %s: %w", account.ID, day, err)
		}
		m.files = append(m.files, reconciliation.File{AccountID: account.ID, Date: day, Name: account.ID + "-" + day + ".csv", By: "demo", Body: bytes.NewReader(file)})
	}
	return m, nil
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", resp.Status, raw)
	}
	return raw, err
}

// pastState is what DIR/history.json says: a past that was begun and not finished was seen by nobody, and is made anew.
type pastState struct {
	State string `json:"state"` // none, begun, done
}

func readPast(dir string) (pastState, error) {
	var p pastState
	raw, err := os.ReadFile(filepath.Join(dir, "history.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		return p, fmt.Errorf("history.json: %w", err)
	}
	return p, nil
}

func writePast(dir, state string) error {
	return writeWhole(filepath.Join(dir, "history.json"), pastState{state})
}
