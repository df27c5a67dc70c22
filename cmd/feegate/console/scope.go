package console

import (
	"cmp"
	"html/template"
	"net/url"
	"slices"
	"time"

	"feegate/gateway"
	"feegate/reconciliation/adoption"
	"feegate/reconciliation/adoption/honesty"
)

// scope is what of the rate a page speaks of, as its address has it: a period, one agency or all that the person may see, as known at a time.
type scope struct {
	From, To, Cut string // days, both inclusive; cut is of adoption.Cuts, or ""
	AsOf          string // RFC 3339, "" is now
	At            string // the same as its field has it, in Vietnamese time
	Agency        string // "" is all that the person may see
	AgencyName    string
	Agencies      []agencyChoice // that may be asked for
	limited       []string       // the agencies that the person is limited to; none: all
}

type agencyChoice struct {
	Code, Name string
	Here       bool
}

// scope reads ?from=, ?to=, ?cut=, ?as_of= and ?agency=: this month up to today, of all, as known now, where they are absent. What is no day and no cut
// is refused by the room that is asked.
func (v *visit) scope() (*scope, error) {
	q, p := v.r.URL.Query(), &gateway.Problem{Name: gateway.ProblemInvalid}
	now := v.c.Now().In(vietnam)
	s := &scope{From: cmp.Or(q.Get("from"), now.AddDate(0, 0, 1-now.Day()).Format(time.DateOnly)), To: cmp.Or(q.Get("to"), now.Format(time.DateOnly)), Cut: q.Get("cut"),
		At: q.Get("as_of"), Agency: q.Get("agency"), limited: v.session.Principal.Agencies}
	if s.At != "" {
		at, err := time.ParseInLocation(instant, s.At, vietnam)
		if err != nil {
			at, err = time.ParseInLocation(instant+":05", s.At, vietnam)
		}
		if err != nil {
			p.Fields = append(p.Fields, gateway.FieldError{Field: "as_of", Detail: "phải là ngày và giờ"})
		}
		s.AsOf = at.Format(time.RFC3339)
	}
	names, err := v.c.Gateway.Agencies(v.r.Context())
	if err != nil {
		return nil, err
	}
	for code, name := range names {
		if len(s.limited) == 0 || slices.Contains(s.limited, code) {
			s.Agencies = append(s.Agencies, agencyChoice{code, name, code == s.Agency})
		}
	}
	slices.SortFunc(s.Agencies, func(a, b agencyChoice) int { return cmp.Compare(a.Code, b.Code) })
	if at := slices.IndexFunc(s.Agencies, func(a agencyChoice) bool { return a.Here }); at >= 0 {
		s.AgencyName = s.Agencies[at].Name
	} else if s.Agency != "" {
		p.Fields = append(p.Fields, gateway.FieldError{Field: "agency_code", Detail: "không có trong các cơ quan mà bạn được xem"})
	}
	if len(p.Fields) > 0 {
		return nil, p
	}
	return s, nil
}

// Limited says that the person sees some agencies alone.
func (s *scope) Limited() bool { return len(s.limited) > 0 }

// sees are the agencies that are asked for; none: all.
func (s *scope) sees() []string {
	if s.Agency != "" {
		return []string{s.Agency}
	}
	return s.limited
}

// question is the scope as a question for the rate.
func (s *scope) question() adoption.Question {
	return adoption.Question{From: s.From, To: s.To, AsOf: s.AsOf, Cut: s.Cut, Agencies: s.sees()}
}

// asked is the scope as a question of the honesty rules, which know no cut.
func (s *scope) asked() honesty.Question {
	return honesty.Question{From: s.From, To: s.To, AsOf: s.AsOf, Agency: s.Agency, Agencies: s.limited}
}

// Query is the scope as it stands in an address.
func (s *scope) Query() template.URL {
	out := "from=" + url.QueryEscape(s.From) + "&to=" + url.QueryEscape(s.To)
	for _, more := range [][2]string{{"cut", s.Cut}, {"agency", s.Agency}, {"as_of", s.At}} {
		if more[1] != "" {
			out += "&" + more[0] + "=" + url.QueryEscape(more[1])
		}
	}
	return template.URL(out) // made of escaped values alone
}
