package azure

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/internal/httpclient"
)

const (
	// maxAnswer bounds what is read of any answer: a value has at most 25,000 bytes,
	// which JSON may make six times as long.
	maxAnswer = 1 << 20
	// maxIdle bounds the connections that are kept.
	maxIdle = 8
)

// proxy is that of the environment, but never for the metadata service of the
// machine, which a proxy would answer for a machine of its own.
func proxy(r *http.Request) (*url.URL, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || ip.IsLoopback()) {
		return nil, nil
	}
	return httpclient.Proxy(r)
}

var (
	errElsewhere = errors.New("the answer points to another host, which was not asked")
	errChallenge = errors.New("the answer asks for a token in a way that is not Key Vault's")
)

// toVault is the way to one vault, a Transporter of the SDK's.
type toVault struct {
	carrier *httpclient.Carrier
	host    string
}

// Do implements policy.Transporter.
func (t toVault) Do(r *http.Request) (*http.Response, error) {
	// The SDK follows a link to the next page wherever it leads, with the token.
	if r.URL.Scheme != "https" || !strings.EqualFold(strings.TrimSuffix(r.URL.Host, ":443"), t.host) || r.Host != "" && r.Host != r.URL.Host {
		return nil, &final{errElsewhere}
	}
	client := t.carrier.Alone(0)
	if strings.HasSuffix(r.URL.Path, "/versions") {
		client = t.carrier.Kept(0)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized && !wellAsked(resp.Header.Get("WWW-Authenticate")) {
		_ = resp.Body.Close()
		return nil, &final{errChallenge}
	}
	return resp, nil
}

// wellAsked tells whether a challenge names its authority by a URL with a path.
// The SDK takes the tenant from there without a look, and panics.
func wellAsked(challenge string) bool {
	for _, part := range strings.Split(challenge, " ") {
		_, authority, ok := strings.Cut(part, "authorization=")
		authority = strings.Trim(authority, `",`)
		if ok && authority != "" && strings.Count(authority, "/") < 3 {
			return false
		}
	}
	return true
}

// final is an error that the SDK does not try again.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }

func (f *final) Unwrap() error { return f.err }

// NonRetriable implements the SDK's errorinfo.NonRetriable.
func (*final) NonRetriable() {}

// toEntra is the way to whoever gives tokens.
type toEntra struct{ carrier *httpclient.Carrier }

// Do implements policy.Transporter. It notes what went wrong, since the SDK's
// credentials make plain text of it.
func (t toEntra) Do(r *http.Request) (*http.Response, error) {
	resp, err := t.carrier.Alone(0).Do(r)
	if heard, ok := r.Context().Value(trailKey{}).(*trail); ok {
		heard.err = err
	}
	return resp, err
}

// trail is how the last request for a token ended. Requests for one token come
// one after the other.
type trail struct{ err error }

type trailKey struct{}

// silences say in fixed words why there was no answer. Causes may quote what was
// sent or received, so that none is passed on as it is.
var silences = map[httpclient.Silence]string{
	httpclient.BadProxy:         httpclient.ErrProxy.Error(),
	httpclient.NoName:           "the name of the host does not resolve",
	httpclient.NameTimeout:      "the name of the host does not resolve",
	httpclient.NoTLS:            "what listens there does not speak TLS",
	httpclient.UnknownAuthority: "the certificate comes from an authority that is not trusted here",
	httpclient.OtherHost:        "the certificate is for another host name",
	httpclient.Expired:          "the certificate is not valid; check the clock too",
	httpclient.Unverified:       "the certificate is not valid; check the clock too",
	httpclient.Refused:          "the connection was refused",
	httpclient.Reset:            "the connection was reset",
	httpclient.NoRoute:          "there is no route to the host",
	httpclient.Timeout:          "no answer came in time",
	httpclient.Cut:              "the connection was cut before the answer was complete",
}

func unheard(err error) string {
	for _, own := range []error{errElsewhere, errChallenge} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	if words, ok := silences[httpclient.SilenceOf(err)]; ok {
		return words
	}
	return "no answer came that can be read; something else may listen at this address"
}
