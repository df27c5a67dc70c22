package console

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"feegate/cmd/feegate/page"
	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/gateway/vnd"
	"feegate/providers"
)

// termsView is on what terms an account takes money, for people to read.
type termsView struct {
	Kinds         []string
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
var kindNames = map[string]string{"phi": "phí", "le_phi": "lệ phí", "nvtc": "nghĩa vụ tài chính về đất đai"}

func (v *visit) terms(e *account.Entry) termsView {
	a := &e.Account
	lo, hi := a.Limits(providers.MethodAny)
	t := termsView{Min: lo, Max: hi}
	for _, k := range a.Kinds {
		t.Kinds = append(t.Kinds, or(kindNames)(k))
	}
	t.Tariff = strings.Replace(strconv.FormatFloat(float64(a.Tariff.BPS)/100, 'f', -1, 64), ".", ",", 1) + " %"
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

// by is the person who asks, with the audit that a change of an account writes in its own transaction.
func (v *visit) by() account.By {
	return account.By{ID: v.session.Principal.ID, Record: func(ctx context.Context, tx sqlx.ExtContext, action, object string, detail map[string]any) error {
		return v.c.Identity.Audit(ctx, tx, v.actor(), action, object, detail)
	}}
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
	err = c.Accounts.Decide(v.r.Context(), e.Account.ID, v.r.PathValue("beneficiary"), decision == "approve", v.r.PostForm.Get("note"), v.by())
	switch {
	case errors.Is(err, account.ErrSamePerson):
		return &gateway.Problem{Name: gateway.ProblemSecondPerson}
	case errors.Is(err, account.ErrNoBeneficiary):
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	case errors.Is(err, account.ErrDecided):
		return &gateway.Problem{Name: gateway.ProblemProposalState}
	case err != nil:
		return operationProblem(err)
	}
	return v.back("/console/providers/" + url.PathEscape(e.Account.ID) + "?done=" + map[string]string{"approve": "approved", "reject": "rejected"}[decision])
}
