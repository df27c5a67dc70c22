package adoption

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// How a report is cut where agencies and communes were merged or renamed.
const (
	Filed   = "filed"   // by the codes of the time of filing
	Current = "current" // by who carries on at the period's end
)

// Cuts are the ways to cut a report.
func Cuts() []string { return []string{Filed, Current} }

// successors says who carries on for whom, by code. Empty: everybody is their own.
type successors struct{ agencies, communes map[string]string }

// followed makes steps into ways: A → B and B → C say that C carries on for A too. A ring leads nowhere: who is in one is their own.
func followed(steps map[string]string) map[string]string {
	out := make(map[string]string, len(steps))
	for from := range steps {
		at := from
		for range steps {
			next, more := steps[at]
			if !more {
				break
			}
			at = next
		}
		if _, ring := steps[at]; !ring {
			out[from] = at
		}
	}
	return out
}

// withPredecessors gives the codes and all that have come into one of them, by however many steps.
func withPredecessors(codes []string, steps map[string]string) []string {
	out := slices.Clone(codes)
	for from := range steps {
		for at, n := from, 0; n <= len(steps); n++ {
			if slices.Contains(codes, at) {
				if !slices.Contains(out, from) {
					out = append(out, from)
				}
				break
			}
			next, more := steps[at]
			if !more {
				break
			}
			at = next
		}
	}
	slices.Sort(out)
	return out
}

// sees are the agencies whose rows a question may see; none: all.
func (s *span) sees(asked []string) []string {
	if s.agencies != nil {
		return s.agencies
	}
	return append([]string{}, asked...)
}

// code is a grouping's code on a row of facts (alias f), as this cut has it.
func (s successors) code(groupBy string) string {
	c := strings.ReplaceAll(groups[groupBy].code, "f.agency_code", carriedOn(s.agencies, "f.agency_code"))
	if groupBy == "commune" {
		c = carriedOn(s.communes, c)
	}
	return c
}

// carriedOn writes the map into the expression, which then needs no parameter and no join: it can stand on any row that has the code.
func carriedOn(m map[string]string, code string) string {
	if len(m) == 0 {
		return code
	}
	raw, _ := json.Marshal(m) // texts: it cannot fail
	return "coalesce(" + pq.QuoteLiteral(string(raw)) + "::jsonb ->> (" + code + "), " + code + ")"
}
