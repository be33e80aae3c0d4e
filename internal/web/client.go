package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rotatord/rotatord/store"
)

// Client speaks to an [API]: through a daemon's local socket, or straight to a
// handler in this process.
type Client struct {
	// Transport reaches the API. The URL's host means nothing to it.
	Transport http.RoundTripper
}

// Status gives how the named destinations stand, or all.
func (c *Client) Status(ctx context.Context, destinations ...string) (out []Status, err error) {
	q := url.Values{"destination": destinations}
	return out, c.call(ctx, http.MethodGet, "/v1/status?"+q.Encode(), nil, &out)
}

// History gives what happened, newest first; of one destination, or of all for "".
func (c *Client) History(ctx context.Context, destination string, limit int) (out []store.Entry, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if destination != "" {
		q.Set("destination", destination)
	}
	return out, c.call(ctx, http.MethodGet, "/v1/history?"+q.Encode(), nil, &out)
}

// Receipts gives what is noted of each secret as a whole.
func (c *Client) Receipts(ctx context.Context) (out []store.Receipt, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/receipts", nil, &out)
}

// Sync has destinations looked at and waits for it.
func (c *Client) Sync(ctx context.Context, r Request) (out []Status, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/sync", r, &out)
}

// Plan tells what a look would do.
func (c *Client) Plan(ctx context.Context, r Request) (out []Plan, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/plan", r, &out)
}

// Check tells whether a rotation could work.
func (c *Client) Check(ctx context.Context, r Request) (out []Checks, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/check", r, &out)
}

// Person applies somebody's word: verb is "retry", "pause" or "resume".
func (c *Client) Person(ctx context.Context, verb string, r Request) (out []Status, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/"+verb, r, &out)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://rotatord"+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask the running daemon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	dec := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return remoteError(resp)
	}
	if err := dec.Decode(out); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// remoteError reads an answer that is not a success.
func remoteError(resp *http.Response) error {
	var f Failure
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	return &RemoteError{Text: f.Error, Usage: resp.StatusCode == http.StatusBadRequest,
		Refused: resp.StatusCode == http.StatusUnprocessableEntity}
}

// RemoteError is what an API said instead of doing as asked.
type RemoteError struct {
	Text  string
	Usage bool // the request was wrong, not the doing
	// Refused: it was well asked and can't be done.
	Refused bool
}

func (e *RemoteError) Error() string { return e.Text }

// Direct is a transport straight to a handler, without a network. The answer
// is buffered whole.
func Direct(h http.Handler) http.RoundTripper { return direct{h} }

type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	d.handler.ServeHTTP(w, r)
	_ = r.Body.Close()
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
