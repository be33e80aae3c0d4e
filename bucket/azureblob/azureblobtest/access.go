package azureblobtest

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// refusal is an error in Azure's words.
type refusal struct {
	status                int
	code, message, detail string
}

func refuse(status int, code, message string) *refusal { return &refusal{status, code, message, ""} }

const unauthenticated = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."

func failed(detail string) *refusal {
	return &refusal{http.StatusForbidden, "AuthenticationFailed", unauthenticated, detail}
}

// mismatch is one of the codes for a good token that is not for this.
func mismatch(of, what string) *refusal {
	return refuse(http.StatusForbidden, "Authorization"+of+"Mismatch", "This request is not authorized to perform this operation using this "+what+".")
}

// admit checks a token, in the order that Azure does.
func (s *Server) admit(to target, q url.Values, from netip.Addr, secure bool) *refusal {
	a := s.accounts[to.account]
	if a == nil {
		return refuse(http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist.")
	}
	if a.firewall {
		return refuse(http.StatusForbidden, "AuthorizationFailure", "This request is not authorized to perform this operation.")
	}
	if q.Get("sig") == "" || q.Get("sv") == "" || q.Get("sr") == "" && q.Get("ss") == "" {
		return refuse(http.StatusUnauthorized, "NoAuthenticationInformation",
			"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
	}
	text := stringToSign(q, to.account, to.container)
	if !a.signed(text, q.Get("sig")) {
		return failed("Signature did not match. String to sign used was " + text)
	}
	p := policy{permissions: q.Get("sp"), start: parse(q.Get("st")), end: parse(q.Get("se"))}
	if id := q.Get("si"); id != "" {
		stored, ok := a.containers[to.container].policyOf(id)
		if !ok {
			return failed("")
		}
		p.add(stored)
	}
	if no := p.outside(time.Now()); no != nil {
		return no
	}
	switch {
	case !within(from, q.Get("sip")):
		return mismatch("SourceIP", "source IP "+from.String())
	case q.Get("spr") == "https" && !secure:
		return mismatch("Protocol", "protocol")
	case q.Get("sr") == "" && !strings.Contains(q.Get("ss"), "b"):
		return mismatch("Service", "service")
	case q.Get("sr") == "" && !strings.Contains(q.Get("srt"), to.resourceType()):
		return mismatch("ResourceType", "resource type")
	case !strings.ContainsAny(p.permissions, to.permissions()):
		return mismatch("Permission", "permission")
	}
	return nil
}

func (a *account) signed(text, signature string) bool {
	for _, key := range a.keys {
		if hmac.Equal([]byte(sign(key, text)), []byte(signature)) {
			return true
		}
	}
	return false
}

// policy is what a token permits, from when, until when.
type policy struct {
	permissions string
	start, end  time.Time
}

// add takes from a stored policy what the token leaves open.
func (p *policy) add(stored Policy) {
	p.permissions = or(p.permissions, stored.Permissions)
	if p.start.IsZero() {
		p.start = stored.Start
	}
	if p.end.IsZero() {
		p.end = stored.End
	}
}

func (p *policy) outside(now time.Time) *refusal {
	if p.end.IsZero() {
		return failed("Signature fields not well formed.")
	}
	if now.Before(p.end) && !now.Before(p.start) {
		return nil
	}
	start := p.start
	if start.IsZero() {
		return failed(fmt.Sprintf("Signed expiry time [%s] has to be after signed start time [%s]", gmt(p.end), gmt(now)))
	}
	return failed(fmt.Sprintf("Signature not valid in the specified time frame: Start [%s] - Expiry [%s] - Current [%s]", gmt(start), gmt(p.end), gmt(now)))
}

func gmt(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func parse(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// within tells whether an address is in a token's range.
func within(from netip.Addr, ip string) bool {
	if ip == "" {
		return true
	}
	first, last, isRange := strings.Cut(ip, "-")
	if !isRange {
		last = first
	}
	low, lowErr := netip.ParseAddr(first)
	high, highErr := netip.ParseAddr(last)
	return lowErr == nil && highErr == nil && from.Compare(low) >= 0 && from.Compare(high) <= 0
}
