package sim

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"feegate/gateway/vnd"
)

// statementOpening is what the beneficiary's account held before the first payout of the simulated world.
const statementOpening vnd.Signed = 10_000_000

// StatementQuery asks for a bank statement. Where Account is a provider's terminal, it is the statement of the bank account that the terminal is paid
// out to, with that terminal's payouts alone, and From and To are business days of the provider: the payout of a day is booked on the next one at
// 06:00, so that the statement of From … To covers the booking dates of one day later, and statements of following days join without a gap. Where Account, or
// BankAccount, is a bank account, it is that account's whole statement of the days From … To themselves.
type StatementQuery struct {
	Provider, Account string // "" = all
	From, To          string
	BankAccount       string
	Format            string // "" is csv
	Changes           Changes
}

type bankLine struct {
	at        time.Time
	reference string
	amount    vnd.Signed
	narrative string
}

// defaultBank is the bank account of those who named none.
const defaultBank = "0123456789"

// Statement writes the bank's statement: payouts, net of fees, one line for each terminal and day, and what payers transferred.
func (w *World) Statement(q StatementQuery) ([]byte, []Change, error) {
	from, err := time.ParseInLocation(time.DateOnly, q.From, Zone())
	if err != nil {
		return nil, nil, fmt.Errorf("date: %w: YYYY-MM-DD", ErrInvalid)
	}
	if q.To == "" {
		q.To = q.From
	}
	to, err := time.ParseInLocation(time.DateOnly, q.To, Zone())
	if err != nil || to.Before(from) {
		return nil, nil, fmt.Errorf("to: %w: YYYY-MM-DD, not before date", ErrInvalid)
	}
	first, last := from.AddDate(0, 0, 1), to.AddDate(0, 0, 1)
	banks := w.payoutBanks()
	switch {
	case w.isBankAccount(q.Account):
		q.BankAccount, q.Account, first, last = q.Account, "", from, to
	case q.BankAccount != "" && q.Account == "":
		first, last = from, to
	case q.BankAccount == "" && q.Account != "":
		for t, bank := range banks {
			if t.terminal == q.Account && (q.Provider == "" || t.provider == q.Provider) {
				q.BankAccount = bank
			}
		}
	}
	if q.BankAccount == "" {
		q.BankAccount = defaultBank
	}
	_, payouts := w.Ledger()
	opening, lines := w.transferLines(q, first, last)
	for _, p := range payouts {
		bank := cmp.Or(banks[accountKey{p.Provider, p.Account}], defaultBank)
		if p.Amount == 0 || q.Provider != "" && p.Provider != q.Provider || q.Account != "" && p.Account != q.Account || q.Account == "" && bank != q.BankAccount {
			continue
		}
		switch l := payoutLine(p); {
		case !l.at.Before(last.AddDate(0, 0, 1)):
		case l.at.Before(first):
			opening += p.Amount
		default:
			lines = append(lines, l)
		}
	}
	slices.SortStableFunc(lines, func(a, b bankLine) int { return a.at.Compare(b.at) })
	lines, changes, err := spoilBank(q, last, lines)
	if err != nil {
		return nil, nil, err
	}
	write, known := map[string]func(string, time.Time, time.Time, vnd.Signed, []bankLine) ([]byte, error){"": writeStatement, "csv": writeStatement, "mt940": writeMT940, "camt053": writeCAMT}[q.Format]
	if !known {
		return nil, nil, fmt.Errorf("format %q: %w: csv, mt940 or camt053", q.Format, ErrInvalid)
	}
	file, err := write(q.BankAccount, first, last, opening, lines)
	return file, changes, err
}

// payoutBanks are the bank accounts that terminals are paid out to, those that named one.
func (w *World) payoutBanks() map[accountKey]string {
	out := map[accountKey]string{}
	for _, a := range w.Accounts() {
		if _, transfers := w.wires[a.Provider].(Bank); !transfers && a.BankAccount != "" {
			out[accountKey{a.Provider, a.Terminal}] = a.BankAccount
		}
	}
	return out
}

// transferLines are the transfers that a statement has, and what the account held before them. A statement of one provider's
// terminal has none, nor has one of another bank account.
func (w *World) transferLines(q StatementQuery, first, last time.Time) (opening vnd.Signed, lines []bankLine) {
	opening = statementOpening
	if q.Account != "" && q.Account != q.BankAccount {
		return opening, nil
	}
	for _, t := range w.Transfers(q.BankAccount) {
		amount := vnd.Signed(t.Amount)
		if t.Out {
			amount = -amount
		}
		switch {
		case q.Provider != "" && q.Provider != t.Provider || !t.At.Before(last.AddDate(0, 0, 1)):
		case t.At.Before(first):
			opening += amount
		default:
			lines = append(lines, bankLine{t.At, t.Reference, amount, t.Content})
		}
	}
	return opening, lines
}

// isBankAccount reports whether payers transfer, or providers pay out, into an account of this number.
func (w *World) isBankAccount(number string) bool {
	for _, a := range w.Accounts() {
		if bank, ok := w.wires[a.Provider].(Bank); ok && bank.Number(a) == number || !ok && number != "" && a.BankAccount == number {
			return true
		}
	}
	return number != "" && len(w.Transfers(number)) > 0
}

func payoutLine(p Payout) bankLine {
	day, _ := time.ParseInLocation(time.DateOnly, p.Date, Zone())
	at := day.AddDate(0, 0, 1).Add(6 * time.Hour)
	verb := "TT"
	if p.Amount < 0 {
		verb = "THU HOI"
	}
	return bankLine{at, bankReference(at, p.Provider+p.Account+p.Date), p.Amount,
		fmt.Sprintf("%s %s %s GD NGAY %s", strings.ToUpper(p.Provider), p.Account, verb, day.Format("02/01/2006"))}
}

func bankReference(at time.Time, what string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	return fmt.Sprintf("FT%s%03d%09d", at.Format("06"), at.YearDay(), h.Sum64()%1_000_000_000)
}

// spoilBank is spoil for bank lines. A doubled payout is a second transfer, with a reference of its own.
func spoilBank(q StatementQuery, day time.Time, lines []bankLine) ([]bankLine, []Change, error) {
	c := q.Changes
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	if c.Lose+c.Alter+c.Double > len(lines) {
		return nil, nil, fmt.Errorf("lose, alter, double: %w: the statement has %d lines", ErrInvalid, len(lines))
	}
	rng := c.rng("bank/" + q.Provider + q.Account + q.From)
	place := make(map[int]int, len(lines))
	for at, i := range rng.Perm(len(lines)) {
		place[i] = at
	}
	out, changes := []bankLine{}, []Change{}
	for i, l := range lines {
		was := magnitude(l.amount)
		switch at := place[i]; {
		case at < c.Lose:
			changes = append(changes, Change{"lost", l.reference, was, 0})
			continue
		case at < c.Lose+c.Alter:
			is := otherAmount(rng, was)
			l.amount = vnd.Signed(is) * (l.amount / vnd.Signed(was))
			changes = append(changes, Change{"altered", l.reference, was, is})
		case at < c.Lose+c.Alter+c.Double:
			out = append(out, l)
			l.reference = bankReference(l.at, l.reference)
			changes = append(changes, Change{"doubled", l.reference, was, 2 * was})
		}
		out = append(out, l)
	}
	for n := range c.Invent {
		at := day.Add(time.Duration(7+n%12) * time.Hour)
		l := bankLine{at, fmt.Sprintf("FT%s%03d9%08d", at.Format("06"), at.YearDay(), rng.IntN(100_000_000)),
			vnd.Signed(5+rng.IntN(500)) * 1000, "NGUYEN VAN A CHUYEN TIEN"}
		out = append(out, l)
		changes = append(changes, Change{"invented", l.reference, 0, magnitude(l.amount)})
	}
	return out, changes, nil
}

func magnitude(s vnd.Signed) vnd.Amount {
	if s < 0 {
		return vnd.Amount(-s)
	}
	return vnd.Amount(s)
}

// writeStatement writes the layout of shared Vietnamese bank exports: UTF-8 with a mark, semicolons, dots in numbers, a
// running balance and totals.
func writeStatement(account string, from, to time.Time, opening vnd.Signed, lines []bankLine) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteString("\ufeff")
	out := csv.NewWriter(&buf)
	out.Comma, out.UseCRLF = ';', true
	row := func(cells ...string) {
		for len(cells) < 7 {
			cells = append(cells, "")
		}
		_ = out.Write(cells)
	}
	const date = "02/01/2006"
	row("SAO KÊ TÀI KHOẢN / ACCOUNT STATEMENT")
	row("Số tài khoản / Account number:", account)
	row("Loại tiền / Currency:", "VND")
	row("Từ ngày / From:", from.Format(date), "Đến ngày / To:", to.Format(date))
	row("Số dư đầu kỳ / Opening balance:", grouped(opening))
	row("")
	row("STT", "Ngày giao dịch", "Số tham chiếu", "Số tiền ghi nợ", "Số tiền ghi có", "Số dư", "Nội dung chi tiết")
	balance := opening
	var debits, credits vnd.Signed
	for i, l := range lines {
		balance += l.amount
		debit, credit := "", ""
		if l.amount < 0 {
			debits -= l.amount
			debit = grouped(-l.amount)
		} else {
			credits += l.amount
			credit = grouped(l.amount)
		}
		row(strconv.Itoa(i+1), l.at.Format(date+" 15:04:05"), l.reference, debit, credit, grouped(balance), l.narrative)
	}
	row("", "", "Tổng cộng / Total", grouped(debits), grouped(credits))
	row("Số dư cuối kỳ / Closing balance:", grouped(balance))
	out.Flush()
	return buf.Bytes(), out.Error()
}

// grouped is the number as banks print it: 1.250.000, -11.000.
func grouped(s vnd.Signed) string {
	return strings.Replace(strings.TrimSuffix(s.Format(), " ₫"), "−", "-", 1)
}
