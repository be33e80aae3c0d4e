package webhook

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

const (
	// minKey is the length of the shortest shared key of Event Grid, in bytes.
	minKey = 16
	// Standard Webhooks wants secrets of 24 to 64 bytes.
	minSecret, maxSecret = 24, 64
	secretPrefix         = "whsec_"
	// maxShared bounds how many keys are valid at the same time.
	maxShared = 10
)

// Keys gives the keys that are valid now, the one to send with first. It is
// called at each request and must be quick; a file that is read again when it
// has changed is what it is for. White space around a key does not count. The
// values stay the caller's and are not kept.
type Keys func() ([]credential.Value, error)

var (
	errKeysUnreadable = errors.New("the keys can't be read")
	errKeysNone       = errors.New("there is no key, or more than ten")
	errKeysShort      = errors.New("a key is shorter than 16 bytes")
	errKeysSecret     = errors.New("a secret is not whsec_ and 24 to 64 bytes in base64")
)

// valid gives the keys, each as it is used. The error of the function is not
// shown: it may quote what it read.
func (k Keys) valid(use func([]byte) ([]byte, error)) ([][]byte, error) {
	values, err := k()
	if err != nil {
		return nil, errKeysUnreadable
	}
	if len(values) == 0 || len(values) > maxShared {
		return nil, errKeysNone
	}
	keys := make([][]byte, 0, len(values))
	for _, v := range values {
		key, err := use(bytes.TrimSpace(v.Bytes()))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func plainKey(b []byte) ([]byte, error) {
	if len(b) < minKey {
		return nil, errKeysShort
	}
	return b, nil
}

func standardSecret(b []byte) ([]byte, error) {
	encoded, ok := bytes.CutPrefix(b, []byte(secretPrefix))
	secret := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(secret, encoded)
	if !ok || err != nil || n < minSecret || n > maxSecret {
		return nil, errKeysSecret
	}
	return secret[:n], nil
}

// among tells whether given is one of the keys. How long it takes depends on
// the number of keys and on nothing else that is secret.
func among(given []byte, keys [][]byte) bool {
	sum, found := sha256.Sum256(given), 0
	for _, key := range keys {
		one := sha256.Sum256(key)
		found |= subtle.ConstantTimeCompare(sum[:], one[:])
	}
	return found == 1
}

// keysBroken is for a source whose own keys can't be used.
func (g *gate) keysBroken(err error) answer {
	g.down(g.fault("receive from", watcher.ReasonInvalid, err, "check where the keys of this webhook are configured"))
	return refuseBecause(RefusedKeys, err.Error())
}
