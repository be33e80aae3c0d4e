package vault

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// identity is how we show who we are.
type identity interface {
	// token gives a token to ask with. Its error is a problem.
	token(ctx context.Context) (string, error)
	// anew tells whether token has a better one than this, which was refused.
	// bad says that it was the token that was refused, for sure.
	anew(token string, bad bool) bool
}

// nobody has no token.
type nobody struct{}

func (nobody) token(context.Context) (string, error) {
	return "", &problem{reason: providers.ReasonDenied, err: errors.New("there is no token"),
		hint: `set VAULT_TOKEN, or write token_file, or auth = "kubernetes" and role, under [vault]`}
}

func (nobody) anew(string, bool) bool { return false }

// fixed is a token that was given.
type fixed struct{ value credential.Value }

func (f fixed) token(context.Context) (string, error) {
	return checked(f.value.Bytes(), "the token")
}

func (fixed) anew(string, bool) bool { return false }

// tokenFile is the path of a file that somebody else writes.
type tokenFile string

func (f tokenFile) token(context.Context) (string, error) {
	return readSecret(string(f), "the token file")
}

func (f tokenFile) anew(token string, _ bool) bool {
	now, err := readSecret(string(f), "the token file")
	return err == nil && now != token
}

// readSecret reads a token from a file. Of an error of the system only its
// kind is told, with the path, which is configuration.
func readSecret(path, what string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // it is configured
	defer clear(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &problem{reason: providers.ReasonDenied, err: errors.New(what + " " + path + " is not there"), hint: "is the agent, or the volume, that provides it there?"}
	case err != nil:
		return "", &problem{reason: providers.ReasonDenied, err: errors.New(what + " " + path + " can't be read"), hint: "check who may read it"}
	}
	return checked(data, what+" "+path)
}

// checked refuses what can't be sent in a header.
func checked(data []byte, what string) (string, error) {
	token := strings.TrimSpace(string(data))
	p := &problem{reason: providers.ReasonDenied}
	switch {
	case token == "":
		p.err, p.hint = errors.New(what+" is empty"), "write the token there, and nothing else"
	case token[0] == '{':
		p.err, p.hint = errors.New(what+" holds JSON"), "a wrapped token has to be unwrapped first: switch wrap_ttl off at the agent's sink"
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		p.err, p.hint = errors.New(what+" holds more than a token"), "write the token there, and nothing else"
	default:
		return token, nil
	}
	return "", p
}

const (
	// freshLogin is how long a refusal is not taken for the end of a token, where
	// the server doesn't say so: a login does not help against a policy.
	freshLogin = time.Minute
	// loginPause is how long a token that still lives is used on after a login
	// for its successor has failed.
	loginPause = 5 * time.Second
)

// login is a token of our own, from the auth method of Kubernetes.
type login struct {
	Kubernetes
	client *api.Client
	log    *slog.Logger
	gate   chan struct{} // holding its one token is the right to log in

	mu   sync.Mutex
	held session
}

// session is a token and its times; the zero time is never.
type session struct {
	token              string
	since, renew, ends time.Time
}

func newLogin(k Kubernetes, c *api.Client, log *slog.Logger) *login {
	if k.Mount == "" {
		k.Mount = "kubernetes"
	}
	if k.JWTFile == "" {
		k.JWTFile = defaultJWTFile
	}
	return &login{Kubernetes: k, client: c, log: log, gate: make(chan struct{}, 1)}
}

// good gives the session, and whether it is not yet time for another.
func (l *login) good() (session, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, l.held.token != "" && (l.held.renew.IsZero() || time.Now().Before(l.held.renew))
}

func (l *login) token(ctx context.Context) (string, error) {
	if s, ok := l.good(); ok {
		return s.token, nil
	}
	select {
	case l.gate <- struct{}{}:
		defer func() { <-l.gate }()
	case <-ctx.Done():
		return "", ended(ctx, ctx.Err())
	}
	old, ok := l.good() // another one may have logged in meanwhile
	if ok {
		return old.token, nil
	}
	s, err := l.logIn(ctx)
	if err != nil && old.token != "" && time.Now().Before(old.ends) {
		l.log.WarnContext(ctx, "vault login failed, the token before still counts", "error", err.Error())
		old.renew = time.Now().Add(loginPause)
		s, err = old, nil
	}
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = s
	return s.token, nil
}

func (l *login) anew(token string, bad bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held.token != token {
		return true
	}
	if !bad && time.Since(l.held.since) < freshLogin {
		return false
	}
	l.held = session{}
	return true
}

// logIn asks for a token. It is used until a fifth of its lease is left, and
// then replaced by a new login: that needs no more permission than the first
// one, and no look at what is renewable and for how long.
func (l *login) logIn(ctx context.Context) (session, error) {
	jwt, err := readSecret(l.JWTFile, "the service account's token")
	if err != nil {
		return session{}, err
	}
	asked := time.Now()
	secret, err := as(l.client, "").Logical().WriteWithContext(ctx, "auth/"+l.Mount+"/login", map[string]any{"role": l.Role, "jwt": jwt})
	if err != nil {
		return session{}, l.refused(ctx, refused(nil, err, jwt))
	}
	if secret == nil || secret.Auth == nil || secret.Auth.LeaseDuration < 0 {
		return session{}, misplaced("the answer to a login has no token")
	}
	token, err := checked([]byte(secret.Auth.ClientToken), "the token of the login")
	if err != nil {
		return session{}, err
	}
	s := session{token: token, since: asked}
	lease := time.Duration(secret.Auth.LeaseDuration) * time.Second
	if lease > 0 {
		s.renew, s.ends = asked.Add(lease*4/5), asked.Add(lease)
	}
	l.log.InfoContext(ctx, "logged in to vault", "role", l.Role, "mount", l.Mount, "lease", lease)
	return s, nil
}

// refused says why a login failed.
func (l *login) refused(ctx context.Context, err error) error {
	why := explain(ctx, err)
	var r *refusal
	if !errors.As(err, &r) {
		return why
	}
	switch why.reason {
	case providers.ReasonDenied, providers.ReasonInvalid:
		return &problem{reason: providers.ReasonDenied, err: errors.New("the login is refused: " + r.Error()),
			hint: "check that the auth method is mounted at auth/" + l.Mount + "/ of this namespace, that it has the role " + l.Role +
				", and that the role is bound to rotatord's service account, its namespace and its audience"}
	}
	return why
}
