package integration

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/store"
)

const planetKey = "PLAKcanaryPlanetKey0123456789"

// patience is how long something may take that has to come. It decides about
// nothing but when a test that hangs is given up.
const patience = 60 * time.Second

// What Planet asks for, and what else a key may have.
var (
	planetNeeds = []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject"}
	withList    = append(slices.Clone(planetNeeds), "s3:ListBucket")
	noDelete    = []string{"s3:PutObject", "s3:GetObject"}
)

// chain is everything that a rotation goes through, each part speaking HTTP to
// the next: keys from IAM, secrets in the Secrets Manager, rotatord, Planet's
// simulator, which verifies on the gateway, and the buckets.
type chain struct {
	t         *testing.T
	dir       string
	perSecond int
	vault     *awstest.Server
	sim       *planettest.Simulator
	planet    *planettest.Server
	rotatord  *app.Connection
	places    []*place
	transport *http.Transport // of deliveries
}

// serial tells the buckets and users of all tests apart.
var serial atomic.Int64

// place is one destination with all that belongs to it.
type place struct {
	*job
	c          *chain
	id, bucket string
	lines      string // of its configuration
	first      key
	version    string // of the first key
}

// newChain makes the servers; run starts rotatord. perSecond is Planet's limit
// and rotatord's.
func newChain(t *testing.T, perSecond int) *chain {
	t.Helper()
	c := &chain{t: t, dir: t.TempDir(), perSecond: perSecond, transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(c.transport.CloseIdleConnections)
	c.vault = awstest.New(awstest.Options{Keys: []awstest.Key{jobKey, readerKey}})
	t.Cleanup(c.checkNoSecret) // once all else has ended
	must(t, c.vault.Start())
	t.Cleanup(c.vault.Close)
	own := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(own.CloseIdleConnections)
	var err error
	c.sim, err = planettest.New(planettest.Options{
		Users: []planettest.User{{Name: "owner", Key: planetKey, ID: 7}}, PerSecond: perSecond,
		Verifier: app.Verifier(app.BucketKinds(own), gateway.url),
	})
	must(t, err)
	t.Cleanup(c.sim.Close)
	c.planet = c.sim.Start()
	t.Cleanup(c.planet.Close)
	return c
}

// add makes a bucket, a user who may do these actions on it, a key, a secret
// that holds it, and a destination that holds it as well.
func (c *chain) add(name string, actions []string, lines ...string) *place {
	c.t.Helper()
	ctx := c.t.Context()
	name = fmt.Sprintf("%s-%d", name, serial.Add(1))
	_, err := gateway.root.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(name)})
	must(c.t, err)
	u, err := newUser(ctx, name)
	must(c.t, err)
	must(c.t, u.permit(ctx, name, actions...))
	p := &place{c: c, bucket: name, lines: strings.Join(lines, "\n")}
	arn, _ := c.vault.Create("planet/"+name, awstest.Value{})
	p.job = newJob(c.vault.URL(), arn, u)
	p.first, p.version, err = p.rotate(ctx)
	must(c.t, err)
	p.id = c.sim.Seed("owner", planettest.Destination{Name: name, Type: string(bucket.TypeAmazonS3), Parameters: map[string]any{
		"bucket": name, "aws_region": region, "aws_access_key_id": p.first.id, "aws_secret_access_key": p.first.secret}})
	c.places = append(c.places, p)
	return p
}

// run starts rotatord and waits until it has found every destination's first
// version good.
func (c *chain) run() {
	c.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `
[store]
dir = %q
[admin]
listen = ""
[aws]
endpoint = %q
[[account]]
name = "owner"
api_key_file = %q
base_url = %q
requests_per_second = %d
[defaults]
schedule = "off"
probe_schedule = "off"
leftover_confirm = "1s"
`, filepath.Join(c.dir, "store"), c.vault.URL(), filepath.Join(c.dir, "key"), c.planet.BaseURL, c.perSecond)
	for _, p := range c.places {
		fmt.Fprintf(&b, "[[destination]]\nname = %q\nsecret = %q\n", p.id, p.secret)
		if !strings.Contains(p.lines, "bucket_endpoint") {
			fmt.Fprintf(&b, "bucket_endpoint = %q\n", gateway.url)
		}
		b.WriteString(p.lines + "\n")
	}
	must(c.t, os.WriteFile(filepath.Join(c.dir, "key"), []byte(planetKey+"\n"), 0o600))
	file := filepath.Join(c.dir, "rotatord.toml")
	must(c.t, os.WriteFile(file, []byte(b.String()), 0o600))
	c.rotatord = startDaemon(c.t, file, filepath.Join(c.dir, "log"))
	for _, p := range c.places {
		p.await("the first version is accepted", accepted(p.version))
	}
}

// checkNoSecret searches what rotatord has left on disk, its log at the level
// of debugging among it, for every secret that there was.
func (c *chain) checkNoSecret() {
	c.t.Helper()
	secrets := map[string]string{"Planet's key": planetKey, "rotatord's key to AWS": readerKey.Secret}
	for _, p := range c.places {
		for _, k := range p.made {
			secrets["of "+k.id] = k.secret
		}
	}
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == filepath.Join(c.dir, "key") {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // a directory of this test's
		for whose, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				c.t.Errorf("the secret %s is in %s", whose, path)
			}
		}
		return err
	})
	must(c.t, err)
}

// await asks rotatord until something is so.
func (p *place) await(what string, so func(web.Status) bool) web.Status {
	p.c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		all, err := p.c.rotatord.Status(p.c.t.Context(), p.id)
		must(p.c.t, err)
		if len(all) == 1 && so(all[0]) {
			return all[0]
		}
		if time.Now().After(end) {
			p.c.t.Fatalf("waited in vain until %s: %+v", what, all)
		}
	}
}

// accepted is so once everything is well with a version.
func accepted(version string) func(web.Status) bool {
	return func(s web.Status) bool {
		return s.State == store.StateInSync && s.Accepted != nil && s.Accepted.Version == version && !s.Uncertain
	}
}

// stands is so when a version is not pushed, for a reason.
func stands(version string, state store.State, reason store.Reason) func(web.Status) bool {
	return func(s web.Status) bool {
		return s.Source != nil && s.Source.Version == version && s.State == state && s.Reason == reason
	}
}

// sync has rotatord look, as an event would.
func (p *place) sync(ctx context.Context, wait time.Duration) (web.Status, error) {
	all, err := p.c.rotatord.Sync(ctx, web.Request{Destinations: []string{p.id}, Wait: wait})
	if err != nil {
		return web.Status{}, err
	}
	return all[0], nil
}

func (p *place) look() web.Status {
	p.c.t.Helper()
	s, err := p.sync(p.c.t.Context(), 0)
	must(p.c.t, err)
	return s
}

// held is the key that Planet holds.
func (p *place) held() key {
	s, ok := p.c.sim.Stored(p.id)
	if !ok {
		return key{}
	}
	return key{string(s.Credentials.Get("aws_access_key_id").Bytes()), string(s.Credentials.Get("aws_secret_access_key").Bytes())}
}

// delivers tries what Planet does with a key day and night.
func (p *place) delivers(ctx context.Context, k key) error {
	var c credential.Parameters
	c.Set("aws_access_key_id", credential.NewValue([]byte(k.id)))
	c.Set("aws_secret_access_key", credential.NewValue([]byte(k.secret)))
	at := bucket.Location{Type: bucket.TypeAmazonS3, Bucket: p.bucket, Region: region, Endpoint: gateway.url, PathStyle: true}
	b, err := s3.Opener(s3.Options{Transport: p.c.transport})(at, c)
	if err != nil {
		return err
	}
	return b.Put(ctx, deliveryName, []byte("a scene"))
}

const deliveryName = "scene.tif"

// litter is what lies in the bucket and should not.
func (p *place) litter(ctx context.Context) ([]string, error) {
	out, err := gateway.root.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: aws.String(p.bucket)})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, o := range out.Contents {
		if k := aws.ToString(o.Key); k != deliveryName {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// check fails unless Planet holds this key, it works, and the bucket holds
// nothing but these and deliveries.
func (p *place) check(want key, litter ...string) {
	p.c.t.Helper()
	if got := p.held(); got != want {
		p.c.t.Errorf("Planet holds key %s, want %s", got.id, want.id)
	}
	must(p.c.t, p.delivers(p.c.t.Context(), p.held()))
	got, err := p.litter(p.c.t.Context())
	must(p.c.t, err)
	if !slices.Equal(got, litter) {
		p.c.t.Errorf("in the bucket: %q, want %q", got, litter)
	}
}

// patches counts the PATCHes that Planet has seen of a destination.
func (p *place) patches() (n int) {
	for _, r := range p.c.sim.Requests() {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.Path, p.id) {
			n++
		}
	}
	return n
}

func (p *place) preflightObject() string { return probe.ObjectKey("", "", p.id) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
