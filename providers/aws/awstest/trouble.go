package awstest

import (
	"fmt"
	"time"
)

// KMS is the state of the key that a secret is encrypted with.
type KMS int

// The states of a KMS key that a reader of secrets notices.
const (
	KMSUsable KMS = iota
	KMSDenied
	KMSDisabled
	KMSPendingDeletion
	KMSOfAnotherAccount
)

// trouble is what is wrong with the whole server.
type trouble struct {
	throttle int
	fail     int
	status   int
	cut      int
	garble   int
	hang     bool
	latency  time.Duration
}

// Forever is a number of requests that no test gets to.
const Forever = 1 << 30

// Throttle refuses the next n requests with ThrottlingException.
func (s *Server) Throttle(n int) { s.hurt(func(t *trouble) { t.throttle = n }) }

// Fail answers the next n requests with a status from 500 and an
// InternalServiceError.
func (s *Server) Fail(n, status int) { s.hurt(func(t *trouble) { t.fail, t.status = n, status }) }

// Cut closes the connection of the next n requests without an answer.
func (s *Server) Cut(n int) { s.hurt(func(t *trouble) { t.cut = n }) }

// Garble breaks the JSON of the next n successful answers, behind the value.
func (s *Server) Garble(n int) { s.hurt(func(t *trouble) { t.garble = n }) }

// Hang leaves requests without an answer until their senders give up.
func (s *Server) Hang(on bool) { s.hurt(func(t *trouble) { t.hang = on }) }

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(d time.Duration) { s.hurt(func(t *trouble) { t.latency = d }) }

func (s *Server) hurt(f func(*trouble)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.trouble)
}

// Deny refuses an action on a secret, "GetSecretValue", to everybody, in
// Amazon's words. Several add up; Allow takes them all back.
func (s *Server) Deny(arn string, actions ...string) {
	s.with(arn, func(x *secret) {
		for _, action := range actions {
			x.deny[action] = fmt.Sprintf("is not authorized to perform: secretsmanager:%s on resource: %s "+
				"because no identity-based policy allows the secretsmanager:%s action", action, x.arn, action)
		}
	})
}

// OnlyLabels refuses to move any other label of a secret, to everybody, as a
// policy with a condition on secretsmanager:VersionStage does.
func (s *Server) OnlyLabels(arn string, labels ...string) {
	s.with(arn, func(x *secret) { x.onlyLabels = labels })
}

// Allow takes back what Deny and OnlyLabels did.
func (s *Server) Allow(arn string) {
	s.with(arn, func(x *secret) {
		clear(x.deny)
		x.onlyLabels = nil
	})
}

// unpermitted words that no identity-based policy allows an action.
func (x *secret) unpermitted(k Key, q request) *refusal {
	return &refusal{400, "AccessDeniedException", "User: " + k.principal() + " is not authorized to perform: secretsmanager:" + q.action +
		" on resource: " + x.arn + " because no identity-based policy allows the secretsmanager:" + q.action + " action"}
}

// SetKMS sets the state of a secret's KMS key. Only reading a value needs it.
func (s *Server) SetKMS(arn string, k KMS) { s.with(arn, func(x *secret) { x.kms = k }) }

// LagReads lets the next n reads of a secret see it as it was before its last
// change, as a replica that is behind does.
func (s *Server) LagReads(arn string, n int) { s.with(arn, func(x *secret) { x.lagReads = n }) }

// LagFor lets reads of a secret see it as it was before its last change, for
// a while from now.
func (s *Server) LagFor(arn string, d time.Duration) {
	s.with(arn, func(x *secret) { x.lagUntil = time.Now().Add(d) })
}

// refused takes the trouble of one request from the counters.
func (t *trouble) refused() (no *refusal, cut bool) {
	switch {
	case t.cut > 0:
		t.cut--
		return nil, true
	case t.throttle > 0:
		t.throttle--
		return &refusal{400, "ThrottlingException", "Rate exceeded"}, false
	case t.fail > 0:
		t.fail--
		return &refusal{t.status, "InternalServiceError", "An error occurred on the server side."}, false
	}
	return nil, false
}

// refusal is the KMS key's answer to a Decrypt on behalf of a reader.
func (k KMS) refusal() *refusal {
	switch k {
	case KMSDenied:
		return &refusal{400, "AccessDeniedException", "Access to KMS is not allowed"}
	case KMSDisabled:
		return &refusal{400, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key: " +
			"arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab is disabled."}
	case KMSPendingDeletion:
		return &refusal{400, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key: " +
			"arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab is pending deletion."}
	case KMSOfAnotherAccount:
		return &refusal{400, "InvalidRequestException", "You can't access a secret from a different AWS account " +
			"if you encrypt the secret with the default KMS service key."}
	}
	return nil
}
