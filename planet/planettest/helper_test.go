package planettest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// base is where the in-memory tests call the API; the host is any.
const base = "http://planet.test/destinations/v1"

// The users of the tests: ada owns what is seeded, bob is her colleague, root
// the admin of both, eve somebody of another organization.
func users() []planettest.User {
	return []planettest.User{
		{Name: "ada", Key: "ada-key", ID: 7},
		{Name: "bob", Key: "bob-key"},
		{Name: "root", Key: "root-key", Admin: true},
		{Name: "eve", Key: "eve-key", Organization: "elsewhere"},
	}
}

// newSim makes a simulator with the tests' users and, unless the test says
// otherwise, a rate limit that is out of the way.
func newSim(t testing.TB, o planettest.Options) *planettest.Simulator {
	t.Helper()
	if o.Users == nil {
		o.Users = users()
	}
	if o.PerSecond == 0 {
		o.PerSecond = 100_000
	}
	sim, err := planettest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// send makes one request as the user over the in-memory transport.
func send(t testing.TB, sim *planettest.Simulator, user, method, path, body string) answer {
	t.Helper()
	a, err := try(t.Context(), sim, user, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func try(ctx context.Context, sim *planettest.Simulator, user, method, path, body string) (answer, error) {
	return over(ctx, sim.RoundTripper(), base+path, user, method, body)
}

// over makes one request with any transport.
func over(ctx context.Context, transport http.RoundTripper, url, user, method, body string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if user != "" {
		r.Header.Set("Authorization", "api-key "+user+"-key")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // a body that is no JSON leaves it nil
	return a, nil
}

// want compares a status and, for errors, that the body has Planet's form.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d; body %s", a.status, status, a.raw)
	}
	if status >= 400 {
		code, _ := a.body["code"].(float64)
		message, _ := a.body["message"].(string)
		if int(code) != status || message == "" || len(a.body) != 2 {
			t.Fatalf("the error body is %s", a.raw)
		}
	}
	return a
}

func (a answer) text(field string) string {
	s, _ := a.body[field].(string)
	return s
}

func (a answer) parameters() map[string]any {
	p, _ := a.body["parameters"].(map[string]any)
	return p
}

// ids of a list, joined.
func (a answer) names() string {
	var names []string
	list, _ := a.body["destinations"].([]any)
	for _, d := range list {
		fields, _ := d.(map[string]any)
		name, _ := fields["name"].(string)
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// s3 is an amazon_s3 destination to seed.
func s3(name string) planettest.Destination {
	return planettest.Destination{Name: name, Type: "amazon_s3", Parameters: map[string]any{
		"bucket": "b", "aws_region": "us-west-2",
		"aws_access_key_id": "old-id", "aws_secret_access_key": "old-secret",
	}}
}

// newKeys is a PATCH of an amazon_s3 destination.
func newKeys(id string) string {
	return `{"parameters":{"aws_access_key_id":"` + id + `","aws_secret_access_key":"` + id + `-secret"}}`
}

// held is the access key id that Planet holds.
func held(t testing.TB, sim *planettest.Simulator, id string) string {
	t.Helper()
	d, ok := sim.Stored(id)
	if !ok {
		t.Fatalf("there is no destination %s", id)
	}
	return string(d.Credentials.Get("aws_access_key_id").Bytes())
}

// last is the newest record.
func last(sim *planettest.Simulator) planettest.Request {
	all := sim.Requests()
	return all[len(all)-1]
}

var serviceAccount = base64.StdEncoding.EncodeToString([]byte(`{"type":"service_account"}`))
