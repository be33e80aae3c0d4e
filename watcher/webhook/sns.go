package webhook

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/rotatord/rotatord/watcher"
)

const (
	// defaultAge is how old a message of SNS may be. SNS tries HTTPS endpoints
	// again for at most an hour; half of one is left for queues and clocks.
	defaultAge = 90 * time.Minute
	// snsAhead is how far in the future a message's time may be.
	snsAhead = 5 * time.Minute

	maxAnswer   = 64 << 10
	maxSNSToken = 1024
)

// SNSOptions are what [NewSNS] needs.
type SNSOptions struct {
	Common
	// Topics are the ARNs of the topics whose messages are accepted, and whose
	// subscriptions are confirmed. Needed. FIFO topics can't send to HTTPS.
	Topics []string
	// MaxAge is how old a message may be; 90 min unless set. SNS tries for an
	// hour at most. A replay within that time makes rotatord look once more.
	MaxAge time.Duration
	// SigningRoots are what the certificate that SNS signs with has to lead to,
	// over those that come in its file; nil to trust it for where it was fetched
	// and for the name it bears.
	SigningRoots *x509.CertPool
}

// SNS is a subscription of Amazon SNS over HTTPS, without raw delivery.
type SNS struct {
	*gate
	topics       map[string]*topic
	age          time.Duration
	certificates *certificates
	confirms     *rate.Limiter
}

// NewSNS makes an endpoint for subscriptions of configured topics.
func NewSNS(o SNSOptions) (*SNS, error) {
	errs := []error{o.check()}
	topics := map[string]*topic{}
	for _, arn := range o.Topics {
		t, ok := topicOf(arn)
		if !ok {
			errs = append(errs, fmt.Errorf("webhook %s: %q is not the ARN of a standard topic of SNS", o.Name, arn))
			continue
		}
		topics[arn] = t
	}
	if len(o.Topics) == 0 {
		errs = append(errs, fmt.Errorf("webhook %s: name the topics that may send to it", o.Name))
	}
	if o.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("webhook %s: the greatest age of a message must not be negative", o.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	or(&o.MaxAge, defaultAge)
	e := &SNS{topics: topics, age: o.MaxAge, confirms: rate.NewLimiter(1, 5)}
	e.gate = newGate(o.Common, e, http.MethodPost)
	e.certificates = newCertificates(e.client, o.SigningRoots)
	return e, nil
}

func (e *SNS) serve(w http.ResponseWriter, r *http.Request) answer {
	kind := r.Header.Get("X-Amz-Sns-Message-Type")
	switch {
	case strings.EqualFold(r.Header.Get("X-Amz-Sns-Rawdelivery"), "true"):
		a := refuseBecause(RefusedRaw, "turn off raw message delivery of the subscription: it is not signed")
		a.text = "raw message delivery is not signed: turn it off"
		return a
	case kind == "":
		return refuse(RefusedNoToken)
	case e.topics[r.Header.Get("X-Amz-Sns-Topic-Arn")] == nil:
		return refuse(RefusedTopic)
	}
	body, a, ok := e.read(w, r)
	if !ok {
		return a
	}
	m, err := parseSNS(body)
	if err != nil || m.Type != kind || m.TopicArn != r.Header.Get("X-Amz-Sns-Topic-Arn") {
		return refuse(RefusedMalformed)
	}
	t := e.topics[m.TopicArn]
	if a, ok := e.authenticate(r.Context(), m, t); !ok {
		return a
	}
	switch m.Type {
	case snsConfirm:
		return e.confirm(r.Context(), m, t)
	case snsUnsubscribed:
		return e.unsubscribed(r.Context(), t)
	}
	return e.notify(r.Context(), m)
}

// authenticate gives the answer to what SNS has not signed, or not lately.
func (e *SNS) authenticate(ctx context.Context, m *snsMessage, t *topic) (answer, bool) {
	sent, ok := m.sent()
	if age := time.Since(sent); !ok || age > e.age || age < -snsAhead {
		return refuseBecause(RefusedExpired, "the message is too old: check the clock of this machine"), false
	}
	path, ok := t.certificateFile(m.SigningCertURL)
	if !ok {
		return refuse(RefusedHost), false
	}
	key, err := e.certificates.key(ctx, t, path)
	switch {
	case errors.Is(err, errNoCertificate):
		return refuseBecause(RefusedKeys, err.Error()+": allow HTTPS to "+t.host), false
	case err != nil:
		return refuseBecause(RefusedSignature, err.Error()), false
	case !m.signedBy(key):
		return refuse(RefusedSignature), false
	}
	return answer{}, true
}

func (e *SNS) notify(ctx context.Context, m *snsMessage) answer {
	body, err := m.signedFields()
	if err != nil {
		return refuse(RefusedMalformed)
	}
	sent, _ := m.sent()
	_, a := e.deliver(ctx, watcher.Message{ID: m.MessageID, Body: body, Sent: sent})
	return a
}

// confirm takes a subscription to a configured topic. Whoever caused it needs
// the permission sns:Subscribe on that topic.
func (e *SNS) confirm(ctx context.Context, m *snsMessage, t *topic) answer {
	if m.Token == "" || len(m.Token) > maxSNSToken {
		return refuse(RefusedMalformed)
	}
	if !e.admit() || !e.confirms.Allow() {
		return refuse(RefusedFast)
	}
	if _, err := get(ctx, e.client, t.confirmation(m.Token), maxAnswer); err != nil {
		fault := e.fault("confirm the subscription of", watcher.ReasonUnavailable, err, "allow HTTPS to "+t.host+"; a token is valid for two days")
		e.options.Logger.WarnContext(ctx, "subscription of sns not confirmed", "source", e.Name(), "topic", t.arn, "error", fault)
		e.down(fault)
		return notNow("not confirmed")
	}
	e.options.Logger.InfoContext(ctx, "subscription of sns confirmed", "source", e.Name(), "topic", t.arn)
	if s := e.session(); s != nil {
		s.health.Up()
	}
	return done()
}

// unsubscribed is for the farewell of a topic. The message offers to subscribe
// again; that is for people to decide.
func (e *SNS) unsubscribed(ctx context.Context, t *topic) answer {
	if !e.admit() {
		return refuse(RefusedFast)
	}
	e.options.Logger.WarnContext(ctx, "sns says that the subscription of this webhook was removed", "source", e.Name(), "topic", t.arn)
	e.down(e.fault("receive from", watcher.ReasonNotFound, errors.New("the subscription was removed"), "subscribe the webhook to the topic again"))
	return done()
}

// Send can't be done: only SNS has the key.
func (e *SNS) Send(context.Context, []byte) error {
	return e.cloudOnly("publish a message to the topic instead")
}
