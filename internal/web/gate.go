package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/rotation"
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
	// NotCovered says who else may use the secret.
	NotCovered string `json:"not_covered"`
}

// GateDestination is how one destination of the secret stands to the version.
type GateDestination struct {
	Destination string           `json:"destination"`
	Verdict     rotation.Verdict `json:"verdict"`
	Accepted    time.Time        `json:"accepted,omitzero"`
	Detail      string           `json:"detail,omitempty"`
}

const notCovered = "whoever uses this secret beside the Planet destinations that this rotatord is configured for"

func (a *API) gate(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	secret := credential.Secret(q.Get("secret"))
	if secret == "" {
		answer(w, nil, badRequest{"name the secret"})
		return
	}
	g, err := a.Engine.Gate(r.Context(), secret, q.Get("version"), a.Grace)
	answer(w, gateOf(g), err)
}

func gateOf(g rotation.Gate) Gate {
	out := Gate{Secret: g.Secret, Version: g.Version, Current: g.Current, Verdict: g.Verdict, Safe: g.Verdict == rotation.VerdictSafe,
		Detail: g.Detail, Receipt: g.Receipt, Opens: g.Opens, Destinations: []GateDestination{}, NotCovered: notCovered}
	for _, d := range g.Destinations {
		out.Destinations = append(out.Destinations, GateDestination(d))
	}
	return out
}

// Gate asks whether the credentials before a version of a secret may be
// revoked; an empty version means the current one.
func (c *Client) Gate(ctx context.Context, secret credential.Secret, version string) (out Gate, err error) {
	q := url.Values{"secret": {string(secret)}, "version": {version}}
	return out, c.call(ctx, http.MethodGet, "/v1/gate?"+q.Encode(), nil, &out)
}
