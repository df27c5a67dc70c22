package adoption

// FactsOf is the definition as common table expressions, for rooms that ask other questions of the same units and dossiers: $1 as_of,
// $2 and $3 the period [from, to), $4 the agencies. "" as candidates are the dossiers with anything in the period; else a query that
// gives the (source_system, dossier_code) to judge. It names, among others, doc, ord, paid, unit, dossier and facts.
func FactsOf(candidates string) string {
	if candidates == "" {
		return facts
	}
	return "WITH cand AS MATERIALIZED (" + candidates + ")" + judged
}

// Reaches compares the exact fraction with a percentage; nothing of nothing reaches none.
func (r Rate) Reaches(h Hundredths) bool { return r.Denominator > 0 && r.reaches(h) }
