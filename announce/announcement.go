package announce

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/credential"
)

// Kind says what is announced. The set is closed: metrics use it as a label.
type Kind string

const (
	// Pushed: Planet accepted a new version.
	Pushed Kind = "pushed"
	// Held: the current version is not pushed, and a person has to look.
	Held Kind = "held"
	// Blocked: nothing can be sent for the destination, whatever the version.
	Blocked Kind = "blocked"
	// Leftover: Planet's test object lies in the bucket.
	Leftover Kind = "leftover"
	// Expiring: the credential in force ends soon, ends before its secret manager
	// plans the next one, or has ended.
	Expiring Kind = "expiring"
	// CredentialRejected: the bucket does not take the credential that Planet
	// holds any more.
	CredentialRejected Kind = "credential_rejected"
	// Drift: somebody else has changed the destination at Planet.
	Drift Kind = "drift"
	// DeliveriesFailing: deliveries have failed, for what looks like the
	// credential, since Planet accepted it.
	DeliveriesFailing Kind = "deliveries_failing"
	// SafeToRevoke: every destination of a secret uses the version, and the
	// grace is over. The one kind that is about a secret.
	SafeToRevoke Kind = "safe_to_revoke"
	// Failing: the source or Planet can't be used; tried again by itself.
	Failing Kind = "failing"
	// Recovered: what was held, blocked or failing is in order again.
	Recovered Kind = "recovered"
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{Pushed, Held, Blocked, Leftover, Expiring, CredentialRejected, Drift, DeliveriesFailing,
		SafeToRevoke, Failing, Recovered}
}

// Announcement is one thing that happened. It is made of names, times and
// sentences; a secret's value does not fit into any of its fields.
type Announcement struct {
	// ID is the same whenever the same thing is announced, and different for
	// everything else; [ID] makes one. When empty it is made of the kind, the
	// names, the version, State, Reason, Expires and Since: then Since has to tell
	// one occurrence from the next. Time is not in it, for a look that is repeated
	// has another.
	ID   string
	Kind Kind
	// Time is when it happened; when it is announced, if zero.
	Time time.Time
	// Destination is the configured name; empty for what is about a secret.
	// DestinationID is Planet's.
	Destination, DestinationID string
	// Account is the configured name of the Planet account.
	Account string
	Secret  credential.Secret
	// Version is what it is about, by the provider's id.
	Version string
	// State and Reason are words of the store's closed sets.
	State, Reason string
	// Detail is a sentence or two for a person.
	Detail string
	// Expires is when the credential in force ends; zero when unknown.
	Expires time.Time
	// Since is when the state began, or when the version was pushed.
	Since time.Time
	// RetryAt is when rotatord tries again by itself; zero when only a person or
	// a change can help.
	RetryAt time.Time
	// Dependents are what is at risk; nil when not known.
	Dependents *Dependents
}

// Dependents counts what uses a destination.
type Dependents struct {
	Subscriptions int `json:"subscriptions"` // running ones
	Orders        int `json:"orders"`        // open ones
}

const (
	maxName   = 512  // runes of a name
	maxEntry  = 1024 // runes of the name of a secret, which can be an ARN
	maxDetail = 2048 // runes of a sentence
	maxID     = 128
)

// ID makes an id of what makes an announcement the one it is: its kind, its
// subject, the version, when a state began. Different parts give different ids,
// however they are cut.
func ID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return "rot_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// settled gives the announcement as it is delivered: bounded, with an id that
// fits into a header, and sharing nothing with the caller.
func (a Announcement) settled(now time.Time) Announcement {
	for _, s := range []*string{&a.Destination, &a.DestinationID, &a.Account, &a.Version, &a.State, &a.Reason} {
		*s = cut(*s, maxName)
	}
	a.Secret = credential.Secret(cut(string(a.Secret), maxEntry))
	a.Detail = cut(a.Detail, maxDetail)
	if a.ID == "" {
		a.ID = ID(string(a.Kind), a.Destination, a.DestinationID, a.Account, string(a.Secret), a.Version,
			a.State, a.Reason, stamp(a.Expires), stamp(a.Since))
	}
	if !isPlain(a.ID) {
		a.ID = ID(a.ID)
	}
	if a.Time.IsZero() {
		a.Time = now
	}
	if a.Dependents != nil {
		d := *a.Dependents
		a.Dependents = &d
	}
	return a
}

// subject is what the announcement is about; within one the order is kept.
func (a Announcement) subject() string {
	if a.Destination != "" && a.Kind != SafeToRevoke {
		return a.Destination
	}
	return string(a.Secret)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// isPlain tells whether an id can be signed as Standard Webhooks wants it: the
// full stop separates the parts of what is signed.
func isPlain(id string) bool {
	return id != "" && len(id) <= maxID && !strings.ContainsFunc(id, func(c rune) bool {
		return c != '_' && c != '-' && (c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c))
	})
}

// cut shortens to so many runes and says that it did.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
