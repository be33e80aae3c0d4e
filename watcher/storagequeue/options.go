package storagequeue

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/rotatord/rotatord/credential"
)

const (
	defaultPoll       = 2 * time.Second
	defaultVisibility = time.Minute
	defaultBatch      = 32
	// The service's own bounds.
	maxVisibility = 7 * 24 * time.Hour
	maxBatch      = 32
)

// Options say which queue is received from, and how.
type Options struct {
	// Name is the configured name of the source.
	Name string
	// Queue is the queue's address, "https://ACCOUNT.queue.core.windows.net/NAME",
	// without any SAS. http is for loopback only.
	Queue string
	// ConnectionString holds the account key or a SAS, as the portal shows it.
	// Only these, and the account's name, are taken from it: Queue says where to
	// ask. Empty means tokens of Entra.
	ConnectionString credential.Value
	// Credential gives tokens in place of the SDK's default chain, where there is
	// no ConnectionString.
	Credential azcore.TokenCredential
	// Poll is the longest pause between two looks at an empty queue; 0 means 2 s.
	Poll time.Duration
	// Visibility is how long a received message is hidden from others, in whole
	// seconds up to 7 days; 0 means 60 s.
	Visibility time.Duration
	// Batch is how many messages are taken at one look, up to 32; 0 means 32.
	Batch int
	// Logger is told about single messages that could not be deleted; nil means
	// none.
	Logger *slog.Logger
	// Transport carries the requests to the queue; nil means one of this
	// transport's own, which honours HTTPS_PROXY and NO_PROXY.
	Transport http.RoundTripper
}

func (o Options) withDefaults() Options {
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	if o.Visibility == 0 {
		o.Visibility = defaultVisibility
	}
	if o.Batch == 0 {
		o.Batch = defaultBatch
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() (key, error) {
	var errs []error
	if o.Name == "" {
		errs = append(errs, errors.New("the Name is empty"))
	}
	u, err := parseQueue(o.Queue)
	if err != nil {
		errs = append(errs, err)
	}
	if o.Poll < 0 {
		errs = append(errs, errors.New("the Poll is negative; leave it 0 for 2 s"))
	}
	if o.Visibility < time.Second || o.Visibility > maxVisibility || o.Visibility%time.Second != 0 {
		errs = append(errs, fmt.Errorf("the Visibility is %s, and must be whole seconds from 1 s to 7 days", o.Visibility))
	}
	if o.Batch < 1 || o.Batch > maxBatch {
		errs = append(errs, fmt.Errorf("the Batch is %d, and must be from 1 to %d", o.Batch, maxBatch))
	}
	var k key
	if !o.ConnectionString.Empty() {
		if k, err = parseKey(string(o.ConnectionString.Bytes())); err != nil {
			errs = append(errs, err)
		} else if err := k.fits(u); err != nil {
			errs = append(errs, err)
		}
		if o.Credential != nil {
			errs = append(errs, errors.New("there is both a ConnectionString and a Credential; give one"))
		}
	}
	return k, errors.Join(errs...)
}

// parseQueue checks the address of a queue. It quotes nothing of it: people
// paste a SAS URL there.
func parseQueue(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Trim(u.Path, "/") == "":
		return nil, errors.New("the Queue is no address like https://ACCOUNT.queue.core.windows.net/NAME")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("the Queue has something behind a question mark; a SAS belongs into the ConnectionString, " +
			"as QueueEndpoint=…;SharedAccessSignature=…")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, errors.New("the Queue is an http address of another machine, where anyone on the way could read the key; use https")
	}
	return nil, errors.New("the Queue does not begin with https://")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
