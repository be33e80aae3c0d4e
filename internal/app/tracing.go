package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/tracing"
)

// newTracing makes what sends traces; nil where none are wanted. Headers are
// read once here, so that a file that is not there is an error at the start,
// and again before each request.
func newTracing(cfg *config.Config, m *metrics.Metrics, version string, log *slog.Logger) (*tracing.Recorder, error) {
	c := cfg.Tracing
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // no traces are wanted, and that is right
	}
	o := tracing.Options{Endpoint: c.Endpoint, Percent: c.SamplePercent, Version: version, Logger: log,
		Lost: func(why tracing.Loss, spans int) { m.SpansLost(string(why), spans) }}
	if name := keyName("headers", c.HeadersFile, c.HeadersEnv); name != "headers" {
		o.Headers = func() (http.Header, error) {
			v, err := secretText(c.HeadersFile, c.HeadersEnv)
			if err != nil {
				return nil, err
			}
			defer v.Clear()
			return tracing.ParseHeaders(v.Bytes())
		}
		if _, err := o.Headers(); err != nil {
			return nil, fmt.Errorf("tracing: %s: %w", name, err)
		}
	}
	transport, err := announceTransport(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	o.Transport = transport
	return tracing.New(o)
}

// traceLosses are the words of a loss, where traces are sent.
func traceLosses(cfg *config.Config) []string {
	var out []string
	if cfg.Tracing.Endpoint != "" {
		for _, l := range tracing.Losses() {
			out = append(out, string(l))
		}
	}
	return out
}

// traceTo is for [rotation.Options.Trace]; nil where nobody records.
func traceTo(r *tracing.Recorder, everyLook bool) func(rotation.Trace) {
	if r == nil {
		return nil
	}
	return func(t rotation.Trace) {
		if everyLook || len(t.Attempts) > 0 {
			r.Record(spanOf(t))
		}
	}
}

// rotate runs the engine. Traces are sent meanwhile, and for a little longer: a
// PATCH that outlives the order to stop is one to hear of.
func (g *generation) rotate(ctx context.Context) error {
	if g.traces == nil {
		return g.engine.Run(ctx)
	}
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	var sending sync.WaitGroup
	sending.Go(func() { g.traces.Run(recording) })
	defer sending.Wait()
	defer stop()
	return g.engine.Run(ctx)
}

// spanOf makes spans of a look: the look, in it its steps and its attempts, and
// in those their steps. What is said of them stands here and nowhere else.
func spanOf(t rotation.Trace) tracing.Span {
	look := tracing.Span{Name: "look", Begun: t.Begun, Ended: t.Ended, Attributes: []tracing.Attribute{
		{Key: "rotatord.destination", Value: t.Destination},
		{Key: "rotatord.destination.id", Value: t.ID},
		{Key: "rotatord.destination.type", Value: t.Type},
		{Key: "rotatord.account", Value: t.Account},
		{Key: "rotatord.secret", Value: string(t.Secret)},
		{Key: "rotatord.trigger", Value: t.Trigger},
		{Key: "rotatord.state", Value: string(t.State)},
		{Key: "rotatord.reason", Value: string(t.Reason)},
	}}
	look.Children = stepSpans(t.Steps)
	for _, a := range t.Attempts {
		look.Children = append(look.Children, attemptSpan(a))
	}
	if n := len(t.Attempts); n > 0 {
		look.Name = "rotation"
		last := look.Children[len(look.Children)-1]
		look.Failed, look.Why = last.Failed, last.Why
		look.Attributes = append(look.Attributes,
			tracing.Attribute{Key: "rotatord.version", Value: t.Attempts[n-1].Version},
			tracing.Attribute{Key: "rotatord.outcome", Value: t.Attempts[n-1].Outcome})
	}
	return look
}

func attemptSpan(a rotation.TraceAttempt) tracing.Span {
	return tracing.Span{Name: string(a.Action), Begun: a.Begun, Ended: a.Ended, Failed: a.Failed(), Why: a.Outcome,
		Attributes: []tracing.Attribute{
			{Key: "rotatord.version", Value: a.Version},
			{Key: "rotatord.outcome", Value: a.Outcome},
			{Key: "rotatord.reason", Value: string(a.Reason)},
		}, Children: stepSpans(a.Steps)}
}

func stepSpans(steps []rotation.TraceStep) []tracing.Span {
	var out []tracing.Span
	for _, s := range steps {
		out = append(out, tracing.Span{Name: string(s.Step), Begun: s.Begun, Ended: s.Ended, Failed: s.Failed, Why: s.Outcome,
			Attributes: []tracing.Attribute{{Key: "rotatord.outcome", Value: s.Outcome}}})
	}
	return out
}
