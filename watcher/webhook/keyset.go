package webhook

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysAge is when cached keys are asked for again although they work, so
	// that a key that was withdrawn is forgotten.
	keysAge = time.Hour
	// keysPause is the least time between two requests for keys, however many
	// callers name keys that nobody knows; keysRetry after one that failed.
	keysPause = time.Minute
	keysRetry = 10 * time.Second

	maxKeySet = 1 << 20
	maxKeys   = 100
	minBits   = 2048
)

var (
	errNoKeys     = errors.New("the issuer's keys can't be had at the moment")
	errUnknownKey = errors.New("the issuer has no such key")
	errBadToken   = errors.New("the signature of the token is not right")
)

// keySet holds the public keys of one issuer of tokens. The one of go-oidc asks
// the issuer again for each token with an unknown key id, and so does whatever
// a stranger tells it to; this one asks at most once a minute, and says when a
// key may exist that it was too early to ask for.
//
// Keys that were fetched once go on working while the issuer can't be reached.
type keySet struct {
	address string
	client  *http.Client

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time     // when keys were last fetched
	next    time.Time     // not before that are they asked for again
	asking  chan struct{} // closed when the request under way has ended; nil without one
}

// key gives the key with that id. errUnknownKey means that the issuer has just
// been asked and has none; errNoKeys that it can't be known at the moment.
func (s *keySet) key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	asked := false
	for {
		s.mu.Lock()
		now := time.Now()
		k, stale := s.keys[id], now.Sub(s.fetched) > keysAge
		may := s.asking == nil && !now.Before(s.next)
		switch {
		case k != nil && (!stale || !may):
			s.mu.Unlock()
			return k, nil
		case may && !asked:
			s.asking = make(chan struct{})
			s.mu.Unlock()
			s.ask(ctx)
			asked = true
			continue
		case s.asking != nil:
			wait := s.asking
			s.mu.Unlock()
			select {
			case <-wait:
				asked = true
				continue
			case <-ctx.Done():
				return nil, errNoKeys
			}
		}
		// It was asked for on behalf of this very token, so what came is the
		// answer. Otherwise the key may be so new that it was not among them.
		fresh := asked && s.fetched.After(now.Add(-fetchTimeout))
		s.mu.Unlock()
		if fresh {
			return nil, errUnknownKey
		}
		return nil, errNoKeys
	}
}

// ask fetches the keys; what is there stays if that does not succeed.
func (s *keySet) ask(ctx context.Context) {
	var keys map[string]*rsa.PublicKey
	defer func() { // also should it panic: nobody must wait for ever
		s.mu.Lock()
		defer s.mu.Unlock()
		now := time.Now()
		s.next = now.Add(keysRetry)
		if len(keys) > 0 {
			s.keys, s.fetched, s.next = keys, now, now.Add(keysPause)
		}
		close(s.asking)
		s.asking = nil
	}()
	body, err := get(ctx, s.client, s.address, maxKeySet)
	if err != nil {
		return
	}
	keys = parseKeys(body)
}

// parseKeys takes the RSA keys for signatures out of a JSON Web Key Set and
// leaves whatever else is in it.
func parseKeys(body []byte) map[string]*rsa.PublicKey {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || len(set.Keys) > maxKeys {
		return nil
	}
	keys := make(map[string]*rsa.PublicKey, len(set.Keys))
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || k.KeyID == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		if public, ok := k.Key.(*rsa.PublicKey); ok && public.N.BitLen() >= minBits {
			keys[k.KeyID] = public
		}
	}
	return keys
}

// signatureCheck is the keySet as go-oidc sees it, for one token. go-oidc keeps
// only the text of errors, so the error itself is kept here.
type signatureCheck struct {
	keys *keySet
	err  error
}

// VerifySignature gives the payload of a token whose signature is right.
func (c *signatureCheck) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := c.verify(ctx, token)
	c.err = err
	return payload, err
}

func (c *signatureCheck) verify(ctx context.Context, token string) ([]byte, error) {
	// Both Google and Entra sign with RS256 and nothing else. Whatever the
	// token itself wishes for ("none", a MAC with the public key) is not parsed.
	signed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(signed.Signatures) != 1 || signed.Signatures[0].Protected.KeyID == "" {
		return nil, errBadToken
	}
	k, err := c.keys.key(ctx, signed.Signatures[0].Protected.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := signed.Verify(k)
	if err != nil {
		return nil, errBadToken
	}
	return payload, nil
}
