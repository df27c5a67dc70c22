package reconciliation

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

// Proposal kinds.
const (
	MatchPayout  = "payout"  // these credits pay these days out
	MatchDeposit = "deposit" // this credit brought this slip's cash
	MatchPayment = "payment" // this settlement line is this payment
)

// Match is something that may belong together and that no rule dares to say: a person accepts it, once, or leaves it. Its id is that of
// its contents. Score is what speaks for it, in percent; it is no probability.
type Match struct {
	ID          string       `json:"id"`
	Kind        string       `json:"kind"`
	AccountID   string       `json:"account_id"`
	Score       int          `json:"score"`
	Reason      string       `json:"reason"`
	Amount      vnd.Signed   `json:"amount"`
	Credits     []bankCredit `json:"-"`
	CreditIDs   []int64      `json:"credits"`
	Days        []settledDay `json:"-"`
	PayoutDays  []PayoutDay  `json:"days"`
	DepositID   string       `json:"deposit_id,omitempty"`
	PaymentID   string       `json:"payment_id,omitempty"`
	LineID      int64        `json:"line_id,omitempty"`
	Discrepancy string       `json:"discrepancy,omitempty"`
	slip        slipPair
}

// name gives a proposal its id, and what the outside sees of its parts.
func (m *Match) name() {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%s|%s|%d", m.Kind, m.AccountID, m.DepositID, m.PaymentID, m.LineID)
	m.CreditIDs, m.PayoutDays = []int64{}, []PayoutDay{}
	for _, c := range m.Credits {
		fmt.Fprintf(&b, "|c%d", c.ID)
		m.CreditIDs = append(m.CreditIDs, c.ID)
	}
	for _, d := range m.Days {
		fmt.Fprintf(&b, "|d%s %s %d", d.AccountID, d.Date, d.Net)
		m.PayoutDays = append(m.PayoutDays, PayoutDay{AccountID: d.AccountID, Date: d.Date, Net: d.Net, Amount: d.Net, CountsOn: d.Date})
	}
	sum := sha256.Sum256([]byte(b.String()))
	m.ID = "prp_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15]))
}

// Proposals are looked for so far back, among so many credits, and so many are given.
const (
	proposedWithin = 60
	maxFree        = 200
	maxProposals   = 100
)

// payoutProposals are the payouts that sums alone suggest: one credit for a run of days, two for one day.
func payoutProposals(days []settledDay, credits []bankCredit) (out []Match) {
	taken, order := make([]bool, len(days)), inOrder(days)
	for n := range credits {
		c := &credits[n]
		if c.Amount <= 0 {
			continue
		}
		runs := runsOf(days, order, c, taken)
		for _, r := range runs {
			d := &days[order[r.from]]
			if c.Account != "" && d.AccountID != c.Account || c.Provider != "" && d.Provider != c.Provider {
				continue
			}
			m := Match{Kind: MatchPayout, AccountID: d.AccountID, Score: 40, Amount: c.Amount, Credits: []bankCredit{*c}, Reason: "the sum is the net of these days"}
			for i := r.from; i <= r.to; i++ {
				m.Days = append(m.Days, days[order[i]])
			}
			if c.Account != "" || c.Provider != "" {
				m.Score, m.Reason = m.Score+25, m.Reason+"; the text names the provider"
			}
			if m.Days[len(m.Days)-1].Date >= before(c.BookedOn, 3) {
				m.Score, m.Reason = m.Score+15, m.Reason+"; booked within three days"
			}
			if len(runs) == 1 {
				m.Score, m.Reason = m.Score+10, m.Reason+"; no other days come to it"
			}
			out = append(out, m)
		}
		for o := n + 1; o < len(credits); o++ {
			e := &credits[o]
			if e.Amount <= 0 || e.BankAccount != c.BankAccount {
				continue
			}
			for _, i := range order {
				d := &days[i]
				if d.Waits || d.Net == 0 || d.Net != c.Amount+e.Amount || d.Date >= min(c.BookedOn, e.BookedOn) || d.Date < before(max(c.BookedOn, e.BookedOn), runWithin) ||
					c.Account != "" && d.AccountID != c.Account || e.Account != "" && d.AccountID != e.Account {
					continue
				}
				out = append(out, Match{Kind: MatchPayout, AccountID: d.AccountID, Score: 35, Amount: d.Net, Credits: []bankCredit{*c, *e}, Days: []settledDay{*d}, Reason: "the two sums together are the net of this day"})
			}
		}
	}
	return out
}

// ProposedMatches are the matches that a person may accept, of one account or of all that the caller may work on, the likeliest first.
func (r *Reconciler) ProposedMatches(ctx context.Context, c gateway.Caller, accountID string) ([]Match, error) {
	ids, err := r.accountsOf(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	return r.proposals(ctx, r.db, ids)
}

func (r *Reconciler) proposals(ctx context.Context, x sqlx.QueryerContext, ids []string) ([]Match, error) {
	now := r.now().In(vietnam)
	days, credits, err := r.unpaidDays(ctx, x, ids, now.AddDate(0, 0, -proposedWithin).Format(time.DateOnly), now.Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	out := append([]Match{}, payoutProposals(days, credits)...)
	payments, err := r.paymentProposals(ctx, x, ids)
	if err != nil {
		return nil, err
	}
	out = append(out, payments...)
	pairs, err := slipPairs(ctx, x)
	if err != nil {
		return nil, err
	}
	_, slips, err := r.judgeSlips(pairs)
	if err != nil {
		return nil, err
	}
	for _, s := range slips {
		owner, err := firstAccount(ctx, x, s.Agency)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, owner) {
			out = append(out, Match{Kind: MatchDeposit, AccountID: owner, Score: s.score, Amount: vnd.Signed(s.Amount), DepositID: s.Deposit, Reason: "the sum is the slip's, and it was booked about then",
				Credits: []bankCredit{{ID: s.Line, BankAccount: s.Bank, Amount: vnd.Signed(s.Amount), BookedOn: s.BookedOn.Format(time.DateOnly)}}, slip: s.slipPair})
		}
	}
	for i := range out {
		out[i].name()
	}
	slices.SortStableFunc(out, func(a, b Match) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)) })
	return out[:min(len(out), maxProposals)], nil
}

// Accept does what a proposal says, if it still is one: the unique indexes of the database hold that nothing is used twice, whoever else accepts.
func (r *Reconciler) Accept(ctx context.Context, c gateway.Caller, accountID, id, note string) (*Match, error) {
	if _, err := r.Account(ctx, c, accountID); err != nil {
		return nil, err
	}
	if n := len([]rune(strings.TrimSpace(note))); n < 1 || n > maxNote {
		return nil, invalid("note", fmt.Sprintf("must say why, in 1 to %d characters", maxNote))
	}
	var done *Match
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		all, err := r.proposals(ctx, tx, []string{accountID})
		if err != nil {
			return err
		}
		n := slices.IndexFunc(all, func(m Match) bool { return m.ID == id })
		if n < 0 {
			return &gateway.Problem{Name: ProblemResolution, Detail: "this is proposed no more: it was accepted, or the facts have changed"}
		}
		done = &all[n]
		switch done.Kind {
		case MatchDeposit:
			return r.bringSlip(ctx, tx, done.slip, PayoutPerson, c.Actor)
		case MatchPayment:
			_, err := r.propose(ctx, tx, c, done.Discrepancy, NewResolution{Action: AcceptMatch, PaymentID: done.PaymentID, Note: note})
			return err
		}
		p := payout{Rule: PayoutPerson, Bank: done.Credits[0].BankAccount, Days: done.Days, Credits: done.Credits}
		p.sort()
		if err := insertPayout(ctx, tx, &p, strings.TrimSpace(note), c.Actor, r.now()); err != nil {
			return err
		}
		var days []accountDay
		for _, d := range p.Days {
			days = append(days, d.key())
		}
		named, err := creditDays(ctx, tx, p.lines())
		if err != nil {
			return err
		}
		return r.matchIn(ctx, tx, append(days, named...))
	})
	return done, err
}

// Explanation is one to three lines that together come to what is unexplained.
type Explanation struct {
	Side  string           `json:"side"` // gross or bank
	Lines []ExplainingLine `json:"lines"`
}

// ExplainingLine is a line that belongs to nothing yet; amount is what it would explain, signed as the difference is.
type ExplainingLine struct {
	Type   string     `json:"type" db:"type"` // payment, settlement_line, bank_line, day
	ID     string     `json:"id" db:"id"`
	Date   string     `json:"date" db:"date"`
	Amount vnd.Signed `json:"amount" db:"amount"`
}

// maxExplanations is how many are given for a side.
const maxExplanations = 20

// Explanations are the lines that could explain what is unexplained on a day: one, two or three that sum to it. Nothing beyond that is searched.
func (r *Reconciler) Explanations(ctx context.Context, c gateway.Caller, accountID, date string) (*Day, []Explanation, error) {
	if err := checkDate("date", date); err != nil {
		return nil, nil, err
	}
	if _, err := r.Account(ctx, c, accountID); err != nil {
		return nil, nil, err
	}
	day, err := r.Day(ctx, accountID, date)
	if err != nil {
		return nil, nil, err
	}
	out := []Explanation{}
	for _, s := range []struct {
		side string
		sum  vnd.Signed
		read func(context.Context, string, string) ([]ExplainingLine, error)
	}{{"gross", day.Unexplained, r.freeGross}, {"bank", day.BankSide.Unexplained, r.freeBank}} {
		if s.sum == 0 {
			continue
		}
		lines, err := s.read(ctx, accountID, date)
		if err != nil {
			return nil, nil, err
		}
		for _, found := range sumsTo(lines, s.sum) {
			out = append(out, Explanation{s.side, found})
		}
	}
	return day, out, nil
}

// sumsTo finds one, two or three lines that come to a sum, the fewest first.
func sumsTo(lines []ExplainingLine, sum vnd.Signed) (out [][]ExplainingLine) {
	at := map[vnd.Signed][]int{}
	for i, l := range lines {
		at[l.Amount] = append(at[l.Amount], i)
		if l.Amount == sum {
			out = append(out, []ExplainingLine{l})
		}
	}
	for i := range lines {
		for _, j := range at[sum-lines[i].Amount] {
			if j > i && len(out) < maxExplanations {
				out = append(out, []ExplainingLine{lines[i], lines[j]})
			}
		}
	}
	for i := range lines {
		for j := i + 1; j < len(lines); j++ {
			for _, k := range at[sum-lines[i].Amount-lines[j].Amount] {
				if k > j && len(out) < maxExplanations {
					out = append(out, []ExplainingLine{lines[i], lines[j], lines[k]})
				}
			}
		}
	}
	return out[:min(len(out), maxExplanations)]
}
