package gateway

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// ReportClosed is what portals are told when a report on the online payment rate is closed: its figures stay as they are, under this hash.
type ReportClosed struct {
	ID          string    `json:"id"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	Revision    int       `json:"revision"`
	AsOf        time.Time `json:"as_of"`
	Definition  string    `json:"definition"`
	SHA256      string    `json:"sha256"`
	Previous    *string   `json:"previous"`
	Source      string    `json:"source"` // person, schedule, evidence: what is known since
	Numerator   int64     `json:"numerator"`
	Denominator int64     `json:"denominator"`
	Workbook    string    `json:"workbook"` // the path of all forms as a workbook
	PDF         string    `json:"pdf"`
	ClosedAt    time.Time `json:"closed_at"`
}

// TellReportClosed writes the event for every live portal, in the closing's own transaction.
func (g *Gateway) TellReportClosed(ctx context.Context, tx *sqlx.Tx, c ReportClosed) error {
	portals, err := portalsOf(ctx, tx, "live")
	if err != nil {
		return err
	}
	e := &effects{}
	for _, to := range portals {
		row, err := event("report.closed", &orderRow{ClientID: to.ClientID, SourceSystem: to.SourceSystem}, c, c.ClosedAt)
		if err != nil {
			return err
		}
		e.outbox = append(e.outbox, row)
	}
	return e.write(ctx, tx)
}
