package app

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// The doors that there may be.
const (
	adminDoor = "admin listener"
	hooksDoor = "listener for webhooks"
	localDoor = "local socket"
)

// house has the open doors. They outlive the generations behind them.
type house struct {
	app   *App
	doors []*door
	// opened are those that a coming generation wants and that were not there.
	opened []*door

	broken chan struct{} // closed when a door has ended by itself
	mu     sync.Mutex
	err    error // why

	once   sync.Once
	closed chan error
}

func newHouse(a *App) *house { return &house{app: a, broken: make(chan struct{})} }

// fail notes that a door has ended by itself.
func (h *house) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.broken)
	}
}

// cause is why a door has ended by itself.
func (h *house) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// prepare opens what a generation wants and what is not open yet. Nothing is
// given up before everything is there.
func (h *house) prepare(ctx context.Context, g *generation) error {
	h.opened = nil
	for _, way := range g.doorways() {
		if h.find(h.doors, way) != nil {
			continue
		}
		d, err := openDoor(ctx, way, h.fail)
		if err != nil {
			for _, d := range h.opened {
				_ = d.close()
			}
			h.opened = nil
			return err
		}
		h.opened = append(h.opened, d)
	}
	return nil
}

func (h *house) find(doors []*door, way doorway) *door {
	for _, d := range doors {
		if d.name == way.name && d.key == way.key {
			return d
		}
	}
	return nil
}

// hold lets nobody change anything through any door.
func (h *house) hold() {
	for _, d := range h.doors {
		d.exchange.hold()
	}
}

// settle puts a generation behind the doors, and closes those that it does not
// want.
func (h *house) settle(ctx context.Context, g *generation) {
	all := slices.Concat(h.doors, h.opened)
	h.doors, h.opened = nil, nil
	var admin, hooks string
	for _, way := range g.doorways() {
		d := h.find(all, way)
		d.exchange.swap(way.handler)
		h.doors = append(h.doors, d)
		switch way.name {
		case adminDoor:
			admin = "http://" + d.at.String()
		case hooksDoor:
			hooks = d.at.String()
			g.events.listening.opened(d.at)
		}
	}
	for _, d := range all {
		if !slices.Contains(h.doors, d) {
			_ = d.close()
		}
	}
	a := h.app
	a.mu.Lock()
	moved := a.admin != admin || a.hooks != hooks
	a.current, a.admin, a.hooks = g, admin, hooks
	a.mu.Unlock()
	if moved {
		a.log.InfoContext(ctx, "listeners are open", "admin", admin, "webhooks", hooks)
	}
}

// closing closes all doors, once. The channel gives how that ended.
func (h *house) closing() <-chan error {
	h.once.Do(func() {
		h.closed = make(chan error, 1)
		go func() {
			var errs []error
			for _, d := range h.doors {
				errs = append(errs, d.close())
			}
			h.closed <- errors.Join(errs...)
		}()
	})
	return h.closed
}
