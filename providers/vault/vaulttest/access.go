package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Rule is one path of a policy and what may be done there. A path may end in
// "*", which stands for whatever follows. Of several rules for a path the
// longest counts.
type Rule struct {
	Path         string
	Capabilities []string // "read", "create", "update", "list", "deny"
}

// Read is the rules that a reader of a secret needs.
func Read(mount, path string) []Rule {
	return []Rule{{mount + "/data/" + path, []string{"read"}}, {mount + "/metadata/" + path, []string{"read"}}}
}

// rulesOfDefault are those of Vault's own policy "default", as far as they are
// served here.
var rulesOfDefault = []Rule{{"sys/capabilities-self", []string{"update"}}}

// token is what a token may do and until when.
type token struct {
	root  bool
	rules []Rule
	ends  time.Time // zero: never
}

// role is one of the auth method of Kubernetes.
type role struct {
	account, namespace, audience string
	rules                        []Rule
	lease                        time.Duration
}

// capabilities gives what a token may do at a path.
func (t token) capabilities(path string) []string {
	if t.root {
		return []string{"root"}
	}
	best, length := []string{"deny"}, -1
	for _, r := range slices.Concat(t.rules, rulesOfDefault) {
		prefix, glob := strings.CutSuffix(r.Path, "*")
		if (glob && strings.HasPrefix(path, prefix) || path == r.Path) && len(r.Path) > length {
			best, length = r.Capabilities, len(r.Path)
		}
	}
	return best
}

func (t token) may(capability, path string) bool {
	can := t.capabilities(path)
	return !slices.Contains(can, "deny") && (slices.Contains(can, capability) || slices.Contains(can, "root"))
}

// Token makes a token with rules, which ends after lease; 0 is never. No rules
// at all make a root token.
func (s *Server) Token(id string, lease time.Duration, rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := token{root: len(rules) == 0, rules: rules}
	if lease > 0 {
		t.ends = time.Now().Add(lease)
	}
	s.tokens[id] = t
}

// Revoke ends a token.
func (s *Server) Revoke(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, id)
}

// RevokeAll ends all tokens.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// SetRules replaces what every token may do that is no root token.
func (s *Server) SetRules(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tokens {
		if !t.root {
			t.rules = rules
			s.tokens[id] = t
		}
	}
}

// DropDefault takes the policy "default" from all tokens, so that they may not
// ask for their own capabilities.
func (s *Server) DropDefault() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noDefault = true
}

// Role makes a role of the auth method of Kubernetes, bound to a service
// account of a namespace of the cluster. Its tokens live for lease.
func (s *Server) Role(name, account, namespace string, lease time.Duration, rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[name] = role{account: account, namespace: namespace, audience: "vault", rules: rules, lease: lease}
}

// JWT is the token of a service account, as the cluster of this server signs
// them, until a time.
func (s *Server) JWT(account, namespace string, until time.Time) string {
	claims := map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{"vault"}, "exp": until.Unix(), "iat": time.Now().Unix(),
		"sub":           "system:serviceaccount:" + namespace + ":" + account,
		"kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]string{"name": account}},
	}
	return sign(s.cluster, claims)
}

func newCluster() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // no randomness, no tests
	}
	return key
}

func sign(key *ecdsa.PrivateKey, claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed := encode([]byte(`{"alg":"ES256","kid":"cluster","typ":"JWT"}`)) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	r, x, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + encode(append(r.FillBytes(make([]byte, 32)), x.FillBytes(make([]byte, 32))...))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// reviewed checks a JWT as the cluster's TokenReview does, and gives the
// account that it is of, "namespace/name".
func reviewed(key *ecdsa.PublicKey, jwt, audience string) (account string, err error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("square/go-jose: compact JWS format must have three parts")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || len(signature) != 64 || !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", fmt.Errorf("lookup failed: [invalid bearer token, square/go-jose: error in cryptographic primitive]")
	}
	var claims struct {
		Audience []string `json:"aud"`
		Expires  int64    `json:"exp"`
		Cluster  struct {
			Namespace string `json:"namespace"`
			Account   struct {
				Name string `json:"name"`
			} `json:"serviceaccount"`
		} `json:"kubernetes.io"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	switch {
	case err != nil || json.Unmarshal(body, &claims) != nil:
		return "", fmt.Errorf("lookup failed: [invalid bearer token]")
	case time.Now().Unix() >= claims.Expires:
		return "", fmt.Errorf("lookup failed: [invalid bearer token, service account token has expired]")
	case !slices.Contains(claims.Audience, audience):
		return "", fmt.Errorf("lookup failed: [invalid bearer token, token audiences are invalid for the target audience]")
	}
	return claims.Cluster.Namespace + "/" + claims.Cluster.Account.Name, nil
}
