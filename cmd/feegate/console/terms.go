package console

import (
	"net/url"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// termsView is on what terms an account takes money, for people to read.
type termsView struct {
	Kinds         []text
	Min, Max      vnd.Amount
	Tariff        string
	Beneficiaries []beneficiaryRow
}

type beneficiaryRow struct {
	account.Beneficiary
	Who, By string
	Word    word
	Mine    bool // may be decided on by who looks
}

// kindNames name what is taken.
var kindNames = map[string]text{"phi": "phí", "le_phi": "lệ phí", "nvtc": "nghĩa vụ tài chính về đất đai"}

func (v *visit) terms(e *account.Entry) termsView {
	a := &e.Account
	lo, hi := a.Limits(providers.MethodAny)
	t := termsView{Min: lo, Max: hi}
	for _, k := range a.Kinds {
		t.Kinds = append(t.Kinds, or(kindNames)(k))
	}
	t.Tariff = percentOf(a.Tariff.BPS) + " %"
	if a.Tariff.Fixed > 0 {
		t.Tariff += " + " + page.Money(a.Tariff.Fixed)
	}
	for _, b := range a.Beneficiaries {
		row := beneficiaryRow{Beneficiary: b, Who: v.who(given(b.ProposedBy)), By: v.who(given(b.DecidedBy)), Word: proposal(b.Status)}
		row.Mine = b.Status == account.BeneficiaryProposed && v.may(deciding...) && given(b.ProposedBy) != v.session.Principal.ID
		t.Beneficiaries = append(t.Beneficiaries, row)
	}
	return t
}

// decideBeneficiary approves or rejects whose money an account is to take, as another person than proposed it.
func (c *Console) decideBeneficiary(v *visit) error {
	e, err := v.entry()
	if err != nil {
		return err
	}
	decision := v.r.PathValue("decision")
	if decision != "approve" && decision != "reject" {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	err = c.Accounts.Decide(v.r.Context(), e.Account.ID, v.r.PathValue("beneficiary"), decision == "approve", v.r.PostForm.Get("note"), v.by(""))
	if err != nil {
		return v.in.merchantProblem(err)
	}
	return v.back("/console/providers/" + url.PathEscape(e.Account.ID) + "?done=" + map[string]string{"approve": "approved", "reject": "rejected"}[decision])
}
