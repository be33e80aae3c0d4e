package gcs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/probe"
)

// inMemory opens the world's bucket with one of its keys, without a network.
func (w world) inMemory(t *testing.T, who conformance.Who) bucket.Bucket {
	t.Helper()
	return open(t, gcs.Options{Transport: w.srv.RoundTripper()}, here, w.keys[who].Credentials(w.srv.TokenURL()))
}

// ops are the operations of all requests since n.
func (w world) ops(n int) []string {
	var ops []string
	for _, r := range w.srv.Requests()[n:] {
		ops = append(ops, r.Op)
	}
	return ops
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestATaskCostsOneTokenAndOneRequestAStep(t *testing.T) {
	w := newWorld(t)
	b := w.inMemory(t, conformance.Planets)
	if err := b.Put(t.Context(), "x", []byte("body")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"token", "insert", "media", "delete"}, w.ops(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReplacingWithoutThePermissionToDeleteIsDeniedAndNamed(t *testing.T) {
	w := newWorld(t)
	b := w.inMemory(t, conformance.NoDelete)
	if err := b.Put(t.Context(), "x", []byte("first")); err != nil {
		t.Fatal(err)
	}
	err := b.Put(t.Context(), "x", []byte("second"))
	wantError(t, err, "put object: denied (storage.objects.delete): forbidden [HTTP 403]: "+
		"an object of that name is there, and replacing it needs this permission too")
	if !bucket.KindOf(err).Refused() {
		t.Error("that does not count as refused")
	}
	if e, ok := errors.AsType[*bucket.Error](err); !ok || e.Object != bucket.PresenceThere {
		t.Errorf("it is not told that an object is there: %+v", err)
	}
	if o, _ := w.srv.Object(planetData, "x"); string(o.Body) != "first" {
		t.Errorf("the object is now %q", o.Body)
	}
}

func TestABucketThatKeepsVersionsForgetsTheObjectAndNotItsVersions(t *testing.T) {
	w := newWorld(t)
	w.srv.Set(planetData, gcstest.Settings{Versioning: true})
	b := w.inMemory(t, conformance.Owner)
	for range 2 {
		if err := b.Put(t.Context(), "x", []byte("y")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "x"); bucket.KindOf(err) != bucket.KindNotFound {
		t.Errorf("a deleted object gives %v", err)
	}
	kept := w.srv.Noncurrent(planetData)
	if len(kept) != 2 || kept[0].Generation >= kept[1].Generation {
		t.Errorf("kept: %+v", kept)
	}
}

func TestWhatABucketItselfForbidsIsNoMissingPermission(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings gcstest.Settings
		want     string
		kind     bucket.Kind
	}{
		{"retention", gcstest.Settings{Retention: time.Hour}, "delete object: denied: retentionPolicyNotMet [HTTP 403]: " +
			"a retention policy keeps the object; it can't be deleted or replaced yet, whatever the permissions", bucket.KindDenied},
		{"billing", gcstest.Settings{BillingDisabled: true},
			"delete object: denied: accountDisabled [HTTP 403]: billing is disabled for the bucket's project", bucket.KindDenied},
		{"a perimeter", gcstest.Settings{Perimeter: true}, "delete object: unknown: vpcServiceControls [HTTP 403]: " +
			"VPC Service Controls refuse requests from here; those of Planet's may be judged differently", bucket.KindUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.inMemory(t, conformance.Owner)
			if err := b.Put(t.Context(), "x", []byte("y")); err != nil {
				t.Fatal(err)
			}
			w.srv.Set(planetData, tc.settings)
			err := b.Delete(t.Context(), "x")
			wantError(t, err, tc.want)
			if bucket.KindOf(err) != tc.kind {
				t.Errorf("kind %q", bucket.KindOf(err))
			}
			// A download is refused in bare text.
			if _, err := b.Get(t.Context(), "x"); tc.settings.Retention == 0 && bucket.KindOf(err) != tc.kind {
				t.Errorf("a get gives %v", err)
			}
		})
	}
}

func TestFaultsOfEitherSideAreClassifiedAndTriedOnce(t *testing.T) {
	for _, tc := range []struct {
		name           string
		fault          gcstest.Fault
		token, storage bucket.Kind
	}{
		{"down", gcstest.Down, bucket.KindUnreachable, bucket.KindUnreachable},
		{"throttled", gcstest.Throttled, bucket.KindThrottled, bucket.KindThrottled},
		{"failing", gcstest.Failing, bucket.KindServer, bucket.KindServer},
		{"overload", gcstest.Overload, bucket.KindThrottled, bucket.KindThrottled},
		{"cut", gcstest.Cut, bucket.KindUnreachable, bucket.KindUnreachable},
		{"portal", gcstest.Portal, bucket.KindUnknown, bucket.KindUnknown},
		{"firewall", gcstest.Firewall, bucket.KindUnknown, bucket.KindUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.srv.PutObject(planetData, "x", []byte("there")); err != nil {
				t.Fatal(err)
			}
			for op, try := range map[bucket.Op]func(bucket.Bucket) error{
				bucket.OpPut:    func(b bucket.Bucket) error { return b.Put(t.Context(), "x", []byte("y")) },
				bucket.OpGet:    func(b bucket.Bucket) error { _, err := b.Get(t.Context(), "x"); return err },
				bucket.OpDelete: func(b bucket.Bucket) error { return b.Delete(t.Context(), "x") },
			} {
				b, before := w.inMemory(t, conformance.Owner), len(w.srv.Requests())
				w.srv.SetTokenFault(tc.fault)
				err := try(b)
				w.srv.SetTokenFault(gcstest.None)
				if bucket.KindOf(err) != tc.token {
					t.Errorf("%s, token endpoint: %v", op, err)
				}
				conformance.CheckNoCanary(t, err, w.canaries()...)
				if diff := cmp.Diff([]string{"token"}, w.ops(before)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", op, diff)
				}

				before = len(w.srv.Requests())
				w.srv.SetFault(tc.fault)
				err = try(b)
				w.srv.SetFault(gcstest.None)
				if bucket.KindOf(err) != tc.storage {
					t.Errorf("%s, storage: %v", op, err)
				}
				conformance.CheckNoCanary(t, err, w.canaries()...)
				// A download without Google's headers is looked into once more.
				if n := len(w.ops(before)); n != 2 && (op != bucket.OpGet || tc.fault != gcstest.Portal || n != 3) {
					t.Errorf("%s: %q", op, w.ops(before))
				}
			}
		})
	}
}

// TestVirtualTimeReachesKeysTokensAndObjects runs in virtual time: nothing
// waits on a network.
func TestVirtualTimeReachesKeysTokensAndObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begin := time.Now()
		late := w.addKey(t, email("planets"), begin.Add(7*time.Minute))
		w.keys[conformance.Planets] = late
		b := w.inMemory(t, conformance.Planets)

		wantError(t, b.Put(t.Context(), "x", nil), "put object: bad credential: invalid_grant [HTTP 400]: "+
			"the key is deleted, disabled or not known yet; a new one takes up to seven minutes to be")
		if w.srv.Works(late.ID, planetData) {
			t.Error("the key works before its time")
		}
		time.Sleep(7 * time.Minute)
		if !w.srv.Works(late.ID, planetData) {
			t.Error("the key does not work at its time")
		}
		if err := b.Put(t.Context(), "x", []byte("y")); err != nil {
			t.Fatal(err)
		}

		time.Sleep(3 * time.Hour)
		o, err := b.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if want := begin.Add(7 * time.Minute); !o.LastModified.Equal(want) || o.ServerTime.Sub(o.LastModified) != 3*time.Hour {
			t.Errorf("last modified %v, want %v; server's time %v", o.LastModified, want, o.ServerTime)
		}

		// A key that is revoked goes on for as long as its token is kept.
		w.srv.Revoke(late.ID)
		if _, err := b.Get(t.Context(), "x"); err != nil {
			t.Errorf("the token ended with its key: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := b.Get(t.Context(), "x"); bucket.KindOf(err) != bucket.KindBadCredential {
			t.Errorf("a revoked key is not found after a minute: %v", err)
		}
	})
}

func TestATokenThatIsNotAcceptedIsReplacedAtTheNextCall(t *testing.T) {
	w := newWorld(t)
	b := w.inMemory(t, conformance.Owner)
	if err := b.Put(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	w.srv.ForgetTokens()
	_, err := b.Get(t.Context(), "x")
	wantError(t, err, "get object: bad credential [HTTP 401]: the access token is not accepted; the key or its account may have been disabled")
	if err := b.Delete(t.Context(), "x"); err != nil {
		t.Errorf("no other token was asked for: %v", err)
	}
}

func TestNobodyAnswersUntilTheTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for name, hang := range map[string]func(gcstest.Fault){"token": w.srv.SetTokenFault, "storage": w.srv.SetFault} {
			b := w.inMemory(t, conformance.Owner)
			hang(gcstest.Hang)
			from := time.Now()
			_, err := b.Get(t.Context(), "x")
			if bucket.KindOf(err) != bucket.KindUnreachable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(from); took != gcs.DefaultTimeout {
				t.Errorf("%s: gave up after %v, want %v", name, took, gcs.DefaultTimeout)
			}
			hang(gcstest.None)
		}
		// Those who wait for somebody else's token are bounded too, by what is
		// theirs.
		b := w.inMemory(t, conformance.Owner)
		w.srv.SetTokenFault(gcstest.Hang)
		from, ended := time.Now(), make(chan error, 3)
		for range cap(ended) {
			go func() { ended <- b.Delete(t.Context(), "x") }()
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Delete(short, "x"); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != time.Second {
			t.Errorf("one who has a second waits %v: %v", time.Since(from), err)
		}
		for range cap(ended) {
			if err := <-ended; bucket.KindOf(err) != bucket.KindUnreachable {
				t.Error(err)
			}
		}
		if took := time.Since(from); took != gcs.DefaultTimeout {
			t.Errorf("gave up after %v, want %v", took, gcs.DefaultTimeout)
		}
	})
}

func TestClocksThatDifferAreToldFromABadKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for skew, kind := range map[time.Duration]bucket.Kind{
			-4 * time.Minute:    "",
			-6 * time.Minute:    bucket.KindClockSkew,
			58 * time.Minute:    "",
			61 * time.Minute:    bucket.KindClockSkew,
			-24 * time.Hour:     bucket.KindClockSkew,
			90 * 24 * time.Hour: bucket.KindClockSkew,
		} {
			w := newWorld(t)
			w.srv.SetSkew(skew)
			err := w.inMemory(t, conformance.Owner).Put(t.Context(), "x", nil)
			if bucket.KindOf(err) != kind {
				t.Errorf("a server %v ahead: %v", skew, err)
			}
			var e *bucket.Error
			if errors.As(err, &e) && time.Until(e.ServerTime).Round(time.Minute) != skew {
				t.Errorf("a server %v ahead tells %v", skew, e.ServerTime)
			}
		}
	})
}

func TestAccountsThatEndAreToldFromKeys(t *testing.T) {
	w := newWorld(t)
	w.srv.Disable(email("owner"), true)
	wantError(t, w.inMemory(t, conformance.Owner).Put(t.Context(), "x", nil),
		"put object: bad credential: invalid_grant [HTTP 400]: the service account is disabled")
	w.srv.DeleteAccount(email("owner"))
	wantError(t, w.inMemory(t, conformance.Owner).Put(t.Context(), "x", nil),
		"put object: bad credential: invalid_grant [HTTP 400]: there is no such service account; it was deleted, or is not known yet")
}

func TestACertificateOfAnUnknownAuthorityIsNoRefusal(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.srv)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	at := here.WithEndpoint(server.URL)
	credentials := w.keys[conformance.Owner].Credentials(server.URL + "/token")
	if err := open(t, gcs.Options{Transport: server.Client().Transport}, at, credentials).Put(t.Context(), "x", nil); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	err := open(t, gcs.Options{Transport: transport}, at, credentials).Put(t.Context(), "x", nil)
	if bucket.KindOf(err) != bucket.KindUnreachable || !strings.Contains(err.Error(), "authority that is not trusted") {
		t.Errorf("without its authority: %v", err)
	}
}

func TestNothingThatIsPrintedOfABucketShowsTheTextOfItsKey(t *testing.T) {
	w := newWorld(t)
	b := w.inMemory(t, conformance.Owner)
	if err := b.Put(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	slog.New(slog.NewJSONHandler(&lines, nil)).InfoContext(t.Context(), "opened", "bucket", b)
	for _, shown := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), fmt.Sprintf("%#v", b), lines.String()} {
		for i, canary := range w.canaries() {
			if strings.Contains(shown, canary) {
				t.Errorf("shows canary %d", i)
			}
		}
	}
}

// TestASecretGoesAllTheWay takes a key as Google gives it out through the
// patcher, opens the bucket with what comes of it, and holds a preflight.
func TestASecretGoesAllTheWay(t *testing.T) {
	w := newWorld(t)
	preflight := func(who conformance.Who, resume bool) probe.Preflight {
		value := credential.NewValue(w.keys[who].JSON(w.srv.TokenURL()))
		p, err := patcher.Make(bucket.TypeGoogleCloudStorage, value, patcher.Mapping{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b, err := gcs.Opener(gcs.Options{Transport: w.srv.RoundTripper()})(here, p)
		p.Clear()
		if err != nil {
			t.Fatal(err)
		}
		return probe.RunPreflight(t.Context(), b, probe.PreflightOptions{Key: "rotatord-preflight-x.txt", ResumeDelete: resume})
	}
	want := func(got probe.Preflight, verdict probe.Verdict, step bucket.Op, permission string, left bool) {
		t.Helper()
		if got.Verdict != verdict || got.Step != step || got.Permission != permission || got.LeftBehind != left {
			t.Errorf("got %+v", got)
		}
	}
	want(preflight(conformance.Planets, false), probe.Passed, "", "", false)
	want(preflight(conformance.NoPut, false), probe.Refused, bucket.OpPut, "storage.objects.create", false)
	want(preflight(conformance.NoGet, false), probe.Refused, bucket.OpGet, "storage.objects.get", false)
	want(preflight(conformance.UnknownKey, false), probe.Refused, bucket.OpPut, "", false)
	if left := w.srv.Objects(planetData); left != nil {
		t.Errorf("left: %q", left)
	}
	want(preflight(conformance.NoDelete, false), probe.Refused, bucket.OpDelete, "storage.objects.delete", true)
	want(preflight(conformance.NoDelete, true), probe.Refused, bucket.OpDelete, "storage.objects.delete", true)
	// What was left behind and forgotten stands in the way of the next put.
	want(preflight(conformance.NoDelete, false), probe.Refused, bucket.OpPut, "storage.objects.delete", true)
	want(preflight(conformance.Planets, true), probe.Passed, "", "", false)
}
