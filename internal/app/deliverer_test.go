package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
)

const secretOfKeys = "CANARYsecretCANARYsecretCANARY"

// stand is a simulator as rotatord simulator runs it, over real HTTP, in front
// of a bucket server with access control.
type stand struct {
	t         *testing.T
	s3        *buckettest.Server
	bucket    *httptest.Server
	hold      atomic.Pointer[gate] // stops what is delivered on its way to the bucket
	at        SimulatorStarted
	delivered chan SimulatorDelivery
	stop      func() SimulatorStopped
}

// gate is closed until free is.
type gate struct{ arrived, free chan struct{} }

func newStand(t *testing.T, deliver ...string) *stand {
	t.Helper()
	s := &stand{t: t, s3: buckettest.NewServer(), delivered: make(chan SimulatorDelivery, 1000)}
	s.bucket = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g := s.hold.Load(); g != nil && strings.Contains(r.URL.Path, "/file-") {
			s.hold.Store(nil) // the first one only
			close(g.arrived)
			<-g.free
		}
		s.s3.ServeHTTP(w, r)
	}))
	t.Cleanup(s.bucket.Close)
	s.s3.CreateBucket("tiles")
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan SimulatorStarted, 1), make(chan error, 1)
	var last SimulatorStopped
	go func() {
		ended <- RunSimulator(ctx, SimulatorOptions{
			Listen: "127.0.0.1:0", PerSecond: 1000, BucketEndpoints: []string{s.bucket.URL},
			Deliveries: append([]string{"per-second=1000"}, deliver...),
			Started:    func(st SimulatorStarted) { started <- st },
			Delivery:   func(d SimulatorDelivery) { s.delivered <- d },
			Stopped:    func(st SimulatorStopped) { last = st },
		})
	}()
	stopped := false
	s.stop = func() SimulatorStopped {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		return last
	}
	t.Cleanup(func() { s.stop() })
	select {
	case s.at = <-started:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return s
}

func (s *stand) key(id string, allow ...buckettest.Action) {
	s.s3.AddKey(buckettest.Key{ID: id, Secret: secretOfKeys, Buckets: []string{"tiles"}, Allow: append(allow, buckettest.Put, buckettest.Delete)})
}

// ask makes a request to one of the APIs and gives the answer's body.
func (s *stand) ask(method, path, body string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, strings.TrimSuffix(s.at.BaseURL, "/destinations/v1")+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "api-key "+s.at.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		s.t.Fatalf("%s %s: status %d, %s, %v", method, path, resp.StatusCode, raw, err)
	}
	if bytes.Contains(raw, []byte("CANARY")) {
		s.t.Errorf("%s %s shows a secret", method, path)
	}
	var out map[string]any
	if len(raw) > 0 && json.Unmarshal(raw, &out) != nil {
		s.t.Fatalf("%s %s: not JSON: %s", method, path, raw)
	}
	return out
}

// create makes a destination of amazon_s3, which is reached by the endpoint.
func (s *stand) create(keyID string) (id string) {
	s.t.Helper()
	return fmt.Sprint(s.ask("POST", "/destinations/v1/", `{"name": "tiles", "type": "amazon_s3", "parameters": {"bucket": "tiles", "aws_region": "us-east-1",
		"aws_access_key_id": "`+keyID+`", "aws_secret_access_key": "`+secretOfKeys+`"}}`)["id"])
}

func (s *stand) rotate(id, keyID string) {
	s.t.Helper()
	s.ask("PATCH", "/destinations/v1/"+id, `{"parameters": {"aws_access_key_id": "`+keyID+`", "aws_secret_access_key": "`+secretOfKeys+`"}}`)
}

func (s *stand) order(ref string) (id string) {
	s.t.Helper()
	return fmt.Sprint(s.ask("POST", "/compute/ops/orders/v2", `{"name": "an order", "delivery": {"destination": {"ref": "`+ref+`", "path_prefix": "orders/"}}}`)["id"])
}

func (s *stand) subscribe(ref string) (id string) {
	s.t.Helper()
	return fmt.Sprint(s.ask("POST", "/subscriptions/v1", `{"name": "a subscription", "delivery": {"type": "destination", "parameters": {"ref": "`+ref+`"}}}`)["id"])
}

// next gives the first delivery from now on of one order or subscription.
func (s *stand) next(id string) SimulatorDelivery {
	s.t.Helper()
	for {
		select {
		case d := <-s.delivered:
			if d.Order == id || d.Subscription == id {
				return d
			}
		case <-time.After(time.Minute): // never, unless the test has failed
			s.t.Fatalf("%s was never delivered", id)
		}
	}
}

func forms(id string) []string {
	return []string{"pl:destinations/" + id, "pl:destinations/" + id[strings.LastIndexByte(id, '-')+1:], "pl:destinations/default"}
}

func TestTheSimulatorDeliversUnderEveryReference(t *testing.T) {
	s := newStand(t, "interval=50ms")
	s.key("AKIAGOOD")
	id := s.create("AKIAGOOD")
	s.ask("PUT", "/destinations/v1/default", `{"destination_id": "`+id+`"}`)
	for _, ref := range forms(id) {
		order := s.order(ref)
		got := s.next(order)
		if !got.OK || got.Object != "orders/"+order+"/file-1.json" || got.Destination != id || got.Ref != ref {
			t.Errorf("an order for %s: %+v", ref, got)
		}
		body, ok := s.s3.Object("tiles", got.Object)
		if want := fmt.Sprintf(`"id":%q`, order); !ok || !bytes.Contains(bytes.ReplaceAll(body, []byte(" "), nil), []byte(want)) {
			t.Errorf("the bucket holds %s", body)
		}
		sub := s.subscribe(ref)
		first, second := s.next(sub), s.next(sub)
		for _, d := range []SimulatorDelivery{first, second} {
			if _, ok := s.s3.Object("tiles", d.Object); !d.OK || !ok || !strings.HasPrefix(d.Object, sub+"/"+d.Result) {
				t.Errorf("a delivery for %s: %+v", ref, d)
			}
		}
		s.ask("POST", "/subscriptions/v1/"+sub+"/cancel", "")
	}
	if st := s.stop(); st.Arrived < 9 || st.Failed != 0 {
		t.Errorf("at the end it says %+v", st)
	}
}

// A key that was revoked: orders and results fail in the shapes that the client
// reads, and are counted as the credential's fault.
func TestARevokedKeyFailsDeliveriesInPlanetsShapes(t *testing.T) {
	s := newStand(t, "interval=50ms", "files=2")
	s.key("AKIAGOOD")
	id := s.create("AKIAGOOD")
	begin := time.Now().Add(-time.Second)
	sub := s.subscribe(forms(id)[0])
	if d := s.next(sub); !d.OK || d.Written != 2 {
		t.Errorf("before: %+v", d)
	}
	s.s3.Revoke("AKIAGOOD")
	order := s.order(forms(id)[1])
	if d := s.next(order); d.OK || d.Error != "InvalidAccessKeyId" || d.Written != 0 || d.Files != 2 {
		t.Errorf("the order: %+v", d)
	}
	var failed SimulatorDelivery
	for failed.Error == "" {
		failed = s.next(sub)
	}
	s.ask("POST", "/subscriptions/v1/"+sub+"/cancel", "")
	const told = "Delivery to the destination failed: InvalidAccessKeyId"
	got := s.ask("GET", "/compute/ops/orders/v2/"+order, "")
	if diff := cmp.Diff([]any{"failed", told, []any{"InvalidAccessKeyId"}}, []any{got["state"], got["last_message"], got["error_hints"]}); diff != "" {
		t.Error(diff)
	}
	results, _ := s.ask("GET", "/subscriptions/v1/"+sub+"/results?status=failed", "")["results"].([]any)
	if len(results) == 0 {
		t.Fatal("no result has failed")
	}
	result, _ := results[0].(map[string]any)
	if diff := cmp.Diff(map[string]any{"delivery": []any{told}}, result["errors"]); diff != "" {
		t.Error(diff)
	}

	client, err := planet.New(planet.Options{BaseURL: s.at.BaseURL, Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte(s.at.Key))))})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	orders, err := client.Orders(planet.SiblingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := planet.NewGatherer(planet.GathererOptions{Orders: orders})
	if err != nil {
		t.Fatal(err)
	}
	d, err := g.Gather(t.Context(), planet.Target{Destination: planet.Destination{ID: id}, Since: begin})
	if err != nil || d.Failed != 1 || d.FailedCredential != 1 || d.Examples[0].ID != order {
		t.Errorf("the client counts %+v, %v", d, err)
	}
	if st := s.stop(); st.Arrived == 0 || st.Failed < 2 {
		t.Errorf("at the end it says %+v", st)
	}
}

// The delivery has begun with the old key, and is on its way to the bucket when
// the destination gets a new one and the old one is revoked: it fails, and the
// next one arrives.
func TestADeliveryUnderWayHoldsTheOldCredential(t *testing.T) {
	s := newStand(t)
	s.key("AKIAOLD")
	s.key("AKIANEW")
	id := s.create("AKIAOLD")
	g := &gate{make(chan struct{}), make(chan struct{})}
	s.hold.Store(g)
	order := s.order(forms(id)[0])
	<-g.arrived
	s.rotate(id, "AKIANEW")
	s.s3.Revoke("AKIAOLD")
	close(g.free)
	if d := s.next(order); d.OK || d.Error != "InvalidAccessKeyId" {
		t.Errorf("the delivery under way: %+v", d)
	}
	if d := s.next(s.order(forms(id)[0])); !d.OK {
		t.Errorf("the next one: %+v", d)
	}
	used := []string{}
	for _, r := range s.s3.Requests() {
		if strings.Contains(r.Key, "/file-") {
			used = append(used, fmt.Sprint(r.KeyID, " ", r.Code))
		}
	}
	if diff := cmp.Diff([]string{"AKIAOLD InvalidAccessKeyId", "AKIANEW "}, used); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(SimulatorStopped{Arrived: 1, Failed: 1}, s.stop()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsUnderWayAtTheEndIsSaid(t *testing.T) {
	s := newStand(t)
	s.key("AKIAGOOD")
	id := s.create("AKIAGOOD")
	g := &gate{make(chan struct{}), make(chan struct{})}
	s.hold.Store(g)
	s.order(forms(id)[0])
	<-g.arrived
	if diff := cmp.Diff(SimulatorStopped{Dropped: 1}, s.stop()); diff != "" {
		t.Error(diff)
	}
	close(g.free)
}

// The word for each refusal is the cloud's own, and reads as what it is.
func TestADelivererSaysWhatTheCloudSays(t *testing.T) {
	s3 := buckettest.NewServer()
	s3.CreateBucket("tiles")
	add := func(id string, allow ...buckettest.Action) {
		s3.AddKey(buckettest.Key{ID: id, Secret: secretOfKeys, Buckets: []string{"tiles"}, Allow: allow})
	}
	add("AKIAGOOD", buckettest.Put)
	add("AKIAREADS", buckettest.Get)
	d := Deliverer(BucketKinds(s3.RoundTripper()), "https://bucket.test")
	for _, tc := range []struct {
		name, typ, key, bucket string
		want                   string
		cause                  planet.Cause
	}{
		{"a key that may put", "amazon_s3", "AKIAGOOD", "tiles", "", ""},
		{"a key that may not", "amazon_s3", "AKIAREADS", "tiles", "AccessDenied", planet.CauseCredential},
		{"a key that nobody knows", "amazon_s3", "AKIAGONE", "tiles", "InvalidAccessKeyId", planet.CauseCredential},
		{"a bucket that is gone", "amazon_s3", "AKIAGOOD", "", "config", planet.CauseUnknown},
		{"a server that is down", "amazon_s3", "AKIAGOOD", "down", "unreachable", planet.CauseUnknown},
		{"a type that Planet does not have", "tape", "AKIAGOOD", "tiles", "unsupported", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s3.SetDown(tc.bucket == "down")
			p, err := json.Marshal(map[string]any{"bucket": tc.bucket, "aws_region": "us-east-1", "aws_access_key_id": tc.key, "aws_secret_access_key": secretOfKeys})
			if err != nil {
				t.Fatal(err)
			}
			err = d.Deliver(t.Context(), planettest.File{Type: tc.typ, Parameters: p, Object: "x/file-1.json", Body: []byte("{}")})
			var refused *planettest.DeliveryError
			switch {
			case tc.want == "":
				if err != nil || !slices.Contains(s3.Objects("tiles"), "x/file-1.json") {
					t.Errorf("it says %v, and the bucket holds %v", err, s3.Objects("tiles"))
				}
			case tc.want == "unsupported":
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("it says %v", err)
				}
			case !errors.As(err, &refused) || refused.Code != tc.want || planet.CauseOf(refused.Code) != tc.cause:
				t.Errorf("it says %v, want %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Error("it says the secret")
			}
		})
	}
	// A kind that is not built in counts as delivered.
	none := Deliverer(bucket.Kinds{}, "")
	err := none.Deliver(t.Context(), planettest.File{Type: "amazon_s3", Parameters: json.RawMessage(`{"bucket": "b", "aws_region": "r"}`)})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without any kind it says %v", err)
	}
}
