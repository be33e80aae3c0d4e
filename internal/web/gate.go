package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// Gate is the answer to the question whether the credentials before a version
// of a secret may be revoked, for "rotatord gate --output json".
type Gate struct {
	Secret  credential.Secret `json:"secret"`
	Version string            `json:"version"`
	Current string            `json:"current,omitempty"` // what the source calls current
	Verdict rotation.Verdict  `json:"verdict"`
	Safe    bool              `json:"safe"` // the same as a verdict of safe
	Detail  string            `json:"detail"`
	// Receipt is when the last destination accepted the version, Opens when the
	// grace after it is over; absent while one has not.
	Receipt      time.Time         `json:"receipt,omitzero"`
	Opens        time.Time         `json:"opens,omitzero"`
	Destinations []GateDestination `json:"destinations"`
	// Noted is what was found of the secret before this answer, and is durable:
	// for which version the gate has last opened, and whether that was withdrawn.
	Noted *store.Receipt `json:"noted,omitempty"`
	// NotCovered says who else may use the secret.
	NotCovered string `json:"not_covered"`
}

// GateDestination is how one destination of the secret stands to the version.
type GateDestination struct {
	Destination string           `json:"destination"`
	Verdict     rotation.Verdict `json:"verdict"`
	Accepted    time.Time        `json:"accepted,omitzero"`
	Detail      string           `json:"detail,omitempty"`
	// Conditions are what is wrong with the destination at the time of the
	// answer, the gravest first; never null.
	Conditions []store.Condition `json:"conditions"`
}

const notCovered = "whoever uses this secret beside the Planet destinations that this rotatord is configured for"

func (a *API) gate(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	secret := credential.Secret(q.Get("secret"))
	if secret == "" {
		answer(w, nil, badRequest{"name the secret"})
		return
	}
	g, err := a.Engine.Gate(r.Context(), secret, q.Get("version"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	out, err := a.gateOf(r.Context(), g)
	answer(w, out, err)
}

func (a *API) gateOf(ctx context.Context, g rotation.Gate) (Gate, error) {
	out := Gate{Secret: g.Secret, Version: g.Version, Current: g.Current, Verdict: g.Verdict, Safe: g.Verdict == rotation.VerdictSafe,
		Detail: g.Detail, Receipt: g.Receipt, Opens: g.Opens, Destinations: []GateDestination{}, NotCovered: notCovered}
	now, writings := time.Now(), []credential.Secret{g.Secret}
	for _, d := range g.Destinations {
		r, err := a.Store.Load(ctx, d.Destination)
		if err != nil {
			return out, fmt.Errorf("load record of %q: %w", d.Destination, err)
		}
		writings = append(writings, r.Secret)
		out.Destinations = append(out.Destinations, GateDestination{Destination: d.Destination, Verdict: d.Verdict,
			Accepted: d.Accepted, Detail: d.Detail, Conditions: conditionsOf(r, now)})
	}
	receipts, _ := a.receipts(ctx) // what they say is a note beside the answer
	out.Noted = receiptOf(receipts, writings...)
	return out, nil
}

// Gate asks whether the credentials before a version of a secret may be
// revoked; an empty version means the current one.
func (c *Client) Gate(ctx context.Context, secret credential.Secret, version string) (out Gate, err error) {
	q := url.Values{"secret": {string(secret)}, "version": {version}}
	return out, c.call(ctx, http.MethodGet, "/v1/gate?"+q.Encode(), nil, &out)
}
