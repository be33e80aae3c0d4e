package web

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// lookEvery is how often the store is read while somebody listens.
	lookEvery = time.Second
	// maxListeners is how many may listen at one door: those at the admin
	// listener can't take the places of who is at the machine.
	maxListeners = 32
)

// side is a door of the house that a listener came in by.
type side int

const (
	fromSocket side = iota
	fromAdmin
)

// digests tell for each destination what is answered of it, briefly.
type digests map[string]uint64

// state names them all together: two that are the same have the same state,
// also across restarts.
func (d digests) state() string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(d)) {
		_, _ = fmt.Fprintf(h, "%q %d\n", name, d[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// changes lists what is in one and not, or otherwise, in the other.
func (d digests) changes(next digests) []string {
	var names []string
	for name, now := range next {
		if before, ok := d[name]; !ok || before != now {
			names = append(names, name)
		}
	}
	for name := range d {
		if _, ok := next[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// feed tells those who listen which destinations have changed. One goroutine
// looks for all of them, and only while there are any. It compares what would
// be answered, so that it misses nothing that a reader could see: a condition
// that only time brings about is a change as well. The zero feed is ready.
type feed struct {
	every time.Duration // 0 means lookEvery

	mu        sync.Mutex
	listeners map[*listener]struct{}
	doors     map[side]int
	seen      digests // nil until the first look
	stop      context.CancelFunc
	done      chan struct{}
}

// listener is one who listens. What has changed since it last read is kept
// once for each name, so that a slow one costs no more than a quick one.
type listener struct {
	side side
	// news gets a value when there is something to read.
	news  chan struct{}
	names map[string]struct{} // the feed's mutex guards it
}

// join adds a listener; nil when there are too many. Its first news tell only
// what the state is.
func (f *feed) join(s side, look func(context.Context) (digests, error)) *listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doors[s] >= maxListeners {
		return nil
	}
	if f.listeners == nil {
		f.listeners, f.doors = map[*listener]struct{}{}, map[side]int{}
	}
	l := &listener{side: s, news: make(chan struct{}, 1), names: map[string]struct{}{}}
	f.listeners[l] = struct{}{}
	f.doors[s]++
	if f.seen != nil {
		l.news <- struct{}{}
	}
	if f.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		f.stop, f.done = stop, make(chan struct{})
		go f.run(ctx, f.done, look)
	}
	return l
}

// leave takes a listener out. The last one waits until nobody looks any more.
func (f *feed) leave(l *listener) {
	f.mu.Lock()
	delete(f.listeners, l)
	f.doors[l.side]--
	if len(f.listeners) > 0 {
		f.mu.Unlock()
		return
	}
	done := f.done
	f.stop()
	f.stop, f.seen = nil, nil
	f.mu.Unlock()
	<-done
}

// read gives the state and the names that have changed since the last time.
func (f *feed) read(l *listener) (state string, names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names = slices.Sorted(maps.Keys(l.names))
	clear(l.names)
	return f.seen.state(), names
}

// all gives the names of all destinations.
func (f *feed) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.seen))
}

func (f *feed) run(ctx context.Context, done chan<- struct{}, look func(context.Context) (digests, error)) {
	defer close(done)
	tick := time.NewTicker(cmp.Or(f.every, lookEvery))
	defer tick.Stop()
	for {
		if now, err := look(ctx); err == nil { // else the next look may be luckier
			f.tell(ctx, now)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell compares and wakes the listeners.
func (f *feed) tell(ctx context.Context, now digests) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return // another one may look by now
	}
	var changed []string
	first := f.seen == nil
	if !first {
		if changed = f.seen.changes(now); len(changed) == 0 {
			return
		}
	}
	f.seen = now
	for l := range f.listeners {
		for _, name := range changed {
			l.names[name] = struct{}{}
		}
		select {
		case l.news <- struct{}{}:
		default: // it has not read the last ones yet
		}
	}
}

// digests reads what would be answered of each destination.
func (a *API) digests(ctx context.Context) (digests, error) {
	all, err := a.statuses(ctx, a.Engine.Names())
	if err != nil {
		return nil, err
	}
	out := digests{}
	for _, s := range all {
		doc, err := json.Marshal(s) //nolint:gosec // the name of a secret, and only its digest is kept
		if err != nil {
			return nil, fmt.Errorf("encode status of %q: %w", s.Destination, err)
		}
		h := fnv.New64a()
		_, _ = h.Write(doc)
		out[s.Destination] = h.Sum64()
	}
	return out, nil
}
