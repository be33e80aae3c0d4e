package rotation_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

func (w *world) emit(e credential.Event) {
	w.t.Helper()
	must(w.t, w.current().Emit(context.Background(), e))
}

func (w *world) wantNotes(i int, kinds ...credential.EventKind) {
	w.t.Helper()
	var got []credential.EventKind
	for _, n := range w.record(i).Notes {
		got = append(got, n.Kind)
	}
	if !slices.Equal(got, kinds) {
		w.t.Errorf("notes are %q, want %q", got, kinds)
	}
}

func TestAReadThatLagsBehindItsEventIsNotBelieved(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.schedule = 0
		w.start()
		time.Sleep(time.Minute)
		next := w.newKey("dest-00")
		w.src.lag(w.destinations[0].Secret, 5*time.Second)
		w.rotate(0, next)
		time.Sleep(10 * time.Second)
		w.wantStored(0, next)
		if w.src.hints() != 1 {
			t.Errorf("%d questions after the event's version, want one", w.src.hints())
		}
		// What the event said is settled: the next look does not ask for it again.
		w.emit(credential.Event{Destination: w.destinations[0].Name, Source: "schedule"})
		time.Sleep(time.Second)
		if w.src.hints() != 1 {
			t.Errorf("%d questions after the event's version, want one", w.src.hints())
		}
		// Nor for a version that never was, once it has been looked for.
		w.emit(credential.Event{Secret: w.destinations[0].Secret, Source: "mem", Version: "never was"})
		time.Sleep(time.Minute)
		w.emit(credential.Event{Destination: w.destinations[0].Name, Source: "schedule"})
		time.Sleep(time.Minute)
		if w.src.hints() != 2 {
			t.Errorf("%d questions after two events' versions, want one each", w.src.hints())
		}
		w.wantState(0, store.StateInSync, "")
	})
}

// The message is acknowledged once the mark is durable. A process that dies
// right then has the version in its store, and not only a reason to look.
func TestTheVersionOfAnEventSurvivesAKill(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.schedule = 0
		w.start()
		time.Sleep(time.Minute)
		next := w.newKey("dest-00")
		w.src.lag(w.destinations[0].Secret, 12*time.Second)
		w.src.put(w.destinations[0].Secret, next)
		w.emit(credential.Event{Secret: w.destinations[0].Secret, Source: "mem", Version: next.version})
		w.kill()
		time.Sleep(5 * time.Second)
		w.start()
		time.Sleep(time.Minute)
		w.wantStored(0, next)
	})
}

func TestAFailedRotationIsANoteUntilANewerVersionOrASuccess(t *testing.T) {
	in(t, 2, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		secret := w.destinations[0].Secret
		failed := credential.Event{Kind: credential.EventRotationFailed, Secret: secret, Source: "sqs", Time: time.Now()}
		w.emit(failed)
		time.Sleep(time.Second)
		w.wantNotes(0, credential.EventRotationFailed)
		w.wantNotes(1)
		w.wantState(0, store.StateInSync, "")
		// Repeated, late, and across a restart it is one.
		w.emit(failed)
		w.emit(credential.Event{Kind: credential.EventRotationSucceeded, Secret: secret, Source: "sqs", Time: time.Now().Add(-time.Hour)})
		w.stop()
		w.start()
		time.Sleep(time.Second)
		w.wantNotes(0, credential.EventRotationFailed)
		w.rotate(0, w.newKey("dest-00"))
		time.Sleep(time.Minute)
		w.wantNotes(0)

		failed.Time = time.Now()
		w.emit(failed)
		time.Sleep(time.Second)
		w.wantNotes(0, credential.EventRotationFailed)
		w.emit(credential.Event{Kind: credential.EventRotationSucceeded, Secret: secret, Source: "sqs", Time: time.Now()})
		time.Sleep(time.Second)
		w.wantNotes(0)
		if !strings.Contains(w.logs.b.String(), "secret manager reports") {
			t.Error("nothing was logged")
		}
	})
}

func TestAnExpiryThatWasAnnouncedIsOfOneVersion(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		secret, old := w.destinations[0].Secret, w.src.now(w.destinations[0].Secret)
		expiry := credential.Event{Kind: credential.EventNearExpiry, Secret: secret, Version: old.version, Source: "azure", Time: time.Now()}
		w.emit(expiry)
		time.Sleep(time.Second)
		w.wantNotes(0, credential.EventNearExpiry)
		if n := w.record(0).Notes[0]; n.Version != old.version || !n.Time.Equal(expiry.Time) || n.Source != "azure" {
			t.Errorf("the note says %+v", n)
		}
		w.rotate(0, w.newKey("dest-00"))
		time.Sleep(time.Minute)
		w.wantNotes(0)
		// Of a version that is not current any more it is no news.
		w.emit(expiry)
		time.Sleep(time.Second)
		w.wantNotes(0)
	})
}

func TestWhatIsHeardDuringAPauseIsNotLost(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.schedule = 0
		w.start()
		time.Sleep(time.Minute)
		name, secret := w.destinations[0].Name, w.destinations[0].Secret
		must(t, w.current().Pause(context.Background(), name, ""))
		next := w.newKey("dest-00")
		w.src.lag(secret, 5*time.Second)
		w.rotate(0, next)
		w.emit(credential.Event{Kind: credential.EventExpired, Secret: secret, Source: "azure"})
		time.Sleep(time.Second)
		w.wantNotes(0, credential.EventExpired)
		must(t, w.current().Resume(context.Background(), name))
		time.Sleep(20 * time.Second)
		w.wantStored(0, next)
	})
}

func (s *source) hints() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hinted
}

func (w *world) eventsMissed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.missed)
}

// announced makes events expected.
func announced(w *world) {
	w.missedAfter = 5 * time.Minute
	for i := range w.destinations {
		w.destinations[i].Announcers = []string{"sqs"}
	}
}

func TestAChangeWhoseEventNeverCameIsCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		event   time.Duration // when the event comes after the change; 0 for never
		bare    bool          // it names no version
		restart bool
		missed  int
	}{
		"never":                            {missed: 1},
		"never, and a restart in between":  {restart: true, missed: 1},
		"before anybody had looked":        {event: time.Millisecond},
		"late, and within the grace":       {event: 17 * time.Minute},
		"within it, without a version":     {event: 17 * time.Minute, bare: true},
		"too late":                         {event: 25 * time.Minute, missed: 1},
		"within the grace, with a restart": {event: 18 * time.Minute, restart: true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 1, nil, func(t *testing.T, w *world) {
				announced(w)
				w.start()
				time.Sleep(14 * time.Minute) // the schedule looks a minute from now
				secret, next := w.destinations[0].Secret, w.newKey("dest-00")
				changed := time.Now()
				w.src.put(secret, next)
				if c.event > 0 && c.event < time.Minute {
					w.emit(credential.Event{Secret: secret, Source: "sqs"})
				}
				time.Sleep(2 * time.Minute)
				w.wantStored(0, next)
				if c.restart {
					w.stop()
					w.start()
				}
				if c.event > 2*time.Minute {
					// 2 minutes have gone by; the change was found one minute after it came.
					wait := c.event - 15*time.Minute
					time.Sleep(wait)
					e := credential.Event{Secret: secret, Source: "sqs", Time: changed, Version: next.version}
					if c.bare {
						e.Version = ""
					}
					w.emit(e)
				}
				time.Sleep(time.Hour)
				if missed := w.eventsMissed(); len(missed) != c.missed {
					t.Errorf("%d events are missed, want %d: %q", len(missed), c.missed, missed)
				}
				if r := w.record(0); r.Unannounced != nil {
					t.Errorf("an event is still waited for: %+v", r.Unannounced)
				}
			})
		})
	}
}

func TestNothingIsMissedWhereNothingIsExpected(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.missedAfter = 5 * time.Minute
		w.start()
		time.Sleep(time.Minute)
		w.src.put(w.destinations[0].Secret, w.newKey("dest-00"))
		time.Sleep(time.Hour)
		if missed := w.eventsMissed(); len(missed) != 0 {
			t.Errorf("missed: %q", missed)
		}
	})
}

// aliased is a source whose secrets have a second name.
type aliased struct{ *source }

func (a aliased) Same(configured, named credential.Secret) bool {
	return named == "alias:"+configured
}

func TestAnEventMayNameASecretOtherwise(t *testing.T) {
	in(t, 2, nil, func(t *testing.T, w *world) {
		w.schedule, w.provider = 0, aliased{w.src}
		w.start()
		time.Sleep(time.Minute)
		next := w.newKey("dest-00")
		w.src.put(w.destinations[0].Secret, next)
		for named, want := range map[credential.Secret]bool{"alias:" + w.destinations[0].Secret: true, w.destinations[1].Secret: true,
			"alias:mem://nobody": false, "alias:mem://planet-key": true, "": false} {
			if got := w.current().Matches(credential.Event{Secret: named}); got != want {
				t.Errorf("an event about %q matches: %v, want %v", named, got, want)
			}
		}
		w.emit(credential.Event{Secret: "alias:" + w.destinations[0].Secret, Source: "sqs"})
		time.Sleep(time.Minute)
		w.wantStored(0, next)
	})
}

var _ providers.Namer = aliased{}
