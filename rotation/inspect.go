package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// Plan is what a look would do now, found out without sending or writing
// anything.
type Plan struct {
	Destination string
	ID, Type    string
	// Secret is named, Version is what its source calls current.
	Secret   string
	Version  string
	Accepted string // the version that Planet accepted last, if any
	Action   Action
	Until    time.Time // for a wait
	Reason   store.Reason
	Detail   string
	// Fields are the names of the parameters that a push would send.
	Fields []string
	// Warnings are no obstacle and worth a person's eye.
	Warnings []string
	// Err says why nothing could be pushed, if so.
	Err string
}

// Plan finds out what a look at a destination would do now. It reads the
// secret, so as to say whether its value fits, and shows no value.
func (e *Engine) Plan(ctx context.Context, name string) (Plan, error) {
	checks, plan, err := e.inspect(planet.Interactive(ctx), name)
	if err != nil {
		return Plan{}, err
	}
	for _, c := range checks {
		switch c.Result {
		case CheckFailed:
			plan.Err = c.Detail
			return plan, nil
		case CheckWarning:
			plan.Warnings = append(plan.Warnings, c.Detail)
		}
	}
	return plan, nil
}

// CheckResult is how one check of a destination ended.
type CheckResult string

const (
	CheckOK      CheckResult = "ok"
	CheckWarning CheckResult = "warning"
	CheckFailed  CheckResult = "failed"
	// CheckSkipped: an earlier check that this one builds on has failed.
	CheckSkipped CheckResult = "skipped"
)

// Check is one thing that must hold for a destination to be rotated.
type Check struct {
	Name   string // "destination", "writable", "not archived", "secret", "value", "bucket", "probe secret", "cleanup secret", "mark"
	Result CheckResult
	Detail string
}

// Check tries everything that a rotation needs short of writing: the
// destination is found, is what it was, may be written, is not archived; the
// secret has a current version, can be read, and fits the destination's type.
func (e *Engine) Check(ctx context.Context, name string) ([]Check, error) {
	checks, _, err := e.inspect(planet.Interactive(ctx), name)
	if mark := e.checkMark(ctx, e.destinations[name].Secret); err == nil && mark.Name != "" {
		checks = append(checks, mark)
	}
	return checks, err
}

// checkMark says whether the secret can be marked, where that is wanted.
// Rotations go on without it, so what is wrong is a warning.
func (e *Engine) checkMark(ctx context.Context, s credential.Secret) Check {
	c, ok := e.source.(providers.MarkChecker)
	if e.onMark == nil || !ok || s == "" {
		return Check{}
	}
	bounded, cancel := context.WithTimeout(ctx, markWithin)
	defer cancel()
	missing, untold, err := c.MissingToMark(bounded, s)
	switch {
	case err != nil:
		return Check{"mark", CheckWarning, err.Error() + "; write_back will not work for this secret"}
	case len(missing) > 0:
		return Check{"mark", CheckWarning, "write_back needs what is missing: " + strings.Join(slices.Concat(missing, untold), ", ")}
	case len(untold) > 0 && !e.marked(ctx, s):
		return Check{"mark", CheckWarning, "write_back needs " + strings.Join(untold, ", ") + "; whether that is permitted shows only when the first mark is written"}
	}
	return Check{"mark", CheckOK, strings.Join(untold, ", ")}
}

// marked tells whether a mark of ours stands at the secret, so that the
// permission was there.
func (e *Engine) marked(ctx context.Context, s credential.Secret) bool {
	all, err := e.store.Receipts(ctx)
	return err == nil && slices.ContainsFunc(all, func(r store.Receipt) bool { return r.Secret == s && !r.Marked.IsZero() })
}

// inspect goes the way of a look up to the point where something would be
// written.
func (e *Engine) inspect(ctx context.Context, name string) ([]Check, Plan, error) {
	w, err := e.newLook(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		d, ok := e.destinations[name]
		if !ok {
			return nil, Plan{}, err
		}
		w = &look{e: e, d: d, a: e.accounts[d.Account], log: e.log}
		w.rec.Destination = name
	case err != nil:
		return nil, Plan{}, err
	}
	w.dry = true
	plan := Plan{Destination: name, Secret: string(w.d.Secret), Action: ActionNothing}
	if w.rec.Accepted != nil {
		plan.Accepted = w.rec.Accepted.Version
	}
	var checks []Check
	add := func(name string, r CheckResult, detail string) { checks = append(checks, Check{name, r, detail}) }

	w.settleOrphan()
	end := w.identify(ctx)
	if err := ctx.Err(); err != nil {
		return nil, plan, err
	}
	w.checkIdentity(end, add)
	plan.ID, plan.Type = w.seen.ID, string(w.seen.Type)

	if end := w.askSource(ctx); end != nil {
		add("secret", CheckFailed, end.detail+w.missing(ctx, end.reason))
		add("value", CheckSkipped, "")
		return checks, plan, ctx.Err()
	}
	plan.Version = w.cur.ID
	w.checkValue(ctx, add, &plan)
	if end == nil {
		w.startTrial()
		d, err := w.decide(ctx)
		if err != nil {
			return nil, plan, err
		}
		plan.Action, plan.Until, plan.Reason, plan.Detail = d.Action, d.Until, d.Reason, d.Detail
		if w.rec.Paused != nil {
			plan.Action, plan.Detail = ActionNothing, "paused"
		}
	}
	return checks, plan, ctx.Err()
}

func (w *look) checkIdentity(end *ending, add func(string, CheckResult, string)) {
	switch {
	case end == nil:
		add("destination", CheckOK, fmt.Sprintf("%s (%s)", w.seen.ID, w.seen.Type))
		add("writable", CheckOK, "")
	case end.reason == store.ReasonNotWritable:
		add("destination", CheckOK, "")
		add("writable", CheckFailed, end.detail)
	default:
		add("destination", CheckFailed, end.detail)
		add("writable", CheckSkipped, "")
	}
	switch {
	case end != nil:
		add("not archived", CheckSkipped, "")
	case w.rec.Archived != nil:
		add("not archived", CheckWarning, "archived since "+w.rec.Archived.UTC().Format(time.RFC3339)+
			": it takes no new orders; its credential is still rotated for those that go on")
	default:
		add("not archived", CheckOK, "")
	}
}

// missing names every permission that we lack on the secret, where its
// provider can tell.
func (w *look) missing(ctx context.Context, why store.Reason) string {
	return w.missingOf(ctx, w.d.Secret, why)
}

func (w *look) missingOf(ctx context.Context, s credential.Secret, why store.Reason) string {
	c, ok := w.e.source.(providers.Checker)
	if !ok || why != store.ReasonSourceDenied {
		return ""
	}
	names, err := c.Missing(ctx, s)
	if err != nil || len(names) == 0 {
		return ""
	}
	return "; missing in all: " + strings.Join(names, ", ")
}

// checkValue reads the current version and says whether it fits the type.
func (w *look) checkValue(ctx context.Context, add func(string, CheckResult, string), plan *Plan) {
	value, err := w.e.source.Read(ctx, w.d.Secret, w.cur.ID)
	if err != nil {
		add("secret", CheckFailed, err.Error()+w.missing(ctx, sourceReason(err)))
		add("value", CheckSkipped, "")
		return
	}
	defer value.Clear()
	add("secret", CheckOK, fmt.Sprintf("version %s, %d bytes", w.cur.ID, value.Len()))
	if w.seen.ID == "" {
		add("value", CheckSkipped, "")
		return
	}
	params, err := patcher.Make(string(w.seen.Type), value, w.d.Mapping, time.Now())
	if err != nil {
		add("value", CheckFailed, err.Error())
		return
	}
	defer params.Clear()
	plan.Fields = params.Names()
	add("value", CheckOK, fmt.Sprintf("%d fields fit %s", len(plan.Fields), w.seen.Type))
	w.checkBucket(add, params)
	w.checkOther(ctx, add, "probe secret", w.d.ProbeSecret)
	w.checkOther(ctx, add, "cleanup secret", w.d.CleanupSecret)
}

// checkOther says whether a secret of our own can be read and fits the bucket,
// where there is one.
func (w *look) checkOther(ctx context.Context, add func(string, CheckResult, string), name string, s credential.Secret) {
	if s == "" {
		return
	}
	if _, err := w.openWith(ctx, s, "", nil); err != nil {
		// Rotations go on without it.
		add(name, CheckWarning, err.Error()+w.missingOf(ctx, s, sourceReason(err)))
		return
	}
	add(name, CheckOK, "")
}

// checkBucket says whether the bucket can be opened from here, without a
// request: that is for preflight.
func (w *look) checkBucket(add func(string, CheckResult, string), params credential.Parameters) {
	a := &attempt{look: w}
	_, err := a.open(params)
	switch {
	case err == nil:
		add("bucket", CheckOK, "preflight is "+string(w.d.Preflight))
	case w.d.Preflight == PreflightRequired:
		add("bucket", CheckFailed, err.Error()+`; with preflight = "advisory" credentials are sent untried`)
	default:
		add("bucket", CheckWarning, err.Error()+"; credentials are sent untried")
	}
}
