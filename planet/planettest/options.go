package planettest

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"time"
)

// User is one caller of the API with a key of its own.
type User struct {
	// Name is how the record and the out-of-band methods speak of the user.
	Name string
	// Key is the API key: "Authorization: api-key <Key>".
	Key string `json:"-"`
	// ID is the owner_id of what the user creates; 0 picks the user's place in
	// the list, from 1.
	ID int64
	// Organization is whose destinations the user sees; users without one are
	// together in "default".
	Organization string
	// Admin may modify every destination of the organization and set its default.
	Admin bool
}

// Format keeps the key out of every verb of fmt.
func (u User) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{%s of %s, id %d, admin %t}", u.Name, u.Organization, u.ID, u.Admin)
}

// LogValue implements slog.LogValuer.
func (u User) LogValue() slog.Value { return slog.StringValue(u.Name) }

// Window is how the three requests a second are counted.
type Window int

// The two usual ways; Planet does not say which is its own.
const (
	// Sliding counts the requests of the second before each request.
	Sliding Window = iota
	// Fixed counts the requests of each second of the clock. A client that is
	// right under Sliding is right under Fixed, not the other way round.
	Fixed
)

// Options say how a [Simulator] begins. Only Users must be given.
type Options struct {
	// Users are the callers that exist, with distinct names and keys.
	Users []User
	// PerSecond is the number of requests a user may send the Destinations API
	// a second; 0 means 3.
	PerSecond int
	// Window is how a second is understood.
	Window Window
	// Quota is the number of active destinations of an organization; 0 means 50.
	Quota int
	// BaseURL is what _links begin with, up to and with "/destinations/v1".
	// Empty takes scheme and host from each request.
	BaseURL string
	// Verifier checks credentials against their bucket; nil accepts all.
	Verifier Verifier
	// Deliveries say how orders and subscriptions deliver.
	Deliveries DeliveryOptions
	// Behaviour answers what Planet's documents leave open. The zero value is
	// the kindest reading of them.
	Behaviour Behaviour
	// Faults go wrong by chance, from Seed.
	Faults FaultRates
	// Seed fixes ids and faults.
	Seed int64
	// Logger hears of each request at debug level; nil is silence.
	Logger *slog.Logger
	// OnRequest, if not nil, is called after each request was answered or cut,
	// from the goroutine that served it.
	OnRequest func(Request)
	// OnDelivery, if not nil, is called after each delivery that has ended, from
	// the goroutine that carried it out.
	OnDelivery func(Delivery)
}

// New makes a Simulator. It starts nothing and listens nowhere; see
// [Simulator.Start] and [Simulator.RoundTripper]. The errors name every
// problem of the options.
func New(o Options) (*Simulator, error) {
	if o.PerSecond == 0 {
		o.PerSecond = 3
	}
	if o.Quota == 0 {
		o.Quota = 50
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.BaseURL = strings.TrimSuffix(o.BaseURL, "/")
	o.Behaviour = o.Behaviour.withDefaults()
	o.Deliveries = o.Deliveries.withDefaults()
	users, err := indexUsers(o.Users)
	if err := errors.Join(err, o.check(), o.Behaviour.check(), o.Faults.check(), o.Deliveries.check()); err != nil {
		return nil, fmt.Errorf("planettest options: %w", err)
	}
	s := &Simulator{
		perSecond: o.PerSecond, window: o.Window, quota: o.Quota,
		base: o.BaseURL, verifier: o.Verifier, logger: o.Logger, onRequest: o.OnRequest,
		users: users, seed: uint64(o.Seed),
		behaviour: o.Behaviour, rates: o.Faults,
		ids:         mathrand.New(mathrand.NewPCG(uint64(o.Seed), 1)),
		orgs:        map[string]*organization{},
		occurrences: map[string]uint64{},
		arrivals:    map[string][]time.Time{},
	}
	s.onDelivery = o.OnDelivery
	s.group, s.clock = newGroup(), newGroup()
	s.deliveryOptions, s.work = o.Deliveries, newWork(o.Seed)
	if _, err := io.ReadFull(rand.Reader, s.hashKey[:]); err != nil {
		return nil, fmt.Errorf("draw the key of the fingerprints: %w", err)
	}
	return s, nil
}

func (o Options) check() error {
	var problems []error
	if o.PerSecond < 0 {
		problems = append(problems, errors.New("PerSecond must be positive"))
	}
	if o.Quota < 0 {
		problems = append(problems, errors.New("the Quota must be positive"))
	}
	if o.Window != Sliding && o.Window != Fixed {
		problems = append(problems, errors.New("the Window is Sliding or Fixed"))
	}
	return errors.Join(problems...)
}

// indexUsers files the users under the hash of their keys: the Simulator
// keeps no key that a debugger or a stray %v could show.
func indexUsers(list []User) (map[[sha256.Size]byte]*User, error) {
	if len(list) == 0 {
		return nil, errors.New("there must be a user")
	}
	var problems []error
	users := map[[sha256.Size]byte]*User{}
	names := map[string]bool{}
	for i, u := range list {
		if u.Name == "" || names[u.Name] {
			problems = append(problems, fmt.Errorf("user %d needs a name of its own", i+1))
		}
		names[u.Name] = true
		hash := sha256.Sum256([]byte(u.Key))
		if u.Key == "" || users[hash] != nil {
			problems = append(problems, fmt.Errorf("user %d needs a key of its own", i+1))
		}
		if u.ID == 0 {
			u.ID = int64(i + 1)
		}
		if u.Organization == "" {
			u.Organization = "default"
		}
		u.Key = ""
		users[hash] = &u
	}
	return users, errors.Join(problems...)
}
