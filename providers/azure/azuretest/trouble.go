package azuretest

import (
	"fmt"
	"strings"
	"time"
)

// trouble is what is wrong with the vaults, or with Entra.
type trouble struct {
	throttle int
	after    int
	fail     int
	status   int
	cut      int
	garble   int
	hang     bool
	latency  time.Duration
}

// Forever is a number of requests that no test gets to.
const Forever = 1 << 30

// Part is a part of the server that can be in trouble by itself.
type Part int

// The parts.
const (
	Vaults Part = iota
	Tokens      // Entra and the metadata service
)

// Throttle answers the next n requests with 429, and with a Retry-After of so
// many seconds unless that is 0.
func (s *Server) Throttle(p Part, n, after int) {
	s.hurt(p, func(t *trouble) { t.throttle, t.after = n, after })
}

// Fail answers the next n requests with a status from 500.
func (s *Server) Fail(p Part, n, status int) {
	s.hurt(p, func(t *trouble) { t.fail, t.status = n, status })
}

// Cut closes the connection of the next n requests without an answer.
func (s *Server) Cut(p Part, n int) { s.hurt(p, func(t *trouble) { t.cut = n }) }

// Garble breaks the JSON of the next n successful answers, behind what is secret
// in them.
func (s *Server) Garble(p Part, n int) { s.hurt(p, func(t *trouble) { t.garble = n }) }

// Hang leaves requests without an answer until their senders give up.
func (s *Server) Hang(p Part, on bool) { s.hurt(p, func(t *trouble) { t.hang = on }) }

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(p Part, d time.Duration) {
	s.hurt(p, func(t *trouble) { t.latency = d })
}

func (s *Server) hurt(p Part, f func(*trouble)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.part(p))
}

func (s *Server) part(p Part) *trouble {
	if p == Tokens {
		return &s.entra
	}
	return &s.vault
}

// Mislead makes the next n answers about another secret.
func (s *Server) Mislead(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign = n
}

// Redirect makes every page of a list point to link as the next one.
func (s *Server) Redirect(link string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = link
}

// Firewall is how a vault is closed to the network that asks.
type Firewall int

// Whom the vaults let in.
const (
	Open         Firewall = iota
	NotYou                // selected networks only
	PrivateLinks          // private endpoints only
)

// SetFirewall closes or opens all vaults.
func (s *Server) SetFirewall(f Firewall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.firewall = f
}

// Denial is by which model a permission is missing.
type Denial int

// The models of access to a vault, in their older and newer words.
const (
	ByRole Denial = iota + 1
	ByPolicy
	ByAccessPolicy // the same with the code AccessDenied
)

// Deny refuses operations on a secret, "get", "list" or "update", to everybody. Several
// add up; Allow takes them all back.
func (s *Server) Deny(vault, name string, by Denial, operations ...string) {
	s.with(vault, name, func(x *secret) {
		for _, o := range operations {
			x.deny[o] = by
		}
	})
}

// Allow takes back what Deny did.
func (s *Server) Allow(vault, name string) {
	s.with(vault, name, func(x *secret) { clear(x.deny) })
}

// caller is how a refusal speaks of who asks.
func caller(t token) string {
	return fmt.Sprintf("appid=%s;oid=00000000-0000-4000-8000-0000000000aa;iss=https://sts.windows.net/%s/", t.app, t.tenant)
}

func (d Denial) refusal(t token, vault, name, operation string) *refusal {
	short, _, _ := strings.Cut(vault, ".")
	if d == ByRole {
		action := map[string]string{"get": "getSecret", "list": "readMetadata", "update": "update"}[operation]
		return &refusal{403, "Forbidden", "ForbiddenByRbac", fmt.Sprintf("Caller is not authorized to perform action on resource.\r\n"+
			"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n"+
			"Caller: %s\r\nAction: 'Microsoft.KeyVault/vaults/secrets/%s/action'\r\n"+
			"Resource: '/subscriptions/0/resourcegroups/rg/providers/microsoft.keyvault/vaults/%s/secrets/%s'\r\n"+
			"Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\nVault: %s;location=westeurope\r\n", caller(t), action, short, name, short)}
	}
	if operation == "update" {
		operation = "set" // one permission for both
	}
	inner := "ForbiddenByPolicy"
	if d == ByAccessPolicy {
		inner = "AccessDenied"
	}
	return &refusal{403, "Forbidden", inner, fmt.Sprintf("The user, group or application '%s' does not have secrets %s permission on key vault '%s;location=westeurope'. "+
		"For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287", caller(t), operation, short)}
}

func (f Firewall) refusal(t token) *refusal {
	switch f {
	case NotYou:
		return &refusal{403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.\r\n" +
			"Client address: 203.0.113.7\r\nCaller: " + caller(t) + "\r\nVault: my-vault;location=westeurope"}
	case PrivateLinks:
		return &refusal{403, "Forbidden", "ForbiddenByConnection", "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\n" +
			"Caller: " + caller(t) + "\r\nVault: my-vault;location=westeurope"}
	}
	return nil
}

// refused takes the trouble of one request from the counters.
func (t *trouble) refused() (no *refusal, cut bool) {
	switch {
	case t.cut > 0:
		t.cut--
		return nil, true
	case t.throttle > 0:
		t.throttle--
		return &refusal{429, "Throttled", "RequestTypeThrottled", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}, false
	case t.fail > 0:
		t.fail--
		return &refusal{t.status, "InternalError", "", "An internal error has occurred."}, false
	}
	return nil, false
}
