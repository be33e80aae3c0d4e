package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

const (
	// sessionLasts is how long somebody who has shown the token may act.
	sessionLasts = 8 * time.Hour
	// maxSessions is how many there may be; a new one takes the oldest one's place.
	maxSessions   = 100
	sessionCookie = "rotatord_session"
)

// digest stands for a secret where that is only compared.
type digest [sha256.Size]byte

func digestOf(secret []byte) digest { return sha256.Sum256(secret) }

func (d digest) is(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// Sessions are those of people who have shown the token to the page. They live
// in memory: a restart ends them, and so does another token. They outlive a
// reload of the configuration if whoever builds an [Actions] keeps them.
type Sessions struct {
	now func() time.Time

	mu       sync.Mutex
	all      map[digest]session // by the digest of what the cookie holds
	attempts attempts
}

// session is what is known of one.
type session struct {
	token digest // that was shown
	csrf  string
	ends  time.Time
}

// NewSessions makes none; now is the clock, nil for the machine's.
func NewSessions(now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{now: now, all: map[digest]session{}, attempts: attempts{by: map[string]allowance{}}}
}

// begin makes a session and gives what its cookie holds.
func (s *Sessions) begin(token digest) (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var oldest digest
	for id, one := range s.all {
		if !now.Before(one.ends) {
			delete(s.all, id)
			continue
		}
		if first, ok := s.all[oldest]; !ok || one.ends.Before(first.ends) {
			oldest = id
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
	cookie = rand.Text() + rand.Text()
	s.all[digestOf([]byte(cookie))] = session{token: token, csrf: rand.Text() + rand.Text(), ends: now.Add(sessionLasts)}
	return cookie
}

// of finds the session of a request. It says nothing of the token yet.
func (s *Sessions) of(r *http.Request) (id digest, one session, ok bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || len(cookie.Value) > 100 {
		return digest{}, session{}, false
	}
	id = digestOf([]byte(cookie.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok = s.all[id]
	if ok && !s.now().Before(one.ends) {
		delete(s.all, id)
		ok = false
	}
	return id, one, ok
}

func (s *Sessions) end(id digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// mayTry tells whether somebody may show a token, and else when they may again.
func (s *Sessions) mayTry(who string) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts.wait(who, s.now())
}

// wrong notes that somebody has shown a wrong one.
func (s *Sessions) wrong(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts.spend(who, s.now())
}

const (
	// freeAttempts is how many wrong tokens an address may show in a row, and
	// attemptEvery how long it takes until it may show one more. A token has 16
	// characters at least: this is for the log and for what was typed wrong.
	freeAttempts = 10
	attemptEvery = 6 * time.Second
	// maxAddresses bounds what is remembered.
	maxAddresses = 1000
)

// attempts counts wrong tokens by address.
type attempts struct {
	by map[string]allowance
}

// allowance is what an address had left at a time.
type allowance struct {
	left float64
	at   time.Time
}

// everybodyElse is the name under which addresses are counted together while
// there are too many of them.
const everybodyElse = ""

func (a *attempts) key(who string, now time.Time) string {
	if _, known := a.by[who]; known || len(a.by) < maxAddresses {
		return who
	}
	for name := range a.by {
		if a.left(name, now) >= freeAttempts {
			delete(a.by, name)
		}
	}
	if len(a.by) < maxAddresses {
		return who
	}
	return everybodyElse
}

func (a *attempts) left(name string, now time.Time) float64 {
	one, ok := a.by[name]
	if !ok {
		return freeAttempts
	}
	return min(freeAttempts, one.left+float64(now.Sub(one.at))/float64(attemptEvery))
}

func (a *attempts) wait(who string, now time.Time) (time.Duration, bool) {
	left := a.left(a.key(who, now), now)
	if left >= 1 {
		return 0, true
	}
	return time.Duration((1 - left) * float64(attemptEvery)), false
}

func (a *attempts) spend(who string, now time.Time) {
	name := a.key(who, now)
	a.by[name] = allowance{left: max(0, a.left(name, now)-1), at: now}
}
