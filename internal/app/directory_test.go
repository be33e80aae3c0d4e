package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
)

// asked is what Planet was asked, without the listing.
func (w *world) asked() (all []string) {
	for _, r := range w.sim.Requests() {
		if r.Method != http.MethodGet {
			all = append(all, r.Method+" "+strings.Join(slices.Concat(r.Keys, r.ParameterKeys), " "))
		}
	}
	return all
}

// directory is a world with one destination and a connection to its directory,
// and what describes a second one that can be created.
func directory(t *testing.T, opts ...option) (*world, *app.Connection, web.Create) {
	t.Helper()
	w := newWorld(t, append([]option{perSecond(50)}, opts...)...)
	fast(w)
	d := w.add("first-one", renamed)
	w.configure()
	c := w.alone()
	return w, c, web.Create{Type: "s3_compatible", NewName: "second-one", Secret: secretName("file://" + d.path),
		Location: map[string]string{"bucket": d.bucket, "region": "us-east-1", "endpoint": w.bucket.URL}, Options: map[string]bool{"use_path_style": true}}
}

type secretName = credential.Secret

// alone opens the App in this process, as a command does without a daemon.
func (w *world) alone() *app.Connection {
	w.t.Helper()
	c, err := app.Reach(context.Background(), w.options())
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, c.Close()) })
	return c
}

func refusedWith(t *testing.T, err error, words ...string) {
	t.Helper()
	var remote *app.RemoteError
	if !errors.As(err, &remote) || !remote.Refused {
		t.Fatalf("%v is no refusal", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Error("the refusal holds a secret")
	}
}

func TestADestinationIsCreatedWithTheCredentialOfASecret(t *testing.T) {
	t.Parallel()
	w, c, r := directory(t)
	made, err := c.Create(context.Background(), r)
	must(t, err)
	stored, ok := w.sim.Stored(made.Destination.ID)
	if !ok || string(stored.Credentials.Get("access_key_id").Bytes()) != w.destinations[0].newest().id || !stored.Optional["use_path_style"] {
		t.Error("planet does not hold the secret's key and the switch")
	}
	if diff := cmp.Diff([]string{"POST name type parameters bucket endpoint region use_path_style access_key_id secret_access_key"}, w.asked()); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, check := range made.Checks {
		names = append(names, check.Name+" "+string(check.Result))
	}
	if diff := cmp.Diff([]string{"name ok", "quota ok", "secret ok", "bucket ok"}, names); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(fmt.Sprintf("%+v", made), canary) {
		t.Error("the answer holds a secret")
	}
}

func TestWhatPlanetWouldRefuseIsSaidBefore(t *testing.T) {
	t.Parallel()
	w, c, good := directory(t)
	w.sim.Seed("owner", planettest.Destination{Name: "archived-one", Type: "s3_compatible", Archived: true, Parameters: map[string]any{
		"bucket": "b", "region": "r", "endpoint": "e", "access_key_id": "i", "secret_access_key": canary}})
	w.write("half", []byte(`{"access_key_id": "AKIA0000000000000000"}`))
	noDelete := w.destinations[0].makeKey(time.Time{}, buckettest.Put, buckettest.Get)
	w.write("no-delete", noDelete.json())
	for _, tt := range []struct {
		name   string
		change func(*web.Create)
		wrong  bool
		words  []string
	}{
		{"a short name", func(r *web.Create) { r.NewName = "ab" }, false, []string{`"ab" is too short`, "--name"}},
		{"a long name", func(r *web.Create) { r.NewName = strings.Repeat("x", 64) }, false, []string{"is too long"}},
		{"a name that is taken", func(r *web.Create) { r.NewName = "first-one" }, false, []string{"is that of first-one-"}},
		{"the name of an archived one", func(r *web.Create) { r.NewName = "archived-one" }, false, []string{"is that of archived-one-", "archived"}},
		{"the bucket's name is taken", func(r *web.Create) { r.NewName = "" }, false, []string{`"first-one" is that of`}},
		{"a secret that is not there", func(r *web.Create) { r.Secret = "file:///nowhere/at/all" }, false, []string{"/nowhere/at/all", "not found"}},
		{"a secret that does not fit", func(r *web.Create) { r.Secret = secretName("file://" + w.path("half")) }, false, []string{"half", "secret"}},
		{"two things at once", func(r *web.Create) { r.NewName, r.Secret = "ab", "file:///nowhere/at/all" }, false, []string{"too short", "not found"}},
		{"a key that may not delete", func(r *web.Create) { r.Secret = secretName("file://" + w.path("no-delete")) }, false, []string{"does not work on the bucket", "s3:DeleteObject"}},
		{"a bucket that can't be reached", func(r *web.Create) { r.BucketEndpoint = "http://127.0.0.1:1" }, false, []string{"could not be tried", "--preflight off"}},
		{"a type that does not exist", func(r *web.Create) { r.Type = "s3" }, true, []string{`no type "s3"`, "amazon_s3"}},
		{"parameters that are missing", func(r *web.Create) { r.Location = nil }, true, []string{"bucket, endpoint, region"}},
		{"a parameter of another type", func(r *web.Create) { r.Location["namespace"] = "n" }, true, []string{"no parameter namespace"}},
		{"an account that does not exist", func(r *web.Create) { r.Account = "nobody" }, true, []string{`no account "nobody"`, "acct"}},
		{"another place than the account's", func(r *web.Create) { r.BaseURL = "https://api.planet.com/destinations/v1" }, true, []string{"--base-url"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := good
			r.Location = map[string]string{}
			for k, v := range good.Location {
				r.Location[k] = v
			}
			tt.change(&r)
			_, err := c.Create(context.Background(), r)
			var remote *app.RemoteError
			if tt.wrong && (!errors.As(err, &remote) || !remote.Usage) {
				t.Fatalf("%v is no mistake of the caller's", err)
			}
			if !tt.wrong {
				refusedWith(t, err)
			}
			for _, word := range tt.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
	if got := w.asked(); got != nil {
		t.Errorf("planet was asked %v", got)
	}
}

func TestAFullOrganizationIsNotAskedForOneMore(t *testing.T) {
	t.Parallel()
	w, c, r := directory(t)
	for i := range app.MaxDestinations - 1 {
		w.sim.Seed("owner", planettest.Destination{Name: fmt.Sprintf("more-%02d", i), Type: "s3_compatible", Parameters: map[string]any{
			"bucket": "b", "region": "r", "endpoint": "e", "access_key_id": "i", "secret_access_key": canary}})
	}
	_, err := c.Create(context.Background(), r)
	refusedWith(t, err, "50 of the organization's 50", "--force")
	if w.asked() != nil {
		t.Error("planet was asked")
	}
	r.OverQuota = true
	_, err = c.Create(context.Background(), r)
	must(t, err) // the simulator's quota is 100
}

func TestACreateWithoutAnAnswerIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault planettest.Fault
		lost  bool // it is there
		words []string
	}{
		{"cut before it took effect", planettest.Fault{Kind: planettest.Cut}, false, []string{"not known", "may still appear", "Nothing was sent again"}},
		{"cut after it took effect", planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectNow}, true, nil},
		{"an answer that can't be read", planettest.Fault{Kind: planettest.Junk, Effect: planettest.EffectNow}, true, nil},
		{"an error after it took effect", planettest.Fault{Status: 504, Effect: planettest.EffectNow}, true, nil},
		{"an error without effect", planettest.Fault{Status: 502}, false, []string{"not known"}},
		{"a refusal", planettest.Fault{Status: 409}, false, []string{"409"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, c, r := directory(t)
			tt.fault.Method = http.MethodPost
			w.sim.Inject(tt.fault)
			made, err := c.Create(context.Background(), r)
			if tt.lost {
				must(t, err)
				if !made.AnswerLost || made.Destination.Name != r.NewName {
					t.Errorf("%+v", made)
				}
			} else {
				refusedWith(t, err, tt.words...)
			}
			if got := len(w.asked()); got != 1 {
				t.Errorf("%d requests to create", got)
			}
		})
	}
}

func TestSeveralAccountsAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50), func(o *planettest.Options) {
		o.Users = append(o.Users, planettest.User{Name: "other", Key: "PLAKother" + canary, ID: 9, Organization: "elsewhere"})
	})
	w.write("other-key", []byte("PLAKother"+canary))
	w.account = "requests_per_second = 50\n[[account]]\nname = \"other\"\nrequests_per_second = 50\napi_key_file = \"" + w.path("other-key") +
		"\"\nbase_url = \"" + w.planet.URL + "/destinations/v1\""
	d := w.add("first-one", renamed, `account = "acct"`)
	id := w.sim.Seed("other", planettest.Destination{Name: "theirs", Type: "google_cloud_storage", Parameters: map[string]any{"bucket": "b", "credentials": "e30="}})
	w.configure()
	c := w.alone()
	all, err := c.Find(context.Background(), web.Find{})
	must(t, err)
	if len(all) != 2 || all[0].Account != "acct" || all[0].Configured != d.id || all[1].Account != "other" || all[1].Configured != "" {
		t.Errorf("%+v", all)
	}
	name := "renamed"
	if _, err := c.Change(context.Background(), web.Change{Target: web.Target{Name: id}, Rename: &name}); err == nil || !strings.Contains(err.Error(), "--account: acct, other") {
		t.Errorf("an account is chosen by guess: %v", err)
	}
	changed, err := c.Change(context.Background(), web.Change{Target: web.Target{Name: id, Account: "other"}, Rename: &name})
	must(t, err)
	if changed.Destination.Name != name || changed.Destination.Account != "other" {
		t.Errorf("%+v", changed)
	}
}

func TestWhatIsNotOursIsNotChanged(t *testing.T) {
	t.Parallel()
	w, c, _ := directory(t)
	d := w.destinations[0]
	w.sim.SetCanWrite(d.id, "owner", false)
	yes := true
	_, err := c.Change(context.Background(), web.Change{Target: web.Target{Name: d.id}, Archive: &yes})
	refusedWith(t, err, "belongs to user 7", "admin")
	if w.asked() != nil {
		t.Error("planet was asked")
	}
}

// Whatever others have named their destinations, a configuration of it means
// what it says, for each type.
func TestAFirstConfigurationHoldsForEveryType(t *testing.T) {
	t.Parallel()
	var all []app.Destination
	for i, typ := range planet.Types() {
		all = append(all, app.Destination{ID: fmt.Sprintf("d-%d", i), Name: "a\n[store]\r\nb\u2028 \x1b[2J # \"", Type: string(typ), Writable: true, Mine: true,
			Location: []byte(`{"bucket":"b\n[admin]","region":"r"}`)})
	}
	all = append(all, app.Destination{ID: "new", Type: "ftp", Writable: true}, app.Destination{ID: "theirs", Type: "amazon_s3", OwnerID: 9})
	initial := app.InitialConfig(app.InitialOptions{KeyEnv: "PL_API_KEY", File: "x.toml"}, all)
	if initial.ToFill != len(planet.Types()) || initial.LeftOut != 2 {
		t.Errorf("%d to fill in, %d left out", initial.ToFill, initial.LeftOut)
	}
	env := func(string) string { return "set" }
	_, err := config.Parse("x.toml", initial.Text, env, app.SecretShapes()...)
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) != initial.ToFill {
		t.Fatalf("an unfilled configuration has the problems %v", err)
	}
	lines := strings.Split(string(initial.Text), "\n")
	for _, p := range problems {
		if !strings.HasPrefix(lines[p.Line-1], `secret = ""`) {
			t.Errorf("%s is about %q", p, lines[p.Line-1])
		}
	}
	filled := strings.ReplaceAll(string(initial.Text), "\nsecret = \"\"", "\nsecret = \"file:///run/secrets/x\"")
	cfg, err := config.Parse("x.toml", []byte(filled), env, app.SecretShapes()...)
	if err != nil {
		t.Fatal(err)
	}
	kinds := app.BucketKinds(nil)
	for i, d := range cfg.Destinations {
		typ := string(planet.Types()[slices.IndexFunc(all, func(a app.Destination) bool { return a.ID == d.Name })])
		if _, can := kinds[typ]; can != (d.Preflight == config.PreflightRequired) {
			t.Errorf("%d %s: preflight is %s", i, typ, d.Preflight)
		}
	}
}
