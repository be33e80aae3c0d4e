package google_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

const canary = `canary-7Hq"\Zx+/9=`

// TestFailuresAreToldApart holds what a person is told, and by which reason the
// engine decides.
func TestFailuresAreToldApart(t *testing.T) {
	const fine = providers.Reason("")
	type expect struct {
		reason providers.Reason
		words  []string
	}
	for _, c := range []struct {
		name          string
		hurt          func(s *googletest.Server)
		current, read expect
	}{
		{"listing is denied", func(s *googletest.Server) { s.Deny(secretName, "secretmanager.versions.list") },
			expect{providers.ReasonDenied, []string{"IAM_PERMISSION_DENIED", "allow secretmanager.versions.list", "roles/secretmanager.viewer"}}, expect{reason: fine}},
		{"getting is denied", func(s *googletest.Server) {
			s.Deny(secretName, "secretmanager.versions.get")
			s.Add(secretName, []byte(canary))
		}, expect{providers.ReasonDenied, []string{"allow secretmanager.versions.get", "roles/secretmanager.viewer"}}, expect{reason: fine}},
		{"reading is denied", func(s *googletest.Server) { s.Deny(secretName, "secretmanager.versions.access") },
			expect{reason: fine}, expect{providers.ReasonDenied, []string{"allow secretmanager.versions.access", "roles/secretmanager.secretAccessor"}}},
		{"the API is disabled", func(s *googletest.Server) { s.DisableService(googletest.DefaultProject) },
			expect{providers.ReasonDenied, []string{"SERVICE_DISABLED", "gcloud services enable secretmanager.googleapis.com"}},
			expect{providers.ReasonDenied, []string{"SERVICE_DISABLED"}}},
		{"it is gone", func(s *googletest.Server) { s.Delete(secretName) },
			expect{providers.ReasonNotFound, []string{"NotFound", "check project"}}, expect{providers.ReasonNotFound, []string{"NotFound"}}},
		{"it has expired", func(s *googletest.Server) { s.SetExpiry(secretName, time.Now().Add(-time.Second)) },
			expect{reason: providers.ReasonNotFound}, expect{reason: providers.ReasonNotFound}},
		{"the version is disabled", func(s *googletest.Server) { s.Disable(secretName, "2") },
			expect{reason: fine}, expect{providers.ReasonDisabled, []string{"DISABLED state", "enable it"}}},
		{"the version is destroyed", func(s *googletest.Server) { s.Destroy(secretName, "2") },
			expect{reason: fine}, expect{providers.ReasonGone, []string{"DESTROYED state"}}},
		{"there is no such version", func(s *googletest.Server) { s.Delete(secretName); s.Create(secretName, []byte("one")) },
			expect{reason: fine}, expect{providers.ReasonGone, []string{"NotFound", "no version of this number"}}},
		{"the quota is used up", func(s *googletest.Server) { s.Throttle(googletest.Forever) },
			expect{providers.ReasonThrottled, []string{"RATE_LIMIT_EXCEEDED", "quota"}}, expect{providers.ReasonThrottled, []string{"Read requests per minute"}}},
		{"the token is not accepted", func(s *googletest.Server) { s.RevokeTokens() },
			expect{providers.ReasonDenied, []string{"Unauthenticated", "GOOGLE_APPLICATION_CREDENTIALS"}}, expect{providers.ReasonDenied, []string{"ACCESS_TOKEN_EXPIRED"}}},
		{"it has broken down", func(s *googletest.Server) { s.Fail(googletest.Forever, codes.Internal) },
			expect{providers.ReasonUnavailable, []string{"Internal"}}, expect{providers.ReasonUnavailable, []string{"Internal"}}},
		{"it is not available", func(s *googletest.Server) { s.Fail(googletest.Forever, codes.Unavailable) },
			expect{providers.ReasonUnavailable, []string{"not available"}}, expect{reason: providers.ReasonUnavailable}},
		{"it does not know the call", func(s *googletest.Server) { s.Fail(googletest.Forever, codes.Unimplemented) },
			expect{providers.ReasonUnavailable, []string{"is this an endpoint of Secret Manager?"}}, expect{reason: providers.ReasonUnavailable}},
		{"the name is not to its liking", func(s *googletest.Server) { s.Fail(googletest.Forever, codes.InvalidArgument) },
			expect{providers.ReasonInvalid, []string{"gcloud secrets describe"}}, expect{reason: providers.ReasonInvalid}},
		{"the connection is cut", func(s *googletest.Server) { s.Cut(googletest.Forever) },
			expect{providers.ReasonUnavailable, []string{"the connection was"}}, expect{reason: providers.ReasonUnavailable}}, // cut or reset, as the kernel sees it
		{"nobody listens", func(s *googletest.Server) { s.Close() },
			expect{providers.ReasonUnavailable, []string{"refused"}}, expect{providers.ReasonUnavailable, []string{"refused"}}},
		{"the value is damaged", func(s *googletest.Server) { s.Corrupt(googletest.Forever) },
			expect{reason: fine}, expect{providers.ReasonUnavailable, []string{"checksum"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			s.Create(secretName, []byte("one"))
			id := s.Add(secretName, []byte(canary))
			current(t, p, secretName)
			read(t, p, secretName, id)
			c.hurt(s)
			check := func(what string, err error, want expect) {
				t.Helper()
				if want.reason == fine {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				e := reason(t, err)
				if e.Reason != want.reason {
					t.Errorf("%s: reason %q, want %q: %v", what, e.Reason, want.reason, err)
				}
				for _, w := range want.words {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%s: no %q in: %v", what, w, err)
					}
				}
				kept(t, err)
			}
			_, err := p.Current(t.Context(), secretName)
			if c.name == "there is no such version" {
				err = nil // it is believed only after a while
			}
			check("Current", err, c.current)
			v, err := p.Read(t.Context(), secretName, id)
			check("Read", err, c.read)
			if err != nil && !v.Empty() {
				t.Error("Read gives a value beside its error")
			}
			v.Clear()
		})
	}
}

// shown is all that can be seen of an error, as deep as fmt goes.
func shown(err error) string {
	b, _ := json.Marshal(err)
	return fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err, b)
}

// kept holds that an error is made of our own words: nothing in it comes from
// the SDK, nor has a value in it.
func kept(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(shown(e), "canary") || strings.Contains(shown(e), "ya29.") {
			t.Errorf("%T shows a value or a token", e)
		}
		of := reflect.TypeOf(e)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		for _, foreign := range []string{"google.golang.org/", "cloud.google.com/", "github.com/googleapis/"} {
			if strings.Contains(of.PkgPath(), foreign) {
				t.Errorf("%T of the SDK's is passed on", e)
			}
		}
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name   string
		hurt   func(*googletest.Server)
		sent   int
		reason providers.Reason
	}{
		{"a failure that passes", func(s *googletest.Server) { s.Fail(2, codes.Unavailable) }, 3, ""},
		{"a failure that stays", func(s *googletest.Server) { s.Fail(googletest.Forever, codes.Unavailable) }, 3, providers.ReasonUnavailable},
		{"a connection that is cut once", func(s *googletest.Server) { s.Cut(1) }, 2, ""},
		{"throttling is not tried again", func(s *googletest.Server) { s.Throttle(1) }, 1, providers.ReasonThrottled},
		{"nor is what has broken down", func(s *googletest.Server) { s.Fail(1, codes.Internal) }, 1, providers.ReasonUnavailable},
		{"nor is a refused token", func(s *googletest.Server) { s.RevokeTokens() }, 1, providers.ReasonDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			id := s.Create(secretName, []byte("one"))
			current(t, p, secretName)
			c.hurt(s)
			count := after(s)
			v, err := p.Read(t.Context(), secretName, id)
			v.Clear()
			if got := count(access); got != c.sent || providers.ReasonOf(err) != c.reason {
				t.Errorf("%d calls, want %d; %v", got, c.sent, err)
			}
		})
	}
}

func TestAVersionWithoutAChecksumIsRead(t *testing.T) {
	s, p := both(t)
	id := s.Create(secretName, []byte("one"))
	s.OmitChecksums(1)
	if got := read(t, p, secretName, id); got != "one" {
		t.Error("a version from before there were checksums can't be read")
	}
	s.Corrupt(1)
	if _, err := p.Read(t.Context(), secretName, id); providers.ReasonOf(err) != providers.ReasonUnavailable {
		t.Errorf("a damaged value: %v", err)
	}
	if got := read(t, p, secretName, id); got != "one" {
		t.Error("the next one is not whole")
	}
}

// TestWhatIsNoSecretManager: pages of proxies are not quoted.
func TestWhatIsNoSecretManager(t *testing.T) {
	for _, status := range []int{200, 302, 403, 404, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(status)
				_, _ = w.Write([]byte("<html>canary</html>"))
			}))
			server.EnableHTTP2 = true
			server.Config.ErrorLog = silent()
			server.StartTLS()
			defer server.Close()
			p := elsewhere(t, server)
			_, err := p.Current(t.Context(), secretName)
			_, err2 := p.Read(t.Context(), secretName, "1")
			for _, err := range []error{err, err2} {
				if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !strings.Contains(e.Error(), "none of Secret Manager's") {
					t.Error(err)
				}
				kept(t, err)
			}
			p.Close()
		})
	}
}

func TestNoConnectionWithoutTrust(t *testing.T) {
	s := start(t, googletest.Options{})
	s.Create(secretName, []byte("one"))
	p := open(t, s, func(o *google.Options) { o.CAFile = "" })
	_, err := p.Current(t.Context(), secretName)
	if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !strings.Contains(err.Error(), "authority that is not trusted") {
		t.Error(err)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d calls reached a server that is not trusted", n)
	}
	for _, file := range []string{"/nowhere/roots.pem", writeFile(t, "roots.pem", "canary")} {
		_, err = open(t, s, func(o *google.Options) { o.CAFile = file }).Current(t.Context(), secretName)
		if !strings.Contains(reason(t, err).Error(), "CAFile") || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	p = mustNew(t, google.Options{Endpoint: plain.Listener.Addr().String(), Credentials: static(s)})
	if _, err = p.Current(t.Context(), secretName); !strings.Contains(reason(t, err).Error(), "does not speak TLS") {
		t.Error(err)
	}
}

func TestEveryMissingPermissionIsNamedAtOnce(t *testing.T) {
	const lists, gets, reads = "secretmanager.versions.list", "secretmanager.versions.get", "secretmanager.versions.access"
	for _, c := range []struct {
		name   string
		deny   []string
		wanted []string
	}{
		{"nothing is missing", nil, nil},
		{"listing", []string{lists}, []string{lists}},
		{"getting", []string{gets}, []string{gets}},
		{"reading", []string{reads}, []string{reads}},
		{"all", []string{lists, gets, reads}, []string{reads, gets, lists}},
		{"what is not needed", []string{"secretmanager.secrets.get"}, nil},
	} {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, empty %v", c.name, empty), func(t *testing.T) {
				s, p := both(t)
				s.Create(secretName, nil)
				if !empty {
					s.Disable(secretName, s.Add(secretName, []byte("one")))
				}
				s.Deny(secretName, c.deny...)
				got, err := providers.Set{p.Kind()}.Missing(t.Context(), secretName)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.wanted, got); diff != "" {
					t.Errorf("missing (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestWhatIsNoMissingPermission(t *testing.T) {
	for name, hurt := range map[string]func(*googletest.Server){
		"a token that is not accepted": func(s *googletest.Server) { s.RevokeTokens() },
		"an API that is disabled":      func(s *googletest.Server) { s.DisableService(googletest.DefaultProject) },
		"a quota that is used up":      func(s *googletest.Server) { s.Throttle(googletest.Forever) },
		"a server that has gone":       func(s *googletest.Server) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s, p := both(t)
			s.Create(secretName, []byte("one"))
			hurt(s)
			if got, err := p.Missing(t.Context(), secretName); err == nil || len(got) > 0 {
				t.Errorf("missing %v, %v", got, err)
			}
		})
	}
	if _, err := mustNew(t, google.Options{}).Missing(t.Context(), "planet-gcs"); providers.ReasonOf(err) != providers.ReasonInvalid {
		t.Error(err)
	}
}

func TestAnswersAboutSomethingElse(t *testing.T) {
	replace := func(was, is string) func(string) string {
		return func(name string) string { return strings.Replace(name, was, is, 1) }
	}
	for _, c := range []struct {
		name   string
		rename func(string) string
	}{
		{"another secret", replace("planet-gcs", "planet")},
		{"another location", replace("/secrets/", "/locations/europe-west3/secrets/")},
		{"another project", replace("123456789012", "999999999999")},
		{"another project's id", replace("123456789012", "other-project")},
		{"no version", func(name string) string { name, _, _ = strings.Cut(name, "/versions/"); return name }},
		{"an alias", replace("/versions/2", "/versions/latest")},
		{"nothing", func(string) string { return "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			s.Create(secretName, []byte("one"))
			s.Add(secretName, []byte(canary))
			current(t, p, secretName) // learns the project's number
			s.Rename(c.rename)
			_, err := p.Current(t.Context(), secretName)
			v, err2 := p.Read(t.Context(), secretName, "2")
			for _, err := range []error{err, err2} {
				if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !strings.Contains(e.Error(), "another secret") {
					t.Error(err)
				}
				kept(t, err)
			}
			if !v.Empty() {
				t.Error("a value of something else is given")
			}
			s.Rename(nil)
			current(t, p, secretName)
		})
	}
	t.Run("another version", func(t *testing.T) {
		s, p := both(t)
		s.Create(secretName, []byte("one"))
		s.Add(secretName, []byte(canary))
		s.Rename(replace("/versions/2", "/versions/1"))
		v, err := p.Read(t.Context(), secretName, "2")
		if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !v.Empty() {
			t.Error(err)
		}
		if _, err := p.Current(t.Context(), secretName); providers.ReasonOf(err) != providers.ReasonUnavailable {
			t.Error(err)
		}
	})
}
