package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	keyPrefix = "fgk_"
	// keyFresh is how long a key is believed without asking the database. A revocation takes so long on other replicas;
	// the one that revokes knows at once.
	keyFresh = 30 * time.Second
	// keyCacheSize bounds the memory: a province has tens of keys.
	keyCacheSize = 1000
	// keyUseNoted is how exactly last_used_at is kept.
	keyUseNoted = 10 * time.Minute
)

// Client is a program that calls feegate: a portal, a procedure-handling system.
type Client struct {
	ID           string    `json:"id" db:"id"`
	Name         string    `json:"name" db:"name"`
	SourceSystem string    `json:"source_system" db:"source_system"`
	Mode         string    `json:"mode" db:"mode"`
	CreatedAt    time.Time `json:"created_at" db:"created_at"`
}

// Key is an API key without its secret.
type Key struct {
	ID         string     `json:"id"`
	ClientID   string     `json:"client_id"`
	Name       string     `json:"name"`
	Scopes     []Scope    `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Replaces   *string    `json:"replaces"` // the key that this one follows
}

var sourceSystemName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

// CreateClient makes a client, and its source system when that is new. A source system has one mode, live or test.
func (s *Store) CreateClient(ctx context.Context, by Actor, name, sourceSystem, mode string) (*Client, error) {
	name, err := cleanName("name", name)
	if err != nil {
		return nil, err
	}
	if !sourceSystemName.MatchString(sourceSystem) {
		return nil, &InvalidError{"source_system", "1 to 40 letters, digits, points, dashes and underscores"}
	}
	if mode != "live" && mode != "test" {
		return nil, &InvalidError{"mode", "live or test"}
	}
	c := &Client{ID: newID("cli_"), Name: name, SourceSystem: sourceSystem, Mode: mode, CreatedAt: s.now()}
	err = s.inTx(ctx, func(tx *sqlx.Tx) error {
		has, err := ensureSourceSystem(ctx, tx, sourceSystem, mode)
		if err != nil {
			return err
		}
		if has != mode {
			return &InvalidError{"mode", fmt.Sprintf("the source system %s is %s", sourceSystem, has)}
		}
		if err := insertClient(ctx, tx, c); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "client.created", c.ID, map[string]any{"source_system": sourceSystem})
	})
	if err != nil {
		return nil, fmt.Errorf("creating a client: %w", err)
	}
	return c, nil
}

// CreateKey makes a key for a client and gives its secret, which is never shown again. expires may be nil.
func (s *Store) CreateKey(ctx context.Context, by Actor, clientID, name string, scopes []Scope, expires *time.Time) (*Key, string, error) {
	if name != "" {
		var err error
		if name, err = cleanName("name", name); err != nil {
			return nil, "", err
		}
	}
	if err := known("scopes", scopes, Scopes()); err != nil {
		return nil, "", err
	}
	if expires != nil && !expires.After(s.now()) {
		return nil, "", &InvalidError{"expires_at", "must be in the future"}
	}
	k := &Key{ID: newID("key_"), ClientID: clientID, Name: name, Scopes: scopes, CreatedAt: s.now(), ExpiresAt: expires}
	secret := newSecret(keyPrefix)
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		if err := insertKey(ctx, tx, k, secretHash(secret)); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "key.created", k.ID, map[string]any{"client": clientID, "scopes": scopes})
	})
	if err != nil {
		return nil, "", fmt.Errorf("creating a key: %w", err)
	}
	return k, secret, nil
}

// MaxOverlap is the longest that a key works on beside the one that follows it.
const MaxOverlap = 30 * 24 * time.Hour

// RotateKey makes the key that follows another of a client (any client when clientID is empty): same scopes, valid for as long from now
// on as the other was from its beginning. The other works until the overlap is over. The error is ErrEnded where it has ended or
// was rotated before, ErrNotFound.
func (s *Store) RotateKey(ctx context.Context, by Actor, clientID, keyID string, overlap time.Duration) (*Key, string, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return nil, "", &InvalidError{"overlap_hours", fmt.Sprintf("0 to %d", int(MaxOverlap.Hours()))}
	}
	now, secret := s.now(), newSecret(keyPrefix)
	var k *Key
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		old, err := lockKey(ctx, tx, clientID, keyID)
		if err != nil {
			return err
		}
		if old.RevokedAt != nil || old.ExpiresAt != nil && !now.Before(*old.ExpiresAt) {
			return ErrEnded
		}
		k = &Key{ID: newID("key_"), ClientID: old.ClientID, Name: old.Name, Scopes: old.Scopes, CreatedAt: now, Replaces: &old.ID}
		ends := now.Add(overlap)
		if old.ExpiresAt != nil {
			end := now.Add(old.ExpiresAt.Sub(old.CreatedAt))
			k.ExpiresAt = &end
			if old.ExpiresAt.Before(ends) {
				ends = *old.ExpiresAt
			}
		}
		if err := insertKey(ctx, tx, k, secretHash(secret)); err != nil {
			return err
		}
		if err := endKey(ctx, tx, old.ID, ends); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "key.rotated", old.ID, map[string]any{"followed_by": k.ID, "works_until": ends})
	})
	if err != nil {
		return nil, "", fmt.Errorf("rotating key %s: %w", keyID, err)
	}
	s.cache.forget(keyID)
	return k, secret, nil
}

// RevokeKey ends a key of a client (any client when clientID is empty). It takes effect here at once, on other replicas
// within 30 seconds. Revoking twice keeps the first time.
func (s *Store) RevokeKey(ctx context.Context, by Actor, clientID, keyID string) error {
	err := s.inTx(ctx, func(tx *sqlx.Tx) error {
		fresh, err := revokeKey(ctx, tx, clientID, keyID, s.now())
		if err != nil || !fresh {
			return err
		}
		return s.audit(ctx, tx, by, "key.revoked", keyID, nil)
	})
	if err != nil {
		return fmt.Errorf("revoking key %s: %w", keyID, err)
	}
	s.cache.forget(keyID)
	return nil
}

func (s *Store) authenticateKey(ctx context.Context, secret string) (*Principal, error) {
	hash := sha256.Sum256([]byte(secret))
	k, ok := s.cache.get(hash)
	if !ok {
		began := s.cache.generation()
		var err error
		if k, err = s.loadKey(ctx, hash[:]); err != nil {
			if errors.Is(err, ErrNotFound) {
				return nil, ErrUnauthenticated
			}
			return nil, fmt.Errorf("looking a key up: %w", err)
		}
		s.cache.put(hash, k, began)
	}
	if k.expires != nil && !s.now().Before(*k.expires) {
		return nil, ErrUnauthenticated
	}
	return k.principal, nil
}

// cachedKey is a key that was in force when it was read.
type cachedKey struct {
	principal *Principal
	expires   *time.Time // of the key, by feegate's clock
	until     time.Time  // believed, by the machine's clock
}

// keyCache remembers keys for keyFresh. Only keys that exist are kept, so that guesses cannot fill it.
type keyCache struct {
	machine func() time.Time

	mu   sync.Mutex
	keys map[[sha256.Size]byte]cachedKey
	gen  uint64 // grows with every revocation here: a read that began before one is not kept
}

func newKeyCache(machine func() time.Time) *keyCache {
	return &keyCache{machine: machine, keys: map[[sha256.Size]byte]cachedKey{}}
}

func (c *keyCache) get(hash [sha256.Size]byte) (cachedKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[hash]
	return k, ok && c.machine().Before(k.until)
}

func (c *keyCache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gen
}

func (c *keyCache) put(hash [sha256.Size]byte, k cachedKey, began uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if began != c.gen {
		return
	}
	if len(c.keys) >= keyCacheSize {
		clear(c.keys) // rare, and cheaper than keeping an order: each key is read once more
	}
	k.until = c.machine().Add(keyFresh)
	c.keys[hash] = k
}

func (c *keyCache) forget(keyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for hash, k := range c.keys {
		if k.principal.ID == keyID {
			delete(c.keys, hash)
		}
	}
}
