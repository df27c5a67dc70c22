package reconciliation

import (
	"context"
	"slices"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

// MinutesDefinition names what the minutes' figures mean; another meaning has another name.
const MinutesDefinition = "BBĐS-1"

// Minutes is what a day or a month came to, as two sides put their names under it: figures that the API and the pages give, from the same
// place.
type Minutes struct {
	Account  *account.Account
	Agency   string
	From, To string // days, inclusive
	Month    bool
	AsOf     time.Time
	Days     []MinutesDay // the oldest first; of a day alone that one, of a month those on which anything happened
	Total    Day
	Refunds  []RefundRow
	people   map[string]string
}

// MinutesDay is one day of the minutes: closed, with its figures as they were closed; otherwise as the rows stand.
type MinutesDay struct {
	DayState `json:"state"`
	Figures  `json:"figures"`
}

// RefundRow is a refund of the period. Why it was made is left out: people write names there.
type RefundRow struct {
	ID          string     `db:"id"`
	Payment     string     `db:"payment_id"`
	Amount      vnd.Amount `db:"amount"`
	Transaction string     `db:"provider_transaction"`
	EffectiveAt time.Time  `db:"effective_at"`
	RequestedBy string     `db:"requested_by"`
	DecidedBy   *string    `db:"decided_by"`
}

// OpenDifference is a discrepancy of one of the days that was not resolved.
type OpenDifference struct {
	Date string
	NamedDifference
}

// DayMinutes are the minutes of a day of an account.
func (r *Reconciler) DayMinutes(ctx context.Context, c gateway.Caller, accountID, date string) (*Minutes, error) {
	if err := checkDate("date", date); err != nil {
		return nil, err
	}
	return r.minutesOf(ctx, c, accountID, date, date, false)
}

// MonthMinutes are the minutes of a month of an account, as YYYY-MM.
func (r *Reconciler) MonthMinutes(ctx context.Context, c gateway.Caller, accountID, month string) (*Minutes, error) {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return nil, invalid("month", "must be a month like 2026-01")
	}
	return r.minutesOf(ctx, c, accountID, first.Format(time.DateOnly), first.AddDate(0, 1, -1).Format(time.DateOnly), true)
}

func (r *Reconciler) minutesOf(ctx context.Context, c gateway.Caller, accountID, from, to string, month bool) (*Minutes, error) {
	e, err := r.Account(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	agencies, err := r.gateway.Agencies(ctx)
	if err != nil {
		return nil, err
	}
	m := &Minutes{Account: &e.Account, Agency: agencies[e.Account.AgencyCode], From: from, To: to, Month: month, AsOf: r.now(), Total: Day{AccountID: accountID, Discrepancies: map[string]int{}}, people: map[string]string{}}
	dates := []string{from}
	if month {
		if dates, err = r.busyDays(ctx, accountID, from, to); err != nil {
			return nil, err
		}
	}
	for _, date := range dates {
		d, err := r.minutesDay(ctx, accountID, date)
		if err != nil {
			return nil, err
		}
		m.Days = append(m.Days, *d)
		m.Total.add(d.day(d.Status))
	}
	if m.Refunds, err = r.refundsOf(ctx, accountID, from, to); err != nil {
		return nil, err
	}
	return m, r.namePeople(ctx, m)
}

// minutesDay gives a day's figures: those of its closing, else as the rows stand now.
func (r *Reconciler) minutesDay(ctx context.Context, accountID, date string) (*MinutesDay, error) {
	s, err := dayState(ctx, r.db, accountID, date, false)
	if err != nil {
		return nil, err
	}
	out := &MinutesDay{DayState: *s}
	if s.Closed() {
		return out, r.closedFigures(ctx, s, &out.Figures)
	}
	day, err := r.Day(ctx, accountID, date)
	if err != nil {
		return nil, err
	}
	out.Figures.of(day)
	return out, lists(ctx, r.db, &out.Figures, r.now())
}

// Signed says that two people have put their names under every day.
func (m *Minutes) Signed() bool {
	return len(m.Days) > 0 && !slices.ContainsFunc(m.Days, func(d MinutesDay) bool { return d.Status != daySigned })
}

// Open are the differences that were not resolved, day by day.
func (m *Minutes) Open() []OpenDifference {
	out := []OpenDifference{}
	for _, d := range m.Days {
		for _, n := range d.Discrepancies {
			if n.Status != "resolved" {
				out = append(out, OpenDifference{d.DayState.Date, n})
			}
		}
	}
	return out
}

// Adjusted are the adjustments that landed on the days.
func (m *Minutes) Adjusted() []Adjustment {
	out := []Adjustment{}
	for _, d := range m.Days {
		out = append(out, d.Figures.Adjusted...)
	}
	return out
}

// name is a person's, for people to read.
func (m *Minutes) name(id *string) string {
	if id == nil {
		return ""
	}
	if n, ok := m.people[*id]; ok {
		return n
	}
	return *id
}

// kindName is what a discrepancy of a kind is called in the minutes, as everywhere.
func kindName(kind string) string { return GuideTo(kind).Name }

func actionName(action *string) string {
	if action == nil {
		return "chưa có"
	}
	if n, ok := map[string]string{RecordPayment: "Ghi nhận khoản nộp", CarryForward: "Chuyển sang ngày sau", RefundPayer: "Hoàn cho người nộp", ClaimFromProvider: "Yêu cầu nhà cung cấp trả",
		WriteOff: "Xóa khoản lệch", AcceptMatch: "Chấp nhận là cùng giao dịch", Explain: "Giải thích"}[*action]; ok {
		return n
	}
	return *action
}

func brandOf(provider string) string {
	if n, ok := map[string]string{"vnpay": "VNPAY", "momo": "MoMo", "zalopay": "ZaloPay", "payos": "payOS", "sepay": "VietQR (SePay)", "casso": "VietQR (Casso)", "vietqr": "VietQR", "dvcqg": "Cổng DVCQG"}[provider]; ok {
		return n
	}
	return provider
}

func adjustmentName(kind string) string {
	return map[string]string{"late_payment": "Khoản nộp biết muộn", "late_refund": "Hoàn tiền biết muộn", "reversal": "Bị thu hồi sau khi khóa sổ", "late_line": "Sao kê có muộn", "reopened": "Trả về ngày mở lại"}[kind]
}

func statusName(status string) string {
	return map[string]string{dayOpen: "Chưa đối soát", dayMatched: "Đã đối soát", dayClosed: "Đã khóa sổ, chưa ký", daySigned: "Đã ký", dayReopened: "Mở lại"}[status]
}

// title and period head the document.
func (m *Minutes) title() string {
	if m.Month {
		return "BIÊN BẢN ĐỐI SOÁT THÁNG"
	}
	return "BIÊN BẢN ĐỐI SOÁT NGÀY"
}

func (m *Minutes) period() string {
	if m.From == m.To {
		return "Ngày " + document.Day(m.From)
	}
	return "Từ ngày " + document.Day(m.From) + " đến hết ngày " + document.Day(m.To)
}

// Draft is what a document that is not signed says of itself.
const Draft = "BẢN NHÁP – CHƯA KÝ"

func (m *Minutes) head() []document.Fact {
	beneficiary := strings.TrimSpace(m.Account.BeneficiaryAccount + " " + m.Account.BeneficiaryName)
	if beneficiary == "" {
		beneficiary = "chưa khai báo"
	}
	facts := []document.Fact{
		document.Line("Đơn vị thụ hưởng", m.Agency+" ("+m.Account.AgencyCode+")"),
		document.Line("Nhà cung cấp", brandOf(m.Account.Provider)+", mã điểm thu "+m.Account.Terminal),
		document.Line("Tài khoản feegate", m.Account.ID),
		document.Line("Tài khoản thụ hưởng", beneficiary),
		document.Line("Kỳ đối soát", m.period()+", giờ Việt Nam"),
		document.Line("Số liệu lúc", document.Time(&m.AsOf)),
		document.Line("Định nghĩa", MinutesDefinition),
	}
	if m.Month {
		if m.Signed() { // one hash for all: over the days' own, each in its line
			all := ""
			for i := range m.Days {
				all += *m.Days[i].SHA256 + "\n"
			}
			facts = append(facts, document.Line("SHA-256 các bản ký", document.Digest(all)))
		}
		return facts
	}
	d := &m.Days[0]
	version := "chưa khóa sổ"
	if d.Version > 0 {
		version = itoa(d.Version)
	}
	facts = append(facts, document.Line("Lần khóa sổ", version), document.Line("Trạng thái", statusName(d.Status)))
	if d.Closed() {
		facts = append(facts, document.Line("Người lập (khóa sổ)", m.name(d.ClosedBy)+", "+document.Time(d.ClosedAt)), document.Line("SHA-256 số liệu", *d.FiguresSHA256))
	}
	if d.Status == daySigned {
		first := "không có: đây là bản ký đầu tiên của tài khoản"
		if d.Previous != nil {
			first = *d.Previous
		}
		facts = append(facts, document.Line("Người duyệt (ký)", m.name(d.SignedBy)+", "+document.Time(d.SignedAt)), document.Line("SHA-256 bản ký", *d.SHA256), document.Line("Bản ký trước", first))
	}
	return facts
}

// minuteRow is one figure of the summary; a derived one says from which others. What is no count has none.
type minuteRow struct {
	name   string
	count  *int64
	amount vnd.Signed
	strong bool
}

func (m *Minutes) rows() []minuteRow {
	t := &m.Total
	return []minuteRow{
		{"Thu theo feegate (đã trừ hoàn tiền)", &t.Payments.Count, t.Payments.Amount, false},
		{"   trong đó điều chỉnh của ngày đã khóa", &t.Adjustments.Count, t.Adjustments.Amount, false},
		{"Nhà cung cấp quyết toán", &t.Settled.Count, t.Settled.Amount, false},
		{"Chênh lệch feegate − nhà cung cấp", nil, t.Difference, true},
		{"Đã giải thích", nil, t.Explained, false},
		{"Chưa giải thích được", nil, t.Unexplained, true},
		{"Đã khớp từng giao dịch", &t.Matched.Count, t.Matched.Amount, false},
		{"Phí dịch vụ của nhà cung cấp", nil, vnd.Signed(t.Settled.Fee), false},
		{"Thực nhận theo quyết toán", nil, t.Settled.Net, false},
		{"Ngân hàng báo có", &t.Bank.Count, t.Bank.Amount, false},
		{"Chênh lệch quyết toán − ngân hàng", nil, t.BankSide.Difference, true},
		{"Đã giải thích phía ngân hàng", nil, t.BankSide.Explained, false},
		{"Chưa giải thích được phía ngân hàng", nil, t.BankSide.Unexplained, true},
	}
}

// signatures are the blocks at the end.
func signatureBlocks() []string {
	return []string{"NGƯỜI LẬP", "NGƯỜI KIỂM TRA", "THỦ TRƯỞNG ĐƠN VỊ", "ĐẠI DIỆN NHÀ CUNG CẤP"}
}
