package google_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

// after counts calls of a method from here on.
func after(s *googletest.Server) func(method string) int {
	from := len(s.Requests())
	return func(method string) int {
		n := 0
		for _, r := range s.Requests()[from:] {
			if r.Method == method {
				n++
			}
		}
		return n
	}
}

func TestWhatALookCosts(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	current(t, p, secretName) // the first also sees to what the list does not show, and to times
	count := after(s)
	for range 4 {
		current(t, p, secretName)
	}
	if l, g, d := count(list), count(get), count("GetSecret"); l != 4 || g != 0 || d != 0 {
		t.Errorf("four looks at what does not change: %d lists, %d gets, %d times", l, g, d)
	}
	for range 3 {
		id := s.Add(secretName, []byte("next"))
		count := after(s)
		if v := current(t, p, secretName); v.ID != id {
			t.Fatalf("current is %s, want %s", v.ID, id)
		}
		read(t, p, secretName, id)
		if l, g, a := count(list), count(get), count(access); l != 1 || g != 1 || a != 1 {
			t.Errorf("a rotation: %d lists, %d gets, %d accesses", l, g, a)
		}
	}
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Name, "/latest") || r.Method == list && r.Filter != "state:ENABLED" {
			t.Errorf("%s asks for %s, filter %q", r.Method, r.Name, r.Filter)
		}
	}
}

func TestStates(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *googletest.Server)
		want string
	}{
		{"the highest number counts, and ten is more than nine", func(s *googletest.Server) { add(s, 9) }, "10"},
		{"a newest version that is disabled does not", func(s *googletest.Server) { add(s, 2); s.Disable(secretName, "3") }, "2"},
		{"nor one that is destroyed", func(s *googletest.Server) { add(s, 2); s.Destroy(secretName, "3") }, "2"},
		{"nor one that is to be destroyed", func(s *googletest.Server) {
			add(s, 2)
			s.ScheduleDestroy(secretName, "3", time.Now().Add(time.Hour))
		}, "2"},
		{"several may be disabled", func(s *googletest.Server) {
			add(s, 11)
			for _, n := range []string{"12", "11", "10", "4"} {
				s.Disable(secretName, n)
			}
		}, "9"},
		{"more may be disabled than a page holds", func(s *googletest.Server) { disabledAbove(s, 120) }, "1"},
		{"on a server without filters too", func(s *googletest.Server) { s.IgnoreFilters(); disabledAbove(s, 120) }, "1"},
		{"more may be enabled than a page holds", func(s *googletest.Server) { add(s, 120) }, "121"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			s.Create(secretName, []byte("one"))
			c.do(s)
			for range 2 {
				if v := current(t, p, secretName); v.ID != c.want {
					t.Fatalf("current is %s, want %s", v.ID, c.want)
				}
			}
			next := s.Add(secretName, []byte("next"))
			if v := current(t, p, secretName); v.ID != next {
				t.Errorf("then current is %s, want %s", v.ID, next)
			}
		})
	}
}

func add(s *googletest.Server, n int) {
	for range n {
		s.Add(secretName, []byte("another"))
	}
}

func disabledAbove(s *googletest.Server, n int) {
	for range n {
		s.Disable(secretName, s.Add(secretName, []byte("another")))
	}
}

func TestWithoutAnEnabledVersionItIsSaidWhatThereIs(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, nil)
	_, err := p.Current(t.Context(), secretName)
	if e := reason(t, err); e.Reason != providers.ReasonDisabled || !strings.Contains(e.Hint, "holds no value yet") {
		t.Errorf("no version: %v", err)
	}
	add(s, 3)
	s.Destroy(secretName, "1")
	s.Disable(secretName, "2")
	s.ScheduleDestroy(secretName, "3", time.Date(2031, 5, 6, 0, 0, 0, 0, time.UTC))
	_, err = p.Current(t.Context(), secretName)
	if e := reason(t, err); e.Reason != providers.ReasonDisabled ||
		!strings.Contains(e.Hint, "3 (disabled, to be destroyed on 2031-05-06T00:00:00Z); 2 (disabled); 1 (destroyed)") {
		t.Errorf("none enabled: %v", err)
	}
	s.Enable(secretName, "2")
	if v := current(t, p, secretName); v.ID != "2" {
		t.Errorf("current is %s after 2 was enabled", v.ID)
	}
}

// TestAStaleListIsNoRollback: both show a lower number than before.
func TestAStaleListIsNoRollback(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	add(s, 8)
	current(t, p, secretName)
	s.Add(secretName, []byte("ten"))
	if v := current(t, p, secretName); v.ID != "10" {
		t.Fatalf("current is %s", v.ID)
	}
	s.LagLists(secretName, 2)
	for range 3 {
		if v := current(t, p, secretName); v.ID != "10" {
			t.Fatalf("a stale list is believed: %s", v.ID)
		}
	}
	s.Disable(secretName, "10")
	if v := current(t, p, secretName); v.ID != "9" {
		t.Errorf("after 10 was disabled current is %s", v.ID)
	}
	// Now the list lags the other way: it shows as enabled what is not.
	s.LagLists(secretName, 2)
	for range 2 {
		if v := current(t, p, secretName); v.ID != "9" {
			t.Errorf("a stale list brings back what was disabled: %s", v.ID)
		}
	}
	s.Enable(secretName, "10")
	if v := current(t, p, secretName); v.ID != "10" {
		t.Errorf("after 10 was enabled again current is %s", v.ID)
	}
}

// TestTheFirstListMayLagToo: a process that was just started knows nothing.
func TestTheFirstListMayLagToo(t *testing.T) {
	s, _ := both(t)
	s.Create(secretName, []byte("one"))
	s.Add(secretName, []byte("two"))
	s.LagLists(secretName, googletest.Forever)
	p := open(t, s)
	for range 2 {
		if v := current(t, p, secretName); v.ID != "2" {
			t.Errorf("current is %s", v.ID)
		}
	}
}

// TestBetweenAStaleListAndADisabledVersion there is another one.
func TestBetweenAStaleListAndADisabledVersion(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	current(t, p, secretName)
	hint := providers.Hint{Version: s.Add(secretName, []byte("two"))}
	s.LagLists(secretName, googletest.Forever)
	if v, err := p.CurrentAfter(t.Context(), secretName, hint); err != nil || v.ID != "2" {
		t.Fatalf("current is %+v, %v", v, err)
	}
	s.LagLists(secretName, 0)
	s.Disable(secretName, s.Add(secretName, []byte("three")))
	s.Disable(secretName, s.Add(secretName, []byte("four")))
	if v := current(t, p, secretName); v.ID != "2" {
		t.Errorf("current is %s", v.ID)
	}
}

func TestTimesAreThoseOfTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, end := inMemory(t)
		defer end()
		made := time.Now()
		s.Create(secretName, []byte("one"))
		if v := current(t, p, secretName); !v.Created.Equal(made) || !v.Expires.IsZero() || !v.NextRotation.IsZero() {
			t.Errorf("a secret without times: %+v", v)
		}
		expires, next := made.Add(90*24*time.Hour), made.Add(30*24*time.Hour)
		s.SetExpiry(secretName, expires)
		s.SetNextRotation(secretName, next)
		time.Sleep(11 * time.Minute)
		for range 3 {
			if v := current(t, p, secretName); !v.Expires.Equal(expires) || !v.NextRotation.Equal(next) {
				t.Errorf("expires %s, next rotation %s", v.Expires, v.NextRotation)
			}
		}
		if n := s.Count("GetSecret"); n != 2 {
			t.Errorf("the times were asked for %d times, want 2", n)
		}
		// They are a nicety: neither a missing permission nor silence matters.
		s.Deny(secretName, "secretmanager.secrets.get")
		time.Sleep(11 * time.Minute)
		current(t, p, secretName)
		s.Allow(secretName)
		time.Sleep(11 * time.Minute)
		s.Hang("GetSecret")
		begun := time.Now()
		if v := current(t, p, secretName); v.ID != "1" || time.Since(begun) > 5*time.Second {
			t.Errorf("version %q after %s", v.ID, time.Since(begun))
		}
	})
}
