package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// Directory is what can be done to Planet's destinations themselves, configured
// here or not, under the rate limit of the account that it is done by. An error
// made by [Wrong] means that the question was, one made by [Refused] that the
// answer is no; all others, that no answer could be had.
type Directory interface {
	// Find gives the destinations that were asked for; with a Name exactly one.
	Find(ctx context.Context, q Find) ([]Destination, error)
	// Create makes a destination, after everything that can be known before
	// Planet is asked was looked at. It never sends a second request to create.
	Create(ctx context.Context, r Create) (Created, error)
	// Change renames, archives, brings back or makes the default.
	Change(ctx context.Context, r Change) (Changed, error)
}

// Find says which destinations are wanted.
type Find struct {
	Target
	// Archived, Mine, Writable and Default each leave out all others.
	Archived, Mine, Writable, Default bool
}

// Target says who is asked, and about which destination.
type Target struct {
	// Account is the configured name of an account; it may be empty where there
	// is only one. A list without it is of all accounts.
	Account string `json:"account,omitempty"`
	// BaseURL, if set, is where the account must be: it keeps a command that was
	// given an address from asking a daemon that uses another one.
	BaseURL string `json:"base_url,omitempty"`
	// Name names a destination: id, pl:ref, short ref or suffix.
	Name string `json:"name,omitempty"`
}

// Destination is one destination as Planet shows it. Credentials are not in it.
type Destination struct {
	Account string `json:"account"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Ref     string `json:"ref"`
	Type    string `json:"type"`
	// Location holds the parameters that say where the storage is, Options the
	// switches of the type.
	Location json.RawMessage `json:"location"`
	Options  json.RawMessage `json:"options"`
	Archived *time.Time      `json:"archived"`
	Created  time.Time       `json:"created,omitzero"`
	Updated  time.Time       `json:"updated,omitzero"`
	Default  bool            `json:"default"`
	Mine     bool            `json:"mine"`
	OwnerID  int64           `json:"owner_id"`
	Writable bool            `json:"writable"`
	// Configured is the name by which this rotatord rotates it; empty if it
	// does not.
	Configured string `json:"configured,omitempty"`
}

// Create describes a new destination. The credential is named, never given.
type Create struct {
	Target
	// NewName is 3 to 63 characters; empty takes the bucket's or container's.
	NewName string `json:"new_name,omitempty"`
	Type    string `json:"type"`
	// Location and Options are in Planet's names.
	Location map[string]string `json:"location"`
	Options  map[string]bool   `json:"options,omitempty"`
	// Secret holds the credential, Map says where in it.
	Secret credential.Secret `json:"secret"`
	Map    map[string]string `json:"map,omitempty"`
	// Untried leaves out the trial of the credential on the bucket.
	Untried bool `json:"untried,omitempty"`
	// BucketEndpoint is where the bucket is reached from here, if elsewhere.
	BucketEndpoint string `json:"bucket_endpoint,omitempty"`
	// OverQuota asks Planet though the organization has as many destinations as
	// it may have.
	OverQuota bool `json:"over_quota,omitempty"`
}

// Created is what came of a Create.
type Created struct {
	Destination Destination `json:"destination"`
	// Checks are what was looked at before.
	Checks []Check `json:"checks"`
	// AnswerLost: Planet's answer did not arrive or could not be read, and the
	// destination was found afterwards.
	AnswerLost bool `json:"answer_lost,omitempty"`
	// Several: more than one account is configured, so that the new entry has to
	// name its own. BaseURL is the account's.
	Several bool   `json:"several_accounts,omitempty"`
	BaseURL string `json:"base_url"`
}

// Change says what to change; one of the fields is set.
type Change struct {
	Target
	Rename  *string `json:"rename,omitempty"`
	Archive *bool   `json:"archive,omitempty"`
	Default *bool   `json:"default,omitempty"`
}

// Changed is what came of a Change.
type Changed struct {
	Destination Destination `json:"destination"`
	// Already: it was so before, and nothing was sent.
	Already bool `json:"already,omitempty"`
}

// Pushed is what came of a push by hand.
type Pushed struct {
	Destination string `json:"destination"`
	Version     string `json:"version,omitempty"`
	// Current tells whether the source calls that version its current one.
	Current bool `json:"current"`
	// Accepted tells whether Planet holds it now; if not, Reason, Detail and
	// Until say why and when trying again may help.
	Accepted bool         `json:"accepted"`
	Reason   store.Reason `json:"reason,omitempty"`
	Detail   string       `json:"detail,omitempty"`
	Until    time.Time    `json:"until,omitzero"`
	Status   Status       `json:"status"`
}

func (a *API) push(ctx context.Context, names []string, req Request) ([]Pushed, error) {
	if len(req.Destinations) != 1 {
		return nil, badRequest{"name one destination: versions belong to one secret"}
	}
	p, err := a.Engine.PushVersion(ctx, names[0], req.Version, req.Wait)
	if err != nil {
		return nil, err
	}
	return []Pushed{pushedOf(names[0], p, a.statusesOf(ctx, []store.Record{p.Record})[0])}, nil
}

func pushedOf(name string, p rotation.Pushed, status Status) Pushed {
	return Pushed{Destination: name, Version: p.Version, Current: p.Current, Accepted: p.Accepted,
		Reason: p.Reason, Detail: p.Detail, Until: p.Until, Status: status}
}

// refusal is a "no" of Planet's, of a bucket's or of our own.
type refusal struct{ text string }

func (e refusal) Error() string { return e.text }

// Refused makes an error for what is well asked and can't be done.
func Refused(text string) error { return refusal{text} }

// Wrong makes an error for what is asked in a wrong way.
func Wrong(text string) error { return badRequest{text} }

func (a *API) find(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := Find{Target: Target{Account: v.Get("account"), BaseURL: v.Get("base_url"), Name: v.Get("name")}}
	for name, flag := range q.flags() {
		if s := v.Get(name); s != "" {
			on, err := strconv.ParseBool(s)
			if err != nil {
				answer(w, nil, badRequest{name + " must be true or false"})
				return
			}
			*flag = on
		}
	}
	all, err := a.Directory.Find(r.Context(), q)
	if all == nil {
		all = []Destination{}
	}
	answer(w, all, err)
}

func (q *Find) flags() map[string]*bool {
	return map[string]*bool{"archived": &q.Archived, "mine": &q.Mine, "writable": &q.Writable, "default": &q.Default}
}

func (q *Find) query() string {
	v := url.Values{}
	for name, s := range map[string]string{"account": q.Account, "base_url": q.BaseURL, "name": q.Name} {
		if s != "" {
			v.Set(name, s)
		}
	}
	for name, flag := range q.flags() {
		if *flag {
			v.Set(name, "true")
		}
	}
	return v.Encode()
}

// typed decodes a request of its own type and answers with what do gives.
func typed[In, Out any](do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			answer(w, nil, badRequest{notOurs})
			return
		}
		out, err := do(r.Context(), in)
		answer(w, out, err)
	}
}

// Push gives Planet one version of one destination's secret.
func (c *Client) Push(ctx context.Context, r Request) (Pushed, error) {
	var out []Pushed
	if err := c.call(ctx, http.MethodPost, "/v1/push", r, &out); err != nil {
		return Pushed{}, err
	}
	if len(out) != 1 {
		return Pushed{}, &RemoteError{Text: "the daemon's answer is about no destination"}
	}
	return out[0], nil
}

// Find gives destinations as Planet shows them.
func (c *Client) Find(ctx context.Context, q Find) (out []Destination, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/destinations?"+q.query(), nil, &out)
}

// Create makes a destination.
func (c *Client) Create(ctx context.Context, r Create) (out Created, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/destinations", r, &out)
}

// Change changes a destination.
func (c *Client) Change(ctx context.Context, r Change) (out Changed, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/destinations/change", r, &out)
}
