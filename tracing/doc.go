// Package tracing sends traces to an OpenTelemetry collector, as OTLP over
// HTTP. It is the only room that knows OpenTelemetry.
//
// A trace is for the question "why did this rotation take nine seconds", which
// no sum over all rotations answers. So it comes after the fact: whoever did
// the work hands over a finished tree of spans, [Span], and [Recorder.Record]
// puts it into a queue and returns. From there on nobody waits for it. A queue
// that is full drops the tree and counts it; a collector that is down, slow or
// wrong costs traces and never a rotation.
//
// That a tree is finished when it comes has two more uses. Work that turns out
// to be none leaves no trace; and no span is ever in a context while requests
// are made with that context, so that no client, however it is instrumented,
// can send a traceparent to Planet or to a bucket.
//
// What a span says is the caller's business; this room only sees to it that it
// is valid text of a bounded length. Headers for the collector may hold a
// token: they are asked for anew before each request, stand in no error and
// follow no redirect.
//
// Of OpenTelemetry's own exporters the one for HTTP brings gRPC's gateway along
// and takes its settings from OTEL_EXPORTER_… variables, headers included. Here
// only the translation into OTLP is theirs; the request is ours (post.go).
package tracing
