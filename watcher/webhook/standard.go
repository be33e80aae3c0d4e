package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/watcher"
)

const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"

	defaultTolerance = 5 * time.Minute
	defaultWindow    = 10_000
	maxID            = 256
	maxTimestamp     = 12 // digits
	maxSignatures    = 16
)

// StandardOptions are what [NewStandard] needs.
type StandardOptions struct {
	Common
	// Keys are the secrets that senders sign with, each "whsec_" and 24 to 64
	// bytes in base64. Needed.
	Keys Keys
	// Tolerance is how far a request's timestamp may be from this machine's
	// time, in the past or in the future; 5 min unless set.
	Tolerance time.Duration
	// Window is how many ids are remembered against replays; 10,000 unless set,
	// which takes 4 MB at most.
	Window int
	// SelfURL gives the URL of this endpoint as rotatord itself can reach it, for
	// Send; "" while there is none.
	SelfURL func() string
}

// Standard is a webhook after standardwebhooks.com, with symmetric signatures
// ("v1").
type Standard struct {
	*gate
	options StandardOptions
	window  *window
}

// NewStandard makes an endpoint for requests that are signed with a shared
// secret.
func NewStandard(o StandardOptions) (*Standard, error) {
	errs := []error{o.check()}
	if o.Keys == nil {
		errs = append(errs, fmt.Errorf("webhook %s: name the secrets that senders sign with", o.Name))
	}
	if o.Tolerance < 0 || o.Tolerance > time.Hour || o.Window < 0 {
		errs = append(errs, fmt.Errorf("webhook %s: the tolerance must be between 0 and an hour, and the window not negative", o.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	or(&o.Tolerance, defaultTolerance)
	or(&o.Window, defaultWindow)
	e := &Standard{options: o, window: &window{most: o.Window}}
	e.gate = newGate(o.Common, e, http.MethodPost)
	return e, nil
}

// signed is the head of a request, as far as it is signed or signs.
type signed struct {
	id, timestamp string
	unix          int64
	signatures    [][]byte
}

// headOf reads the head of a request and says why it can't be a good one. An
// id with a full stop in it could be cut elsewhere in what is signed; the
// specification forbids it.
func headOf(h http.Header) (signed, Refusal) {
	s := signed{id: h.Get(headerID), timestamp: h.Get(headerTimestamp)}
	list := h.Get(headerSignature)
	if s.id == "" || s.timestamp == "" || list == "" {
		return s, RefusedNoToken
	}
	if len(s.id) > maxID || strings.ContainsFunc(s.id, func(c rune) bool { return c <= ' ' || c > '~' || c == '.' }) {
		return s, RefusedMalformed
	}
	unix, ok := seconds(s.timestamp)
	if !ok {
		return s, RefusedMalformed
	}
	s.unix = unix
	if s.signatures = signaturesIn(list); len(s.signatures) == 0 {
		return s, RefusedSignature
	}
	return s, ""
}

// seconds reads a Unix time that is written in the only way it can be.
func seconds(s string) (int64, bool) {
	if len(s) == 0 || len(s) > maxTimestamp || s[0] == '0' || strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' }) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// signaturesIn gives the symmetric signatures of a list such as
// "v1,base64 v1a,base64": there are several while a sender changes its secret.
func signaturesIn(list string) [][]byte {
	var found [][]byte
	for i, one := range strings.SplitN(list, " ", maxSignatures+1) {
		encoded, ok := strings.CutPrefix(one, "v1,")
		if !ok || i == maxSignatures || len(encoded) != base64.StdEncoding.EncodedLen(sha256.Size) {
			continue
		}
		if raw, err := base64.StdEncoding.Strict().DecodeString(encoded); err == nil {
			found = append(found, raw)
		}
	}
	return found
}

func (s signed) sum(secret, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(s.id + "." + s.timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// by tells whether one of the secrets made one of the signatures. All pairs are
// compared in any case.
func (s signed) by(secrets [][]byte, body []byte) bool {
	found := 0
	for _, secret := range secrets {
		sum := s.sum(secret, body)
		for _, given := range s.signatures {
			found |= subtle.ConstantTimeCompare(sum, given)
		}
	}
	return found == 1
}

func (e *Standard) serve(w http.ResponseWriter, r *http.Request) answer {
	head, why := headOf(r.Header)
	if why != "" {
		return refuse(why)
	}
	if !e.timely(head.unix, time.Now()) {
		return refuseBecause(RefusedExpired, "the timestamp is too far from now: check both clocks")
	}
	secrets, err := e.options.Keys.valid(standardSecret)
	if err != nil {
		return e.keysBroken(err)
	}
	body, a, ok := e.read(w, r)
	if !ok {
		return a
	}
	if !head.by(secrets, body) {
		return refuse(RefusedSignature)
	}
	// The body may have taken its time. One instant for the tolerance and for
	// the window, or an id could be forgotten between the two.
	now := time.Now()
	if !e.timely(head.unix, now) {
		return refuse(RefusedExpired)
	}
	return e.once(r.Context(), head, body, now)
}

func (e *Standard) timely(unix int64, now time.Time) bool {
	return now.Sub(time.Unix(unix, 0)).Abs() <= e.options.Tolerance
}

// once delivers what has not been taken yet.
func (e *Standard) once(ctx context.Context, head signed, body []byte, now time.Time) answer {
	switch e.window.begin(head.id, head.unix, now.Add(-e.options.Tolerance).Unix()) {
	case sightTaken:
		return refuse(RefusedReplayed)
	case sightUnderWay:
		return notNow("under way")
	case sightUnsure:
		return notNow("try again")
	}
	taken := false
	defer func() { e.window.end(head.id, taken) }()
	v, a := e.deliver(ctx, watcher.Message{ID: head.id, Body: body})
	taken = v == watcher.Done || v == watcher.Never && a.status == http.StatusOK
	return a
}

// Send signs with the first secret and posts to this endpoint.
func (e *Standard) Send(ctx context.Context, body []byte) error {
	secrets, err := e.options.Keys.valid(standardSecret)
	if err != nil {
		return e.fault("send to", watcher.ReasonInvalid, err, "check where the keys of this webhook are configured")
	}
	s := signed{id: "rotatord_" + rand.Text(), timestamp: strconv.FormatInt(time.Now().Unix(), 10)}
	return e.post(ctx, e.options.SelfURL, body, http.Header{
		headerID:        {s.id},
		headerTimestamp: {s.timestamp},
		headerSignature: {"v1," + base64.StdEncoding.EncodeToString(s.sum(secrets[0], body))},
	})
}
