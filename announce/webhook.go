package announce

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

const (
	// Standard Webhooks wants secrets of 24 to 64 bytes.
	minSecret, maxSecret = 24, 64
	maxKeys              = 10
	secretPrefix         = "whsec_"

	typePrefix  = "io.github.rotatord."
	contentType = "application/cloudevents+json"
)

// Webhook is a target that takes CloudEvents, signed after Standard Webhooks
// (standardwebhooks.com) with symmetric keys ("v1").
type Webhook struct {
	// Name is what errors, logs and metrics call it. Needed, and its own.
	Name string
	// URL is where to post, https:// unless it leads to this machine. It may hold
	// a token and is not shown.
	URL string
	// Keys gives the keys that are valid now, each "whsec_" and 24 to 64 bytes in
	// base64. All of them sign, at most ten. It is called before each post, so
	// that a changed file counts at once; white space around a key does not. The
	// values stay the caller's. Needed.
	Keys func() ([]credential.Value, error)
	// Kinds are what the target hears of; everything when empty.
	Kinds []Kind
	// Every is the shortest time between two posts; 100 ms unless set.
	Every time.Duration
	// AllowHTTP lets the URL be http:// to another machine, as inside a cluster.
	// Everything in between can then read what is announced, and the URL.
	AllowHTTP bool
	// Transport posts to this target alone, as one that trusts other certificates
	// does; that of the Options when nil. Its idle connections are closed when Run
	// ends.
	Transport http.RoundTripper
}

// Format implements fmt.Formatter: the URL is not shown.
func (w Webhook) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "webhook %s", w.Name) }

func (w Webhook) open(source string) (*target, error) {
	errs := []error{checkCommon("webhook", w.Name, w.Kinds, w.Every)}
	at, err := address(w.URL, w.AllowHTTP)
	if err != nil {
		errs = append(errs, fmt.Errorf("webhook %s: %w", w.Name, err))
	}
	if w.Keys == nil {
		errs = append(errs, fmt.Errorf("webhook %s: name the keys to sign with", w.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := newTarget(w.Name, "webhook", w.Kinds, orDuration(w.Every, 100*time.Millisecond))
	t.host = at.Host
	t.transport = w.Transport
	t.compose = func(a Announcement, now time.Time) (post, error) {
		body, err := cloudEvent(a, source)
		if err != nil {
			return post{}, errBody
		}
		id, unix := ID("webhook", source, a.ID), strconv.FormatInt(now.Unix(), 10)
		signatures, err := sign(w.Keys, id+"."+unix+".", body)
		if err != nil {
			return post{}, err
		}
		return post{to: at, body: body, header: http.Header{
			"Content-Type":      {contentType},
			"Webhook-Id":        {id},
			"Webhook-Timestamp": {unix},
			"Webhook-Signature": {signatures},
		}}, nil
	}
	return t, nil
}

// event is a CloudEvent in structured mode.
type event struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"`
	Source          string `json:"source"`
	Type            string `json:"type"`
	Time            string `json:"time"`
	Subject         string `json:"subject,omitempty"`
	DataContentType string `json:"datacontenttype"`
	Data            data   `json:"data"`
}

type data struct {
	Kind          Kind        `json:"kind"`
	Destination   string      `json:"destination,omitempty"`
	DestinationID string      `json:"destination_id,omitempty"`
	Account       string      `json:"account,omitempty"`
	Secret        string      `json:"secret,omitempty"`
	Version       string      `json:"version,omitempty"`
	State         string      `json:"state,omitempty"`
	Reason        string      `json:"reason,omitempty"`
	Detail        string      `json:"detail,omitempty"`
	Expires       string      `json:"expires,omitempty"`
	Since         string      `json:"since,omitempty"`
	RetryAt       string      `json:"retry_at,omitempty"`
	Dependents    *Dependents `json:"dependents,omitempty"`
}

// cloudEvent is the same bytes at each try.
func cloudEvent(a Announcement, source string) ([]byte, error) {
	about := "destination."
	if a.Kind == SafeToRevoke {
		about = "secret."
	}
	return json.Marshal(event{
		SpecVersion: "1.0", ID: a.ID, Source: source, Type: typePrefix + about + string(a.Kind),
		Time: stamp(a.Time), Subject: a.subject(), DataContentType: "application/json",
		Data: data{
			Kind: a.Kind, Destination: a.Destination, DestinationID: a.DestinationID, Account: a.Account,
			Secret: string(a.Secret), Version: a.Version, State: a.State, Reason: a.Reason, Detail: a.Detail,
			Expires: stamp(a.Expires), Since: stamp(a.Since), RetryAt: stamp(a.RetryAt), Dependents: a.Dependents,
		},
	})
}

var (
	errBody           = errors.New("the announcement can't be written as JSON")
	errKeysUnreadable = errors.New("the signing keys can't be read")
	errKeysNone       = errors.New("there is no signing key, or more than ten")
	errKeysSecret     = errors.New("a signing key is not whsec_ and 24 to 64 bytes in base64")
)

// CheckKeys tells what is wrong with keys, as a post with them would: for those
// who want to know it when they start. The error holds nothing of a key.
func CheckKeys(keys []credential.Value) error {
	_, err := sign(func() ([]credential.Value, error) { return keys, nil }, "", nil)
	return err
}

// CheckURL tells what is wrong with the URL of a target. The error holds
// nothing of it.
func CheckURL(raw string, allowHTTP bool) error {
	_, err := address(raw, allowHTTP)
	return err
}

// sign signs with every key. The error of the function is not shown: it may
// quote what it read.
func sign(keys func() ([]credential.Value, error), head string, body []byte) (string, error) {
	values, err := keys()
	if err != nil {
		return "", errKeysUnreadable
	}
	if len(values) == 0 || len(values) > maxKeys {
		return "", errKeysNone
	}
	signatures := make([]string, 0, len(values))
	for _, v := range values {
		encoded, ok := bytes.CutPrefix(bytes.TrimSpace(v.Bytes()), []byte(secretPrefix))
		secret := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
		n, err := base64.StdEncoding.Decode(secret, encoded)
		if !ok || err != nil || n < minSecret || n > maxSecret {
			clear(secret)
			return "", errKeysSecret
		}
		mac := hmac.New(sha256.New, secret[:n])
		mac.Write([]byte(head))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		clear(secret)
	}
	return strings.Join(signatures, " "), nil
}

var (
	errURL    = errors.New("the URL can't be used: write it as https://host/path")
	errUser   = errors.New("the URL holds a user or a password: leave it out, posts are signed")
	errNotTLS = errors.New("the URL must be https://, or lead to this machine")
)

// address reads a URL and never quotes it, as url.Parse does.
func address(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errURL
	}
	if u.User != nil {
		return nil, errUser
	}
	if u.Scheme == "http" && !allowHTTP && !isLocal(u.Hostname()) {
		return nil, errNotTLS
	}
	return u, nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
