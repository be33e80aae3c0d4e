package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/watcher"
)

const (
	googleKeys   = "https://www.googleapis.com/oauth2/v3/certs"
	googleIssuer = "https://accounts.google.com"
)

// PubSubPushOptions are what [NewPubSubPush] needs.
type PubSubPushOptions struct {
	Common
	// Audience is the subscription's --push-auth-token-audience. Needed.
	// Pub/Sub uses the URL of the endpoint if the subscription names none.
	Audience string
	// ServiceAccount is the subscription's --push-auth-service-account, an
	// e-mail address. Needed: Google signs tokens for everybody's accounts.
	ServiceAccount string
	// KeysURL is where the issuer's keys are; Google's unless set.
	KeysURL string
}

// PubSubPush is a push subscription of Google Pub/Sub, wrapped or unwrapped.
type PubSubPush struct {
	*gate
	tokens tokens
}

// NewPubSubPush makes an endpoint that accepts requests with a token that
// Google has signed for the audience and the service account of a push
// subscription. Tokens live up to an hour and come with many requests.
func NewPubSubPush(o PubSubPushOptions) (*PubSubPush, error) {
	errs := []error{o.check()}
	if o.Audience == "" {
		errs = append(errs, fmt.Errorf("webhook %s: name the audience of the subscription's token", o.Name))
	}
	if !strings.Contains(o.ServiceAccount, "@") {
		errs = append(errs, fmt.Errorf("webhook %s: name the service account of the subscription's token by its e-mail address", o.Name))
	}
	or(&o.KeysURL, googleKeys)
	if !isHTTPS(o.KeysURL) {
		errs = append(errs, fmt.Errorf("webhook %s: the address of the issuer's keys must begin with https://", o.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e := &PubSubPush{}
	e.gate = newGate(o.Common, e, http.MethodPost)
	e.tokens = tokens{
		gate:     e.gate,
		keys:     &keySet{address: o.KeysURL, client: e.client},
		issuers:  []string{googleIssuer, strings.TrimPrefix(googleIssuer, "https://")},
		issuer:   "Google",
		audience: o.Audience,
		caller: func(c claims) bool {
			return c.EmailVerified && c.Email == o.ServiceAccount
		},
	}
	return e, nil
}

// isHTTPS tells whether keys can be fetched from an address without anybody
// putting in their own.
func isHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func (e *PubSubPush) serve(w http.ResponseWriter, r *http.Request) answer {
	if why, hint := e.tokens.check(r.Context(), bearer(r)); why != "" {
		return refuseBecause(why, hint)
	}
	body, a, ok := e.read(w, r)
	if !ok {
		return a
	}
	m := watcher.Message{Body: body}
	unwrapped(&m, r.Header)
	_, a = e.deliver(r.Context(), m)
	return a
}

// Send can't be done: only Google signs the tokens.
func (e *PubSubPush) Send(context.Context, []byte) error {
	return e.cloudOnly("publish a message to the topic instead")
}

// googleAttributes are the attributes of Secret Manager's messages. Pub/Sub
// writes them as headers if the subscription unwraps payloads and writes
// metadata; the case of their names gets lost on the way, so that the names
// have to be known here.
var googleAttributes = []string{"eventType", "dataFormat", "secretId", "versionId", "timestamp", "deleteType"}

// maxAttribute bounds what is taken from a header.
const maxAttribute = 1024

// unwrapped adds what came beside an unwrapped message.
func unwrapped(m *watcher.Message, h http.Header) {
	if h.Get("X-Goog-Pubsub-Message-Id") == "" && h.Get("X-Goog-Pubsub-Subscription-Name") == "" {
		return
	}
	if id := h.Get("X-Goog-Pubsub-Message-Id"); len(id) <= maxAttribute {
		m.ID = id
	}
	if sent, err := time.Parse(time.RFC3339, h.Get("X-Goog-Pubsub-Publish-Time")); err == nil {
		m.Sent = sent
	}
	for _, name := range googleAttributes {
		if v := h.Get(name); v != "" && len(v) <= maxAttribute {
			if m.Attributes == nil {
				m.Attributes = map[string]string{}
			}
			m.Attributes[name] = v
		}
	}
}
