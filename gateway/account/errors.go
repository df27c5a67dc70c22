package account

import (
	"errors"
	"fmt"
	"strings"

	"feegate/providers"
)

// What stands in the way of a change.
var (
	ErrChanged       = errors.New("somebody else changed the account meanwhile: read it again")
	ErrTaken         = errors.New("there is an account of this terminal at this provider")
	ErrOverlap       = errors.New("an earlier secret is still accepted: end its overlap first, or wait for it")
	ErrNoOverlap     = errors.New("no earlier secret is accepted any more")
	ErrOpenProposal  = errors.New("another beneficiary is proposed already: decide on that first")
	ErrDecided       = errors.New("there is no such proposal that is not decided")
	ErrSamePerson    = errors.New("who proposed a beneficiary may not decide on it: another person must")
	ErrNoBeneficiary = errors.New("there is no such beneficiary")
)

// FieldError names a field of the input and what is wrong with it.
type FieldError struct{ Field, Detail string }

// InvalidError is an input that was read and is wrong. It never holds a secret.
type InvalidError struct{ Fields []FieldError }

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Detail
	}
	return strings.Join(parts, "; ")
}

// faults gathers what is wrong.
type faults []FieldError

func (f *faults) add(field, format string, a ...any) {
	if len(*f) < 100 {
		*f = append(*f, FieldError{field, fmt.Sprintf(format, a...)})
	}
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return &InvalidError{*f}
}

// setUp is what an adapter would not be made of, as a field of the input.
func setUp(err error) error {
	var at *providers.SetUpError
	switch {
	case errors.As(err, &at):
		return &InvalidError{[]FieldError{{at.Field, at.Detail}}}
	case errors.Is(err, providers.ErrConfig):
		return &InvalidError{[]FieldError{{"credentials", err.Error()}}}
	}
	return err
}
