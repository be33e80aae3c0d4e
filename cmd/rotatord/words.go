package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/app"
)

// stateWords is how each state is shown. A test holds it to the store's list.
var stateWords = map[app.State]cell{
	"new":     {"new", gray},
	"in_sync": {"in sync", green},
	"waiting": {"waiting", yellow},
	"unknown": {"unknown", yellow},
	"failing": {"failing", red},
	"held":    {"HELD", red},
	"blocked": {"BLOCKED", red},
	"paused":  {"paused", gray},
}

// advice says for each reason what a person can do; NAME is the destination's.
// A test holds it to the store's list.
var advice = map[app.Reason]string{
	"source_not_found":       "check the name of the secret in the configuration, or create the secret",
	"source_denied":          "let rotatord's user or role read the secret; then: rotatord retry NAME",
	"source_disabled":        "enable the secret, or give it a current version",
	"source_invalid":         "put a secret of a supported form there; rotatord check NAME tries it",
	"source_throttled":       "nothing: it is tried again, more slowly",
	"source_unavailable":     "see whether the secret manager can be reached from here; it is tried again",
	"version_gone":           "rotate the secret once more, or restore that version",
	"value_invalid":          "put a value that fits the destination's type there, or set map in the configuration; rotatord check NAME tries it",
	"propagation":            "nothing yet: new keys take a while to work, and it is tried again",
	"preflight_refused":      "give the new key the permissions that are named above, or rotate again; then: rotatord retry NAME",
	"preflight_inconclusive": "let rotatord reach the bucket, or set preflight = \"advisory\"; then: rotatord retry NAME",
	"preflight_unsupported":  "set preflight = \"advisory\" for it: rotatord has no access to buckets of its type",
	"planet_refused":         "see the detail; when mended: rotatord retry NAME",
	"restore_failed":         "deliveries may be failing: put working credentials into the secret; then: rotatord retry NAME",
	"planet_throttled":       "nothing: it is tried again; if it lasts, somebody else uses this account's requests",
	"planet_unavailable":     "see whether Planet can be reached from here; it is tried again",
	"outcome_unknown":        "nothing: the same version is sent again",
	"fence":                  "nothing: an earlier request may still take effect, and is waited for",
	"rollout":                "nothing: it goes on when the first destination of the secret has proved the version",
	"rollout_stopped":        "see to the destination that went first, which is named above, and retry that one; or put a good version into the secret",
	"account_blocked":        "give rotatord a valid API key; then: rotatord retry NAME",
	"not_writable":           "use the API key of the destination's owner or of an organization admin; then: rotatord retry NAME",
	"vanished":               "correct the name in the configuration, or remove the entry",
	"ambiguous":              "name the destination by its full id in the configuration",
	"duplicate_destination":  "remove one of the two entries from the configuration",
	"pin_mismatch":           "see whether this still is the destination you mean; if so: rotatord retry NAME",
	"unsupported_type":       "remove the entry, or use a rotatord that knows the type",
	"internal":               "rotatord retry NAME makes its record anew, if that can't be read; else see the log, and report it with the log's lines",
}

// actionWords is how a dry run shows what a look would do, and what it means
// for the exit status. A test holds it to the engine's list.
var actionWords = map[app.Action]struct {
	cell
	status int
}{
	"nothing": {cell{"nothing", green}, exitOK},
	"adopt":   {cell{"would adopt", yellow}, exitPending},
	"push":    {cell{"would push", yellow}, exitPending},
	"restore": {cell{"would put back", yellow}, exitPending},
	"wait":    {cell{"would wait", yellow}, exitTrouble},
}

// checkWords is how the result of a check is shown: on a terminal, elsewhere.
var checkWords = map[app.CheckResult]struct {
	sign, word string
	color      color
}{
	"ok":      {"✓", "ok", green},
	"warning": {"!", "warning", yellow},
	"failed":  {"✗", "failed", red},
	"skipped": {"–", "skipped", gray},
}

// noteWords says what an event has told of a secret.
func noteWords(kind credential.EventKind) string {
	switch kind {
	case credential.EventRotationFailed:
		return "the secret manager could not rotate the secret"
	case credential.EventRotationAbandoned:
		return "the secret manager has given up rotating the secret"
	case credential.EventNearExpiry:
		return "the current version of the secret will expire soon"
	case credential.EventExpired:
		return "the current version of the secret has expired"
	}
	return string(kind) // of another version's daemon
}

// leftoverWords is how the state of a leftover is shown.
var leftoverWords = map[string]cell{
	"":                {"-", gray},
	"present":         {"PRESENT", red},
	"seen":            {"seen", yellow},
	"absent":          {"none", plain},
	"absent_inferred": {"none*", plain},
	"cannot_tell":     {"can't tell", yellow},
}

// standingWords is how the last try of the accepted credential is shown.
var standingWords = map[string]cell{
	"":            {"not tried yet", gray},
	"works":       {"works", green},
	"doubtful":    {"doubtful", yellow},
	"rejected":    {"REJECTED", red},
	"cannot_tell": {"can't tell", yellow},
}

// kindWords is how the kinds of the history are shown.
var kindWords = map[string]string{
	"attempt": "attempt",
	"state":   "state",
	"probe":   "probe",
	"person":  "person",
	"change":  "change",
	"event":   "event",
	"drift":   "drift",
	"check":   "check",
	"cleanup": "clean-up",
}

func kindWord(kind string) string {
	if w, ok := kindWords[kind]; ok {
		return w
	}
	return kind // of another version's daemon
}

// whyWords says why nobody knows whether a leftover is in the bucket, or why a
// credential stands as it does.
var whyWords = map[string]string{
	"denied":        "the bucket refuses to say",
	"credential":    "the bucket does not take the credential",
	"no_bucket":     "there is no such bucket, or not in that region",
	"throttled":     "the bucket asks to slow down",
	"unreachable":   "the bucket can't be reached from here",
	"server_error":  "the bucket's server fails",
	"clock_skew":    "the clock here is wrong",
	"not_supported": "the bucket's type or place can't be used from here",
	"unknown":       "the bucket was not asked, or its answer says nothing",
	"permission":    "a permission that Planet needs is missing",
	"unreadable":    "its value can't be read or used any more",
}

// shown is the state that a person means: a pause comes before all others.
func shown(s app.Status) app.State {
	if s.Paused != nil {
		return "paused"
	}
	return s.State
}

func stateCell(s app.Status) cell {
	if c, ok := stateWords[shown(s)]; ok {
		return c
	}
	return cell{string(s.State), yellow} // of another version's daemon
}

// wanted says what to do about a destination that needs a person; empty if
// there is nothing. What is wrong at the moment may be two things: the next
// version does not get through, and the present one has ceased to work.
func wanted(s app.Status) string {
	todo := ""
	switch {
	case s.Paused != nil:
		todo = "when it may go on: rotatord resume " + s.Destination
	case s.State.Alerting():
		todo = strings.ReplaceAll(advice[s.Reason], "NAME", s.Destination)
	}
	name, also := gravest(s)
	switch {
	case also != "" && todo != "":
		return todo + "; for " + name + ": " + also
	case also != "":
		return also
	case todo == "" && len(s.Notes) > 0:
		return "see to the rotation of the secret at its source; this ends with the next version"
	}
	return todo
}

// alerts tells whether a person should look at a destination.
func alerts(s app.Status) bool {
	return s.Paused == nil && s.State.Alerting() || alarming(s) || len(s.Notes) > 0
}

// ago says how long ago something was, roughly.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return rough(now.Sub(t)) + " ago"
}

// in says when something will be, roughly.
func in(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case !t.After(now):
		return "now"
	}
	return "in " + rough(t.Sub(now))
}

func rough(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// versions shows what Planet accepted, and what is current if that differs.
func (s screen) versions(accepted, current string) string {
	switch {
	case accepted == current || current == "":
		return s.version(accepted)
	case accepted == "":
		return s.arrow() + " " + s.version(current)
	}
	return s.version(accepted) + " " + s.arrow() + " " + s.version(current)
}

func (s screen) arrow() string {
	if s.terminal {
		return "→"
	}
	return "->"
}

// version shortens an id on a terminal: its beginning tells it apart, and JSON
// has all of it.
func (s screen) version(id string) string {
	if id == "" {
		return "-"
	}
	if r := []rune(id); s.terminal && len(r) > 16 {
		return string(r[:13]) + "…"
	}
	return id
}
