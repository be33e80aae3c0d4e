package webhook

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/rotatord/rotatord/watcher"
)

// maxToken is the length of the longest token that is looked at.
const maxToken = 16 << 10

// tokens checks bearer tokens of one issuer.
type tokens struct {
	gate     *gate
	keys     *keySet
	issuers  []string
	audience string
	issuer   string // who it is, for people
	// caller looks at claims that only one kind of sender has.
	caller func(claims) bool
}

// claims are those that tell who called.
type claims struct {
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	AppID         string `json:"appid"` // Entra, version 1
	AuthorizedFor string `json:"azp"`   // Entra, version 2
}

// bearer gives the token of a request, "" if there is none. Two Authorization
// headers are none: which one was meant can't be known.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// check says why a token is not accepted, "" if it is.
func (t *tokens) check(ctx context.Context, token string) (Refusal, string) {
	switch {
	case token == "":
		return RefusedNoToken, ""
	case len(token) > maxToken:
		return RefusedSignature, "the token is too long"
	}
	signature := &signatureCheck{keys: t.keys}
	// Issuer and audience are compared below, where the reasons can be told
	// apart; the signature, its algorithm, exp and nbf are go-oidc's.
	verified, err := oidc.NewVerifier("", signature, &oidc.Config{
		SkipIssuerCheck: true, SkipClientIDCheck: true, SupportedSigningAlgs: []string{oidc.RS256},
	}).Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.Is(signature.err, errNoKeys):
		t.keysMissing()
		return RefusedKeys, errNoKeys.Error() + ": " + t.issuer
	case errors.As(err, &expired):
		return RefusedExpired, "the token has expired: check the clock of this machine"
	case err != nil:
		return RefusedSignature, ""
	}
	return t.claims(verified)
}

func (t *tokens) claims(token *oidc.IDToken) (Refusal, string) {
	var c claims
	switch {
	case !slices.Contains(t.issuers, token.Issuer):
		return RefusedIssuer, "the token is good but not of " + t.issuer
	case !slices.Contains(token.Audience, t.audience):
		return RefusedAudience, "the audience that is configured here must be the one that is configured at the sender"
	case token.Claims(&c) != nil, !t.caller(c):
		return RefusedCaller, "the token is good but of another caller than the configured one"
	}
	return "", ""
}

// keysMissing lets the source be down if it has never had any keys. A stranger
// with a made-up key id is no reason.
func (t *tokens) keysMissing() {
	t.keys.mu.Lock()
	none := len(t.keys.keys) == 0
	t.keys.mu.Unlock()
	if none {
		t.gate.down(t.gate.fault("receive from", watcher.ReasonUnavailable, errNoKeys,
			"callers can't be checked: allow HTTPS to "+t.issuer))
	}
}
