package planet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// judge is the rate limit as the server sees it: the moments of all arrivals.
type judge struct {
	mu       sync.Mutex
	arrivals []time.Time
	broken   []string // other rules that were broken
	calm     time.Time
}

func (j *judge) arrive() {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.arrivals = append(j.arrivals, now)
	if now.Before(j.calm) {
		j.broken = append(j.broken, fmt.Sprintf("%v before the end of Retry-After", j.calm.Sub(now)))
	}
}

// throttle begins a time in which nothing may arrive but what is on its way.
func (j *judge) throttle(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calm = time.Now().Add(d)
}

// verdict names the first closed window of one second with more than n arrivals.
func (j *judge) verdict(n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.broken) > 0 {
		return errors.New(j.broken[0])
	}
	at := slices.Clone(j.arrivals)
	slices.SortFunc(at, time.Time.Compare)
	for i := n; i < len(at); i++ {
		if gap := at[i].Sub(at[i-n]); gap <= time.Second {
			return fmt.Errorf("arrivals %d to %d of %d lie within %v", i-n, i, len(at), gap)
		}
	}
	return nil
}

func (j *judge) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.arrivals)
}

func (j *judge) span() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := slices.Clone(j.arrivals)
	slices.SortFunc(at, time.Time.Compare)
	return at[len(at)-1].Sub(at[0])
}

// form is how a network and the server behind it behave.
type form struct {
	jitter time.Duration // at most, before arrival and on the way back
	server time.Duration // at most
	fixed  bool          // the server takes exactly that time
	dial   time.Duration // at most; the transport reports if it is not 0
	fail   float64       // share of exchanges cut while on their way
}

// network is a RoundTripper in virtual time: what was written arrives, whether
// or not the sender is still there.
type network struct {
	form
	judge  *judge
	status func(n int) (status int, wait int) // nil: always 200

	mu    sync.Mutex
	seed  *rand.Rand
	count int
}

func newNetwork(f form, seed, stream uint64) *network {
	return &network{form: f, judge: &judge{}, seed: rand.New(rand.NewPCG(seed, stream))}
}

func (n *network) draw(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Duration(n.seed.Int64N(int64(most)))
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if n.dial > 0 {
		trace := httptrace.ContextClientTrace(ctx)
		trace.GetConn("planet.test:443")
		time.Sleep(n.draw(n.dial))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		trace.GotConn(httptrace.GotConnInfo{})
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	there, work, back := n.draw(n.jitter), n.draw(n.server), n.draw(n.jitter)
	if n.fixed {
		work = n.server
	}
	n.mu.Lock()
	cut := n.seed.Float64() < n.fail
	n.mu.Unlock()
	answered := make(chan *http.Response, 1)
	go func() {
		time.Sleep(there)
		n.judge.arrive()
		status, wait := 200, 0
		if n.status != nil {
			n.mu.Lock()
			n.count++
			status, wait = n.status(n.count)
			n.mu.Unlock()
		}
		time.Sleep(work + back)
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"id":"a-12345","type":"amazon_s3"}`))}
		if wait > 0 {
			resp.Header.Set("Retry-After", fmt.Sprint(wait))
		}
		answered <- resp
	}()
	if cut {
		return nil, errors.New("connection reset by peer")
	}
	select {
	case resp := <-answered:
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memory is a ledger that outlives its limiter.
type memory struct {
	mu   sync.Mutex
	sent []time.Time
	err  error
}

func (m *memory) Sent(_ context.Context, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.sent = append(m.sent, at.Round(0)) // as a file would: no monotonic clock
	}
	return m.err
}

func (m *memory) Recent(context.Context) ([]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent), m.err
}

func testKey() Auth {
	return APIKey(KeyFromValue(credential.NewValue([]byte("key-canary-1234567890"))))
}

func simClient(t testing.TB, n http.RoundTripper, l *Limiter) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: "http://planet.test/destinations/v1", Auth: testKey(), Limiter: l, Transport: n, Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newLimiter(t testing.TB, o LimiterOptions, q quirks) *Limiter {
	t.Helper()
	l, err := NewLimiter(o)
	if err != nil {
		t.Fatal(err)
	}
	l.quirks = q
	return l
}

var patchBody = ModifyRequest{Parameters: []byte(`{"aws_access_key_id":"AKIACANARY000000","aws_secret_access_key":"secret-canary-0123456789"}`)}

// errIdle is the verdict on a scenario that proves nothing.
var errIdle = errors.New("too few requests arrived")

// scenario runs clients against a server in virtual time and gives the verdict.
type scenario struct {
	name string
	run  func(t *testing.T, seed uint64, q quirks) error
}

// mixed sends GETs and PATCHes in bursts over a network of the given form.
func mixed(f form, each int) func(*testing.T, uint64, quirks) error {
	return func(t *testing.T, seed uint64, q quirks) error {
		n := newNetwork(f, seed, 1)
		l := newLimiter(t, LimiterOptions{}, q)
		c := simClient(t, n, l)
		var all sync.WaitGroup
		for i := range each {
			all.Go(func() {
				time.Sleep(n.draw(10 * time.Second))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+n.draw(time.Minute))
				defer cancel()
				if i%3 == 0 {
					ctx = Interactive(ctx)
				}
				if i%2 == 0 {
					_, _ = c.Get(ctx, "a-12345")
				} else {
					_, _ = c.Modify(ctx, "a-12345", patchBody)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute) // what is on its way arrives
		if got := n.judge.count(); got < each/2 {
			return fmt.Errorf("%w: %d of %d", errIdle, got, each)
		}
		return n.judge.verdict(DefaultPerSecond)
	}
}

// crashes kills the process again and again; only the ledger survives.
func crashes(dial time.Duration) func(*testing.T, uint64, quirks) error {
	return func(t *testing.T, seed uint64, q quirks) error {
		n := newNetwork(form{jitter: 100 * time.Millisecond, server: 3 * time.Second, dial: dial}, seed, 2)
		ledger := &memory{}
		for range 12 {
			c := simClient(t, n, newLimiter(t, LimiterOptions{Ledger: ledger}, q))
			ctx, kill := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { _, _ = c.Modify(ctx, "a-12345", patchBody) })
			}
			time.Sleep(n.draw(1500 * time.Millisecond))
			kill()
			all.Wait()
		}
		time.Sleep(time.Minute)
		if got := n.judge.count(); got < 8 {
			return fmt.Errorf("%w: %d", errIdle, got)
		}
		return n.judge.verdict(DefaultPerSecond)
	}
}

// throttled answers one request with 429 and Retry-After, on a network that
// takes no time, and then nothing may come before that is over.
func throttled(t *testing.T, seed uint64, q quirks) error {
	n := newNetwork(form{}, seed, 3)
	j := n.judge
	n.status = func(count int) (int, int) {
		if count == 5 {
			j.throttle(7 * time.Second)
			return 429, 7
		}
		return 200, 0
	}
	c := simClient(t, n, newLimiter(t, LimiterOptions{}, q))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			time.Sleep(time.Duration(i) * 350 * time.Millisecond)
			_, _ = c.Modify(t.Context(), "a-12345", patchBody)
		})
	}
	all.Wait()
	return j.verdict(DefaultPerSecond)
}

func scenarios() []scenario {
	const ms = time.Millisecond
	return []scenario{
		{"jitter before arrival and slow answers", mixed(form{jitter: 100 * ms, server: 3 * time.Second}, 90)},
		{"jitter up to the allowance", mixed(form{jitter: DefaultAllowance, server: 3 * time.Second}, 90)},
		{"a server that answers at once", mixed(form{jitter: 100 * ms}, 90)},
		{"connections that take long to make", mixed(form{jitter: 100 * ms, server: 3 * time.Second, dial: 4 * time.Second}, 60)},
		{"exchanges cut while the request is on its way", mixed(form{jitter: 150 * ms, server: time.Second, fail: 0.5}, 90)},
		{"exchanges cut, seen by a transport that reports", mixed(form{jitter: 150 * ms, server: time.Second, fail: 0.5, dial: 5 * ms}, 90)},
		{"crashes and restarts", crashes(0)},
		{"crashes and restarts with slow connections", crashes(800 * ms)},
		{"a 429 with Retry-After", throttled},
	}
}

func TestNoSecondHoldsMoreArrivalsThanTheLimit(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(8) {
				synctest.Test(t, func(t *testing.T) {
					if err := s.run(t, seed, quirks{}); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
		})
	}
}

// A judge that finds nothing proves nothing: each mistake that the limiter
// could have made is found by at least one scenario.
func TestEachPlantedMistakeIsFound(t *testing.T) {
	for name, q := range map[string]quirks{
		"a token back one second after writing": {noAllowance: true},
		"a token back at writing":               {backAtWrite: true},
		"a ledger that is ignored":              {ignoreLedger: true},
		"a 429 that pauses nobody":              {ignorePause: true},
		"an error taken for an answer":          {trustFailures: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range scenarios() {
				for seed := range uint64(8) {
					var found error
					synctest.Test(t, func(t *testing.T) { found = s.run(t, seed, q) })
					if found != nil && !errors.Is(found, errIdle) {
						return
					}
				}
			}
			t.Error("no scenario found it")
		})
	}
}

func TestFiftyPatchesAtOnceKeepThePace(t *testing.T) {
	const floor = 16 * time.Second
	for _, tc := range []struct {
		name string
		net  form
		most time.Duration
	}{
		{"on a network without latency", form{}, floor * 105 / 100},
		{"when each takes a second and the network jitters", form{jitter: 100 * time.Millisecond, server: time.Second, fixed: true}, floor * 130 / 100},
		{"when each takes a second over a transport that reports", form{jitter: 100 * time.Millisecond, server: time.Second, fixed: true, dial: time.Nanosecond}, floor * 130 / 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(5) {
				synctest.Test(t, func(t *testing.T) {
					n := newNetwork(tc.net, seed, 4)
					c := simClient(t, n, newLimiter(t, LimiterOptions{}, quirks{}))
					var all sync.WaitGroup
					for range 50 {
						all.Go(func() {
							if _, err := c.Modify(t.Context(), "a-12345", patchBody); err != nil {
								t.Error(err)
							}
						})
					}
					all.Wait()
					if err := n.judge.verdict(DefaultPerSecond); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					if span := n.judge.span(); span < floor || span > tc.most {
						t.Errorf("seed %d: first to last arrival took %v, want %v to %v", seed, span, floor, tc.most)
					}
				})
			}
		})
	}
}
