package gcstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// keyBits is less than Google's 2048: keys are made by the hundred here, and
// guard nothing.
const keyBits = 1024

// pairsAtMost is how many pairs of keys a server makes; after that they come
// round again under other ids, by which the server tells them apart.
const pairsAtMost = 3

// pair is a private key and its PEM.
type pair struct {
	private *rsa.PrivateKey
	pem     string
}

// Key is a key of a service account.
type Key struct {
	Account string // the account's e-mail address
	ID      string // private_key_id
	// From is when the server begins to know the key. Until then it answers as
	// to a wrong signature, as Google does while a new key propagates.
	From time.Time

	pair pair
}

// JSON is the file that Google gives out with a key.
func (k Key) JSON(tokenURI string) []byte {
	project, _, _ := strings.Cut(strings.TrimSuffix(k.Account, ".iam.gserviceaccount.com"), ".")
	_, project, _ = strings.Cut(project, "@")
	text, err := json.MarshalIndent(map[string]string{
		"type":                        "service_account",
		"project_id":                  project,
		"private_key_id":              k.ID,
		"private_key":                 k.pair.pem,
		"client_email":                k.Account,
		"client_id":                   "100000000000000000001",
		"auth_uri":                    "https://accounts.google.com/o/oauth2/auth",
		"token_uri":                   tokenURI,
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url":        "https://www.googleapis.com/robot/v1/metadata/x509/" + url.QueryEscape(k.Account),
		"universe_domain":             "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err) // a map of strings has none
	}
	return text
}

// Credentials is the key as Planet's parameter "credentials" holds it.
func (k Key) Credentials(tokenURI string) []byte {
	return base64.StdEncoding.AppendEncode(nil, k.JSON(tokenURI))
}

// AddKey makes a key of an account, which is made too if there is none of that
// name. The server knows the key from that time on; the zero Time is at once.
func (s *Server) AddKey(email string, from time.Time) (Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.newKey(email, from)
	if err != nil {
		return Key{}, err
	}
	s.accountOf(email)
	s.keys[k.ID] = k
	return k, nil
}

// ForgeKey makes a key under the id of another one, or under a new id for an
// empty one, which the server does not know. Its signatures are never right.
func (s *Server) ForgeKey(email, id string) (Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.newKey(email, time.Time{})
	if err != nil || id == "" {
		return k, err
	}
	k.ID = id
	if known, ok := s.keys[id]; ok && known.pair.private.Equal(k.pair.private) {
		k.pair, err = newPair()
	}
	return k, err
}

// Revoke makes the server forget a key. Tokens that were made with it go on
// working until they expire, as Google's do.
func (s *Server) Revoke(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, keyID)
}

func (s *Server) newKey(email string, from time.Time) (Key, error) {
	if len(s.pairs) < pairsAtMost {
		p, err := newPair()
		if err != nil {
			return Key{}, err
		}
		s.pairs = append(s.pairs, p)
	}
	s.serial++
	return Key{Account: email, ID: fmt.Sprintf("%040x", s.serial), From: from, pair: s.pairs[s.serial%len(s.pairs)]}, nil
}

func newPair() (pair, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits) //nolint:gosec // see keyBits
	if err != nil {
		return pair{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return pair{}, err
	}
	return pair{private, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}, nil
}

// tolerance is how far a clock may be off.
const tolerance = 5 * time.Minute

// statement is what a signed statement says.
type statement struct {
	Issuer   string `json:"iss"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`

	keyID     string
	signed    string
	signature []byte
}

// token answers the token endpoint.
func (s *Server) token(r *http.Request, body []byte, note *Request) *answer {
	form, err := url.ParseQuery(string(body))
	if r.Method != http.MethodPost || err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "Bad Request")
	}
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+form.Get("grant_type"))
	}
	said, ok := read(form.Get("assertion"))
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_grant", "Invalid JWT: Failed to parse the assertion.")
	}
	note.Account, note.KeyID = said.Issuer, said.keyID
	if no := s.check(said, r); no != nil {
		return no
	}
	s.serial++
	text := fmt.Sprintf("ya29.c.token%d-%s", s.serial, rand.Text())
	s.tokens[text] = grant{said.Issuer, s.now().Add(s.lifetime)}
	return jsonAnswer(http.StatusOK, map[string]any{
		"access_token": text, "expires_in": int(s.lifetime / time.Second), "token_type": "Bearer",
	})
}

// read takes a statement apart without believing it.
func read(assertion string) (statement, bool) {
	var said statement
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return said, false
	}
	head, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	signature, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	var h struct{ Alg, Typ, Kid string }
	if err1 != nil || err2 != nil || err3 != nil || json.Unmarshal(head, &h) != nil ||
		json.Unmarshal(claims, &said) != nil || h.Alg != "RS256" {
		return said, false
	}
	said.keyID, said.signed, said.signature = h.Kid, parts[0]+"."+parts[1], signature
	return said, true
}

// check refuses a statement that is not right.
func (s *Server) check(said statement, r *http.Request) *answer {
	invalid := func(description string) *answer {
		return oauthError(http.StatusBadRequest, "invalid_grant", description)
	}
	a := s.accounts[said.Issuer]
	if a == nil {
		return invalid("Invalid grant: account not found")
	}
	k, ok := s.keys[said.keyID]
	sum := sha256.Sum256([]byte(said.signed))
	if !ok || k.Account != said.Issuer || s.now().Before(k.From) ||
		rsa.VerifyPKCS1v15(&k.pair.private.PublicKey, crypto.SHA256, sum[:], said.signature) != nil {
		return invalid("Invalid JWT Signature.")
	}
	if a.disabled {
		return invalid("Invalid grant: account disabled")
	}
	scheme := r.URL.Scheme // told without a network only
	switch {
	case scheme != "":
	case r.TLS == nil:
		scheme = "http"
	default:
		scheme = "https"
	}
	if own := scheme + "://" + r.Host + r.URL.Path; said.Audience != own {
		return invalid("Invalid JWT: Failed audience check. The right audience is " + own)
	}
	issued, expires, now := time.Unix(said.Issued, 0), time.Unix(said.Expires, 0), s.now()
	if issued.After(now.Add(tolerance)) || now.After(expires) || expires.Sub(issued) > time.Hour || !expires.After(issued) {
		return invalid("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	}
	scopes := strings.Fields(said.Scope)
	if !slices.ContainsFunc(scopes, func(scope string) bool {
		return slices.Contains([]string{"https://www.googleapis.com/auth/devstorage.read_write",
			"https://www.googleapis.com/auth/devstorage.full_control", "https://www.googleapis.com/auth/cloud-platform"}, scope)
	}) {
		return oauthError(http.StatusBadRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	}
	return nil
}
