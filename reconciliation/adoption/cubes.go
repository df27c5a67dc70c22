package adoption

import (
	"slices"
	"strings"
)

// measure is a sum that the aggregates keep: a condition on facts of one subject and a weight. Figures that count the same share one.
type measure struct {
	figure
	column string // of report_cubes
}

// weights are what a unit may add.
func weights() []weight { return []weight{one, net, "phi", "le_phi", "nvtc"} }

// measures are the columns of report_cubes: what the catalogue of figures counts, and units of each bucket by each weight. Each figure
// that is added there needs a column (a migration, with a mark '*' so that it is filled); a test says which.
func measures() []measure {
	out := reported()
	known := map[figure]bool{}
	for _, m := range out {
		known[m.figure] = true
	}
	for _, b := range Buckets() {
		for _, w := range weights() {
			f := figure{units, "bucket = '" + b + "'", w}
			if !known[f] {
				out = append(out, measure{figure: f, column: "bucket_" + b + "_" + string(map[bool]weight{true: "n", false: w}[w == one])})
			}
		}
	}
	return out
}

// reported are those that a report shows.
func reported() []measure {
	all := figure{units, "true", one} // the denominator of several rates
	out, known := []measure{{figure: all, column: "units"}}, map[figure]bool{all: true}
	for _, n := range Figures() {
		if f := figures[n]; !known[f] {
			known[f] = true
			out = append(out, measure{figure: f, column: strings.ReplaceAll(n, ".", "_")})
		}
	}
	return out
}

// columnOf is the measure that counts what a figure counts.
func columnOf(all []measure, f figure) (string, bool) {
	i := slices.IndexFunc(all, func(m measure) bool { return m.figure == f })
	if i < 0 {
		return "", false
	}
	return all[i].column, true
}

// within is a figure's part in a bucket as another figure; none: nothing of the bucket is in it. ok is false where that is not known.
func (f figure) within(bucket string) (part figure, none, ok bool) {
	is := "bucket = '" + bucket + "'"
	switch {
	case bucket == "":
		return f, false, true
	case f.where == "true":
		return figure{f.of, is, f.weight}, false, true
	case f.where == is || strings.HasPrefix(f.where, is+" AND "):
		return f, false, true
	case strings.HasPrefix(f.where, "bucket = '"):
		return figure{}, true, true
	case strings.HasPrefix(f.where, "bucket IN (") && strings.HasSuffix(f.where, ")") && strings.Count(f.where, ")") == 1:
		return figure{f.of, is, f.weight}, !strings.Contains(f.where, "'"+bucket+"'"), true
	}
	return figure{}, false, false
}
