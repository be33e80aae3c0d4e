package googletest

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
	"strings"
	"time"
)

// account is a service account with one key.
type account struct {
	key     *rsa.PublicKey
	revoked bool
}

// tokenLasts is how long an access token works.
const tokenLasts = time.Hour

// Token gives an access token that the server takes.
func (s *Server) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue()
}

func (s *Server) issue() string {
	s.issued++
	token := fmt.Sprintf("ya29.token-number-%d", s.issued)
	s.tokens[token] = time.Now().Add(tokenLasts)
	return token
}

// RevokeTokens makes the server refuse all tokens that it has issued so far.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Issued is how many tokens were issued so far.
func (s *Server) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// KeyFile makes a service account with a key, and gives the key as the file
// that the console downloads. Its token_uri is this server's token service, so
// that the server has to be started.
func (s *Server) KeyFile(email string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // made in no time, and it guards nothing
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil || s.serving.url == "" {
		return nil, fmt.Errorf("make key of %s: there is no token service unless started on loopback", email)
	}
	s.accounts[email] = account{key: &key.PublicKey}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": DefaultProject, "private_key_id": "key-of-" + email,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "client_email": email,
		"client_id": "1", "token_uri": s.serving.url, "universe_domain": "googleapis.com",
	})
}

// RevokeKey deletes the key of a service account, in the way of Google's: its
// assertions are refused, and tokens that it got before go on to work.
func (s *Server) RevokeKey(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[email]
	a.revoked = true
	s.accounts[email] = a
}

// serveToken is the token service: RFC 7523, as Google's.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, code, description string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		refuse(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil || !s.signed(r.FormValue("assertion"), s.serving.url) {
		refuse(http.StatusBadRequest, "invalid_grant", "Invalid JWT Signature.")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": s.issue(), "expires_in": int(tokenLasts / time.Second), "token_type": "Bearer"})
}

// signed tells whether an assertion is signed by a key that is known.
func (s *Server) signed(assertion, audience string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	var claims struct {
		Iss, Aud, Scope string
		Exp             int64
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	a, ok := s.accounts[claims.Iss]
	if err != nil || !ok || a.revoked || claims.Aud != audience || claims.Scope == "" || time.Now().Unix() > claims.Exp {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(a.key, crypto.SHA256, sum[:], signature) == nil
}
