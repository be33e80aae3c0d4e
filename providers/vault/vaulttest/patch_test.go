package vaulttest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

// TestTheSDKsOwnHelperPatchesMetadata holds that a patch is a merge, and that it
// needs the capability of that name.
func TestTheSDKsOwnHelperPatchesMetadata(t *testing.T) {
	s := vaulttest.New()
	ctx := t.Context()
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	s.Settings("secret", "planet/s3", 3, 0, map[string]string{"owner": "planet"})
	patch := func(token string, custom map[string]any) error {
		_, err := client(t, s, token).Logical().JSONMergePatch(ctx, "secret/metadata/planet/s3", map[string]any{"custom_metadata": custom})
		return err
	}
	s.Token("writer", 0, vaulttest.Rule{Path: "secret/*", Capabilities: []string{"create", "update", "read"}})
	if err := patch("writer", map[string]any{"a": "1"}); err == nil {
		t.Error("update stands for patch")
	}
	s.Token("marker", 0, vaulttest.Mark("secret", "planet/s3")...)
	for _, custom := range []map[string]any{{"a": "1", "b": "2"}, {"a": nil}} {
		if err := patch("marker", custom); err != nil {
			t.Fatal(err)
		}
	}
	if err := patch("marker", map[string]any{"a": 7}); err == nil {
		t.Error("a number is taken")
	}
	if diff := cmp.Diff(map[string]string{"owner": "planet", "b": "2"}, s.Custom("secret", "planet/s3")); diff != "" {
		t.Error(diff)
	}
	m, err := client(t, s, "root").KVv2("secret").GetMetadata(ctx, "planet/s3")
	if err != nil || m.MaxVersions != 3 || m.CurrentVersion != 1 || m.CustomMetadata["b"] != "2" {
		t.Errorf("%+v, %v", m, err)
	}
}
