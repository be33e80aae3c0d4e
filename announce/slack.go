package announce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Slack is an incoming webhook of Slack, or of something that takes the same
// messages, as Mattermost does.
type Slack struct {
	// Name is what errors, logs and metrics call it. Needed, and its own.
	Name string
	// URL gives the webhook's URL, which is a secret: who has it can write to the
	// channel. https:// unless it leads to this machine. It is called before each
	// post; white space around it does not count. The value stays the caller's.
	// Needed.
	URL func() (credential.Value, error)
	// Kinds are what the target hears of; everything when empty.
	Kinds []Kind
	// Every is the shortest time between two posts; 1 s unless set, which is what
	// Slack allows a channel.
	Every time.Duration
	// AllowHTTP lets the URL be http:// to another machine, as inside a cluster.
	// Everything in between can then read what is announced, and the URL.
	AllowHTTP bool
	// Transport posts to this target alone, as one that trusts other certificates
	// does; that of the Options when nil. Its idle connections are closed when Run
	// ends.
	Transport http.RoundTripper
}

// Format implements fmt.Formatter.
func (s Slack) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "slack %s", s.Name) }

var (
	errURLUnreadable = errors.New("the URL can't be read")
	errURLNone       = errors.New("there is no URL")
)

func (s Slack) open(string) (*target, error) {
	errs := []error{checkCommon("slack", s.Name, s.Kinds, s.Every)}
	if s.URL == nil {
		errs = append(errs, fmt.Errorf("slack %s: name where the URL of the incoming webhook is kept", s.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := newTarget(s.Name, "slack", s.Kinds, orDuration(s.Every, time.Second))
	t.hint = slackHint
	t.transport = s.Transport
	t.compose = func(a Announcement, _ time.Time) (post, error) {
		v, err := s.URL()
		if err != nil {
			return post{}, errURLUnreadable
		}
		raw := string(bytes.TrimSpace(v.Bytes()))
		if raw == "" {
			return post{}, errURLNone
		}
		at, err := address(raw, s.AllowHTTP)
		if err != nil {
			return post{}, err
		}
		body, err := json.Marshal(compose(a))
		if err != nil {
			return post{}, errBody
		}
		return post{to: at, body: body, header: http.Header{"Content-Type": {"application/json"}}}, nil
	}
	return t, nil
}
