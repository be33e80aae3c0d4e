package planettest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

// keyring is a bucket that knows which access keys work.
type keyring struct {
	mu    sync.Mutex
	works map[string]bool
	wrote []string // "key object"
}

func newKeyring(keys ...string) *keyring {
	k := &keyring{works: map[string]bool{}}
	for _, key := range keys {
		k.works[key] = true
	}
	return k
}

func (k *keyring) set(key string, works bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.works[key] = works
}

func (k *keyring) Deliver(_ context.Context, f planettest.File) error {
	var p struct {
		ID string `json:"aws_access_key_id"`
	}
	if err := json.Unmarshal(f.Parameters, &p); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.works[p.ID] {
		return &planettest.DeliveryError{Code: "InvalidAccessKeyId"}
	}
	k.wrote = append(k.wrote, p.ID+" "+f.Object)
	return nil
}

// item makes a request below the APIs that are not the Destinations API.
func item(t testing.TB, sim *planettest.Simulator, user, method, path, body string) answer {
	t.Helper()
	a, err := over(t.Context(), sim.RoundTripper(), "http://planet.test"+path, user, method, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func pl(id string) string     { return "pl:destinations/" + id }
func suffix(id string) string { return pl(id[strings.LastIndexByte(id, '-')+1:]) }

// The figure that matters, computed by hand: a subscription delivers each full
// minute and holds its credential for 30 seconds, writing at their end.
func TestFailedDeliveriesAreThoseThatAHandWouldCount(t *testing.T) {
	at := func(minute, second int) time.Duration {
		return time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	}
	type step struct {
		at time.Duration
		do string
	}
	for _, tc := range []struct {
		name       string
		steps      []step
		ok, failed int // by 10:45, after the starts of minutes 1 to 10
		options    planettest.Subscription
	}{
		{"nothing happens", nil, 10, 0, planettest.Subscription{}},
		{"rotated, the old key stays", []step{{at(2, 10), "patch"}}, 10, 0, planettest.Subscription{}},
		{"rotated, the old key revoked while a delivery holds it", []step{{at(2, 10), "patch"}, {at(2, 20), "revoke"}}, 9, 1, planettest.Subscription{}},
		{"rotated, the old key revoked once it was written", []step{{at(2, 10), "patch"}, {at(2, 40), "revoke"}}, 10, 0, planettest.Subscription{}},
		{"rotated between two deliveries, revoked at once", []step{{at(2, 45), "patch"}, {at(2, 46), "revoke"}}, 10, 0, planettest.Subscription{}},
		{"revoked and not rotated", []step{{at(2, 20), "revoke"}}, 1, 9, planettest.Subscription{}},
		{"revoked first and rotated three minutes later", []step{{at(2, 20), "revoke"}, {at(5, 20), "patch"}}, 6, 4, planettest.Subscription{}},
		{"the new key not yet known", []step{{at(2, 10), "forget new"}, {at(2, 11), "patch"}, {at(4, 10), "learn new"}}, 9, 1, planettest.Subscription{}},
		{"held for longer than the interval", []step{{at(2, 10), "patch"}, {at(2, 20), "revoke"}}, 6, 2, planettest.Subscription{Hold: at(2, 30)}},
		{"two files, the first at once", []step{{at(2, 10), "patch"}, {at(2, 20), "revoke"}}, 9, 1, planettest.Subscription{Files: 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := newKeyring("old-id", "new")
				var told []planettest.Delivery // one after the other, with a minute between
				sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{
					Deliverer: bucket, Interval: time.Minute, Hold: 30 * time.Second,
				}, OnDelivery: func(d planettest.Delivery) { told = append(told, d) }})
				id := sim.Seed("ada", s3("demo"))
				sub := sim.Subscribe("ada", pl(id), tc.options)
				begin := time.Now()
				for _, s := range tc.steps {
					time.Sleep(time.Until(begin.Add(s.at)))
					switch s.do {
					case "patch":
						send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
					case "revoke":
						bucket.set("old-id", false)
					case "forget new":
						bucket.set("new", false)
					case "learn new":
						bucket.set("new", true)
					}
				}
				time.Sleep(time.Until(begin.Add(at(10, 45))))
				synctest.Wait()
				ok, failed := sim.Delivered()
				if ok != tc.ok || failed != tc.failed {
					t.Errorf("%d arrived and %d failed, want %d and %d", ok, failed, tc.ok, tc.failed)
				}
				if diff := cmp.Diff(sim.Deliveries(), told); diff != "" {
					t.Errorf("what was told is not what is recorded:\n%s", diff)
				}
				for i, d := range sim.Deliveries() {
					if d.Number != i+1 || d.OK != (d.Error == "") || d.Object != sub+"/"+d.Result+"/file-1.json" || d.Subscription != sub || d.Destination != id || d.Ref != pl(id) || d.User != "ada" {
						t.Errorf("the record is %+v", d)
					}
					if d.Started.Sub(begin)%time.Minute != 0 {
						t.Errorf("a delivery started at %v", d.Started.Sub(begin))
					}
					key := "old-id"
					if d.Started.After(patched(sim)) {
						key = "new"
					}
					if d.Fingerprints["aws_access_key_id"] != sim.Fingerprint([]byte(key)) {
						t.Errorf("the delivery of %v did not use %s", d.Started.Sub(begin), key)
					}
				}
				results := item(t, sim, "ada", "GET", "/subscriptions/v1/"+sub+"/results?status=failed", "").want200(t)
				if got := len(results.items("results")); got != failed {
					t.Errorf("%d results have failed, want %d", got, failed)
				}
			})
		})
	}
}

// patched is when the credential was replaced; the far future if it never was.
func patched(sim *planettest.Simulator) time.Time {
	for _, r := range sim.Requests() {
		if r.Method == "PATCH" {
			return r.Effect
		}
	}
	return time.Now().Add(time.Hour)
}

func (a answer) want200(t testing.TB) answer {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("status %d, body %s", a.status, a.raw)
	}
	return a
}

func (a answer) items(key string) []map[string]any {
	var out []map[string]any
	list, _ := a.body[key].([]any)
	for _, i := range list {
		fields, _ := i.(map[string]any)
		out = append(out, fields)
	}
	return out
}

func TestAnOrderEndsAsItsFilesDo(t *testing.T) {
	const told = "Delivery to the destination failed: InvalidAccessKeyId"
	for _, tc := range []struct {
		name           string
		revoke         time.Duration // after the start; negative is never
		hide           bool
		state, message string
		hints          []any
		written        int
	}{
		{"all written", -1, false, "success", "Manifest delivery completed", []any{}, 3},
		{"none written", 0, false, "failed", told, []any{"InvalidAccessKeyId"}, 0},
		{"one written", 5 * time.Second, false, "partial", told, []any{"InvalidAccessKeyId"}, 1},
		{"two written", 15 * time.Second, false, "partial", told, []any{"InvalidAccessKeyId"}, 2},
		{"none written, and nothing said", 0, true, "failed", "Delivery failed", []any{}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bucket := newKeyring("old-id")
				sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{
					Deliverer: bucket, Files: 3, Hold: 20 * time.Second, Queue: time.Minute, HideCause: tc.hide,
				}})
				id := sim.Seed("ada", s3("demo"))
				made := item(t, sim, "ada", "POST", "/compute/ops/orders/v2",
					`{"name":"scenes","products":[{"item_ids":["a"]}],"delivery":{"destination":{"ref":"`+suffix(id)+`","path_prefix":"p/"}}}`)
				order := made.text("id")
				if made.status != 202 || made.text("state") != "queued" {
					t.Fatalf("%d %s", made.status, made.raw)
				}
				get := func() answer { return item(t, sim, "ada", "GET", "/compute/ops/orders/v2/"+order, "").want200(t) }
				time.Sleep(time.Minute - time.Second)
				if tc.revoke == 0 {
					bucket.set("old-id", false)
				}
				if got := get().text("state"); got != "queued" || sim.UnderWay() != 0 {
					t.Errorf("after 59 s it is %s with %d under way", got, sim.UnderWay())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := get().text("state"); got != "running" || sim.UnderWay() != 1 {
					t.Errorf("after 60 s it is %s with %d under way", got, sim.UnderWay())
				}
				if tc.revoke > 0 {
					time.Sleep(tc.revoke)
					bucket.set("old-id", false)
				}
				time.Sleep(21 * time.Second)
				synctest.Wait()
				got := get()
				if diff := cmp.Diff([]any{tc.state, tc.message, tc.hints}, []any{got.text("state"), got.text("last_message"), got.body["error_hints"]}); diff != "" {
					t.Error(diff)
				}
				d := sim.Deliveries()
				if len(d) != 1 || d[0].Order != order || d[0].Files != 3 || d[0].Written != tc.written || d[0].At.Sub(d[0].Started) != 20*time.Second || sim.UnderWay() != 0 {
					t.Errorf("the record is %+v", d)
				}
				for i, w := range bucket.wrote {
					if want := fmt.Sprintf("old-id p/%s/file-%d.json", order, i+1); w != want {
						t.Errorf("wrote %s, want %s", w, want)
					}
				}
			})
		})
	}
}

// The default is looked up at each delivery, archived destinations go on, and
// what is gone fails.
func TestAReferenceLeadsWhereItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := newKeyring("old-id")
		sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{RenameChangesID: true},
			Deliveries: planettest.DeliveryOptions{Deliverer: bucket, Interval: time.Minute, PerSecond: 1000}})
		first := s3("first")
		first.Default = true
		one, two := sim.Seed("ada", first), sim.Seed("ada", s3("second"))
		byDefault := sim.Subscribe("ada", "pl:destinations/default", planettest.Subscription{})
		byID := sim.Subscribe("ada", pl(one), planettest.Subscription{})
		where := func() map[string]string {
			time.Sleep(time.Minute)
			synctest.Wait()
			got := map[string]string{}
			for _, d := range sim.Deliveries() {
				got[d.Subscription] = d.Destination + d.Error // the last counts
			}
			return got
		}
		check := func(what, wantDefault, wantID string) {
			t.Helper()
			if diff := cmp.Diff(map[string]string{byDefault: wantDefault, byID: wantID}, where()); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
		check("at first", one, one)
		send(t, sim, "root", "PUT", "/default", `{"destination_id":"`+two+`"}`).want(t, 200)
		check("after another became the default", two, one)
		sim.Archive(one, true)
		check("after it was archived", two, one)
		renamed := sim.Rename(one, "renamed")
		check("after it was renamed", two, renamed)
		send(t, sim, "root", "DELETE", "/default", "").want(t, 204)
		check("without a default", "NoDestination", renamed)
		sim.Remove(renamed)
		check("once it is gone", "NoDestination", "NoDestination")

		sim.Archive(two, true)
		for name, body := range map[string]string{
			"archived":           pl(two),
			"archived, by short": suffix(two),
			"gone":               pl(one),
			"no default":         "pl:destinations/default",
			"not a reference":    two,
		} {
			if got := item(t, sim, "ada", "POST", "/compute/ops/orders/v2", `{"name":"x","delivery":{"destination":{"ref":"`+body+`"}}}`); got.status != 400 {
				t.Errorf("an order for %s: %d", name, got.status)
			}
			if got := item(t, sim, "ada", "POST", "/subscriptions/v1", `{"name":"x","delivery":{"type":"destination","parameters":{"ref":"`+body+`"}}}`); got.status != 400 {
				t.Errorf("a subscription for %s: %d", name, got.status)
			}
		}
	})
}

func TestOrdersAndSubscriptionsHavePlanetsForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{Deliverer: newKeyring(), Interval: time.Minute, PerSecond: 1000, Queue: time.Hour}})
		id := sim.Seed("ada", s3("demo"))
		sub := item(t, sim, "ada", "POST", "/subscriptions/v1/", `{"name":"s","source":{"x":1},"delivery":{"type":"destination","parameters":{"ref":"`+pl(id)+`"}}}`).want200(t)
		begin := time.Now()
		for i := range 5 {
			sim.Order("ada", pl(id), planettest.Order{Name: fmt.Sprint("o", i)})
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		stamp := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000Z") }
		if diff := cmp.Diff(map[string]any{
			"_links": map[string]any{
				"_self":   "http://planet.test/subscriptions/v1/" + sub.text("id"),
				"results": "http://planet.test/subscriptions/v1/" + sub.text("id") + "/results",
			},
			"created": stamp(begin), "updated": stamp(begin), "id": sub.text("id"), "name": "s", "status": "running",
			"delivery": map[string]any{"type": "destination", "parameters": map[string]any{"ref": pl(id)}},
		}, sub.body); diff != "" {
			t.Error(diff)
		}
		results := item(t, sim, "ada", "GET", "/subscriptions/v1/"+sub.text("id")+"/results?updated="+begin.Add(90*time.Second).UTC().Format(time.RFC3339)+"/..&status=failed", "").want200(t).items("results")
		if len(results) != 4 {
			t.Fatalf("%d results since minute 1.5, want those of minutes 2 to 5", len(results))
		}
		fifth := stamp(begin.Add(5 * time.Minute))
		if diff := cmp.Diff(map[string]any{
			"id": results[0]["id"], "status": "failed", "created": fifth, "updated": fifth, "completed": fifth,
			"errors": map[string]any{"delivery": []any{"Delivery to the destination failed: InvalidAccessKeyId"}},
		}, results[0]); diff != "" {
			t.Error(diff)
		}

		// Two a page, newest first.
		path, names := "/compute/ops/orders/v2?page_size=2&state=queued&destination_ref="+pl(id), ""
		for path != "" {
			page := item(t, sim, "ada", "GET", path, "").want200(t)
			for _, o := range page.items("orders") {
				names += fmt.Sprint(o["name"], " ")
			}
			links, _ := page.body["_links"].(map[string]any)
			next, _ := links["next"].(string)
			path = strings.TrimPrefix(next, "http://planet.test")
			names += "| "
		}
		if names != "o4 o3 | o2 o1 | o0 | " {
			t.Errorf("the pages are %s", names)
		}
		for user, want := range map[string]int{"bob": 0, "root": 0, "eve": 0, "ada": 5} {
			if got := len(item(t, sim, user, "GET", "/compute/ops/orders/v2", "").want200(t).items("orders")); got != want {
				t.Errorf("%s sees %d orders", user, got)
			}
		}
		if got := len(item(t, sim, "root", "GET", "/compute/ops/orders/v2?user_id=all", "").want200(t).items("orders")); got != 5 {
			t.Errorf("an admin who asks for all sees %d", got)
		}
		item(t, sim, "ada", "POST", "/subscriptions/v1/"+sub.text("id")+"/cancel", "").want200(t)
		before := len(sim.Deliveries())
		time.Sleep(time.Hour)
		if got := item(t, sim, "ada", "GET", "/subscriptions/v1/"+sub.text("id"), "").text("status"); got != "cancelled" {
			t.Errorf("it is %s", got)
		}
		for _, d := range sim.Deliveries()[before:] {
			if d.Subscription != "" {
				t.Error("a cancelled subscription delivers")
			}
		}
	})
}

func TestRefusalsHaveTheFormOfTheirAPI(t *testing.T) {
	sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 1000}})
	id := sim.Seed("ada", s3("demo"))
	sub := sim.Subscribe("ada", pl(id), planettest.Subscription{})
	const orders, subs = "/compute/ops/orders/v2", "/subscriptions/v1"
	for _, tc := range []struct {
		user, method, path, body string
		status                   int
	}{
		{"", "GET", orders, "", 401},
		{"", "GET", subs, "", 401},
		{"ada", "DELETE", orders, "", 405},
		{"ada", "GET", orders + "?state=lost", "", 400},
		{"ada", "GET", orders + "?last_modified=soon", "", 400},
		{"ada", "GET", orders + "?page=-1", "", 400},
		{"ada", "GET", orders + "?user_id=all", "", 403},
		{"ada", "GET", orders + "/none", "", 404},
		{"ada", "POST", orders, "", 400},
		{"ada", "POST", orders, `{"name":"x"}`, 400},
		{"ada", "POST", orders, `{"name":"x","delivery":{"amazon_s3":{}}}`, 400},
		{"ada", "POST", orders, `{"name":"x","delivery":{"destination":{"ref":"` + pl(id) + `","key":"y"}}}`, 400},
		{"ada", "GET", subs + "?status=queued", "", 400},
		{"ada", "GET", subs + "/none", "", 404},
		{"bob", "GET", subs + "/" + sub, "", 404},
		{"bob", "GET", subs + "/" + sub + "/results", "", 404},
		{"bob", "POST", subs + "/" + sub + "/cancel", "", 404},
		{"ada", "GET", subs + "/" + sub + "/secrets", "", 404},
		{"ada", "GET", subs + "/" + sub + "/results?status=lost", "", 400},
		{"ada", "POST", subs, `{"name":"x","delivery":{"type":"amazon_s3","parameters":{}}}`, 400},
		{"ada", "POST", subs, `{"name":"x","delivery":{"type":"destination","parameters":{}}}`, 400},
	} {
		got := item(t, sim, tc.user, tc.method, tc.path, tc.body)
		inner, _ := got.body["error"].(map[string]any)
		form := inner["reason"] != nil && inner["details"] != nil
		if strings.HasPrefix(tc.path, orders) {
			general := got.items("general")
			form = len(general) == 1 && general[0]["message"] != ""
		}
		if got.status != tc.status || !form {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, got.status, got.raw)
		}
	}
}

func TestEachAPICountsItsOwnRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{PerSecond: 3})
		paths := []string{"/destinations/v1", "/compute/ops/orders/v2", "/subscriptions/v1"}
		for range 3 {
			for _, path := range paths {
				item(t, sim, "ada", "GET", path, "").want200(t)
			}
		}
		if got := sim.MaxInWindow(time.Second); got != 3 {
			t.Errorf("at most %d requests to one API in a second, want 3", got)
		}
		for _, path := range paths {
			if got := item(t, sim, "ada", "GET", path, ""); got.status != 429 || got.header.Get("Retry-After") != "1" {
				t.Errorf("the fourth for %s: %d", path, got.status)
			}
			item(t, sim, "bob", "GET", path, "").want200(t)
		}
		time.Sleep(time.Second)
		for _, path := range paths {
			item(t, sim, "ada", "GET", path, "").want200(t)
		}
	})
}

// The same seed, the same moments; another one, others; each within its minute.
func TestTheClockIsTheSeeds(t *testing.T) {
	run := func(seed int64) (offsets []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			sim := newSim(t, planettest.Options{Seed: seed, Deliveries: planettest.DeliveryOptions{Interval: time.Minute, Jitter: 59 * time.Second}})
			id := sim.Seed("ada", s3("demo"))
			sim.Subscribe("ada", pl(id), planettest.Subscription{})
			begin := time.Now()
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			for i, d := range sim.Deliveries() {
				at := d.Started.Sub(begin) - time.Duration(i+1)*time.Minute
				if at < 0 || at >= 59*time.Second {
					t.Errorf("delivery %d is %v late", i+1, at)
				}
				offsets = append(offsets, at)
			}
		})
		return offsets
	}
	first, again, other := run(7), run(7), run(8)
	if len(first) < 19 || !cmp.Equal(first, again) || cmp.Equal(first, other) {
		t.Errorf("seeds 7, 7 and 8 give\n%v\n%v\n%v", first, again, other)
	}
}

func TestClosingEndsDeliveriesUnrecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := make(chan struct{})
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{
			Interval: time.Minute,
			Deliverer: planettest.DelivererFunc(func(ctx context.Context, _ planettest.File) error {
				close(begun)
				<-ctx.Done()
				return ctx.Err()
			}),
		}})
		id := sim.Seed("ada", s3("demo"))
		sim.Subscribe("ada", pl(id), planettest.Subscription{})
		sim.Order("ada", pl(id), planettest.Order{Queue: time.Hour})
		<-begun
		sim.Wait() // which no subscription keeps waiting
		sim.Close()
		if n := len(sim.Deliveries()); n != 0 || sim.UnderWay() != 0 {
			t.Errorf("%d deliveries are recorded and %d under way", n, sim.UnderWay())
		}
		sim.Subscribe("ada", pl(id), planettest.Subscription{})
		time.Sleep(time.Hour)
		if ok, failed := sim.Delivered(); ok+failed != 0 {
			t.Error("a closed simulator delivers")
		}
	})
}

func TestWhatADelivererSaysDecides(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"written":                     {nil, ""},
		"no access to the kind":       {fmt.Errorf("x: %w", planettest.ErrUnsupported), ""},
		"refused":                     {&planettest.DeliveryError{Code: "AccessDenied"}, "AccessDenied"},
		"refused, wrapped":            {fmt.Errorf("x: %w", &planettest.DeliveryError{Code: "invalid_grant"}), "invalid_grant"},
		"a code that is a text":       {&planettest.DeliveryError{Code: canary}, "Refused"},
		"a code with a digit is none": {&planettest.DeliveryError{Code: "E403"}, "Refused"},
		"another error":               {errors.New(canary), "Refused"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{
					Deliverer: planettest.DelivererFunc(func(context.Context, planettest.File) error { return tc.err }),
				}})
				id := sim.Seed("ada", s3("demo"))
				sim.Order("ada", pl(id), planettest.Order{})
				synctest.Wait()
				if d := sim.Deliveries(); len(d) != 1 || d[0].Error != tc.want || d[0].OK != (tc.want == "") {
					t.Errorf("the record is %+v", d)
				}
				if raw := item(t, sim, "ada", "GET", "/compute/ops/orders/v2", "").raw; strings.Contains(raw, "aNaRy") {
					t.Error("the order quotes an error")
				}
			})
		})
	}
}

// A deliverer gets all that reaches the bucket, in a File that shows none of
// it, and nothing that can be asked of the simulator holds it either.
func TestADeliveryShowsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged, told buffer
		var seen map[string]any
		sim := newSim(t, planettest.Options{
			Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Deliveries: planettest.DeliveryOptions{Deliverer: planettest.DelivererFunc(func(ctx context.Context, f planettest.File) error {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
					_, _ = fmt.Fprintf(&told, verb, f)
				}
				raw, err := json.Marshal(f)
				_, _ = fmt.Fprint(&told, string(raw), err)
				slog.New(slog.NewTextHandler(&logged, nil)).InfoContext(ctx, "delivering", slog.Any("what", f))
				return json.Unmarshal(f.Parameters, &seen)
			})},
		})
		d := s3("demo")
		d.Parameters["aws_secret_access_key"] = canary
		id := sim.Seed("ada", d)
		sim.Order("ada", suffix(id), planettest.Order{})
		synctest.Wait()
		if diff := cmp.Diff(map[string]any{"bucket": "b", "aws_region": "us-west-2", "aws_access_key_id": "old-id", "aws_secret_access_key": canary, "explicit_sse": false}, seen); diff != "" {
			t.Error(diff)
		}
		_, _ = fmt.Fprintf(&told, "%+v %#v", sim.Deliveries(), sim.Deliveries())
		for _, path := range []string{
			"/compute/ops/orders/v2", "/compute/ops/orders/v2/" + canary, "/compute/ops/orders/v2?destination_ref=" + canary,
			"/compute/ops/orders/v2?state=" + canary, "/subscriptions/v1/" + canary + "/results", "/subscriptions/v1?page=" + canary,
			"/compute/ops/orders/v2/CaNaRyCaNaRy", "/subscriptions/v1/CaNaRyCaNaRy/results",
		} {
			_, _ = fmt.Fprint(&told, strings.ReplaceAll(item(t, sim, "ada", "GET", path, "").raw, `"_self":"http://planet.test`+path+`"`, ""))
		}
		for _, body := range []string{`{"name":"x","delivery":{"destination":{"ref":"` + canary + `"}}}`, `{"` + canary + `":1}`, canary} {
			_, _ = fmt.Fprint(&told, item(t, sim, "ada", "POST", "/compute/ops/orders/v2", body).raw)
			_, _ = fmt.Fprint(&told, item(t, sim, "ada", "POST", "/subscriptions/v1", body).raw)
		}
		_, _ = fmt.Fprintf(&told, "%+v", sim.Requests())
		for what, text := range map[string]string{"a rendering": told.String(), "the log": logged.String()} {
			if strings.Contains(text, "aNaRy") || strings.Contains(text, "614e615279") {
				t.Errorf("%s shows a secret", what)
			}
		}
	})
}

func TestWrongDeliveryOptions(t *testing.T) {
	for name, o := range map[string]planettest.DeliveryOptions{
		"a negative hold":                  {Hold: -1},
		"a negative interval":              {Interval: -1},
		"a jitter as long as the interval": {Interval: time.Minute, Jitter: time.Minute},
		"a negative page":                  {PageSize: -1},
	} {
		if _, err := planettest.New(planettest.Options{Users: users(), Deliveries: o}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
