package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestAMarkIsOneKeyOfTheCustomMetadata(t *testing.T) {
	s, p := marking(t)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	s.Settings("secret", "planet/s3", 7, 0, map[string]string{"team": "imagery"})
	if err := p.Mark(t.Context(), planet, "1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "imagery", defaultMark: "1"}, s.Custom("secret", "planet/s3")); diff != "" {
		t.Error(diff)
	}
}

// TestAnOpenBaoThatWantsCheckAndSetGetsIt, and a change in between is noticed.
func TestAnOpenBaoThatWantsCheckAndSetGetsIt(t *testing.T) {
	s, p := marking(t)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	s.RequireMetadataCAS("secret", "planet/s3")
	s.Meddle("secret", "planet/s3", map[string]string{"team": "imagery"})
	if err := p.Mark(t.Context(), planet, "1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "imagery", defaultMark: "1"}, s.Custom("secret", "planet/s3")); diff != "" {
		t.Error(diff)
	}
	if n := writes(s); n != 2 {
		t.Errorf("%d patches, want 2", n)
	}
}

func TestAVaultThatCanNotPatchIsSaidToBeOld(t *testing.T) {
	s, p := marking(t)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	s.NoPatch()
	fails(t, p.Mark(t.Context(), planet, "1"), providers.ReasonInvalid, "1.10")
}

func TestCustomMetadataThatIsFullTakesNoMark(t *testing.T) {
	s, p := marking(t)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	full := map[string]string{}
	for i := range 64 {
		full[fmt.Sprint("key", i)] = "x"
	}
	s.Settings("secret", "planet/s3", 0, 0, full)
	fails(t, p.Mark(t.Context(), planet, "1"), providers.ReasonInvalid, "64 keys")
}

func TestAStandbyThatIsBehindIsWaitedForWithAMark(t *testing.T) {
	s, p := marking(t)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	s.Put("secret", "planet/s3", `{"a":"c"}`)
	if v := current(t, p, planet); v.ID != "2" {
		t.Fatalf("version %q", v.ID)
	}
	s.Lag("secret", "planet/s3", 1)
	fails(t, p.Mark(t.Context(), planet, "2"), providers.ReasonUnavailable, "does not have version 2 yet")
	if err := p.Mark(t.Context(), planet, "2"); err != nil {
		t.Error(err)
	}
}

func TestOnlyThePermissionsOfTheDocumentAreNeededToMark(t *testing.T) {
	s := start(t, vaulttest.Rule{Path: "secret/metadata/planet/s3", Capabilities: []string{"read", "patch"}})
	p := open(t, s)
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	if err := p.Mark(t.Context(), planet, "1"); err != nil {
		t.Error(err)
	}
	s.SetRules(vaulttest.Rule{Path: "secret/metadata/planet/s3", Capabilities: []string{"patch"}})
	fails(t, p.Mark(t.Context(), planet, ""), providers.ReasonDenied, `"read" on "secret/metadata/planet/s3"`)
}

func TestAMarkMayHaveAnotherName(t *testing.T) {
	s := start(t, vaulttest.Mark("secret", "*")...)
	p := open(t, s, func(o *vault.Options) { o.Mark = "in.use" })
	s.Put("secret", "planet/s3", `{"a":"b"}`)
	if err := p.Mark(t.Context(), planet, "1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"in.use": "1"}, s.Custom("secret", "planet/s3")); diff != "" {
		t.Error(diff)
	}
	for _, mark := range []string{"-a", "a b", "a/b", "é", strings.Repeat("x", 129)} {
		if _, err := vault.New(vault.Options{Mark: mark}); err == nil || !strings.Contains(err.Error(), "Mark") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}
