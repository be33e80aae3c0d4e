package app

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

// renewEvery is how often the file of a connection string is looked at.
const renewEvery = 15 * time.Second

// renewed is a transport whose credential lies in a file and may be replaced
// there: it is made anew when it was. Messages in flight stay with the queue.
type renewed struct {
	name, file, variable string
	make                 func(credential.Value) (watcher.Transport, error)
}

// renewing makes the transport once, so that what is wrong is known at the
// start, and again whenever the file has another content.
func renewing(name, file, variable string, newOne func(credential.Value) (watcher.Transport, error)) (watcher.Transport, error) {
	r := &renewed{name, file, variable, newOne}
	t, _, err := r.open()
	if err != nil || file == "" {
		return t, err
	}
	return r, nil
}

func (r *renewed) open() (watcher.Transport, [sha256.Size]byte, error) {
	v, err := secretText(r.file, r.variable)
	if err != nil {
		return nil, [sha256.Size]byte{}, err
	}
	t, err := r.make(v)
	return t, sha256.Sum256(v.Bytes()), err
}

// Name implements watcher.Transport.
func (r *renewed) Name() string { return r.name }

// Send implements watcher.Sender.
func (r *renewed) Send(ctx context.Context, body []byte) error {
	t, _, err := r.open()
	if err != nil {
		return &watcher.Error{Op: "send to", Source: r.name, Reason: watcher.ReasonInvalid, Err: err, Hint: "mend " + r.file}
	}
	s, ok := t.(watcher.Sender)
	if !ok {
		return &watcher.Error{Op: "send to", Source: r.name, Reason: watcher.ReasonInvalid, Hint: "this kind of source can't be sent to"}
	}
	return s.Send(ctx, body)
}

// Receive implements watcher.Transport.
func (r *renewed) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	for ctx.Err() == nil {
		t, sum, err := r.open()
		if err != nil {
			health.Down(&watcher.Error{Op: "receive from", Source: r.name, Reason: watcher.ReasonInvalid, Err: err,
				Hint: "mend " + r.file + ", which is looked at again by itself"})
			sleep(ctx, renewEvery)
			continue
		}
		if err := r.until(ctx, sum, func(ctx context.Context) error { return t.Receive(ctx, deliver, health) }); err != nil {
			return err
		}
	}
	return nil
}

// until runs receive until ctx ends or the file has another content.
func (r *renewed) until(ctx context.Context, sum [sha256.Size]byte, receive func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			sleep(ctx, renewEvery)
			// A file that can't be read now is no other content.
			if v, err := secretText(r.file, r.variable); err == nil && sha256.Sum256(v.Bytes()) != sum {
				cancel()
			}
		}
	}()
	err := receive(ctx)
	cancel()
	<-watched
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readFull reads up to the end or until b is full.
func readFull(f io.Reader, b []byte) (n int, err error) {
	n, err = io.ReadFull(f, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // io.ReadFull gives them as they are
		err = nil
	}
	return n, err
}
