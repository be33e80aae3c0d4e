package s3

import (
	"io"
	"net/http"
)

// maxAnswer bounds what is read of any answer. The SDK reads an error's body
// to its end, however long a server makes it.
const maxAnswer = 256 << 10

// newClient makes the HTTP client under the SDK: no redirect is followed and
// no answer is read without end.
func newClient(t http.RoundTripper) *client {
	return &client{http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type client struct{ http http.Client }

// Do implements the SDK's HTTPClient.
func (c *client) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	limit := int64(maxAnswer)
	if resp.StatusCode == http.StatusOK && r.URL.Query().Has("versions") {
		limit = maxVersions
	}
	resp.Body = bounded{io.LimitReader(resp.Body, limit), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// unresolved is said of an endpoint whose name does not resolve.
const unresolved = "its name does not resolve; check the endpoint, the region and DNS"
