package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Refusal says why a request was turned away. The set is closed: metrics use
// it as a label.
type Refusal string

// The reasons to turn a request away.
const (
	// RefusedMethod: neither POST nor, where it is a handshake, OPTIONS.
	RefusedMethod Refusal = "wrong_method"
	// RefusedLarge: the body is larger than the endpoint takes.
	RefusedLarge Refusal = "too_large"
	// RefusedSlow: the body did not arrive in time, or not whole.
	RefusedSlow Refusal = "too_slow"
	// RefusedFast: more requests than the endpoint's rate.
	RefusedFast Refusal = "too_fast"
	// RefusedBusy: more requests at the same time than the endpoint takes.
	RefusedBusy Refusal = "too_busy"
	// RefusedMalformed: not what this kind of sender would send.
	RefusedMalformed Refusal = "malformed"
	// RefusedNoToken: the request carries no token, key or signature at all.
	RefusedNoToken Refusal = "no_token"
	// RefusedSignature: the signature, key or token is not a valid one.
	RefusedSignature Refusal = "bad_signature"
	// RefusedIssuer: a token of somebody else than the configured issuer.
	RefusedIssuer Refusal = "wrong_issuer"
	// RefusedAudience: a token that was made for somebody else.
	RefusedAudience Refusal = "wrong_audience"
	// RefusedCaller: a good token of another account or application.
	RefusedCaller Refusal = "wrong_caller"
	// RefusedExpired: a token past its end, or a message whose time is too far
	// from now.
	RefusedExpired Refusal = "expired"
	// RefusedTopic: a topic of SNS that is not configured.
	RefusedTopic Refusal = "unknown_topic"
	// RefusedHost: a signing certificate that would lie elsewhere than at SNS.
	RefusedHost Refusal = "wrong_host"
	// RefusedRaw: raw message delivery of SNS, which is not signed.
	RefusedRaw Refusal = "raw_delivery"
	// RefusedOrigin: a handshake for an origin that is not allowed.
	RefusedOrigin Refusal = "wrong_origin"
	// RefusedReplayed: a message that was taken before; it is answered as then
	// and not delivered again.
	RefusedReplayed Refusal = "replayed"
	// RefusedKeys: the keys to check the caller with can't be had at the moment.
	RefusedKeys Refusal = "no_keys"
	// RefusedPanic: a mistake of rotatord's own.
	RefusedPanic Refusal = "panicked"
)

// Refusals lists every Refusal.
func Refusals() []Refusal {
	return []Refusal{
		RefusedMethod, RefusedLarge, RefusedSlow, RefusedFast, RefusedBusy, RefusedMalformed, RefusedNoToken,
		RefusedSignature, RefusedIssuer, RefusedAudience, RefusedCaller, RefusedExpired, RefusedTopic, RefusedHost,
		RefusedRaw, RefusedOrigin, RefusedReplayed, RefusedKeys, RefusedPanic,
	}
}

// status is what a refusal is answered with, see the table in the package's
// comment.
func (r Refusal) status() int {
	switch r {
	case RefusedMethod:
		return http.StatusMethodNotAllowed
	case RefusedLarge:
		return http.StatusRequestEntityTooLarge
	case RefusedFast:
		return http.StatusTooManyRequests
	case RefusedSlow, RefusedBusy, RefusedKeys, RefusedPanic:
		return http.StatusServiceUnavailable
	case RefusedMalformed, RefusedRaw:
		return http.StatusBadRequest
	case RefusedNoToken:
		return http.StatusUnauthorized
	case RefusedReplayed:
		return http.StatusOK
	}
	return http.StatusForbidden
}

// logPause is the least time between two lines about the same refusal.
const logPause = time.Minute

// refusals counts and logs what an endpoint turns away.
type refusals struct {
	source string
	hook   func(Refusal)
	log    *slog.Logger

	mu   sync.Mutex
	last map[Refusal]*said
}

type said struct {
	at    time.Time
	since int // refusals that were not logged
}

// count tells the hook of a refusal, and the log now and then.
func (f *refusals) count(ctx context.Context, r Refusal, hint string) {
	if !slices.Contains(Refusals(), r) {
		r = RefusedMalformed
	}
	if f.hook != nil {
		f.hook(r)
	}
	level := slog.LevelWarn
	if r == RefusedReplayed {
		level = slog.LevelDebug
	}
	if unlogged, now := f.due(r); now {
		args := []any{"source", f.source, "reason", string(r)}
		if hint != "" {
			args = append(args, "hint", hint)
		}
		if unlogged > 0 {
			args = append(args, "not_logged", unlogged)
		}
		f.log.Log(ctx, level, "webhook request refused", args...)
	}
}

func (f *refusals) due(r Refusal) (unlogged int, now bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last = map[Refusal]*said{}
	}
	s := f.last[r]
	if s != nil && time.Since(s.at) < logPause {
		s.since++
		return 0, false
	}
	if s != nil {
		unlogged = s.since
	}
	f.last[r] = &said{at: time.Now()}
	return unlogged, true
}
