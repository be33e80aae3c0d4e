package planettest

import (
	"errors"
	"fmt"
	"hash/fnv"
	mathrand "math/rand/v2"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Kind is what a fault does to the answer.
type Kind int

// The ways to go wrong.
const (
	// Status answers with Fault.Status (503 unless given).
	Status Kind = iota
	// Cut closes the connection without an answer.
	Cut
	// Slow waits for Fault.Delay and then does all that it should. With
	// EffectNow it takes effect first and waits with the answer.
	Slow
	// Junk answers something that is not JSON.
	Junk
	// Huge answers JSON of Fault.Size bytes.
	Huge
	// Truncate answers half of what it should and closes the connection.
	Truncate
)

func (k Kind) String() string {
	names := []string{"status", "cut", "slow", "junk", "huge", "truncate"}
	if k < 0 || int(k) >= len(names) {
		return "kind " + strconv.Itoa(int(k))
	}
	return names[k]
}

// Effect is what becomes of the request itself, whatever its client is told.
type Effect int

// When a request with a fault takes effect.
const (
	// EffectNone: never; it was lost on the way.
	EffectNone Effect = iota
	// EffectNow: at once, as if nothing had gone wrong.
	EffectNow
	// EffectLate: Fault.Delay after the client was told or cut off.
	EffectLate
)

// Fault is one way to go wrong and the requests that it hits. The zero values
// of the matching fields match everything.
type Fault struct {
	Method string // "PATCH"
	// Path is a pattern of path.Match: below the base for destinations,
	// "/default", "/demo-*"; whole for others, "/subscriptions/v1/*/results".
	Path string
	User string // a User's name
	// Nth is the first of the matching requests that it hits, counted from 1
	// and from its injection; 0 is the first.
	Nth int
	// Times is how many requests it hits from there on; 0 is one, negative all.
	Times int
	// From and Until bound the arrival of the requests; zero is no bound.
	From, Until time.Time

	Kind   Kind
	Effect Effect
	// Delay is the wait of Slow and of EffectLate.
	Delay time.Duration
	// Status is the status of Kind Status, 503 unless given; of Junk and Huge
	// 200 unless given.
	Status int
	// RetryAfter is the header's value; empty sends none.
	RetryAfter string
	// Body is the body of Status and Junk in place of their own.
	Body string
	// Size is the length of Huge's answer in bytes; 0 is 16 MiB.
	Size int
	// Reset makes Cut and Truncate a reset of the connection instead of its end.
	Reset bool
}

// FaultRates are probabilities, from 0 to 1 and together at most 1, that a
// request meets a fault. What a request meets depends on the seed, its user,
// method and path, and how many such there were before, and on nothing else.
type FaultRates struct {
	TooMany     float64 // 429 without effect, every other one with Retry-After: 1
	ServerError float64 // 500, 502, 503 or 504, half of them after taking effect
	CutBefore   float64 // cut, never takes effect
	CutAfter    float64 // cut, has taken effect
	CutLate     float64 // cut, takes effect within MaxDelay
	Slow        float64 // takes up to MaxDelay longer
	Junk        float64 // takes effect, the answer makes no sense
	// MaxDelay bounds the delays; 0 is ten seconds.
	MaxDelay time.Duration
}

func (f FaultRates) check() error {
	sum := 0.0
	for _, rate := range []float64{f.TooMany, f.ServerError, f.CutBefore, f.CutAfter, f.CutLate, f.Slow, f.Junk} {
		if rate < 0 || rate > 1 || rate != rate {
			return errors.New("fault rates lie between 0 and 1")
		}
		sum += rate
	}
	if sum > 1+1e-9 || f.MaxDelay < 0 {
		return errors.New("fault rates add up to at most 1, with a MaxDelay that is not negative")
	}
	return nil
}

// armed is an injected fault with its count.
type armed struct {
	Fault
	seen int
}

// Inject adds a fault. Of several that match a request the one injected first
// hits it; injected ones go before those by chance. A request that the rate
// limit rejects meets no fault.
func (s *Simulator) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &armed{Fault: f})
}

// SetFaults replaces the rates; they must be right, or it panics.
func (s *Simulator) SetFaults(rates FaultRates) {
	if err := rates.check(); err != nil {
		panic("planettest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rates = rates
}

// ClearFaults ends all faults, injected and by chance. Effects that are still
// to come will come.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.rates = nil, FaultRates{}
}

// plan picks the fault that a request meets; nil is none. The caller holds mu.
func (s *Simulator) plan(r *Request) *Fault {
	below := strings.TrimSuffix(strings.TrimPrefix(r.Path, root), "/")
	var hit *Fault
	for _, a := range s.faults {
		if !a.matches(r, below) {
			continue
		}
		a.seen++
		if hit == nil && a.due() {
			f := a.Fault
			hit = &f
		}
	}
	by := s.rates.draw(s.dice("fault", r.User, r.Method, below))
	if hit == nil {
		hit = by
	}
	return hit
}

func (a *armed) matches(r *Request, below string) bool {
	if a.Method != "" && a.Method != r.Method || a.User != "" && a.User != r.User {
		return false
	}
	if !a.From.IsZero() && r.At.Before(a.From) || !a.Until.IsZero() && !r.At.Before(a.Until) {
		return false
	}
	if a.Path == "" {
		return true
	}
	ok, err := path.Match(strings.TrimSuffix(a.Path, "/"), below)
	return ok && err == nil
}

func (a *armed) due() bool {
	first, times := max(a.Nth, 1), a.Times
	if times == 0 {
		times = 1
	}
	return a.seen >= first && (times < 0 || a.seen < first+times)
}

// dice gives the random numbers of the next event of that description. The
// caller holds mu.
func (s *Simulator) dice(description ...string) *mathrand.Rand {
	what := strings.Join(description, " ")
	s.occurrences[what]++
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%s %d", what, s.occurrences[what]) // never an error
	return mathrand.New(mathrand.NewPCG(s.seed, hash.Sum64()))
}

func (f FaultRates) draw(dice *mathrand.Rand) *Fault {
	if f.MaxDelay == 0 {
		f.MaxDelay = 10 * time.Second
	}
	at, choice := dice.Float64(), dice.IntN(8)
	delay := time.Duration(dice.Float64() * float64(f.MaxDelay))
	tooMany := Fault{Status: http.StatusTooManyRequests}
	if choice%2 == 0 {
		tooMany.RetryAfter = "1"
	}
	serverErrors := []int{500, 502, 503, 504}
	for _, option := range []struct {
		rate  float64
		fault Fault
	}{
		{f.TooMany, tooMany},
		{f.ServerError, Fault{Status: serverErrors[choice/2], Effect: Effect(choice % 2)}},
		{f.CutBefore, Fault{Kind: Cut, Reset: choice%2 == 0}},
		{f.CutAfter, Fault{Kind: Cut, Effect: EffectNow, Reset: choice%2 == 0}},
		{f.CutLate, Fault{Kind: Cut, Effect: EffectLate, Delay: delay}},
		{f.Slow, Fault{Kind: Slow, Delay: delay, Effect: Effect(choice % 2)}},
		{f.Junk, Fault{Kind: Junk, Effect: EffectNow}},
	} {
		if at < option.rate {
			return &option.fault
		}
		at -= option.rate
	}
	return nil
}

// describe is the fault as the record shows it.
func (f *Fault) describe() string {
	text := f.Kind.String()
	if f.Kind == Status {
		text += " " + strconv.Itoa(f.status(http.StatusServiceUnavailable))
	}
	switch {
	case f.Kind == Slow:
		text += ", " + f.Delay.String()
	case f.Effect == EffectNow:
		text += ", after taking effect"
	case f.Effect == EffectLate:
		text += ", takes effect " + f.Delay.String() + " later"
	}
	return text
}

func (f *Fault) status(otherwise int) int {
	if f.Status != 0 {
		return f.Status
	}
	return otherwise
}
