package announce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Reason says why a post did not arrive. The set is closed: metrics use it as a
// label.
type Reason string

const (
	// ReasonNetwork: no connection, or one that broke.
	ReasonNetwork Reason = "network"
	// ReasonTimeout: no whole answer in time.
	ReasonTimeout Reason = "timeout"
	// ReasonThrottled: 429.
	ReasonThrottled Reason = "throttled"
	// ReasonServer: 5xx, or another answer that asks for patience (408, 425).
	ReasonServer Reason = "server"
	// ReasonRefused: any other 4xx, or no answer of HTTP's; not tried again.
	ReasonRefused Reason = "refused"
	// ReasonRedirect: 3xx. It is not followed, since the signature and the body
	// were meant for another place; not tried again.
	ReasonRedirect Reason = "redirect"
	// ReasonGone: 410. The target is not used again in this life of the process.
	ReasonGone Reason = "gone"
	// ReasonKeys: the keys or the URL can't be had or used at the moment.
	ReasonKeys Reason = "keys"
	// ReasonInvalid: an announcement of no known kind.
	ReasonInvalid Reason = "invalid"
	// ReasonShutdown: the process ended before it could be delivered.
	ReasonShutdown Reason = "shutdown"
)

// passes tells whether trying again may help.
func (r Reason) passes() bool {
	switch r {
	case ReasonNetwork, ReasonTimeout, ReasonThrottled, ReasonServer, ReasonKeys:
		return true
	}
	return false
}

// Error says why a post did not arrive, in words that hold nothing of the URL
// but, of a webhook, its host, and nothing of what was answered.
type Error struct {
	Target string // the configured name
	Host   string // of a webhook
	Reason Reason
	Status int    // of the answer; 0 without one
	What   string // what happened
	Hint   string // what to try
}

func (e *Error) Error() string {
	to := e.Target
	if e.Host != "" {
		to += " (" + e.Host + ")"
	}
	text := "announce to " + to + ": " + e.What
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// broken puts an error of the transport into words of our own: its own quote
// the URL, and what a proxy or a resolver adds is anybody's guess.
func broken(err error) (Reason, string, string) {
	var (
		netErr      net.Error
		dnsErr      *net.DNSError
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout():
		return ReasonTimeout, "no answer in time", "check that the receiver answers before it works"
	case errors.As(err, &dnsErr):
		return ReasonNetwork, "the host's name is not known", "check the URL and the name server"
	case errors.As(err, &certificate):
		return ReasonNetwork, "the certificate is not accepted", "check its names, its end and who signed it"
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonNetwork, "the connection is refused", "check that the receiver runs and the port is right"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return ReasonNetwork, "the connection broke", "check the receiver and what lies between"
	}
	return ReasonNetwork, "the receiver can't be reached", "check the URL, the network and the proxy"
}

// slackWords are what Slack answers when it refuses. They are known, so they
// can be shown; any other answer is not.
var slackWords = map[string]string{
	"invalid_payload":      "the message is not understood",
	"invalid_blocks":       "the message is not understood",
	"invalid_token":        "make a new webhook in Slack and store its URL",
	"no_service":           "the webhook was removed or switched off: make a new one and store its URL",
	"no_service_id":        "the URL is not whole: store it again",
	"no_active_hooks":      "the webhook was switched off: make a new one and store its URL",
	"no_team":              "the URL is of no workspace: store it again",
	"team_disabled":        "the workspace is disabled",
	"channel_not_found":    "the channel is gone: make a new webhook for another",
	"channel_is_archived":  "the channel is archived: restore it or make a new webhook",
	"action_prohibited":    "an administrator of the workspace forbids it",
	"user_not_found":       "who made the webhook is gone: make a new one",
	"rollup_error":         "Slack has trouble of its own",
	"internal_error":       "Slack has trouble of its own",
	"service_unavailable":  "Slack has trouble of its own",
	"rate_limited":         "Slack wants fewer messages",
	"message_limit_exceed": "Slack wants fewer messages",
}

// slackHint explains an answer of Slack's.
func slackHint(body []byte) string {
	word := strings.TrimSpace(string(body))
	if hint, ok := slackWords[word]; ok {
		return word + ", " + hint
	}
	return ""
}

// judge says what a status means: "" is success.
func judge(status int) (Reason, string, string) {
	switch {
	case status >= 200 && status < 300:
		return "", "", ""
	case status == 429:
		return ReasonThrottled, "the receiver wants fewer posts", ""
	case status == 410:
		return ReasonGone, "the receiver wants no more announcements", "remove the target or give it a new URL, and restart"
	case status >= 500 || status == 408 || status == 425:
		return ReasonServer, "the receiver has trouble of its own", "look into its log"
	case status >= 300 && status < 400:
		return ReasonRedirect, "the answer leads elsewhere, which is not followed", "configure the address where it leads"
	case status == 401 || status == 403:
		return ReasonRefused, "the receiver does not accept it", "check the signing keys on both sides, and both clocks"
	case status == 404:
		return ReasonRefused, "there is no receiver at this URL", "check the URL"
	}
	return ReasonRefused, "the receiver does not accept it", "look into its log"
}
