package planettest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

// keyOf is the access key id of a verification.
func keyOf(v planettest.Verification) string {
	var p struct {
		ID string `json:"aws_access_key_id"`
	}
	_ = json.Unmarshal(v.Parameters, &p) // another type has none
	return p.ID
}

// refuseKey lets every credential write but one.
func refuseKey(bad string) planettest.Verifier {
	return planettest.VerifierFunc(func(_ context.Context, v planettest.Verification) error {
		if keyOf(v) == bad {
			return &planettest.VerifyError{Step: planettest.StepWrite, Message: "AccessDenied"}
		}
		return nil
	})
}

func failWith(err error) planettest.Verifier {
	return planettest.VerifierFunc(func(context.Context, planettest.Verification) error { return err })
}

func TestAVerifierGetsAllThatReachesTheBucket(t *testing.T) {
	var seen []planettest.Verification
	sim := newSim(t, planettest.Options{Verifier: planettest.VerifierFunc(func(_ context.Context, v planettest.Verification) error {
		seen = append(seen, v)
		return nil
	})})
	id := send(t, sim, "ada", "POST", "", `{"name":"demo","type":"s3_compatible","parameters":{"bucket":"b","region":"r","endpoint":"e","access_key_id":"i","secret_access_key":"s\"<","use_path_style":true}}`).want(t, 201).text("id")
	send(t, sim, "ada", "PATCH", "/"+id, `{"parameters":{"access_key_id":"j","secret_access_key":"t","use_path_style":false}}`).want(t, 200)
	send(t, sim, "ada", "PATCH", "/"+id, `{"name":"renamed"}`).want(t, 200)
	if len(seen) != 2 {
		t.Fatalf("%d verifications, want one for the create and one for the update", len(seen))
	}
	for i, want := range []map[string]any{
		{"bucket": "b", "region": "r", "endpoint": "e", "access_key_id": "i", "secret_access_key": "s\"<", "use_path_style": true},
		{"bucket": "b", "region": "r", "endpoint": "e", "access_key_id": "j", "secret_access_key": "t", "use_path_style": false},
	} {
		var got map[string]any
		if err := json.Unmarshal(seen[i].Parameters, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("verification %d (-want +got):\n%s", i, diff)
		}
		if seen[i].Object != "planetverify.txt" || seen[i].Type != "s3_compatible" {
			t.Errorf("verification %d is of %s in a %s", i, seen[i].Object, seen[i].Type)
		}
	}
	if seen[0].DestinationID != "" || seen[1].DestinationID != id {
		t.Errorf("the ids are %q and %q", seen[0].DestinationID, seen[1].DestinationID)
	}
}

func TestWhatAVerifierSaysDecides(t *testing.T) {
	writeRefused := &planettest.VerifyError{Step: "write", Message: "canary"}
	deleteRefused := &planettest.VerifyError{Step: "delete", Message: "canary"}
	for name, c := range map[string]struct {
		err       error
		behaviour planettest.Behaviour
		status    int
		recorded  string
		says      string
	}{
		"both worked":                      {nil, planettest.Behaviour{}, 200, "passed", ""},
		"the type has no access here":      {fmt.Errorf("x: %w", planettest.ErrUnsupported), planettest.Behaviour{}, 200, "skipped", ""},
		"any unsupported":                  {errors.ErrUnsupported, planettest.Behaviour{}, 200, "skipped", ""},
		"write refused":                    {writeRefused, planettest.Behaviour{}, 400, "write refused", "verified"},
		"write refused, wrapped, with 422": {fmt.Errorf("x: %w", writeRefused), planettest.Behaviour{RefuseStatus: 422}, 422, "write refused", "verified"},
		"write refused with 409":           {writeRefused, planettest.Behaviour{RefuseStatus: 409}, 409, "write refused", "verified"},
		"write refused, told apart":        {writeRefused, planettest.Behaviour{TellStepApart: true}, 400, "write refused", "to write planetverify.txt"},
		"another error":                    {errors.New("canary"), planettest.Behaviour{TellStepApart: true}, 400, "write refused", "to write"},
		"delete refused is tolerated":      {deleteRefused, planettest.Behaviour{}, 200, "delete refused", ""},
		"delete refused refuses":           {deleteRefused, planettest.Behaviour{DeleteFailureRefuses: true}, 400, "delete refused", "verified"},
		"delete refused, told apart":       {deleteRefused, planettest.Behaviour{DeleteFailureRefuses: true, TellStepApart: true}, 400, "delete refused", "to delete planetverify.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{Verifier: failWith(c.err), Behaviour: c.behaviour})
			id := sim.Seed("ada", s3("demo"))
			got := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, c.status)
			if !strings.Contains(got.text("message"), c.says) || strings.Contains(got.raw, "canary") {
				t.Errorf("the message is %q", got.text("message"))
			}
			record := last(sim)
			if record.Verification != c.recorded {
				t.Errorf("the record says %q", record.Verification)
			}
			want := "new"
			if c.status != 200 {
				want = "old-id"
			}
			if held(t, sim, id) != want || record.Effect.IsZero() != (c.status != 200) {
				t.Errorf("Planet holds %q, effect at %v", held(t, sim, id), record.Effect)
			}
			create := strings.TrimSuffix(strings.Replace(newKeys("new"), `{"aws_acc`, `{"bucket":"other","aws_region":"r","aws_acc`, 1), "}") + `,"type":"amazon_s3"}`
			if got := send(t, sim, "ada", "POST", "/", create); (got.status == 201) != (c.status == 200) {
				t.Errorf("a create was answered %d", got.status)
			}
		})
	}
}

func TestVerificationTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{VerifyDelay: 120 * time.Second}})
		id := sim.Seed("ada", s3("demo"))
		begin := time.Now()
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
		if took := time.Since(begin); took != 120*time.Second {
			t.Errorf("the update took %v", took)
		}
		send(t, sim, "ada", "PATCH", "/"+id, `{"name":"renamed"}`).want(t, 200)
		if took := time.Since(begin); took != 120*time.Second {
			t.Errorf("the rename waited for a verification, until %v", took)
		}
	})
}

// lingering is a bucket that tells when the file was there.
type lingering struct{ written, deleted chan time.Time }

func (l *lingering) Verify(ctx context.Context, v planettest.Verification) error {
	l.written <- time.Now()
	v.Written(ctx)
	l.deleted <- time.Now()
	return &planettest.VerifyError{Step: planettest.StepDelete, Message: "too late to matter"}
}

func TestPlanetsFileMayLingerAfterTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bucket := &lingering{make(chan time.Time, 1), make(chan time.Time, 1)}
		sim := newSim(t, planettest.Options{Verifier: bucket, Behaviour: planettest.Behaviour{LeftoverLinger: 3 * time.Second, DeleteFailureRefuses: true}})
		id := sim.Seed("ada", s3("demo"))
		begin := time.Now()
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
		if written := <-bucket.written; !time.Now().Equal(begin) || !written.Equal(begin) || len(bucket.deleted) != 0 {
			t.Fatalf("answered %v and written %v after the request", time.Since(begin), written.Sub(begin))
		}
		sim.Wait()
		if got := (<-bucket.deleted).Sub(begin); got != 3*time.Second {
			t.Errorf("the file was deleted after %v", got)
		}
	})
}

func TestALingeringBucketStillRefuses(t *testing.T) {
	sim := newSim(t, planettest.Options{
		Verifier:  failWith(&planettest.VerifyError{Step: planettest.StepWrite}),
		Behaviour: planettest.Behaviour{LeftoverLinger: time.Hour},
	})
	id := sim.Seed("ada", s3("demo"))
	send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 400)
}
