package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Bounds. A rotation makes some dozen spans of a few hundred bytes each.
const (
	queued   = 256              // trees that wait to be sent
	batch    = 64               // trees in one request, at most
	linger   = time.Second      // how long the first of a batch waits for others
	tries    = 3                // requests for one batch
	pause    = time.Second      // before the second; twice that before the third
	maxPause = 10 * time.Second // however long a Retry-After is
	flushFor = 5 * time.Second  // what is left at the end has this long
	maxText  = 256              // bytes of one attribute
)

// Loss is why spans did not arrive. The set is closed: metrics use it as a
// label.
type Loss string

// The reasons.
const (
	// LossQueueFull: more came than could be sent.
	LossQueueFull Loss = "queue_full"
	// LossUndelivered: the collector could not be reached or took no request.
	LossUndelivered Loss = "undelivered"
	// LossRejected: the collector took the request and not these spans.
	LossRejected Loss = "rejected"
)

// Losses lists every Loss.
func Losses() []Loss { return []Loss{LossQueueFull, LossUndelivered, LossRejected} }

// Span is a finished piece of work with the pieces that it was made of.
type Span struct {
	Name         string
	Begun, Ended time.Time
	// Failed says that it ended badly; Why is a word for how, and may be empty.
	Failed     bool
	Why        string
	Attributes []Attribute
	Children   []Span
}

// Attribute is one thing that a span says. One with an empty value is left out.
type Attribute struct{ Key, Value string }

// count is the number of spans in the tree.
func (s Span) count() int {
	n := 1
	for _, c := range s.Children {
		n += c.count()
	}
	return n
}

// Options are what a [Recorder] is made of.
type Options struct {
	// Endpoint is the base address of a collector, such as
	// "https://collector.example.com:4318"; /v1/traces is added. Required.
	Endpoint string
	// Headers gives those to send beside our own, before each request; nil for
	// none. See [ParseHeaders].
	Headers func() (http.Header, error)
	// Transport carries the requests; nil means one of its own.
	Transport http.RoundTripper
	// Percent of trees are sent; 0 means all of them.
	Percent int
	// Version is rotatord's own.
	Version string
	// Lost hears of spans that did not arrive. It is called concurrently and must
	// return at once. May be nil.
	Lost func(why Loss, spans int)
	// Logger is told when the collector fails and when it works again; nil means
	// none.
	Logger *slog.Logger
}

// Recorder sends finished spans. Its methods are safe for concurrent use.
type Recorder struct {
	queue    chan Span
	lost     func(Loss, int)
	log      *slog.Logger
	poster   *poster
	exporter *otlptrace.Exporter
	tracer   trace.Tracer
	ended    *ended
	failing  bool // touched by Run alone
}

// New checks the options. It sends and starts nothing.
func New(o Options) (*Recorder, error) {
	if o.Percent < 0 || o.Percent > 100 {
		return nil, fmt.Errorf("make tracing: %d percent of traces", o.Percent)
	}
	if o.Percent == 0 {
		o.Percent = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lost == nil {
		o.Lost = func(Loss, int) {}
	}
	p, err := newPoster(o)
	if err != nil {
		return nil, fmt.Errorf("make tracing: %w", err)
	}
	r := &Recorder{queue: make(chan Span, queued), lost: o.Lost, log: o.Logger, poster: p,
		exporter: otlptrace.NewUnstarted(p), ended: &ended{}}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxText
	r.tracer = sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(r.ended),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(o.Percent)/100))),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "rotatord"), attribute.String("service.version", text(o.Version)))),
	).Tracer("github.com/rotatord/rotatord")
	return r, nil
}

// Record has a tree sent, and returns at once. Where too many wait it is
// dropped and counted.
func (r *Recorder) Record(s Span) {
	select {
	case r.queue <- s:
	default:
		r.lost(LossQueueFull, s.count())
	}
}

// Run sends what is recorded until ctx ends, and then what is left, for five
// seconds at most.
func (r *Recorder) Run(ctx context.Context) {
	defer r.poster.client.CloseIdleConnections()
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(flushFor, cancel) })()
	for {
		select {
		case s := <-r.queue:
			r.send(ctx, hard, r.gather(ctx, s))
			continue
		case <-ctx.Done():
		}
		select {
		case s := <-r.queue:
			r.send(ctx, hard, r.gather(ctx, s))
		default:
			return
		}
	}
}

// gather waits a little for others to send along.
func (r *Recorder) gather(ctx context.Context, first Span) []Span {
	spans := []Span{first}
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for len(spans) < batch {
		select {
		case s := <-r.queue:
			spans = append(spans, s)
			continue
		default:
		}
		select {
		case s := <-r.queue:
			spans = append(spans, s)
		case <-timer.C:
			return spans
		case <-ctx.Done():
			return spans
		}
	}
	return spans
}

// send delivers a batch or counts it as lost. Once ctx has ended it does not
// try again; hard ends it in any case.
func (r *Recorder) send(ctx, hard context.Context, trees []Span) {
	spans := r.translate(trees)
	if len(spans) == 0 {
		return // none of them is among the sampled
	}
	err := r.deliver(ctx, hard, spans)
	var part *rejectedError
	switch {
	case err == nil:
		if r.failing {
			r.log.InfoContext(ctx, "traces are delivered again")
		}
		r.failing = false
		return
	case errors.As(err, &part):
		r.lost(LossRejected, min(part.spans, len(spans)))
	default:
		r.lost(LossUndelivered, len(spans))
	}
	if !r.failing {
		r.log.WarnContext(ctx, "traces are not delivered; rotations go on", "error", err)
	}
	r.failing = true
}

func (r *Recorder) deliver(ctx, hard context.Context, spans []sdktrace.ReadOnlySpan) error {
	wait := pause
	for try := 1; ; try++ {
		err := r.exporter.ExportSpans(hard, spans)
		var passing *passingError
		if !errors.As(err, &passing) || try == tries {
			return err
		}
		timer := time.NewTimer(min(max(wait, passing.after), maxPause))
		wait *= 2
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// translate makes OpenTelemetry's spans of ours.
func (r *Recorder) translate(trees []Span) []sdktrace.ReadOnlySpan {
	for _, s := range trees {
		r.start(context.Background(), s)
	}
	spans := r.ended.spans
	r.ended.spans = nil
	return spans
}

func (r *Recorder) start(ctx context.Context, s Span) {
	attributes := make([]attribute.KeyValue, 0, len(s.Attributes))
	for _, a := range s.Attributes {
		if a.Value != "" {
			attributes = append(attributes, attribute.String(a.Key, text(a.Value)))
		}
	}
	ctx, span := r.tracer.Start(ctx, s.Name, trace.WithTimestamp(s.Begun), trace.WithAttributes(attributes...))
	for _, c := range s.Children {
		r.start(ctx, c)
	}
	if s.Failed {
		span.SetStatus(codes.Error, text(s.Why))
	}
	span.End(trace.WithTimestamp(s.Ended))
}

// text is what protobuf takes for a string.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ended collects spans as they end, for the one goroutine that makes them.
type ended struct{ spans []sdktrace.ReadOnlySpan }

// OnStart implements sdktrace.SpanProcessor.
func (*ended) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (e *ended) OnEnd(s sdktrace.ReadOnlySpan) { e.spans = append(e.spans, s) }

// Shutdown implements sdktrace.SpanProcessor.
func (*ended) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (*ended) ForceFlush(context.Context) error { return nil }
