package web

import (
	"context"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Events is what can be asked of the sources of events. Errors are as those of
// a [Directory].
type Events interface {
	// Sources tells how each configured source stands.
	Sources(ctx context.Context) ([]Source, error)
	// Test sends a message of rotatord's own through each source that is named,
	// or through all, and tells how far it came.
	Test(ctx context.Context, r EventTest) ([]EventTested, error)
}

// Source is how one source of events stands.
type Source struct {
	Source string `json:"source"` // its configured name
	Kind   string `json:"kind"`   // "sqs", "webhook", …
	Where  string `json:"where"`  // the queue, subscription or path
	// State is "up", "down", "starting" before the first answer, or "stopped"
	// where no daemon runs.
	State string `json:"state"`
	// Since is when that began; absent while stopped.
	Since       time.Time `json:"since,omitzero"`
	LastMessage time.Time `json:"last_message,omitzero"`
	// LastError is why it could last not be used; it stays when it is up again.
	LastError   string    `json:"last_error,omitempty"`
	LastReason  string    `json:"last_reason,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Announces are the configured secrets whose changes it should tell of.
	Announces []credential.Secret `json:"announces,omitempty"`
}

// EventTest asks for test messages.
type EventTest struct {
	// Sources are the names of those to test; none means all.
	Sources []string `json:"sources,omitempty"`
	// Secret is what the messages name; empty takes one that the source should
	// announce.
	Secret credential.Secret `json:"secret,omitempty"`
	// Wait is how long a message is waited for; 0 means 30 s.
	Wait time.Duration `json:"wait,omitempty"`
}

// EventTested is how far the test message of one source came. A time is
// absent for a link of the chain that was not reached.
type EventTested struct {
	Source string            `json:"source"`
	Kind   string            `json:"kind"`
	Secret credential.Secret `json:"secret"`

	Sent         time.Time `json:"sent,omitzero"`
	Received     time.Time `json:"received,omitzero"`
	Matched      bool      `json:"matched"`
	Recorded     time.Time `json:"recorded,omitzero"`
	Acknowledged time.Time `json:"acknowledged,omitzero"`

	// OK: every link held.
	OK bool `json:"ok"`
	// Untestable says why no message of ours can go this way; empty if it can.
	Untestable string `json:"untestable,omitempty"`
	// Error says what failed.
	Error string `json:"error,omitempty"`
	// NotCovered is what only a real event can show.
	NotCovered string `json:"not_covered,omitempty"`
}

func (a *API) sources(w http.ResponseWriter, r *http.Request) {
	all, err := a.Events.Sources(r.Context())
	answer(w, listOf(all), err)
}

// Sources tells how each source of events stands.
func (c *Client) Sources(ctx context.Context) (out []Source, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/sources", nil, &out)
}

// TestEvents sends test messages through sources.
func (c *Client) TestEvents(ctx context.Context, r EventTest) (out []EventTested, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/events/test", r, &out)
}
