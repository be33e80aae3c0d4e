package azure

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// wire is a network of one address, on the way to one server, that can be cut.
type wire struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	cut      bool
	silent   bool
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

func newWire(t testing.TB, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, server: server, conns: map[net.Conn]bool{}}
	w.running.Go(w.serve)
	t.Cleanup(func() {
		must(t, l.Close())
		w.Cut()
		w.running.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

// Cut ends all connections and lets none come about.
func (w *wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.conns {
		_ = c.Close()
	}
}

// Hush lets nothing through any more, of connections that stay open.
func (w *wire) Hush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = true
}

// Mend lets connections come about again.
func (w *wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.silent = false, false
}

func (w *wire) serve() {
	for {
		c, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		w.running.Go(func() { w.carry(c) })
	}
}

func (w *wire) carry(c net.Conn) {
	defer w.drop(c)
	if !w.keep(c) {
		return
	}
	s, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer w.drop(s)
	if !w.keep(s) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			_, _ = io.Copy(gate{w, way[1]}, way[0])
			_ = c.Close()
			_ = s.Close()
		})
	}
	both.Wait()
}

func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
	return !w.cut
}

func (w *wire) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	_ = c.Close()
}

// gate drops what is written while the wire is silent.
type gate struct {
	w *wire
	net.Conn
}

func (g gate) Write(b []byte) (int, error) {
	g.w.mu.Lock()
	silent := g.w.silent
	g.w.mu.Unlock()
	if silent {
		return len(b), nil
	}
	return g.Conn.Write(b)
}
