package announce

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// received is what a real server got.
func received(t *testing.T, target func(url string) Target, a Announcement) got {
	t.Helper()
	arrived := make(chan got, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- got{header: r.Header, body: string(body), url: r.URL.String()}
	}))
	defer server.Close()
	announcer, err := New(Options{Targets: []Target{target(server.URL)}})
	if err != nil {
		t.Fatal(err)
	}
	defer start(t, announcer)()
	announcer.Announce(a)
	return <-arrived
}

func TestAWebhookIsASignedCloudEvent(t *testing.T) {
	oldKey, newKey := key("o"), key("n")
	a := held("prod")
	a.ID, a.Expires, a.Dependents = "held.prod/7", a.Time.Add(time.Hour), &Dependents{Subscriptions: 2}
	r := received(t, func(url string) Target {
		return Webhook{Name: "ops", URL: url + "/in?x=1", Keys: keysOf(newKey, oldKey)}
	}, a)
	for _, k := range []string{oldKey, newKey} {
		check, err := standardwebhooks.NewWebhook(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := check.Verify([]byte(r.body), r.header); err != nil {
			t.Errorf("a receiver with one of the keys refuses: %v", err)
		}
		if err := check.Verify([]byte(r.body+" "), r.header); err == nil {
			t.Error("a changed body is accepted")
		}
	}
	same(t, "application/cloudevents+json", r.header.Get("Content-Type"))
	same(t, "/in?x=1", r.url)
	var body map[string]any
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatal(err)
	}
	same(t, map[string]any{
		"specversion": "1.0", "id": ID("held.prod/7"), "source": "rotatord",
		"type": "io.github.rotatord.destination.held", "time": "2026-03-01T03:00:00Z", "subject": "prod",
		"datacontenttype": "application/json",
		"data": map[string]any{
			"kind": "held", "destination": "prod", "destination_id": "d-1", "account": "main",
			"secret": "projects/p/secrets/s", "version": "7", "state": "held", "reason": "preflight_refused",
			"detail": "the bucket refuses s3:DeleteObject", "expires": "2026-03-01T04:00:00Z",
			"dependents": map[string]any{"subscriptions": 2.0, "orders": 0.0},
		},
	}, body)
}

func TestAReceiptIsAboutASecret(t *testing.T) {
	body, err := cloudEvent(Announcement{ID: "x", Kind: SafeToRevoke, Destination: "d", Secret: "s"}, "rotatord/eu")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"type":"io.github.rotatord.secret.safe_to_revoke"`, `"subject":"s"`, `"source":"rotatord/eu"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestARealSlackMessageArrives(t *testing.T) {
	r := received(t, func(url string) Target { return Slack{Name: "chat", URL: urlOf(url + "/services/x")} }, held("prod"))
	same(t, "/services/x", r.url)
	same(t, "application/json", r.header.Get("Content-Type"))
	var m message
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"prod does not get the new credential", "Do not revoke", "s3:DeleteObject", "Why: preflight_refused", "03:00:00 UTC", "rotatord retry"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("no %q in the text:\n%s", want, m.Text)
		}
	}
	if len(m.Blocks) < 3 {
		t.Errorf("%d blocks", len(m.Blocks))
	}
}

func TestARealRedirectIsNotFollowed(t *testing.T) {
	hits := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits <- r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	seen := make(chan Observation, 10)
	a, err := New(Options{
		Targets: []Target{Webhook{Name: "ops", URL: server.URL, Keys: keysOf(key("k"))}},
		Observe: func(o Observation) { seen <- o },
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, a)
	a.Announce(held("prod"))
	o := <-seen
	stop()
	same(t, []any{EventFailed, ReasonRedirect, 1}, []any{o.Event, o.Reason, len(hits)})
}
