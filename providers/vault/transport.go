package vault

import (
	"github.com/rotatord/rotatord/internal/httpclient"
)

const (
	// maxAnswer bounds what is read of any answer. Vault stores at most 1 MiB under
	// a key, unless configured otherwise. A cut answer is no JSON, and refused as
	// such.
	maxAnswer = 4 << 20
	// maxIdle bounds the connections that are kept.
	maxIdle = 8
)

// silences say in fixed words why there was no answer. Causes may quote what was
// sent or received, so that none is passed on as it is.
var silences = map[httpclient.Silence]string{
	httpclient.BadProxy:         httpclient.ErrProxy.Error(),
	httpclient.NoName:           "the server's name does not resolve; check the address and DNS",
	httpclient.NameTimeout:      "the server's name does not resolve; check the address and DNS",
	httpclient.NoTLS:            "the server does not speak TLS; one without TLS is written http://host",
	httpclient.UnknownAuthority: "the server's certificate comes from an authority that is not trusted here; name it with ca_file",
	httpclient.OtherHost:        "the server's certificate is for another host name",
	httpclient.Expired:          "the server's certificate is not valid; check the clock too",
	httpclient.Unverified:       "the server's certificate is not valid; check the clock too",
	httpclient.Refused:          "the connection was refused; check the address and its port",
	httpclient.Reset:            "the connection was reset",
	httpclient.NoRoute:          "there is no route to the server",
	httpclient.Timeout:          "no answer came in time",
	httpclient.Cut:              "the connection was cut before the answer was complete",
}

func unheard(err error) string {
	if words, ok := silences[httpclient.SilenceOf(err)]; ok {
		return words
	}
	return "no answer came that can be read; something else may listen at this address"
}
