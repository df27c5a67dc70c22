// Package account is the merchant accounts: which provider, for which agency, with which secrets, kinds, limits and tariff;
// and the master key under which secrets, payers and raw callbacks are sealed.
//
// It may touch its own tables and the providers' registry. Secrets leave it only as a providers.Account.
package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keys seals and digests under the master key. It is safe for concurrent use.
type Keys struct {
	seal   tink.AEAD
	digest *prf.Set
}

// keyFile is the master key file: two tink keysets, so that either can be rotated with tink's own means.
type keyFile struct {
	Seal   json.RawMessage `json:"seal"`
	Digest json.RawMessage `json:"digest"`
}

// LoadKeys reads the master key file. A file that others may read is refused.
func LoadKeys(name string) (*Keys, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key %s: others may read it; it must have mode 0600", name)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	var f keyFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("master key %s is not a key file: %w", name, err)
	}
	return open(f)
}

// NewKeys writes a fresh master key file (mode 0600) and loads it; it never overwrites one.
func NewKeys(name string) (*Keys, error) {
	f, err := generate()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".master-key-*") // mode 0600; seen under its name only when whole
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(raw)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if err := os.Link(file.Name(), name); err != nil { // unlike a rename, never over another
		return nil, fmt.Errorf("master key: %w", err)
	}
	return open(f)
}

// EnsureKeys loads the file, or makes it where there is none.
func EnsureKeys(name string) (*Keys, error) {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return NewKeys(name)
	}
	return LoadKeys(name)
}

func generate() (keyFile, error) {
	var f keyFile
	for _, part := range []struct {
		into     *json.RawMessage
		generate func() (*keyset.Handle, error)
	}{
		{&f.Seal, func() (*keyset.Handle, error) { return keyset.NewHandle(aead.AES256GCMKeyTemplate()) }},
		{&f.Digest, func() (*keyset.Handle, error) { return keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate()) }},
	} {
		h, err := part.generate()
		if err != nil {
			return f, fmt.Errorf("making a master key: %w", err)
		}
		var b bytes.Buffer
		if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
			return f, fmt.Errorf("making a master key: %w", err)
		}
		*part.into = b.Bytes()
	}
	return f, nil
}

func open(f keyFile) (*Keys, error) {
	read := func(raw json.RawMessage) (*keyset.Handle, error) {
		return insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	}
	sealHandle, err := read(f.Seal)
	if err != nil {
		return nil, fmt.Errorf("master key, seal: %w", err)
	}
	digestHandle, err := read(f.Digest)
	if err != nil {
		return nil, fmt.Errorf("master key, digest: %w", err)
	}
	k := &Keys{}
	if k.seal, err = aead.New(sealHandle); err != nil {
		return nil, fmt.Errorf("master key, seal: %w", err)
	}
	if k.digest, err = prf.NewPRFSet(digestHandle); err != nil {
		return nil, fmt.Errorf("master key, digest: %w", err)
	}
	return k, nil
}

// Seal encrypts plaintext, bound to a context such as the id of its row: it opens under the same context alone.
func (k *Keys) Seal(plaintext []byte, context string) ([]byte, error) {
	return k.seal.Encrypt(plaintext, []byte(context))
}

// Open decrypts what Seal made under the same context.
func (k *Keys) Open(sealed []byte, context string) ([]byte, error) {
	return k.seal.Decrypt(sealed, []byte(context))
}

// Digest is a keyed digest (HMAC-SHA256, 32 bytes) of data for one purpose: a plain hash of an account number could be
// reversed by trying all.
func (k *Keys) Digest(purpose string, data []byte) ([]byte, error) {
	return k.digest.ComputePrimaryPRF(append(append([]byte(purpose), 0), data...), 32)
}
