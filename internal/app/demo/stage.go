package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
)

const (
	configName = "rotatord.toml"
	apiKey     = "demo-key-of-nobody"
	bucketName = "deliveries"
)

// names are the destinations of the demo. The last one has preflight off, so
// that something can slip through.
var names = []string{"imagery", "basemaps", "elevation", "alerts", "archive", "unguarded"}

// stage is everything that stands while the demo plays.
type stage struct {
	Options
	dir     string
	begun   time.Time
	buckets *buckettest.Server
	sim     *planettest.Simulator
	planet  *planettest.Server
	app     *app.App
	client  *web.Client
	ids     map[string]string // name → id
	keys    map[string]key    // name → the key in its secret now
	serial  int

	stop context.CancelFunc
	done chan error
	told sync.WaitGroup // the narrator

	mu     sync.Mutex
	missed int // statements that were not true
	made   int // statements
}

// key is an access key of the demo's bucket server.
type key struct{ id, secret string }

// setUp builds the world and starts the daemon in it.
func setUp(ctx context.Context, dir string, o Options) (s *stage, err error) {
	s = &stage{Options: o, dir: dir, begun: time.Now(), ids: map[string]string{}, keys: map[string]key{}, done: make(chan error, 1)}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	s.buckets = buckettest.NewServer()
	if err := s.buckets.Start(); err != nil {
		return nil, fmt.Errorf("start the bucket server: %w", err)
	}
	s.buckets.CreateBucket(bucketName)
	s.sim, err = planettest.New(planettest.Options{
		Users:     []planettest.User{{Name: "demo", Key: apiKey, ID: 7, Organization: "demo", Admin: true}},
		Verifier:  app.Verifier(app.BucketKinds(nil), ""),
		OnRequest: s.onRequest,
	})
	if err != nil {
		return nil, err
	}
	s.planet = s.sim.Start()
	for _, name := range names {
		if err := s.addDestination(name); err != nil {
			return nil, err
		}
	}
	return s, s.startDaemon(ctx)
}

// addDestination makes a destination that holds a working key, and a secret
// file with the same key.
func (s *stage) addDestination(name string) error {
	k := s.newKey(0, buckettest.Put, buckettest.Get, buckettest.Delete)
	s.ids[name] = s.sim.Seed("demo", planettest.Destination{Name: name, Type: bucket.TypeS3Compatible, Parameters: map[string]any{
		"bucket": bucketName, "region": "us-east-1", "endpoint": s.buckets.URL(), "use_path_style": true,
		"access_key_id": k.id, "secret_access_key": k.secret,
	}})
	return s.putSecret(name, k)
}

// newKey makes a key that the bucket server will know after a while.
func (s *stage) newKey(after time.Duration, allow ...buckettest.Action) key {
	s.serial++
	k := key{id: fmt.Sprintf("DEMOKEY%013d", s.serial), secret: fmt.Sprintf("demo-secret-%028d", s.serial)}
	s.buckets.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: []string{bucketName}, Allow: allow, From: time.Now().Add(after)})
	return k
}

func (s *stage) secretPath(name string) string { return filepath.Join(s.dir, "secrets", name+".json") }

// putSecret replaces a secret file as a secret manager's agent does: a new
// file, renamed into place.
func (s *stage) putSecret(name string, k key) error {
	path := s.secretPath(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf(`{"access_key_id": %q, "secret_access_key": %q}`, k.id, k.secret)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	s.keys[name] = k
	return os.Rename(path+".new", path)
}

// configText is the configuration file, as a person would write it but for
// the times, which are those of a demo.
func (s *stage) configText() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The configuration of the demo. Real ones need less: the times below are short
# so that the demo is, and base_url is where Planet is simulated.
[store]
dir = %q

[admin]
listen = "127.0.0.1:0"

[[account]]
api_key_file = %q
base_url = %q

[defaults]
propagation_window = "5s"
leftover_confirm = "1s"
verification_max = "10s"
`, filepath.Join(s.dir, "store"), filepath.Join(s.dir, "planet-api-key"), s.planet.BaseURL)
	for _, name := range names {
		fmt.Fprintf(&b, "\n[[destination]]\nname = %q\nsecret = %q\n", s.ids[name], "file://"+s.secretPath(name))
		if name == "unguarded" {
			b.WriteString("preflight = \"off\" # to show what it is good for\n")
		}
	}
	return b.String()
}

func (s *stage) startDaemon(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(s.dir, "planet-api-key"), []byte(apiKey+"\n"), 0o600); err != nil {
		return err
	}
	path := filepath.Join(s.dir, configName)
	if err := os.WriteFile(path, []byte(s.configText()), 0o600); err != nil {
		return err
	}
	cfg, err := config.Load(path, os.Getenv, app.SecretShapes()...)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "rotatord.log"))
	if err != nil {
		return err
	}
	s.app, err = app.Open(ctx, app.Options{Config: cfg, Version: s.Version, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.client = &web.Client{Transport: web.Direct(s.app.API())}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		err := s.app.Run(run)
		s.done <- errors.Join(err, s.app.Close(), log.Close())
	}()
	select {
	case <-s.app.Ready():
		s.told.Go(func() { s.narrate(run) })
		return nil
	case err := <-s.done:
		s.done <- err
		return fmt.Errorf("start the daemon: %w", err)
	}
}

// close takes everything down in reverse order.
func (s *stage) close() error {
	var err error
	if s.stop != nil {
		s.stop()
		s.told.Wait()
		err = <-s.done
	}
	if s.planet != nil {
		s.planet.Close()
	}
	if s.sim != nil {
		s.sim.Close()
	}
	if s.buckets != nil {
		s.buckets.Close()
	}
	return err
}

// status asks the daemon how a destination stands.
func (s *stage) status(ctx context.Context, name string) (web.Status, error) {
	all, err := s.client.Status(ctx)
	if err != nil {
		return web.Status{}, err
	}
	for _, st := range all {
		if st.Destination == s.ids[name] {
			return st, nil
		}
	}
	return web.Status{}, fmt.Errorf("the daemon does not know %s", name)
}

// holds tells whether Planet holds a key for a destination.
func (s *stage) holds(name string, k key) bool {
	st, ok := s.sim.Stored(s.ids[name])
	return ok && string(st.Credentials.Get("access_key_id").Bytes()) == k.id
}

// delivers tells whether a delivery to a destination would succeed now: what
// Planet holds works on the bucket.
func (s *stage) delivers(name string) bool {
	st, ok := s.sim.Stored(s.ids[name])
	return ok && s.buckets.Works(string(st.Credentials.Get("access_key_id").Bytes()),
		string(st.Credentials.Get("secret_access_key").Bytes()), bucketName)
}

// metrics fetches /metrics over HTTP, as Prometheus would.
func (s *stage) metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.app.AdminURL()+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
