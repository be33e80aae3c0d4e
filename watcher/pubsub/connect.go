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
	"time"

	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// subscriber makes a client to receive with. Nothing tries again under us.
func (t *Transport) subscriber(ctx context.Context) (*vkit.SubscriptionAdminClient, error) {
	client, err := connect(ctx, t, vkit.NewSubscriptionAdminClient)
	if err != nil {
		return nil, err
	}
	client.CallOptions = &vkit.SubscriptionAdminCallOptions{}
	return client, nil
}

// connect makes one of Google's clients. Credentials are looked for now; nobody
// is asked before the first request.
func connect[C any](ctx context.Context, t *Transport, dial func(context.Context, ...option.ClientOption) (C, error), more ...option.ClientOption) (C, error) {
	var none C
	options := []option.ClientOption{
		option.WithTelemetryDisabled(),
		option.WithLogger(slog.New(slog.DiscardHandler)),
		option.WithGRPCConnectionPool(1), // there is one stream
	}
	if os.Getenv("PUBSUB_EMULATOR_HOST") == "" {
		// For a connection without any stream; and for what is sent to be
		// confirmed by the other end within 20 seconds.
		options = append(options, option.WithGRPCDialOption(grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute})))
	}
	if t.options.Endpoint != "" {
		options = append(options, option.WithEndpoint(t.options.Endpoint))
	}
	if t.options.CAFile != "" {
		roots, err := trust(t.options.CAFile)
		if err != nil {
			return none, err
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
	client, err := dial(context.WithoutCancel(ctx), append(options, more...)...)
	if err != nil {
		return none, &unidentified{err}
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
