package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/rotatord/rotatord/watcher"
)

// Endpoint is one webhook: a [watcher.Transport] that accepts requests while
// it receives, and the handler for them. [NewEventGrid], [NewPubSubPush],
// [NewSNS] and [NewStandard] make them; [Handler] puts them on a listener.
type Endpoint interface {
	watcher.Transport
	watcher.Sender
	http.Handler
	// Path is where the endpoint wants to be mounted.
	Path() string

	endpoint() *gate
}

// Common are the options that all endpoints share.
type Common struct {
	// Name is the configured name of the source. Needed.
	Name string
	// Path is the path of the URL that the sender calls: "/events/azure".
	// Needed; compared exactly.
	Path string
	// DeadLetter answers 400 to what can never be understood, which leaves it
	// to the sender's dead-letter policy. Otherwise it is answered with 200, and
	// dropped.
	DeadLetter bool
	// MaxBody is the size of the largest body that is read, in bytes; 1 MiB
	// unless set, which is also the most that Event Grid sends.
	MaxBody int64
	// BodyTimeout is the time that a body has to arrive; 5 s unless set.
	BodyTimeout time.Duration
	// Concurrency is how many requests are worked on at the same time; 32 unless
	// set. It bounds the memory that bodies take.
	Concurrency int
	// Rate and Burst bound the requests per second of callers who have proven
	// who they are; 20 and 100 unless set. All callers together have ten times
	// that.
	Rate  float64
	Burst int
	// Refused is told of each request that was turned away; it may be nil. It is
	// called from many goroutines and has to be quick.
	Refused func(Refusal)
	// Logger may be nil.
	Logger *slog.Logger
	// Transport makes the few requests that an endpoint makes itself; nil for
	// one like [http.DefaultTransport].
	Transport http.RoundTripper
}

const (
	defaultBody        = 1 << 20
	defaultBodyTimeout = 5 * time.Second
	defaultConcurrency = 32
	defaultRate        = 20
	defaultBurst       = 100
	// forAll is by how much the budget of all callers is larger than that of
	// those who are let in.
	forAll = 10
	// deliverTimeout bounds one call of Deliver, and the wait for those under
	// way when Receive ends.
	deliverTimeout = 5 * time.Second
)

func (c *Common) check() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("a webhook needs a name"))
	}
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, "?#% \t\r\n") {
		errs = append(errs, fmt.Errorf("webhook %s: the path must begin with a slash and hold no query, escape or space: try /events/%s", c.Name, c.Name))
	}
	for what, n := range map[string]float64{
		"largest body": float64(c.MaxBody), "time for a body": float64(c.BodyTimeout), "concurrency": float64(c.Concurrency), "rate": c.Rate, "burst": float64(c.Burst),
	} {
		if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
			errs = append(errs, fmt.Errorf("webhook %s: the %s must not be negative", c.Name, what))
		}
	}
	return errors.Join(errs...)
}

// newGate is for options that were checked.
func newGate(c Common, k kind, methods ...string) *gate {
	or(&c.MaxBody, defaultBody)
	or(&c.BodyTimeout, defaultBodyTimeout)
	or(&c.Concurrency, defaultConcurrency)
	or(&c.Rate, defaultRate)
	or(&c.Burst, defaultBurst)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &gate{
		options: c,
		kind:    k,
		methods: methods,
		client:  newClient(c.Transport),
		slots:   make(chan struct{}, c.Concurrency),
		all:     rate.NewLimiter(rate.Limit(c.Rate*forAll), c.Burst*forAll),
		known:   rate.NewLimiter(rate.Limit(c.Rate), c.Burst),
		refused: &refusals{source: c.Name, hook: c.Refused, log: c.Logger},
	}
}

func or[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
