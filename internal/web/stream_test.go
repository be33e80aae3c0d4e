package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/store"
)

// listening is a client of a stream.
type listening struct {
	t     *testing.T
	body  io.ReadCloser
	lines *bufio.Scanner
}

// listen connects to a stream, over a real connection.
func listen(t *testing.T, address, path string, headers ...string) (*listening, *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	must(t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	must(t, err)
	l := &listening{t, res.Body, bufio.NewScanner(res.Body)}
	t.Cleanup(func() { _ = res.Body.Close() })
	return l, res
}

// next gives the lines up to the next empty one; comments are left out.
func (l *listening) next() string {
	l.t.Helper()
	var all []string
	for l.lines.Scan() {
		switch line := l.lines.Text(); {
		case line == "" && len(all) > 0:
			return strings.Join(all, "\n")
		case line != "" && !strings.HasPrefix(line, ":"):
			all = append(all, line)
		}
	}
	l.t.Fatalf("the stream has ended: %v", l.lines.Err())
	return ""
}

func (h *house) listeners() int {
	h.api.feed.mu.Lock()
	defer h.api.feed.mu.Unlock()
	return len(h.api.feed.listeners)
}

func (h *house) fast() { h.api.feed.every = time.Millisecond }

func TestAStreamNamesWhatHasChanged(t *testing.T) {
	h := newHouse(t)
	h.fast()
	address := serve(t, NewServer(h.handler, nil))
	l, res := listen(t, address, "/api/v1/stream", "Last-Event-ID", "")
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", res.Header)
	}
	begin := l.next()
	first, ok := strings.CutPrefix(begin, "retry: 3000\nid: ")
	if !ok || strings.Contains(first, "\n") {
		t.Fatalf("it begins with %q", begin)
	}
	h.save(t, heldOne, func(r *store.Record) { r.Paused = &store.Paused{Since: example} })
	event := l.next()
	head, data, _ := strings.Cut(event, "\ndata: ")
	if diff := cmp.Diff(`{"destinations":["`+heldOne+`"]}`, data); diff != "" || !strings.HasPrefix(head, "event: status\nid: ") || strings.HasSuffix(head, first) {
		t.Errorf("%q %s", head, diff)
	}
	// What is not in the record itself counts too, and so does a receipt.
	must(t, h.store.SetDependents(context.Background(), fineOne, *mustLoad(t, h, fineOne).Dependents))
	must(t, h.store.MarkDue(context.Background(), "person", time.Now(), fineOne))
	if event := l.next(); !strings.HasSuffix(event, `data: {"destinations":["`+fineOne+`"]}`) {
		t.Errorf("%q", event)
	}

	// Who comes back with the present state hears nothing, else of all.
	_ = l.body.Close()
	l, _ = listen(t, address, "/api/v1/stream")
	state := strings.TrimPrefix(l.next(), "retry: 3000\nid: ")
	l, _ = listen(t, address, "/api/v1/stream", "Last-Event-ID", state)
	if got := l.next(); got != "retry: 3000\nid: "+state {
		t.Errorf("%q", got)
	}
	for _, old := range []string{first, "x", strings.Repeat("9", 5000), "\x80\xff", "a: b"} {
		l, _ = listen(t, address, "/api/v1/stream", "Last-Event-ID", old)
		want := "retry: 3000\nevent: status\nid: " + state + "\ndata: " + `{"destinations":["` + heldOne + `","` + fineOne + `"]}`
		if got := l.next(); got != want {
			t.Errorf("%.20q: %q", old, got)
		}
	}
}

func mustLoad(t *testing.T, h *house, name string) store.Record {
	t.Helper()
	r, err := h.store.Load(context.Background(), name)
	must(t, err)
	return r
}

func TestTheClientListens(t *testing.T) {
	h := newHouse(t)
	h.fast()
	address := serve(t, NewServer(h.api.Handler(), nil))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}, DisableKeepAlives: true}
	ctx, cancel := context.WithCancel(t.Context())
	var heard [][]string
	err := (&Client{Transport: transport}).Listen(ctx, func(names []string) {
		heard = append(heard, names)
		if names == nil {
			h.save(t, heldOne, func(r *store.Record) { r.Paused = &store.Paused{Since: example} })
			return
		}
		cancel()
	})
	if diff := cmp.Diff([][]string{nil, {heldOne}}, heard); diff != "" || !errors.Is(err, context.Canceled) {
		t.Error(diff, err)
	}
	if err := (&Client{Transport: Direct(h.api.Handler())}).Listen(canceledContext(), func([]string) {}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func canceledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestAStreamEndsAtOnceWhenTheServerShutsDown(t *testing.T) {
	h := newHouse(t)
	s := NewServer(h.handler, nil)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	var streams []*listening
	for range 5 {
		one, _ := listen(t, l.Addr().String(), "/api/v1/stream")
		one.next()
		streams = append(streams, one)
	}
	// It waits for all that is under way, for as long as it takes.
	must(t, s.Shutdown(context.WithoutCancel(t.Context())))
	<-served
	for _, one := range streams {
		if one.lines.Scan() || one.lines.Err() != nil {
			t.Errorf("it did not end well: %q, %v", one.lines.Text(), one.lines.Err())
		}
	}
	if h.api.feed.stop != nil || h.listeners() != 0 {
		t.Error("somebody looks still")
	}
}

func TestListenersAreBoundedAtEachDoor(t *testing.T) {
	h := newHouse(t)
	j := newJudge(t)
	var all []*listener
	for range maxListeners {
		all = append(all, h.api.feed.join(fromAdmin, h.api.digests))
	}
	w := h.get("/api/v1/stream")
	if w.Code != 503 || w.Header().Get("Retry-After") != "30" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	j.holds(t, http.MethodGet, "/api/v1/stream", w)
	local := h.api.feed.join(fromSocket, h.api.digests)
	if local == nil {
		t.Fatal("those at the admin listener keep out who is at the machine")
	}
	h.api.feed.leave(local)
	h.api.feed.leave(all[0])
	if again := h.api.feed.join(fromAdmin, h.api.digests); again == nil {
		t.Error("a place that is free is not given")
	} else {
		all[0] = again
	}
	for _, l := range all {
		h.api.feed.leave(l)
	}
	if h.api.feed.stop != nil {
		t.Error("somebody looks while nobody listens")
	}
}

// pipe is a connection whose other end may stop reading.
func serveOnPipe(t *testing.T, h http.Handler) (client net.Conn, done <-chan error) {
	t.Helper()
	l := &oneConnection{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	server, client := net.Pipe()
	l.conns <- server
	s := NewServer(h, nil)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = client.Close()
		must(t, s.Close())
	})
	return client, ended
}

type oneConnection struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *oneConnection) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConnection) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConnection) Addr() net.Addr { return &net.TCPAddr{} }

func TestAStreamLivesLongAndBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		client, ended := serveOnPipe(t, h.handler)
		_, err := io.WriteString(client, "GET /api/v1/stream HTTP/1.1\r\nHost: rotatord.test\r\n\r\n")
		must(t, err)
		lines := bufio.NewScanner(client)
		begun, beats := time.Now(), 0
		for beats < 40 && lines.Scan() {
			if lines.Text() == ": still here" {
				beats++
			}
		}
		// All bounds of the server are far behind: 10 s to read, 30 s to write.
		if lived := time.Since(begun); beats != 40 || lived != 40*beatEvery {
			t.Errorf("%d beats in %v: %v", beats, lived, lines.Err())
		}
		_ = client.Close()
		synctest.Wait()
		if n := h.listeners(); n != 0 {
			t.Errorf("%d listen still after they have gone", n)
		}
		_ = ended
	})
}

func TestASlowReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		client, _ := serveOnPipe(t, h.handler)
		_, err := io.WriteString(client, "GET /api/v1/stream HTTP/1.1\r\nHost: rotatord.test\r\n\r\n")
		must(t, err)
		synctest.Wait() // it is being written to, and reads nothing
		if n := h.listeners(); n != 1 {
			t.Fatalf("%d listen", n)
		}
		time.Sleep(patience + time.Second)
		synctest.Wait()
		if n := h.listeners(); n != 0 {
			t.Errorf("%d listen after %v without reading", n, patience)
		}
	})
}

func TestAStoreThatFailsForAWhileEndsNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f feed
		var broken atomic.Bool
		broken.Store(true)
		l := f.join(fromSocket, func(context.Context) (digests, error) {
			if broken.Load() {
				return nil, errBroken
			}
			return digests{"a": 1}, nil
		})
		time.Sleep(10 * time.Second)
		select {
		case <-l.news:
			t.Error("there are news of what could not be read")
		default:
		}
		broken.Store(false)
		<-l.news
		if _, names := f.read(l); names != nil {
			t.Errorf("news of %v", names)
		}
		f.leave(l)
	})
}

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after digests
		want          []string
	}{
		{"nothing", digests{"a": 1, "b": 2}, digests{"b": 2, "a": 1}, nil},
		{"one that came", digests{"a": 1}, digests{"a": 1, "b": 0}, []string{"b"}},
		{"one that went", digests{"a": 1, "b": 0}, digests{"a": 1}, []string{"b"}},
		{"all", digests{"b": 1, "a": 2}, digests{"a": 1, "b": 2}, []string{"a", "b"}},
	} {
		if diff := cmp.Diff(tt.want, tt.before.changes(tt.after)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if same := tt.before.state() == tt.after.state(); same != (tt.want == nil) {
			t.Errorf("%s: the states are the same: %v", tt.name, same)
		}
	}
}

// Everybody hears of everything, however many there are and however quick.
func TestEveryListenerHearsOfEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f feed
		var n atomic.Uint64
		look := func(context.Context) (digests, error) { return digests{"a": n.Load() / 3, "b": n.Load()}, nil }
		fast, slow := f.join(fromSocket, look), f.join(fromAdmin, look)
		<-fast.news
		f.read(fast)
		for range 9 {
			n.Add(1)
			<-fast.news
			if _, names := f.read(fast); len(names) == 0 || names[len(names)-1] != "b" {
				t.Errorf("at %d: %v", n.Load(), names)
			}
		}
		<-slow.news
		if state, names := f.read(slow); !cmp.Equal(names, []string{"a", "b"}) || state != (digests{"a": 3, "b": 9}).state() {
			t.Errorf("the slow one: %v", names)
		}
		f.leave(fast)
		f.leave(slow)
	})
}
