package identity

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
)

const (
	// minScore is zxcvbn's: 3 of 4, which means more than 10^8 guesses.
	minScore = 3
	// estimated is how much of a password is looked at: the estimate's work grows with the square of it, and so much is strong already.
	estimated = 60
)

// checkPassword refuses what is short, what is guessed easily, also by who knows the person's name, and what the world knows.
func (s *Store) checkPassword(password, name string) error {
	password = normal(password)
	if n := utf8.RuneCountInString(password); n < MinPassword || n > maxPassword {
		return &InvalidError{"password", fmt.Sprintf("%d to %d characters are needed", MinPassword, maxPassword)}
	}
	part := []rune(password)
	if len(part) > estimated {
		part = part[:estimated]
	}
	if zxcvbn.PasswordStrength(string(part), append(strings.Fields(name), name, "feegate")).Score < minScore {
		return &InvalidError{"password", "is guessed easily: take a few words that do not belong together, not a name, a date or a row of keys"}
	}
	known, err := s.leaked.has(password)
	if err != nil {
		return err
	}
	if known {
		return &InvalidError{"password", "stands on lists of stolen passwords: take another"}
	}
	return nil
}

// Refuse has nobody take a password of the list. It is called before serving.
func (s *Store) Refuse(l *Leaked) { s.leaked = l }

// Leaked is a list of passwords that were stolen somewhere: lines of SHA-1 in hex, sorted, with anything after a colon, as Have I
// Been Pwned gives it for download. It is searched where it lies, since it is larger than memory.
type Leaked struct {
	file *os.File
	size int64
}

// OpenLeaked opens the list and looks whether it is one.
func OpenLeaked(name string) (*Leaked, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the list of stolen passwords: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the list of stolen passwords: %w", err), f.Close())
	}
	l := &Leaked{f, info.Size()}
	first, _, err := l.line(0)
	if err == nil && len(first) != hex.EncodedLen(sha1.Size) {
		err = errors.New("its first line begins with no SHA-1 in hex")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the list of stolen passwords %s: %w", name, err), f.Close())
	}
	return l, nil
}

// Close lets the file go.
func (l *Leaked) Close() error { return l.file.Close() }

// longestLine is a hash, a count and a line's end.
const longestLine = 128

// line gives the hash on the first line that begins at from or after, and where it begins; "" behind the last.
func (l *Leaked) line(from int64) (hash string, begins int64, err error) {
	start := max(from-1, 0) // the byte before tells whether a line begins here
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, start, 2*longestLine), 2*longestLine)
	begins = start
	if from > 0 {
		skipped, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return "", l.size, nil
		}
		if err != nil {
			return "", 0, err
		}
		begins += int64(len(skipped))
	}
	text, err := r.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	hash, _, _ = strings.Cut(strings.TrimSpace(text), ":")
	return strings.ToUpper(hash), begins, nil
}

// has looks a password up by halves. No list knows nothing.
func (l *Leaked) has(password string) (bool, error) {
	if l == nil {
		return false, nil
	}
	sum := sha1.Sum([]byte(password))
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	for low, high := int64(0), l.size; low < high; {
		middle := low + (high-low)/2
		hash, begins, err := l.line(middle)
		switch {
		case err != nil:
			return false, fmt.Errorf("looking through the list of stolen passwords: %w", err)
		case hash == want:
			return true, nil
		case hash == "" || hash > want || begins >= high:
			high = middle
		default:
			low = begins + 1
		}
	}
	return false, nil
}

// MadePassword is one of 100 random bits, for a person who must change it at their first sign-in.
func MadePassword() string { return strings.ToLower(rand.Text()[:20]) }
