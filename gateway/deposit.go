package gateway

import (
	"fmt"
	"slices"
	"time"

	"feegate/gateway/vnd"
)

// MaxDepositItems is how many counter payments one slip may hold.
const MaxDepositItems = 5000

// NewDeposit is a slip with which an agency's cash went to the bank; it has the shape of the API's body.
type NewDeposit struct {
	AgencyCode      string      `json:"agency_code"`
	BankAccount     string      `json:"bank_account"`
	SlipNumber      string      `json:"slip_number"`
	DepositedAt     *time.Time  `json:"deposited_at"`
	Amount          *vnd.Amount `json:"amount"`
	CounterPayments []string    `json:"counter_payments"`
}

// DepositView is a slip as the API gives it.
type DepositView struct {
	ID              string     `json:"id"`
	AgencyCode      string     `json:"agency_code"`
	BankAccount     string     `json:"bank_account"`
	SlipNumber      string     `json:"slip_number"`
	DepositedAt     time.Time  `json:"deposited_at"`
	Amount          vnd.Amount `json:"amount"`
	CounterPayments []string   `json:"counter_payments"`
	RecordedAt      time.Time  `json:"recorded_at"`
}

func (in *NewDeposit) validate(now time.Time) error {
	var e fieldErrors
	text(&e, "agency_code", in.AgencyCode, 1, 40)
	text(&e, "bank_account", in.BankAccount, 1, 40)
	text(&e, "slip_number", in.SlipNumber, 1, 40)
	switch {
	case in.DepositedAt == nil:
		e.add("deposited_at", "is missing")
	case in.DepositedAt.After(now):
		e.add("deposited_at", "lies in the future")
	}
	switch {
	case in.Amount == nil:
		e.add("amount", "is missing")
	case *in.Amount < 1:
		e.add("amount", "must be above 0")
	}
	if n := len(in.CounterPayments); n < 1 || n > MaxDepositItems {
		e.add("counter_payments", "1 to %d counter payments", MaxDepositItems)
	}
	seen := map[string]bool{}
	for i, id := range in.CounterPayments {
		if seen[id] {
			e.add(fmt.Sprintf("counter_payments[%d]", i), "stands here twice")
		}
		seen[id] = true
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// slipItem is what the record says of a counter payment that a slip names.
type slipItem struct {
	ID        string     `db:"id"`
	Agency    string     `db:"agency_code"`
	Channel   string     `db:"channel"`
	Status    string     `db:"status"`
	Amount    vnd.Amount `db:"received_amount"`
	PaidAt    time.Time  `db:"paid_at"`
	Deposited bool       `db:"deposited"`
}

// check holds the slip to what was taken: cash of this agency, standing, on no other slip, taken before, adding up.
func (in *NewDeposit) check(items []slipItem) error {
	var e fieldErrors
	var sum vnd.Amount
	for i, id := range in.CounterPayments {
		field := fmt.Sprintf("counter_payments[%d]", i)
		at := slices.IndexFunc(items, func(s slipItem) bool { return s.ID == id })
		if at < 0 {
			e.add(field, "there is no such counter payment")
			continue
		}
		s := items[at]
		sum += s.Amount
		switch {
		case s.Agency != in.AgencyCode:
			e.add(field, "was taken by another agency")
		case s.Channel != "cash_counter" && s.Channel != "cash_postal":
			e.add(field, "is not cash")
		case s.Status != PaymentSucceeded:
			e.add(field, "is %s", s.Status)
		case s.Deposited:
			e.add(field, "stands on another slip")
		case s.PaidAt.After(*in.DepositedAt):
			e.add(field, "was taken after the slip")
		}
	}
	if len(e) == 0 && sum != *in.Amount {
		e.add("amount", "is %s, the counter payments add up to %s", *in.Amount, sum)
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}
