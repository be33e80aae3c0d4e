package gcs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

const (
	// scope is what a token is asked for: objects, and no policies.
	scope = "https://www.googleapis.com/auth/devstorage.read_write"
	// backdate allows for a clock of ours that is a little ahead; Google's
	// libraries take the same.
	backdate = 10 * time.Second
	// lifetime of a statement: the longest that Google accepts, so that a clock
	// of ours that is behind does as little harm as can be.
	lifetime = time.Hour
	// keepToken is how long a token is used: see the package comment.
	keepToken = time.Minute
	maxToken  = 8 << 10
)

// token is an access token, empty when there is none.
type token struct {
	text  string
	until time.Time
}

// authorize gives a token, a new one unless there is one of less than a minute.
func (b *gcsBucket) authorize(ctx, call context.Context, op bucket.Op) (string, *bucket.Error) {
	var t token
	select {
	case t = <-b.token:
	case <-call.Done():
		return "", b.silence(ctx, op, b.tokenHost, call.Err())
	}
	defer func() { b.token <- t }()
	if t.text != "" && time.Now().Before(t.until) {
		return t.text, nil
	}
	fresh, err := b.exchange(ctx, call, op)
	if err != nil {
		t = token{}
		return "", err
	}
	t = fresh
	return t.text, nil
}

// forget drops a token that was not accepted, so that the next call asks for
// another.
func (b *gcsBucket) forget(text string) {
	select {
	case t := <-b.token:
		if t.text == text {
			t = token{}
		}
		b.token <- t
	default: // somebody is getting a new one
	}
}

// exchange signs a statement and has Google make a token of it. Source:
// "Using OAuth 2.0 for Server to Server Applications", without a library.
func (b *gcsBucket) exchange(ctx, call context.Context, op bucket.Op) (token, *bucket.Error) {
	begin := time.Now()
	assertion, err := b.assertion(begin)
	if err != nil {
		return token{}, &bucket.Error{Op: op, Kind: bucket.KindConfig, Message: "the private key can't sign; it may be too short"}
	}
	defer clear(assertion)
	const form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
	body := make([]byte, 0, len(form)+len(assertion))  // base64url needs no escaping
	body = append(append(body, form...), assertion...) // not cleared: net/http may still be reading when it has an answer
	r, err := http.NewRequestWithContext(call, http.MethodPost, b.tokenURL, bytes.NewReader(body))
	if err != nil {
		return token{}, &bucket.Error{Op: op, Kind: bucket.KindConfig, Message: "no request can be made for the token endpoint"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := b.send(r, maxAnswer)
	if err != nil {
		e := b.silence(ctx, op, b.tokenHost, err)
		e.Status, e.ServerTime = got.status, got.date
		return token{}, e
	}
	if got.status != http.StatusOK {
		return token{}, classifyToken(op, got)
	}
	var granted struct {
		Token   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	if json.Unmarshal(got.body, &granted) != nil || !isToken(granted.Token) {
		return token{}, &bucket.Error{Op: op, Kind: bucket.KindUnknown, Status: got.status, ServerTime: got.date,
			Message: "the answer of the token endpoint holds no access token; check proxies on the way"}
	}
	keep := keepToken
	if seconds, err := granted.Expires.Int64(); err == nil && seconds >= 0 && seconds < int64(keep/time.Second) {
		keep = time.Duration(seconds) * time.Second
	}
	return token{granted.Token, begin.Add(keep)}, nil
}

// isToken tells whether text can stand in a header.
func isToken(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= maxToken
}

// assertion is the signed statement: we are this account, and this is for the
// token endpoint and for the next hour.
func (b *gcsBucket) assertion(now time.Time) ([]byte, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": b.keyID})
	if err != nil {
		return nil, err
	}
	issued := now.Add(-backdate)
	claims, err := json.Marshal(map[string]any{
		"iss": b.email, "scope": scope, "aud": b.tokenURL,
		"iat": issued.Unix(), "exp": issued.Add(lifetime).Unix(),
	})
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding
	signed := encode.AppendEncode(nil, head)
	signed = append(signed, '.')
	signed = encode.AppendEncode(signed, claims)
	sum := sha256.Sum256(signed)
	signature, err := rsa.SignPKCS1v15(rand.Reader, b.key, crypto.SHA256, sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(signed)+1+encode.EncodedLen(len(signature)))
	out = append(append(out, signed...), '.')
	return encode.AppendEncode(out, signature), nil
}

// request makes a request with a token.
func (b *gcsBucket) request(ctx, call context.Context, op bucket.Op, method, address string, body []byte) (*http.Request, string, *bucket.Error) {
	bearer, e := b.authorize(ctx, call, op)
	if e != nil {
		return nil, "", e
	}
	r, err := http.NewRequestWithContext(call, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, "", &bucket.Error{Op: op, Kind: bucket.KindConfig, Message: "no request can be made for this object; check its name"}
	}
	if len(body) == 0 {
		r.Body, r.GetBody = http.NoBody, nil
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("User-Agent", "rotatord")
	return r, bearer, nil
}
