package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/integration/internal/nodeserver"
	"github.com/rotatord/rotatord/internal/web/page"
	"github.com/rotatord/rotatord/internal/web/page/pagetest"
)

// browser is the one of this process; each test has tabs of its own. axe is the
// source of axe-core.
var browser struct {
	context context.Context //nolint:containedctx // it is how chromedp names a browser
	axe     string
}

func TestMain(m *testing.M) {
	code, err := withBrowser(m.Run)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// elsewhere is a name for this machine that no browser takes for it: what it
// trusts this machine with, it does not there.
const elsewhere = "rotatord.test"

func withBrowser(run func() int) (code int, err error) {
	modules, err := nodeserver.Modules("../..")
	if err != nil {
		return 0, err
	}
	axe, err := os.ReadFile(filepath.Join(modules, "axe-core", "axe.min.js")) //nolint:gosec // installed by scripts/node-servers
	if err != nil {
		return 0, err
	}
	browser.axe = string(axe)
	var says bytes.Buffer
	find := exec.CommandContext(context.Background(), "../../scripts/chromium")
	find.Stderr = &says
	path, err := find.Output()
	if err != nil {
		return 0, fmt.Errorf("find a browser: %w\n%s", err, &says)
	}
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(profile)) }()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(strings.TrimSpace(string(path))), chromedp.UserDataDir(profile),
		chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), // tests run as root, and in containers
		chromedp.Flag("host-resolver-rules", "MAP "+elsewhere+" 127.0.0.1"))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return 0, fmt.Errorf("start the browser: %w", err)
	}
	browser.context = ctx //nolint:fatcontext // made once
	code = run()
	return code, chromedp.Cancel(ctx) // waits for the process to end
}

// site is the real handler on a real listener, with a stream of events and
// actions that a test controls.
type site struct {
	*httptest.Server
	source *pagetest.Source

	mu       sync.Mutex
	session  page.Session
	streams  map[chan string]bool
	refuse   bool // the stream is down
	posted   []string
	closing  chan struct{}
	listened chan struct{} // one for each stream that begins
}

func serve(t *testing.T, source *pagetest.Source) *site {
	t.Helper()
	s := &site{source: source, streams: map[chan string]bool{}, closing: make(chan struct{}), listened: make(chan struct{}, 100)}
	pages, err := page.New(page.Options{Source: source, Version: "0.9.0", Now: func() time.Time { return pagetest.Now },
		Session: func(*http.Request) page.Session { s.mu.Lock(); defer s.mu.Unlock(); return s.session },
		Events: func(context.Context) ([]page.EventSource, error) {
			return []page.EventSource{{Name: "secrets", Kind: "sqs", Where: "https://sqs.eu-west-1.amazonaws.com/210987654321/planet-secrets", State: "up",
				Since: pagetest.Now.Add(-70 * time.Hour), LastMessage: pagetest.Now.Add(-41 * time.Minute)}}, nil
		}})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /api/v1/stream", s.stream)
	mux.HandleFunc("POST /actions/{what}", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewCrossOriginProtection().Check(r); err != nil {
			t.Errorf("%s seems to come from elsewhere, with Origin %q: %v", r.URL, r.Header.Get("Origin"), err)
		}
		s.mu.Lock()
		s.posted = append(s.posted, r.PathValue("what")+" "+r.PostFormValue("destination")+" "+r.PostFormValue("csrf"))
		s.mu.Unlock()
		http.Redirect(w, r, "/destinations/"+r.PostFormValue("destination"), http.StatusSeeOther)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		close(s.closing)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	told := make(chan string, 100)
	s.mu.Lock()
	refuse := s.refuse
	s.streams[told] = true
	s.mu.Unlock()
	defer func() { s.mu.Lock(); delete(s.streams, told); s.mu.Unlock() }()
	if refuse {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprint(w, ": hello\n\n")
	_ = http.NewResponseController(w).Flush()
	s.listened <- struct{}{}
	for {
		select {
		case text, open := <-told:
			if !open {
				return
			}
			_, _ = fmt.Fprintf(w, "event: status\ndata: %s\n\n", text)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
}

// tell says to all who listen that destinations have changed.
func (s *site) tell(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for told := range s.streams {
		told <- fmt.Sprintf(`{"destinations":["%s"]}`, strings.Join(names, `","`))
	}
}

// cut ends all streams, and refuses new ones until told otherwise.
func (s *site) cut(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
	for told := range s.streams {
		close(told)
		delete(s.streams, told)
	}
}

// tab is a new tab of a size. Whatever the browser complains of in it fails the
// test.
type tab struct {
	ctx context.Context //nolint:containedctx // it is how chromedp names a tab
	t   *testing.T

	mu       sync.Mutex
	excepted []string
}

func open(t *testing.T, width, height int64, features ...*emulation.MediaFeature) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser.context)
	ctx, end := context.WithTimeout(ctx, 2*time.Minute)
	x := &tab{ctx: ctx, t: t}
	messages := chromedp.Console(ctx)
	var reader sync.WaitGroup
	reader.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			x.complaint(m.String() + " " + m.URL)
		}
	})
	t.Cleanup(func() { end(); cancel(); reader.Wait() })
	x.do(chromedp.EmulateViewport(width, height))
	if len(features) > 0 {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		must(t, err)
	}
	return x
}

func (x *tab) complaint(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.excepted {
		if strings.Contains(text, e) {
			return
		}
	}
	x.t.Errorf("the browser says: %s", text)
}

// except takes a complaint for expected.
func (x *tab) except(part string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.excepted = append(x.excepted, part)
}

func (x *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	must(x.t, chromedp.Do(x.ctx, steps...))
}

func (x *tab) visit(url string) {
	x.t.Helper()
	x.do(chromedp.Navigate(url))
}

// withoutScripts lets none of the page run; what a test asks of it still does.
func (x *tab) withoutScripts() {
	x.t.Helper()
	_, err := chromedp.Call(x.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	must(x.t, err)
}

// evaluate gives the value of an expression in the page.
func evaluate[T any](x *tab, expression string) T {
	x.t.Helper()
	v, err := chromedp.Run(x.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		x.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true.
func (x *tab) until(expression string) {
	x.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		// A page that is just being loaded anew has no answer.
		if v, err := chromedp.Run(x.ctx, chromedp.Evaluate[bool](expression)); err == nil && v {
			return
		}
		if time.Now().After(end) {
			x.t.Fatalf("it does not come about that %s; the page:\n%.3000s", expression, evaluate[string](x, "document.body.innerText"))
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
