package web

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/rotation"
)

const (
	// MinToken is how many characters the token of actions has at least.
	MinToken = 16
	// maxForm bounds the body of an action in bytes.
	maxForm = 16 << 10
	// actionTakes is how long an action waits for a look under way; the server
	// ends the answer soon after.
	actionTakes = 20 * time.Second
)

// ActionsOptions are what [Actions] are made of; all are needed but Logger.
type ActionsOptions struct {
	API *API
	// Token gives the token that allows actions. It is called for each use, so
	// that one that was replaced counts at once. The caller clears it. An error
	// is logged, and is answered as "not now".
	Token    func() (credential.Value, error)
	Sessions *Sessions
	Logger   *slog.Logger
}

// Actions are what may be done through the admin listener, by whoever has the
// token: look at a destination now, and try again what is held.
//
//	POST /actions/login    a token makes a session, for the page
//	POST /actions/logout   ends it
//	POST /actions/sync     have a destination looked at
//	POST /actions/retry    forget what keeps it from being tried
//
// A program sends the token with each request and gets JSON. A person logs in
// and has a cookie. A cookie goes along with whatever a foreign site makes a
// browser send, so that with it two more things are asked: that the browser
// does not say the request came from elsewhere, and that the form holds what
// only our own page could know.
type Actions struct {
	ActionsOptions
	foreign *http.CrossOriginProtection
}

// NewActions makes them.
func NewActions(o ActionsOptions) *Actions {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Actions{ActionsOptions: o, foreign: http.NewCrossOriginProtection()}
}

// Visitor is who looks at a page.
type Visitor struct {
	// MayLogIn: there is a token, so that actions exist.
	MayLogIn bool
	// LoggedIn: the visitor has shown it.
	LoggedIn bool
	// CSRF belongs into the field "csrf" of each form; empty when not logged in.
	CSRF string
	// Who is how the history would name the visitor.
	Who string
}

// Visitor tells who sent a request. A nil Actions knows nobody.
func (a *Actions) Visitor(r *http.Request) Visitor {
	if a == nil {
		return Visitor{}
	}
	_, one, ok := a.session(r)
	return Visitor{MayLogIn: true, LoggedIn: ok, CSRF: one.csrf, Who: pageSession(r)}
}

// session finds the session of a request, if the token that began it is still
// the one that counts.
func (a *Actions) session(r *http.Request) (id digest, one session, ok bool) {
	if id, one, ok = a.Sessions.of(r); !ok {
		return digest{}, session{}, false
	}
	token, err := a.token(r.Context())
	if err != nil {
		return digest{}, session{}, false
	}
	if !one.token.is(token) {
		a.Sessions.end(id)
		return digest{}, session{}, false
	}
	return id, one, true
}

// denied is why an action is not done.
type denied struct {
	status int
	text   string
	wait   time.Duration
}

func (e *denied) Error() string { return e.text }

var errTokenUnreadable = &denied{status: http.StatusServiceUnavailable, text: "the token can't be read; the log says why"}

// token reads the token that counts now.
func (a *Actions) token(ctx context.Context) (digest, error) {
	v, err := a.Token()
	defer v.Clear()
	secret := bytes.TrimSpace(v.Bytes())
	if err == nil && len(secret) < MinToken {
		err = errors.New("it has less than " + strconv.Itoa(MinToken) + " characters")
	}
	if err != nil {
		a.Logger.ErrorContext(ctx, "token of the admin listener can't be used", "error", err)
		return digest{}, errTokenUnreadable
	}
	return digestOf(secret), nil
}

// shown judges a token that somebody has sent, and slows down who guesses.
func (a *Actions) shown(r *http.Request, given string) (digest, error) {
	who := addressOf(r)
	if wait, ok := a.Sessions.mayTry(who); !ok {
		return digest{}, &denied{http.StatusTooManyRequests, "too many wrong tokens from this address; wait a little", wait}
	}
	token, err := a.token(r.Context())
	if err != nil {
		return digest{}, err
	}
	if !token.is(digestOf([]byte(strings.TrimSpace(given)))) {
		a.Sessions.wrong(who)
		a.Logger.WarnContext(r.Context(), "wrong token at the admin listener", "address", who)
		return digest{}, &denied{status: http.StatusUnauthorized, text: "that is not the token"}
	}
	return token, nil
}

// addressOf is the address that a request came from. What a proxy says of it is
// not believed. Addresses of one IPv6 network are one: they have one owner.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "an unknown address"
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return "an unknown address"
	}
	at = at.Unmap().WithZone("")
	if at.Is4() || at.IsLoopback() {
		return at.String()
	}
	network, _ := at.Prefix(64) // no other length is asked for
	return network.String()
}

func pageSession(r *http.Request) string { return "page session from " + addressOf(r) }

// routes are the paths of actions.
func (a *Actions) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/actions/login":  a.form(a.login),
		"/actions/logout": a.form(a.logout),
		"/actions/sync":   a.form(a.act((*rotation.Engine).Ask)),
		"/actions/retry":  a.form(a.act((*rotation.Engine).Retry)),
	}
}

// form reads the form of a request and says why an action was not done.
func (a *Actions) form(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := a.readForm(w, r)
		if err == nil {
			err = do(w, r)
		}
		var no *denied
		var bad badRequest
		switch {
		case err == nil:
			return
		case errors.As(err, &no):
		case errors.As(err, &bad):
			no = &denied{status: http.StatusBadRequest, text: bad.text}
		case errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil:
			no = &denied{http.StatusServiceUnavailable, "the destination is being looked at just now; try again in a minute", time.Minute}
		default:
			no = &denied{status: http.StatusInternalServerError, text: err.Error()}
		}
		if no.wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(no.wait.Seconds()))))
		}
		if no.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="rotatord"`)
		}
		if byProgram(r) {
			r.Header.Set("Accept", "application/json")
		}
		problem(w, r, no.status, oneLine(no.text))
	}
}

func (a *Actions) readForm(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return &denied{status: http.StatusUnsupportedMediaType, text: "an action is a form: application/x-www-form-urlencoded"}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var large *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &large):
		return &denied{status: http.StatusRequestEntityTooLarge, text: "the form is too large"}
	case err != nil:
		return badRequest{"the form can't be read"}
	}
	return nil
}

func byProgram(r *http.Request) bool { return len(r.Header.Values("Authorization")) > 0 }

// ours refuses what a foreign site made a browser send.
func (a *Actions) ours(r *http.Request) error {
	if a.foreign.Check(r) != nil {
		return &denied{status: http.StatusForbidden, text: "another site has sent this; do it on rotatord's own page"}
	}
	return nil
}

func (a *Actions) login(w http.ResponseWriter, r *http.Request) error {
	if err := a.ours(r); err != nil {
		return err
	}
	token, err := a.shown(r, r.PostForm.Get("token"))
	if err != nil {
		return err
	}
	if id, _, ok := a.Sessions.of(r); ok {
		a.Sessions.end(id) // the new one takes its place
	}
	setCookie(w, r, a.Sessions.begin(token), int(sessionLasts.Seconds()))
	seeOther(w, "../")
	return nil
}

func (a *Actions) logout(w http.ResponseWriter, r *http.Request) error {
	id, err := a.person(r)
	if err != nil {
		return err
	}
	a.Sessions.end(id)
	setCookie(w, r, "", -1)
	seeOther(w, "../")
	return nil
}

// person checks that a form was sent by somebody who has logged in, from a page
// of ours.
func (a *Actions) person(r *http.Request) (digest, error) {
	if err := a.ours(r); err != nil {
		return digest{}, err
	}
	id, one, ok := a.session(r)
	if !ok {
		return digest{}, &denied{status: http.StatusUnauthorized, text: "log in first: the session has ended, or there was none"}
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("csrf")), []byte(one.csrf)) != 1 {
		return digest{}, &denied{status: http.StatusForbidden, text: "the form is not of this session; open the page again"}
	}
	return id, nil
}

// program checks that a request bears the token.
func (a *Actions) program(r *http.Request) error {
	all := r.Header.Values("Authorization")
	scheme, given, _ := strings.Cut(all[0], " ")
	if len(all) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return &denied{status: http.StatusUnauthorized, text: "send the token as Authorization: Bearer TOKEN"}
	}
	_, err := a.shown(r, given)
	return err
}

// act does something to the destinations that a form names.
func (a *Actions) act(do func(*rotation.Engine, context.Context, string) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		machine := byProgram(r)
		who := pageSession(r)
		var err error
		if machine {
			who = "API token from " + addressOf(r)
			err = a.program(r)
		} else {
			_, err = a.person(r)
		}
		if err != nil {
			return err
		}
		given := r.PostForm["destination"]
		if len(given) == 0 {
			return badRequest{"name a destination in the field destination"}
		}
		names, err := a.API.names(given)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(rotation.By(r.Context(), who), actionTakes)
		defer cancel()
		for _, name := range names {
			if err := do(a.API.Engine, ctx, name); err != nil {
				return err
			}
		}
		if machine {
			all, err := a.API.statuses(ctx, names)
			if err != nil {
				return err
			}
			answer(w, all, nil)
			return nil
		}
		seeOther(w, "../destinations/"+url.PathEscape(names[0]))
		return nil
	}
}

// seeOther sends a browser on by a relative address, which also holds behind a
// proxy that serves us below a path of its own.
func seeOther(w http.ResponseWriter, where string) {
	w.Header().Set("Location", where)
	w.WriteHeader(http.StatusSeeOther)
}

func setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	//nolint:gosec // Secure where there is TLS: without, a browser would drop it
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")})
}
