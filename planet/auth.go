package planet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/rotatord/rotatord/credential"
)

// EnvKey is the conventional environment variable of a Planet API key.
const EnvKey = "PL_API_KEY"

// Auth puts the proof of who calls on a request. It is asked before each
// attempt, so that a key which changes is followed. It must be safe for
// concurrent use; its errors must not hold the secret.
type Auth interface {
	Authorize(ctx context.Context, r *http.Request) error
}

// Refresher is what an [Auth] implements if it keeps its secret and can fetch
// it anew. When Planet answers a GET with 401, the client calls Refresh and
// asks once more. Modifying calls are never repeated; their caller may call
// Refresh.
type Refresher interface {
	Refresh(ctx context.Context) error
}

// KeySource gives an API key whenever one is needed. The client does not clear
// the value. It must be safe for concurrent use.
type KeySource interface {
	Key(ctx context.Context) (credential.Value, error)
}

// TokenSource gives an OAuth access token whenever one is needed, fetching or
// renewing it as it must. The client does not clear the value. It must be safe
// for concurrent use.
type TokenSource interface {
	Token(ctx context.Context) (credential.Value, error)
}

// APIKey authorizes with "Authorization: api-key <KEY>". If the source is a
// [Refresher], so is the Auth.
func APIKey(s KeySource) Auth {
	return scheme{name: "api-key", what: "Planet API key", source: s, get: s.Key}
}

// Bearer authorizes with "Authorization: Bearer <TOKEN>", the form of the
// machine-to-machine OAuth that Planet has announced. If the source is a
// [Refresher], so is the Auth.
func Bearer(s TokenSource) Auth {
	return scheme{name: "Bearer", what: "Planet access token", source: s, get: s.Token}
}

type scheme struct {
	name, what string
	source     any
	get        func(context.Context) (credential.Value, error)
}

func (s scheme) Authorize(ctx context.Context, r *http.Request) error {
	v, err := s.get(ctx)
	if err != nil {
		return fmt.Errorf("get the %s: %w", s.what, err)
	}
	secret, err := clean(v.Bytes())
	if err != nil {
		return fmt.Errorf("use the %s: %w", s.what, err)
	}
	// net/http takes header values as strings: the one copy of the key that
	// cannot be cleared.
	r.Header.Set("Authorization", s.name+" "+string(secret))
	return nil
}

func (s scheme) Refresh(ctx context.Context) error {
	if r, ok := s.source.(Refresher); ok {
		return r.Refresh(ctx)
	}
	return nil
}

// clean drops the line end that editors and echo leave behind a key, and
// refuses what cannot be one. The result shares b's bytes.
func clean(b []byte) ([]byte, error) {
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 {
		return nil, errors.New("it is empty")
	}
	for _, c := range b {
		switch {
		case c == ' ' || c == '\t':
			return nil, errors.New("it holds a space: keep the key alone, without quotes or its name")
		case c < ' ' || c == 0x7f:
			return nil, errors.New("it holds a control character or a second line: keep the key alone")
		case c > 0x7f:
			return nil, errors.New("it holds a character that is not ASCII")
		}
	}
	return b, nil
}

type envKey string

// KeyFromEnv reads the key from an environment variable, each time anew.
func KeyFromEnv(name string) KeySource { return envKey(name) }

func (name envKey) Key(context.Context) (credential.Value, error) {
	text, ok := os.LookupEnv(string(name))
	if !ok {
		return credential.Value{}, fmt.Errorf("environment variable %s is not set", string(name))
	}
	b, err := clean([]byte(text))
	if err != nil {
		return credential.Value{}, fmt.Errorf("environment variable %s: %w", string(name), err)
	}
	return credential.NewValue(b), nil
}

const maxKeyFile = 64 << 10

type fileKey struct {
	path string
	mu   sync.Mutex
	last credential.Value
}

// KeyFromFile reads the key from a file, each time anew, so that a replaced
// file is followed at once. A line end after the key is ignored.
func KeyFromFile(path string) KeySource { return &fileKey{path: path} }

func (k *fileKey) Key(context.Context) (credential.Value, error) {
	f, err := os.Open(k.path)
	if err != nil {
		return credential.Value{}, err // names the operation and the path
	}
	defer func() { _ = f.Close() }()
	raw := make([]byte, maxKeyFile+1)
	defer clear(raw)
	n, err := io.ReadFull(f, raw)
	switch {
	case err == nil:
		return credential.Value{}, fmt.Errorf("read %s: more than %d bytes are no key", k.path, maxKeyFile)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return credential.Value{}, err
	}
	b, err := clean(raw[:n])
	if err != nil {
		return credential.Value{}, fmt.Errorf("read %s: %w", k.path, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !bytes.Equal(b, k.last.Bytes()) {
		// The old value is left alone: another request may be reading it.
		k.last = credential.NewValue(bytes.Clone(b))
	}
	return k.last, nil
}

type valueKey struct{ v credential.Value }

// KeyFromValue uses a key that the caller already has, for as long as the
// caller does not clear it.
func KeyFromValue(v credential.Value) KeySource { return valueKey{v} }

func (k valueKey) Key(context.Context) (credential.Value, error) { return k.v, nil }
