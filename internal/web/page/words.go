package page

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/store"
)

// tone is how much a word weighs. It picks a colour and a sign; the word itself
// always stands beside them, so that nothing is said by colour alone.
type tone string

const (
	good  tone = "good"
	info  tone = "info" // mends itself, or was meant so
	warn  tone = "warn"
	bad   tone = "bad"
	quiet tone = "quiet"
)

// label is a word with its weight and the name of its sign in the sprite.
type label struct {
	Text string
	Tone tone
	Sign string
}

// stateLabels is how each state is shown. A test holds it to the store's list.
var stateLabels = map[store.State]label{
	store.StateNew:     {"new", quiet, "ring"},
	store.StateInSync:  {"in sync", good, "disc"},
	store.StateWaiting: {"waiting", info, "half"},
	store.StateUnknown: {"unknown", warn, "diamond"},
	store.StateFailing: {"failing", warn, "triangle"},
	store.StateHeld:    {"held", bad, "square"},
	store.StateBlocked: {"blocked", bad, "cross"},
	store.StatePaused:  {"paused", quiet, "bars"},
}

// conditionLabels is how each condition is shown. A test holds it to the
// store's list.
var conditionLabels = map[store.Condition]label{
	store.ConditionRejected:          {"credential rejected", bad, "cross"},
	store.ConditionExpired:           {"expired", bad, "cross"},
	store.ConditionDeliveriesFailing: {"deliveries failing", bad, "cross"},
	store.ConditionLeftover:          {"leftover", bad, "square"},
	store.ConditionExpiresUnreplaced: {"ends before replaced", warn, "triangle"},
	store.ConditionDrift:             {"drift", warn, "diamond"},
	store.ConditionParametersChanged: {"parameters changed", warn, "diamond"},
	store.ConditionOldLeftover:       {"old leftover", warn, "triangle"},
	store.ConditionUnproven:          {"unproven", quiet, "ring"},
	store.ConditionArchived:          {"archived", quiet, "ring"},
}

var standingLabels = map[string]label{
	"":            {"not tried", quiet, "ring"},
	"works":       {"works", good, "disc"},
	"doubtful":    {"doubtful", warn, "diamond"},
	"rejected":    {"rejected", bad, "cross"},
	"cannot_tell": {"can’t tell", quiet, "ring"},
}

var leftoverLabels = map[string]label{
	"":                {"not looked", quiet, "ring"},
	"present":         {"present", bad, "square"},
	"seen":            {"seen once", warn, "diamond"},
	"absent":          {"none", good, "disc"},
	"absent_inferred": {"none", good, "disc"},
	"cannot_tell":     {"can’t tell", quiet, "ring"},
}

// outcomeLabels is how an attempt ended. A test holds it to the words that the
// engine writes.
var outcomeLabels = map[string]label{
	"accepted":               {"accepted", good, "disc"},
	"adopted":                {"adopted", good, "ring"},
	"unknown":                {"unknown", warn, "diamond"},
	"throttled":              {"throttled", info, "half"},
	"not_sent":               {"not sent", warn, "triangle"},
	"unreadable":             {"unreadable", warn, "triangle"},
	"preflight_inconclusive": {"preflight inconclusive", warn, "diamond"},
	"preflight_refused":      {"preflight refused", bad, "square"},
	"invalid":                {"invalid", bad, "square"},
	"refused":                {"refused", bad, "cross"},
	"blocked":                {"blocked", bad, "cross"},
	"not_found":              {"not found", bad, "cross"},
}

// whyWords says why nobody knows whether a leftover is in the bucket, or why a
// credential stands as it does.
var whyWords = map[string]string{
	"denied":        "the bucket refuses to say",
	"credential":    "the bucket does not take the credential",
	"no_bucket":     "there is no such bucket, or not in that region",
	"throttled":     "the bucket asks to slow down",
	"unreachable":   "the bucket can’t be reached from here",
	"server_error":  "the bucket’s server fails",
	"clock_skew":    "the clock here is wrong",
	"not_supported": "the bucket’s type or place can’t be used from here",
	"unknown":       "the bucket was not asked, or its answer says nothing",
	"permission":    "a permission that Planet needs is missing",
	"unreadable":    "its value can’t be read or used any more",
}

// labelOf gives the label of a word; one that is not known here, of a record
// that another version wrote, is shown as it is.
func labelOf[K ~string](m map[K]label, word K) label {
	if l, ok := m[word]; ok {
		return l
	}
	return label{Text: clean(strings.ReplaceAll(string(word), "_", " ")), Tone: quiet, Sign: "ring"}
}

// shown is the state that a person means: a pause comes before all others.
func shown(r store.Record) store.State {
	switch {
	case r.Paused != nil:
		return store.StatePaused
	case r.Status.State == "":
		return store.StateNew
	}
	return r.Status.State
}

// moment is a time as a page shows it: in words, and exactly.
type moment struct {
	Words string // "3 h ago"
	Exact string // "2026-11-20 14:03:05 UTC"
	ISO   string // for the attribute of <time>
}

func exact(words string, t time.Time) moment {
	u := t.UTC()
	return moment{Words: words, Exact: u.Format("2006-01-02 15:04:05 UTC"), ISO: u.Format(time.RFC3339)}
}

// ago says how long ago something was; the zero moment for the zero time.
func ago(now, t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	if t.After(now) {
		return exact("just now", t) // two clocks
	}
	return exact(rough(now.Sub(t))+" ago", t)
}

// lasting says for how long something has been so.
func lasting(now, t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return exact(rough(now.Sub(t)), t)
}

// in says when something will be.
func in(now, t time.Time) moment {
	switch {
	case t.IsZero():
		return moment{}
	case !t.After(now):
		return exact("now", t)
	}
	return exact("in "+rough(t.Sub(now)), t)
}

// rough is a duration in one unit, as a person would say it.
func rough(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// took is how long an attempt lasted.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return rough(d)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clean makes text from elsewhere fit for one line: no control characters, and
// nothing that would turn the direction of what follows or can't be seen.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// sentence makes a sentence of a detail, which begins in lower case.
func sentence(s string) string {
	s = strings.TrimSpace(clean(s))
	if s == "" {
		return ""
	}
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "!") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// short cuts a version for a table: its beginning tells it apart, and the whole
// of it is in the title and on the destination's page.
func short(version string, most int) string {
	r := []rune(clean(version))
	if len(r) <= most {
		return string(r)
	}
	return string(r[:most-1]) + "…"
}
