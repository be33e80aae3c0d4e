package sqs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotatord/rotatord/watcher"
)

const (
	maxWait      = 20 * time.Second
	maxBatch     = 10
	maxReceivers = 8
	// maxOpen bounds the answers that are being worked on.
	maxOpen = 2 * maxReceivers
)

// Options say which queue a Transport receives from, and how.
type Options struct {
	// Name is the configured name of the source; metrics use it as a label.
	Name string
	// Queue is the queue's URL:
	// https://sqs.us-west-2.amazonaws.com/123456789012/rotatord.
	Queue string
	// Region is the one to sign for. Empty means that the queue's host says it,
	// which those of Amazon's do, VPC endpoints included.
	Region string
	// Endpoint is asked instead of what Queue and Region say: a VPC endpoint, or
	// a server for tests.
	Endpoint string
	// STSEndpoint is the same for the request that assumes RoleARN. Empty is
	// Amazon's own in the queue's region.
	STSEndpoint string
	// RoleARN is a role to assume, "arn:aws:iam::123456789012:role/rotatord";
	// empty for none.
	RoleARN string
	// ExternalID is what the role's trust policy asks for, if it does.
	ExternalID string
	// Credentials are used in place of the default chain.
	Credentials sdk.CredentialsProvider
	// Transport carries all requests but those of the default chain itself; nil
	// means one of the Transport's own, which honours HTTPS_PROXY, NO_PROXY and
	// AWS_CA_BUNDLE.
	Transport http.RoundTripper
	// DeadLetter leaves messages that nobody will ever understand to the queue's
	// redrive policy, instead of deleting them.
	DeadLetter bool
	// Wait is how long one poll waits for a message, in whole seconds up to 20 s;
	// 0 means 20 s.
	Wait time.Duration
	// Batch is how many messages one answer may have, up to 10; 0 means 10.
	Batch int
	// Logger is told what is no matter of health; nil means none.
	Logger *slog.Logger
}

// Transport receives from one queue. It implements watcher.Transport and
// watcher.Sender.
type Transport struct {
	options Options
	queue   queue
	log     *slog.Logger

	gate   chan struct{} // holding its one token is the right to load the chain
	mu     sync.Mutex
	client *client

	// unhurried is when changing the visibility may be tried again, in Unix
	// nanoseconds; 0 if it was never denied.
	unhurried atomic.Int64
}

var (
	_ watcher.Transport = (*Transport)(nil)
	_ watcher.Sender    = (*Transport)(nil)
)

// New makes a Transport. It reads no file and no environment and asks nobody.
func New(o Options) (*Transport, error) {
	q, err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("make sqs source %q: %w", o.Name, err)
	}
	if o.Wait == 0 {
		o.Wait = maxWait
	}
	if o.Batch == 0 {
		o.Batch = maxBatch
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Transport{options: o, queue: q, log: o.Logger, gate: make(chan struct{}, 1)}, nil
}

// validate finds all mistakes at once, and says what the queue is.
func (o Options) validate() (queue, error) {
	var errs []error
	if o.Name == "" {
		errs = append(errs, errors.New("the Name is empty; metrics and logs need one"))
	}
	q, err := parse(o.Queue)
	if err != nil {
		errs = append(errs, err)
	}
	for _, e := range []struct{ what, address, like string }{
		{"Endpoint", o.Endpoint, "https://vpce-1-2.sqs.us-west-2.vpce.amazonaws.com"},
		{"STSEndpoint", o.STSEndpoint, "https://sts.us-west-2.amazonaws.com"},
	} {
		if e.address != "" && !isPlain(e.address) {
			// Not quoted: there may be a password in it.
			errs = append(errs, fmt.Errorf("the %s is no plain address like %s", e.what, e.like))
		}
	}
	switch {
	case o.Region != "" && !regions.MatchString(o.Region):
		errs = append(errs, fmt.Errorf("the Region %q does not look like us-west-2", o.Region))
	case o.Region != "" && q.region != "" && o.Region != q.region:
		errs = append(errs, fmt.Errorf("the Region is %s and the Queue's host says %s; leave the Region out", o.Region, q.region))
	case o.Region != "":
		q.region = o.Region
	case q.url != "" && q.region == "":
		errs = append(errs, errors.New("the Queue's host does not say its region; give the Region, like us-west-2"))
	}
	if o.Endpoint != "" {
		q.endpoint = o.Endpoint
	}
	if o.RoleARN != "" && !roles.MatchString(o.RoleARN) {
		errs = append(errs, fmt.Errorf("the RoleARN %q does not look like arn:aws:iam::123456789012:role/NAME", o.RoleARN))
	}
	if o.ExternalID != "" && o.RoleARN == "" {
		errs = append(errs, errors.New("the ExternalID belongs to a role; give the RoleARN too"))
	}
	if o.Wait < 0 || o.Wait > maxWait || o.Wait%time.Second != 0 {
		errs = append(errs, fmt.Errorf("the Wait is %s; give whole seconds from 1s to 20s", o.Wait))
	}
	if o.Batch < 0 || o.Batch > maxBatch {
		errs = append(errs, fmt.Errorf("the Batch is %d; give 1 to 10", o.Batch))
	}
	return q, errors.Join(errs...)
}

func isPlain(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// Name implements watcher.Transport.
func (t *Transport) Name() string { return t.options.Name }
