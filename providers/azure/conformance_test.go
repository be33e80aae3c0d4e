package azure_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
	"github.com/rotatord/rotatord/providers/providerstest"
)

// through is a Transporter for a credential of the tests' own.
type through struct{ azure.Options }

func (t through) Do(r *http.Request) (*http.Response, error) { return t.Transport.RoundTrip(r) }

// defaultMark is the tag that Mark sets.
const defaultMark = "rotatord-accepted"

func marksOf(s *azuretest.Server, of func(credential.Secret) string) *providerstest.Marks {
	return &providerstest.Marks{
		Marked: func(_ testing.TB, n credential.Secret) (ids []string) {
			for _, id := range s.Versions(vault, of(n)) {
				if s.Describe(vault, of(n), id).Tags[defaultMark] != "" {
					ids = append(ids, id)
				}
			}
			return ids
		},
		Others: func(_ testing.TB, n credential.Secret) map[string]string {
			all := map[string]string{}
			for _, id := range s.Versions(vault, of(n)) {
				d := s.Describe(vault, of(n), id)
				all[id] = fmt.Sprintf("%s %+v", d.ContentType, d.Attributes)
				for tag, value := range d.Tags {
					if tag != defaultMark {
						all[id+"/"+tag] = value
					}
				}
			}
			return all
		},
		Scribble: func(_ testing.TB, n credential.Secret) {
			for i, id := range s.Versions(vault, of(n)) {
				s.Tag(vault, of(n), id, "text/plain", map[string]string{"team": fmt.Sprint("imagery ", i)})
			}
		},
		Writes: func() int { return s.Count("update") },
		Deny: func(_ testing.TB, n credential.Secret) string {
			s.Deny(vault, of(n), azuretest.ByRole, "update")
			return "Microsoft.KeyVault/vaults/secrets/update/action"
		},
		Unknown: "0123456789abcdef0123456789abcdef",
	}
}

func harness(open func(testing.TB) (*azuretest.Server, *azure.Provider)) providerstest.Harness {
	return providerstest.Harness{KeepsOldVersions: true, New: func(t testing.TB) *providerstest.Environment {
		s, p := open(t)
		made := 0
		of := func(n credential.Secret) string { return string(n)[len(prefix):] }
		put := func(value string) credential.Secret {
			made++
			name := fmt.Sprintf("Planet-%d", made)
			s.Set(vault, name, value, azuretest.Attributes{})
			return credential.Secret(prefix + name)
		}
		return &providerstest.Environment{
			Provider: p,
			Put:      func(_ testing.TB, value []byte) credential.Secret { return put(string(value)) },
			PutEmpty: func(testing.TB) credential.Secret { return put("") },
			Rotate: func(_ testing.TB, n credential.Secret, value []byte) {
				s.Set(vault, of(n), string(value), azuretest.Attributes{})
			},
			Rollback: func(_ testing.TB, n credential.Secret) {
				ids := s.Versions(vault, of(n))
				s.Change(vault, of(n), ids[len(ids)-1], azuretest.Attributes{Disabled: true})
			},
			Remove:   func(_ testing.TB, n credential.Secret) { s.Purge(vault, of(n)) },
			Deny:     func(_ testing.TB, n credential.Secret) { s.Deny(vault, of(n), azuretest.ByRole, "get", "list") },
			Disable:  func(_ testing.TB, n credential.Secret) { s.Disable(vault, of(n)) },
			Throttle: func(testing.TB) { s.Throttle(azuretest.Vaults, azuretest.Forever, 10) },
			Fail:     func(testing.TB) { s.Fail(azuretest.Vaults, azuretest.Forever, 500) },
			Hang:     func(testing.TB) { s.Hang(azuretest.Vaults, true) },
			Marks:    marksOf(s, of),
			Missing:  prefix + "missing",
			Malformed: []credential.Secret{"", "planet-azure", "https://my-vault.vault.azure.net", "https://my-vault.vault.azure.net/secrets/",
				"https://my-vault.vault.azure.net/keys/planet", "https://my-vault.vault.azure.net/secrets/a_b", "http://my-vault.vault.azure.net/secrets/a",
				prefix + "planet/4387e9f3d6e14c459867679a90fd0f79", prefix + "planet?api-version=7.4", "https://vault.azure.net/secrets/a",
				"https://my-vault.vault.azure.net.example.com/secrets/a", "file:///run/secrets/planet"},
		}
	}}
}

func TestProvider(t *testing.T) { providerstest.TestProvider(t, harness(both)) }

// TestProviderOfLongLists is the suite with more pages than one.
func TestProviderOfLongLists(t *testing.T) {
	providerstest.TestProvider(t, harness(func(t testing.TB) (*azuretest.Server, *azure.Provider) {
		s := start(t, azuretest.Options{PageSize: 3})
		return s, open(t, s)
	}))
}

// TestProviderInMemory is the suite without a network, as simulations have it.
func TestProviderInMemory(t *testing.T) {
	providerstest.TestProvider(t, harness(func(t testing.TB) (*azuretest.Server, *azure.Provider) {
		s := azuretest.New(azuretest.Options{Apps: []azuretest.App{own}})
		return s, open(t, s)
	}))
}
