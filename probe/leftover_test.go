package probe_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/probe"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a moment, in seconds after noon.
func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// seenAt is a sighting of an object written at one moment and read at another.
func seenAt(written, read int) probe.Sighting {
	return probe.Sighting{Size: 7, LastModified: at(written), ServerTime: at(read)}
}

func TestConclude(t *testing.T) {
	seenOnce := probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7,
		LastModified: at(-100), FirstSeen: at(0), Age: 100 * time.Second, CheckedAt: at(0), LookAgainAt: at(61)}
	present := probe.Leftover{State: probe.Present, Reason: probe.ReasonConfirmed, Size: 7,
		LastModified: at(-100), FirstSeen: at(0), Age: 160 * time.Second, CheckedAt: at(60)}
	absent := probe.Leftover{State: probe.Absent, Reason: probe.ReasonNotFound, CheckedAt: at(0)}
	inferred := probe.Leftover{State: probe.AbsentInferred, Reason: probe.ReasonGetProven, CheckedAt: at(0)}

	for _, tc := range []struct {
		name     string
		previous probe.Leftover
		sighting probe.Sighting
		now      int
		lastPush time.Time
		want     probe.Leftover
	}{
		{"first seen does not count yet", probe.Leftover{}, seenAt(-100, 0), 0, time.Time{}, seenOnce},
		{"seen again too early does not count yet", seenOnce, seenAt(-100, 40), 40, time.Time{},
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(-100), FirstSeen: at(0),
				Age: 140 * time.Second, CheckedAt: at(40), LookAgainAt: at(61)}},
		{"seen again after a minute counts", seenOnce, seenAt(-100, 60), 60, time.Time{}, present},
		{"written again restarts", seenOnce, seenAt(30, 60), 60, time.Time{},
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(30), FirstSeen: at(60),
				Age: 30 * time.Second, CheckedAt: at(60), LookAgainAt: at(121)}},
		{"written again restarts what counted too", present, seenAt(70, 80), 80, time.Time{},
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(70), FirstSeen: at(80),
				Age: 10 * time.Second, CheckedAt: at(80), LookAgainAt: at(141)}},
		{"what counts goes on counting", present, seenAt(-100, 61), 61, time.Time{},
			probe.Leftover{State: probe.Present, Reason: probe.ReasonConfirmed, Size: 7, LastModified: at(-100), FirstSeen: at(0),
				Age: 161 * time.Second, CheckedAt: at(61)}},
		{"older than the last push was not overwritten by it", seenOnce, seenAt(-100, 60), 60, at(-50),
			probe.Leftover{State: probe.Present, Reason: probe.ReasonConfirmed, Size: 7, LastModified: at(-100), FirstSeen: at(0),
				Age: 160 * time.Second, OlderThanPush: true, CheckedAt: at(60)}},
		{"written by the last push is not older than it", probe.Leftover{}, seenAt(-10, 0), 0, at(-10),
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(-10), FirstSeen: at(0),
				Age: 10 * time.Second, CheckedAt: at(0), LookAgainAt: at(61)}},
		{"a server's clock an hour ahead changes neither age nor order", probe.Leftover{}, seenAt(3590, 3600), 0, at(-11),
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(3590), FirstSeen: at(3600),
				Age: 10 * time.Second, CheckedAt: at(0), LookAgainAt: at(61)}},
		{"nor does one an hour behind", probe.Leftover{}, seenAt(-3610, -3600), 0, at(-11),
			probe.Leftover{State: probe.Seen, Reason: probe.ReasonUnconfirmed, Size: 7, LastModified: at(-3610), FirstSeen: at(-3600),
				Age: 10 * time.Second, CheckedAt: at(0), LookAgainAt: at(61)}},
		{"404 is absent", present, probe.Sighting{Kind: bucket.KindNotFound, ServerTime: at(99)}, 99, at(0),
			probe.Leftover{State: probe.Absent, Reason: probe.ReasonNotFound, CheckedAt: at(99)}},
		{"403 with a proven get is absent as inferred", present, probe.Sighting{Kind: bucket.KindDenied, GetProven: true}, 99, at(50),
			probe.Leftover{State: probe.AbsentInferred, Reason: probe.ReasonGetProven, CheckedAt: at(99)}},
		{"a mere 403 can't tell", probe.Leftover{}, probe.Sighting{Kind: bucket.KindDenied, Detail: "d"}, 5, time.Time{},
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonDenied, Detail: "d", CheckedAt: at(5)}},
		{"a mere 403 keeps absent since the last push", absent, probe.Sighting{Kind: bucket.KindDenied}, 500, at(-1),
			probe.Leftover{State: probe.Absent, Reason: probe.ReasonKept, CheckedAt: at(500)}},
		{"a mere 403 keeps absent as inferred", inferred, probe.Sighting{Kind: bucket.KindDenied}, 500, time.Time{},
			probe.Leftover{State: probe.AbsentInferred, Reason: probe.ReasonKept, CheckedAt: at(500)}},
		{"a mere 403 does not keep absent from before the last push", absent, probe.Sighting{Kind: bucket.KindDenied}, 500, at(1),
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonDenied, CheckedAt: at(500)}},
		{"nor from the very moment of the push", absent, probe.Sighting{Kind: bucket.KindDenied}, 500, at(0),
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonDenied, CheckedAt: at(500)}},
		{"out of reach can't tell and remembers what was seen", present, probe.Sighting{Kind: bucket.KindUnreachable}, 99, time.Time{},
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonUnreachable, Size: 7, LastModified: at(-100), FirstSeen: at(0),
				Age: 160 * time.Second, CheckedAt: at(99)}},
		{"out of reach does not keep absent", absent, probe.Sighting{Kind: bucket.KindUnreachable}, 99, time.Time{},
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonUnreachable, CheckedAt: at(99)}},
		{"a bad credential can't tell", absent, probe.Sighting{Kind: bucket.KindBadCredential, GetProven: true}, 99, time.Time{},
			probe.Leftover{State: probe.CannotTell, Reason: probe.ReasonCredential, CheckedAt: at(99)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := probe.Conclude(tc.previous, tc.sighting, at(tc.now), tc.lastPush, time.Minute)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

var allKinds = []bucket.Kind{
	"", bucket.KindNotFound, bucket.KindNoBucket, bucket.KindDenied, bucket.KindBadCredential, bucket.KindClockSkew,
	bucket.KindWrongRegion, bucket.KindThrottled, bucket.KindUnreachable, bucket.KindServer, bucket.KindConfig,
	bucket.KindUnsupported, bucket.KindUnknown,
}

func TestEveryKindHasAReason(t *testing.T) {
	unknown := 0
	for _, kind := range allKinds {
		l := probe.Conclude(probe.Leftover{}, probe.Sighting{Kind: kind}, at(0), time.Time{}, time.Minute)
		if l.State == "" || l.Reason == "" {
			t.Errorf("kind %q gives %+v", kind, l)
		}
		if l.Reason == probe.ReasonUnknown {
			unknown++
		}
	}
	if unknown != 1 {
		t.Errorf("%d kinds have no reason of their own, want KindUnknown alone", unknown)
	}
}

// What Conclude says is held against the whole list of looks since the object
// was last known to be gone, over random histories.
func TestConcludeProperties(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		confirm := time.Duration(r.IntN(3)) * time.Minute / 2
		var (
			known    probe.Leftover
			lastPush time.Time
			now      = noon
			// sightings counts how often the object of that LastModified was seen,
			// and since when.
			sightings     = map[time.Time]int{}
			first         = map[time.Time]time.Time{}
			lastKnownGone time.Time
		)
		for range 30 {
			now = now.Add(time.Duration(r.IntN(50)) * time.Second)
			if r.IntN(5) == 0 {
				lastPush = now
				now = now.Add(time.Second)
			}
			s := probe.Sighting{Kind: allKinds[r.IntN(len(allKinds))], GetProven: r.IntN(2) == 0, ServerTime: now}
			if r.IntN(2) == 0 {
				s.Kind = ""
			}
			if s.Kind == "" {
				s.LastModified = noon.Add(-time.Duration(r.IntN(2)) * time.Hour)
				if sightings[s.LastModified] == 0 {
					first[s.LastModified] = now
				}
				sightings[s.LastModified]++
			}
			known = probe.Conclude(known, s, now, lastPush, confirm)
			switch known.State {
			case probe.Present:
				if s.Kind != "" || sightings[s.LastModified] < 2 || now.Sub(first[s.LastModified]) < confirm {
					t.Fatalf("seed %d: present after %d sightings in %v", seed, sightings[s.LastModified], now.Sub(first[s.LastModified]))
				}
			case probe.Seen:
				if !known.LookAgainAt.After(now) {
					t.Fatalf("seed %d: seen, and no later look asked for", seed)
				}
			case probe.Absent, probe.AbsentInferred:
				if known.Reason != probe.ReasonKept {
					lastKnownGone = now
				} else if !lastKnownGone.After(lastPush) {
					t.Fatalf("seed %d: kept absent from %v over a push at %v", seed, lastKnownGone, lastPush)
				}
				clear(sightings)
			case probe.CannotTell:
			default:
				t.Fatalf("seed %d: state %q", seed, known.State)
			}
			if s.Kind == "" {
				for other := range sightings {
					if !other.Equal(s.LastModified) {
						delete(sightings, other)
					}
				}
			}
		}
	}
}

func TestLookReportsWhatTheServerSays(t *testing.T) {
	f := newFake()
	f.now = at(5)
	if s := probe.Look(t.Context(), f, probe.VerifyObject, true); s.Kind != bucket.KindNotFound || !s.ServerTime.Equal(at(5)) || !s.GetProven {
		t.Errorf("missing: %+v", s)
	}
	if err := f.Put(t.Context(), probe.VerifyObject, []byte("four")); err != nil {
		t.Fatal(err)
	}
	f.now = at(9)
	want := probe.Sighting{Size: 4, LastModified: at(5), ServerTime: at(9)}
	if diff := cmp.Diff(want, probe.Look(t.Context(), f, probe.VerifyObject, false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.fail[get] = refuse(get, bucket.KindDenied, "s3:GetObject")
	if s := probe.Look(t.Context(), f, probe.VerifyObject, false); s.Kind != bucket.KindDenied || s.Detail == "" {
		t.Errorf("denied: %+v", s)
	}
}

func TestLeftoverSurvivesJSON(t *testing.T) {
	want := probe.Conclude(probe.Leftover{}, seenAt(-100, 0), at(0), at(-50), time.Minute)
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"state":"seen","reason":"unconfirmed","size":7,"last_modified":"2026-03-01T11:58:20Z","first_seen":"2026-03-01T12:00:00Z",` +
		`"age":100000000000,"older_than_push":true,"checked_at":"2026-03-01T12:00:00Z","look_again_at":"2026-03-01T12:01:01Z"}`
	if string(data) != text {
		t.Errorf("got  %s\nwant %s", data, text)
	}
	var got probe.Leftover
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if data, err := json.Marshal(probe.Leftover{}); err != nil || string(data) != `{"state":"","reason":""}` {
		t.Errorf("the zero Leftover is %s, %v", data, err)
	}
}
