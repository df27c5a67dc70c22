package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// A second factor is a time-based one-time code (RFC 6238: SHA-1, 6 digits, 30 seconds, as every phone's app has it), or one of ten
// recovery codes of 80 random bits.
const (
	otpPeriod     = 30
	otpSkew       = 1 // steps that a phone's clock may be off, either way
	otpLimit      = 10
	recoveryCodes = 10
)

// ErrNoKeys says that this process cannot seal a second factor.
var ErrNoKeys = errors.New("a second factor needs the master key, which this process does not have")

// Enrolment is a second factor that is not confirmed yet: URL is what a phone reads as a QR code, Secret the same for typing.
type Enrolment struct{ Secret, URL string }

func otpContext(userID string) string { return "otp " + userID }

// EnrolOTP makes a secret for a person's second factor. It counts after ConfirmOTP; until then another one may be made.
func (s *Store) EnrolOTP(ctx context.Context, by Actor) (*Enrolment, error) {
	u, err := s.User(ctx, by.ID)
	switch {
	case err != nil:
		return nil, err
	case u.Outside:
		return nil, ErrOutside
	case s.keys == nil:
		return nil, ErrNoKeys
	case u.OTP:
		return nil, &InvalidError{"otp", "a second factor is enrolled: end that one first"}
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "feegate", AccountName: u.Name, Period: otpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return nil, fmt.Errorf("making a second factor: %w", err)
	}
	sealed, err := s.keys.Seal([]byte(key.Secret()), otpContext(u.ID))
	if err != nil {
		return nil, fmt.Errorf("making a second factor: %w", err)
	}
	if err := s.keepOTP(ctx, u.ID, sealed); err != nil {
		return nil, err
	}
	return &Enrolment{key.Secret(), key.URL()}, nil
}

// PendingOTP gives the enrolment that a person has begun and not confirmed, nil where there is none.
func (s *Store) PendingOTP(ctx context.Context, userID string) (*Enrolment, error) {
	f, err := s.otpOf(ctx, userID)
	if err != nil || f.Sealed == nil || f.ConfirmedAt != nil || s.keys == nil {
		return nil, err
	}
	secret, err := s.keys.Open(f.Sealed, otpContext(userID))
	if err != nil {
		return nil, fmt.Errorf("opening a second factor: %w", err)
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(secret))
	if err != nil {
		return nil, fmt.Errorf("opening a second factor: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "feegate", AccountName: f.Name, Period: otpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1, Secret: raw})
	if err != nil {
		return nil, fmt.Errorf("opening a second factor: %w", err)
	}
	return &Enrolment{key.Secret(), key.URL()}, nil
}

// ConfirmOTP takes a second factor into use by a code of it, and gives the recovery codes, which are never shown again. Every other
// session ends; token is that of the one that asks.
func (s *Store) ConfirmOTP(ctx context.Context, by Actor, code, token string) ([]string, error) {
	f, err := s.otpOf(ctx, by.ID)
	if err != nil {
		return nil, err
	}
	if f.Sealed == nil || f.ConfirmedAt != nil {
		return nil, &InvalidError{"otp", "there is nothing to confirm"}
	}
	now := s.machine()
	pair, wide := buckets("confirm\x00"+by.ID, by.Address)
	if err := s.admit(ctx, now, pair, wide); err != nil {
		return nil, err
	}
	step, err := s.stepOf(f, by.ID, code, now)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		return nil, &InvalidError{"otp", "is not the code of the moment: see that the phone's clock is right"}
	}
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		codes[i] = newRecoveryCode()
		hashes[i] = secretHash(plainCode(codes[i]))
	}
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		ok, err := confirmOTP(ctx, tx, by.ID, f.Sealed, step, hashes, s.now())
		if err != nil {
			return err
		}
		if !ok {
			return &InvalidError{"otp", "there is nothing to confirm"}
		}
		if err := forgetFailures(ctx, tx, pair); err != nil {
			return err
		}
		if err := deleteSessionsOf(ctx, tx, by.ID, secretHash(token)); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "user.otp-enrolled", by.ID, nil)
	})
	if err != nil {
		return nil, fmt.Errorf("confirming a second factor: %w", err)
	}
	return codes, nil
}

// DropOTP ends a person's second factor and recovery codes, and every session: an admin does it for who lost the phone, and then
// knows for certain who asks. One's own needs OwnPassword first.
func (s *Store) DropOTP(ctx context.Context, by Actor, userID string) error {
	return s.changeUser(ctx, by, userID, "user.otp-ended", nil, func(tx *sqlx.Tx) (bool, error) { return dropOTP(ctx, tx, userID) })
}

// OwnPassword checks that who sits at a session knows its password; ErrBadCredentials, *LockedError.
func (s *Store) OwnPassword(ctx context.Context, by Actor, password string) error {
	u, hash, err := s.secretsOf(ctx, by.ID)
	if err != nil {
		return err
	}
	if u.Outside {
		return ErrOutside
	}
	now := s.machine()
	pair, wide := buckets("change\x00"+u.ID, by.Address)
	if err := s.admit(ctx, now, pair, wide); err != nil {
		return err
	}
	ok, _, err := s.hasher.verify(ctx, password, hash)
	if err != nil {
		return fmt.Errorf("checking a password: %w", err)
	}
	if !ok {
		return s.refuse(ctx, by, now, wide)
	}
	return s.inTx(ctx, func(tx *sqlx.Tx) error { return forgetFailures(ctx, tx, pair) })
}

// second checks what a sign-in offers as its second factor. What it gives takes the code, within the sign-in's transaction: of many
// at once with the same code one gets in. The error is ErrBadCredentials where none or a wrong one was offered. Who has
// guessed the password has few tries at the code, from wherever they come: it can lock nobody out who has kept theirs.
func (s *Store) second(ctx context.Context, userID, code string, now time.Time) (take func(*sqlx.Tx) error, err error) {
	f, err := s.otpOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	if f.ConfirmedAt == nil {
		return func(*sqlx.Tx) error { return nil }, nil
	}
	tries := bucket("otp", userID)
	if since, locked, err := s.failures(ctx, tries, now.Add(-failureWindow), otpLimit); err != nil {
		return nil, err
	} else if locked {
		return nil, &LockedError{RetryAfter: since.Add(failureWindow).Sub(now)}
	}
	if err := s.noteFailures(ctx, now, tries); err != nil {
		return nil, err
	}
	forget := func(tx *sqlx.Tx, ok bool, err error) error {
		if err == nil && !ok {
			return ErrBadCredentials
		}
		if err != nil {
			return err
		}
		return forgetFailures(ctx, tx, tries)
	}
	if plain := plainCode(code); len(plain) > 8 {
		return func(tx *sqlx.Tx) error {
			ok, err := useRecoveryCode(ctx, tx, userID, secretHash(plain), s.now())
			return forget(tx, ok, err)
		}, nil
	}
	step, err := s.stepOf(f, userID, code, now)
	if err != nil {
		return nil, err
	}
	if step == 0 {
		return nil, ErrBadCredentials
	}
	return func(tx *sqlx.Tx) error {
		ok, err := useStep(ctx, tx, userID, step)
		return forget(tx, ok, err)
	}, nil
}

// stepOf gives the time step that a code is of, 0 where it is of none that counts.
func (s *Store) stepOf(f *factor, userID, code string, now time.Time) (int64, error) {
	if s.keys == nil {
		return 0, ErrNoKeys
	}
	secret, err := s.keys.Open(f.Sealed, otpContext(userID))
	if err != nil {
		return 0, fmt.Errorf("opening a second factor: %w", err)
	}
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	found := int64(0)
	for off := int64(-otpSkew); off <= otpSkew; off++ {
		step := now.Unix()/otpPeriod + off
		want, err := totp.GenerateCodeCustom(string(secret), time.Unix(step*otpPeriod, 0), totp.ValidateOpts{Period: otpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("computing a one-time code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = step
		}
	}
	return found, nil
}

// newRecoveryCode is four groups of four letters and digits.
func newRecoveryCode() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	t := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:]
}

// plainCode is a recovery code however it was typed.
func plainCode(code string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(code)))
}

// OTPRoles lists the roles that work with a second factor alone.
func (s *Store) OTPRoles(ctx context.Context) ([]Role, error) {
	out := []Role{}
	if err := s.otpRoles(ctx, &out); err != nil {
		return nil, fmt.Errorf("reading which roles need a second factor: %w", err)
	}
	return out, nil
}

// SetOTPRoles says which roles need a second factor from now on. Who has none is held at the next click, until they enrol one.
func (s *Store) SetOTPRoles(ctx context.Context, by Actor, roles []Role) error {
	if len(roles) > 0 {
		if err := known("roles", roles, Roles()); err != nil {
			return err
		}
	}
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		if err := setOTPRoles(ctx, tx, roles, by.ID, s.now()); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "otp.roles-set", "", map[string]any{"roles": roles})
	})
	if err != nil {
		return fmt.Errorf("setting which roles need a second factor: %w", err)
	}
	return nil
}
