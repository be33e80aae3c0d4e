package awsclient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/rotatord/rotatord/internal/httpclient"
	"github.com/rotatord/rotatord/internal/oneline"
)

const hintChain = "credentials are looked for in: environment variables, shared files and SSO (AWS_PROFILE), " +
	"a web identity (IRSA), EKS pod identity or ECS, the instance profile"

// Failure is a failure in our own words, free of secrets.
type Failure struct {
	Kind Kind
	Err  error
	Hint string // what to try; may be empty
	// Renew says that AWS did not accept a key, or that there was none, so that
	// keys are to be looked for anew.
	Renew bool
	// Answered says that something answered, though not in AWS's words.
	Answered bool
}

// OfCredentials explains an error of Load, or of a request that was not made for
// want of a key; nil for any other. Its kinds are Denied, Throttled and
// Unavailable.
func OfCredentials(err error) *Failure {
	var (
		loading *unloaded
		u       *keyless
	)
	switch {
	case errors.As(err, &loading):
		return ofLoading(loading.err)
	case errors.As(err, &u):
		return ofSource(u)
	}
	return nil
}

// ofLoading is for a shared configuration that can't be used. The SDK's text may
// quote a line of it, so only what is known to be harmless is said.
func ofLoading(err error) *Failure {
	var (
		profile config.SharedConfigProfileNotExistError
		assumes config.SharedConfigAssumeRoleError
	)
	f := &Failure{Kind: Denied, Err: errors.New("the shared AWS configuration can't be used"), Hint: "check AWS_PROFILE, AWS_CONFIG_FILE and the files they name"}
	switch {
	case errors.As(err, &profile):
		f.Err = fmt.Errorf("there is no profile %q in the shared AWS configuration", oneline.Plain(profile.Profile, 100))
	case errors.As(err, &assumes):
		f.Err = fmt.Errorf("the profile %q assumes a role without complete credentials", oneline.Plain(assumes.Profile, 100))
	case errors.Is(err, errNoChain):
		f.Err, f.Hint = errors.New("no credentials were found"), hintChain
	}
	return f
}

// ofSource is for a source that gave no key. A role that could not be assumed for
// want of the chain's key is the chain's failure.
func ofSource(u *keyless) *Failure {
	f := &Failure{Kind: Denied, Err: errors.New("no credentials were found"), Hint: hintChain, Renew: true}
	var inner *keyless
	if u.role != "" {
		if errors.As(u.err, &inner) {
			return ofSource(inner)
		}
		f.Err, f.Hint = errors.New("the role "+u.role+" can't be assumed"), ""
	}
	r := RefusalOf(u.err)
	status, _ := response(u.err)
	switch {
	case r != nil:
		f.ofToken(r, u.role)
	case status >= http.StatusInternalServerError, u.role != "", isUnheard(u.err):
		f.Kind, f.Renew = Unavailable, false
		f.Err = fmt.Errorf("%w: %s", f.Err, unheard(u.err))
	case u.sso:
		f.Err = errors.New("there is no valid SSO session")
		f.Hint = `run "aws sso login" as the user that rotatord runs as; a server is better off with a role of its own`
	}
	return f
}

// ofToken is for a token service that refuses.
func (f *Failure) ofToken(r *Refusal, role string) {
	f.Err = fmt.Errorf("%w: %w", f.Err, r)
	switch {
	case r.isThrottle():
		f.Kind, f.Renew = Throttled, false
	case r.Status >= http.StatusInternalServerError:
		f.Kind, f.Renew = Unavailable, false
	case slices.Contains(keyCodes, r.Code):
		f.Hint = "the token service does not accept the key or token that rotatord has; " + hintChain
	case role != "":
		f.Hint = "allow sts:AssumeRole on it to rotatord's own identity, let the role's trust policy name that identity, and check the external id"
	}
}

// isUnheard tells whether a token service could not be reached. Where there is
// no instance metadata there is no instance, hence no credentials.
func isUnheard(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && operation.ServiceID != "ec2imds"
}

// Unspoken explains an error that has none of AWS's words in it: no answer came,
// or one of something else, which is Unreadable unless its status or its end
// says that it may be another time. It gives no hint.
func Unspoken(err error) *Failure {
	status, _ := response(err)
	if status == 0 {
		return &Failure{Kind: Unavailable, Err: errors.New(unheard(err))}
	}
	f := &Failure{Kind: Unreadable, Err: fmt.Errorf("the answer with status %d can't be read", status), Answered: true}
	switch {
	case status == http.StatusTooManyRequests:
		f.Kind = Throttled
	case status >= http.StatusInternalServerError, isCut(err):
		f.Kind = Unavailable
	}
	return f
}

// isCut tells whether an answer began and did not end.
func isCut(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.As(err, &timeout) && timeout.Timeout()
}

// silences say in fixed words why there was no answer. Causes may quote what was
// sent or received, so that none is passed on as it is.
var silences = map[httpclient.Silence]string{
	httpclient.BadProxy:         httpclient.ErrProxy.Error(),
	httpclient.NoName:           "the endpoint's name does not resolve; check the region, the endpoint and DNS",
	httpclient.NameTimeout:      "the endpoint's name does not resolve; check the region, the endpoint and DNS",
	httpclient.NoTLS:            "the endpoint does not speak TLS; one without TLS is written http://host",
	httpclient.UnknownAuthority: "the endpoint's certificate comes from an authority that is not trusted here",
	httpclient.OtherHost:        "the endpoint's certificate is for another host name",
	httpclient.Expired:          "the endpoint's certificate is not valid; check the clock too",
	httpclient.Unverified:       "the endpoint's certificate is not valid; check the clock too",
	httpclient.Refused:          "the connection was refused; check the endpoint and its port",
	httpclient.Reset:            "the connection was reset",
	httpclient.NoRoute:          "there is no route to the endpoint",
	httpclient.Timeout:          "no answer came in time",
	httpclient.Cut:              "the connection was cut before the answer was complete",
}

func unheard(err error) string {
	if words, ok := silences[httpclient.SilenceOf(err)]; ok {
		return words
	}
	return "no answer came that can be read; something else may listen at this address"
}
