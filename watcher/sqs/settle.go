package sqs

import (
	"context"
	"errors"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/rotatord/rotatord/internal/oneline"
	"github.com/rotatord/rotatord/watcher"
)

const (
	// tries is how often deleting is tried.
	tries = 3
	// retryPause is the first wait between them.
	retryPause = 200 * time.Millisecond
	// graced is how often a message that is left to the redrive policy comes
	// back quickly.
	graced = 10
	// deniedFor is how long a missing permission to change the visibility is
	// taken for granted.
	deniedFor = 10 * time.Minute
)

// settle does with messages what was said of them. Nothing that is not Done, or
// Never, is deleted.
func (r *run) settle(all []settled) {
	var gone []string
	ids := map[string]string{} // by handle
	var back []types.ChangeMessageVisibilityBatchRequestEntry
	for i, m := range all {
		var pause time.Duration
		switch {
		case m.verdict == watcher.Done, m.verdict == watcher.Never && !r.t.options.DeadLetter:
			gone = append(gone, m.handle)
			ids[m.handle] = m.id
			continue
		case m.verdict == watcher.Never:
			pause = againAfter(m.deliveries - graced)
		default:
			pause = againAfter(m.deliveries)
		}
		back = append(back, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: sdk.String(strconv.Itoa(i)), ReceiptHandle: sdk.String(m.handle), VisibilityTimeout: int32(pause / time.Second),
		})
	}
	if len(gone) > 0 {
		for _, handle := range r.remove(gone) {
			delete(ids, handle)
		}
		for _, id := range ids {
			watcher.Settled(r.health.health, id)
		}
	}
	if len(back) > 0 {
		r.t.giveBack(r.work, back)
	}
}

// againAfter is how long a message stays invisible that was delivered so many
// times.
func againAfter(deliveries int) time.Duration {
	pause := firstPause
	for n := 1; n < deliveries && pause < lastPause; n++ {
		pause *= 2
	}
	return min(pause, lastPause)
}

// remove deletes messages, and tries again what fails. It gives those that are
// not known to be deleted.
func (r *run) remove(handles []string) (left []string) {
	var err error
	for n := range tries {
		if n > 0 && !sleep(r.work, retryPause<<(n-1)) {
			break
		}
		if handles, err = r.t.remove(r.work, handles); len(handles) == 0 {
			r.health.deleted(nil)
			return nil
		}
		if reason := watcher.ReasonOf(err); reason == watcher.ReasonDenied || reason == watcher.ReasonNotFound {
			break
		}
	}
	if r.work.Err() == nil {
		r.health.deleted(err)
	}
	r.t.log.WarnContext(r.work, "messages could not be acknowledged and come again", "source", r.t.options.Name, "count", len(handles), "error", err)
	return handles
}

// remove is one DeleteMessageBatch. It gives what is still to be deleted, and
// why; what never can be is left out and comes again.
func (t *Transport) remove(ctx context.Context, handles []string) (left []string, err error) {
	c, err := t.connect(ctx)
	if err != nil {
		return handles, t.because(ctx, nil, deleting, err)
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &t.queue.url}
	for i := range handles {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: sdk.String(strconv.Itoa(i)), ReceiptHandle: &handles[i]})
	}
	out, err := c.api.DeleteMessageBatch(ctx, in, c.quickly)
	if err != nil {
		return handles, t.because(ctx, c, deleting, err)
	}
	for _, f := range out.Failed {
		i, e := strconv.Atoi(sdk.ToString(f.Id))
		if e != nil || i < 0 || i >= len(handles) {
			continue // no entry of ours
		}
		if f.SenderFault {
			// The handle has expired: the message is out again already.
			t.log.DebugContext(ctx, "message can't be acknowledged any more and comes again", "source", t.options.Name, "code", oneline.Plain(sdk.ToString(f.Code), 100))
			continue
		}
		left = append(left, handles[i])
		err = &watcher.Error{Op: deleting.op, Source: t.queue.url, Reason: watcher.ReasonUnavailable,
			Err: errors.New(oneline.Plain(sdk.ToString(f.Code), 100) + ": " + oneline.Plain(sdk.ToString(f.Message), 600))}
	}
	return left, err
}

// giveBack has messages come again sooner or later than the queue's own
// time-out would. It only is a wish: what fails stays until that time-out.
func (t *Transport) giveBack(ctx context.Context, entries []types.ChangeMessageVisibilityBatchRequestEntry) {
	denied := t.unhurried.Load()
	if denied != 0 && time.Now().UnixNano() < denied {
		return
	}
	c, err := t.connect(ctx)
	if err == nil {
		_, err = c.api.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &t.queue.url, Entries: entries}, c.quickly)
	}
	if err == nil {
		return
	}
	err = t.because(ctx, c, changing, err)
	if watcher.ReasonOf(err) != watcher.ReasonDenied {
		t.log.DebugContext(ctx, "visibility of messages could not be changed", "source", t.options.Name, "error", err)
		return
	}
	if t.unhurried.Swap(time.Now().Add(deniedFor).UnixNano()) == 0 {
		t.log.WarnContext(ctx, "messages that are to come again wait for the visibility timeout of the queue", "source", t.options.Name, "error", err)
	}
}
