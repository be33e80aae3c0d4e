package vault_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestEveryPermissionThatIsMissingIsNamedAtOnce(t *testing.T) {
	const data, metadata = `capability "read" on secret/data/planet/s3`, `capability "read" on secret/metadata/planet/s3`
	read := []string{"read"}
	for _, c := range []struct {
		name  string
		rules []vaulttest.Rule
		want  []string
	}{
		{"nothing is missing", vaulttest.Read("secret", "planet/*"), nil},
		{"the metadata", []vaulttest.Rule{{Path: "secret/data/*", Capabilities: read}}, []string{metadata}},
		{"the data", []vaulttest.Rule{{Path: "secret/metadata/planet/s3", Capabilities: read}}, []string{data}},
		{"both", vaulttest.Read("secret", "other"), []string{data, metadata}},
		{"a list is no read", []vaulttest.Rule{{Path: "secret/*", Capabilities: []string{"list"}}}, []string{data, metadata}},
		{"the longer rule counts", append(vaulttest.Read("secret", "*"), vaulttest.Rule{Path: "secret/data/planet/s3", Capabilities: []string{"deny"}}), []string{data}},
		{"root", []vaulttest.Rule{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, asked := range []bool{true, false} {
				s := start(t, c.rules...)
				s.Put("secret", "planet/s3", `{"k":"1"}`)
				if !asked { // sys/capabilities-self itself is not permitted
					s.DropDefault()
				}
				got, err := open(t, s).Missing(t.Context(), planet)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("asked %v (-want +got):\n%s", asked, diff)
				}
				for _, r := range s.Requests() {
					if r.Path != "/v1/sys/capabilities-self" && asked {
						t.Errorf("asks for %s too", r.Path)
					}
				}
			}
		})
	}
}

func TestMissingPermissionsCanNotAlwaysBeFoundOut(t *testing.T) {
	s, p := both(t)
	s.DropDefault()
	if got, err := p.Missing(t.Context(), planet); got != nil || err != nil { // no secret: nothing is denied
		t.Errorf("%v, %v", got, err)
	}
	s.Revoke(own)
	fails(t, second(p.Missing(t.Context(), planet)), providers.ReasonDenied, "invalid token")
	s.Seal(true)
	fails(t, second(p.Missing(t.Context(), planet)), providers.ReasonUnavailable, "sealed")
	fails(t, second(p.Missing(t.Context(), "vault://secret")), providers.ReasonInvalid)
}
