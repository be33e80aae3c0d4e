package vaulttest_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/vault/api"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is the SDK's own, as Vault's commands and other programs use it.
func client(t *testing.T, s *vaulttest.Server, token string) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: "https://vault.test", HttpClient: &http.Client{Transport: s.RoundTripper()}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetToken(token)
	return c
}

// The SDK's helper for KV version 2 takes answers apart more strictly than we
// do: what it understands has Vault's form.
func TestTheSDKsOwnHelperUnderstandsTheEngine(t *testing.T) {
	s := vaulttest.New()
	kv, ctx := client(t, s, "root").KVv2("secret"), t.Context()
	if _, err := kv.Get(ctx, "planet/s3"); !errors.Is(err, api.ErrSecretNotFound) {
		t.Errorf("a missing secret: %v", err)
	}
	put, err := kv.Put(ctx, "planet/s3", map[string]any{"k": "1"}, api.WithCheckAndSet(0))
	if err != nil || put.VersionMetadata.Version != 1 {
		t.Fatalf("%+v, %v", put, err)
	}
	if _, err := kv.Put(ctx, "planet/s3", map[string]any{"k": "2"}, api.WithCheckAndSet(7)); err == nil {
		t.Error("check-and-set checks nothing")
	}
	s.Settings("secret", "planet/s3", 2, time.Hour, map[string]string{"owner": "planet"})
	if n := s.Put("secret", "planet/s3", `{"k":"2"}`); n != 2 || s.Newest("secret", "planet/s3") != 2 {
		t.Errorf("version %d", n)
	}
	got, err := kv.Get(ctx, "planet/s3")
	if err != nil || got.Data["k"] != "2" || got.VersionMetadata.Version != 2 || got.VersionMetadata.DeletionTime.IsZero() || got.CustomMetadata["owner"] != "planet" {
		t.Errorf("%+v, %v", got, err)
	}
	s.Delete("secret", "planet/s3", 1)
	old, err := kv.GetVersion(ctx, "planet/s3", 1)
	if err != nil || old.Data != nil || old.VersionMetadata.DeletionTime.IsZero() {
		t.Errorf("a deleted version: %+v, %v", old, err)
	}
	s.Destroy("secret", "planet/s3", 1)
	s.Rollback("secret", "planet/s3", 2)
	m, err := kv.GetMetadata(ctx, "planet/s3")
	if err != nil {
		t.Fatal(err)
	}
	if _, kept := m.Versions["1"]; kept || m.CurrentVersion != 3 || m.OldestVersion != 2 || m.MaxVersions != 2 || m.DeleteVersionAfter != time.Hour || len(m.Versions) != 2 {
		t.Errorf("metadata %+v", m)
	}
	if _, err := kv.GetVersion(ctx, "planet/s3", 1); !errors.Is(err, api.ErrSecretNotFound) {
		t.Errorf("a version beyond those that are kept: %v", err)
	}
	s.DeleteMetadata("secret", "planet/s3")
	if _, err := kv.GetMetadata(ctx, "planet/s3"); err == nil {
		t.Error("metadata outlives its deletion")
	}
}

func TestPoliciesLeasesAndNamespacesCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New()
		s.Mount("team", "secret", 2)
		s.Put("secret", "planet/s3", `{"k":"1"}`)
		s.Token("reader", time.Hour, vaulttest.Rule{Path: "secret/data/planet/*", Capabilities: []string{"read"}},
			vaulttest.Rule{Path: "secret/data/planet/locked", Capabilities: []string{"deny"}})
		c := client(t, s, "reader")
		status := func(c *api.Client, path string) int {
			_, err := c.Logical().ReadWithContext(t.Context(), path)
			var refused *api.ResponseError
			if errors.As(err, &refused) {
				return refused.StatusCode
			}
			return http.StatusOK
		}
		for path, want := range map[string]int{"secret/data/planet/s3": 200, "secret/metadata/planet/s3": 403, "secret/data/planet/locked": 403, "secret/data/other": 403, "nowhere/x": 403} {
			if got := status(c, path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		if _, err := c.KVv2("secret").Put(t.Context(), "planet/s3", map[string]any{"k": "2"}); err == nil {
			t.Error("a reader may write")
		}
		can, err := c.Sys().CapabilitiesSelfWithContext(t.Context(), "secret/data/planet/s3")
		if diff := cmp.Diff([]string{"read"}, can); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		team := client(t, s, "root")
		team.SetNamespace("team")
		if secret, err := team.Logical().ReadWithContext(t.Context(), "secret/data/planet/s3"); secret != nil || err != nil {
			t.Errorf("the other namespace has it too: %v", err)
		}
		time.Sleep(time.Hour)
		if got := status(c, "secret/data/planet/s3"); got != 403 {
			t.Errorf("after its lease a token gets %d", got)
		}
		bare := client(t, s, "root")
		bare.SetHeaders(http.Header{})
		if got := status(bare, "secret/data/planet/s3"); got != http.StatusPreconditionFailed {
			t.Errorf("without X-Vault-Request: %d", got)
		}
	})
}

func TestHealthIsWhatALoadBalancerAsks(t *testing.T) {
	s := vaulttest.New()
	for name, c := range map[string]struct {
		hurt func()
		want int
	}{
		"active":  {func() {}, 200},
		"standby": {func() { s.Standby("https://active.test") }, 429},
		"sealed":  {func() { s.Seal(true) }, 503},
	} {
		s.Seal(false)
		s.Standby("")
		c.hurt()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://vault.test/v1/sys/health", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Vault-Request", "true")
		resp, err := s.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != c.want {
			t.Errorf("%s: %d, %v", name, resp.StatusCode, err)
		}
	}
}
