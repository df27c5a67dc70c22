package gateway

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lib/pq"
)

// creation is one order on its way into a batch. answer is what it answers, another one where it was refused or is a replay.
type creation struct {
	caller  Caller
	key     Key
	in      *NewOrder
	effects *effects
	answer  Answer
}

// createTogether writes a batch of orders as one statement. What the database would refuse must not fail its neighbours: the
// batch is written in good hope; where that fails, the refused ones are found by one query and go alone, each to its own
// answer.
func (g *Gateway) createTogether(ctx context.Context, batch []*waiting[*creation]) {
	batch = g.apart(batch)
	var err error
	for range 2 {
		if len(batch) == 0 {
			return
		}
		all := &effects{}
		for _, w := range batch {
			all.add(w.work.effects)
		}
		if err = all.write(ctx, g.db); err == nil {
			for _, w := range batch {
				w.finish(nil)
			}
			return
		}
		if violated(err) == "" {
			break
		}
		var refused map[int]bool
		if refused, err = g.refusedOf(ctx, batch); err != nil {
			break
		}
		var rest []*waiting[*creation]
		for i, w := range batch {
			if refused[i] {
				w.alone(ctx, g.finishAlone)
			} else {
				rest = append(rest, w)
			}
		}
		batch = rest
	}
	if violated(err) == "" && err != nil && !deadlocked(err) { // the database is away: each hears it at once
		for _, w := range batch {
			w.finish(fmt.Errorf("creating an order: %w", err))
		}
		return
	}
	for _, w := range batch {
		w.alone(ctx, g.finishAlone)
	}
}

func (g *Gateway) finishAlone(ctx context.Context, c *creation) (err error) {
	c.answer, err = g.createAlone(ctx, c)
	return err
}

// apart keeps those of the batch that do not stand in each other's way; the others are put back for the next.
func (g *Gateway) apart(batch []*waiting[*creation]) []*waiting[*creation] {
	taken := map[any]bool{}
	kept := batch[:0:0]
	for _, w := range batch {
		c := w.work
		claims := []any{[4]string{c.key.Principal, c.key.Method, c.key.Path, c.key.Key}, [2]string{c.caller.ClientID, c.in.Reference}}
		for _, l := range c.effects.lines {
			claims = append(claims, [5]string{l.SourceSystem, l.DossierCode, l.FeeCode, l.Purpose})
		}
		free := true
		for _, k := range claims {
			free = free && !taken[k]
		}
		if !free {
			g.creating.again(w)
			continue
		}
		for _, k := range claims {
			taken[k] = true
		}
		kept = append(kept, w)
	}
	return kept
}

// refusedOf finds which of the batch a constraint forbids, by place.
func (g *Gateway) refusedOf(ctx context.Context, batch []*waiting[*creation]) (map[int]bool, error) {
	type claim struct {
		N         int    `json:"n"`
		Principal string `json:"principal"`
		Method    string `json:"method"`
		Path      string `json:"path"`
		Key       string `json:"key"`
		Client    string `json:"client"`
		Reference string `json:"reference"`
		Procedure string `json:"procedure"`
		Agency    string `json:"agency"`
	}
	type fee struct {
		N       int    `json:"n"`
		Source  string `json:"source"`
		Dossier string `json:"dossier"`
		Fee     string `json:"fee"`
		Purpose string `json:"purpose"`
	}
	var claims []claim
	var fees []fee
	for i, w := range batch {
		c := w.work
		claims = append(claims, claim{i, c.key.Principal, c.key.Method, c.key.Path, c.key.Key, c.caller.ClientID, c.in.Reference, c.in.ProcedureCode, c.in.AgencyCode})
		for _, l := range c.effects.lines {
			fees = append(fees, fee{i, l.SourceSystem, l.DossierCode, l.FeeCode, l.Purpose})
		}
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	f, err := json.Marshal(fees)
	if err != nil {
		return nil, err
	}
	var places pq.Int64Array
	if err := g.db.QueryRowContext(ctx, `SELECT coalesce(array_agg(DISTINCT n), '{}') FROM (
		SELECT c.n FROM json_to_recordset($1) AS c(n bigint, principal text, method text, path text, key text, client text, reference text, procedure text, agency text)
		WHERE EXISTS (SELECT FROM idempotency_keys k WHERE (k.principal, k.method, k.path, k.key) = (c.principal, c.method, c.path, c.key))
			OR EXISTS (SELECT FROM orders o WHERE o.client_id = c.client AND o.reference = c.reference)
			OR NOT EXISTS (SELECT FROM procedures p WHERE p.code = c.procedure) OR NOT EXISTS (SELECT FROM agencies a WHERE a.code = c.agency)
		UNION ALL
		SELECT f.n FROM json_to_recordset($2) AS f(n bigint, source text, dossier text, fee text, purpose text)
		WHERE EXISTS (SELECT FROM order_lines l WHERE l.live AND (l.source_system, l.dossier_code, l.fee_code, l.purpose) = (f.source, f.dossier, f.fee, f.purpose))) x`,
		string(c), string(f)).Scan(&places); err != nil {
		return nil, fmt.Errorf("finding what the database refused: %w", err)
	}
	refused := map[int]bool{}
	for _, n := range places {
		refused[int(n)] = true
	}
	return refused, nil
}
