package pubsub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	sdk "cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/rotatord/rotatord/watcher"
)

// connect makes a client. Credentials are looked for now; nobody is asked
// before the first request.
func (t *Transport) connect(ctx context.Context, config *sdk.ClientConfig, more ...option.ClientOption) (*sdk.Client, error) {
	options := []option.ClientOption{
		option.WithTelemetryDisabled(),
		option.WithLogger(slog.New(slog.DiscardHandler)),
		option.WithGRPCConnectionPool(1), // there is one stream
	}
	if t.options.Endpoint != "" {
		options = append(options, option.WithEndpoint(t.options.Endpoint))
	}
	if t.options.CAFile != "" {
		roots, err := trust(t.options.CAFile)
		if err != nil {
			return nil, err
		}
		options = append(options, option.WithGRPCDialOption(grpc.WithTransportCredentials(
			credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))))
	}
	if t.options.Credentials != nil {
		options = append(options, option.WithTokenSource(t.options.Credentials))
	}
	options = append(options, t.options.ClientOptions...)
	// The client may keep its context to renew tokens while the last
	// acknowledgements are sent.
	client, err := sdk.NewClientWithConfig(context.WithoutCancel(ctx), t.project, config, append(options, more...)...)
	if err != nil {
		return nil, &unidentified{err}
	}
	return client, nil
}

// unidentified is an error of making a client: it found no credentials, or none
// that can be used. Its text may quote a file of credentials.
type unidentified struct{ err error }

func (u *unidentified) Error() string { return "no credentials of rotatord's own can be used" }

func (u *unidentified) Unwrap() error { return u.err }

// untrusted is a CAFile that can't be used.
type untrusted struct{ err error }

func (u *untrusted) Error() string { return u.err.Error() }

// trust reads certificates to trust beside the system's.
func trust(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, &untrusted{fmt.Errorf("read ca_file %s: %w", file, err)}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, &untrusted{fmt.Errorf("ca_file %s holds no PEM certificate", file)}
	}
	return roots, nil
}

// Send implements watcher.Sender: it publishes to the topic.
func (t *Transport) Send(ctx context.Context, body []byte) error {
	if t.options.Topic == "" {
		return &watcher.Error{Op: opSend, Source: t.options.Subscription, Reason: watcher.ReasonInvalid,
			Err:  errors.New("the topic that the subscription is of is not configured"),
			Hint: `add topic = "projects/PROJECT/topics/NAME" to the source; "gcloud pubsub subscriptions describe" shows it`}
	}
	ctx, cancel := context.WithTimeout(ctx, t.timing.send)
	defer cancel()
	last := &lastCall{}
	client, err := t.connect(ctx, nil, option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(last.note)))
	if err != nil {
		return t.because(opSend, err)
	}
	defer func() { _ = client.Close() }()
	_, err = client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{
		Topic: t.options.Topic, Messages: []*pubsubpb.PubsubMessage{{Data: body}},
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && last.err != nil {
		err = last.err
	}
	return t.because(opSend, err)
}

// lastCall remembers why the last attempt went wrong: after the time is up the
// client tells no more than that. Attempts follow one another.
type lastCall struct{ err error }

func (l *lastCall) note(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err != nil && ctx.Err() == nil {
		l.err = err
	}
	return err
}
