package honesty

import (
	"context"
	"math/big"
	"time"

	"feegate/reconciliation/adoption"
)

// National is Decision 766's payment group, made again from evidence: what the national portal would count, had every dossier's flag been
// set as its payments deserve. It counts by the start of processing.
type National struct {
	Definition string          `json:"definition"`
	Period     adoption.Period `json:"period"`
	AsOf       time.Time       `json:"as_of"`
	AsOfCut    bool            `json:"as_of_cut"`
	Indicators []Indicator     `json:"indicators"`
	Points     string          `json:"points"`     // the group's, of 10
	MaxPoints  string          `json:"max_points"` // 10
	Flags      map[string]int  `json:"flags"`      // DuocThanhToanTrucTuyen: how many dossiers deserve 0, 1 and 2
	Exempt     int             `json:"exempt"`     // every Gia is 0: in no denominator
	Told       int             `json:"told"`       // dossiers whose flag the case system says it sent
	Differing  int             `json:"differing"`  // of those told, or deserving one: sent is not deserved
	Gap        Gap             `json:"gap"`
}

// Indicator is one of the three. Of 3.5b two denominators are known.
type Indicator struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	NameVI      string         `json:"name_vi"`
	Rate        adoption.Rate  `json:"rate"`
	Points      string         `json:"points"`
	MaxPoints   string         `json:"max_points"`
	Alternative *adoption.Rate `json:"alternative"` // over procedures that had dossiers
	Otherwise   *string        `json:"alternative_points"`
}

// counts are what the database counted of the dossiers that started in the period.
type counts struct {
	agency                           Agency
	obliged, flagged                 int64 // 3.6
	charging, paying, touched        int64 // procedures
	fee                              int64
	flags                            [3]int
	exempt, told, differing          int
	provisional, proxy, mixed, wrong int64 // of the flags sent that are not deserved; wrong: and of those deserved that were not sent
	notZero                          int64 // exempt, sent with a Gia above 0
}

// points is at most a maximum, times an exact fraction; 0 for an empty denominator.
func points(r adoption.Rate, factor, most *big.Rat) *big.Rat {
	if r.Denominator == 0 {
		return new(big.Rat)
	}
	p := new(big.Rat).Mul(factor, new(big.Rat).SetFrac64(r.Numerator, r.Denominator))
	if p.Cmp(most) > 0 {
		return most
	}
	return p
}

// National answers for a period.
func (b *Book) National(ctx context.Context, q Question) (*National, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	definition, _, err := b.definition(ctx, s.to.AddDate(0, 0, -1))
	if err != nil {
		return nil, err
	}
	total, rows, err := b.counted(ctx, q, s)
	if err != nil {
		return nil, err
	}
	n := &National{Definition: definition, Period: adoption.Period{From: q.From, To: q.To}, AsOf: s.asOf, AsOfCut: s.cut, MaxPoints: "10",
		Flags: map[string]int{"0": total.flags[0], "1": total.flags[1], "2": total.flags[2]}, Exempt: total.exempt, Told: total.told, Differing: total.differing}
	two, six, slope := big.NewRat(2, 1), big.NewRat(6, 1), big.NewRat(5, 2) // full at 80 %
	a, bAll, bTouched, c := adoption.RateOf(total.charging, total.fee), adoption.RateOf(total.paying, total.fee), adoption.RateOf(total.paying, total.touched), adoption.RateOf(total.flagged, total.obliged)
	pa, pb, pc, other := points(a, slope, two), points(bAll, slope, two), points(c, six, six), points(bTouched, slope, two).FloatString(2)
	n.Indicators = []Indicator{
		{ID: "3.5a", Name: "Procedures with a financial obligation offered for online payment", NameVI: "TTHC có nghĩa vụ tài chính được cung cấp thanh toán trực tuyến", Rate: a, Points: pa.FloatString(2), MaxPoints: "2"},
		{ID: "3.5b", Name: "Procedures with an online payment", NameVI: "TTHC có giao dịch thanh toán trực tuyến", Rate: bAll, Points: pb.FloatString(2), MaxPoints: "2", Alternative: &bTouched, Otherwise: &other},
		{ID: "3.6", Name: "Dossiers paid online", NameVI: "Tỷ lệ hồ sơ thanh toán trực tuyến", Rate: c, Points: pc.FloatString(2), MaxPoints: "6"},
	}
	n.Points = new(big.Rat).Add(new(big.Rat).Add(pa, pb), pc).FloatString(2)
	n.Gap, err = b.gap(ctx, q, s, total, rows)
	return n, err
}

// NationalDossier is a dossier with the flag that it deserves.
type NationalDossier struct {
	DossierCode string     `json:"dossier_code"`
	Source      string     `json:"source_system"`
	Agency      string     `json:"agency_code"`
	Procedure   string     `json:"procedure_code"`
	StartedAt   time.Time  `json:"started_at"`
	Status      string     `json:"status"`
	Due         int64      `json:"due"`
	Deserved    int        `json:"deserved"`
	Why         string     `json:"why"` // online, provisional, proxy, mixed, offline, unpaid, exempt, no_fee
	Exempt      bool       `json:"exempt"`
	Counts      bool       `json:"counts"` // in the denominator of 3.6
	Sent        *int       `json:"sent"`
	SentAt      *time.Time `json:"sent_at"`
	position    string
}

// NationalDossiers is a page.
type NationalDossiers struct {
	Definition string            `json:"definition"`
	Period     adoption.Period   `json:"period"`
	AsOf       time.Time         `json:"as_of"`
	Items      []NationalDossier `json:"items"`
	Next       *string           `json:"next"`
}

// Flags lists the dossiers that started in the period with the flag that each deserves. show is "", deserved, exempt, or differing.
func (b *Book) Flags(ctx context.Context, q Question, show string, limit int, after string) (*NationalDossiers, error) {
	s, err := q.read(b.now())
	if err != nil {
		return nil, err
	}
	var bad faults
	if show != "" && show != "deserved" && show != "exempt" && show != "differing" {
		bad.add("show", "must be deserved, exempt or differing")
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	c, err := s.resume(after, b.now())
	if err != nil {
		return nil, err
	}
	definition, _, err := b.definition(ctx, s.to.AddDate(0, 0, -1))
	if err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxLines {
		limit = MaxLines
	}
	l := &NationalDossiers{Definition: definition, Period: adoption.Period{From: q.From, To: q.To}, AsOf: s.asOf}
	if l.Items, err = b.nationalDossiers(ctx, q, s, show, c.Key, limit+1); err != nil {
		return nil, err
	}
	if len(l.Items) > limit {
		l.Items = l.Items[:limit]
		next := cursor{AsOf: s.asOf, Key: l.Items[limit-1].position}.String()
		l.Next = &next
	}
	return l, nil
}
