package planettest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestMistakesOutOfBandPanicWithoutSecrets(t *testing.T) {
	with := func(change func(*planettest.Destination)) func(*planettest.Simulator, string) {
		return func(sim *planettest.Simulator, _ string) {
			d := s3("other")
			d.Parameters["aws_secret_access_key"] = "canary"
			change(&d)
			sim.Seed("ada", d)
		}
	}
	for name, do := range map[string]func(*planettest.Simulator, string){
		"seed: an unknown type":            with(func(d *planettest.Destination) { d.Type = "s3" }),
		"seed: a name twice":               with(func(d *planettest.Destination) { d.Name = "demo" }),
		"seed: a short name":               with(func(d *planettest.Destination) { d.Name = "x" }),
		"seed: a parameter missing":        with(func(d *planettest.Destination) { delete(d.Parameters, "bucket") }),
		"seed: a parameter of another":     with(func(d *planettest.Destination) { d.Parameters["sas_token"] = "canary" }),
		"seed: parameters no JSON":         with(func(d *planettest.Destination) { d.Parameters["bucket"] = func() {} }),
		"seed: an unknown user":            func(sim *planettest.Simulator, _ string) { sim.Seed("nobody", s3("other")) },
		"archive: an unknown id":           func(sim *planettest.Simulator, _ string) { sim.Archive("nobody", true) },
		"rename: a short name":             func(sim *planettest.Simulator, id string) { sim.Rename(id, "x") },
		"can write: an unknown user":       func(sim *planettest.Simulator, id string) { sim.SetCanWrite(id, "nobody", true) },
		"set parameter: a credential":      func(sim *planettest.Simulator, id string) { sim.SetParameter(id, "aws_access_key_id", "canary") },
		"set parameter: no such boolean":   func(sim *planettest.Simulator, id string) { sim.SetParameter(id, "use_path_style", true) },
		"set parameter: a boolean as text": func(sim *planettest.Simulator, id string) { sim.SetParameter(id, "explicit_sse", "true") },
		"set parameter: no such string":    func(sim *planettest.Simulator, id string) { sim.SetParameter(id, "container", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{})
			id := sim.Seed("ada", s3("demo"))
			defer func() {
				said := fmt.Sprint(recover())
				if !strings.HasPrefix(said, "planettest: ") || strings.Contains(said, "canary") {
					t.Errorf("it panicked with %q", strings.ReplaceAll(said, "canary", "the secret"))
				}
				send(t, sim, "ada", "GET", "/"+id, "").want(t, 200) // no lock is left behind
			}()
			do(sim, id)
		})
	}
}

func TestDriftOutOfBandIsSeenByClients(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	d := s3("demo")
	d.Default = true
	id := sim.Seed("ada", d)
	before, _ := sim.Stored(id)
	sim.SetParameter(id, "bucket", "moved")
	got := send(t, sim, "ada", "GET", "/default", "").want(t, 200)
	if after, _ := sim.Stored(id); got.parameters()["bucket"] != "moved" || !after.Updated.After(before.Updated) {
		t.Errorf("the bucket is %v", got.parameters()["bucket"])
	}
	sim.Remove(id)
	send(t, sim, "ada", "GET", "/"+id, "").want(t, 404)
	send(t, sim, "ada", "GET", "/default", "").want(t, 404)
	if _, ok := sim.Stored(id); ok {
		t.Error("a removed destination is stored")
	}
}

func TestStoredIsACopy(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	stored, _ := sim.Stored(id)
	stored.Credentials.Clear()
	stored.Structural["bucket"] = "changed"
	stored.Optional["explicit_sse"] = true
	if again, _ := sim.Stored(id); held(t, sim, id) != "old-id" || again.Structural["bucket"] != "b" || again.Optional["explicit_sse"] {
		t.Error("a caller changed what Planet holds")
	}
}

func TestIDsAreTheSeeds(t *testing.T) {
	ids := func(seed int64) string {
		sim := newSim(t, planettest.Options{Seed: seed})
		return sim.Seed("ada", s3("one")) + " " + sim.Seed("ada", s3("☃☃☃"))
	}
	if one := ids(1); one != ids(1) || one == ids(2) || !strings.Contains(one, " destination-") {
		t.Errorf("the ids are %q and %q", one, ids(2))
	}
}
