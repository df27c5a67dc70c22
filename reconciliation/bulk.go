package reconciliation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"feegate/gateway"
)

// mostAtOnce is how many discrepancies are resolved or decided on in one call.
const mostAtOnce = 500

// BulkResolution is one thing done about many discrepancies that are alike; it has the shape of the API's body.
type BulkResolution struct {
	IDs      []string `json:"ids"`
	Action   string   `json:"action"`
	Note     string   `json:"note"`
	Owner    string   `json:"owner,omitempty"`
	Deadline string   `json:"deadline,omitempty"`
}

// Done is what became of one of many.
type Done struct {
	ID string `json:"id"`
	*Resolution
}

// ResolveAll does to each what [Reconciler.Resolve] does to one, all or nothing: discrepancies of one kind, of accounts of one provider
// and agency. What needs two people becomes a proposal for each.
func (r *Reconciler) ResolveAll(ctx context.Context, c gateway.Caller, k gateway.Key, in BulkResolution) (gateway.Answer, error) {
	if a, found, err := r.gateway.Replay(ctx, k); err != nil || found {
		return a, err
	}
	one := NewResolution{Action: in.Action, Note: in.Note, Owner: in.Owner, Deadline: in.Deadline}
	if err := checkIDs(in.IDs); err != nil {
		return gateway.Answer{}, err
	}
	if in.Action == AcceptMatch {
		return gateway.Answer{}, invalid("action", "accept_match names a payment for each: it goes one by one")
	}
	if err := one.validate(); err != nil {
		return gateway.Answer{}, err
	}
	var answer gateway.Answer
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) error {
		done, err := r.proposeAll(ctx, tx, c, in.IDs, one)
		if err != nil {
			return err
		}
		body, err := json.Marshal(struct {
			Items []Done `json:"items"`
		}{done})
		if err != nil {
			return err
		}
		answer = gateway.Answer{Status: http.StatusCreated, Body: body}
		return gateway.KeepKey(ctx, tx, k, in.IDs[0], answer, r.now())
	})
	if gateway.KeyTaken(err) {
		a, _, err := r.gateway.Replay(ctx, k)
		return a, err
	}
	return answer, err
}

// DecideAll agrees to the proposals that wait for these discrepancies, or rejects them, all or nothing.
func (r *Reconciler) DecideAll(ctx context.Context, c gateway.Caller, ids []string, approve bool) ([]Done, error) {
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	var done []Done
	err := r.undisturbed(ctx, func(tx *sqlx.Tx) (err error) {
		done, err = r.decideAll(ctx, tx, c, ids, approve)
		return err
	})
	return done, err
}

func checkIDs(ids []string) error {
	if len(ids) == 0 || len(ids) > mostAtOnce {
		return invalid("ids", fmt.Sprintf("must name 1 to %d discrepancies", mostAtOnce))
	}
	seen := map[string]bool{}
	p := &gateway.Problem{Name: gateway.ProblemInvalid}
	for i, id := range ids {
		if seen[id] {
			p.Fields = append(p.Fields, gateway.FieldError{Field: place(i), Detail: "is given twice"})
		}
		seen[id] = true
	}
	return refused(p)
}

func place(i int) string { return fmt.Sprintf("ids[%d]", i) }

// refused gives the problem where it names anything; at most a hundred are named.
func refused(p *gateway.Problem) error {
	const most = 100
	if len(p.Fields) == 0 {
		return nil
	}
	p.Fields = p.Fields[:min(len(p.Fields), most)]
	return p
}

// each calls f with every discrepancy, in the order asked for, and gathers what it refuses by place: a state that is in the way is a conflict.
func each(ids []string, by map[string]*Discrepancy, f func(*Discrepancy) error) error {
	all := &gateway.Problem{Name: gateway.ProblemInvalid}
	for i, id := range ids {
		d := by[id]
		err := error(notFound("discrepancy"))
		if d != nil {
			err = f(d)
		}
		if err == nil {
			continue
		}
		name := gateway.ProblemName(err)
		if name == "" {
			return err
		}
		var p *gateway.Problem
		errors.As(err, &p)
		if name != gateway.ProblemInvalid && name != gateway.ProblemNotFound && (all.Name == gateway.ProblemInvalid || name == gateway.ProblemSecondPerson) {
			all.Name = name
		}
		detail := p.Detail
		for _, f := range p.Fields {
			detail = f.Detail
		}
		all.Fields = append(all.Fields, gateway.FieldError{Field: place(i), Detail: detail})
	}
	return refused(all)
}

func (r *Reconciler) proposeAll(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, ids []string, in NewResolution) ([]Done, error) {
	by, err := r.lockAll(ctx, tx, c, ids)
	if err != nil {
		return nil, err
	}
	now := r.now()
	var first *Discrepancy
	var kin string
	err = each(ids, by, func(d *Discrepancy) error {
		whose, err := r.kinOf(ctx, c, d)
		if err != nil {
			return err
		}
		if first == nil {
			first, kin = d, whose
		}
		switch {
		case d.Kind != first.Kind:
			return invalid("ids", "is of another kind than the first, which is "+first.Kind)
		case whose != kin:
			return invalid("ids", "is of another provider or agency than the first")
		case d.Status == "resolved":
			return &gateway.Problem{Name: ProblemResolution, Detail: "the discrepancy is resolved"}
		case d.Proposed != nil:
			return &gateway.Problem{Name: ProblemResolution, Detail: "a resolution of it waits for another person's decision"}
		}
		return d.suits(in.Action)
	})
	if err != nil {
		return nil, err
	}
	if err := r.assigned(ctx, tx, c, &in, first.AccountID); err != nil {
		return nil, err
	}
	if in.Action == RecordPayment {
		if err := each(ids, by, func(d *Discrepancy) error { return r.fits(ctx, tx, c, d, in) }); err != nil {
			return nil, err
		}
	}
	return insertResolutions(ctx, tx, c, ids, by, in, now)
}

// kinOf is the provider and agency of a discrepancy's account.
func (r *Reconciler) kinOf(ctx context.Context, c gateway.Caller, d *Discrepancy) (string, error) {
	e, err := r.Account(ctx, c, d.AccountID)
	if err != nil {
		return "", err
	}
	return e.Account.Provider + "/" + e.Account.AgencyCode, nil
}

func (r *Reconciler) decideAll(ctx context.Context, tx *sqlx.Tx, c gateway.Caller, ids []string, approve bool) ([]Done, error) {
	by, err := r.lockAll(ctx, tx, c, ids)
	if err != nil {
		return nil, err
	}
	latest, err := lastResolutions(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var days []accountDay
	err = each(ids, by, func(d *Discrepancy) error {
		p := latest[d.ID]
		if p == nil {
			return &gateway.Problem{Name: ProblemResolution, Detail: "nothing is proposed for it"}
		}
		again, err := r.decide(ctx, tx, c, d, p, approve)
		if day := (accountDay{d.AccountID, d.Date}); again && !slices.Contains(days, day) {
			days = append(days, day)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(days) > 0 {
		if err := r.matchIn(ctx, tx, days); err != nil {
			return nil, err
		}
	}
	done := make([]Done, 0, len(ids))
	for _, id := range ids {
		done = append(done, Done{id, latest[id]})
	}
	return done, nil
}

// becomes says what a proposal makes of its discrepancy: what needs two people waits, and changes nothing yet.
func (in *NewResolution) becomes() (resolution, what, status, note string) {
	if NeedsTwo(in.Action) {
		return resolutionProposed, "proposed", "", "proposed " + in.Action + ": "
	}
	if in.Action == Explain {
		status = "resolved"
	}
	return resolutionDone, "done", status, in.Action + ": "
}

func week(now time.Time) string { return now.Add(dueIn).In(vietnam).Format(time.DateOnly) }
