package rotation

import (
	"context"

	"github.com/rotatord/rotatord/store"
)

type byKey struct{}

// By gives a context in which the history says who wanted what is done: "page
// session from 127.0.0.1". Without it, it was somebody at the machine itself.
func By(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, byKey{}, who)
}

// by adds to what was done who wanted it, if that is known.
func by(ctx context.Context, what string) string {
	if who, ok := ctx.Value(byKey{}).(string); ok && who != "" {
		return what + " (" + who + ")"
	}
	return what
}

// Ask has a destination looked at as soon as may be, which the history notes,
// and does not wait for that look. It waits for one under way.
func (e *Engine) Ask(ctx context.Context, name string) error {
	return e.change(ctx, name, "sync asked for", func(*store.Record) {})
}
