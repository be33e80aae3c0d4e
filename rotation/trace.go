package rotation

import (
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Trace is one look as it went, told when it is over. It holds names, words of
// closed sets and times: no value, no address, no text of an error.
type Trace struct {
	Destination string // as the configuration names it
	ID, Type    string // Planet's; empty where the list was not had
	Account     string
	Secret      credential.Secret
	Trigger     string // the source that marked the destination as due; empty for a time that had come
	Begun       time.Time
	Ended       time.Time
	// State and Reason are how the destination stood afterwards. They are empty
	// where the look ended before that was known.
	State  store.State
	Reason store.Reason
	// Steps are those outside of all attempts. A look without Attempts had
	// nothing to send.
	Steps    []TraceStep
	Attempts []TraceAttempt
}

// TraceStep is one timed part of a look.
type TraceStep struct {
	Step         Step
	Begun, Ended time.Time
	// Outcome is a word of the room that did it: planet.Outcome for a list and a
	// PATCH, providers.Reason for the source, probe.Verdict and bucket.Kind for a
	// bucket. It is empty where all went well and there is nothing to tell apart.
	Outcome string
	Failed  bool
}

// TraceAttempt is one try at giving Planet one version.
type TraceAttempt struct {
	Action       Action // push or restore
	Version      string
	Begun, Ended time.Time
	// Outcome and Reason are those of the history. The outcome is "moved" where
	// the source changed before anything was sent, and empty where the look ended.
	Outcome string
	Reason  store.Reason
	Steps   []TraceStep
}

// Failed tells whether the version was not given to Planet though it should
// have been. One that the source moved away from did not fail.
func (a TraceAttempt) Failed() bool {
	return a.Outcome != string(planet.OutcomeAccepted) && a.Outcome != outcomeMoved
}

// outcomeMoved is the outcome of an attempt at a version that its source calls
// current no more. Such an attempt has no entry in the history.
const outcomeMoved = "moved"

// tracer gathers the Trace of one look. A nil one gathers nothing: so it is
// where nobody wants to hear of looks.
//
// Nothing of it is put into a context. What carries requests could find it
// there and tell Planet or a bucket of it (the header traceparent), and a look
// that turns out to have nothing to do would have begun a trace already.
type tracer struct {
	trace Trace
	open  bool // the last attempt is under way
}

func (e *Engine) newTracer(d Destination, rec store.Record) *tracer {
	if e.onTrace == nil {
		return nil
	}
	t := &tracer{trace: Trace{Destination: d.Name, Account: d.Account, Secret: d.Secret, Begun: time.Now()}}
	if rec.IsDue() {
		t.trace.Trigger = rec.DueSource
	}
	return t
}

func (t *tracer) step(s TraceStep) {
	if t == nil {
		return
	}
	if t.open {
		a := &t.trace.Attempts[len(t.trace.Attempts)-1]
		a.Steps = append(a.Steps, s)
		return
	}
	t.trace.Steps = append(t.trace.Steps, s)
}

func (t *tracer) begin(d Decision) {
	if t == nil {
		return
	}
	t.trace.Attempts = append(t.trace.Attempts, TraceAttempt{Action: d.Action, Version: d.Version, Begun: time.Now()})
	t.open = true
}

func (t *tracer) outcome(outcome string, reason store.Reason) {
	if t == nil || !t.open {
		return
	}
	a := &t.trace.Attempts[len(t.trace.Attempts)-1]
	a.Outcome, a.Reason = outcome, reason
}

func (t *tracer) end() {
	if t == nil || !t.open {
		return
	}
	t.trace.Attempts[len(t.trace.Attempts)-1].Ended = time.Now()
	t.open = false
}

// step tells of a step that has just ended.
func (w *look) step(s Step, begun time.Time, outcome string, failed bool) {
	w.e.step(w.d.Name, s, begun)
	w.trace.step(TraceStep{Step: s, Begun: begun, Ended: time.Now(), Outcome: outcome, Failed: failed})
}

// traced tells of the look, whose record is saved or could not be.
func (w *look) traced(err error) {
	if w.trace == nil {
		return
	}
	t := w.trace.trace
	t.ID, t.Type, t.Ended = w.seen.ID, string(w.seen.Type), time.Now()
	if err == nil {
		t.State, t.Reason = w.rec.Status.State, w.rec.Status.Reason
	}
	w.e.onTrace(t)
}

// failedAs is the outcome of a call that failed.
func failedAs(o planet.Outcome, err error) string {
	if err == nil {
		return ""
	}
	return string(o)
}
