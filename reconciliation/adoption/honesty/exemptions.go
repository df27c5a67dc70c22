package honesty

import (
	"context"
	"time"

	"feegate/reconciliation/adoption"
)

// ExemptionGroup is what was taken off orders for one reason (form BM-06).
type ExemptionGroup struct {
	Group    string        `json:"group"` // the exemption's group, or its legal basis
	Type     string        `json:"type"`  // exempt or reduced
	Count    int64         `json:"count"` // of orders
	Forgone  int64         `json:"forgone"`
	Evidence adoption.Rate `json:"evidence"` // orders with evidence of their own
}

// Exemptions are the period's, by group.
type Exemptions struct {
	Definition string           `json:"definition"`
	Period     adoption.Period  `json:"period"`
	AsOf       time.Time        `json:"as_of"`
	Rows       []ExemptionGroup `json:"rows"`
	Units      []ExemptionUnit  `json:"units"`
}

// ExemptionUnit is an agency's and a program's share of orders that came to nothing.
type ExemptionUnit struct {
	Agency Agency        `json:"agency"`
	By     string        `json:"by"` // the program that asked
	Share  adoption.Rate `json:"share"`
}

// Exemptions counts what was taken off.
func (b *Book) Exemptions(ctx context.Context, q Question) (*Exemptions, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	definition, _, err := b.definition(ctx, s.to.AddDate(0, 0, -1))
	if err != nil {
		return nil, err
	}
	e := &Exemptions{Definition: definition, Period: adoption.Period{From: q.From, To: q.To}, AsOf: s.asOf}
	if e.Rows, err = b.exemptionGroups(ctx, q, s); err != nil {
		return nil, err
	}
	e.Units, err = b.exemptionUnits(ctx, q, s)
	return e, err
}

// Sampled is an exempt order drawn for checking.
type Sampled struct {
	Order      string    `json:"order"`
	Dossier    string    `json:"dossier_code"`
	Agency     string    `json:"agency_code"`
	Type       string    `json:"type"`
	Amount     int64     `json:"amount"`
	LegalBasis string    `json:"legal_basis"`
	Evidence   string    `json:"evidence"`
	CreatedAt  time.Time `json:"created_at"`
}

// Sample draws exempt orders of a period for checking against their papers: the same seed draws the same.
func (b *Book) Sample(ctx context.Context, q Question, seed string, size int) ([]Sampled, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	return b.sample(ctx, q, s, seed, max(1, min(size, MaxLines)))
}
