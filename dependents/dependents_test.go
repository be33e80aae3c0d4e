package dependents_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/dependents"
	"github.com/rotatord/rotatord/planet"
)

const every = 10 * time.Minute

var (
	errCut   = &planet.Error{Op: "list orders", Kind: planet.KindCut}
	errBusy  = &planet.Error{Op: "list orders", Kind: planet.KindServerError}
	errNotMy = &planet.Error{Op: "list subscriptions", Kind: planet.KindForbidden}
	errKey   = errors.Join(&planet.Error{Op: "list orders", Kind: planet.KindUnauthorized}, &planet.Error{Op: "list subscriptions", Kind: planet.KindUnauthorized})
)

func answers(d planet.Dependents, err error) func(string, bool) (planet.Dependents, error) {
	return func(string, bool) (planet.Dependents, error) { return d, err }
}

func TestOptionsThatMakeNoSenseAreAllNamed(t *testing.T) {
	_, err := dependents.New(dependents.Options{Singles: -1})
	for _, want := range []string{"gatherer, targets and save", "interval", "alone"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %q", err, want)
		}
	}
}

func TestItAsksSoonAndThenAtTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "b")
		run(t, f.options(every))
		time.Sleep(24 * time.Hour)
		at := f.rounds()
		if at[0] > 10*time.Second {
			t.Errorf("the first round was after %v", at[0])
		}
		different := map[time.Duration]bool{}
		for i := 1; i < len(at); i++ {
			gap := at[i] - at[i-1]
			different[gap] = true
			if gap < every-every/10 || gap > every+every/10 {
				t.Errorf("round %d came %v after the one before", i, gap)
			}
		}
		if len(at) < 130 || len(different) < len(at)/2 {
			t.Errorf("%d rounds in a day with %d different gaps", len(at), len(different))
		}
		if len(f.alone()) > 0 {
			t.Errorf("%d were asked for alone, though the list told all", len(f.alone()))
		}
		if got := f.log.String(); got != "" {
			t.Errorf("the log of a good day: %s", got)
		}
	})
}

func TestUntilADestinationWasSeenItLooksEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		run(t, f.options(every))
		time.Sleep(5 * time.Minute)
		f.set(func() { f.add("a") })
		time.Sleep(70 * time.Second)
		if n := len(f.rounds()); n != 1 {
			t.Errorf("%d rounds once it was seen", n)
		}
	})
}

// Somebody pokes all the time, from the begin on: half a minute lies between
// the end of a round and the next one. One poke is served once.
func TestPokingAsksSoonerButNotAtWill(t *testing.T) {
	for name, takes := range map[string]time.Duration{"answers at once": 0, "slow answers": 50 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a")
				f.takes = takes
				a := run(t, f.options(every))
				for range 600 { // ten minutes
					a.Poke("name of a")
					time.Sleep(time.Second)
				}
				at := f.rounds()
				for i := 1; i < len(at); i++ {
					if gap := at[i] - at[i-1] - takes; gap < dependents.Floor {
						t.Errorf("round %d began %v after the end of the one before", i, gap)
					}
				}
				if want := int(9 * time.Minute / (dependents.Floor + takes)); len(at) < want {
					t.Errorf("%d rounds in ten minutes of poking, want %d", len(at), want)
				}
				time.Sleep(time.Minute + takes) // the last one is served
				before := len(f.rounds())
				time.Sleep(7 * time.Minute)
				if n := len(f.rounds()) - before; n != 0 {
					t.Errorf("%d rounds when nobody poked any more", n)
				}
				poked := time.Since(f.began)
				a.Poke()
				time.Sleep(time.Second)
				if at := f.rounds(); at[len(at)-1] != poked {
					t.Errorf("a poke in quiet times was served at %v and not at %v", at[len(at)-1], poked)
				}
				time.Sleep(takes)
			})
		})
	}
}

func TestAPokeDuringARoundIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.takes = 20 * time.Second
		a := run(t, f.options(every))
		time.Sleep(15 * time.Second) // the first round is under way
		a.Poke("name of a")
		time.Sleep(2 * time.Minute)
		if n := len(f.rounds()); n != 2 {
			t.Errorf("%d rounds", n)
		}
	})
}

func TestWhatIsKnownIsNotReplacedByLess(t *testing.T) {
	good := planet.Dependents{Running: 4, Open: 2, Failed: 1}
	partly := planet.Dependents{Running: 4, Incomplete: true}
	for _, tc := range []struct {
		name       string
		known, got planet.Dependents
		err        error
		alone      bool // the list of everything does not tell
		want       string
	}{
		{"an answer replaces the older one", good, planet.Dependents{}, nil, false, show(planet.Dependents{})},
		{"nothing at all", good, planet.Dependents{Incomplete: true}, errCut, false, show(good)},
		{"one API does not answer", good, partly, errCut, false, show(good)},
		{"one API does not answer, and the other tells of new failures", good,
			planet.Dependents{Running: 4, Open: 2, Failed: 3, FailedCredential: 2, Incomplete: true}, errCut, false,
			"4 running, 2 open, 3 failed, 2 for the credential, perhaps more"},
		{"as much as before, but with less certainty", good, planet.Dependents{Running: 4, Open: 2, Failed: 1, Incomplete: true}, errCut, false, show(good)},
		{"nothing but uncertainty after a nothing that was certain", planet.Dependents{}, planet.Dependents{Incomplete: true}, errCut, false, show(planet.Dependents{})},
		{"a key that is refused has taught nothing", good, planet.Dependents{Incomplete: true}, errKey, false, show(good)},
		{"an API that is refused to this key is an answer", good, planet.Dependents{Open: 1, Incomplete: true}, errNotMy, true, "0 running, 1 open, 0 failed, 0 for the credential, perhaps more"},
		{"a list that does not tell, and an answer for it alone", good, planet.Dependents{Running: 1}, nil, true, "1 running, 0 open, 0 failed, 0 for the credential"},
		{"more than can be read even for it alone", good, partly, nil, true, show(partly)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("a")
				f.saved["name of a"] = tc.known
				f.answer = func(_ string, alone bool) (planet.Dependents, error) {
					if tc.alone && !alone {
						return planet.Dependents{Incomplete: true}, tc.err
					}
					return tc.got, tc.err
				}
				run(t, f.options(every))
				time.Sleep(time.Minute)
				if diff := cmp.Diff(map[string]string{"a": tc.want}, f.counts()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestWithoutAnyKnowledgeAnEmptyFailureIsNotSavedAndAPartIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.answer = answers(planet.Dependents{Incomplete: true}, errCut)
		run(t, f.options(every))
		time.Sleep(time.Minute)
		if f.saves != 0 {
			t.Errorf("saved %v", f.counts())
		}
		f.set(func() { f.answer = answers(planet.Dependents{Open: 2, Incomplete: true}, errCut) })
		time.Sleep(30 * time.Minute)
		if diff := cmp.Diff(map[string]string{"a": "0 running, 2 open, 0 failed, 0 for the credential, perhaps more"}, f.counts()); diff != "" {
			t.Error(diff)
		}
	})
}

// What was ordered for the default may belong to it: that is said, and does not
// cost a request for each destination.
func TestADefaultThatNobodyCouldTellMakesAnswersIncomplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.targets[0].Destination.Default = nil
		run(t, f.options(every))
		time.Sleep(time.Minute)
		if diff := cmp.Diff(map[string]string{"a": "0 running, 1 open, 0 failed, 0 for the credential, perhaps more"}, f.counts()); diff != "" || len(f.alone()) > 0 {
			t.Errorf("asked alone for %v\n%s", f.alone(), diff)
		}
	})
}

func TestTwoNamesOfOneDestinationAreAskedForOnceAndBothTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.targets = append(f.targets, dependents.Target{Name: "name of b", Target: f.targets[0].Target})
		f.answer = func(_ string, alone bool) (planet.Dependents, error) {
			return planet.Dependents{Incomplete: !alone}, nil
		}
		run(t, f.options(every))
		time.Sleep(time.Minute)
		none := show(planet.Dependents{})
		if diff := cmp.Diff(map[string]string{"a": none, "b": none}, f.counts()); diff != "" || len(f.alone()) != 1 {
			t.Errorf("asked alone for %v\n%s", f.alone(), diff)
		}
	})
}

func TestWhoFailsIsAskedLessOftenAndTheLogSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.answer = answers(planet.Dependents{Incomplete: true}, errCut)
		a := run(t, f.options(every))
		time.Sleep(12 * time.Hour)
		at := f.rounds()
		for i, least := range []time.Duration{18 * time.Minute, 36 * time.Minute, 54 * time.Minute, 54 * time.Minute} {
			if gap := at[i+1] - at[i]; gap < least || gap > least*11/9+time.Second {
				t.Errorf("after %d failures it waited for %v", i+1, gap)
			}
		}
		// Whoever pokes waits longer, too, but not for longer than the interval.
		begun := len(f.rounds())
		for range 600 {
			a.Poke()
			time.Sleep(6 * time.Second)
		}
		if n := len(f.rounds()) - begun; n < 4 || n > 7 {
			t.Errorf("%d rounds in an hour of poking", n)
		}
		f.set(func() { f.answer = answers(planet.Dependents{Incomplete: true}, errBusy) })
		time.Sleep(6 * time.Hour)
		f.set(func() { f.answer = answers(planet.Dependents{Open: 1, Incomplete: true}, errNotMy) })
		time.Sleep(6 * time.Hour)
		f.set(func() { f.answer = answers(planet.Dependents{Open: 3}, nil) })
		time.Sleep(6 * time.Hour)
		at = f.rounds()
		if gap := at[len(at)-1] - at[len(at)-2]; gap > every+every/10 {
			t.Errorf("once it answers, it waits for %v", gap)
		}
		want := strings.ReplaceAll(`level=WARN msg="dependents can't be asked for; what was known stays" account=acct
level=WARN msg="dependents can't be asked for; what was known stays" account=acct
level=WARN msg="only a part of the dependents can be known" account=acct
level=INFO msg="dependents are known again" account=acct
`, "\t", "")
		if diff := cmp.Diff(want, f.log.String()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAStoreThatRefusesIsAFailureToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "b")
		f.saveErr = errors.New("disk full")
		run(t, f.options(every))
		time.Sleep(time.Hour)
		if n := len(f.rounds()); n != 2 && n != 3 {
			t.Errorf("%d rounds in an hour in which nothing could be saved", n)
		}
		f.set(func() { f.saveErr = nil })
		time.Sleep(2 * time.Hour)
		if len(f.counts()) != 2 || !strings.Contains(f.log.String(), "known again") {
			t.Errorf("saved %v, log:\n%s", f.counts(), f.log.String())
		}
	})
}

// Where the lists do not tell, everybody has a turn, those first that have
// waited for longest, and a round has its bound.
func TestWhereListsDoNotTellTheyTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		for i := range 20 {
			f.add(fmt.Sprintf("d%02d", i))
		}
		// Known from before a restart; the others not at all.
		f.saved["name of d00"] = planet.Dependents{At: f.began.Add(-time.Hour)}
		f.saved["name of d01"] = planet.Dependents{At: f.began.Add(-2 * time.Hour)}
		f.answer = func(_ string, alone bool) (planet.Dependents, error) {
			return planet.Dependents{Incomplete: !alone}, nil
		}
		a := run(t, f.options(every))
		time.Sleep(35 * time.Minute) // four rounds of six
		want := []string{}
		for i := 2; i < 20; i++ {
			want = append(want, fmt.Sprintf("d%02d", i))
		}
		want = append(want, "d01", "d00")
		if diff := cmp.Diff(want, f.alone()[:20]); diff != "" {
			t.Error(diff)
		}
		if rounds, alone := len(f.rounds()), len(f.alone()); alone != rounds*6 {
			t.Errorf("%d were asked for alone in %d rounds", alone, rounds)
		}
		// d07 and d08 are next in turn after d06; d19 is poked, and comes first.
		f.set(func() { f.calls = nil })
		a.Poke("name of d19", "name of somebody else")
		time.Sleep(time.Second)
		if got := f.alone(); len(got) != 6 || got[0] != "d19" || slices.Contains(got[1:], "d19") {
			t.Errorf("after a poke for d19 they were asked for in this order: %v", got)
		}
		// All are poked all the time: still nobody is left out.
		f.set(func() { f.calls = nil })
		for range 400 {
			for i := range 10 {
				a.Poke(fmt.Sprintf("name of d%02d", i))
			}
			time.Sleep(time.Second)
		}
		left := []string{}
		for i := range 20 {
			if id := fmt.Sprintf("d%02d", i); !slices.Contains(f.alone(), id) {
				left = append(left, id)
			}
		}
		if len(left) > 0 {
			t.Errorf("never asked for: %v", left)
		}
	})
}

func TestWhatEndsMidwayIsNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a")
		f.takes = time.Hour
		_, stop := start(t, f.options(every))
		time.Sleep(time.Minute)
		stop()
		if len(f.rounds()) != 1 || f.saves != 0 || f.log.Len() != 0 {
			t.Errorf("%d rounds, %d saved, log %q", len(f.rounds()), f.saves, f.log.String())
		}
	})
}
