package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

// policy lets a page load its own files, talk to its own server, and nothing
// else: what an attacker could write into a name can't run, load or send.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Source is what the pages show; *[store.Store] is one. List and Receipts may
// give what can be read together with an error about the rest.
type Source interface {
	List(ctx context.Context) ([]store.Record, error)
	History(ctx context.Context, q store.HistoryQuery) ([]store.Entry, error)
	Receipts(ctx context.Context) ([]store.Receipt, error)
}

// Accounts knows how the accounts at Planet stand; *[store.Store] does.
type Accounts interface {
	LoadAccount(ctx context.Context, name string) (store.Account, error)
}

// EventSource is how one source of events stands.
type EventSource struct {
	Name, Kind, Where string
	State             string    // "up", "down", "starting", "stopped"
	Since             time.Time // when that began
	LastMessage       time.Time
	LastError         string
}

// Session is what the server beside knows of who asks.
type Session struct {
	Offered  bool   // a token is configured, so one can sign in
	SignedIn bool   // this browser has
	CSRF     string // goes with each action of this session
	Who      string // how the history names them
}

// Options say what to show.
type Options struct {
	// Source is required.
	Source Source
	// Accounts tells of accounts; nil takes Source, if it can.
	Accounts Accounts
	// Quota is how many destinations an organization may have; 0 means 50, which
	// Planet's documents name.
	Quota int
	// Events tells how the sources of events stand; nil shows none.
	Events func(ctx context.Context) ([]EventSource, error)
	// Version is rotatord's own.
	Version string
	// Now is the clock; nil for the usual one.
	Now func() time.Time
	// Session tells who asks; nil offers no actions.
	Session func(*http.Request) Session
	// Base is the path that the browser sees the page under, "/" if empty.
	// Requests may come with it or without.
	Base string
}

//go:embed templates/*.html
var templates embed.FS

type pages struct {
	Options
	files     *static
	templates *template.Template
}

// New makes the handler of the status page:
//
//	/                      all destinations
//	/destinations/{name}   one, with its history
//	/static/…              style sheet, script and icon
//
// Only GET and HEAD are answered. The page posts to actions/sync, actions/retry,
// actions/login and actions/logout below Base, and listens to api/v1/stream
// there: that is for others to serve. The handler starts nothing and may be
// called by several goroutines.
func New(o Options) (http.Handler, error) {
	if o.Source == nil {
		return nil, errors.New("make the status page: no source of records is given")
	}
	if o.Accounts == nil {
		o.Accounts, _ = o.Source.(Accounts)
	}
	if o.Quota == 0 {
		o.Quota = 50
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Base = "/" + strings.Trim(o.Base, "/")
	if o.Base != "/" {
		o.Base += "/"
	}
	files, err := loadStatic()
	if err != nil {
		return nil, err
	}
	t, err := template.New("").ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("make the status page: %w", err)
	}
	return &pages{Options: o, files: files, templates: t}, nil
}

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", p.referrer(r))
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		p.problem(w, r, http.StatusMethodNotAllowed, "Only GET and HEAD are answered here", "")
		return
	}
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, p.Base); ok {
		path = rest
	}
	path = strings.TrimPrefix(path, "/")
	switch name, one := strings.CutPrefix(path, "destinations/"); {
	case path == "":
		p.overview(w, r)
	case one && name != "":
		unescaped, err := url.PathUnescape(name)
		if err != nil {
			p.missing(w, r)
			return
		}
		p.destination(w, r, unescaped)
	case p.files.serve(w, r, path):
	default:
		p.missing(w, r)
	}
}

// referrer is what a browser may say of where a request comes from: nothing. But
// with that it sends forms with "Origin: null", as foreign sites would have it,
// and without TLS that header is all that tells them apart. So where there are
// forms for actions, our own server may know, and still nobody else.
func (p *pages) referrer(r *http.Request) string {
	if p.Session != nil {
		if s := p.Session(r); s.Offered || s.SignedIn {
			return "same-origin"
		}
	}
	return "no-referrer"
}

// frame is what every page shows around its own.
type frame struct {
	Title   string
	Base    string
	Path    string // of this page, for the script
	Style   string
	Script  string
	Icon    string
	Version string
	Now     moment
	Clock   string
	Session Session
	Signs   []sign
	Broken  []string
}

func (p *pages) frame(r *http.Request, now time.Time, title string) frame {
	f := frame{Title: title, Base: p.Base, Version: clean(p.Version), Signs: signs,
		Style: p.Base + p.files.path("style.css"), Script: p.Base + p.files.path("page.js"), Icon: p.Base + p.files.path("icon.svg"),
		Now: exact("", now), Clock: now.UTC().Format("15:04:05")}
	if p.Session != nil {
		f.Session = p.Session(r)
		f.Session.Who = clean(f.Session.Who)
	}
	return f
}

// render writes a page, or a bare sentence if there is a bug in it: half a page
// is never sent.
func (p *pages) render(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var body bytes.Buffer
	if err := p.templates.ExecuteTemplate(&body, name, view); err != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte("this page can't be made: a bug in rotatord. rotatord status tells the same\n"))
		}
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // whoever asked may have gone away
	}
}

// problemView is a page that says why there is none.
type problemView struct {
	frame
	Says, Detail string
}

func (p *pages) problem(w http.ResponseWriter, r *http.Request, status int, says, detail string) {
	f := p.frame(r, p.Now(), says+" · rotatord")
	p.render(w, r, status, "problem.html", problemView{f, says, sentence(detail)})
}

func (p *pages) missing(w http.ResponseWriter, r *http.Request) {
	p.problem(w, r, http.StatusNotFound, "There is no such page", "")
}

// link is the path of a destination's page.
func (p *pages) link(destination string) string {
	return p.Base + "destinations/" + url.PathEscape(destination)
}

// broken makes sentences of the parts of a joined error. The store's texts name
// destinations and secrets, and no value.
func broken(errs ...error) (said []string) {
	for _, err := range errs {
		if err == nil {
			continue
		}
		var joined interface{ Unwrap() []error }
		if errors.As(err, &joined) {
			for _, e := range joined.Unwrap() {
				said = append(said, sentence(e.Error()))
			}
			continue
		}
		said = append(said, sentence(err.Error()))
	}
	const most = 5
	if n := len(said) - most; n > 0 {
		said = append(said[:most], fmt.Sprintf("And %d more.", n))
	}
	return said
}
