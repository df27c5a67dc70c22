package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Params of argon2id. They stand in each hash, so that they can be raised while old hashes go on working; a log-in
// rewrites them.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

// DefaultParams are OWASP's for argon2id: 19 MiB, two passes, one thread.
func DefaultParams() Params { return Params{Memory: 19 * 1024, Time: 2, Threads: 1} }

// MinPassword is the fewest characters of a password; there are no other rules on what it holds.
const MinPassword = 12

const (
	maxPassword = 200
	saltLen     = 16
	hashLen     = 32
)

var errHashFormat = errors.New("not an argon2id hash that feegate made")

// hasher computes few hashes at once: each takes memory and a core, and anyone may ask for one.
type hasher struct {
	params Params
	slots  chan struct{}
}

func newHasher(p Params) *hasher {
	return &hasher{params: p, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// normal makes one form of the many in which keyboards write a letter with its marks: without it a password typed on a
// Mac would be wrong on Windows.
func normal(s string) string { return norm.NFKC.String(s) }

// slot waits for a turn to compute.
func (h *hasher) slot(ctx context.Context) (func(), error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash gives the PHC string of a password under a fresh salt.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(normal(password)), salt, h.params.Time, h.params.Memory, h.params.Threads, hashLen)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.params.Memory, h.params.Time, h.params.Threads,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// verify compares a password with a PHC string; old says that the hash was made with other parameters than today's.
func (h *hasher) verify(ctx context.Context, password, phc string) (ok, old bool, err error) {
	p, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, false, err
	}
	if utf8.RuneCountInString(normal(password)) > maxPassword {
		password = "" // costs as much as any other, and fits none
	}
	done, err := h.slot(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	got := argon2.IDKey([]byte(normal(password)), salt, p.Time, p.Memory, p.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.params, nil
}

func parsePHC(phc string) (p Params, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errHashFormat
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil || n != 3 {
		return p, nil, nil, errHashFormat
	}
	// A limit on what a damaged row can make us compute.
	if p.Memory < 8 || p.Memory > 1<<20 || p.Time < 1 || p.Time > 100 || p.Threads < 1 {
		return p, nil, nil, errHashFormat
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) < 16 {
		return p, nil, nil, errHashFormat
	}
	return p, salt, key, nil
}
