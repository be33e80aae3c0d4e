package announce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
)

func subjects(seen []got) []string {
	var all []string
	for _, g := range seen {
		var e event
		if json.Unmarshal([]byte(g.body), &e) == nil {
			all = append(all, e.Subject)
		}
	}
	return all
}

func TestWhatMayPassIsTriedAgainAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  func(int, *http.Request, string) (*http.Response, error)
		reason Reason
		again  bool
	}{
		{"a cut connection", func(int, *http.Request, string) (*http.Response, error) { return nil, errWire }, ReasonNetwork, true},
		{"an answer cut off before its head", func(int, *http.Request, string) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, ReasonNetwork, true},
		{"no answer in time", func(_ int, r *http.Request, _ string) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, ReasonTimeout, true},
		{"too many requests", always(429), ReasonThrottled, true},
		{"a server's trouble", always(503), ReasonServer, true},
		{"a request that took too long", always(408), ReasonServer, true},
		{"a refusal", always(400), ReasonRefused, false},
		{"a wrong key", always(401), ReasonRefused, false},
		{"no such place", always(404), ReasonRefused, false},
		{"a redirect", always(302, "Location", hookURL), ReasonRedirect, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				w.answer = func(n int, r *http.Request, body string) (*http.Response, error) {
					if n <= 3 {
						return c.first(n, r, body)
					}
					return status(204), nil
				}
				a := newTest(t, w, Options{})
				defer start(t, a)()
				a.Announce(held("prod"))
				for range 200 { // twenty seconds
					if a.State()[0].LastError != "" {
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
				if e := a.State()[0].LastError; e == "" || strings.Contains(e, canary) || !strings.HasPrefix(e, "announce to ops (alerts.test): ") {
					t.Errorf("error %q", e)
				}
				time.Sleep(time.Hour)
				s, seen := a.State()[0], w.all()
				if !c.again {
					same(t, []any{1, uint64(0), map[Reason]uint64{c.reason: 1}}, []any{len(seen), s.Sent, s.Failed})
					return
				}
				same(t, []any{4, uint64(1), uint64(3), 0, ""}, []any{len(seen), s.Sent, s.Retried, s.Waiting, s.LastError})
				for i, g := range seen[1:] {
					if g.body != seen[0].body || g.header.Get("Webhook-Id") != seen[0].header.Get("Webhook-Id") {
						t.Error("a repetition differs from the first post")
					}
					if g.header.Get("Webhook-Timestamp") == seen[i].header.Get("Webhook-Timestamp") {
						t.Error("a repetition carries the old timestamp")
					}
				}
			})
		})
	}
}

func TestPausesGrowUntilItIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: always(500)}
		a := newTest(t, w, Options{})
		defer start(t, a)()
		begun := time.Now()
		a.Announce(held("prod"))
		time.Sleep(7 * time.Hour)
		seen := w.all()
		for i := 1; i < len(seen); i++ {
			most := min(2*time.Second<<min(i-1, 20), 15*time.Minute)
			if d := seen[i].at.Sub(seen[i-1].at); d < most/2 || d > most {
				t.Errorf("pause %d is %s, want %s to %s", i, d, most/2, most)
			}
		}
		if last := seen[len(seen)-1].at.Sub(begun); last > 6*time.Hour || last < 5*time.Hour {
			t.Errorf("the last try was after %s", last)
		}
		s := a.State()[0]
		same(t, []any{map[Reason]uint64{ReasonServer: 1}, 0}, []any{s.Failed, s.Waiting})
		w.reply(nil)
		a.Announce(held("prod")) // given up, so that it is news again
		time.Sleep(time.Minute)
		same(t, uint64(1), a.State()[0].Sent)
	})
}

func TestWhatIsNewDoesNotWaitForThePauseOfWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: always(500)}
		a := newTest(t, w, Options{})
		defer start(t, a)()
		a.Announce(held("old"))
		time.Sleep(3 * time.Hour) // its pauses are 7.5 to 15 minutes now
		for time.Since(w.all()[len(w.all())-1].at) > time.Second {
			time.Sleep(time.Second / 2) // just after a failure
		}
		before := len(w.all())
		w.reply(nil)
		a.Announce(held("new"))
		time.Sleep(maxPause)
		same(t, []string{"new"}, subjects(w.all()[before:]))
	})
}

func TestRetryAfterIsHonouredWithinAnHour(t *testing.T) {
	for asked, want := range map[string]time.Duration{"90": 90 * time.Second, "999999": time.Hour} {
		t.Run(asked, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				w.answer = func(n int, _ *http.Request, _ string) (*http.Response, error) {
					if n == 1 {
						return status(429, "Retry-After", asked), nil
					}
					return status(200), nil
				}
				a := newTest(t, w, Options{})
				defer start(t, a)()
				a.Announce(held("one"))
				synctest.Wait()
				a.Announce(held("two"))
				time.Sleep(2 * time.Hour)
				seen := w.all()
				same(t, 3, len(seen))
				same(t, want, seen[1].at.Sub(seen[0].at))
			})
		})
	}
}

func TestOneThatStumblesDoesNotKeepOthersWaitingAndOrderHoldsWithinASubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		w.answer = func(n int, _ *http.Request, body string) (*http.Response, error) {
			if strings.Contains(body, `"subject":"bad"`) && n < 8 {
				return status(500), nil
			}
			return status(200), nil
		}
		a := newTest(t, w, Options{})
		a.Announce(held("bad"))
		after := held("bad")
		after.Kind = Recovered
		a.Announce(after)
		for i := range 4 {
			a.Announce(held(fmt.Sprint("good", i)))
		}
		defer start(t, a)()
		time.Sleep(5 * time.Second)
		if sent := a.State()[0].Sent; sent != 4 {
			t.Errorf("%d of the others arrived soon, want 4", sent)
		}
		time.Sleep(time.Hour)
		seen := w.all()
		same(t, []bool{true, true}, []bool{
			strings.Contains(seen[len(seen)-2].body, ".held"), strings.Contains(seen[len(seen)-1].body, ".recovered"),
		})
	})
}

func TestAFullQueueDropsItsOldestAndAnnounceNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := &wire{answer: func(int, *http.Request, string) (*http.Response, error) {
			<-release
			return status(200), nil
		}}
		a := newTest(t, w, Options{Queue: 3})
		defer start(t, a)()
		a.Announce(held("on-its-way"))
		synctest.Wait()
		for i := range 10 {
			a.Announce(held(fmt.Sprint("d", i)))
		}
		s := a.State()[0]
		same(t, []any{uint64(8), 3}, []any{s.Dropped, s.Waiting})
		close(release)
		time.Sleep(time.Minute)
		same(t, []string{"on-its-way", "d8", "d9"}, subjects(w.all()))
		a.Announce(held("d0")) // dropped, so that it is news
		a.Announce(held("d9"))
		time.Sleep(time.Minute)
		s = a.State()[0]
		same(t, []uint64{4, 1}, []uint64{s.Sent, s.Repeated})
	})
}

func TestAnIdIsAnnouncedOnceAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		a := newTest(t, w, Options{Window: time.Hour})
		defer start(t, a)()
		for range 121 { // two hours
			one := held("prod")
			one.Time = time.Now()
			a.Announce(one)
			time.Sleep(time.Minute)
		}
		s := a.State()[0]
		same(t, []uint64{3, 118}, []uint64{s.Sent, s.Repeated})
	})
}

func TestTheWindowIsBounded(t *testing.T) {
	w, now := newWindow(time.Hour), time.Now()
	for i := range maxWindow + 5 {
		if !w.add(fmt.Sprint(i), now) {
			t.Fatal("a new id is called known")
		}
	}
	same(t, []int{maxWindow, maxWindow}, []int{len(w.ids), len(w.order)})
	same(t, []bool{true, false}, []bool{w.add("0", now), w.add("9000", now)})
}

func TestGoneStopsTheTargetAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
			if r.URL.Host == "alerts.test" {
				return status(410), nil
			}
			return status(200), nil
		}}
		a := newTest(t, w, Options{Targets: []Target{hook(), Slack{Name: "chat", URL: urlOf(slackURL)}}})
		a.Announce(held("one")) // before the start, lest the first answer comes before the second
		a.Announce(held("two"))
		stop := start(t, a)
		time.Sleep(time.Hour)
		a.Announce(held("three"))
		time.Sleep(time.Hour)
		stop()
		s := a.State()
		same(t, []any{true, map[Reason]uint64{ReasonGone: 2}, uint64(1), uint64(0)}, []any{s[0].Stopped, s[0].Failed, s[0].Dropped, s[0].Sent})
		same(t, []any{false, uint64(3)}, []any{s[1].Stopped, s[1].Sent})
		same(t, 4, len(w.all()))
	})
}

func TestSlackHearsOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		a := newTest(t, w, Options{Targets: []Target{Slack{Name: "chat", URL: urlOf(slackURL), Kinds: []Kind{Held}}}})
		for i := range 5 {
			a.Announce(held(fmt.Sprint(i)))
			other := held(fmt.Sprint(i))
			other.Kind = Pushed
			a.Announce(other)
		}
		defer start(t, a)()
		time.Sleep(time.Minute)
		seen := w.all()
		same(t, 5, len(seen))
		for i := 1; i < len(seen); i++ {
			if d := seen[i].at.Sub(seen[i-1].at); d < time.Second {
				t.Errorf("two messages within %s", d)
			}
		}
	})
}

func TestTheEndDeliversForABoundedTime(t *testing.T) {
	t.Run("what waits goes out at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: always(500)}
			a := newTest(t, w, Options{})
			stop := start(t, a)
			a.Announce(held("one"))
			time.Sleep(3 * time.Hour) // by now the pauses are long
			a.Announce(held("two"))
			synctest.Wait()
			w.reply(nil)
			begun := time.Now()
			stop()
			if d := time.Since(begun); d > time.Second {
				t.Errorf("it took %s", d)
			}
			same(t, uint64(2), a.State()[0].Sent)
			a.Announce(held("three"))
			same(t, uint64(1), a.State()[0].Dropped)
		})
	})
	t.Run("a target that hangs is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}}
			a := newTest(t, w, Options{Timeout: time.Hour})
			stop := start(t, a)
			a.Announce(held("one"))
			a.Announce(held("two"))
			synctest.Wait()
			begun := time.Now()
			stop()
			same(t, 5*time.Second, time.Since(begun))
			same(t, map[Reason]uint64{ReasonShutdown: 2}, a.State()[0].Failed)
		})
	})
	t.Run("what a target asked for holds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: always(429, "Retry-After", "60")}
			a := newTest(t, w, Options{})
			stop := start(t, a)
			a.Announce(held("one"))
			synctest.Wait()
			stop()
			same(t, 1, len(w.all()))
		})
	})
}

func TestKeysAreReadBeforeEachPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		keys := keysOf("whsec_" + canary)
		target := hook()
		target.Keys = func() ([]credential.Value, error) {
			mu.Lock()
			defer mu.Unlock()
			return keys()
		}
		w := &wire{}
		a := newTest(t, w, Options{Targets: []Target{target}})
		defer start(t, a)()
		a.Announce(held("prod"))
		time.Sleep(10 * time.Second)
		same(t, 0, len(w.all()))
		if e := a.State()[0].LastError; !strings.Contains(e, "whsec_") || strings.Contains(e, canary) {
			t.Errorf("error %q", e)
		}
		mu.Lock()
		keys = keysOf(key("n"))
		mu.Unlock()
		time.Sleep(time.Hour)
		same(t, 1, len(w.all()))
		same(t, 1, len(strings.Fields(w.all()[0].header.Get("Webhook-Signature"))))
	})
}

func TestNothingShowsAURLAKeyOrAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var seen []Observation
		var mu sync.Mutex
		n := 0
		w := &wire{answer: func(int, *http.Request, string) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			n++
			switch n % 4 {
			case 0:
				return nil, errWire
			case 1:
				return status(403), nil
			case 2:
				return status(302, "Location", hookURL), nil
			}
			return status(500), nil
		}}
		targets := []Target{hook(), Slack{Name: "chat", URL: urlOf(slackURL)},
			Slack{Name: "bad", URL: urlOf("ht tp://" + canary)}}
		a := newTest(t, w, Options{Targets: targets, Logger: slog.New(slog.NewTextHandler(&log, nil)), Observe: func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, o)
		}})
		stop := start(t, a)
		for i := range 30 {
			a.Announce(held(fmt.Sprint(i)))
			time.Sleep(time.Second)
			if s := fmt.Sprintf("%+v", a.State()); strings.Contains(s, canary) || strings.Contains(s, "hooks.test") {
				t.Fatal("the state shows a URL")
			}
		}
		stop()
		shown := log.String() + fmt.Sprintf("%+v %#v %v %+v", targets, targets, seen, a.targets)
		for _, word := range []string{canary, "hooks.test", key("k"), "?token"} {
			if strings.Contains(shown, word) {
				t.Errorf("%q is shown", word)
			}
		}
		if !strings.Contains(log.String(), "alerts.test") || !slices.ContainsFunc(seen, func(o Observation) bool { return o.Event == EventRetry }) {
			t.Error("nothing was logged or observed: the test looks at nothing")
		}
	})
}

func TestBadOptionsAreToldAllAtOnceAndWithoutTheirSecrets(t *testing.T) {
	_, err := New(Options{Source: "a b", Queue: -1, Drain: -1, Targets: []Target{
		Webhook{Name: "a", URL: "http://far.test/" + canary, Keys: keysOf()},
		Webhook{Name: "b", URL: "https://u:" + canary + "@far.test/", Keys: keysOf()},
		Webhook{Name: "c", URL: ":" + canary + "%zz", Kinds: []Kind{"nope"}},
		Slack{}, nil, hook(), hook(),
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"source must be", "queue can't be negative", "duration is negative", "webhook a: the URL must be https", "webhook b: the URL holds a user",
		"webhook c: the URL can't be used", `no kind "nope"`, "webhook c: name the keys", "slack: give the target a name", "a target is nil", "two targets are called ops",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Error("a URL is quoted")
	}
}

func TestRunRunsOnceAndAnUnknownKindIsCounted(t *testing.T) {
	a := newTest(t, &wire{}, Options{})
	start(t, a)()
	if err := a.Run(t.Context()); err == nil {
		t.Error("a second Run is accepted")
	}
	a.Announce(Announcement{Kind: "nope"})
	same(t, map[Reason]uint64{ReasonInvalid: 1}, a.State()[0].Failed)
}
