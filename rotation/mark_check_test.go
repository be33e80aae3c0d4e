package rotation_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/rotation"
)

// telling is a source that says what a mark needs.
type telling struct {
	*source
	missing, untold []string
	err             error
}

func (s *telling) MissingToMark(context.Context, credential.Secret) (missing, untold []string, err error) {
	return s.missing, s.untold, s.err
}

func TestACheckSaysWhetherTheSecretCanBeMarked(t *testing.T) {
	m := &marks{}
	source := &telling{}
	in(t, 1, []option{func(w *world, _ *planettest.Options) {
		source.source = w.src
		w.grace, w.mark, w.provider = time.Hour, m.mark, source
	}}, func(t *testing.T, w *world) {
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(2 * time.Minute)
		wants := func(result rotation.CheckResult, detail string) {
			t.Helper()
			checks, err := w.current().Check(t.Context(), w.destinations[0].Name)
			must(t, err)
			if want := (rotation.Check{Name: "mark", Result: result, Detail: detail}); !slices.Contains(checks, want) {
				t.Errorf("want %+v in %+v", want, checks)
			}
		}
		wants(rotation.CheckOK, "")
		source.missing, source.untold = []string{"may.read"}, []string{"may.move"}
		wants(rotation.CheckWarning, "write_back needs what is missing: may.read, may.move")
		source.missing = nil
		wants(rotation.CheckWarning, "write_back needs may.move; whether that is permitted shows only when the first mark is written")
		source.err = &providers.Error{Op: "mark", Secret: secret, Reason: providers.ReasonInvalid, Hint: "secrets of kind x can't be marked"}
		wants(rotation.CheckWarning, source.err.Error()+"; write_back will not work for this secret")
		if len(m.all()) > 0 {
			t.Error("marked before the grace was over")
		}
		source.err = nil
		time.Sleep(2 * time.Hour) // the gate has opened, and the mark is there
		if len(m.all()) != 1 {
			t.Fatalf("marks written: %v", m.all())
		}
		wants(rotation.CheckOK, "may.move")
		// What is planned is about the rotation, which needs no mark.
		source.missing = []string{"may.read"}
		plan, err := w.current().Plan(t.Context(), w.destinations[0].Name)
		must(t, err)
		if len(plan.Warnings) > 0 || plan.Err != "" {
			t.Errorf("the plan warns: %+v", plan)
		}
	})
}

func TestACheckIsSilentAboutMarksThatNobodyWants(t *testing.T) {
	in(t, 1, []option{func(w *world, _ *planettest.Options) {
		w.provider = &telling{source: w.src, missing: []string{"may.move"}}
	}}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(2 * time.Minute)
		checks, err := w.current().Check(t.Context(), w.destinations[0].Name)
		must(t, err)
		if slices.ContainsFunc(checks, func(c rotation.Check) bool { return c.Name == "mark" }) || len(checks) == 0 {
			t.Errorf("checks: %+v", checks)
		}
	})
}
