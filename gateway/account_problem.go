package gateway

import (
	"errors"

	"feegate/gateway/account"
)

// Problems of merchant accounts.
const (
	ProblemAccountChanged   = "account-changed"
	ProblemAccountExists    = "account-exists"
	ProblemSecretState      = "secret-state"
	ProblemBeneficiaryState = "beneficiary-state"
)

// AccountProblem turns what stands in the way of a change of a merchant account into a problem; any other error stays.
func AccountProblem(err error) error {
	var wrong *account.InvalidError
	if errors.As(err, &wrong) {
		p := &Problem{Name: ProblemInvalid}
		for _, f := range wrong.Fields {
			p.Fields = append(p.Fields, FieldError(f))
		}
		return p
	}
	for known, name := range map[error]string{
		account.ErrNoAccount: ProblemNotFound, account.ErrNoBeneficiary: ProblemNotFound,
		account.ErrChanged: ProblemAccountChanged, account.ErrTaken: ProblemAccountExists,
		account.ErrOverlap: ProblemSecretState, account.ErrNoOverlap: ProblemSecretState,
		account.ErrOpenProposal: ProblemBeneficiaryState, account.ErrDecided: ProblemBeneficiaryState,
		account.ErrSamePerson: ProblemSecondPerson,
	} {
		if errors.Is(err, known) {
			return &Problem{Name: name, Detail: known.Error()}
		}
	}
	return err
}
