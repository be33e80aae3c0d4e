package announce

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxPause bounds how long a target that does not work is left alone as a
	// whole: something urgent shall not wait for the pause of something old.
	maxPause = time.Minute
	// maxRetryAfter bounds what a receiver can ask for.
	maxRetryAfter = time.Hour
	// maxAnswer is how much of an answer is read, so that the connection can be
	// used again. Of Slack's a word is understood, the rest is thrown away.
	maxAnswer = 16 << 10
)

// worker posts what waits for one target, one after the other.
type worker struct {
	*target
	options Options

	failures  int       // posts in a row that did not arrive
	paced     time.Time // not before, by our own pace
	asked     time.Time // not before, because the receiver said so
	paused    time.Time // not before, since nothing arrives
	announced bool      // that the target does not work is logged
}

// run works until ctx ends and then until the queue is empty, what is left can't
// be tried any more, or hard ends.
func (w *worker) run(ctx, hard context.Context) {
	var deadline time.Time
	done := ctx.Done()
	for {
		if ctx.Err() != nil && deadline.IsZero() {
			// Everything gets one more try, unless the receiver wants peace.
			deadline, done = time.Now().Add(w.options.Drain), nil
			w.paused = time.Time{}
			w.hurry()
		}
		now := time.Now()
		it, at, lost := w.next(now)
		if lost > 0 {
			w.options.Logger.WarnContext(hard, "announcements were dropped for newer ones", slog.String("target", w.name), slog.Int("count", lost))
		}
		ready := latest(w.paced, w.asked, w.paused)
		if it != nil && !ready.After(now) && hard.Err() == nil {
			if w.try(hard, it) == ReasonGone {
				w.giveUp(hard, ReasonGone)
				<-ctx.Done()
				return
			}
			continue
		}
		switch {
		case it != nil:
			at = ready // not when another one is due, which may be much later
		case !at.IsZero():
			at = latest(at, ready)
		}
		if !deadline.IsZero() && (at.IsZero() || !at.Before(deadline)) || hard.Err() != nil {
			w.giveUp(hard, ReasonShutdown)
			return
		}
		w.wait(hard, done, now, at)
	}
}

// wait returns when something may have to be done: at a time, for ever when it
// is zero.
func (w *worker) wait(hard context.Context, done <-chan struct{}, now, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(at.Sub(now))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.wake:
	case <-due:
	case <-done:
	case <-hard.Done():
	}
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// try posts an item once and does what follows from the answer.
func (w *worker) try(hard context.Context, it *item) Reason {
	if !w.begin(it) {
		return ""
	}
	begun := time.Now()
	w.paced = begun.Add(w.every)
	retryAfter, err := w.post(hard, it.Announcement, begun)
	now := time.Now()
	took := now.Sub(begun)
	if err == nil {
		w.failures, w.paused = 0, time.Time{}
		if w.sent(it, now) {
			w.announced = false
			w.options.Logger.InfoContext(hard, "a target takes announcements again", slog.String("target", w.name))
		}
		w.observe(it, EventSent, "", took)
		return ""
	}
	if hard.Err() != nil {
		return ReasonShutdown // we broke it off; the item is given up by run
	}
	it.tries++
	if !err.Reason.passes() {
		w.lose(hard, it, err, now, took)
		return err.Reason
	}
	w.failures++
	w.paused = now.Add(jitter(w.pause(w.failures, min(maxPause, w.options.RetryMost))))
	if retryAfter > 0 {
		w.asked = now.Add(retryAfter)
	}
	notBefore := latest(now.Add(jitter(w.pause(it.tries, w.options.RetryMost))), w.asked)
	if notBefore.Sub(it.taken) > w.options.GiveUp {
		w.lose(hard, it, err, now, took)
		return err.Reason
	}
	if w.retry(it, err, now, notBefore) && !w.announced {
		w.announced = true
		w.options.Logger.WarnContext(hard, "a target does not take announcements", slog.String("target", w.name),
			slog.String("reason", string(err.Reason)), slog.String("error", err.Error()))
	}
	w.observe(it, EventRetry, err.Reason, took)
	return err.Reason
}

func (w *worker) lose(ctx context.Context, it *item, err *Error, now time.Time, took time.Duration) {
	w.fail(it, err, now)
	w.options.Logger.WarnContext(ctx, "an announcement is given up", slog.String("target", w.name),
		slog.String("kind", string(it.Kind)), slog.String("destination", it.Destination),
		slog.String("reason", string(err.Reason)), slog.String("error", err.Error()))
	w.observe(it, EventFailed, err.Reason, took)
}

func (w *worker) giveUp(ctx context.Context, why Reason) {
	rest := w.end(why)
	for _, it := range rest {
		w.observe(it, EventFailed, why, 0)
	}
	if why == ReasonGone || len(rest) > 0 {
		w.options.Logger.WarnContext(ctx, "a target is not used any more", slog.String("target", w.name),
			slog.String("reason", string(why)), slog.Int("undelivered", len(rest)))
	}
}

func (w *worker) observe(it *item, e Event, why Reason, took time.Duration) {
	w.options.Observe(Observation{Target: w.name, Kind: it.Kind, Event: e, Reason: why, Duration: took})
}

// pause doubles from the first to the longest.
func (w *worker) pause(failures int, most time.Duration) time.Duration {
	d := w.options.RetryFirst
	for range failures - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	return min(d, most)
}

// jitter takes up to half away, so that those who failed together don't come
// back together.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/2+1)
}

// post sends one request. The duration is what the receiver asks to wait.
func (w *worker) post(hard context.Context, a Announcement, now time.Time) (time.Duration, *Error) {
	fault := func(why Reason, status int, what, hint string) *Error {
		return &Error{Target: w.name, Host: w.host, Reason: why, Status: status, What: what, Hint: hint}
	}
	p, err := w.compose(a, now)
	if err != nil {
		return 0, fault(ReasonKeys, 0, err.Error(), "check where they are configured")
	}
	ctx, cancel := context.WithTimeout(hard, w.options.Timeout)
	defer cancel()
	request := (&http.Request{
		Method: http.MethodPost, URL: p.to, Header: p.header, ContentLength: int64(len(p.body)),
		Body:    io.NopCloser(bytes.NewReader(p.body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.body)), nil },
	}).WithContext(ctx)
	request.Header.Set("User-Agent", "rotatord")
	response, err := w.client.Do(request)
	if err != nil {
		why, what, hint := broken(err)
		return 0, fault(why, 0, what, hint)
	}
	defer func() { _ = response.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	why, what, hint := judge(response.StatusCode)
	if why == "" {
		return 0, nil
	}
	if w.hint != nil {
		if known := w.hint(answer); known != "" {
			hint = known
		}
	}
	return retryAfter(response.Header.Get("Retry-After"), now), fault(why, response.StatusCode, what, hint)
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 is none.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(s)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), maxRetryAfter)
}
