package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// beatEvery is how often a stream shows that it lives: proxies cut what is
	// silent for a minute, and a reader that is gone is noticed so.
	beatEvery = 15 * time.Second
	// patience is how long a reader may take to take one event.
	patience = 10 * time.Second
	// comeBack is when a browser connects again after a stream has ended.
	comeBack = 3 * time.Second
	// fullHouse is when to come back while there are too many listeners.
	fullHouse = 30 * time.Second
)

// StatusEvent is the data of an event "status": these destinations stand otherwise
// than before.
type StatusEvent struct {
	Destinations []string `json:"destinations"`
}

// stream sends server-sent events: "status" with the names of destinations
// that changed. The id of an event names the state of all of them, so that who
// comes back with a Last-Event-ID is told at once whether anything has changed
// in the meantime, by this process or by one before.
func (a *API) stream(from side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", eventStream)
			return
		}
		l := a.feed.join(from, a.digests)
		if l == nil {
			w.Header().Set("Retry-After", fmt.Sprint(int(fullHouse.Seconds())))
			answer(w, nil, unavailable{fmt.Sprintf("there are %d listeners already; try again later", maxListeners)})
			return
		}
		defer a.feed.leave(l)
		h := w.Header()
		h.Set("Content-Type", eventStream)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx would wait for more
		a.send(w, r, l)
	}
}

const eventStream = "text/event-stream"

// send writes events until the reader has gone, is too slow, or the server
// shuts down. It begins once the store was read: who reads the status after
// that misses nothing.
func (a *API) send(w http.ResponseWriter, r *http.Request, l *listener) {
	control := http.NewResponseController(w)
	write := func(text string) bool {
		// In place of the server's bound, which is meant for answers that end.
		_ = control.SetWriteDeadline(time.Now().Add(patience))
		_, err := io.WriteString(w, text)
		return err == nil && control.Flush() == nil
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	greeted := false
	for {
		text := ": still here\n\n"
		select {
		case <-r.Context().Done():
			return
		case <-closing(r.Context()):
			return
		case <-beat.C:
		case <-l.news:
			state, names := a.feed.read(l)
			begin := ""
			if !greeted {
				begin = fmt.Sprintf("retry: %d\n", comeBack.Milliseconds())
				if last := r.Header.Get("Last-Event-ID"); last != "" && last != state {
					names = a.feed.all()
				}
			}
			greeted = true
			text = begin + event(state, names)
		}
		if !write(text) {
			return
		}
	}
}

// event is an event "status"; without names only its id, which a browser keeps
// and tells nobody.
func event(state string, names []string) string {
	if len(names) == 0 {
		return "id: " + state + "\n\n"
	}
	doc, _ := json.Marshal(StatusEvent{Destinations: names}) // a list of texts is always JSON, on one line
	return "event: status\nid: " + state + "\ndata: " + string(doc) + "\n\n"
}

type closingKey struct{}

// closing is closed once the server of a request shuts down; see [NewServer].
func closing(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(closingKey{}).(<-chan struct{})
	return c
}

// Listen calls changed with the names of destinations that stand otherwise than
// before, and once without any when the stream has begun, until ctx or the
// stream ends. It needs a daemon: nothing changes without one.
func (c *Client) Listen(ctx context.Context, changed func(names []string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://rotatord/v1/stream", http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask the running daemon: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return remoteError(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxRequest)
	for lines.Scan() {
		switch data, ok := strings.CutPrefix(lines.Text(), "data: "); {
		case ok:
			var e StatusEvent
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return fmt.Errorf("read the daemon's events: %w", err)
			}
			changed(e.Destinations)
		case strings.HasPrefix(lines.Text(), "retry: "):
			changed(nil)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the daemon's events: %w", err)
	}
	return io.EOF
}
