package vault_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestAValueIsTheObjectAsVaultSendsIt(t *testing.T) {
	s, p := both(t)
	for _, object := range []string{
		`{"access_key_id":"AKIA","secret_access_key":"a/b+c="}`,
		`{"z":1,"a":12345678901234567890.10,"m":{"z":1e400,"a":[1.0,null,true]}}`, // no map, no float
		`{"value":"is not unwrapped"}`,
		`{"twice":1,"twice":2}`,
		`{"é":"漢字 🔑","quote":"\"\\\u0000"}`,
	} {
		version := strconv.Itoa(s.Put("secret", "planet/s3", object))
		if got := read(t, p, planet, version); got != object {
			t.Errorf("reads as\n%s\nwant\n%s", got, object)
		}
	}
	fails(t, second(p.Read(t.Context(), planet, strconv.Itoa(s.Put("secret", "planet/s3", "{}")))), providers.ReasonInvalid, "no keys")
	fails(t, second(p.Read(t.Context(), planet, strconv.Itoa(s.Spoil("secret", "planet/s3", "[1]")))), providers.ReasonInvalid, "no JSON object")
}

func second[T any](_ T, err error) error { return err }

func TestTheNewestVersionDecidesAsForEveryReaderOfVault(t *testing.T) {
	s, p := both(t)
	s.Create("secret", "planet/s3")
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDisabled, "no version yet")
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	before := time.Now().Add(-time.Minute)
	s.Put("secret", "planet/s3", `{"k":"2"}`)
	if v := current(t, p, planet); v.ID != "2" || v.Created.Before(before) || !v.Expires.IsZero() || !v.NextRotation.IsZero() {
		t.Errorf("current %+v", v)
	}
	s.Delete("secret", "planet/s3", 2)
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDisabled, "newest version, 2, was deleted", "undelete", "rollback")
	fails(t, second(p.Read(t.Context(), planet, "2")), providers.ReasonDisabled)
	if got := read(t, p, planet, "1"); got != `{"k":"1"}` {
		t.Errorf("version 1 reads as %s", got)
	}
	s.Undelete("secret", "planet/s3", 2)
	if v := current(t, p, planet); v.ID != "2" {
		t.Errorf("after undelete %+v", v)
	}
	s.Delete("secret", "planet/s3", 1)
	fails(t, second(p.Read(t.Context(), planet, "1")), providers.ReasonGone, "was deleted")
	s.Destroy("secret", "planet/s3", 1)
	fails(t, second(p.Read(t.Context(), planet, "1")), providers.ReasonGone, "was destroyed")
	s.Destroy("secret", "planet/s3", 2)
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDisabled, "was destroyed", "rollback")
	s.Put("secret", "planet/s3", `{"k":"3"}`)
	if v := s.Rollback("secret", "planet/s3", 3); v != 4 || current(t, p, planet).ID != "4" {
		t.Errorf("a rollback to 3 is version %d", v)
	}
}

func TestVersionsBeyondTheMostThatAreKeptAreGone(t *testing.T) {
	s, p := both(t)
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	s.Settings("secret", "planet/s3", 2, 0, map[string]string{"owner": "canary"})
	for range 2 {
		s.Put("secret", "planet/s3", `{"k":"x"}`)
	}
	fails(t, second(p.Read(t.Context(), planet, "1")), providers.ReasonGone, "max_versions")
	if v := current(t, p, planet); v.ID != "3" || read(t, p, planet, "2") == "" {
		t.Errorf("current %+v", v)
	}
}

// virtual gives a server and a provider inside a bubble.
func virtual(t *testing.T, f func(t *testing.T, s *vaulttest.Server, p *vault.Provider)) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New()
		s.Token(own, 0, vaulttest.Read("secret", "*")...)
		f(t, s, mustNew(t, vault.Options{Address: "https://vault.test", Token: credential.NewValue([]byte(own)), Transport: s.RoundTripper()}))
	})
}

func mustNew(t testing.TB, o vault.Options) *vault.Provider {
	t.Helper()
	p, err := vault.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestADeletionToComeIsWhenTheVersionExpires(t *testing.T) {
	virtual(t, func(t *testing.T, s *vaulttest.Server, p *vault.Provider) {
		s.Create("secret", "planet/s3")
		s.Settings("secret", "planet/s3", 0, time.Hour, nil)
		s.Put("secret", "planet/s3", `{"k":"1"}`)
		if v := current(t, p, planet); !v.Expires.Equal(time.Now().Add(time.Hour)) {
			t.Errorf("expires %s", v.Expires)
		}
		s.SkewClock(-time.Hour) // by the server's clock it is not deleted, whatever ours says
		time.Sleep(time.Hour - time.Minute)
		if v := current(t, p, planet); v.ID != "1" {
			t.Errorf("current %+v", v)
		}
		s.SkewClock(0)
		time.Sleep(time.Minute)
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDisabled, "was deleted on")
	})
}

func TestAStaleReadIsNoRollback(t *testing.T) {
	virtual(t, func(t *testing.T, s *vaulttest.Server, p *vault.Provider) {
		s.Put("secret", "planet/s3", `{"k":"1"}`)
		s.Put("secret", "planet/s3", `{"k":"2"}`)
		if v := current(t, p, planet); v.ID != "2" {
			t.Fatalf("current %+v", v)
		}
		s.Lag("secret", "planet/s3", 1)
		if v := current(t, p, planet); v.ID != "2" {
			t.Errorf("a standby that is behind makes it %s", v.ID)
		}
		s.Lag("secret", "planet/s3", 2) // one for the value, one for the question why
		fails(t, second(p.Read(t.Context(), planet, "2")), providers.ReasonUnavailable, "standby")
		time.Sleep(time.Second)
		s.DeleteMetadata("secret", "planet/s3")
		s.Put("secret", "planet/s3", `{"k":"anew"}`)
		if v := current(t, p, planet); v.ID != "1" {
			t.Errorf("made anew, it is %s", v.ID)
		}
		s.Put("secret", "planet/s3", `{"k":"2"}`)
		_ = current(t, p, planet)
		s.Lag("secret", "planet/s3", vaulttest.Forever)
		time.Sleep(2 * time.Minute)
		if v := current(t, p, planet); v.ID != "1" {
			t.Errorf("after two minutes it is still %s", v.ID)
		}
	})
}

func TestAfterAnEventAStandbyThatIsBehindIsWaitedFor(t *testing.T) {
	virtual(t, func(t *testing.T, s *vaulttest.Server, p *vault.Provider) {
		after := func(version string) (credential.Version, error) {
			return p.CurrentAfter(t.Context(), planet, providers.Hint{Version: version})
		}
		asked := func(f func()) (n int, took time.Duration) {
			before, start := len(s.Requests()), time.Now()
			f()
			return len(s.Requests()) - before, time.Since(start)
		}
		s.Put("secret", "planet/s3", `{"k":"1"}`)
		s.Put("secret", "planet/s3", `{"k":"2"}`)
		s.Lag("secret", "planet/s3", 2)
		n, took := asked(func() {
			if v, err := after("2"); err != nil || v.ID != "2" {
				t.Errorf("%+v, %v", v, err)
			}
		})
		if n != 3 || took != 750*time.Millisecond {
			t.Errorf("%d questions in %s", n, took)
		}
		for _, hint := range []string{"1", "2", "x", "02"} { // overtaken, known, none of Vault's
			if n, took := asked(func() { _, _ = after(hint) }); n != 1 || took != 0 {
				t.Errorf("hint %q: %d questions in %s", hint, n, took)
			}
		}
		if n, took := asked(func() { // a lie
			if v, err := after("9"); err != nil || v.ID != "2" {
				t.Errorf("%+v, %v", v, err)
			}
		}); n != 6 || took != 7750*time.Millisecond {
			t.Errorf("%d questions in %s", n, took)
		}
		s.Delete("secret", "planet/s3", 2)
		if n, _ := asked(func() { fails(t, second(after("2")), providers.ReasonDisabled) }); n != 1 {
			t.Errorf("a deletion that is newer than the hint is asked about %d times", n)
		}
		s.Token(own, 0, vaulttest.Read("secret", "other")...)
		if n, _ := asked(func() { fails(t, second(after("3")), providers.ReasonDenied) }); n != 1 {
			t.Errorf("a denial is asked about %d times", n)
		}
	})
}
