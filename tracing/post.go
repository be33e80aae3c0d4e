package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	path = "/v1/traces" // OTLP/HTTP's default
	// requestFor bounds one request.
	requestFor = 10 * time.Second
	// maxAnswer is as much of an answer as is read.
	maxAnswer = 64 << 10
)

// passingError is a failure that another try may mend.
type passingError struct {
	after time.Duration // what the collector asked for
	err   error
}

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }

// rejectedError is an answer of 200 that says no to some spans. Why is the
// collector's text and stays there.
type rejectedError struct{ spans int }

func (e *rejectedError) Error() string {
	return fmt.Sprintf("the collector rejected %d spans; its own log says why", e.spans)
}

// poster is otlptrace's client: one POST a batch.
type poster struct {
	url     string
	headers func() (http.Header, error)
	client  *http.Client
}

func newPoster(o Options) (*poster, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New(`the endpoint is no address of a collector: write "https://collector.example.com:4318"`)
	}
	at := strings.TrimSuffix(o.Endpoint, "/")
	if !strings.HasSuffix(at, path) {
		at += path
	}
	transport := o.Transport
	if transport == nil {
		shared, ok := http.DefaultTransport.(*http.Transport)
		if !ok {
			return nil, errors.New("the default transport is not one that can be copied")
		}
		own := shared.Clone()
		own.MaxResponseHeaderBytes = maxAnswer
		transport = own
	}
	return &poster{url: at, headers: o.Headers, client: &http.Client{Transport: transport, Timeout: requestFor,
		// Headers may hold a token, which is for this address and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Start implements otlptrace.Client.
func (*poster) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (*poster) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. TracesData is on the wire what
// ExportTraceServiceRequest is: both have nothing but field 1. The package of
// the latter brings gRPC and its gateway along.
func (p *poster) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("make a request: the endpoint is no address")
	}
	if p.headers != nil {
		own, err := p.headers()
		if err != nil {
			return fmt.Errorf("headers: %w", err)
		}
		req.Header = own.Clone()
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "rotatord")
	res, err := p.client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // without the address
		}
		return &passingError{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return judge(res, answer, err)
}

// judge tells what an answer means, as OTLP/HTTP has it.
func judge(res *http.Response, answer []byte, err error) error {
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return &passingError{after: time.Duration(min(max(seconds, 0), 3600)) * time.Second, err: fmt.Errorf("the collector answered %d", res.StatusCode)}
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
	default:
		return fmt.Errorf("the collector answered %d", res.StatusCode)
	}
	if err != nil {
		return nil //nolint:nilerr // it took the spans; the rest of its answer would say only whether it took all of them
	}
	if n := rejected(answer); n > 0 {
		return &rejectedError{spans: n}
	}
	return nil
}

// rejected reads partial_success.rejected_spans of an
// ExportTraceServiceResponse; 0 where there is none or the answer is no such
// message.
func rejected(answer []byte) int {
	inner, _ := protofield(answer, protowire.BytesType)
	_, n := protofield(inner, protowire.VarintType)
	return int(min(n, 1<<31-1))
}

// protofield finds field 1 of a message.
func protofield(message []byte, want protowire.Type) (text []byte, number uint64) {
	for len(message) > 0 {
		field, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, 0
		}
		message = message[n:]
		if field == 1 && typ == want {
			switch want {
			case protowire.BytesType:
				text, n = protowire.ConsumeBytes(message)
			default:
				number, n = protowire.ConsumeVarint(message)
			}
			if n < 0 {
				return nil, 0
			}
			return text, number
		}
		if n = protowire.ConsumeFieldValue(field, typ, message); n < 0 {
			return nil, 0
		}
		message = message[n:]
	}
	return nil, 0
}
