package planet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newOrders(t *testing.T, url string, change func(*SiblingOptions)) *Orders {
	t.Helper()
	l, err := NewLimiter(LimiterOptions{PerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	o := SiblingOptions{Limiter: l}
	if change != nil {
		change(&o)
	}
	orders, err := newBench(t, url+"/destinations/v1", nil).client.Orders(o)
	if err != nil {
		t.Fatal(err)
	}
	return orders
}

func TestSiblingsAreAskedAsTheOfficialClientAsks(t *testing.T) {
	since := time.Date(2026, 2, 12, 18, 41, 22, 659959594, time.FixedZone("", 3600))
	d, c := newDesk(t, "/destinations/v1", map[string]string{
		"GET /compute/ops/orders/v2?destination_ref=pl%3Adestinations%2Fdemo-5aIp1K&last_modified=2026-02-12T17%3A41%3A22.659Z%2F..&source_type=all&state=failed&state=partial&user_id=all": `{"orders":[]}`,
		"GET /compute/ops/orders/v2?source_type=all": `{"orders":[]}`,
		"GET /subscriptions/v1?destination_ref=pl%3Adestinations%2Fdefault&page_size=500&status=running&status=pending&user_id=all": `{"subscriptions":[]}`,
		"GET /subscriptions/v1/42-a_b/results?status=failed&updated=2026-02-12T17%3A41%3A22.659Z%2F..":                              `{"results":[]}`,
	})
	orders, err := c.Orders(SiblingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	subs, err := c.Subscriptions(SiblingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, err1 := orders.List(ctx, OrdersQuery{Ref: "pl:destinations/demo-5aIp1K", States: []OrderState{OrderFailed, OrderPartial}, ModifiedSince: since, AllUsers: true})
	_, err2 := orders.List(ctx, OrdersQuery{})
	_, err3 := subs.List(ctx, SubscriptionsQuery{Ref: "pl:destinations/default", Statuses: []SubscriptionStatus{SubscriptionRunning, SubscriptionPending}, AllUsers: true})
	_, err4 := subs.Results(ctx, "42-a_b", ResultsQuery{Statuses: []ResultStatus{ResultFailed}, UpdatedSince: since})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(d.asked) != 4 {
		t.Errorf("%d requests: %q", len(d.asked), d.asked)
	}
	if orders.Limiter() == c.Limiter() || orders.Limiter() == subs.Limiter() {
		t.Error("two APIs share a limiter")
	}
	for _, id := range []string{"", "..", "a/b", "a?b", "a%2fb", strings.Repeat("a", 200)} {
		if _, err := subs.Results(ctx, id, ResultsQuery{}); KindOf(err) != KindInvalidRequest {
			t.Errorf("the id %q: %v", id, err)
		}
	}
	if len(d.asked) != 4 {
		t.Error("an id that is none was sent")
	}
}

func TestWrongSiblingsAreRefused(t *testing.T) {
	c := newBench(t, "http://planet.test/destinations/v1", nil).client
	for name, o := range map[string]SiblingOptions{
		"the Destinations API's limiter": {Limiter: c.Limiter()},
		"negative attempts":              {Attempts: -1},
		"a base with a password":         {BaseURL: "http://u:canary@planet.test/x"},
	} {
		if _, err := c.Orders(o); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Subscriptions(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, tc := range [][2]string{
		{"https://planet.test/destinations/v1/", "https://planet.test/compute/ops/orders/v2"},
		{"http://127.0.0.1:8085/somewhere/else", "http://127.0.0.1:8085/compute/ops/orders/v2"},
	} {
		o, err := newBench(t, tc[0], nil).client.Orders(SiblingOptions{})
		if err != nil || o.client.base.String() != tc[1] {
			t.Errorf("%s gives %v: %v", tc[0], o.client.base, err)
		}
	}
}

// The key goes with each request: to where the operator pointed, and nowhere else.
func TestPagesAreFollowedAtTheSameOriginOnly(t *testing.T) {
	var strays atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strays.Add(1) }))
	defer elsewhere.Close()
	for _, tc := range []struct {
		name, next string // of the first page; %s is the server's own address
		pages      int
		orders     int
		more       bool
	}{
		{"no next page", ``, 0, 1, false},
		{"a null next page", `null`, 0, 1, false},
		{"an absolute link", `"%s/compute/ops/orders/v2?page=2"`, 0, 2, false},
		{"a relative link", `"?page=2"`, 0, 2, false},
		{"a link with a fragment", `"%s/compute/ops/orders/v2?page=2#x"`, 0, 2, false},
		{"another host", `"` + elsewhere.URL + `/compute/ops/orders/v2?page=2"`, 0, 1, true},
		{"another host without a scheme", `"//` + strings.TrimPrefix(elsewhere.URL, "http://") + `/x"`, 0, 1, true},
		{"another scheme", `"https://HOST/compute/ops/orders/v2?page=2"`, 0, 1, true},
		{"a user in the link", `"http://u:p@HOST/compute/ops/orders/v2?page=2"`, 0, 1, true},
		{"no URL", `"http://[::1"`, 0, 1, true},
		{"an opaque one", `"http:x"`, 0, 1, true},
		{"itself", `"%s/compute/ops/orders/v2?source_type=all"`, 0, 1, true},
		{"a circle", `"?page=circle"`, 0, 2, true},
		{"a page more than allowed", `"?page=2"`, 1, 1, true},
		{"endless", `"?page=100"`, 3, 3, true},
		{"a link of ten thousand bytes", `"?page=` + strings.Repeat("2", 10_000) + `"`, 0, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var srv *httptest.Server
			srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				page, next := r.URL.Query().Get("page"), ""
				switch {
				case page == "":
					next = strings.ReplaceAll(strings.ReplaceAll(tc.next, "%s", srv.URL), "HOST", r.Host)
				case page == "circle":
					next = `"?page=circle"`
				case len(page) == 3:
					next = `"?page=1` + page[1:] + `0"`
				case len(page) > 3:
					next = `"?page=` + page + `0"`
				}
				if next == "" {
					next = "null"
				}
				_, _ = fmt.Fprintf(w, `{"_links":{"next":%s},"orders":[{"id":"o%s","state":"queued"}]}`, next, page)
			}))
			defer srv.Close()
			got, err := newOrders(t, srv.URL, nil).List(t.Context(), OrdersQuery{Pages: tc.pages})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Orders) != tc.orders || got.More != tc.more {
				t.Errorf("%d orders, more %t; want %d, %t", len(got.Orders), got.More, tc.orders, tc.more)
			}
		})
	}
	if strays.Load() != 0 {
		t.Errorf("%d requests with the key went elsewhere", strays.Load())
	}
}

const wholeOrder = `{"_links":{"_self":"x"},"created_on":"2022-07-16T05:04:36.998Z","last_modified":"2022-07-16T06:04:36.998Z",
 "error_hints":["InvalidAccessKeyId: AKIAIOSFODNNEXAMPLE"],"id":"3b1f250e","last_message":"Manifest delivery failed","name":"my order",
 "delivery":{"destination":{"ref":"pl:destinations/demo-5aIp1K","path_prefix":"p"},"amazon_s3":{"aws_access_key_id":"` + idCanary + `","aws_secret_access_key":"` + secretCanary + `"}},
 "products":[{"item_ids":["a"]}],"state":"failed"}`

func TestAnOrderIsReadWithoutItsDelivery(t *testing.T) {
	got, err := decodeOrder("order", []byte(wholeOrder))
	if err != nil {
		t.Fatal(err)
	}
	want := Order{
		ID: "3b1f250e", Name: "my order", State: OrderFailed, LastMessage: "Manifest delivery failed",
		ErrorHints: []string{"InvalidAccessKeyId: <redacted>"}, Cause: CauseCredential, Ref: "pl:destinations/demo-5aIp1K",
		Created: time.Date(2022, 7, 16, 5, 4, 36, 998e6, time.UTC), Modified: time.Date(2022, 7, 16, 6, 4, 36, 998e6, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	noLeak(t, got, "")
}

// The bytes of an answer are wiped: they hold what people put into orders.
func TestAPageIsWipedOnceItIsRead(t *testing.T) {
	page := []byte(`{"orders":[` + wholeOrder + `]}`)
	var kept json.RawMessage
	l := listing{key: "orders", each: func(_ string, item json.RawMessage) error { kept = item; return nil }}
	if _, err := l.decode(page); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{page, kept} {
		if strings.Trim(string(b), "\x00") != "" {
			t.Error("bytes of the page are still there")
		}
	}
}

func TestWhatIsStrangeInAnItemIsLeftEmpty(t *testing.T) {
	for _, tc := range []struct {
		name, order string
		want        Order
	}{
		{"nothing but what must be", `{"id":"a","state":"queued"}`, Order{ID: "a", State: "queued"}},
		{"a state of tomorrow", `{"id":"a","state":"archived"}`, Order{ID: "a", State: "archived"}},
		{"times that are none", `{"id":"a","state":"queued","created_on":"soon","last_modified":7}`, Order{ID: "a", State: "queued"}},
		{"hints that are objects", `{"id":"a","state":"failed","error_hints":[{"b":"two","a":["one"]}]}`, Order{ID: "a", State: "failed", Cause: CauseUnknown, ErrorHints: []string{"one", "two"}}},
		{"a status among the hints", `{"id":"a","state":"partial","error_hints":[{"code":403}]}`, Order{ID: "a", State: "partial", Cause: CauseCredential, ErrorHints: []string{"403"}}},
		{"a hint that is a text", `{"id":"a","state":"failed","error_hints":"AccessDenied"}`, Order{ID: "a", State: "failed", Cause: CauseCredential, ErrorHints: []string{"AccessDenied"}}},
		{"a hint of a success is no cause", `{"id":"a","state":"success","last_message":"403"}`, Order{ID: "a", State: "success", LastMessage: "403"}},
		{"a reference that is none", `{"id":"a","state":"queued","delivery":{"destination":{"ref":"https://x"}}}`, Order{ID: "a", State: "queued"}},
		{"a delivery that is none", `{"id":"a","state":"queued","delivery":"x"}`, Order{ID: "a", State: "queued"}},
		{"the form of subscriptions", `{"id":"a","state":"queued","delivery":{"type":"destination","parameters":{"ref":"pl:destinations/default"}}}`, Order{ID: "a", State: "queued", Ref: "pl:destinations/default"}},
	} {
		got, err := decodeOrder("order", []byte(tc.order))
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tc.name, err, diff)
		}
	}
	for name, raw := range map[string]string{
		"no id": `{"state":"queued"}`, "no state": `{"id":"a"}`, "an id that is a number": `{"id":7,"state":"queued"}`,
		"no object": `[]`, "junk": `{"id":"` + secretCanary,
	} {
		if _, err := decodeOrder("order", []byte(raw)); err == nil || strings.Contains(err.Error(), secretCanary) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whether Planet heeds its filters is not ours to trust: what shows that it
// does not belong is not counted, what does not tell is.
func TestWhatAFilterShouldHaveLeftOutIsLeftOut(t *testing.T) {
	since := time.Date(2026, 2, 12, 18, 0, 0, 0, time.UTC)
	asked := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Query().Get("destination_ref")] = true
		item := func(id, when, ref string) string {
			return fmt.Sprintf(`{"id":%q,"state":"failed","status":"failed","last_modified":%q,"updated":%q,"completed":%q,
			 "delivery":{"type":"destination","destination":{"ref":%q},"parameters":{"ref":%q}}}`, id, when, when, when, ref, ref)
		}
		const ours, before, after = "pl:destinations/demo-5aIp1K", "2026-02-12T17:00:00Z", "2026-02-12T19:00:00Z"
		items := strings.Join([]string{
			item("old", before, ours), item("new", after, ours), item("untimed", "", ours), item("untold", after, ""),
			item("renamed", after, "pl:destinations/former-5aIp1K"), item("short", after, "pl:destinations/5aIp1K"),
			item("another's", after, "pl:destinations/other-Zz99Yy"), item("default", after, "pl:destinations/default"),
		}, ",")
		_, _ = fmt.Fprintf(w, `{"orders":[%s],"subscriptions":[%s],"results":[%s]}`, items, items, items)
	}))
	defer srv.Close()
	orders := newOrders(t, srv.URL, nil)
	subs := &Subscriptions{orders.client}
	yes := true
	for _, tc := range []struct {
		name       string
		standard   *bool
		all        bool
		orders     int
		incomplete bool
	}{
		{"asked by reference", nil, false, 5, false}, // new, untimed, untold, renamed, short
		{"asked for all", nil, true, 4, false},       // untold is anybody's
		{"the default", &yes, false, 6, false},
	} {
		for kind, o := range map[string]GathererOptions{"orders": {Orders: orders}, "subscriptions": {Subscriptions: subs}} {
			g, err := NewGatherer(o)
			if err != nil {
				t.Fatal(err)
			}
			target := Target{Destination{ID: "demo-5aIp1K", Type: AmazonS3, Default: tc.standard}, since}
			got, err := g.Gather(t.Context(), target)
			if tc.all {
				var all map[string]Dependents
				all, err = g.GatherAll(t.Context(), []Target{target})
				got = all["demo-5aIp1K"]
			}
			if err != nil || got.Failed != tc.orders || got.Incomplete != tc.incomplete {
				t.Errorf("%s, %s: %d failed, incomplete %t, %v; want %d", tc.name, kind, got.Failed, got.Incomplete, err, tc.orders)
			}
		}
	}
	if diff := cmp.Diff(map[string]bool{"": true, "pl:destinations/demo-5aIp1K": true, "pl:destinations/5aIp1K": true, "pl:destinations/default": true}, asked); diff != "" {
		t.Errorf("asked for\n%s", diff)
	}
	// Two targets that a reference may mean alike: neither gets it, both are unsure.
	g, err := NewGatherer(GathererOptions{Orders: orders})
	if err != nil {
		t.Fatal(err)
	}
	all, err := g.GatherAll(t.Context(), []Target{{Destination{ID: "one-5aIp1K"}, since}, {Destination{ID: "two-5aIp1K"}, since}})
	if err != nil || !all["one-5aIp1K"].Incomplete || !all["two-5aIp1K"].Incomplete || all["one-5aIp1K"].Failed+all["two-5aIp1K"].Failed != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := g.GatherAll(t.Context(), nil); err != nil || len(all) != 0 {
		t.Errorf("no targets: %v, %v", all, err)
	}
	for name, o := range map[string]GathererOptions{"nothing to ask": {}, "a negative bound": {Orders: orders, Requests: -1}} {
		if _, err := NewGatherer(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestRefusalsOfTheSiblingsAreUnderstood(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{`{"error":{"reason":"Forbidden","details":"not an admin"}}`, "Forbidden: not an admin"},
		{`{"error":{"reason":"Forbidden","details":["x"]}}`, "Forbidden"},
		{`{"field":{},"general":[{"message":"Unable to accept order"},{"message":"x"},{},7]}`, "Unable to accept order: x"},
		{`{"message":"plain","error":{"reason":"other"}}`, "plain"},
		{`{"error":"text"}`, ""},
	} {
		if _, got, _ := decodeError([]byte(tc.body)); got != tc.want {
			t.Errorf("%s reads %q, want %q", tc.body, got, tc.want)
		}
	}
}

func FuzzItems(f *testing.F) {
	f.Add([]byte(wholeOrder))
	f.Add([]byte(`{"id":"s","status":"failed","updated":"2022-07-16T05:04:36Z","errors":{"delivery":["AccessDenied"]}}`))
	f.Add([]byte(`{"orders":[` + wholeOrder + `],"_links":{"next":"?page=2"}}`))
	f.Add([]byte(`{"id":"s","status":"failed","errors":[[[[[[[["deep"]]]]]]],{"a":{"b":1e9}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for key, each := range map[string]func(string, []byte) (texts []string, err error){
			"orders": func(place string, raw []byte) ([]string, error) {
				o, err := decodeOrder(place, raw)
				return append(o.ErrorHints, o.LastMessage), err
			},
			"subscriptions": func(place string, raw []byte) ([]string, error) {
				_, err := decodeSubscription(place, raw)
				return nil, err
			},
			"results": func(place string, raw []byte) ([]string, error) {
				r, err := decodeResult(place, raw)
				return r.Errors, err
			},
		} {
			texts, err := each("item", append([]byte(nil), b...))
			if err != nil && strings.Contains(err.Error(), secretCanary[:12]) {
				t.Error("an error quotes the answer")
			}
			for _, text := range texts {
				if len([]rune(text)) > maxMessage || strings.ContainsAny(text, "\x00\n\r\x1b") {
					t.Errorf("%q is not fit to be shown", text)
				}
				if strings.Contains(text, secretCanary) {
					t.Error("a text shows a secret")
				}
			}
			l := listing{key: key, each: func(place string, item json.RawMessage) error { _, err := each(place, item); return err }}
			_, _ = l.decode(append([]byte(nil), b...))
		}
	})
}
