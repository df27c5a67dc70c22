package adoption

import "slices"

// Denominator is put behind a rate's name to name the other half of its fraction.
const Denominator = ".denominator"

// Buckets are what a counted unit can be.
func Buckets() []string {
	return []string{"online", "online_provisional", "mixed", "incomplete", "proxy", "unproven", "noncash_other", "cash"}
}

func kinds() []string { return []string{"phi", "le_phi", "nvtc"} }

func sides() []string { return []string{"closed_unpaid", "refunded", "exempt", "payer_unknown"} }

// subject is what a figure counts.
type subject string

const (
	units     subject = "unit"     // paid orders
	dossiers  subject = "dossier"  // dossiers with their last unit, or closed unpaid, in the period
	refunded  subject = "refunded" // orders of which nothing is left
	exemption subject = "exempt"   // orders that came to nothing by adjustments
)

// weight is what each thing counted adds.
type weight string

const (
	one weight = "1"
	net weight = "net"
)

// figure is one number of the report: the things of one subject that meet a condition, each with its weight. The report and the
// list behind a figure are made from the same entry.
type figure struct {
	of     subject
	where  string // on a row of facts
	weight weight
}

const headline = "bucket = 'online'"

// figures is the catalogue: a rate's name is its numerator, with [Denominator] behind it the denominator.
var figures = map[string]figure{
	"transactions":                      {units, headline, one},
	"transactions" + Denominator:        {units, "true", one},
	"transactions_upper":                {units, "bucket IN ('online', 'online_provisional')", one},
	"transactions_upper" + Denominator:  {units, "true", one},
	"transactions_remote":               {units, headline + " AND NOT at_counter", one},
	"transactions_remote" + Denominator: {units, "true", one},
	"bank_proven":                       {units, headline + " AND bank_proven", one},
	"bank_proven" + Denominator:         {units, "true", one},
	"amount":                            {units, headline, net},
	"amount" + Denominator:              {units, "true", net},
	"phi":                               {units, headline, "phi"},
	"phi" + Denominator:                 {units, "true", "phi"},
	"le_phi":                            {units, headline, "le_phi"},
	"le_phi" + Denominator:              {units, "true", "le_phi"},
	"nvtc":                              {units, headline, "nvtc"},
	"nvtc" + Denominator:                {units, "true", "nvtc"},
	"dossiers":                          {dossiers, "all_online AND covered", one},
	"dossiers" + Denominator:            {dossiers, "true", one},
	"coverage":                          {dossiers, "closed AND due > 0 AND covered AND NOT doubtful", one},
	"coverage" + Denominator:            {dossiers, "closed AND due > 0", one},
	"closed_unpaid":                     {dossiers, "unpaid", one},
	"refunded":                          {refunded, "true", one},
	"exempt":                            {exemption, "true", one},
	"payer_unknown":                     {units, headline + " AND payer_unknown", one},
	"online":                            {units, "bucket = 'online'", one},
	"online_provisional":                {units, "bucket = 'online_provisional'", one},
	"mixed":                             {units, "bucket = 'mixed'", one},
	"incomplete":                        {units, "bucket = 'incomplete'", one},
	"proxy":                             {units, "bucket = 'proxy'", one},
	"unproven":                          {units, "bucket = 'unproven'", one},
	"noncash_other":                     {units, "bucket = 'noncash_other'", one},
	"cash":                              {units, "bucket = 'cash'", one},
}

// Figures are the names of the catalogue.
func Figures() []string {
	names := make([]string, 0, len(figures))
	for n := range figures {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
