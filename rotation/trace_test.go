package rotation_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
)

// traces are all looks of a world that somebody listens to.
type traces struct {
	mu  sync.Mutex
	all []rotation.Trace
}

func (ts *traces) heard(t rotation.Trace) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.all = append(ts.all, t)
}

// acting are those that tried something, in words: an attempt a word, with its
// steps and how each ended.
func (ts *traces) acting() (words []string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.all {
		if len(t.Attempts) == 0 {
			continue
		}
		one := []string{steps(t.Steps)}
		for _, a := range t.Attempts {
			one = append(one, fmt.Sprintf("%s(%s)=%s", a.Action, steps(a.Steps), a.Outcome))
		}
		words = append(words, strings.Join(one, " ")+" "+strings.Trim(string(t.State)+"/"+string(t.Reason), "/"))
	}
	return words
}

func steps(all []rotation.TraceStep) string {
	var words []string
	for _, s := range all {
		word := string(s.Step)
		if s.Failed {
			word += "!"
		}
		if s.Outcome != "" {
			word += ":" + s.Outcome
		}
		words = append(words, word)
	}
	return strings.Join(words, ",")
}

// check holds every trace against what is promised of all. It counts those
// without an attempt.
func (ts *traces) check(t *testing.T, w *world) (idle int) {
	t.Helper()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, one := range ts.all {
		if strings.Contains(fmt.Sprintf("%+v", one), canary) {
			t.Error("a secret got into a trace")
		}
		if one.Account == "" || one.ID != w.ids[one.Destination] || one.Type == "" || one.Secret == "" {
			t.Errorf("of %q the trace says %q, %q, %q, %q", one.Destination, one.Account, one.ID, one.Type, one.Secret)
		}
		within := func(what string, begun, ended, from, to time.Time) {
			if begun.Before(from) || ended.After(to) || ended.Before(begun) {
				t.Errorf("%s is from %s to %s, beyond %s to %s", what, begun, ended, from, to)
			}
		}
		all := one.Steps
		for _, a := range one.Attempts {
			within("an attempt", a.Begun, a.Ended, one.Begun, one.Ended)
			for _, s := range a.Steps {
				within(string(s.Step), s.Begun, s.Ended, a.Begun, a.Ended)
			}
		}
		for _, s := range all {
			within(string(s.Step), s.Begun, s.Ended, one.Begun, one.Ended)
		}
		if len(one.Attempts) == 0 {
			idle++
		}
	}
	return idle
}

func TestALookIsTracedWithItsStepsAndAttempts(t *testing.T) {
	const push = "push(read,preflight:passed,turn,patch:accepted,probe:denied)=accepted"
	t.Run("a rotation", func(t *testing.T) {
		var ts traces
		in(t, 1, nil, func(t *testing.T, w *world) {
			w.trace = ts.heard
			w.start()
			time.Sleep(time.Minute)
			w.rotate(0, w.newKey("dest-00"))
			time.Sleep(time.Minute)
			w.announce(0)
			time.Sleep(time.Minute)
			want := []string{"list,current " + push + " in_sync", "list,current " + push + " in_sync"}
			if diff := cmp.Diff(want, ts.acting()); diff != "" {
				t.Error(diff)
			}
			if ts.check(t, w) == 0 {
				t.Error("no look without an attempt was told of")
			}
		})
	})
	t.Run("a refusal, and the version before put back", func(t *testing.T) {
		var ts traces
		in(t, 1, []option{behave(planettest.Behaviour{RefuseStatus: 400, LoseOnRefusal: true})}, func(t *testing.T, w *world) {
			w.trace = ts.heard
			w.destinations[0].Propagation = 0
			w.start()
			time.Sleep(time.Minute)
			w.sim.Inject(planettest.Fault{Method: "PATCH", Nth: 1, Kind: planettest.Status, Status: 400, Effect: planettest.EffectNow})
			w.rotate(0, w.newKey("dest-00"))
			time.Sleep(time.Minute)
			ts.check(t, w)
			got := ts.acting()[1:]
			for i, want := range []string{"push(read,preflight:passed,turn,patch!:refused)=refused", "restore(read,preflight:passed,turn,patch:accepted,probe:denied)=accepted"} {
				if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("%d: no %q in %q", i, want, got)
				}
			}
		})
	})
	t.Run("a credential that the bucket refuses", func(t *testing.T) {
		var ts traces
		in(t, 1, nil, func(t *testing.T, w *world) {
			w.trace = ts.heard
			w.destinations[0].Propagation = 0
			w.start()
			time.Sleep(time.Minute)
			w.rotate(0, w.wrongKey("dest-00"))
			time.Sleep(time.Minute)
			ts.check(t, w)
			want := "list,current push(read,preflight!:refused)=preflight_refused held/preflight_refused"
			if got := ts.acting()[1:]; len(got) != 1 || got[0] != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	})
}
