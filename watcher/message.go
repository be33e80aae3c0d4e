package watcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Message is one message of a transport, as it came.
type Message struct {
	// ID is the transport's own id, for logs; it may be empty.
	ID string
	// Body is what was sent, without the transport's own encoding of it. A
	// receiver of a Message does not keep it.
	Body []byte
	// Attributes came beside the body: message attributes of SQS and Pub/Sub,
	// application properties of Service Bus. Pub/Sub's are the message itself:
	// Google's events say in them which secret is meant.
	Attributes map[string]string
	// Deliveries counts how often the message was delivered, this time
	// included; 0 when the transport does not tell.
	Deliveries int
	// Sent is when the message entered the queue, by the queue's clock; zero
	// when the transport does not tell.
	Sent time.Time
}

// Verdict is what shall become of a message.
type Verdict int

const (
	// Again leaves the message where it can be delivered again: what it means
	// could not be recorded now. It is the zero Verdict, so that whatever goes
	// wrong loses nothing.
	Again Verdict = iota
	// Done acknowledges the message: what it means is durable.
	Done
	// Never says that nobody will ever understand the message. A transport
	// removes it, or leaves it to the queue's dead-letter policy, as its Options
	// say.
	Never
)

// String names a Verdict in logs.
func (v Verdict) String() string {
	switch v {
	case Done:
		return "done"
	case Never:
		return "never"
	}
	return "again"
}

// Deliver takes one message and says what shall become of it. It is safe for
// concurrent use, returns quickly, and never panics.
type Deliver func(ctx context.Context, m Message) Verdict

// Transport receives the messages of one queue, subscription or webhook.
type Transport interface {
	// Name is the configured name of the source; metrics use it as a label.
	Name() string
	// Receive delivers messages until ctx ends, and returns nil then. A message
	// is acknowledged only after Deliver has said Done, never before, and not
	// when ctx ended meanwhile and the acknowledgement can't be sent any more.
	// Receive reconnects by itself with a growing pause, and tells health
	// how it stands; an error means that it can never work as configured.
	Receive(ctx context.Context, deliver Deliver, health Health) error
}

// Sender is an optional ability of a Transport: to send a message to itself by
// the way that real ones come. Only "rotatord events test" uses it, and the
// permission that it needs is no other code's.
type Sender interface {
	Send(ctx context.Context, body []byte) error
}

// Health is told how a transport stands. Both methods are safe for concurrent
// use, return at once and may be called again and again; only changes count.
type Health interface {
	// Up: the source has answered; nothing is wrong with it.
	Up()
	// Down: the source can't be used at the moment. err should be an [*Error].
	Down(err error)
}

// Settler is an optional ability of a Health: to hear of each message that is
// acknowledged, by its id, once the queue has confirmed it. A transport asks
// for it with a type assertion. It is what lets "rotatord events test" show
// the last link of the chain.
type Settler interface {
	Settled(id string)
}

// Settled tells a Health of an acknowledged message, if it wants to hear.
func Settled(h Health, id string) {
	if s, ok := h.(Settler); ok {
		s.Settled(id)
	}
}

// Reason says why a source can't be used. The set is closed: metrics use it as
// a label.
type Reason string

const (
	// ReasonDenied: we may not receive from it, or who we are is not accepted.
	ReasonDenied Reason = "denied"
	// ReasonNotFound: there is no such queue or subscription.
	ReasonNotFound Reason = "not_found"
	// ReasonThrottled: it asks to come back later.
	ReasonThrottled Reason = "throttled"
	// ReasonUnavailable: no answer, or it failed.
	ReasonUnavailable Reason = "unavailable"
	// ReasonInvalid: it answers what can't be understood, or can't be used in
	// this way.
	ReasonInvalid Reason = "invalid"
)

// Reasons lists every Reason.
func Reasons() []Reason {
	return []Reason{ReasonDenied, ReasonNotFound, ReasonThrottled, ReasonUnavailable, ReasonInvalid}
}

// Error is what a Transport tells its Health, and what Send fails with. It
// holds no credential and nothing of any message.
type Error struct {
	Op     string // "receive from", "delete from", "send to"
	Source string // the queue or subscription, as its owner names it
	Reason Reason
	// Hint says what to try: the missing permission in the provider's own terms.
	Hint string
	// Err is the cause. Its text is shown.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Op, e.Source, strings.ReplaceAll(string(e.Reason), "_", " "))
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ReasonOf gives the Reason of an error of this package, ReasonUnavailable for
// others and "" for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonUnavailable
}
