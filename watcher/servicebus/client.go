package servicebus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	dialWithin = 10 * time.Second
	// What the SDK does before it gives up; the loop around it has patience of
	// its own.
	retries    = 1
	retryPause = 100 * time.Millisecond
	maxPause   = time.Second
	// closeWithin bounds the goodbye, after which the connection is cut.
	closeWithin = 2 * time.Second

	portTLS, portPlain = "5671", "5672"
)

// DialFunc is the signature of [net.Dialer.DialContext].
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// client is one azservicebus.Client with the connections that it has opened.
type client struct {
	*azservicebus.Client
	lines *lines
}

// lines opens the connections of one client. The SDK has no hook for dialling
// but the one for WebSockets, which takes any connection; through it the
// connections are ours, so that they can be cut: the SDK's own Close waits up to
// a minute for a network that does not answer.
type lines struct {
	t    *Transport
	mu   sync.Mutex
	open []net.Conn
	cut  bool
	err  error // of the last dial; the SDK's errors do not let it through
}

func (l *lines) dial(ctx context.Context, _ azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	c, err := l.t.dial(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err != nil {
		return nil, err
	}
	if l.cut {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	l.open = append(l.open, c)
	return c, nil
}

// why is the better of two reasons for a failure: that no connection came
// about, or what the SDK says of it.
func (l *lines) why(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	return err
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

// dial opens a connection to the namespace, with TLS unless it is an emulator.
func (t *Transport) dial(ctx context.Context) (net.Conn, error) {
	host, port, err := net.SplitHostPort(t.place.host)
	if err != nil {
		host, port = t.place.host, portTLS
		if t.place.insecure {
			port = portPlain
		}
	}
	address := net.JoinHostPort(host, port)
	if t.options.Endpoint != "" {
		address = t.options.Endpoint
	}
	c, err := t.options.Dial(ctx, "tcp", address)
	if err != nil || t.place.insecure {
		return c, err
	}
	secure := tls.Client(c, &tls.Config{ServerName: host, RootCAs: t.options.Roots, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return secure, nil
}

// connect makes a client, and asks nobody.
func (t *Transport) connect() (*client, error) {
	l := &lines{t: t}
	o := &azservicebus.ClientOptions{
		ApplicationID: "rotatord", NewWebSocketConn: l.dial,
		RetryOptions: azservicebus.RetryOptions{MaxRetries: retries, RetryDelay: retryPause, MaxRetryDelay: maxPause},
	}
	var c *azservicebus.Client
	var err error
	if t.options.ConnectionString.Empty() {
		c, err = azservicebus.NewClient(t.place.host, t.tokens, o)
	} else {
		// The one copy as a string, which the SDK takes apart and keeps.
		c, err = azservicebus.NewClientFromConnectionString(strings.TrimSpace(string(t.options.ConnectionString.Bytes())), o)
	}
	if err != nil {
		return nil, errUnusable
	}
	return &client{c, l}, nil
}

// close says goodbye, and cuts the connection if that takes too long.
func (c *client) close() {
	cut := time.AfterFunc(closeWithin, c.lines.end)
	defer cut.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = c.Close(ctx)
	c.lines.end()
}
