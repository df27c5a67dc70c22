package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// The plan of a storm: what each payer does, what each provider truly does and what it tells, all drawn from one seed. The order's
// own number picks its stream, so that a plan does not depend on how many orders there are, nor on who is faster.

// liarOrder is one order and all that befalls it.
type liarOrder struct {
	N        int
	Amount   int64
	Attempts []liarAttempt
	End      string   // "", cancel, supersede: between the first and the second wave
	Refunds  []string // asked for in the second wave: part, all, reject
	Reverse  bool     // the provider takes the money back in the second wave
	Late     string   // "", again, late, decline then succeed: money in the second or third wave
}

// liarAttempt is one payment.
type liarAttempt struct {
	Provider string
	Armed    bool      // comes true before the checkout's answer
	Lies     []liarAct // told before anything is true
	Acts     []liarAct
}

// liarAct is what the provider makes true, and what it tells of it.
type liarAct struct {
	Outcome string
	Other   int64  // taken instead of what was asked
	Mangle  string // what banks do to the content of a transfer
	Content string // what the payer writes instead
	Tell    bool
	Copies  int
	Delay   int
	Forge   bool
	Claim   int64 // the amount that is told, which is not true
}

// wallets take money themselves; the others are bank accounts that somebody watches, or nobody.
func wallets() []string      { return []string{"vnpay", "momo", "zalopay", "dvcqg"} }
func liarBanks() []string    { return []string{"sepay", "casso", "payos", "vietqr"} }
func isWallet(p string) bool { return slices.Contains(wallets(), p) }

// draw makes the n-th order of a seed.
func draw(seed uint64, n int) liarOrder {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	chance := func(percent int) bool { return r.IntN(100) < percent }
	o := liarOrder{N: n, Amount: int64(10+r.IntN(490)) * 1000}
	for a := 0; a == 0 || a < 3 && chance(25); a++ {
		p := liarAttempt{Provider: one(append(wallets(), liarBanks()...)...)}
		p.Armed = isWallet(p.Provider) && chance(12)
		for chance(20) {
			p.Lies = append(p.Lies, liarAct{Outcome: "leave_pending", Tell: true, Copies: 1 + r.IntN(2), Forge: true})
		}
		if isWallet(p.Provider) && chance(15) {
			p.Lies = append(p.Lies, liarAct{Outcome: "leave_pending", Tell: true, Copies: 1 + r.IntN(2), Claim: o.Amount + 1000})
		}
		for range 1 + r.IntN(10)/8 {
			act := liarAct{Outcome: "succeed", Tell: chance(70), Copies: 1, Delay: 0}
			if chance(30) {
				act.Copies = 1 + r.IntN(5)
			}
			if chance(30) {
				act.Delay = 1 + r.IntN(150)
			}
			switch k := r.IntN(100); {
			case k < 58:
			case k < 68:
				act.Other = max(1000, o.Amount+int64(r.IntN(11)-5)*1000)
			case k < 84 && isWallet(p.Provider):
				act.Outcome = one("decline", "decline", "expire", "leave_pending")
			case k < 84:
				act.Mangle = one("prefix", "words", "suffix", "lower", "spaces", "name|lower", "truncate", "damage", "prefix|damage", "dashes|suffix")
			case k < 90 && !isWallet(p.Provider):
				act.Content = one("NOP LE PHI HO SO", "PHX22222", "chuyen tien")
			case k < 94 && isWallet(p.Provider):
				act.Claim = o.Amount - 1000
			case k < 97:
				continue // nothing ever happens
			}
			p.Acts = append(p.Acts, act)
			if isWallet(p.Provider) {
				break
			}
		}
		o.Attempts = append(o.Attempts, p)
	}
	switch k := r.IntN(100); {
	case k < 7:
		o.End = "cancel"
	case k < 14:
		o.End = "supersede"
	}
	switch k := r.IntN(100); {
	case k < 25:
		for range 1 + r.IntN(2) {
			o.Refunds = append(o.Refunds, one("part", "part", "all", "reject"))
		}
	case k < 33:
		o.Reverse = true
	case k < 45:
		o.Late = "again"
	case k < 55:
		o.Late = "late"
	}
	return o
}

func (o liarOrder) String() string { return fmt.Sprintf("%+v", struct{ liarPlan }{liarPlan(o)}) }

type liarPlan liarOrder
