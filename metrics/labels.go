package metrics

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

const (
	none  = "none"  // there is no such thing
	other = "other" // a word that this package was not told of

	// maxLabel bounds in bytes what comes from outside: a version's id, a
	// secret's name.
	maxLabel = 256
)

// A set is a closed set of words that a label may have.
type set map[string]bool

func newSet[S ~string](words ...S) set {
	s := make(set, len(words))
	for _, w := range words {
		s[string(w)] = true
	}
	return s
}

// word gives w if it is in the set, "none" if it is empty, and "other" for
// what would otherwise be a label without bound.
func (s set) word(w string) string {
	switch {
	case w == "":
		return none
	case s[w]:
		return w
	}
	return other
}

// clean makes a text from outside fit for a label.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxLabel {
		return text
	}
	const ellipsis = "…"
	cut := maxLabel - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

// outcomes are how an attempt may end, as package rotation writes them.
func outcomes() []string {
	return []string{
		"accepted", "adopted", "refused", "blocked", "not_found", "throttled", "not_sent", "unknown",
		"invalid", "unreadable", "preflight_refused", "preflight_inconclusive",
	}
}

// leftoverStates are the words of rotatord_leftover. "none" is before the
// first look; what package probe may say one day and this package does not
// know is shown as cannot_tell.
func leftoverStates() []string {
	return []string{
		string(probe.Present), string(probe.Seen), string(probe.Absent),
		string(probe.AbsentInferred), string(probe.CannotTell), none,
	}
}

func leftoverReasons() []probe.Reason {
	return []probe.Reason{
		probe.ReasonConfirmed, probe.ReasonUnconfirmed, probe.ReasonNotFound, probe.ReasonGetProven, probe.ReasonKept,
		probe.ReasonDenied, probe.ReasonCredential, probe.ReasonNoBucket, probe.ReasonThrottled, probe.ReasonUnreachable,
		probe.ReasonServer, probe.ReasonClock, probe.ReasonNotSupported, probe.ReasonUnknown,
	}
}

func leftoverState(state string) string {
	return stateAmong(leftoverStates(), state, string(probe.CannotTell))
}

// standingStates are the words of rotatord_standing. "none" is before the
// first try.
func standingStates() []string {
	states := make([]string, 0, 5)
	for _, s := range probe.StandingStates() {
		states = append(states, string(s))
	}
	return append(states, none)
}

func standingState(state string) string {
	return stateAmong(standingStates(), state, string(probe.NotTold))
}

// stateAmong gives the word that a state is shown by: "none" for none, and
// otherwise for one that this package does not know. At 0 throughout, no alert
// would see it.
func stateAmong(words []string, state, otherwise string) string {
	switch {
	case state == "":
		return none
	case state == none || !slices.Contains(words, state):
		return otherwise
	}
	return state
}

func causes() []planet.Cause { return []planet.Cause{planet.CauseCredential, planet.CauseUnknown} }

// markReasons are why a secret manager does not take a mark.
func markReasons() []providers.Reason {
	return []providers.Reason{
		providers.ReasonNotFound, providers.ReasonGone, providers.ReasonDenied, providers.ReasonDisabled,
		providers.ReasonInvalid, providers.ReasonThrottled, providers.ReasonUnavailable,
	}
}

func planetKinds() []planet.Kind {
	return []planet.Kind{
		planet.KindBadRequest, planet.KindUnauthorized, planet.KindForbidden, planet.KindNotFound, planet.KindConflict,
		planet.KindUnprocessable, planet.KindThrottled, planet.KindRejected, planet.KindServerError, planet.KindRedirected,
		planet.KindTimeout, planet.KindUnreachable, planet.KindTLS, planet.KindCut, planet.KindInvalidAnswer,
		planet.KindCanceled, planet.KindAuth, planet.KindLimiter, planet.KindInvalidRequest,
	}
}

func planetMethods() []string { return []string{"GET", "POST", "PATCH", "PUT", "DELETE"} }

func planetRoutes() []string {
	return []string{
		"/destinations/v1", "/destinations/v1/{id}", "/destinations/v1/default",
		"/compute/ops/orders/v2", "/subscriptions/v1", "/subscriptions/v1/{id}/results",
	}
}

// planetCode is a status as a label. The ones that Planet or what stands
// before it is known to give are shown as they are, any other by its class: a
// server may send a thousand different ones.
func planetCode(status int) string {
	switch status {
	case 0:
		return none
	case 200, 201, 202, 204, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503, 504:
		return strconv.Itoa(status)
	}
	if status < 100 || status > 599 {
		return other
	}
	return strconv.Itoa(status/100) + "xx"
}

func storeKinds() []store.Kind {
	return []store.Kind{
		store.KindNotFound, store.KindConflict, store.KindFenced, store.KindInvalid, store.KindFull,
		store.KindUnwritable, store.KindDamaged, store.KindClosed, store.KindCanceled, store.KindOther,
	}
}
