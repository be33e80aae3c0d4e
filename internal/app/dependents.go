package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/dependents"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// askers keep asking Planet who uses the destinations, for each account that
// wants it.
type askers struct {
	all     []*dependents.Asker
	account map[string]*dependents.Asker // by the name of a destination
}

// newDependents makes the askers; it starts nothing. clients are those of the
// Destinations API, by account: Orders and Subscriptions are asked with the same
// key, over the same transport and counted by the same observer, at the paths
// that Planet documents below scheme and host of base_url. Each has a limiter of
// its own, as Planet counts each of its APIs apart.
func newDependents(cfg *config.Config, clients map[string]*planet.Client, st *store.Store, log *slog.Logger) (*askers, error) {
	as := &askers{account: map[string]*dependents.Asker{}}
	for _, ac := range cfg.Accounts {
		client := clients[ac.Name]
		if ac.DependentsInterval <= 0 || client == nil {
			continue
		}
		asker, err := newAsker(cfg, ac, client, st, log)
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", ac.Name, err)
		}
		as.all = append(as.all, asker)
		for _, d := range cfg.Destinations {
			if d.Account == ac.Name {
				as.account[d.Name] = asker
			}
		}
	}
	return as, nil
}

func newAsker(cfg *config.Config, ac config.Account, client *planet.Client, st *store.Store, log *slog.Logger) (*dependents.Asker, error) {
	orders, err := siblingOptions(ac)
	if err != nil {
		return nil, err
	}
	subscriptions, err := siblingOptions(ac)
	if err != nil {
		return nil, err
	}
	o := planet.GathererOptions{AllUsers: ac.AllUsers}
	if o.Orders, err = client.Orders(orders); err != nil {
		return nil, err
	}
	if o.Subscriptions, err = client.Subscriptions(subscriptions); err != nil {
		return nil, err
	}
	gatherer, err := planet.NewGatherer(o)
	if err != nil {
		return nil, err
	}
	s := &subjects{store: st, names: map[string]bool{}, standard: standard{ask: client.Default, every: ac.DependentsInterval.Std() / 2}}
	for _, d := range cfg.Destinations {
		if d.Account == ac.Name {
			s.names[d.Name] = true
		}
	}
	return dependents.New(dependents.Options{
		Account: ac.Name, Gatherer: gatherer, Targets: s.list, Save: st.SetDependents,
		Every: ac.DependentsInterval.Std(), Logger: log,
	})
}

// siblingOptions are those of one more API of an account. Where the account was
// told to ask the Destinations API less often than Planet permits, others use
// the key too, and these lists leave them their part as well.
func siblingOptions(ac config.Account) (planet.SiblingOptions, error) {
	l, err := planet.NewLimiter(planet.LimiterOptions{
		PerSecond: min(ac.RequestsPerSecond, planet.DefaultPerSecond), Allowance: ac.JitterAllowance.Std(),
	})
	return planet.SiblingOptions{Limiter: l}, err
}

// run asks until ctx ends, though there be nobody to ask for.
func (as *askers) run(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, len(as.all))
	for i, a := range as.all {
		all.Go(func() { errs[i] = a.Run(ctx) })
	}
	<-ctx.Done()
	all.Wait()
	return errors.Join(errs...)
}

// poke has the dependents of these destinations asked for sooner. It returns at
// once.
func (as *askers) poke(names ...string) {
	for _, n := range names {
		if a := as.account[n]; a != nil {
			a.Poke(n)
		}
	}
}

// subjects lists the destinations of an account that Planet has shown, from
// their records.
type subjects struct {
	store    *store.Store
	names    map[string]bool // those that are configured
	standard standard
}

func (s *subjects) list(ctx context.Context) ([]dependents.Target, error) {
	records, err := s.store.List(ctx)
	var unreadable *store.FactsError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	var out []dependents.Target
	for _, r := range records {
		if !s.names[r.Destination] || r.Pin == nil {
			continue
		}
		t := dependents.Target{Name: r.Destination, Known: r.Dependents}
		t.Destination = planet.Destination{ID: r.Pin.ID, Ref: r.Pin.Ref, Name: r.Pin.Name, Type: planet.Type(r.Pin.Type), Archived: r.Archived}
		// Without a version of ours in force, all failures count that happened
		// while we knew of the destination.
		t.Since = r.Pin.At
		if r.Accepted != nil {
			t.Since = r.Accepted.At
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, nil
	}
	at, known := s.standard.find(ctx)
	for i := range out {
		if known {
			is := at.is(out[i].Destination)
			out[i].Destination.Default = &is
		}
	}
	return out, nil
}

// standard knows which destination is the organization's default.
type standard struct {
	ask   func(context.Context) (planet.Destination, error)
	every time.Duration // how long an answer is good for, for the Destinations API has other things to do

	asked time.Time
	at    defaultRef
	known bool
}

// defaultRef is the default destination; the zero value is none.
type defaultRef struct{ id, ref string }

func (d defaultRef) is(of planet.Destination) bool {
	return d.id != "" && (d.id == of.ID || d.ref != "" && d.ref == of.Ref)
}

// find gives the default. When Planet does not say, it is what it was before:
// defaults hardly ever change. A key that may never ask never knows.
func (s *standard) find(ctx context.Context) (at defaultRef, known bool) {
	if now := time.Now(); s.asked.IsZero() || now.Sub(s.asked) >= s.every {
		s.asked = now
		switch d, err := s.ask(ctx); {
		case err == nil:
			s.at, s.known = defaultRef{d.ID, d.Ref}, true
		case planet.KindOf(err) == planet.KindNotFound:
			s.at, s.known = defaultRef{}, true
		}
	}
	return s.at, s.known
}
