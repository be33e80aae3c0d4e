package integration

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/store"
)

// heldAtOnce gives a new key no time to come to work.
const heldAtOnce = `propagation_window = "0s"`

func TestAKeyWithoutDeleteIsHeldUntilSomebodyPermitsIt(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("no-delete", planetNeeds, heldAtOnce)
	c.run()

	// The new key is another user's, so that the old one goes on to work.
	other, err := newUser(t.Context(), p.bucket+"-2")
	must(t, err)
	must(t, other.permit(t.Context(), p.bucket, noDelete...))
	p.job.user = other
	k, version, err := p.rotate(t.Context())
	must(t, err)
	p.look()
	s := p.await("the new version is held", stands(version, store.StateHeld, store.ReasonPreflightRefused))
	if !strings.Contains(s.Detail, "s3:DeleteObject") {
		t.Errorf("the permission that is missing is not named: %s", s.Detail)
	}
	p.check(p.first, p.preflightObject())
	if p.patches() != 1 {
		t.Errorf("Planet saw %d PATCHes", p.patches())
	}
	// Looked at again, the bucket is not written to any more; nor is Planet.
	p.look()
	p.check(p.first, p.preflightObject())

	// Once it is permitted, rotatord finds out by itself within a quarter of an
	// hour; a person need not wait so long.
	must(t, other.permit(t.Context(), p.bucket, planetNeeds...))
	_, err = c.rotatord.Person(t.Context(), "retry", web.Request{Destinations: []string{p.id}})
	must(t, err)
	p.await("the new version is accepted", accepted(version))
	p.check(k)
}

func TestAMissingPermissionIsFoundGrantedWithinThePropagationWindow(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("window", planetNeeds)
	c.run()
	other, err := newUser(t.Context(), p.bucket+"-2")
	must(t, err)
	must(t, other.permit(t.Context(), p.bucket, noDelete...))
	p.job.user = other
	k, version, err := p.rotate(t.Context())
	must(t, err)
	p.look()
	s := p.await("the new version is waited for", stands(version, store.StateWaiting, store.ReasonPropagation))
	if !strings.Contains(s.Detail, "s3:DeleteObject") {
		t.Errorf("the permission that is missing is not named: %s", s.Detail)
	}
	p.check(p.first, p.preflightObject())
	must(t, other.permit(t.Context(), p.bucket, planetNeeds...))
	p.await("the new version is accepted, nobody having done anything", accepted(version))
	p.check(k)
}

func TestAKeyThatIsNotActiveYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("inactive", planetNeeds)
	c.run()
	k, version, err := p.create(t.Context())
	must(t, err)
	must(t, p.user.setActive(t.Context(), k, false))
	must(t, p.finish(t.Context(), version))
	p.look()
	p.await("the new version is waited for", stands(version, store.StateWaiting, store.ReasonPropagation))
	p.check(p.first)
	if p.patches() != 1 {
		t.Errorf("Planet saw %d PATCHes", p.patches())
	}
	must(t, p.user.setActive(t.Context(), k, true))
	p.await("the new version is accepted, nobody having done anything", accepted(version))
	p.check(k)
}

// Nobody has to tell rotatord: it asks on schedule.
func TestARotationIsFoundBySchedule(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("schedule", planetNeeds, `schedule = "@every 1s"`, `schedule_jitter = "0s"`)
	c.run()
	k, version, err := p.rotate(t.Context())
	must(t, err)
	p.await("the new version is accepted", accepted(version))
	p.check(k)
	if reads := c.vault.Count("GetSecretValue"); reads != 2 {
		t.Errorf("%d values read for two versions", reads)
	}
}

// A user has two keys at most. A job that has not deleted the old one fails
// before it touches the secret, and rotatord never hears of it.
func TestAThirdKeyIsTheJobsProblem(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("limit", planetNeeds)
	c.run()
	second, version, err := p.rotate(t.Context())
	must(t, err)
	p.look()
	p.await("the second version is accepted", accepted(version))

	_, _, err = p.rotate(t.Context())
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "LimitExceeded" {
		t.Fatalf("the job says %v, want LimitExceeded", err)
	}
	if s := p.look(); !accepted(version)(s) {
		t.Errorf("rotatord says %+v", s)
	}
	p.check(second)

	must(t, p.user.revoke(t.Context(), p.first))
	third, version, err := p.rotate(t.Context())
	must(t, err)
	p.look()
	p.await("the third version is accepted", accepted(version))
	p.check(third)
}

// Without preflight a key that may not delete slips through, for Planet takes
// it; what Planet leaves behind then tells. With it, absence is told as surely
// as the key's permissions allow.
func TestWhatPlanetLeavesBehindIsFound(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	lister, normal := c.add("lister", withList), c.add("normal", planetNeeds)
	unguarded := c.add("unguarded", planetNeeds, `preflight = "off"`)
	c.run()
	for p, want := range map[*place]string{lister: "absent", normal: "absent_inferred", unguarded: "cannot_tell"} {
		if s := p.look(); s.Leftover.State != want {
			t.Errorf("%s: leftover %s (%s), want %s", p.bucket, s.Leftover.State, s.Leftover.Reason, want)
		}
	}
	must(t, unguarded.user.permit(t.Context(), unguarded.bucket, noDelete...))
	k, version, err := unguarded.rotate(t.Context())
	must(t, err)
	unguarded.look()
	unguarded.await("the version is accepted and the leftover is known", func(s web.Status) bool {
		return accepted(version)(s) && s.Leftover.State == "present"
	})
	unguarded.check(k, "planetverify.txt")
	lister.check(lister.first)
	normal.check(normal.first)
}

func TestARollbackToADeletedKeyIsHeld(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("rollback", planetNeeds, heldAtOnce)
	c.run()
	k, version, err := p.rotate(t.Context())
	must(t, err)
	p.look()
	p.await("the new version is accepted", accepted(version))
	must(t, p.user.revoke(t.Context(), p.first))

	must(t, p.finish(t.Context(), p.version))
	p.look()
	p.await("the old version is held", stands(p.version, store.StateHeld, store.ReasonPreflightRefused))
	p.check(k)
	if p.patches() != 2 {
		t.Errorf("Planet saw %d PATCHes", p.patches())
	}
	must(t, p.finish(t.Context(), version))
	p.look()
	p.await("all is well with the new version again", accepted(version))
	p.check(k)
	if p.patches() != 2 {
		t.Errorf("Planet saw %d PATCHes", p.patches())
	}
}

// A rotation that died leaves AWSPENDING on a version that nobody finished:
// rotatord has no business with it, though its key works.
func TestAPendingVersionIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("pending", planetNeeds)
	c.run()
	k, version, err := p.create(t.Context())
	must(t, err)
	if s := p.look(); !accepted(p.version)(s) {
		t.Errorf("rotatord says %+v", s)
	}
	p.check(p.first)
	must(t, p.finish(t.Context(), version))
	p.look()
	p.await("the finished version is accepted", accepted(version))
	if labels := c.vault.Labels(p.secret); labels[awstest.Pending] != version || labels[awstest.Current] != version {
		t.Errorf("labels: %v", labels)
	}
	p.check(k)
}

// What the network does to preflight says nothing about a key.
func TestABadNetworkIsNoRefusal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, toxic, stream string
		attributes          map[string]int
	}{
		{"connections are reset", "reset_peer", "downstream", map[string]int{"timeout": 0}},
		{"requests are reset", "reset_peer", "upstream", map[string]int{"timeout": 0}},
		{"answers never come", "limit_data", "downstream", map[string]int{"bytes": 0}},
		{"answers are cut", "limit_data", "downstream", map[string]int{"bytes": 40}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t, 100)
			proxy := badNetwork(t)
			p := c.add("network", planetNeeds, `bucket_endpoint = "http://`+proxy.Listen+`"`)
			c.run()
			poison(t, proxy, tc.toxic, tc.stream, tc.attributes)
			k, version, err := p.rotate(t.Context())
			must(t, err)
			begun := time.Now()
			p.look()
			p.await("nobody can say whether the key works", stands(version, store.StateWaiting, store.ReasonPreflightInconclusive))
			if p.held() != p.first || p.patches() != 1 {
				t.Errorf("Planet holds %s after %d PATCHes", p.held().id, p.patches())
			}
			must(t, proxy.Toxics.RemoveToxic(t.Context(), "it"))
			p.await("the version is accepted, nobody having done anything", accepted(version))
			p.check(k)
			history, err := c.rotatord.History(t.Context(), p.id, 100)
			must(t, err)
			if slices.ContainsFunc(history, func(e store.Entry) bool { return e.At.After(begun) && e.Reason == store.ReasonPreflightRefused }) {
				t.Errorf("the key was taken for refused: %+v", history)
			}
		})
	}
}
