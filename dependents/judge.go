package dependents

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rotatord/rotatord/planet"
)

// spread moves a wait by up to a tenth, so that accounts do not ask in step.
func spread(d time.Duration) time.Duration { return d - d/10 + within(d/5) }

// within gives a time from nothing to d.
func within(d time.Duration) time.Duration { return rand.N(max(d, 0) + 1) } //nolint:gosec // nobody gains by guessing it

// backoff doubles a wait with each round in a row that failed, up to a bound
// that is never less than the wait itself.
func (a *Asker) backoff(d, most time.Duration) time.Duration {
	most = max(most, d)
	for range a.failures {
		if d *= 2; d >= most {
			return most
		}
	}
	return d
}

// judge counts failures, and logs what has changed.
func (a *Asker) judge(ctx context.Context, err error) {
	part := inPart(err)
	if err == nil || part {
		a.failures = 0
	} else {
		a.failures++
	}
	trouble := troubleOf(err)
	if trouble == a.trouble {
		return
	}
	a.trouble = trouble
	log := a.o.Logger.With("account", a.o.Account)
	switch {
	case err == nil:
		log.InfoContext(ctx, "dependents are known again")
	case part:
		log.WarnContext(ctx, "only a part of the dependents can be known", "error", err)
	default:
		log.WarnContext(ctx, "dependents can't be asked for; what was known stays", "error", err)
	}
}

// troubleOf names what went wrong without what differs each time.
func troubleOf(err error) string {
	switch kind := planet.KindOf(err); {
	case err == nil:
		return ""
	case inPart(err):
		return "in part " + string(kind)
	case kind != "":
		return string(kind)
	}
	return "other"
}

// inPart tells whether Planet has refused one of the two APIs to this key, and
// only that: it is an answer and will be the same in ten minutes. A key that is
// refused everywhere has taught nothing.
func inPart(err error) bool {
	errs := split(err)
	apis := map[bool]bool{}
	for _, one := range errs {
		var e *planet.Error
		if !errors.As(one, &e) {
			return false
		}
		switch e.Kind {
		case planet.KindUnauthorized, planet.KindForbidden, planet.KindNotFound, planet.KindBadRequest:
		default:
			return false
		}
		apis[e.Op == opOrders] = true
	}
	return len(apis) == 1
}

// opOrders is what errors of [planet.Orders.List] call it; all others are of
// subscriptions.
const opOrders = "list orders"

func split(err error) []error {
	if err == nil {
		return nil
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}

// worth tells whether an answer takes the place of what is known. best says that
// there is no better one to be had.
func worth(known *planet.Dependents, got planet.Dependents, best bool) bool {
	switch {
	case best || !got.Incomplete:
		return true
	case known == nil:
		return got.Running+got.Open+got.Failed > 0
	}
	less := got.Running < known.Running || got.Open < known.Open || got.Failed < known.Failed || got.FailedCredential < known.FailedCredential
	more := got.Running > known.Running || got.Open > known.Open || got.Failed > known.Failed || got.FailedCredential > known.FailedCredential
	return !less && (more || known.Incomplete)
}
