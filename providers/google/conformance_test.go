package google_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/google/googletest"
	"github.com/rotatord/rotatord/providers/providerstest"
)

// defaultMark is the annotation that Mark writes.
const defaultMark = "rotatord-accepted"

// harness has secrets below a parent, "projects/my-project".
func harness(parent string) providerstest.Harness {
	return providerstest.Harness{KeepsOldVersions: true, Binary: true, New: func(t testing.TB) *providerstest.Environment {
		s, p := both(t)
		made := 0
		add := func(value []byte) credential.Secret {
			made++
			n := fmt.Sprintf("%s/secrets/planet-%d", parent, made)
			s.Create(n, value)
			return credential.Secret(n)
		}
		all := []string{"secretmanager.versions.list", "secretmanager.versions.get", "secretmanager.versions.access"}
		return &providerstest.Environment{
			Provider: p,
			Put:      func(_ testing.TB, value []byte) credential.Secret { return add(value) },
			PutEmpty: func(testing.TB) credential.Secret { return add([]byte{}) },
			Rotate:   func(_ testing.TB, n credential.Secret, value []byte) { s.Add(string(n), value) },
			Rollback: func(_ testing.TB, n credential.Secret) { s.Disable(string(n), s.Enabled(string(n))[0]) },
			Remove:   func(_ testing.TB, n credential.Secret) { s.Delete(string(n)) },
			Deny:     func(_ testing.TB, n credential.Secret) { s.Deny(string(n), all...) },
			Disable: func(_ testing.TB, n credential.Secret) {
				for _, v := range s.Enabled(string(n)) {
					s.Disable(string(n), v)
				}
			},
			Throttle: func(testing.TB) { s.Throttle(googletest.Forever) },
			Fail:     func(testing.TB) { s.Fail(googletest.Forever, codes.Internal) },
			Hang:     func(testing.TB) { s.Hang() },
			Marks: &providerstest.Marks{
				Marked: func(_ testing.TB, n credential.Secret) (ids []string) {
					if id := s.Annotations(string(n))[defaultMark]; id != "" {
						ids = append(ids, id)
					}
					return ids
				},
				Others: func(_ testing.TB, n credential.Secret) map[string]string {
					all := s.Annotations(string(n))
					delete(all, defaultMark)
					return all
				},
				Scribble: func(_ testing.TB, n credential.Secret) {
					all := s.Annotations(string(n))
					if all == nil {
						all = map[string]string{}
					}
					all["team"] = "imagery"
					s.Annotate(string(n), all)
				},
				Writes: func() int { return s.Count("UpdateSecret") },
				Deny: func(_ testing.TB, n credential.Secret) string {
					s.Deny(string(n), "secretmanager.secrets.update")
					return "secretmanager.secrets.update"
				},
				Unknown: "999",
			},
			Missing: credential.Secret(parent + "/secrets/missing"),
			Malformed: []credential.Secret{"", "planet-gcs", "projects/my-project", "projects/my-project/secrets/", "projects/my-project/secrets/a b",
				"projects//secrets/a", "projects/my-project/secrets/a/versions/7", "projects/my-project/secrets/a/versions/latest",
				"projects/my-project/locations//secrets/a", "projects/my-project/locations/evil.example/secrets/a", "file:///run/secrets/planet"},
		}
	}}
}

func TestProvider(t *testing.T) {
	providerstest.TestProvider(t, harness("projects/my-project"))
}

func TestProviderOfProjectNumbers(t *testing.T) {
	providerstest.TestProvider(t, harness("projects/123456789012"))
}

func TestProviderOfRegionalSecrets(t *testing.T) {
	providerstest.TestProvider(t, harness("projects/my-project/locations/europe-west3"))
}
