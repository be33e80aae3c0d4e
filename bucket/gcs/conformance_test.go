package gcs_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
	"github.com/rotatord/rotatord/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const planetData = "planet-data"

var here = bucket.Location{Type: bucket.TypeGoogleCloudStorage, Bucket: planetData}

// open opens a bucket and clears the credential at once, as callers may.
func open(t *testing.T, o gcs.Options, at bucket.Location, credentials []byte) bucket.Bucket {
	t.Helper()
	var p credential.Parameters
	p.Set("credentials", credential.NewValue(slices.Clone(credentials)))
	b, err := gcs.Opener(o)(at, p)
	if err != nil {
		t.Fatal(err)
	}
	p.Clear()
	return b
}

// world is a server with a bucket, and one key for each of the suite's names.
type world struct {
	srv  *gcstest.Server
	keys map[conformance.Who]gcstest.Key
}

func email(name string) string { return name + "@canary-project.iam.gserviceaccount.com" }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{gcstest.NewServer(), map[conformance.Who]gcstest.Key{}}
	w.srv.CreateBucket(planetData)
	const c, g, d, l = gcstest.Create, gcstest.Get, gcstest.Delete, gcstest.List
	for name, who := range map[string]struct {
		conformance.Who
		may []gcstest.Permission
	}{
		"owner":     {conformance.Owner, []gcstest.Permission{c, g, d, l}},
		"planets":   {conformance.Planets, []gcstest.Permission{c, g, d}},
		"no-put":    {conformance.NoPut, []gcstest.Permission{g, d, l}},
		"no-get":    {conformance.NoGet, []gcstest.Permission{c, d, l}},
		"no-delete": {conformance.NoDelete, []gcstest.Permission{c, g, l}},
	} {
		w.srv.Grant(email(name), planetData, who.may...)
		w.srv.Grant(email(name), "none-such", who.may...)
		w.keys[who.Who] = w.addKey(t, email(name), time.Time{})
	}
	owner := w.keys[conformance.Owner]
	w.keys[conformance.MissingBucket], w.keys[conformance.Unreachable] = owner, owner
	var err error
	if w.keys[conformance.UnknownKey], err = w.srv.ForgeKey(owner.Account, ""); err != nil {
		t.Fatal(err)
	}
	if w.keys[conformance.WrongSecret], err = w.srv.ForgeKey(owner.Account, owner.ID); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) addKey(t *testing.T, account string, from time.Time) gcstest.Key {
	t.Helper()
	k, err := w.srv.AddKey(account, from)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// canaries are pieces of everything secret: lines of the private keys, in
// clear and inside the credential's base64, tokens and statements.
func (w world) canaries() []string {
	all := []string{"ya29.", "eyJhbGciOi", "BEGIN PRIVATE", "Bearer"}
	for _, k := range w.keys {
		lines := strings.Split(string(k.JSON("x")), `\n`)
		for _, line := range lines[1:] { // after the type of the PEM block
			if len(line) == 64 {
				all = append(all, line[:16])
			}
		}
		all = append(all, string(k.Credentials("x"))[200:232])
	}
	return all
}

func (w world) harness(o gcs.Options, at, nowhere bucket.Location, nowhereToken string) conformance.Harness {
	var mu sync.Mutex
	var opened conformance.Who
	return conformance.Harness{
		Open: func(t *testing.T, who conformance.Who) bucket.Bucket {
			mu.Lock()
			defer mu.Unlock()
			opened = who
			to, tokens := at, w.srv.TokenURL()
			switch who {
			case conformance.MissingBucket:
				to.Bucket = "none-such"
			case conformance.Unreachable:
				to, tokens = nowhere, nowhereToken
			}
			return open(t, o, to, w.keys[who].Credentials(tokens))
		},
		Store: func(t *testing.T, key string, body []byte) {
			mu.Lock()
			defer mu.Unlock()
			if opened == conformance.NoDelete {
				// At Google this key may not replace what is there, which has a test of
				// its own. The object that the suite has it read is the one it puts.
				return
			}
			if err := w.srv.PutObject(planetData, key, body); err != nil {
				t.Fatal(err)
			}
		},
		Objects:    func(*testing.T) []string { return w.srv.Objects(planetData) },
		Versioning: func(_ *testing.T, on bool) { w.srv.Set(planetData, gcstest.Settings{Versioning: on}) },
		Permissions: map[bucket.Op]string{
			bucket.OpPut: "storage.objects.create", bucket.OpGet: "storage.objects.get", bucket.OpDelete: "storage.objects.delete",
			bucket.OpList: "storage.objects.list",
		},
		HiddenMissing: bucket.KindDenied,
		Canaries:      w.canaries(),
	}
}

func TestConformanceOverTheNetwork(t *testing.T) {
	w := newWorld(t)
	if err := w.srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.srv.Close()
	gone := gcstest.NewServer()
	if err := gone.Start(); err != nil {
		t.Fatal(err)
	}
	nowhere, nowhereToken := here.WithEndpoint(gone.URL()), gone.TokenURL()
	gone.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	conformance.Test(t, w.harness(gcs.Options{Transport: transport}, here.WithEndpoint(w.srv.URL()), nowhere, nowhereToken))
}

// down answers as a dead server for one host and hands on all others.
type down struct {
	host string
	next http.RoundTripper
	dead http.RoundTripper
}

func (d down) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == d.host {
		return d.dead.RoundTrip(r)
	}
	return d.next.RoundTrip(r)
}

func TestConformanceAtGooglesOwnHosts(t *testing.T) {
	for name, tell := range map[string]bool{"missing objects are hidden": false, "missing objects are told": true} {
		t.Run(name, func(t *testing.T) {
			w, dead := newWorld(t), gcstest.NewServer()
			dead.SetDown(true)
			w.srv.TellMissing(tell)
			transport := down{"dead.test", w.srv.RoundTripper(), dead.RoundTripper()}
			h := w.harness(gcs.Options{Transport: transport}, here, here.WithEndpoint("https://dead.test"), "https://dead.test/token")
			if tell {
				h.HiddenMissing = bucket.KindNotFound
			}
			conformance.Test(t, h)
			for _, r := range w.srv.Requests() {
				if r.Method == http.MethodHead || r.Op == "" {
					t.Errorf("a %s for %q was sent", r.Method, r.Op)
				}
			}
		})
	}
}
