package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/rotatord/rotatord/planet/planettest"
)

// SimulatorOptions say how a simulator begins. Only Listen must be given.
type SimulatorOptions struct {
	// Listen is host:port; port 0 picks a free one.
	Listen string
	// UsersFile names a JSON file of users with their keys;
	// APIKey is the key of one user, "simulator". With neither, one is drawn.
	UsersFile string
	APIKey    string
	// BucketEndpoints are where buckets are reached instead of their clouds: a
	// URL, for those of amazon_s3 and oracle_cloud_storage, or TYPE=URL.
	BucketEndpoints []string
	// AcceptAll takes every credential, has every delivery succeed, and touches
	// no bucket.
	AcceptAll bool
	// PerSecond is the rate limit of each user; 0 means 3. FixedWindow counts
	// by seconds of the clock instead of the second before each request.
	PerSecond   int
	FixedWindow bool
	// Switches, Faults and Deliveries are "name=value" as the functions of these
	// names list them; a switch that is on or off may stand without a value.
	Switches, Faults, Deliveries []string
	// Seed fixes ids and faults.
	Seed int64
	// Started is called once it listens.
	Started func(SimulatorStarted)
	// Request is called after each request, by the goroutine that served it.
	Request func(SimulatorRequest)
	// Delivery is called after each delivery that has ended, by the goroutine
	// that carried it out; requests and other deliveries may end meanwhile.
	Delivery func(SimulatorDelivery)
	// Stopped is called once it has ended and nothing is under way any more.
	Stopped func(SimulatorStopped)
}

// SimulatorStarted is what a client needs to know of a simulator.
type SimulatorStarted struct {
	BaseURL string
	// Key is the API key that was drawn; empty when keys were given. It opens
	// nothing but this simulator.
	Key string
	// Loopback tells whether only this machine can reach it.
	Loopback bool
}

// SimulatorRequest is what became of one request. Nothing in it is a secret.
type SimulatorRequest = planettest.Request

// SimulatorDelivery is what became of one delivery. Nothing in it is a secret.
type SimulatorDelivery = planettest.Delivery

// SimulatorStopped is the figure that matters: how many deliveries arrived and
// how many did not. Dropped ones were under way at the end.
type SimulatorStopped struct{ Arrived, Failed, Dropped int }

// OptionsError is a wrong option, as opposed to something that went wrong.
type OptionsError struct{ Err error }

func (e *OptionsError) Error() string { return e.Err.Error() }
func (e *OptionsError) Unwrap() error { return e.Err }

// RunSimulator serves Planet's Destinations API, and as much of Orders and
// Subscriptions as delivers to destinations, until ctx ends, and waits for all
// that it started. An [*OptionsError] means that it did not begin.
func RunSimulator(ctx context.Context, o SimulatorOptions) error {
	po, drawn, err := o.build()
	if err != nil {
		return &OptionsError{err}
	}
	sim, err := planettest.New(po)
	if err != nil {
		return &OptionsError{err}
	}
	defer sim.Close()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("open the simulator's port: %w; --listen takes another one, and 127.0.0.1:0 any that is free", err)
	}
	server := sim.StartOn(l)
	defer o.stop(sim, server)
	if o.Started != nil {
		at, tcp := l.Addr().(*net.TCPAddr)
		o.Started(SimulatorStarted{BaseURL: server.BaseURL, Key: drawn, Loopback: tcp && at.IP.IsLoopback()})
	}
	<-ctx.Done()
	return nil
}

// stop takes the simulator down, and tells what it has delivered.
func (o SimulatorOptions) stop(sim *planettest.Simulator, server *planettest.Server) {
	server.Close()
	dropped := sim.UnderWay()
	sim.Close()
	if o.Stopped != nil {
		ok, failed := sim.Delivered()
		o.Stopped(SimulatorStopped{Arrived: ok, Failed: failed, Dropped: dropped})
	}
}

func (o SimulatorOptions) build() (po planettest.Options, drawn string, err error) {
	po = planettest.Options{PerSecond: o.PerSecond, Seed: o.Seed, OnRequest: o.Request, OnDelivery: o.Delivery}
	if o.FixedWindow {
		po.Window = planettest.Fixed
	}
	endpoint, err := readEndpoints(o.BucketEndpoints)
	if err != nil {
		return po, "", err
	}
	if !o.AcceptAll {
		b := &simulated{BucketKinds(nil), endpoint}
		po.Verifier, po.Deliveries.Deliverer = b, b
	}
	switch {
	case o.UsersFile != "":
		if po.Users, err = readUsers(o.UsersFile); err != nil {
			return po, "", err
		}
	case o.APIKey != "":
		po.Users = []planettest.User{{Name: "simulator", Key: o.APIKey, Admin: true}}
	default:
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			return po, "", fmt.Errorf("draw an API key: %w", err)
		}
		drawn = "simulated-" + hex.EncodeToString(b[:])
		po.Users = []planettest.User{{Name: "simulator", Key: drawn, Admin: true}}
	}
	if err := setSwitches(&po.Behaviour, behaviourSwitches, o.Switches); err != nil {
		return po, "", err
	}
	if err := setSwitches(&po.Deliveries, deliverySwitches, o.Deliveries); err != nil {
		return po, "", err
	}
	return po, drawn, setSwitches(&po.Faults, faultSwitches, o.Faults)
}

// maxUsersFile bounds a file of users.
const maxUsersFile = 1 << 20

// readUsers reads a JSON array of {"name", "key", "id", "organization",
// "admin"}, of which the first two must be there. No error quotes the file.
func readUsers(path string) ([]planettest.User, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	if info.Size() > maxUsersFile {
		return nil, fmt.Errorf("read users: %s is larger than 1 MiB", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	defer clear(data)
	var in []struct {
		Name, Key    string
		ID           int64
		Organization string
		Admin        bool
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf(`read users: %s is not a JSON array like [{"name": "ada", "key": "…", "admin": true}]`, path)
	}
	users := make([]planettest.User, 0, len(in))
	for _, u := range in {
		users = append(users, planettest.User{Name: u.Name, Key: u.Key, ID: u.ID, Organization: u.Organization, Admin: u.Admin})
	}
	if len(users) == 0 {
		return nil, errors.New("read users: " + path + " names none")
	}
	return users, nil
}
