package vault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// newClient makes one of the SDK's that tries once, says nothing, follows
// nobody, and has from the environment nothing: VAULT_TOKEN, VAULT_NAMESPACE,
// VAULT_HEADERS and the rest are put there for the vault command of the person
// who starts us, perhaps.
func newClient(o Options, carrier *http.Client) (*api.Client, error) {
	c, err := api.NewClient(&api.Config{
		Address: o.Address, HttpClient: carrier,
		MaxRetries: 0, Timeout: 0, DisableRedirects: true,
	})
	if err != nil { // it may quote the environment
		return nil, errors.New("the SDK can't be set up; check the variables VAULT_… of the environment, of which it parses all")
	}
	c.ClearToken()
	// The one header is what Vault may ask for, so that nobody can make a browser
	// or another service ask for us.
	c.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if o.Namespace != "" {
		c.SetNamespace(strings.Trim(o.Namespace, "/"))
	}
	return c, nil
}

// answer is what came with a status that is no error.
type answer struct {
	body []byte
	at   time.Time // by the server's clock, if it says so; no earlier than that
}

// get asks for a path with the token of our identity, and once more where that
// was refused and there is a better one.
func (p *Provider) get(ctx context.Context, c *api.Client, path string, query url.Values) (*answer, error) {
	var a *answer
	err := p.identified(ctx, func(token string) (err error) {
		a, err = ask(ctx, c, token, path, query)
		return err
	})
	return a, err
}

func (p *Provider) identified(ctx context.Context, do func(token string) error) error {
	for again := true; ; again = false {
		token, err := p.identity.token(ctx)
		if err != nil {
			return err
		}
		err = do(token)
		var r *refusal
		if !again || !errors.As(err, &r) || r.status != http.StatusForbidden || !p.identity.anew(token, r.badToken()) {
			return err
		}
	}
}

// as gives a client that sends this token. The client itself never has one, so
// that requests of two tokens can't mix.
func as(c *api.Client, token string) *api.Client {
	return c.WithRequestCallbacks(func(r *api.Request) { r.ClientToken = token })
}

// ask is one request. Its errors are refusals, or the SDK's own.
func ask(ctx context.Context, c *api.Client, token, path string, query url.Values) (*answer, error) {
	resp, err := as(c, token).Logical().ReadRawWithDataWithContext(ctx, path, query)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil {
		return nil, refused(resp, err, token)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, &refusal{status: resp.StatusCode}
	}
	body, err := readAll(resp.Body)
	if err != nil {
		clear(body)
		return nil, err
	}
	return &answer{body, timeOf(resp)}, nil
}

// readAll reads an answer into one buffer, so that there is one to clear: what
// io.ReadAll grew out of would stay behind.
func readAll(r io.Reader) ([]byte, error) {
	buffer := make([]byte, 0, 8<<10)
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if errors.Is(err, io.EOF) {
			return buffer, nil
		}
		if err != nil {
			return buffer, err
		}
		if len(buffer) == cap(buffer) {
			larger := make([]byte, len(buffer), 4*cap(buffer))
			copy(larger, buffer)
			clear(buffer)
			buffer = larger
		}
	}
}

func timeOf(r *api.Response) time.Time {
	if at, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		return at.Add(time.Second) // it has whole seconds, cut off
	}
	return time.Now()
}
