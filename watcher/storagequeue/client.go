package storagequeue

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"github.com/rotatord/rotatord/internal/entra"
)

const (
	// What the SDK does before it gives up; the loop around it has patience of
	// its own.
	retries    = 2
	retryPause = 250 * time.Millisecond
	maxPause   = 2 * time.Second
	tryTimeout = 15 * time.Second
)

// connection is what one Receive or Send speaks through.
type connection struct {
	queue *azqueue.QueueClient
	close func()
}

// connect makes a client, and asks nobody.
func (t *Transport) connect() (*connection, error) {
	carrier, end := t.options.Transport, func() {}
	if carrier == nil {
		own := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: workers,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		}
		carrier, end = own, own.CloseIdleConnections
	}
	o := &azqueue.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: quiet{carrier},
		Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: retryPause, MaxRetryDelay: maxPause, TryTimeout: tryTimeout},
		Telemetry: policy.TelemetryOptions{ApplicationID: "rotatord"},
		// Only takes effect with http, which is for loopback.
		InsecureAllowCredentialWithHTTP: t.insecure,
	}}
	queue, err := t.client(o)
	if err != nil {
		end()
		return nil, err
	}
	return &connection{queue, end}, nil
}

// quiet sends requests and keeps their URLs, which may hold a SAS, out of
// errors: the SDK writes those to its log, if AZURE_SDK_GO_LOGGING is set.
type quiet struct{ carrier http.RoundTripper }

// noAnswer is an error of the way to the service, without the URL.
type noAnswer struct{ error }

func (e noAnswer) Unwrap() error { return e.error }

// Do implements policy.Transporter.
func (q quiet) Do(r *http.Request) (*http.Response, error) {
	// No redirects: a signed request goes where it was meant to go.
	c := &http.Client{Transport: q.carrier, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err == nil {
		return resp, nil
	}
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return nil, noAnswer{err}
}

func (t *Transport) client(o *azqueue.ClientOptions) (*azqueue.QueueClient, error) {
	if t.key.empty() {
		return azqueue.NewQueueClient(t.options.Queue, entra.NewTokens(t.options.Credential), o)
	}
	s := *t.key.box
	if s.sas != "" {
		return azqueue.NewQueueClientWithNoCredential(t.options.Queue+"?"+s.sas, o)
	}
	shared, err := azqueue.NewSharedKeyCredential(s.account, s.accountKey)
	if err != nil {
		return nil, errors.New("the account key can't be used")
	}
	return azqueue.NewQueueClientWithSharedKeyCredential(t.options.Queue, shared, o)
}
