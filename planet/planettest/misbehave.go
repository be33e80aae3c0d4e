package planettest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// misbehave serves a request that meets a fault.
func (s *Simulator) misbehave(ctx context.Context, g *group, c *call, w http.ResponseWriter) {
	f := c.fault
	if f.Kind == Slow {
		s.dawdle(ctx, c, w)
		return
	}
	a := c.refuse(&problem{f.status(http.StatusServiceUnavailable), "no answer"})
	switch f.Effect {
	case EffectNow:
		a = s.handle(ctx, c)
	case EffectLate:
		g.run(func(life context.Context) {
			if pause(life, f.Delay) == nil {
				s.handle(life, c)
			}
		})
	case EffectNone:
	}
	s.tell(ctx, c, a, w)
}

// dawdle takes its time, before the effect or after it.
func (s *Simulator) dawdle(ctx context.Context, c *call, w http.ResponseWriter) {
	var a answer
	if c.fault.Effect == EffectNow {
		a = s.handle(ctx, c)
	}
	if pause(ctx, c.fault.Delay) != nil {
		s.finish(ctx, c, 0)
		abort(w, false)
	}
	if c.fault.Effect != EffectNow {
		a = s.handle(ctx, c)
	}
	s.conclude(ctx, c, a, w)
}

// tell gives the client what the fault makes of the answer.
func (s *Simulator) tell(ctx context.Context, c *call, a answer, w http.ResponseWriter) {
	f := c.fault
	switch f.Kind {
	case Cut:
		s.finish(ctx, c, 0)
		abort(w, f.Reset)
	case Truncate:
		s.finish(ctx, c, 0)
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)+1))
		a.body = a.body[:len(a.body)/2]
		a.write(w)
		_ = http.NewResponseController(w).Flush() // a client that hung up hears nothing
		abort(w, f.Reset)
	case Junk:
		a = answer{status: f.status(http.StatusOK), header: http.Header{}, body: []byte("{\"id\": \x00\xff<html>")}
	case Huge:
		s.finish(ctx, c, f.status(http.StatusOK))
		writeHuge(w, f.status(http.StatusOK), f.Size)
		return
	default:
		a = c.refuse(&problem{f.status(http.StatusServiceUnavailable), http.StatusText(f.status(http.StatusServiceUnavailable))})
	}
	if f.Body != "" {
		a.body = []byte(f.Body)
	}
	if f.RetryAfter != "" {
		a.header.Set("Retry-After", f.RetryAfter)
	}
	s.finish(ctx, c, a.status)
	a.write(w)
}

// resetter is a ResponseWriter that can end in a reset connection: the
// in-memory one. A real one is hijacked.
type resetter interface{ reset() }

// abort ends the connection; it does not return.
func abort(w http.ResponseWriter, reset bool) {
	if reset {
		if r, ok := w.(resetter); ok {
			r.reset()
		} else if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // without it the reset is a mere end
			}
			_ = conn.Close() // it is to break
		}
	}
	panic(http.ErrAbortHandler) // net/http's own way to say: close it, log nothing
}

// writeHuge sends valid JSON of about the size: {"destinations": ["xxxx…"]}.
func writeHuge(w http.ResponseWriter, status, size int) {
	if size <= 0 {
		size = 16 << 20
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	chunk := strings.Repeat("x", 64<<10)
	_, err := io.WriteString(w, `{"destinations":["`)
	for size > 0 && err == nil {
		var n int
		n, err = io.WriteString(w, chunk[:min(size, len(chunk))])
		size -= n
	}
	_, _ = io.WriteString(w, `"]}`) // the client may have hung up
}
