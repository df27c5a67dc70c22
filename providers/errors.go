package providers

import (
	"errors"
	"fmt"
	"time"
)

// The closed set of what can go wrong between us and a provider. Adapters wrap them with what was being done.
var (
	ErrNotSent   = errors.New("nothing was sent to the provider")
	ErrUncertain = errors.New("the provider's answer is not known")
	ErrRefused   = errors.New("the provider refused")
	ErrConfig    = errors.New("the account is not set up rightly at the provider")
	ErrForged    = errors.New("the signature or account does not match")
	ErrMalformed = errors.New("the message cannot be read")
)

// RefusedError is ErrRefused or ErrConfig with the provider's code, so that pages can say why.
type RefusedError struct {
	Kind   error // ErrRefused or ErrConfig
	Code   string
	Reason Reason

	RetryAfter time.Duration // where the provider said when to come again; 0 = it did not
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v: code %s", e.Kind, e.Code) }
func (e *RefusedError) Unwrap() error { return e.Kind }

// SetUpError is an ErrConfig that says which part of an account's set-up is wrong: a field as those who set accounts up know it,
// "credentials.secretKey" say. Detail never holds a secret.
type SetUpError struct{ Field, Detail string }

func (e *SetUpError) Error() string { return fmt.Sprintf("%v: %s: %s", ErrConfig, e.Field, e.Detail) }
func (e *SetUpError) Unwrap() error { return ErrConfig }

// LineError is a settlement row that cannot be read or does not add up; Line counts from 1, the header being 1.
type LineError struct {
	Line   int
	Field  string
	Detail string
}

func (e *LineError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
	}
	return fmt.Sprintf("line %d, %s: %s", e.Line, e.Field, e.Detail)
}

// ErrWrongMethod is an ErrMalformed callback whose HTTP method the provider never uses, so that the answer can say so.
var ErrWrongMethod = fmt.Errorf("%w: wrong HTTP method", ErrMalformed)

// NotSentError is an ErrNotSent with the reason in words and, where it is known, how long to wait.
type NotSentError struct {
	Why        string
	RetryAfter time.Duration // 0 = not known
}

func (e *NotSentError) Error() string { return fmt.Sprintf("%v: %s", ErrNotSent, e.Why) }
func (e *NotSentError) Unwrap() error { return ErrNotSent }
