package planettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"time"

	"github.com/rotatord/rotatord/internal/shape"
)

// Deliverer does what Planet does when it delivers: it writes a file into the
// bucket of a destination with the credentials that the delivery started with.
// It is called from several goroutines at once and stops when the context ends.
//
// nil means that the file was written. A [*DeliveryError] says why it was not.
// Any error that is errors.ErrUnsupported ([ErrUnsupported] is one) says that
// this kind of bucket cannot be reached here, which counts as written. Any
// other error counts as refused, and its text is shown to nobody.
type Deliverer interface {
	Deliver(ctx context.Context, f File) error
}

// DelivererFunc is a function as a [Deliverer].
type DelivererFunc func(context.Context, File) error

// Deliver calls f.
func (f DelivererFunc) Deliver(ctx context.Context, file File) error { return f(ctx, file) }

// File is one file to write. It holds secrets and shows none of them.
type File struct {
	// DestinationID is the destination's id now.
	DestinationID string
	// Type and Parameters are as in a [Verification]. The parameters are cleared
	// when Deliver has returned.
	Type       string
	Parameters json.RawMessage
	// Object is the file's name in the bucket, with the path prefix.
	Object string
	// Body is what to write.
	Body []byte
}

// Format keeps the parameters out of every verb of fmt.
func (f File) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{deliver %s to %s %s}", f.Object, f.Type, f.DestinationID)
}

// LogValue implements slog.LogValuer.
func (f File) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }

// MarshalJSON shows what Format shows.
func (f File) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(f)) }

// DeliveryError says that a file was refused.
type DeliveryError struct {
	// Code is the cloud's own word for it, "InvalidAccessKeyId": letters and
	// underscores, at most 64. Orders and results repeat it; any other text is
	// left out of them.
	Code string
}

func (e *DeliveryError) Error() string { return "deliver a file: " + e.code() }

var codeForm = shape.Of(`^[A-Za-z_]+$`, 64)

func (e *DeliveryError) code() string {
	if !codeForm.MatchString(e.Code) {
		return unknownCode
	}
	return e.Code
}

// DeliveryOptions say how orders and subscriptions deliver. Planet documents
// little of it; the zero value is a Planet that decrypts a credential, writes
// one file at once, and tells what the cloud said.
type DeliveryOptions struct {
	// Deliverer writes the files; nil writes nothing and always succeeds.
	Deliverer Deliverer
	// Hold is how long a delivery takes: it reads the stored credential when it
	// starts and uses that one to its end, whatever is stored meanwhile.
	Hold time.Duration
	// Files is how many files a delivery writes; 0 means 1, which is written at
	// the end of the Hold. Of more the first is written at the start and the
	// others evenly over the Hold.
	Files int
	// Interval is the time between the starts of two deliveries of a
	// subscription, the first of which is one Interval after its creation; 0
	// means ten minutes.
	Interval time.Duration
	// Jitter is how much later than that a delivery may start, drawn for each
	// from the seed. It must be less than the Interval.
	Jitter time.Duration
	// Queue is how long an order stays queued before it starts to deliver.
	Queue time.Duration
	// PerSecond is the number of requests that a user may send a second to the
	// Orders API, and as many to the Subscriptions API; 0 means 3.
	PerSecond int
	// PageSize is how many items a page has unless page_size is given; 0 means 20.
	PageSize int
	// HideCause leaves what the cloud said out of orders and results: whether
	// Planet tells is not documented.
	HideCause bool
	// HideRefs leaves "delivery" out of answers.
	HideRefs bool
	// FilterResolves makes destination_ref find items that use the same
	// destination under another reference. By default the texts are compared.
	FilterResolves bool
}

func (o DeliveryOptions) withDefaults() DeliveryOptions {
	if o.Files == 0 {
		o.Files = 1
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Minute
	}
	if o.PerSecond == 0 {
		o.PerSecond = 3
	}
	if o.PageSize == 0 {
		o.PageSize = 20
	}
	return o
}

func (o DeliveryOptions) check() error {
	if o.Hold < 0 || o.Interval < 0 || o.Jitter < 0 || o.Queue < 0 || o.Files < 0 || o.PerSecond < 0 || o.PageSize < 0 {
		return errors.New("nothing in Deliveries is negative")
	}
	if o.Jitter >= o.Interval {
		return errors.New("the Jitter of Deliveries must be less than their Interval")
	}
	return nil
}

// Delivery is what the simulator remembers of one delivery that has ended. It
// can be printed: nothing in it is a secret.
type Delivery struct {
	// Number counts deliveries in the order in which they ended, from 1.
	Number int
	// Order or Subscription is the id of what it belongs to; Result is the id
	// of a subscription's result.
	Order, Subscription, Result string
	// User is whose it is.
	User string
	// Destination is the id of the destination; empty if there was none.
	Destination string
	// Ref is the reference as the order or subscription holds it.
	Ref string
	// Object is the name of its first file in the bucket; empty if there was no
	// destination.
	Object string
	// Started is when it read the credential, At when it ended.
	Started, At time.Time
	// Files is how many it had to write, Written how many it did.
	Files, Written int
	// OK says that all were.
	OK bool
	// Error is the code of the first refusal; empty when there was none.
	Error string
	// Fingerprints has the keyed hash of each part of the credential that it
	// used, to be compared with [Simulator.Fingerprint].
	Fingerprints map[string]string
}

// Deliveries is the record of those that have ended, in the order of their
// ends: of a simulator that runs for days the latest 65,536 or more.
func (s *Simulator) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Delivery, 0, len(s.work.ended))
	for _, d := range s.work.ended {
		d.Fingerprints = maps.Clone(d.Fingerprints)
		list = append(list, d)
	}
	return list
}

// Delivered counts all deliveries that have ended: the figure that matters is
// the second.
func (s *Simulator) Delivered() (ok, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.ok, s.work.failed
}

// UnderWay counts the deliveries that hold a credential now.
func (s *Simulator) UnderWay() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.work.underWay
}

// work is what orders and subscriptions there are and what became of them. The
// caller holds Simulator.mu.
type work struct {
	ids           *mathrand.Rand
	orders        []*order
	subscriptions []*subscription
	ended         []Delivery
	ok, failed    int
	underWay      int
}

func newWork(seed int64) work {
	return work{ids: mathrand.New(mathrand.NewPCG(uint64(seed), 2))}
}

// itemID has the form of the ids of orders.
func itemID(dice *mathrand.Rand) string {
	a, b := dice.Uint64(), dice.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// record files a delivery that has ended, and gives its number. The caller holds
// Simulator.mu.
func (w *work) record(d Delivery) int {
	if d.OK {
		w.ok++
	} else {
		w.failed++
	}
	d.Number = w.ok + w.failed
	if len(w.ended) >= remembered {
		w.ended = append([]Delivery(nil), w.ended[len(w.ended)/2:]...)
	}
	w.ended = append(w.ended, d)
	return d.Number
}
