package reconciliation

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation/document"
)

// StateFilter says which days are asked for; "" asks for any.
type StateFilter struct {
	From, To, AccountID, Status string
	After                       string // the next of an earlier answer
	Limit                       int
}

var stateCursor = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}~[A-Za-z0-9_-]{1,64}$`)

// DayStates lists the days that have come to anything, of accounts that the caller may see, by date; next is "" at the end.
func (r *Reconciler) DayStates(ctx context.Context, c gateway.Caller, f StateFilter) (items []DayState, next string, err error) {
	for _, d := range []struct{ field, value string }{{"from", f.From}, {"to", f.To}} {
		if d.value != "" {
			if err := checkDate(d.field, d.value); err != nil {
				return nil, "", err
			}
		}
	}
	if err := oneOf("status", f.Status, dayStates...); err != nil {
		return nil, "", err
	}
	if f.After != "" && (!stateCursor.MatchString(f.After) || checkDate("after", f.After[:len(time.DateOnly)]) != nil) {
		return nil, "", invalid("after", "must be the next of an earlier answer")
	}
	if f.AccountID != "" {
		if _, err := r.Account(ctx, c, f.AccountID); err != nil {
			return nil, "", err
		}
	}
	if items, err = r.listStates(ctx, c, f); err != nil {
		return nil, "", fmt.Errorf("listing days: %w", err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		next = items[f.Limit-1].Date + "~" + items[f.Limit-1].AccountID
	}
	return items, next, nil
}

// DayDetail gives a day's state with its figures and versions, and what a close would be refused for as the rows stand.
func (r *Reconciler) DayDetail(ctx context.Context, c gateway.Caller, accountID, date string) (*DayDetail, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	return r.detail(ctx, accountID, date)
}

// DayVersion gives one closing of a day and how it differs from another, the one before it where none (0) is named.
func (r *Reconciler) DayVersion(ctx context.Context, c gateway.Caller, accountID, date string, n, against int) (*FullVersion, error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, err
	}
	v, text, err := r.version(ctx, accountID, date, n)
	if err != nil {
		return nil, err
	}
	out := &FullVersion{DayVersion: *v, AccountID: accountID, Date: date, Against: against, Diff: []FigureChange{}}
	if err := readFigures([]byte(text), &out.Figures); err != nil {
		return nil, err
	}
	if against == 0 {
		out.Against = n - 1
	}
	if out.Against > 0 {
		_, before, err := r.version(ctx, accountID, date, out.Against)
		if err != nil {
			return nil, err
		}
		if out.Diff, err = diff(before, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Adjustments lists what landed on a day, and what left it after it was closed.
func (r *Reconciler) Adjustments(ctx context.Context, c gateway.Caller, accountID, date string) (landed, left []Adjustment, err error) {
	if err := r.onDay(ctx, c, accountID, date); err != nil {
		return nil, nil, err
	}
	if landed, err = adjustments(ctx, r.db, `account_id = $1 AND date = $2`, accountID, date); err != nil {
		return nil, nil, err
	}
	left, err = adjustments(ctx, r.db, `account_id = $1 AND for_date = $2`, accountID, date)
	return landed, left, err
}

// broken says what of a signature does not hold, "" where all does.
func (l *link) broken(accountID string, seq int64, last *string) string {
	var doc signedDocument
	switch {
	case l.Seq != seq:
		return fmt.Sprintf("signature %d is missing", seq)
	case document.Digest(l.Document) != l.SHA256:
		return "the document does not have the hash that was signed"
	case told(l.Previous) != told(last):
		return "it does not hold the hash of the signature before it"
	case json.Unmarshal([]byte(l.Document), &doc) != nil:
		return "the document cannot be read"
	case doc.AccountID != accountID || doc.Date != l.Date || doc.Version != l.N || doc.Seq != l.Seq || told(doc.Previous) != told(l.Previous) ||
		doc.ClosedBy != l.ClosedBy || doc.SignedBy != l.SignedBy || !doc.SignedAt.Equal(l.SignedAt.Time):
		return "the signature's row differs from the document that was signed"
	case !l.FiguresAt.Valid:
		return "the version that was signed is gone"
	case document.Digest(string(doc.Figures)) != l.FiguresAt.String || l.Figures.Valid && l.Figures.String != string(doc.Figures) || l.VersionBy.String != doc.ClosedBy || !l.VersionAt.Time.Equal(doc.ClosedAt):
		return "the version differs from the document that was signed"
	case !l.DayStatus.Valid:
		return "the day is gone"
	case l.DayStatus.String == daySigned && l.DayN.Int64 == int64(l.N) && (l.DaySHA.String != l.SHA256 || l.Figures.Valid && !sameFigures(l.DayText, l.Figures.String)):
		return "the day shows other figures than were signed"
	case l.DayN.Int64 < int64(l.N):
		return "the day was set back to an earlier version"
	}
	return ""
}

func sameFigures(raw []byte, text string) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return false
	}
	got, _, err := document.Canonical(json.RawMessage(raw))
	return err == nil && got == text
}

// Verification is what following the signatures of some accounts found.
type Verification struct {
	Accounts   int          `json:"accounts"`
	Signatures int64        `json:"signatures"`
	Days       int          `json:"days"` // closed or signed, whose rows were added up again
	Intact     bool         `json:"intact"`
	Breaks     []ChainBreak `json:"breaks"` // of each account the first of its chain, then each day whose rows differ
}

// VerifyDays follows the chain of each account that the caller may see, or of one, and adds up the rows of every day that is closed again.
func (r *Reconciler) VerifyDays(ctx context.Context, c gateway.Caller, accountID string) (*Verification, error) {
	ids, err := r.accountsOf(ctx, c, accountID)
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	v := &Verification{Accounts: len(ids), Breaks: []ChainBreak{}}
	for _, id := range ids {
		chain, err := r.chain(ctx, id, "")
		if err != nil {
			return nil, err
		}
		v.Signatures += chain.Length
		if chain.Break != nil {
			v.Breaks = append(v.Breaks, *chain.Break)
		}
		days, err := r.closedDays(ctx, id)
		if err != nil {
			return nil, err
		}
		for i := range days {
			what, err := r.rowsDiffer(ctx, &days[i])
			if err != nil {
				return nil, err
			}
			if what != "" {
				v.Breaks = append(v.Breaks, ChainBreak{AccountID: id, Date: days[i].Date, Version: days[i].Version, What: what})
			}
		}
		v.Days += len(days)
	}
	v.Intact = len(v.Breaks) == 0
	return v, nil
}

// rowsDiffer says which figure of a closed day its rows do not tell any more.
func (r *Reconciler) rowsDiffer(ctx context.Context, s *DayState) (string, error) {
	if id, err := edited(ctx, r.db, s); err != nil || id != "" {
		return "the closing counted " + id + " with another amount", err
	}
	changes, err := r.noLonger(ctx, r.db, s)
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		switch c.Field { // what no matching has adjusted yet
		case "payments.count", "payments.amount", "difference", "unexplained_difference":
			continue
		}
		return c.Field + " " + c.Detail, nil
	}
	return "", nil
}

// AdjustLate matches the accounts on whose closed days something has come, so that it counts on an open day within a minute, not at the next
// matching. It gives how many there were.
func (r *Reconciler) AdjustLate(ctx context.Context, limit int) (int, error) {
	days, err := r.unadjusted(ctx, r.now().Add(-namedWithin))
	if days = days[:min(len(days), limit)]; err != nil || len(days) == 0 {
		return 0, err
	}
	_, err = r.match(ctx, days, true) // they are closed: what is matched is where it lands
	return len(days), err
}

// WaitingDay is a day that waits for a second person: What is sign or reopen.
type WaitingDay struct {
	AccountID string     `db:"account_id"`
	Date      string     `db:"date"`
	What      string     `db:"what"`
	Amount    vnd.Signed `db:"amount"`
	By        string     `db:"by"`
	At        time.Time  `db:"at"`
}
