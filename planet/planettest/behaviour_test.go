package planettest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
)

// each runs a test with a switch off and on.
func each(t *testing.T, set func(*planettest.Behaviour), test func(t *testing.T, sim *planettest.Simulator, on bool)) {
	t.Helper()
	for name, on := range map[string]bool{"off": false, "on": true} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{Verifier: refuseKey("bad")})
			if on {
				sim.Behave(set)
			}
			test(t, sim, on)
		})
	}
}

func TestLoseOnRefusal(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.LoseOnRefusal = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("bad")).want(t, 400)
		if lost := held(t, sim, id) != "old-id"; lost != on || last(sim).Effect.IsZero() == on {
			t.Errorf("the old credentials were lost: %t", lost)
		}
	})
}

func TestUpdatedMovesOnRefusal(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.UpdatedMovesOnRefusal = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		before, _ := sim.Stored(id)
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("bad")).want(t, 400)
		after, _ := sim.Stored(id)
		if moved := after.Updated.After(before.Updated); moved != on || held(t, sim, id) != "old-id" {
			t.Errorf("updated moved: %t", moved)
		}
	})
}

func TestResetOptional(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.ResetOptional = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		d := s3("demo")
		d.Parameters["explicit_sse"] = true
		id := sim.Seed("ada", d)
		got := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200)
		if reset := got.parameters()["explicit_sse"] == false; reset != on {
			t.Errorf("explicit_sse was reset: %t", reset)
		}
		with := strings.Replace(newKeys("new"), `{"aws_access`, `{"explicit_sse":true,"aws_access`, 1)
		if got := send(t, sim, "ada", "PATCH", "/"+id, with).want(t, 200); got.parameters()["explicit_sse"] != true {
			t.Error("explicit_sse was given and not taken")
		}
	})
}

func TestOmitFalseOptional(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.OmitFalseOptional = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		got := send(t, sim, "ada", "GET", "/"+id, "").want(t, 200)
		if _, shown := got.parameters()["explicit_sse"]; shown == on {
			t.Errorf("explicit_sse is shown: %t", shown)
		}
		sim.SetParameter(id, "explicit_sse", true)
		if got := send(t, sim, "ada", "GET", "/"+id, "").want(t, 200); got.parameters()["explicit_sse"] != true {
			t.Error("explicit_sse is true and not shown")
		}
	})
}

func TestRenameChangesID(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.RenameChangesID = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		suffix := strings.TrimPrefix(id, "demo-")
		got := send(t, sim, "ada", "PATCH", "/"+id, `{"name":"New Name"}`).want(t, 200)
		want := id
		if on {
			want = "new-name-" + suffix
			send(t, sim, "ada", "GET", "/"+id, "").want(t, 404)
		}
		if got.text("id") != want || got.text("pl:ref") != "pl:destinations/"+want || got.text("name") != "New Name" {
			t.Errorf("after the rename the id is %q and the ref %q", got.text("id"), got.text("pl:ref"))
		}
		if again := sim.Rename(want, "third"); (again == want) == on {
			t.Errorf("renamed out of band the id is %q", again)
		}
	})
}

func TestRefuseArchivedModify(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.RefuseArchivedModify, b.RefuseStatus = true, 422 }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		d := s3("demo")
		d.Archived = true
		id := sim.Seed("ada", d)
		status := 200
		if on {
			status = 422
		}
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, status)
		send(t, sim, "ada", "PATCH", "/"+id, `{"name":"other"}`).want(t, 200)
		send(t, sim, "ada", "PATCH", "/"+id, strings.Replace(newKeys("newer"), "{", `{"archive":false,`, 1)).want(t, 200)
	})
}

func TestVerifyOnCreateOnly(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.VerifyOnCreateOnly = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		got := send(t, sim, "ada", "PATCH", "/"+id, newKeys("bad"))
		if taken := got.status == 200; taken != on || (last(sim).Verification == "skipped") != on {
			t.Errorf("the bad credentials were answered %d", got.status)
		}
		create := strings.Replace(newKeys("bad"), `{"aws_acc`, `{"bucket":"other","aws_region":"r","aws_acc`, 1)
		send(t, sim, "ada", "POST", "/", strings.TrimSuffix(create, "}")+`,"type":"amazon_s3"}`).want(t, 400)
	})
}

func TestRepeatSkipsVerify(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.RepeatSkipsVerify = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		for i, want := range []string{"passed", map[bool]string{false: "passed", true: "skipped"}[on], "passed"} {
			send(t, sim, "ada", "PATCH", "/"+id, newKeys([]string{"one", "one", "two"}[i])).want(t, 200)
			if got := last(sim).Verification; got != want {
				t.Errorf("verification %d: %q, want %q", i, got, want)
			}
		}
	})
}

func TestStatusesAndBodiesOfSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour planettest.Behaviour
		status    int
		empty     bool
	}{
		"200":              {planettest.Behaviour{}, 200, false},
		"202":              {planettest.Behaviour{ModifyStatus: 202}, 202, false},
		"202 without body": {planettest.Behaviour{ModifyStatus: 202, ModifyEmptyBody: true}, 202, true},
		"200 without body": {planettest.Behaviour{ModifyEmptyBody: true}, 200, true},
		"204":              {planettest.Behaviour{ModifyStatus: 204}, 204, true},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{Behaviour: c.behaviour})
			id := sim.Seed("ada", s3("demo"))
			got := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, c.status)
			if (got.raw == "") != c.empty || held(t, sim, id) != "new" {
				t.Errorf("the body is %q", got.raw)
			}
		})
	}
	sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{CreateStatus: 202, QuotaStatus: 409}, Quota: 1})
	create := `{"name":"NAME","type":"azure_blob_storage","parameters":{"account":"a","container":"c","sas_token":"t"}}`
	send(t, sim, "ada", "POST", "", create).want(t, 202)
	send(t, sim, "ada", "POST", "", strings.Replace(create, "NAME", "OTHER", 1)).want(t, 409)
}

func TestNonOwnerStatus(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.NonOwnerStatus = 401 }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		send(t, sim, "bob", "PATCH", "/"+id, newKeys("new")).want(t, map[bool]int{false: 403, true: 401}[on])
	})
}

func TestOwnerSetsDefault(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.OwnerSetsDefault = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		status := map[bool]int{false: 401, true: 200}[on]
		send(t, sim, "bob", "PUT", "/default", `{"destination_id":"`+id+`"}`).want(t, 401)
		send(t, sim, "ada", "PUT", "/default", `{"destination_id":"`+id+`"}`).want(t, status)
		send(t, sim, "bob", "DELETE", "/default", "").want(t, 401)
		send(t, sim, "ada", "DELETE", "/default", "").want(t, map[bool]int{false: 401, true: 204}[on])
	})
}

func TestOmitDefault(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.OmitDefault = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		d := s3("demo")
		d.Default = true
		got := send(t, sim, "ada", "GET", "/"+sim.Seed("ada", d), "").want(t, 200)
		if _, shown := got.body["default"]; shown == on {
			t.Errorf("default is shown: %t", shown)
		}
	})
}

func TestArchivedTrueMeansOnly(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.ArchivedTrueMeansOnly = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		sim.Seed("ada", s3("here"))
		d := s3("gone")
		d.Archived = true
		sim.Seed("ada", d)
		for query, want := range map[string]string{
			"": "here", "?archived=false": "here", "?archived=true": map[bool]string{false: "here gone", true: "gone"}[on],
		} {
			if got := send(t, sim, "ada", "GET", query, "").want(t, 200).names(); got != want {
				t.Errorf("the list %q is %q, want %q", query, got, want)
			}
		}
	})
}

func TestETags(t *testing.T) {
	each(t, func(b *planettest.Behaviour) { b.ETags = true }, func(t *testing.T, sim *planettest.Simulator, on bool) {
		id := sim.Seed("ada", s3("demo"))
		tag := send(t, sim, "ada", "GET", "/"+id, "").want(t, 200).header.Get("ETag")
		if (tag != "") != on {
			t.Fatalf("the tag is %q", tag)
		}
		changed := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200).header.Get("ETag")
		for _, c := range []struct {
			match  string
			status int
		}{{`"0"`, 412}, {tag, 412}, {changed, 200}, {changed, 412}, {"*", 200}, {"", 200}} {
			if !on {
				c.status = 200
			}
			if got := patchIfMatch(t, sim, id, c.match); got != c.status {
				t.Errorf("If-Match %s: %d, want %d", c.match, got, c.status)
			}
		}
	})
}

// patchIfMatch sends an update on a condition and returns the status.
func patchIfMatch(t *testing.T, sim *planettest.Simulator, id, match string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, base+"/"+id, strings.NewReader(newKeys("again")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "api-key ada-key")
	r.Header.Set("If-Match", match)
	response, err := sim.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestAbandonOnDisconnect(t *testing.T) {
	for name, abandon := range map[string]bool{"goes on": false, "abandons": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var verified atomic.Int32
				sim := newSim(t, planettest.Options{
					Behaviour: planettest.Behaviour{VerifyDelay: time.Minute, AbandonOnDisconnect: abandon},
					Verifier: planettest.VerifierFunc(func(context.Context, planettest.Verification) error {
						verified.Add(1)
						return nil
					}),
				})
				id := sim.Seed("ada", s3("demo"))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begin := time.Now()
				_, err := try(ctx, sim, "ada", "PATCH", "/"+id, newKeys("new"))
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 10*time.Second {
					t.Fatalf("the client got %v after %v", err, time.Since(begin))
				}
				if held(t, sim, id) != "old-id" {
					t.Error("it took effect before it was verified")
				}
				sim.Wait()
				want, effect := "new", time.Minute
				if abandon {
					want, effect = "old-id", 0
				}
				record := last(sim)
				if held(t, sim, id) != want || (verified.Load() == 0) != abandon {
					t.Errorf("Planet holds %q", held(t, sim, id))
				}
				if effect > 0 && record.Effect.Sub(begin) != effect || effect == 0 && !record.Effect.IsZero() {
					t.Errorf("it took effect at %v", record.Effect.Sub(begin))
				}
			})
		})
	}
}

func TestBehaveRefusesNonsense(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	defer func() {
		if recover() == nil {
			t.Error("Behave took a status that no behaviour has")
		}
	}()
	sim.Behave(func(b *planettest.Behaviour) { b.ModifyStatus = 500 })
}

func TestTheLastToTakeEffectWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Verifier: planettest.VerifierFunc(func(_ context.Context, v planettest.Verification) error {
			if keyOf(v) == "slow" {
				time.Sleep(time.Minute)
			}
			return nil
		})})
		id := sim.Seed("ada", s3("demo"))
		done := make(chan answer)
		go func() {
			a, _ := try(t.Context(), sim, "ada", "PATCH", "/"+id, newKeys("slow"))
			done <- a
		}()
		synctest.Wait()
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("fast")).want(t, 200)
		if held(t, sim, id) != "fast" {
			t.Error("the fast one did not take effect")
		}
		(<-done).want(t, 200)
		if held(t, sim, id) != "slow" {
			t.Error("the slow one arrived first and took effect last, yet did not win")
		}
	})
}

func TestANameTakenDuringACreateIsTaken(t *testing.T) {
	var sim *planettest.Simulator
	sim = newSim(t, planettest.Options{Verifier: planettest.VerifierFunc(func(context.Context, planettest.Verification) error {
		sim.Seed("bob", s3("wanted"))
		return nil
	})})
	send(t, sim, "ada", "POST", "", `{"name":"wanted","type":"azure_blob_storage","parameters":{"account":"a","container":"c","sas_token":"t"}}`).want(t, 409)
	if got := send(t, sim, "ada", "GET", "", "").want(t, 200); got.names() != "wanted" {
		t.Errorf("there are %q", got.names())
	}
}

func TestUpdatedMovesWithEveryUpdateEvenInOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{})
		id := sim.Seed("ada", s3("demo"))
		previous := send(t, sim, "ada", "GET", "/"+id, "").text("updated")
		for range 3 {
			updated := send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 200).text("updated")
			if updated <= previous {
				t.Errorf("updated went from %s to %s", previous, updated)
			}
			previous = updated
		}
	})
}

func TestWhatChangesDuringAVerificationCounts(t *testing.T) {
	for name, c := range map[string]struct {
		during func(sim *planettest.Simulator, id string)
		body   string
		status int
	}{
		"removed":        {func(sim *planettest.Simulator, id string) { sim.Remove(id) }, newKeys("new"), 404},
		"its name taken": {func(sim *planettest.Simulator, _ string) { sim.Seed("bob", s3("wanted")) }, strings.Replace(newKeys("new"), "{", `{"name":"wanted",`, 1), 409},
	} {
		t.Run(name, func(t *testing.T) {
			var sim *planettest.Simulator
			var id string
			sim = newSim(t, planettest.Options{Verifier: planettest.VerifierFunc(func(context.Context, planettest.Verification) error {
				c.during(sim, id)
				return nil
			})})
			id = sim.Seed("ada", s3("demo"))
			send(t, sim, "ada", "PATCH", "/"+id, c.body).want(t, c.status)
		})
	}
}
