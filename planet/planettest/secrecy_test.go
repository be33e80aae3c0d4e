package planettest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

const canary = "CaNaRy/9+Secret"

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestASecretIsNowhere(t *testing.T) {
	var logged, narrated buffer
	sim := newSim(t, planettest.Options{
		Users:  []planettest.User{{Name: "ada", Key: "ada-key"}, {Name: "carl", Key: canary}},
		Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Verifier: planettest.VerifierFunc(func(_ context.Context, v planettest.Verification) error {
			if strings.Contains(string(v.Parameters), canary) {
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
					if bytes.Contains([]byte(fmt.Sprintf(verb, v)), []byte("aNaRy")) {
						t.Errorf("%s shows a verification's secret", verb)
					}
				}
				if raw, err := json.Marshal(v); err != nil || bytes.Contains(raw, []byte("aNaRy")) {
					t.Error("JSON shows a verification's secret")
				}
				slog.New(slog.NewTextHandler(&logged, nil)).InfoContext(t.Context(), "verifying", slog.Any("what", v))
				return &planettest.VerifyError{Step: "write", Message: canary}
			}
			return nil
		}),
		OnRequest: func(r planettest.Request) { _, _ = fmt.Fprintf(&narrated, "%+v\n", r) },
	})
	d := s3("demo")
	d.Parameters["aws_secret_access_key"] = canary
	id := sim.Seed("ada", d)
	quoted, _ := json.Marshal(canary)
	c := string(quoted)
	var answers []string
	for _, body := range []string{
		`{"parameters":{"aws_access_key_id":` + c + `,"aws_secret_access_key":` + c + `}}`,
		`{"parameters":{"aws_access_key_id":` + c + `}}`,
		`{"parameters":{` + c + `:"x"}}`,
		`{"parameters":{"aws_access_key_id":1,"aws_secret_access_key":[` + c + `]}}`,
		`{"parameters":` + c + `}`,
		`{"name":` + c + `,"x":1}`,
		`{` + c + `:1}`,
		c, canary, `{"parameters":{"aws_access_key_id":"` + canary,
		`{"archive":` + c + `}`,
	} {
		answers = append(answers, send(t, sim, "ada", "PATCH", "/"+id, body).raw)
		answers = append(answers, send(t, sim, "ada", "POST", "", body).raw)
		answers = append(answers, send(t, sim, "ada", "PUT", "/default", body).raw)
	}
	answers = append(answers,
		send(t, sim, "ada", "POST", "", `{"type":`+c+`,"parameters":{}}`).raw,
		send(t, sim, "ada", "POST", "", `{"type":"google_cloud_storage","parameters":{"bucket":"abc","credentials":`+c+`}}`).raw,
		send(t, sim, "ada", "GET", "?sort_by="+canary, "").raw,
		send(t, sim, "ada", "GET", "/"+canary, "").raw,
		send(t, sim, "ada", "GET", "", "").raw,
		send(t, sim, "ada", "GET", "/"+id, "").raw,
		asCarl(t, sim, "api-key "+canary),
		asCarl(t, sim, canary),
		asCarl(t, sim, "Basic "+base64.StdEncoding.EncodeToString([]byte(canary+":"))),
		asCarl(t, sim, canary+" "+canary),
	)
	shown := map[string]string{"answers": strings.Join(answers, "\n"), "log": logged.String(), "OnRequest": narrated.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown["Simulator "+verb] = fmt.Sprintf(verb, sim)
		shown["User "+verb] = fmt.Sprintf(verb, planettest.User{Name: "carl", Key: canary})
		stored, _ := sim.Stored(id)
		shown["Stored "+verb] = fmt.Sprintf(verb, stored)
	}
	raw, err := json.Marshal(sim.Requests())
	if err != nil {
		t.Fatal(err)
	}
	shown["Requests"] = string(raw)
	for where, text := range shown {
		if strings.Contains(text, "aNaRy") || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			// The text is not printed: it holds the secret.
			t.Errorf("%s shows a secret", where)
		}
	}
	if shown["log"] == "" || shown["OnRequest"] == "" {
		t.Error("nothing was logged or narrated, so the test proves nothing")
	}
}

// asCarl lists with an Authorization of the test's own.
func asCarl(t *testing.T, sim *planettest.Simulator, header string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"?api_key="+canary, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", header)
	response, err := sim.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var b bytes.Buffer
	_, _ = b.ReadFrom(response.Body) // in memory
	return b.String()
}

func TestTheRecordTellsWhatWasSent(t *testing.T) {
	sim := newSim(t, planettest.Options{Verifier: refuseKey("bad")})
	id := sim.Seed("ada", s3("demo"))
	send(t, sim, "ada", "PATCH", "/"+id, strings.Replace(newKeys("new"), "{", `{"archive":false,"Q+/9":1,`, 1)).want(t, 400)
	send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
	send(t, sim, "", "GET", "/?sort_by=name&archived=true&token=x", "").want(t, 401)
	got := sim.Requests()
	for i := range got {
		if got[i].At.IsZero() || got[i].Number != i+1 {
			t.Errorf("request %d has number %d, arrived at %v", i, got[i].Number, got[i].At)
		}
		if got[i].Effect.IsZero() != (i != 1) {
			t.Errorf("request %d took effect at %v", i, got[i].Effect)
		}
	}
	prints := map[string]string{
		"aws_access_key_id":     sim.Fingerprint([]byte("new")),
		"aws_secret_access_key": sim.Fingerprint([]byte("new-secret")),
	}
	keys := []string{"aws_access_key_id", "aws_secret_access_key"}
	want := []planettest.Request{
		{
			User: "ada", Method: "PATCH", Path: "/destinations/v1/" + id, Authorization: "api-key REDACTED", ContentType: "application/json",
			Keys: []string{"archive", "(an unknown key)", "parameters"}, ParameterKeys: keys, Fingerprints: prints, Status: 400, Result: 400,
		},
		{
			User: "ada", Method: "PATCH", Path: "/destinations/v1/" + id, Authorization: "api-key REDACTED", ContentType: "application/json",
			Keys: []string{"parameters"}, ParameterKeys: keys, Fingerprints: prints, Status: 200, Result: 200, Verification: "passed",
		},
		{Method: "GET", Path: "/destinations/v1/", Query: "archived=true&sort_by=name&token=REDACTED", Status: 401, Result: 401},
	}
	for i := range got {
		want[i].Number, want[i].At, want[i].Effect = got[i].Number, got[i].At, got[i].Effect
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
	got[0].Keys[0] = "changed"
	got[0].Fingerprints["aws_access_key_id"] = "changed"
	if diff := cmp.Diff(want, sim.Requests()); diff != "" {
		t.Errorf("the caller's copy is the record itself:\n%s", diff)
	}
	sim.Forget()
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("%d requests are remembered", n)
	}
	if other := newSim(t, planettest.Options{}); other.Fingerprint([]byte("x")) == sim.Fingerprint([]byte("x")) {
		t.Error("two simulators have the same fingerprint of a value")
	}
}
