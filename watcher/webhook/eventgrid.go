package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/watcher"
)

const (
	// EventGridAppID is the application that Event Grid itself is in the public
	// cloud: the caller that its tokens name. Other clouds have others.
	EventGridAppID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"

	// keyHeader and keyParameter are where a shared key is looked for. Event
	// Grid keeps a delivery property that is marked as secret to itself; the
	// query of an endpoint's URL is shown to whoever may read its full URL, and
	// proxies like to log it.
	keyHeader    = "X-Rotatord-Key"
	keyParameter = "key"

	entra          = "login.microsoftonline.com"
	eventGridHost  = "eventgrid.azure.net"
	validation     = "SubscriptionValidation"
	deletion       = "SubscriptionDeletion"
	validationType = "Microsoft.EventGrid.SubscriptionValidationEvent"
	maxCode        = 256
)

// oldIssuers are the hosts in the issuer of version 1 tokens, by the authority
// that makes the tokens. Those of version 2 name the authority itself.
var oldIssuers = map[string]string{
	entra:                              "sts.windows.net",
	"login.microsoftonline.us":         "sts.windows.net",
	"login.partner.microsoftonline.cn": "sts.chinacloudapi.cn",
}

var guid = shape.Of(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, 36)

// EventGridOptions are what [NewEventGrid] needs: Tenant and Audience, or Keys,
// or all of them, when either way to prove who calls is enough.
type EventGridOptions struct {
	Common
	// Tenant is the id of the Entra tenant whose tokens are accepted, a GUID.
	Tenant string
	// Audience is the application that Event Grid gets its tokens for: the
	// subscription's azureActiveDirectoryApplicationIdOrUri, as an id or with
	// api:// before it, whichever the tokens carry.
	Audience string
	// AppID is the only application whose tokens are accepted; "" accepts all of
	// the tenant that can get a token for Audience, which unless the audience
	// wants an assigned role are all there are. [EventGridAppID] is Event Grid.
	AppID string
	// Authority is the host that makes tokens; login.microsoftonline.com unless
	// set. login.microsoftonline.us and login.partner.microsoftonline.cn are
	// known as well.
	Authority string
	// Keys are shared keys, in the delivery header X-Rotatord-Key or the query
	// parameter "key" of the endpoint's URL. Of 16 bytes at least.
	Keys Keys
	// Origins are the senders that may use the handshake of CloudEvents;
	// eventgrid.azure.net unless set.
	Origins []string
	// OpenHandshake answers the handshake of CloudEvents to allowed origins that
	// bring no proof of who they are. It gives away nothing but that there is an
	// endpoint; deliveries are checked all the same.
	OpenHandshake bool
	// SelfURL gives the URL of this endpoint as rotatord itself can reach it, for
	// Send; "" while there is none.
	SelfURL func() string
}

// EventGrid is a webhook of Azure Event Grid, in its own schema or CloudEvents.
type EventGrid struct {
	*gate
	options EventGridOptions
	tokens  *tokens // nil without a tenant
}

// NewEventGrid makes an endpoint for subscriptions of Event Grid.
func NewEventGrid(o EventGridOptions) (*EventGrid, error) {
	errs := []error{o.check()}
	o.Tenant = strings.ToLower(o.Tenant)
	or(&o.Authority, entra)
	switch {
	case o.Tenant == "" && o.Keys == nil:
		errs = append(errs, fmt.Errorf("webhook %s: name a tenant or shared keys, or everybody could send events", o.Name))
	case o.Tenant != "" && !guid.MatchString(o.Tenant):
		errs = append(errs, fmt.Errorf("webhook %s: the tenant must be its id, not its domain", o.Name))
	case o.Tenant != "" && o.Audience == "":
		errs = append(errs, fmt.Errorf("webhook %s: name the audience of the tokens, or every token of the tenant would do", o.Name))
	case o.Tenant != "" && oldIssuers[o.Authority] == "":
		errs = append(errs, fmt.Errorf("webhook %s: the authority is none of Entra's", o.Name))
	}
	if len(o.Origins) == 0 {
		o.Origins = []string{eventGridHost}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	e := &EventGrid{options: o}
	e.gate = newGate(o.Common, e, http.MethodPost, http.MethodOptions)
	if o.Tenant != "" {
		e.tokens = e.ofTenant()
	}
	return e, nil
}

func (e *EventGrid) ofTenant() *tokens {
	o := e.options
	authority := "https://" + o.Authority + "/" + o.Tenant
	return &tokens{
		gate:     e.gate,
		keys:     &keySet{address: authority + "/discovery/v2.0/keys", client: e.client},
		issuers:  []string{authority + "/v2.0", "https://" + oldIssuers[o.Authority] + "/" + o.Tenant + "/"},
		issuer:   "Entra (" + o.Authority + ")",
		audience: o.Audience,
		caller: func(c claims) bool {
			return o.AppID == "" || c.AppID == o.AppID || c.AppID == "" && c.AuthorizedFor == o.AppID
		},
	}
}

func (e *EventGrid) serve(w http.ResponseWriter, r *http.Request) answer {
	if r.Method == http.MethodOptions {
		return e.handshake(r)
	}
	if a, ok := e.authenticate(r); !ok {
		return a
	}
	body, a, ok := e.read(w, r)
	if !ok {
		return a
	}
	switch r.Header.Get("Aeg-Event-Type") {
	case validation:
		return e.validate(body)
	case deletion:
		return e.deleted(r.Context())
	}
	_, a = e.deliver(r.Context(), watcher.Message{Body: body, Deliveries: deliveries(r.Header)})
	return a
}

// deliveries counts from one; Event Grid counts those that were without
// success before.
func deliveries(h http.Header) int {
	before, err := strconv.Atoi(h.Get("Aeg-Delivery-Count"))
	if err != nil || before < 0 || before > 1000 {
		return 0
	}
	return before + 1
}

// authenticate gives the answer to who is not let in.
func (e *EventGrid) authenticate(r *http.Request) (answer, bool) {
	token, key := bearer(r), sharedKey(r)
	if e.options.Keys != nil && key != "" {
		keys, err := e.options.Keys.valid(plainKey)
		switch {
		case err != nil:
			return e.keysBroken(err), false
		case among([]byte(key), keys):
			return answer{}, true
		case e.tokens == nil || token == "":
			return refuse(RefusedSignature), false
		}
	}
	if e.tokens == nil {
		return refuse(RefusedNoToken), false
	}
	if why, hint := e.tokens.check(r.Context(), token); why != "" {
		return refuseBecause(why, hint), false
	}
	return answer{}, true
}

func sharedKey(r *http.Request) string {
	if key := r.Header.Get(keyHeader); key != "" {
		return key
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get(keyParameter)
}

// handshake answers the OPTIONS request of CloudEvents. What it allows is the
// origin as configured here, not as it came.
func (e *EventGrid) handshake(r *http.Request) answer {
	bare := bearer(r) == "" && sharedKey(r) == ""
	if !e.options.OpenHandshake || !bare {
		if a, ok := e.authenticate(r); !ok {
			return a
		}
	}
	if !e.admit() {
		return refuse(RefusedFast)
	}
	asked := r.Header.Get("Webhook-Request-Origin")
	for _, origin := range e.options.Origins {
		if strings.EqualFold(asked, origin) {
			a := done()
			a.header = http.Header{
				"Allow":                  {strings.Join(e.methods, ", ")},
				"Webhook-Allowed-Origin": {origin},
				// Requests per minute.
				"Webhook-Allowed-Rate": {strconv.Itoa(max(1, int(e.gate.options.Rate*60)))},
			}
			return a
		}
	}
	return refuseBecause(RefusedOrigin, "only Event Grid is known here")
}

// validate answers the handshake of Event Grid's own schema with the code that
// came. The validationUrl beside it is never fetched.
func (e *EventGrid) validate(body []byte) answer {
	type event struct {
		EventType string `json:"eventType"`
		Data      struct {
			Code string `json:"validationCode"`
		} `json:"data"`
	}
	if !e.admit() {
		return refuse(RefusedFast)
	}
	var events []event
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '{' {
		body = append(append([]byte{'['}, body...), ']')
	}
	if json.Unmarshal(body, &events) != nil || len(events) != 1 {
		return refuseBecause(RefusedMalformed, "a validation that is not one event")
	}
	code := events[0].Data.Code
	if events[0].EventType != validationType || code == "" || len(code) > maxCode {
		return refuseBecause(RefusedMalformed, "a validation without a usable code")
	}
	out, err := json.Marshal(map[string]string{"validationResponse": code})
	if err != nil {
		return refuse(RefusedMalformed)
	}
	if s := e.session(); s != nil {
		s.health.Up()
	}
	return answer{status: http.StatusOK, json: out}
}

// deleted is for the farewell of a subscription. Nothing comes any more; other
// subscriptions to the same endpoint bring it up again.
func (e *EventGrid) deleted(ctx context.Context) answer {
	if !e.admit() {
		return refuse(RefusedFast)
	}
	e.gate.options.Logger.WarnContext(ctx, "event grid says that a subscription to this webhook was deleted", "source", e.Name())
	e.down(e.fault("receive from", watcher.ReasonNotFound, errors.New("the subscription was deleted"), "make the event subscription again"))
	return done()
}

// Send posts to this endpoint as a delivery of Event Grid with a shared key
// would come. With tokens alone only Entra could sign.
func (e *EventGrid) Send(ctx context.Context, body []byte) error {
	if e.options.Keys == nil {
		return e.cloudOnly("configure a shared key beside the tenant, or publish an event to the topic")
	}
	keys, err := e.options.Keys.valid(plainKey)
	if err != nil {
		return e.fault("send to", watcher.ReasonInvalid, err, "check where the keys of this webhook are configured")
	}
	return e.post(ctx, e.options.SelfURL, body, http.Header{
		keyHeader:        {string(keys[0])},
		"Aeg-Event-Type": {"Notification"},
	})
}
