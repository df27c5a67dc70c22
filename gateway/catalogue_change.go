package gateway

import (
	"context"
	"errors"

	"github.com/jmoiron/sqlx"

	"feegate/gateway/catalogue"
)

func (g *Gateway) dayOrToday(on string) (string, error) {
	if on == "" {
		return g.today(), nil
	}
	if !isDay(on) {
		return "", &Problem{Name: ProblemInvalid, Fields: []FieldError{{"on", "must be a date like 2026-01-31"}}}
	}
	return on, nil
}

// Places lists the agencies with who carries on for whom on a day ("": today).
func (g *Gateway) Places(ctx context.Context, on string) ([]catalogue.Agency, error) {
	on, err := g.dayOrToday(on)
	if err != nil {
		return nil, err
	}
	return g.schedule.Places(ctx, on)
}

// Communes lists the communes with who carries on for whom.
func (g *Gateway) Communes(ctx context.Context) ([]catalogue.Commune, error) {
	return g.schedule.Communes(ctx)
}

// Groups lists the exemption groups of a day ("": today).
func (g *Gateway) Groups(ctx context.Context, on string) ([]catalogue.Group, error) {
	on, err := g.dayOrToday(on)
	if err != nil {
		return nil, err
	}
	return g.schedule.Groups(ctx, on)
}

// auditedChanges is how many rows the audit of a section names; it always says how many there were.
const auditedChanges = 500

// PutCatalogue makes a document hold, all of it or nothing; a dry run says what it would do. A person limited to agencies may not: the
// catalogue is everybody's.
func (g *Gateway) PutCatalogue(ctx context.Context, d catalogue.Document, dry bool, by By) (*catalogue.Outcome, error) {
	if len(by.Agencies) > 0 {
		return nil, &Problem{Name: ProblemNotFound, Detail: "the catalogue is the whole province's: who is limited to agencies does not change it"}
	}
	out, err := g.schedule.Put(ctx, d, dry, g.now(), func(ctx context.Context, tx sqlx.ExtContext, s catalogue.SectionOutcome) error {
		return by.Record(ctx, tx, "catalogue.changed", s.Section, map[string]any{"added": s.Added, "changed": s.Changed, "ended": s.Ended, "items": s.Items[:min(len(s.Items), auditedChanges)]})
	})
	return out, catalogueProblem(err)
}

// catalogueProblem turns what is wrong with a document into a problem.
func catalogueProblem(err error) error {
	var wrong *catalogue.InvalidError
	if !errors.As(err, &wrong) {
		return err
	}
	p := &Problem{Name: ProblemInvalid}
	for _, f := range wrong.Fields {
		p.Fields = append(p.Fields, FieldError(f))
	}
	return p
}

// ReadCatalogue reads a document from a file: a workbook, or a text table of the section.
func (g *Gateway) ReadCatalogue(raw []byte, section string) (*catalogue.Import, error) {
	im, err := catalogue.Read(raw, section)
	return im, catalogueProblem(err)
}

// InFile says of what is wrong with a document in which row of its file it stands.
func InFile(im *catalogue.Import, err error) error {
	var p *Problem
	if errors.As(err, &p) && p.Name == ProblemInvalid {
		for i := range p.Fields {
			p.Fields[i].Detail = im.Where(p.Fields[i].Field, p.Fields[i].Detail)
		}
	}
	return err
}

// ImportCatalogue takes a document as a file.
func (g *Gateway) ImportCatalogue(ctx context.Context, raw []byte, section string, dry bool, by By) (*catalogue.Outcome, error) {
	im, err := g.ReadCatalogue(raw, section)
	if err != nil {
		return nil, err
	}
	out, err := g.PutCatalogue(ctx, im.Document, dry, by)
	return out, InFile(im, err)
}
