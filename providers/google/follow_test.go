package google_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

func TestAHintIsLookedUpByNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *googletest.Server) (hinted string)
		want string
	}{
		{"a version that the list does not show", func(s *googletest.Server) string {
			id := s.Add(secretName, []byte("two"))
			s.LagLists(secretName, googletest.Forever)
			return id
		}, "2"},
		{"by its whole name", func(s *googletest.Server) string {
			id := s.Add(secretName, []byte("two"))
			s.LagLists(secretName, googletest.Forever)
			return s.Canonical(secretName) + "/versions/" + id
		}, "2"},
		{"one that was overtaken", func(s *googletest.Server) string {
			s.Add(secretName, []byte("two"))
			s.Add(secretName, []byte("three"))
			return "2"
		}, "3"},
		{"one that was disabled since", func(s *googletest.Server) string {
			s.Disable(secretName, s.Add(secretName, []byte("two")))
			return "2"
		}, "1"},
		{"one that was disabled, and the list does not show it", func(s *googletest.Server) string {
			s.Add(secretName, []byte("two"))
			s.Disable(secretName, "2")
			s.LagLists(secretName, googletest.Forever)
			return "2"
		}, "1"},
		{"one that was destroyed since", func(s *googletest.Server) string {
			s.Destroy(secretName, s.Add(secretName, []byte("two")))
			return "2"
		}, "1"},
		{"a number that is none", func(*googletest.Server) string { return "latest" }, "1"},
	} {
		for _, asked := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: ", at first sight", true: ", of a secret that is known"}[asked], func(t *testing.T) {
				s, p := both(t)
				s.Create(secretName, []byte("one"))
				if asked {
					current(t, p, secretName)
				}
				hinted := c.do(s)
				count := after(s)
				v, err := p.CurrentAfter(t.Context(), secretName, providers.Hint{Version: hinted})
				if err != nil || v.ID != c.want || count(list) != 1 {
					t.Fatalf("current is %q, want %s, after %d lists; %v", v.ID, c.want, count(list), err)
				}
				if v := current(t, p, secretName); v.ID != c.want { // remembered
					t.Errorf("then current is %s, want %s", v.ID, c.want)
				}
			})
		}
	}
}

// TestADisabledVersionIsAskedForAlthoughTheListShowsIt: the event says that
// something has happened to the very version that is known.
func TestADisabledVersionIsAskedForAlthoughTheListShowsIt(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	s.Add(secretName, []byte("two"))
	current(t, p, secretName)
	s.Disable(secretName, "2")
	s.LagLists(secretName, googletest.Forever)
	if v, err := p.CurrentAfter(t.Context(), secretName, providers.Hint{Version: "2"}); err != nil || v.ID != "1" {
		t.Errorf("current is %q, %v", v.ID, err)
	}
}

func TestAVersionThatIsNotThereYetIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name  string
		lag   func(s *googletest.Server)
		asked int
		want  string
	}{
		{"not at all", func(*googletest.Server) {}, 1, "2"},
		{"three seconds", func(s *googletest.Server) {
			s.LagListsFor(secretName, 3*time.Second)
			s.LagGetsFor(secretName, 3*time.Second)
		}, 5, "2"},
		{"longer than is waited", func(s *googletest.Server) {
			s.LagListsFor(secretName, time.Hour)
			s.LagGetsFor(secretName, time.Hour)
		}, 6, "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p, end := inMemory(t)
				defer end()
				s.Create(secretName, []byte("one"))
				current(t, p, secretName)
				hint := providers.Hint{Version: s.Add(secretName, []byte("two"))}
				c.lag(s)
				count := after(s)
				v, err := p.CurrentAfter(t.Context(), secretName, hint)
				if err != nil || v.ID != c.want || count(list) != c.asked {
					t.Errorf("version %q, want %s, after %d lists, want %d; %v", v.ID, c.want, count(list), c.asked, err)
				}
			})
		})
	}
}

func TestANewSecretIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, end := inMemory(t)
		defer end()
		go func() {
			time.Sleep(time.Second)
			s.Create(secretName, []byte("one"))
		}()
		if v, err := p.CurrentAfter(t.Context(), secretName, providers.Hint{Version: "1"}); err != nil || v.ID != "1" {
			t.Errorf("version %q, %v", v.ID, err)
		}
	})
}

// TestMetadataThatLagsIsNoRollback until it has gone on for longer than
// anything lags: then the secret was deleted and made anew.
func TestMetadataThatLagsIsNoRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, end := inMemory(t)
		defer end()
		s.Create(secretName, []byte("one"))
		s.Add(secretName, []byte("two"))
		current(t, p, secretName)
		s.LagListsFor(secretName, 30*time.Second)
		s.LagGetsFor(secretName, 30*time.Second)
		if v := current(t, p, secretName); v.ID != "2" {
			t.Errorf("a stale answer is believed: %s", v.ID)
		}
		time.Sleep(31 * time.Second)
		current(t, p, secretName)
		s.Delete(secretName)
		s.Create(secretName, []byte("one again"))
		time.Sleep(2 * time.Minute)
		if v := current(t, p, secretName); v.ID != "1" {
			t.Errorf("of a secret that was made anew %s is current", v.ID)
		}
	})
}

func TestAHintFromNowhereIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, end := inMemory(t)
		defer end()
		s.Create(secretName, []byte("one"))
		if v, err := p.CurrentAfter(t.Context(), secretName, providers.Hint{Version: "999999999999"}); err != nil || v.ID != "1" {
			t.Errorf("version %q, %v", v.ID, err)
		}
		if n := len(s.Requests()); n > 20 {
			t.Errorf("%d calls for a version that never was", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.CurrentAfter(ctx, secretName, providers.Hint{Version: "7"}); providers.ReasonOf(err) != providers.ReasonUnavailable {
			t.Errorf("an ended context: %v", err)
		}
		s.Deny(secretName, "secretmanager.versions.list")
		count := after(s)
		if _, err := p.CurrentAfter(t.Context(), secretName, providers.Hint{Version: "7"}); providers.ReasonOf(err) != providers.ReasonDenied || count(list) != 1 {
			t.Errorf("denied: %v after %d lists", err, count(list))
		}
	})
}
