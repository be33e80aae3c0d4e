package bucket

import (
	"context"
	"errors"

	"github.com/rotatord/rotatord/internal/httpclient"
)

// Silence says in fixed words why an endpoint gave no answer, and gives the part
// of the cause that is worth errors.Is. Causes come wrapped with the request's
// URL, which may hold a signature, so that none is passed on as it is. What to
// check when a name does not resolve is the adapter's to say.
func Silence(ctx context.Context, err error, unresolved string) (why string, cause error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "the request was given up before an answer came", context.Canceled
	}
	s := httpclient.SilenceOf(err)
	if s == httpclient.NoName {
		return unresolved, nil
	}
	if why = silences[s]; why == "" {
		return "no answer came", nil
	}
	return why, s.Cause()
}

var silences = map[httpclient.Silence]string{
	httpclient.NameTimeout:      "its name could not be looked up in time; check DNS",
	httpclient.NoTLS:            "it does not speak TLS; an endpoint without TLS is written http://host",
	httpclient.UnknownAuthority: "its certificate comes from an authority that is not trusted here",
	httpclient.OtherHost:        "its certificate is for another host name",
	httpclient.Expired:          "its certificate is expired or not valid for this use; check the clock too",
	httpclient.Unverified:       "no TLS connection came about",
	httpclient.Alert:            "no TLS connection came about",
	httpclient.Refused:          "the connection was refused; check the endpoint and its port",
	httpclient.Reset:            "the connection was reset",
	httpclient.NoRoute:          "there is no route to it",
	httpclient.Timeout:          "no answer came in time",
	httpclient.Cut:              "the connection was cut before the answer was complete",
}
