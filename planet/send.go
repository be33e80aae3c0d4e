package planet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

const (
	maxAnswer      = 8 << 20
	maxErrorAnswer = 64 << 10

	routeAll     = "/destinations/v1"
	routeOne     = "/destinations/v1/{id}"
	routeDefault = "/destinations/v1/default"
)

// call is one operation, which may take several attempts.
type call struct {
	op, id  string
	method  string
	route   string
	segment string // below the base URL; empty for the collection
	query   url.Values
	url     *url.URL // in place of base URL, segment and query: the next page of a list
	budget  *int     // requests that may still be made; nil means no bound
	payload []byte   // wiped by its maker
	timeout time.Duration
	repeat  bool // may be tried again: only GETs are

	// What of the payload is secret, for looking through texts from outside.
	params []byte
	kind   Type
}

// reply is an answer whose status is 2xx.
type reply struct {
	status int
	body   []byte
	cut    error // why the body is incomplete; nil if it is not
}

// do makes the attempts of a call.
func (c *Client) do(ctx context.Context, k call) (reply, *Error) {
	refreshed := false
	for n := 1; ; n++ {
		if !k.spend() {
			e := k.fail(KindLimiter, OutcomeNotSent, errBudget)
			e.detail, e.Attempts = errBudget.Error(), 0
			return reply{}, e
		}
		got, err := c.attempt(ctx, k, n)
		if err == nil {
			return got, nil
		}
		err.Attempts = n
		if !k.repeat || n >= c.attempts || ctx.Err() != nil || k.budget != nil && *k.budget <= 0 {
			return reply{}, err
		}
		if r, ok := c.auth.(Refresher); ok && err.Kind == KindUnauthorized && !refreshed {
			refreshed = true
			if r.Refresh(ctx) == nil {
				continue
			}
		}
		if !worthRepeating(err) || !pauseFor(ctx, max(c.wait(n), err.RetryAfter)) {
			return reply{}, err
		}
	}
}

func worthRepeating(err *Error) bool {
	switch err.Kind {
	case KindThrottled, KindServerError, KindTimeout, KindUnreachable, KindTLS, KindCut:
		return true
	}
	return false
}

// wait doubles with each attempt; half of it is random, so that many clients
// that failed together don't come back together.
func (c *Client) wait(attempt int) time.Duration {
	d := min(c.backoff<<min(attempt-1, 16), maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// pauseFor sleeps, and says false if ctx ends first or is known to.
func pauseFor(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt takes a turn and makes one request.
func (c *Client) attempt(ctx context.Context, k call, n int) (reply, *Error) {
	turn, err := c.limiter.take(ctx)
	if err != nil {
		return reply{}, c.unsent(ctx, k, n, KindLimiter, err)
	}
	req, body, err := c.request(k)
	if err == nil {
		// After the wait for the turn, so that a key replaced meanwhile is used.
		err = c.auth.Authorize(ctx, req)
	}
	if err != nil {
		c.limiter.settle(turn, time.Time{})
		return reply{}, c.unsent(ctx, k, n, KindAuth, err)
	}
	if body != nil {
		defer body.wipe()
	}
	fl, err := c.limiter.launch(ctx, turn)
	if err != nil {
		return reply{}, c.unsent(ctx, k, n, KindLimiter, err)
	}
	return c.exchange(ctx, k, n, req, fl)
}

// address is where a call goes.
func (c *Client) address(k call) url.URL {
	if k.url != nil {
		return *k.url
	}
	u := *c.base
	if k.segment != "" {
		u.Path += "/" + k.segment
		u.RawPath += "/" + url.PathEscape(k.segment)
	}
	u.RawQuery = k.query.Encode()
	return u
}

// errBudget ends a call that would need more requests than its caller allows.
var errBudget = errors.New("the bound on requests is reached")

// spend takes one request from the call's budget; false when nothing is left.
func (k call) spend() bool {
	if k.budget == nil {
		return true
	}
	if *k.budget <= 0 {
		return false
	}
	*k.budget--
	return true
}

func (c *Client) request(k call) (*http.Request, *secretBody, error) {
	u := c.address(k)
	req := &http.Request{
		Method: k.method, URL: &u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"application/json"}, "User-Agent": {c.userAgent}},
		Body:   http.NoBody,
	}
	if k.payload == nil {
		return req, nil, nil
	}
	body := newSecretBody(append(make([]byte, 0, len(k.payload)), k.payload...))
	req.Body, req.ContentLength = body, int64(len(k.payload))
	req.Header.Set("Content-Type", "application/json")
	return req, body, nil
}

var errTimeout = errors.New("time-out")

// exchange makes the request and reads the answer.
func (c *Client) exchange(ctx context.Context, k call, n int, req *http.Request, fl *flight) (reply, *Error) {
	began := time.Now()
	timed, stop := context.WithTimeoutCause(ctx, k.timeout, errTimeout)
	defer stop()
	actx, cancel := context.WithCancelCause(timed)
	defer cancel(nil)
	// net/http's own transport reports from its first step on; of others it is
	// known once they do.
	transport := c.transport
	if k.payload != nil {
		transport = c.pushes
	}
	_, reports := transport.(*http.Transport)
	w := &wire{cancel: cancel, flight: fl, asked: reports}
	if reports {
		fl.trace()
	}
	req = req.WithContext(w.trace(actx))

	// RoundTrip and not http.Client: no redirect is ever followed, so that
	// neither key nor credentials go where the operator did not send them.
	fl.start()
	resp, err := transport.RoundTrip(req)
	if err == nil && resp == nil {
		err = errors.New("the transport gave no answer")
	}
	if err != nil {
		unsent := w.surelyUnsent(err)
		w.end(endingOf(unsent))
		e := c.broken(ctx, timed, k, req, err, unsent)
		c.observe(ctx, k, n, 0, time.Since(began), e)
		return reply{}, e
	}
	defer func() { _ = resp.Body.Close() }()
	wait := retryAfter(resp.Header, time.Now())
	if resp.StatusCode == http.StatusTooManyRequests {
		// Before the turn's end, or the next in line would slip through.
		pause := max(wait, time.Second)
		c.limiter.Pause(pause)
		c.logger.WarnContext(ctx, "planet throttles, all requests of the account pause", slog.Duration("pause", pause))
	}
	w.end(answered)

	if k.method != http.MethodGet && k.timeout > c.timeout {
		// The status says all that matters: a body that does not come must not
		// hold the caller for the time that a verification may take.
		defer time.AfterFunc(c.timeout, func() { cancel(errTimeout) }).Stop()
	}
	got, e := c.readAnswer(ctx, timed, k, req, resp, wait)
	c.observe(ctx, k, n, resp.StatusCode, time.Since(began), e)
	return got, e
}

func endingOf(unsent bool) ending {
	if unsent {
		return notSent
	}
	return failed
}

func (c *Client) readAnswer(ctx, timed context.Context, k call, req *http.Request, resp *http.Response, wait time.Duration) (reply, *Error) {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		if err == nil && len(body) > maxAnswer {
			err = wrong("answer", fmt.Sprintf("is longer than %d bytes", maxAnswer))
		}
		if text := bytes.TrimSpace(body); err == nil && k.method != http.MethodGet && len(text) > 0 && !json.Valid(text) {
			// Planet answers in JSON or not at all. A whole 2xx answer in another
			// language comes from something in between, a portal or a proxy, and
			// says nothing about what Planet did.
			return reply{}, k.invalid(reply{resp.StatusCode, nil, nil},
				wrong("answer", "is not JSON: has something between here and Planet answered?"))
		}
		if err == nil || k.method != http.MethodGet {
			return reply{resp.StatusCode, body, err}, nil
		}
		e := c.broken(ctx, timed, k, req, err, false)
		e.Status = resp.StatusCode
		var bad *answerError
		if errors.As(err, &bad) {
			e.Kind = KindInvalidAnswer
		}
		return reply{}, e
	}
	e := k.fail(KindInvalidAnswer, OutcomeUnknown, nil)
	e.Status, e.RetryAfter = resp.StatusCode, wait
	e.Kind, e.Outcome = classify(resp.StatusCode)
	// A part of the message is better than none: how reading ended is no matter.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	if code, message, ok := decodeError(body); ok {
		e.Code = code
		e.Message = k.show(req, message)
	}
	return reply{}, e
}

// unsent makes the error of a call that came to its end before any request.
func (c *Client) unsent(ctx context.Context, k call, n int, kind Kind, err error) *Error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		kind = KindTimeout
	case ctx.Err() != nil:
		kind = KindCanceled
	}
	e := k.fail(kind, OutcomeNotSent, err)
	e.detail = k.show(nil, err.Error())
	c.observe(ctx, k, n, 0, 0, e)
	return e
}

// broken makes the error of an exchange that gave no complete answer.
func (c *Client) broken(ctx, timed context.Context, k call, req *http.Request, err error, unsent bool) *Error {
	e := k.fail(KindCut, OutcomeUnknown, err)
	detail := err.Error()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Kind, detail = KindTimeout, "the caller's time is up"
	case ctx.Err() != nil:
		e.Kind = KindCanceled
	case timed.Err() != nil:
		e.Kind, detail = KindTimeout, fmt.Sprintf("%v have passed", k.timeout)
	case errors.Is(err, errNoTurn):
		e.Kind = KindLimiter
	case unsent && isTLS(err):
		e.Kind = KindTLS
	case unsent:
		e.Kind = KindUnreachable
	}
	if unsent {
		e.Outcome = OutcomeNotSent
	}
	e.detail = k.show(req, detail)
	return e
}

func (k call) fail(kind Kind, o Outcome, err error) *Error {
	return &Error{Op: k.op, ID: k.id, Method: k.method, Kind: kind, Outcome: o, Attempts: 1, Err: err}
}

// show makes a text from outside fit for an error: without anything that the
// request held.
func (k call) show(req *http.Request, text string) string {
	if text == "" {
		return ""
	}
	authorization := ""
	if req != nil {
		authorization = req.Header.Get("Authorization")
	}
	hidden := secretsOf(k.params, k.kind, authorization)
	defer hidden.clear()
	return hidden.redact(text)
}

func (c *Client) observe(ctx context.Context, k call, n, status int, took time.Duration, e *Error) {
	o := Observation{Method: k.method, Route: k.route, Status: status, Duration: took, Attempt: n}
	if e != nil {
		o.Kind = e.Kind
	}
	if c.observer != nil {
		c.observer(o)
	}
	c.logger.DebugContext(ctx, "planet request",
		slog.String("method", o.Method), slog.String("route", o.Route), slog.Int("status", o.Status),
		slog.Duration("took", o.Duration), slog.Int("attempt", o.Attempt), slog.String("kind", string(o.Kind)))
}
