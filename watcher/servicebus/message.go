package servicebus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/rotatord/rotatord/watcher"
)

const (
	// settleWithin bounds one settlement.
	settleWithin = 10 * time.Second
	// A held message's lock is renewed when half of it is over, within these
	// bounds: a clock that goes wrong must neither lose locks nor ask all the time.
	minRenew, maxRenew = time.Second, 15 * time.Second
	// maxHold bounds the pause between two deliveries of a held message.
	maxHold = time.Minute
)

// take delivers one message, until something can be done with it. Once on has
// ended no delivery begins, and what is not settled is given back.
func (s *session) take(on context.Context, m *azservicebus.ReceivedMessage, received time.Time) {
	renew := renewEvery(m, received)
	for try := range holdForever {
		if on.Err() != nil {
			s.mu.Lock()
			s.held = append(s.held, m)
			s.mu.Unlock()
			return
		}
		switch s.deliver(s.work, messageOf(m, try)) {
		case watcher.Done:
			s.settle(m, "complete", s.complete)
			return
		case watcher.Never:
			if s.t.options.DeadLetter {
				s.settle(m, "move to the dead-letter queue", s.deadLetter)
			} else {
				s.settle(m, "complete", s.complete)
			}
			return
		}
		if !s.hold(on, m, holdFor(try), renew) {
			return
		}
	}
}

// holdForever bounds nothing: a message is held as long as its lock can be.
const holdForever = 1 << 30

// hold waits with the lock kept. It returns false if the lock is lost: then the
// message is somebody else's, or ours again when it is received anew.
func (s *session) hold(on context.Context, m *azservicebus.ReceivedMessage, pause, renew time.Duration) bool {
	for pause > 0 {
		step := min(pause, renew)
		if !sleep(on, step) {
			return true // it is given back
		}
		pause -= step
		ctx, cancel := context.WithTimeout(s.link, settleWithin)
		err := s.receiver.RenewMessageLock(ctx, m, nil)
		cancel()
		if err != nil {
			s.say(m, "renew the lock", err)
			return false
		}
	}
	return true
}

// holdFor is how long a message is held before it is delivered again: 1, 2, 4 …
// seconds.
func holdFor(try int) time.Duration { return min(time.Second<<min(try, 6), maxHold) }

// renewEvery is how often a lock is to be renewed.
func renewEvery(m *azservicebus.ReceivedMessage, received time.Time) time.Duration {
	if m.LockedUntil == nil {
		return maxRenew
	}
	return min(max(m.LockedUntil.Sub(received)/2, minRenew), maxRenew)
}

func (s *session) complete(ctx context.Context, m *azservicebus.ReceivedMessage) error {
	return s.receiver.CompleteMessage(ctx, m, nil)
}

func (s *session) abandon(ctx context.Context, m *azservicebus.ReceivedMessage) error {
	return s.receiver.AbandonMessage(ctx, m, nil)
}

func (s *session) deadLetter(ctx context.Context, m *azservicebus.ReceivedMessage) error {
	return s.receiver.DeadLetterMessage(ctx, m, &azservicebus.DeadLetterOptions{
		Reason: to.Ptr("NotUnderstood"), ErrorDescription: to.Ptr("rotatord knows no event of this form"),
	})
}

// settle ends the lock of a message in one way or another. If that fails the
// lock expires, and the message comes again.
func (s *session) settle(m *azservicebus.ReceivedMessage, how string, do func(context.Context, *azservicebus.ReceivedMessage) error) {
	ctx, cancel := context.WithTimeout(s.link, settleWithin)
	defer cancel()
	err := do(ctx, m)
	if err == nil {
		watcher.Settled(s.health, m.MessageID)
		return
	}
	s.say(m, how, err)
}

func (s *session) say(m *azservicebus.ReceivedMessage, how string, err error) {
	level := slog.LevelWarn
	var e *azservicebus.Error
	if errors.As(err, &e) && e.Code == azservicebus.CodeLockLost || s.link.Err() != nil {
		level = slog.LevelDebug // harmless, and nothing that anyone could change
	}
	s.t.log.LogAttrs(s.work, level, "message not settled, it will come again", slog.String("source", s.t.options.Name),
		slog.String("message", m.MessageID), slog.String("tried", how), slog.Any("error", s.t.asError(opSettle, err)))
}

// messageOf is a message as it is delivered for the try-th time after the
// first.
func messageOf(m *azservicebus.ReceivedMessage, try int) watcher.Message {
	out := watcher.Message{ID: m.MessageID, Body: bodyOf(m), Attributes: attributesOf(m.ApplicationProperties)}
	if m.DeliveryCount > 0 {
		out.Deliveries = int(m.DeliveryCount) + try
	}
	if m.EnqueuedTime != nil {
		out.Sent = *m.EnqueuedTime
	}
	return out
}

// bodyOf gives the bytes of a message: of its data, in one piece or several, or
// of an AMQP value that is a text or bytes. Other values hold no event.
func bodyOf(m *azservicebus.ReceivedMessage) []byte {
	if m.RawAMQPMessage == nil {
		return m.Body
	}
	switch b := m.RawAMQPMessage.Body; v := b.Value.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	default:
		return slices.Concat(b.Data...)
	}
}

// attributesOf gives application properties as text. What is neither a text nor
// a number, a truth or a time is left out.
func attributesOf(properties map[string]any) map[string]string {
	if len(properties) == 0 {
		return nil
	}
	out := make(map[string]string, len(properties))
	for name, value := range properties {
		switch v := value.(type) {
		case string:
			out[name] = v
		case bool:
			out[name] = strconv.FormatBool(v)
		case time.Time:
			out[name] = v.UTC().Format(time.RFC3339Nano)
		case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}
