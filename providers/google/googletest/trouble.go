package googletest

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Forever is a number of calls that no test gets to.
const Forever = 1 << 30

// trouble is what is wrong with the whole server.
type trouble struct {
	throttle int
	fail     int
	code     codes.Code
	cut      int
	corrupt  int
	bare     int
	hang     map[string]bool
	unhang   chan struct{}
	noFilter bool
	rename   func(string) string
	meddle   func() // before the next update; called with the lock
}

// Throttle refuses the next n calls for want of quota.
func (s *Server) Throttle(n int) { s.hurt(func(t *trouble) { t.throttle = n }) }

// Fail answers the next n calls with a code of gRPC's, codes.Internal say.
func (s *Server) Fail(n int, code codes.Code) {
	s.hurt(func(t *trouble) { t.fail, t.code = n, code })
}

// Cut closes the connection of the next n calls without an answer.
func (s *Server) Cut(n int) { s.hurt(func(t *trouble) { t.cut = n }) }

// Corrupt changes a byte of the next n values on their way; their checksum
// stays that of the true value.
func (s *Server) Corrupt(n int) { s.hurt(func(t *trouble) { t.corrupt = n }) }

// OmitChecksums gives the next n values without one.
func (s *Server) OmitChecksums(n int) { s.hurt(func(t *trouble) { t.bare = n }) }

// Hang leaves calls of these methods, of all if none is named, without an
// answer until their senders give up or Unhang lets them go on.
func (s *Server) Hang(methods ...string) {
	if len(methods) == 0 {
		methods = []string{""}
	}
	s.hurt(func(t *trouble) {
		t.hang, t.unhang = map[string]bool{}, make(chan struct{})
		for _, m := range methods {
			t.hang[m] = true
		}
	})
}

// Unhang takes back what Hang did; calls that hang are answered.
func (s *Server) Unhang() {
	s.hurt(func(t *trouble) {
		if t.hang != nil {
			close(t.unhang)
		}
		t.hang, t.unhang = nil, nil
	})
}

// Rename gives answers about versions the names that f makes of the right ones:
// those of another secret, say. Nil ends that.
func (s *Server) Rename(f func(name string) string) { s.hurt(func(t *trouble) { t.rename = f }) }

// IgnoreFilters makes lists hold versions of all states whatever was asked for,
// as simple emulators do.
func (s *Server) IgnoreFilters() { s.hurt(func(t *trouble) { t.noFilter = true }) }

func (s *Server) hurt(f func(*trouble)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.trouble)
}

// DisableService disables the API of a project, by its id.
func (s *Server) DisableService(project string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled[s.projects[project]] = true
}

// Deny refuses permissions on a secret to everybody, in Google's words and by
// Google's names: "secretmanager.versions.access". Several add up; Allow takes
// them all back.
func (s *Server) Deny(name string, permissions ...string) {
	s.with(name, func(x *secret) {
		for _, p := range permissions {
			x.deny[p] = true
		}
	})
}

// Allow takes back what Deny did.
func (s *Server) Allow(name string) { s.with(name, func(x *secret) { clear(x.deny) }) }

// LagLists lets the next n lists of a secret, and questions for its "latest",
// see it as it was before its last change. So does LagListsFor for a while from
// now. Versions asked for by number don't lag.
func (s *Server) LagLists(name string, n int) { s.with(name, func(x *secret) { x.lists.reads = n }) }

// LagListsFor is LagLists for a while.
func (s *Server) LagListsFor(name string, d time.Duration) {
	s.with(name, func(x *secret) { x.lists.until = time.Now().Add(d) })
}

// LagGets does the same to GetSecretVersion, by number too: only the access to
// a version by its number is promised to be consistent.
func (s *Server) LagGets(name string, n int) { s.with(name, func(x *secret) { x.gets.reads = n }) }

// LagGetsFor is LagGets for a while.
func (s *Server) LagGetsFor(name string, d time.Duration) {
	s.with(name, func(x *secret) { x.gets.until = time.Now().Add(d) })
}

// lag says for how long readers see the past.
type lag struct {
	reads int
	until time.Time
}

// now tells whether this read lags.
func (l *lag) now() bool {
	if l.reads > 0 {
		l.reads--
		return true
	}
	return time.Now().Before(l.until)
}

// refused takes the trouble of one call from the counters.
func (t *trouble) refused() (no error, cut bool) {
	switch {
	case t.cut > 0:
		t.cut--
		return nil, true
	case t.throttle > 0:
		t.throttle--
		return refusal(codes.ResourceExhausted, "RATE_LIMIT_EXCEEDED", map[string]string{"service": "secretmanager.googleapis.com", "quota_metric": "secretmanager.googleapis.com/read_requests"},
			"Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service 'secretmanager.googleapis.com' for consumer 'project_number:"+DefaultNumber+"'."), false
	case t.fail > 0:
		t.fail--
		return status.Error(t.code, "An internal error has occurred."), false
	}
	return nil, false
}
