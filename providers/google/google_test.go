package google_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

func TestProjectsByIDAndNumber(t *testing.T) {
	const named, other = credential.Secret(byNumber), credential.Secret("projects/999999999999/secrets/planet-gcs")
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	if !p.Same(secretName, named) || !p.Same(secretName, other) || !p.Same(named, secretName) {
		t.Error("until an answer tells the project's number, any may be it")
	}
	current(t, p, secretName)
	for _, c := range []struct {
		name string
		a, b credential.Secret
		same bool
	}{
		{"its number", secretName, named, true},
		{"the other way round", named, secretName, true},
		{"another number", secretName, other, false},
		{"two numbers", named, other, false},
		{"two ids", secretName, "projects/other-project/secrets/planet-gcs", false},
		{"another project's number, which is not known", "projects/other-project/secrets/planet-gcs", other, true},
		{"another secret", secretName, "projects/123456789012/secrets/planet", false},
		{"a regional one of the same name", secretName, "projects/123456789012/locations/europe-west3/secrets/planet-gcs", false},
		{"regional ones", regional, "projects/123456789012/locations/europe-west3/secrets/planet-gcs", true},
		{"regional ones of two locations", regional, "projects/123456789012/locations/europe-west4/secrets/planet-gcs", false},
		{"a version", secretName, byNumber + "/versions/1", false},
		{"rubbish", secretName, "planet-gcs", false},
		{"rubbish that is configured", "planet-gcs", named, false},
	} {
		if got := p.Same(c.a, c.b); got != c.same {
			t.Errorf("%s: Same(%s, %s) = %v", c.name, c.a, c.b, got)
		}
	}
}

func TestRegionalAndGlobalSecretsDiffer(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("global"))
	s.Create(regional, []byte("old"))
	s.Add(regional, []byte("regional"))
	if v := current(t, p, secretName); v.ID != "1" || read(t, p, secretName, "1") != "global" {
		t.Errorf("global: %s", v.ID)
	}
	if v := current(t, p, regional); v.ID != "2" || read(t, p, regional, "2") != "regional" {
		t.Errorf("regional: %s", v.ID)
	}
}

func TestKind(t *testing.T) {
	var none *google.Provider
	k := none.Kind()
	for s, want := range map[credential.Secret]bool{
		credential.Secret(k.Example): true, regional: true, "projects/x": true, byNumber + "/versions/7": true,
		"planet-gcs": false, "arn:aws:secretsmanager:x": false, "file:///projects/x": false, "": false,
	} {
		if k.Matches(s) != want {
			t.Errorf("Matches(%q) = %v", s, !want)
		}
	}
	if k.Name != "google" || k.Example != "projects/my-project/secrets/planet-gcs" {
		t.Errorf("%q, %q", k.Name, k.Example)
	}
	_, err := mustNew(t, google.Options{}).Current(t.Context(), byNumber+"/versions/7")
	if e := reason(t, err); e.Reason != providers.ReasonInvalid || !strings.Contains(err.Error(), "leave out /versions/") || !strings.Contains(e.Hint, "gcloud secrets describe") {
		t.Errorf("a version gives %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, bad := range []string{"https://secretmanager.googleapis.com", "user:password-of-somebody@host:443", "host", "host:", ":443", "host:https", "host:0", "passthrough:///host:443", "a/b:443"} {
		_, err := google.New(google.Options{Endpoint: bad})
		if err == nil || strings.Contains(err.Error(), "password") {
			t.Errorf("the endpoint %q gives %v", bad, err)
		}
	}
	if _, err := google.New(google.Options{MaxBackoff: -1}); err == nil {
		t.Error("a negative MaxBackoff is taken")
	}
	for _, good := range []string{"127.0.0.1:8443", "[::1]:443", "secretmanager.europe-west3.rep.googleapis.com:443"} {
		mustNew(t, google.Options{Endpoint: good})
	}
}

// TestTheProviderWorksAfterClose, and a call under way is not cut.
func TestTheProviderWorksAfterClose(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	current(t, p, secretName)
	p.Close()
	p.Close()
	current(t, p, secretName)
	s.Hang(list)
	result := make(chan error, 1)
	go func() {
		_, err := p.Current(t.Context(), secretName)
		result <- err
	}()
	for !slices.ContainsFunc(s.Requests(), func(r googletest.Request) bool { return r.Method == list && r.Code == "" }) {
		runtime.Gosched()
	}
	p.Close()
	s.Unhang()
	if err := <-result; err != nil {
		t.Errorf("Close cuts a call: %v", err)
	}
}

// TestAListFarBehindIsBelieved: what would take too many questions is left to
// the source.
func TestAListFarBehindIsBelieved(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	add(s, 60)
	current(t, p, secretName)
	for _, n := range s.Enabled(secretName)[:60] {
		s.Disable(secretName, n)
	}
	count := after(s)
	if v := current(t, p, secretName); v.ID != "1" || count(get) > 20 {
		t.Errorf("current is %s after %d gets", v.ID, count(get))
	}
}

func TestOnlyNumbersAreRead(t *testing.T) {
	s, p := both(t)
	s.Create(secretName, []byte("one"))
	for _, version := range []string{"", "latest", "0", "01", "+1", "1 ", "99999999999999999999"} {
		if v, err := p.Read(t.Context(), secretName, version); providers.ReasonOf(err) != providers.ReasonGone || !v.Empty() {
			t.Errorf("version %q gives %v", version, err)
		}
	}
	if n := s.Count(access); n != 0 {
		t.Errorf("%d calls for what is no number", n)
	}
}
