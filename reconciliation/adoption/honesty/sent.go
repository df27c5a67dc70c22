package honesty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"feegate/gateway"
)

// MaxSent is how many flags one call may tell.
const MaxSent = 1000

// Sent is what the case system says it told the national portal of a dossier.
type Sent struct {
	DossierCode string     `json:"dossier_code"`
	Flag        *int       `json:"flag"`               // DuocThanhToanTrucTuyen
	AllZero     *bool      `json:"all_zero,omitempty"` // whether every Gia sent was 0
	SentAt      *time.Time `json:"sent_at"`
}

// NoteSent records flags that were sent; telling the same again adds nothing. It gives how many were news.
func (b *Book) NoteSent(ctx context.Context, source string, told []Sent) (int, error) {
	var bad faults
	if len(told) == 0 || len(told) > MaxSent {
		bad.add("dossiers", fmt.Sprintf("must hold 1 to %d", MaxSent))
	}
	seen := map[string]bool{}
	for i, t := range told {
		at := fmt.Sprintf("dossiers[%d].", i)
		if err := gateway.CheckDossierCode(t.DossierCode); err != nil {
			bad.add(at+"dossier_code", err.Error())
		} else if seen[t.DossierCode] {
			bad.add(at+"dossier_code", "is told twice")
		}
		seen[t.DossierCode] = true
		if t.Flag == nil || *t.Flag < 0 || *t.Flag > 2 {
			bad.add(at+"flag", "must be 0, 1 or 2")
		}
		switch {
		case t.SentAt == nil:
			bad.add(at+"sent_at", "is missing")
		case t.SentAt.After(b.now()):
			bad.add(at+"sent_at", "lies in the future")
		}
	}
	if err := bad.err(); err != nil {
		return 0, err
	}
	return b.noteSent(ctx, source, told)
}

// OfficialCounts are the official numbers of an agency and procedure, by the names that the national statistics give them; null is not 0.
type OfficialCounts struct {
	Agency           string `json:"agency_code"`
	Procedure        string `json:"procedure_code"`
	OnlineDossiers   *int64 `json:"totalDossierOnlinePaymentSuccess"`
	ObligedDossiers  *int64 `json:"totalDossierFinancialObligation"`
	OnlineProcedures *int64 `json:"totalDossierOnlineFormalityPaymentSuccess"`
	FeeDistinct      *int64 `json:"totalFeeDossierFormalityDistinct"`
	FeeDossiers      *int64 `json:"totalFeeDossierFormality"`
	FeeProcedures    *int64 `json:"totalFeeFormality"`
}

// Official is an import of official counts, with the answer they were read from, to the byte.
type Official struct {
	From      string           `json:"from"`
	To        string           `json:"to"`
	Source    string           `json:"source"`
	FetchedAt *time.Time       `json:"fetched_at"`
	Raw       []byte           `json:"raw"` // base64
	Counts    []OfficialCounts `json:"counts"`
}

// ImportOfficial keeps official counts as a new import; the same answer for the same period is the import that is there.
func (b *Book) ImportOfficial(ctx context.Context, by string, in Official) (imported *OfficialImport, created bool, err error) {
	var bad faults
	from, to := dayOf(&bad, "from", in.From), dayOf(&bad, "to", in.To)
	if len(bad) == 0 && to.Before(from) {
		bad.add("to", "lies before from")
	}
	if n := len(strings.TrimSpace(in.Source)); n == 0 || n > 300 {
		bad.add("source", "must be 1 to 300 bytes")
	}
	switch {
	case in.FetchedAt == nil:
		bad.add("fetched_at", "is missing")
	case in.FetchedAt.After(b.now()):
		bad.add("fetched_at", "lies in the future")
	}
	if len(in.Raw) == 0 {
		bad.add("raw", "is missing: the answer as it was received, in base64")
	}
	if len(in.Counts) == 0 || len(in.Counts) > 20000 {
		bad.add("counts", "must hold 1 to 20000 rows")
	}
	seen := map[[2]string]bool{}
	for i, c := range in.Counts {
		at := fmt.Sprintf("counts[%d].", i)
		if len(c.Agency) > 40 || len(c.Procedure) > 40 {
			bad.add(at+"agency_code", "codes have at most 40 bytes")
		}
		if seen[[2]string{c.Agency, c.Procedure}] {
			bad.add(at+"agency_code", "stands twice with this procedure")
		}
		seen[[2]string{c.Agency, c.Procedure}] = true
		for _, n := range []*int64{c.OnlineDossiers, c.ObligedDossiers, c.OnlineProcedures, c.FeeDistinct, c.FeeDossiers, c.FeeProcedures} {
			if n != nil && *n < 0 {
				bad.add(at+"counts", "must not be negative")
			}
		}
		if len(bad) > 100 {
			break
		}
	}
	if err := bad.err(); err != nil {
		return nil, false, err
	}
	digest := sha256.Sum256(in.Raw)
	return b.importOfficial(ctx, by, hex.EncodeToString(digest[:]), in)
}

// nightly is the hour, in Vietnamese time, from which the day's comparison is made; window is how far back it looks.
const (
	nightly = 1
	window  = 400
)

// CompareFlags makes the nightly comparison of what each dossier deserves with what was sent, once a day. It gives 1 when it was made.
func (b *Book) CompareFlags(ctx context.Context, _ int) (int, error) {
	now := b.now().In(zone)
	if now.Hour() < nightly {
		return 0, nil
	}
	return b.compareFlags(ctx, now)
}

// Run is one nightly comparison.
type Run struct {
	Date        string    `json:"date"`
	Since       string    `json:"since"` // dossiers that started from this day on
	Dossiers    int64     `json:"dossiers"`
	Differences int64     `json:"differences"`
	Definition  string    `json:"definition"`
	RecordedAt  time.Time `json:"recorded_at"`
}

// Difference is a dossier whose flag must change.
type Difference struct {
	DossierCode string    `json:"dossier_code"`
	Source      string    `json:"source_system"`
	Agency      string    `json:"agency_code"`
	Procedure   string    `json:"procedure_code"`
	StartedAt   time.Time `json:"started_at"`
	Deserved    int       `json:"deserved"`
	Sent        *int      `json:"sent"`
	Since       time.Time `json:"since"`
	position    string
}

// Differences is a page of a run's. No run: none was made yet.
type Differences struct {
	Run   *Run         `json:"run"`
	Items []Difference `json:"items"`
	Next  *string      `json:"next"`
}

// Differences lists what must change by the run of a day, or the last. Source, where given, is the case system that asks.
func (b *Book) Differences(ctx context.Context, date, source string, agencies []string, limit int, after string) (*Differences, error) {
	if date != "" {
		var bad faults
		dayOf(&bad, "date", date)
		if err := bad.err(); err != nil {
			return nil, err
		}
	}
	s := &span{}
	c, err := s.resume(after, b.now())
	if err != nil {
		return nil, err
	}
	if c.Part != "" { // every page is of the first one's run
		date = c.Part
	}
	if limit < 1 || limit > MaxLines {
		limit = MaxLines
	}
	d := &Differences{Items: []Difference{}}
	if d.Run, err = b.run(ctx, date); err != nil || d.Run == nil {
		return d, err
	}
	if d.Items, err = b.differences(ctx, d.Run.Date, source, agencies, c.Key, limit+1); err != nil {
		return nil, err
	}
	if len(d.Items) > limit {
		d.Items = d.Items[:limit]
		next := cursor{AsOf: d.Run.RecordedAt, Part: d.Run.Date, Key: d.Items[limit-1].position}.String()
		d.Next = &next
	}
	return d, nil
}
