package vault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/providerstest"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

// unwrapped lets the suite, which puts bytes, speak to a store of JSON objects:
// it takes the key "value" out. Nothing else of the provider is touched.
type unwrapped struct{ *vault.Provider }

func (u unwrapped) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	v, err := u.Provider.Read(ctx, s, version)
	if err != nil {
		return v, err
	}
	defer v.Clear()
	var object struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(v.Bytes(), &object); err != nil {
		return credential.Value{}, &providers.Error{Op: "read", Secret: s, Reason: providers.ReasonInvalid}
	}
	return credential.NewValue([]byte(object.Value)), nil
}

func wrap(value []byte) string {
	text, err := json.Marshal(map[string]string{"value": string(value)})
	must(err)
	return string(text)
}

// defaultMark is the key of custom metadata that Mark writes.
const defaultMark = "rotatord-accepted"

func marksOf(s *vaulttest.Server, path func(credential.Secret) string) *providerstest.Marks {
	return &providerstest.Marks{
		Marked: func(_ testing.TB, n credential.Secret) (ids []string) {
			if id := s.Custom("secret", path(n))[defaultMark]; id != "" {
				ids = append(ids, id)
			}
			return ids
		},
		Others: func(_ testing.TB, n credential.Secret) map[string]string {
			all := s.Custom("secret", path(n))
			delete(all, defaultMark)
			return all
		},
		Scribble: func(_ testing.TB, n credential.Secret) {
			s.Settings("secret", path(n), 0, 0, map[string]string{"team": "imagery"})
		},
		Writes: func() int { return writes(s) },
		Deny: func(_ testing.TB, n credential.Secret) string {
			s.SetRules(vaulttest.Read("secret", "*")...)
			return `"patch" on "secret/metadata/` + path(n) + `"`
		},
		Unknown: "999",
	}
}

// writes is how many requests came that were neither reads nor questions after
// capabilities.
func writes(s *vaulttest.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet && !strings.HasPrefix(r.Path, "/v1/sys/") {
			n++
		}
	}
	return n
}

func harness(open func(testing.TB) (*vaulttest.Server, *vault.Provider)) providerstest.Harness {
	return providerstest.Harness{KeepsOldVersions: true, New: func(t testing.TB) *providerstest.Environment {
		s, p := open(t)
		made := 0
		path := func(n credential.Secret) string { return strings.TrimPrefix(string(n), "vault://secret/") }
		put := func(_ testing.TB, value []byte) credential.Secret {
			made++
			n := credential.Secret(fmt.Sprintf("vault://secret/planet/s3-%d", made))
			s.Put("secret", path(n), wrap(value))
			return n
		}
		newest := func(n credential.Secret) int { return s.Newest("secret", path(n)) }
		return &providerstest.Environment{
			Provider: unwrapped{p},
			Put:      put,
			PutEmpty: func(t testing.TB) credential.Secret { return put(t, nil) },
			Rotate:   func(_ testing.TB, n credential.Secret, value []byte) { s.Put("secret", path(n), wrap(value)) },
			Rollback: func(_ testing.TB, n credential.Secret) { s.Rollback("secret", path(n), newest(n)-1) },
			Remove:   func(_ testing.TB, n credential.Secret) { s.DeleteMetadata("secret", path(n)) },
			Deny:     func(testing.TB, credential.Secret) { s.SetRules(vaulttest.Read("secret", "other/*")...) },
			Disable:  func(_ testing.TB, n credential.Secret) { s.Delete("secret", path(n), newest(n)) },
			Spoil: func(_ testing.TB, n credential.Secret, canary []byte) {
				text, err := json.Marshal(string(canary))
				must(err)
				s.Spoil("secret", path(n), string(text))
			},
			Throttle: func(testing.TB) { s.Throttle(vaulttest.Forever) },
			Fail:     func(testing.TB) { s.Fail(vaulttest.Forever, 500) },
			Hang:     func(testing.TB) { s.Hang(true) },
			Marks:    marksOf(s, path),
			Missing:  "vault://secret/planet/missing",
			Malformed: []credential.Secret{"", "vault://", "vault://secret", "vault://secret/", "vault:///planet", "secret/planet/s3",
				"vault://secret//s3", "vault://secret/planet/", "vault://secret/../sys/raw", "vault://secret/%2e%2e/sys", "vault://secret/a?version=1",
				"vault://secret/a#b", "vault://secret/a%", "vault://secret/a%2Fb", "vault://secret/a%00b", "vault://secret/\xff", "file:///run/secrets/planet"},
		}
	}}
}

// marking is both, with a token that may also mark.
func marking(t testing.TB) (*vaulttest.Server, *vault.Provider) {
	t.Helper()
	s := start(t, vaulttest.Mark("secret", "*")...)
	return s, open(t, s)
}

func TestProvider(t *testing.T) { providerstest.TestProvider(t, harness(marking)) }

// TestProviderInMemory is the suite without a network, as simulations have it.
func TestProviderInMemory(t *testing.T) {
	providerstest.TestProvider(t, harness(func(t testing.TB) (*vaulttest.Server, *vault.Provider) {
		s := vaulttest.New()
		s.Token(own, 0, vaulttest.Mark("secret", "*")...)
		p, err := vault.New(vault.Options{Address: "https://vault.test:8200", Token: credential.NewValue([]byte(own)), Transport: s.RoundTripper()})
		if err != nil {
			t.Fatal(err)
		}
		return s, p
	}))
}
