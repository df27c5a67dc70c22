package vietqr

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed banks.csv
var banksCSV string

// Bank is one bank of the NAPAS network.
type Bank struct {
	BIN   string
	Name  string // short, as people know it; "" = not in our table
	Code  string
	SWIFT string
}

// Banks is the table: facts about others, not rules of ours.
func Banks() []Bank {
	rows := bankRows()
	all := make([]Bank, len(rows))
	for i, r := range rows {
		all[i] = r.bank
	}
	return all
}

type bankRow struct {
	bank  Bank
	names []string // folded: everything that the bank is known by
}

func bankRows() []bankRow {
	var rows []bankRow
	for i, line := range strings.Split(strings.TrimSpace(banksCSV), "\n") {
		f := strings.Split(line, ",")
		if i == 0 {
			continue
		}
		r := bankRow{bank: Bank{BIN: f[0], Name: f[1], Code: f[2], SWIFT: f[4]}, names: []string{f[0], Fold(f[1]), Fold(f[2])}}
		for _, alias := range strings.Fields(f[3]) {
			r.names = append(r.names, Fold(alias))
		}
		if f[4] != "" {
			r.names = append(r.names, f[4])
		}
		rows = append(rows, r)
	}
	return rows
}

// FindBank finds a bank by its six digits, its code, its name or its SWIFT address, however spelt. Six digits that the table does
// not have are a bank all the same, without a name: the network takes in new ones.
func FindBank(s string) (Bank, error) {
	want := Fold(s)
	for _, lead := range []string{"NGANHANG", "TMCP", "TNHH", "MTV"} {
		want = strings.TrimPrefix(want, lead)
	}
	for _, r := range bankRows() {
		for _, name := range r.names {
			if name == want && want != "" {
				return r.bank, nil
			}
		}
	}
	if digits := strings.TrimSpace(s); isBIN(digits) {
		return Bank{BIN: digits}, nil
	}
	return Bank{}, fmt.Errorf("%q is not a bank known by six digits, code or name", s)
}
