package storagequeue

import (
	"context"
	"log/slog"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"

	"github.com/rotatord/rotatord/watcher"
)

// maxAgain bounds how long a message that could not be recorded stays hidden.
const maxAgain = time.Minute

// take delivers one message and does with it what the verdict says. Once ctx
// has ended no delivery begins: the message is given back for whoever comes
// next.
func (r *receiver) take(ctx, work context.Context, m *azqueue.DequeuedMessage) {
	if m == nil || m.MessageID == nil || m.PopReceipt == nil {
		return // not of this service
	}
	if ctx.Err() != nil {
		r.giveBack(work, m, 0)
		return
	}
	if r.deliver(work, messageOf(m)) == watcher.Again {
		r.giveBack(work, m, againIn(deliveries(m)))
		return
	}
	// Done, or Never: there is nowhere else to leave it.
	r.remove(work, m)
}

func messageOf(m *azqueue.DequeuedMessage) watcher.Message {
	out := watcher.Message{ID: *m.MessageID, Deliveries: deliveries(m)}
	if m.MessageText != nil {
		out.Body = []byte(*m.MessageText)
	}
	if m.InsertionTime != nil {
		out.Sent = *m.InsertionTime
	}
	return out
}

func deliveries(m *azqueue.DequeuedMessage) int {
	if m.DequeueCount == nil {
		return 0
	}
	return int(*m.DequeueCount)
}

// againIn is when a message is to come again: 1, 2, 4 … seconds.
func againIn(deliveries int) time.Duration {
	doublings := min(max(deliveries-1, 0), 6)
	return min(time.Second<<doublings, maxAgain)
}

// remove deletes a message that has been dealt with.
func (r *receiver) remove(ctx context.Context, m *azqueue.DequeuedMessage) {
	_, err := r.queue.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil)
	if err == nil || taken(err) {
		r.setStuck(nil)
		if err == nil {
			watcher.Settled(r.health, *m.MessageID)
		}
		return
	}
	problem := r.t.asError(opDelete, err)
	if watcher.ReasonOf(problem) == watcher.ReasonDenied {
		// Every message would come again and again: that is no passing trouble.
		r.setStuck(problem)
	}
	r.t.log.WarnContext(ctx, "message not deleted, it will come again", slog.String("source", r.t.options.Name),
		slog.String("message", *m.MessageID), slog.Any("error", problem))
}

// giveBack makes a message visible again in a while. Where that fails it
// becomes visible by itself.
func (r *receiver) giveBack(ctx context.Context, m *azqueue.DequeuedMessage, in time.Duration) {
	if r.mayNotUpdate() {
		return
	}
	text := ""
	if m.MessageText != nil {
		text = *m.MessageText
	}
	_, err := r.queue.UpdateMessage(ctx, *m.MessageID, *m.PopReceipt, text, &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr(seconds(in))})
	if err == nil || taken(err) {
		return
	}
	problem := r.t.asError(opUpdate, err)
	if watcher.ReasonOf(problem) == watcher.ReasonDenied {
		r.mu.Lock()
		r.noUpdate = true
		r.mu.Unlock()
	}
	r.t.log.DebugContext(ctx, "message not given back, it comes again when its visibility time-out is over",
		slog.String("source", r.t.options.Name), slog.String("message", *m.MessageID), slog.Any("error", problem))
}

// taken tells that somebody else has had the message since: its time-out had
// passed. Whoever has it deals with it.
func taken(err error) bool {
	return queueerror.HasCode(err, queueerror.MessageNotFound, queueerror.PopReceiptMismatch)
}

func (r *receiver) mayNotUpdate() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noUpdate
}

func (r *receiver) setStuck(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck = err
}

func (r *receiver) troubled() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stuck
}
