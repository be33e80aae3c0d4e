package planet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Client calls the Destinations API. It is safe for concurrent use and starts
// nothing of its own; its errors are [*Error] unless a method says otherwise.
type Client struct {
	base      *url.URL
	auth      Auth
	limiter   *Limiter
	transport http.RoundTripper
	pushes    http.RoundTripper // for requests that carry credentials
	userAgent string
	timeout   time.Duration
	patch     time.Duration
	attempts  int
	backoff   time.Duration
	observer  func(Observation)
	logger    *slog.Logger
}

// New makes a client. It sends nothing and does not ask for the key yet.
func New(o Options) (*Client, error) {
	o.setDefaults()
	base, baseErr := parseBase(o.BaseURL)
	if err := errors.Join(baseErr, o.validate()); err != nil {
		return nil, fmt.Errorf("make a planet client: %w", err)
	}
	if o.Limiter == nil {
		l, err := NewLimiter(LimiterOptions{})
		if err != nil {
			return nil, err
		}
		o.Limiter = l
	}
	pushes := o.Transport
	if o.Transport == nil {
		o.Transport, pushes = newTransport(o), newPushTransport(o)
	}
	return &Client{
		base: base, auth: o.Auth, limiter: o.Limiter, transport: o.Transport, pushes: pushes, userAgent: o.UserAgent,
		timeout: o.Timeout, patch: o.PatchTimeout, attempts: o.Attempts, backoff: o.Backoff,
		observer: o.Observer, logger: o.Logger,
	}, nil
}

// Limiter gives the account's limiter, to take turns from and to observe.
func (c *Client) Limiter() *Limiter { return c.limiter }

// CloseIdleConnections drops unused connections, and the buffers in which
// bytes of former requests may linger.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// ListOptions narrow a list. The zero ListOptions leave it to Planet, which
// then omits archived destinations.
type ListOptions struct {
	// Archived asks for archived ones: "also" or "only", both are documented.
	Archived *bool
	// IsOwner asks for the caller's own, or for those of others.
	IsOwner *bool
	// CanWrite asks for those that the caller may modify, or may not.
	CanWrite *bool
	// IsDefault asks for the organization's default, or for the others.
	IsDefault *bool
	// SortBy is created, name, type or updated; empty leaves it to Planet.
	SortBy string
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	for name, flag := range map[string]*bool{
		"archived": o.Archived, "is_owner": o.IsOwner, "can_write": o.CanWrite, "is_default": o.IsDefault,
	} {
		if flag != nil {
			q.Set(name, strconv.FormatBool(*flag))
		}
	}
	if o.SortBy != "" {
		q.Set("sort_by", o.SortBy)
	}
	return q
}

// List gives the organization's destinations. The API has no paging.
func (c *Client) List(ctx context.Context, o ListOptions) ([]Destination, error) {
	k := call{op: "list destinations", method: http.MethodGet, route: routeAll, query: o.query(), timeout: c.timeout, repeat: true}
	got, e := c.do(ctx, k)
	if e != nil {
		return nil, e
	}
	ds, err := decodeList(got.body)
	if err != nil {
		return nil, k.invalid(got, err)
	}
	return ds, nil
}

// Get gives one destination by its id, archived or not.
func (c *Client) Get(ctx context.Context, id string) (Destination, error) {
	k := call{op: "get destination", id: id, method: http.MethodGet, route: routeOne, segment: id, timeout: c.timeout, repeat: true}
	if err := checkID(id); err != nil {
		return Destination{}, k.refuse(err)
	}
	return c.one(ctx, k)
}

// Default gives the organization's default destination. Without one the error
// is of KindNotFound.
func (c *Client) Default(ctx context.Context) (Destination, error) {
	return c.one(ctx, call{op: "get the default destination", method: http.MethodGet, route: routeDefault, segment: "default", timeout: c.timeout, repeat: true})
}

func (c *Client) one(ctx context.Context, k call) (Destination, error) {
	got, e := c.do(ctx, k)
	if e != nil {
		return Destination{}, e
	}
	d, err := decodeDestination("destination", got.body)
	if err != nil {
		return Destination{}, k.invalid(got, err)
	}
	return d, nil
}

// CreateRequest describes a new destination.
type CreateRequest struct {
	// Name is 3 to 63 characters, unique in the organization; empty lets
	// Planet take the bucket's or container's.
	Name string
	// Type is the kind of storage.
	Type Type
	// Parameters is the JSON object of all its parameters, credentials
	// included. The caller may clear it after the call.
	Parameters json.RawMessage
}

// Create makes a destination, in one attempt: Planet verifies the credentials
// by writing to the bucket, and a repetition might make a second destination.
// If Planet accepted but its answer can't be read, the error is of
// KindInvalidAnswer with OutcomeAccepted.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Destination, error) {
	k := call{op: "create destination", method: http.MethodPost, route: routeAll, timeout: c.patch, params: r.Parameters, kind: r.Type}
	err := errors.Join(checkParameters(r.Parameters), checkName(r.Name, true))
	if r.Type == "" {
		err = errors.Join(err, errors.New("the type is missing"))
	}
	if err != nil {
		return Destination{}, k.refuse(err)
	}
	fields := []member{{"type", quoted(string(r.Type))}, {"parameters", r.Parameters}}
	if r.Name != "" {
		fields = append([]member{{"name", quoted(r.Name)}}, fields...)
	}
	k.payload = assemble(fields)
	defer clear(k.payload)
	got, e := c.do(ctx, k)
	if e != nil {
		return Destination{}, e
	}
	d, err := decodeDestination("destination", got.body)
	if err != nil || got.cut != nil {
		e := k.invalid(got, errors.Join(err, got.cut))
		e.Outcome = OutcomeAccepted
		return Destination{}, e
	}
	return d, nil
}

// ModifyRequest says what to change; at least one field is set.
type ModifyRequest struct {
	// Parameters is a JSON object with all credential parameters of the type
	// together; nothing else can be changed. The caller may clear it after the
	// call.
	Parameters json.RawMessage
	// Archive archives (true) or brings back (false).
	Archive *bool
	// Name renames; 3 to 63 characters.
	Name *string
}

// Answer is Planet's answer to an accepted change.
type Answer struct {
	// Status is the answer's, 2xx.
	Status int
	// Destination is the one that the answer showed; nil if it showed none
	// that can be read. The change is accepted nevertheless.
	Destination *Destination
}

// Modify changes a destination, in exactly one attempt: neither the client nor
// net/http repeats it, so that the caller decides from [OutcomeOf] the error.
// An answer may take two minutes, while Planet verifies the credentials.
func (c *Client) Modify(ctx context.Context, id string, r ModifyRequest) (Answer, error) {
	k := call{op: "modify destination", id: id, method: http.MethodPatch, route: routeOne, segment: id, timeout: c.patch, params: r.Parameters}
	err := checkID(id)
	var fields []member
	if r.Parameters != nil {
		err = errors.Join(err, checkParameters(r.Parameters))
		fields = append(fields, member{"parameters", r.Parameters})
	}
	if r.Archive != nil {
		fields = append(fields, member{"archive", strconv.AppendBool(nil, *r.Archive)})
	}
	if r.Name != nil {
		err = errors.Join(err, checkName(*r.Name, false))
		fields = append(fields, member{"name", quoted(*r.Name)})
	}
	if len(fields) == 0 {
		err = errors.Join(err, errors.New("nothing to change: give parameters, archive or a name"))
	}
	if err != nil {
		return Answer{}, k.refuse(err)
	}
	k.payload = assemble(fields)
	defer clear(k.payload)
	return c.change(ctx, k)
}

// SetDefault makes a destination the organization's default, in one attempt.
// Only an admin may.
func (c *Client) SetDefault(ctx context.Context, id string) (Answer, error) {
	k := call{op: "set the default destination", id: id, method: http.MethodPut, route: routeDefault, segment: "default", timeout: c.timeout}
	if err := checkID(id); err != nil {
		return Answer{}, k.refuse(err)
	}
	k.payload = assemble([]member{{"destination_id", quoted(id)}})
	return c.change(ctx, k)
}

// UnsetDefault leaves the organization without a default, in one attempt.
// Only an admin may; others may be told 401 instead of 403.
func (c *Client) UnsetDefault(ctx context.Context) error {
	_, err := c.change(ctx, call{op: "unset the default destination", method: http.MethodDelete, route: routeDefault, segment: "default", timeout: c.timeout})
	return err
}

func (c *Client) change(ctx context.Context, k call) (Answer, error) {
	got, e := c.do(ctx, k)
	if e != nil {
		return Answer{}, e
	}
	answer := Answer{Status: got.status}
	if d, err := decodeDestination("destination", got.body); err == nil && got.cut == nil {
		answer.Destination = &d
	}
	return answer, nil
}

func (k call) invalid(got reply, err error) *Error {
	e := k.fail(KindInvalidAnswer, OutcomeUnknown, err)
	e.Status = got.status
	e.detail = k.show(nil, err.Error())
	return e
}

// refuse makes the error of a call that this package does not send.
func (k call) refuse(err error) *Error {
	e := k.fail(KindInvalidRequest, OutcomeNotSent, err)
	e.detail = strings.ReplaceAll(err.Error(), "\n", "; ") // ours: they quote nothing secret
	if checkID(k.id) != nil {
		e.ID = ""
	}
	e.Attempts = 0
	return e
}

func checkID(id string) error {
	switch {
	case id == "":
		return errors.New("the destination's id is empty")
	case id == "default" || id == "spec":
		return fmt.Errorf("%q is no destination's id but another endpoint of the API", id)
	}
	r, err := ParseRef(id)
	if err != nil {
		return err
	}
	if r.key != id {
		return fmt.Errorf("%q is a reference: use the id alone, or Resolve", id)
	}
	return nil
}

func checkName(name string, mayBeEmpty bool) error {
	if name == "" && mayBeEmpty {
		return nil
	}
	if n := utf8.RuneCountInString(name); n < 3 || n > 63 || !utf8.ValidString(name) {
		return fmt.Errorf("a name of %d characters: Planet takes 3 to 63", n)
	}
	return nil
}

func checkParameters(p json.RawMessage) error {
	if !bytes.HasPrefix(bytes.TrimLeft(p, " \t\r\n"), []byte("{")) || !json.Valid(p) {
		return errors.New("the parameters are not one JSON object")
	}
	return nil
}

type member struct {
	name  string
	value []byte
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string always can
	return b
}

// assemble writes a JSON object in one allocation of its final size: growing
// would leave copies of credentials behind in freed memory.
func assemble(fields []member) []byte {
	size := 2
	for _, f := range fields {
		size += len(f.name) + len(f.value) + 4
	}
	b := append(make([]byte, 0, size), '{')
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		b = append(b, f.value...)
	}
	return append(b, '}')
}
