package awstest

import (
	"net/http"
	"time"

	"github.com/rotatord/rotatord/internal/sigv4"
)

// authenticate finds the key that signed a request for this service, or says
// why there is none. STS has other words for the same.
func (s *Server) authenticate(r *http.Request, service string, body []byte) (Key, sigv4.Claim, *refusal) {
	unknown, wrong := "UnrecognizedClientException", "InvalidSignatureException"
	if service == "sts" {
		unknown, wrong = "InvalidClientTokenId", "SignatureDoesNotMatch"
	}
	status := http.StatusBadRequest
	if service == "sts" {
		status = http.StatusForbidden
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return Key{}, sigv4.Claim{}, &refusal{status, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	c, ok := sigv4.Parse(header)
	if !ok || !c.Signs("x-amz-date") { // what decides may not be left out
		return Key{}, c, &refusal{status, "IncompleteSignatureException", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'."}
	}
	if c.Service != service {
		return Key{}, c, &refusal{status, wrong, "Credential should be scoped to correct service: '" + service + "'."}
	}
	k, known := s.keys[c.ID]
	signing := sigv4.Key{Secret: k.Secret, Token: k.Token}
	if !known || !c.HasToken(r, signing) {
		return Key{}, c, &refusal{status, unknown, "The security token included in the request is invalid."}
	}
	now := time.Now()
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		code := "ExpiredTokenException"
		if service == "sts" {
			code = "ExpiredToken"
		}
		return Key{}, c, &refusal{status, code, "The security token included in the request is expired"}
	}
	switch c.Check(r, signing, sigv4.HashOf(body)) {
	case sigv4.None:
		return k, c, nil
	case sigv4.BadDate:
		return Key{}, c, &refusal{status, wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"}
	case sigv4.Skewed:
		return Key{}, c, &refusal{status, wrong, "Signature expired: " + r.Header.Get("X-Amz-Date") + " is now earlier than " +
			now.Add(-sigv4.MaxSkew).UTC().Format(sigv4.TimeFormat)}
	}
	return Key{}, c, &refusal{status, wrong, "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n" +
		// Amazon goes on to quote what was to be signed, the token with it.
		"The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:" + k.Token + "\n'"}
}
