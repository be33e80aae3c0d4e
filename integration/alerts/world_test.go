package alerts

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// world is everything around the daemon, each part a server on loopback:
// Planet's simulator, the same that "rotatord simulator" runs, with levers for
// what others do at Planet; buckets with access control; AWS's Secrets Manager
// and a queue; and a receiver of announcements.
type world struct {
	t       *testing.T
	dir     string
	sim     *planettest.Simulator
	planet  *planettest.Server
	reset   *planettest.Server // another Planet, which resets what a PATCH leaves out
	resets  *planettest.Simulator
	s3      *buckettest.Server
	lone    *buckettest.Server // the bucket that goes away
	skewed  *httptest.Server   // before s3: says that our clock is wrong, while wrong is set
	wrong   atomic.Bool
	vault   *awstest.Server
	azure   *azuretest.Server // nil unless it is wanted
	queues  *sqstest.Server
	hook    *httptest.Server // takes announcements, unless deaf
	deaf    atomic.Bool
	judge   *judge
	lines   []string // [[destination]] tables
	webhook string   // where the daemon listens for events
	env     []string // of the daemon, beside its own
}

const apiKey = "PLAKexampleOfTheAlertTests"

var awsKey = sqstest.Key{ID: "AKIAALERTS0000000001", Secret: "canaryAlertsSecret0123456789"}

func newWorld(t *testing.T) *world {
	t.Helper()
	// Not t.TempDir: a socket's path has to be short.
	dir, err := os.MkdirTemp("", "alerts") //nolint:usetesting // see above
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	w := &world{t: t, dir: dir, s3: buckettest.NewServer(), lone: buckettest.NewServer(), webhook: free(t)}
	for _, s := range []*buckettest.Server{w.s3, w.lone} {
		must(t, s.Start())
		t.Cleanup(s.Close)
	}
	w.skewed = w.serve(w.skewing())
	w.hook = w.serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if w.deaf.Load() {
			rw.WriteHeader(http.StatusBadRequest)
		}
	}))
	own := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(own.CloseIdleConnections)
	w.judge = &judge{verifier: app.Verifier(app.BucketKinds(own), ""), refused: map[string]bool{}, unseen: map[string]bool{}}
	var users []planettest.User
	for i, name := range []string{"owner", "refused", "throttled", "down", "full", "starved", "silent"} {
		u := planettest.User{Name: name, Key: apiKey + name, ID: int64(7 + i)}
		if name == "full" {
			u.Organization = "full"
		}
		users = append(users, u)
		w.write("key-"+name, u.Key+"\n")
	}
	w.sim, w.planet = w.simulate(planettest.Options{Users: users, PerSecond: 100, Verifier: w.judge, Seed: 1,
		Deliveries: planettest.DeliveryOptions{Deliverer: w.judge, PerSecond: 100, Queue: time.Hour}})
	w.resets, w.reset = w.simulate(planettest.Options{Users: []planettest.User{{Name: "owner", Key: apiKey + "owner", ID: 7}},
		PerSecond: 100, Behaviour: planettest.Behaviour{ResetOptional: true}, Seed: 2})
	w.vault = awstest.New(awstest.Options{Keys: []awstest.Key{{ID: awsKey.ID, Secret: awsKey.Secret}}})
	must(t, w.vault.Start())
	t.Cleanup(w.vault.Close)
	w.queues = sqstest.New(sqstest.Options{Keys: []sqstest.Key{awsKey}})
	must(t, w.queues.Start())
	t.Cleanup(w.queues.Close)
	return w
}

func (w *world) simulate(o planettest.Options) (*planettest.Simulator, *planettest.Server) {
	w.t.Helper()
	sim, err := planettest.New(o)
	must(w.t, err)
	server := sim.Start()
	w.t.Cleanup(func() {
		server.Close()
		sim.Close()
	})
	return sim, server
}

func (w *world) serve(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) skewing() http.Handler {
	to, err := url.Parse(w.s3.URL())
	must(w.t, err)
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}, ErrorLog: log.New(io.Discard, "", 0)}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !w.wrong.Load() {
			pass.ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/xml")
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, `<?xml version="1.0"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>`)
	})
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write replaces a file at once.
func (w *world) write(name, text string) {
	w.t.Helper()
	must(w.t, os.WriteFile(w.path(name)+".new", []byte(text), 0o600))
	must(w.t, os.Rename(w.path(name)+".new", w.path(name)))
}

// judge is what Planet thinks of credentials: the bucket's own word, but for
// destinations that it refuses, or takes unseen.
type judge struct {
	verifier planettest.Verifier
	mu       sync.Mutex
	refused  map[string]bool
	unseen   map[string]bool
	failing  string // the destination whose deliveries fail
}

func (j *judge) set(of map[string]bool, id string, yes bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of[id] = yes
}

func (j *judge) Verify(ctx context.Context, v planettest.Verification) error {
	j.mu.Lock()
	refused, unseen := j.refused[v.DestinationID], j.unseen[v.DestinationID]
	j.mu.Unlock()
	switch {
	case refused:
		return &planettest.VerifyError{Step: planettest.StepWrite, Message: "AccessDenied: not from these addresses"}
	case unseen:
		return nil
	}
	return j.verifier.Verify(ctx, v)
}

func (j *judge) fail(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failing = id
}

func (j *judge) Deliver(_ context.Context, f planettest.File) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f.DestinationID == j.failing {
		return &planettest.DeliveryError{Code: "AccessDenied"}
	}
	return nil
}

// place is one destination with its bucket, its keys and its secret.
type place struct {
	w       *world
	id      string
	bucket  string
	server  *buckettest.Server
	newest  string // id of the newest key
	arn     string // of the secret, where it is no file
	grid    string // its name, where it is one of Azure
	file    string // of the secret
	account string
	table   string // in the configuration
}

var serial atomic.Int64

var all = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}

// spot says how a place differs from a plain one.
type spot struct {
	user     string // whose it is at Planet, and the account; "owner" if empty
	server   *buckettest.Server
	endpoint string
	shares   *place // its secret
	aws      bool   // the secret is one of AWS
	azure    string // the name of the secret, which is one of Azure
	planet   *planettest.Simulator
	lines    []string
}

func (w *world) add(name string, s spot) *place {
	w.t.Helper()
	if s.user == "" {
		s.user = "owner"
	}
	if s.server == nil {
		s.server = w.s3
	}
	if s.endpoint == "" {
		s.endpoint = s.server.URL()
	}
	if s.planet == nil {
		s.planet = w.sim
	}
	p := &place{w: w, bucket: name, server: s.server, file: "secret-" + name, account: s.user}
	s.server.CreateBucket(name)
	key, secret := p.key(all...)
	p.id = s.planet.Seed(s.user, planettest.Destination{Name: name, Type: "s3_compatible", Parameters: map[string]any{"bucket": name,
		"region": "us-east-1", "endpoint": s.endpoint, "use_path_style": true, "access_key_id": key, "secret_access_key": secret}})
	if s.planet == w.resets {
		p.account = "resetting"
	}
	switch {
	case s.shares != nil:
		p.file = s.shares.file
		s.shares.giveBoth(p)
	case s.azure != "":
		p.grid = s.azure
		w.azure.Set(azuretest.DefaultVault, s.azure, keyJSON(key, secret), azuretest.Attributes{})
	case s.aws:
		p.arn, _ = w.vault.Create("planet/"+name, awstest.Text(keyJSON(key, secret)))
	default:
		w.write(p.file, keyJSON(key, secret))
	}
	w.configure(p, s.lines)
	return p
}

// addSAS is a destination in Azure that nothing but Planet ever sees.
func (w *world) addSAS(name string, aws bool) *place {
	w.t.Helper()
	p := &place{w: w, bucket: name, file: "secret-" + name, account: "owner"}
	token := sas(time.Now().Add(30 * 24 * time.Hour))
	p.id = w.sim.Seed("owner", planettest.Destination{Name: name, Type: "azure_blob_storage",
		Parameters: map[string]any{"account": "account", "container": name, "sas_token": token}})
	w.judge.set(w.judge.unseen, p.id, true)
	if aws {
		p.arn, _ = w.vault.Create("planet/"+name, awstest.Text(`{"sas_token":"`+token+`"}`))
	} else {
		p.giveSAS(30 * 24 * time.Hour)
	}
	w.configure(p, []string{`preflight = "off"`, `check = "off"`, `probe_schedule = "off"`})
	return p
}

func sas(end time.Time) string {
	return azureblobtest.SAS([]byte("a key that signs"), azureblobtest.Values{Account: "account", Container: "c", Permissions: "rcwdl",
		Start: time.Now().Add(-48 * time.Hour), End: end})
}

func (w *world) configure(p *place, lines []string) {
	secret := "file://" + w.path(p.file)
	if p.arn != "" {
		secret = p.arn
	}
	if p.grid != "" {
		secret = "https://" + azuretest.DefaultVault + "/secrets/" + p.grid
	}
	p.table = fmt.Sprintf("[[destination]]\nname = %q\nsecret = %q\naccount = %q\n%s\n", p.id, secret, p.account, strings.Join(lines, "\n"))
	w.lines = append(w.lines, p.table)
}

func keyJSON(key, secret string) string {
	return fmt.Sprintf(`{"access_key_id":%q,"secret_access_key":%q}`, key, secret)
}

// key makes a key that may do these things in the place's bucket.
func (p *place) key(allow ...buckettest.Action) (id, secret string) {
	n := serial.Add(1)
	id, secret = fmt.Sprintf("AKIA%016d", n), fmt.Sprintf("canaryOfTheAlerts%023d", n)
	p.server.AddKey(buckettest.Key{ID: id, Secret: secret, Buckets: []string{p.bucket}, Allow: allow})
	p.newest = id
	return id, secret
}

// give puts a new key into the secret that may do these things.
func (p *place) give(allow ...buckettest.Action) {
	p.w.t.Helper()
	key, secret := p.key(allow...)
	switch {
	case p.arn != "":
		p.w.vault.Put(p.arn, awstest.Text(keyJSON(key, secret)))
	case p.grid != "":
		p.w.azure.Set(azuretest.DefaultVault, p.grid, keyJSON(key, secret), azuretest.Attributes{})
	default:
		p.w.write(p.file, keyJSON(key, secret))
	}
}

// giveBoth puts a new key into the secret that works in two buckets.
func (p *place) giveBoth(other *place) {
	p.w.t.Helper()
	n := serial.Add(1)
	key, secret := fmt.Sprintf("AKIA%016d", n), fmt.Sprintf("canaryOfTheAlerts%023d", n)
	p.server.AddKey(buckettest.Key{ID: key, Secret: secret, Buckets: []string{p.bucket, other.bucket}, Allow: all})
	p.w.write(p.file, keyJSON(key, secret))
}

// bad puts a key into the secret that the bucket does not know.
func (p *place) bad() {
	p.w.t.Helper()
	p.w.write(p.file, keyJSON(fmt.Sprintf("AKIA%016d", serial.Add(1)), "nobodyKnowsThisKey000000000000000000000"))
}

// giveSAS puts a token into the secret that ends so long from now, in a file
// that looks as if it were two days old: a credential at the end of its life.
func (p *place) giveSAS(left time.Duration) {
	p.w.t.Helper()
	name := p.w.path(p.file)
	must(p.w.t, os.WriteFile(name+".new", []byte(`{"sas_token":"`+sas(time.Now().Add(left))+`"}`), 0o600))
	old := time.Now().Add(-48 * time.Hour)
	must(p.w.t, os.Chtimes(name+".new", old, old))
	must(p.w.t, os.Rename(name+".new", name))
}

// daemon writes the configuration and gives the daemon, not started. What else it
// is to do comes as more.
func (w *world) daemon(program, name, more string) *daemon {
	w.t.Helper()
	d := &daemon{t: w.t, program: program, config: w.path(name + ".toml"), admin: free(w.t), env: []string{
		"AWS_ACCESS_KEY_ID=" + awsKey.ID, "AWS_SECRET_ACCESS_KEY=" + awsKey.Secret, "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true"}}
	d.env = append(d.env, w.env...)
	var b strings.Builder
	fmt.Fprintf(&b, "[store]\ndir = %q\n[admin]\nlisten = %q\n[files]\nsettle = \"50ms\"\n[aws]\nendpoint = %q\n", w.path("store-"+name), d.admin, w.vault.URL())
	for _, a := range []string{"owner", "refused", "throttled", "down", "full", "resetting", "starved", "silent"} {
		base, user, rate := w.planet.BaseURL, a, 50
		switch a {
		case "resetting":
			base, user = w.reset.BaseURL, "owner"
		case "starved":
			rate = 1
		}
		fmt.Fprintf(&b, "[[account]]\nname = %q\napi_key_file = %q\nbase_url = %q\nrequests_per_second = %d\nlist_interval = \"10s\"\ndependents_interval = \"1m\"\n", a, w.path("key-"+user), base, rate)
	}
	b.WriteString(`[defaults]
schedule = "@every 2s"
schedule_jitter = "0s"
probe_schedule = "@every 3s"
leftover_confirm = "1s"
check_schedule = "@every 2s"
propagation_window = "1s"
`)
	b.WriteString(more)
	b.WriteString(strings.Join(w.lines, ""))
	w.write(name+".toml", b.String())
	w.lines = nil
	w.t.Cleanup(d.kill)
	return d
}

// sources are the queues and the webhook that tell of events, and who is told.
func (w *world) sources() string {
	w.write("signing", "whsec_YWxlcnRzIGFsZXJ0cyBhbGVydHMgYWxlcnRz\n")
	return fmt.Sprintf("[gate]\ngrace = \"0s\"\n[events]\nmissed_after = \"1s\"\n"+
		"[[source.sqs]]\nname = \"queue\"\nqueue = %q\nendpoint = %q\n[[source.sqs]]\nname = \"absent\"\nqueue = %q\nendpoint = %q\nannounces = [\"arn:aws:secretsmanager:us-west-2:123456789012:secret:other/*\"]\n"+
		"[webhooks]\nlisten = %q\n[[source.webhook]]\nname = \"hook\"\nsecret_file = %q\n"+
		"[[announce.webhook]]\nname = \"ops\"\nurl = %q\nsecret_file = %q\n",
		w.queues.Queue("rotatord").URL(), w.queues.URL(), strings.Replace(w.queues.Queue("rotatord").URL(), "rotatord", "absent", 1), w.queues.URL(),
		w.webhook, w.path("signing"), w.hook.URL, w.path("signing"))
}
