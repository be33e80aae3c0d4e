package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/rotatord/rotatord/internal/web/page/pagetest"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

var _ Source = (*store.Store)(nil)
var _ Accounts = (*store.Store)(nil)

// first is the name of a record.
func first(t testing.TB, src Source, fits func(store.Record) bool) string {
	t.Helper()
	records, err := src.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(records, fits)
	if i < 0 {
		t.Fatal("there is no such record")
	}
	return records[i].Destination
}

func anyRecord(store.Record) bool { return true }

func TestHeaders(t *testing.T) {
	src := pagetest.Troubled(50)
	h := handler(t, Options{Source: src})
	want := map[string]string{
		"Content-Security-Policy":      "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
		"Content-Type":                 "text/html; charset=utf-8",
	}
	for _, path := range []string{"/", "/?q=zzz", "/destinations/" + first(t, src, anyRecord), "/destinations/nobody", "/nowhere", "/static/style.css", "/static/../page.go"} {
		header := get(t, h, path).Header()
		got := map[string]string{}
		for k := range want {
			got[k] = header.Get(k)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestOurOwnServerMayKnowWhereAFormCameFrom(t *testing.T) {
	for want, session := range map[string]Session{"same-origin": {Offered: true}, "no-referrer": {}} {
		h := handler(t, Options{Source: pagetest.Fleet(1), Session: func(*http.Request) Session { return session }})
		if got := get(t, h, "/").Header().Get("Referrer-Policy"); got != want {
			t.Errorf("%+v: the policy is %q, want %q", session, got, want)
		}
	}
}

func TestFilesMayBeKeptForEverAndHaveTheirHashInTheName(t *testing.T) {
	h := handler(t, Options{Source: pagetest.Fleet(1)})
	page := show(t, h, "/")
	var files []string
	for _, n := range page.tags("link", "script") {
		files = append(files, n.attr("href")+n.attr("src"))
	}
	if len(files) != 3 {
		t.Fatalf("the page loads %q, want a style sheet, an icon and a script", files)
	}
	types := map[string]bool{}
	for _, f := range files {
		w := get(t, h, f)
		types[w.Header().Get("Content-Type")] = true
		if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %q, %d bytes", f, w.Code, w.Header().Get("Cache-Control"), w.Body.Len())
		}
		if old := strings.Replace(f, ".", ".0", 1); get(t, h, old).Code != 404 {
			t.Errorf("%s is there too: another file under that name would be kept for ever", old)
		}
	}
	if diff := cmp.Diff(map[string]bool{"text/css; charset=utf-8": true, "text/javascript; charset=utf-8": true, "image/svg+xml": true}, types); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsAnsweredToOtherPathsAndMethods(t *testing.T) {
	src := pagetest.Fleet(3)
	h := handler(t, Options{Source: src})
	name := first(t, src, anyRecord)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200}, {"HEAD", "/", 200}, {"POST", "/", 405}, {"DELETE", "/destinations/" + name, 405},
		{"GET", "/destinations/" + name, 200}, {"GET", "/destinations/" + name + "/", 404}, {"GET", "/destinations/", 404},
		{"GET", "/destinations/nobody", 404}, {"GET", "/static/", 404}, {"GET", "/index.html", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, "http://rotatord.test"+c.path, http.NoBody))
		if w.Code != c.status {
			t.Errorf("%s %s is answered with %d, want %d", c.method, c.path, w.Code, c.status)
		}
		if c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("%s has a body", c.method)
		}
	}
}

// allPages are pages of each kind.
func allPages(t testing.TB, src Source) []string {
	records, err := src.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/", "/?state=attention&sort=expires&dir=desc&span=month", "/?q=nothing+fits+this", "/destinations/nobody"}
	for _, r := range records {
		paths = append(paths, "/destinations/"+url.PathEscape(r.Destination))
	}
	return paths
}

func TestPagesHaveNothingInlineAndNothingFromElsewhere(t *testing.T) {
	for _, n := range []int{0, 3, 50} {
		src := pagetest.Troubled(n)
		h := handler(t, Options{Source: src, Session: func(*http.Request) Session { return Session{Offered: true, SignedIn: true, CSRF: "c"} }})
		for _, path := range allPages(t, src) {
			page := document(t, get(t, h, path).Body.String())
			for _, x := range page.all(func(*node) bool { return true }) {
				for _, a := range x.Attr {
					if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
						t.Errorf("%s: <%s> has %s=%q", path, x.Data, a.Key, a.Val)
					}
					loads := a.Key == "src" || a.Key == "srcset" || a.Key == "action" || x.Data == "link" && a.Key == "href" || x.Data == "use" && a.Key == "href"
					if loads && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") || strings.HasPrefix(a.Val, "//") {
						t.Errorf("%s: <%s> loads %s=%q", path, x.Data, a.Key, a.Val)
					}
					if a.Key == "href" && x.Data == "a" && strings.Contains(a.Val, "://") && !strings.HasPrefix(a.Val, docs) {
						t.Errorf("%s: a link leads to %q", path, a.Val)
					}
				}
				if (x.Data == "script" || x.Data == "style") && x.text() != "" {
					t.Errorf("%s: there is an inline <%s>", path, x.Data)
				}
			}
		}
	}
}

func TestPagesAreFitForKeyboardAndScreenReader(t *testing.T) {
	for _, n := range []int{0, 3, 50} {
		src := pagetest.Troubled(n)
		h := handler(t, Options{Source: src, Session: func(*http.Request) Session { return Session{Offered: true} }})
		for _, path := range allPages(t, src) {
			for _, problem := range barriers(document(t, get(t, h, path).Body.String())) {
				t.Errorf("%s: %s", path, problem)
			}
		}
	}
}

// barriers lists what would be in somebody's way.
func barriers(page *node) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, landmark := range []string{"main", "header", "footer", "h1", "title"} {
		inPage := func(x *node) bool { return x.Data == landmark && x.Namespace == "" } // marks in pictures have titles too
		if got := len(page.all(inPage)); got != 1 {
			complain("%d elements <%s>, want one", got, landmark)
		}
	}
	ids := map[string]int{}
	for _, x := range page.all(func(x *node) bool { return x.attr("id") != "" }) {
		ids[x.attr("id")]++
	}
	for id, n := range ids {
		if n > 1 {
			complain("the id %s is given %d times", id, n)
		}
	}
	if page.tags("html")[0].attr("lang") != "en" {
		complain("the language is not named")
	}
	links := page.tags("a")
	if len(links) == 0 || links[0].attr("href") != "#main" || ids["main"] != 1 {
		complain("the first link does not lead to the content")
	}
	level := 0
	for _, h := range page.tags("h1", "h2", "h3", "h4") {
		next := int(h.Data[1] - '0')
		if next > level+1 {
			complain("<%s> %q comes after <h%d>", h.Data, h.text(), level)
		}
		level = next
	}
	for _, x := range page.all(func(*node) bool { return true }) {
		barrier(page, ids, x, complain)
	}
	return found
}

func barrier(page *node, ids map[string]int, x *node, complain func(string, ...any)) {
	for _, key := range []string{"aria-labelledby", "for"} {
		if id := x.attr(key); id != "" && ids[id] != 1 {
			complain("%s names %q, which is not there", key, id)
		}
	}
	if n := x.attr("tabindex"); n != "" && n != "0" && n != "-1" {
		complain("tabindex %s breaks the order", n)
	}
	named := x.text() != "" || x.attr("aria-label") != ""
	switch x.Data {
	case "a", "button", "h1", "h2", "h3", "summary":
		if !named {
			complain("<%s %s> says nothing", x.Data, x.attr("href"))
		}
	case "table":
		if len(x.tags("caption")) != 1 {
			complain("a table has no caption")
		}
		for _, r := range x.tags("tbody")[0].tags("tr") {
			if len(r.tags("th")) != 1 {
				complain("a row of %q has no heading of its own", x.tags("caption")[0].text())
			}
		}
	case "th":
		if x.attr("scope") == "" {
			complain("a heading %q has no scope", x.text())
		}
	case "svg":
		if x.attr("aria-hidden") != "true" && (x.attr("role") != "img" || x.attr("aria-label") == "") && x.Parent.Data != "svg" {
			complain("a picture says nothing and is not hidden")
		}
	case "input", "select":
		_, hidden := x.lookup("hidden") // for what keeps passwords
		labelled := hidden || x.attr("type") == "hidden" || x.Parent.Data == "label" ||
			len(page.all(func(l *node) bool { return l.Data == "label" && l.attr("for") == x.attr("id") && x.attr("id") != "" })) == 1
		if !labelled {
			complain("the field %s has no label", x.attr("name"))
		}
	case "time":
		if _, err := time.Parse(time.RFC3339, x.attr("datetime")); err != nil || !strings.HasSuffix(x.attr("datetime"), "Z") {
			complain("<time> %q has no time in UTC: %q", x.text(), x.attr("datetime"))
		}
	case "use":
		if id := strings.TrimPrefix(x.attr("href"), "#"); ids[id] != 1 {
			complain("the sign %q is not there", id)
		}
	}
	if x.class("label") && x.text() == "" {
		complain("a label is told by its colour alone")
	}
	if x.class("scroll") && (x.attr("tabindex") != "0" || x.attr("role") != "region") {
		complain("what scrolls can't be reached by the keyboard")
	}
}

func TestChangesAreAnnouncedPolitely(t *testing.T) {
	page := show(t, handler(t, Options{Source: pagetest.Fleet(3)}), "/")
	if r := page.one(t, "id", "announce"); r.attr("aria-live") != "polite" || r.attr("role") != "status" || r.text() != "" {
		t.Errorf("%v says %q", r.Attr, r.text())
	}
	if got := len(page.all(func(x *node) bool { _, ok := x.lookup("data-announce"); return ok })); got != 1 {
		t.Errorf("%d sentences are to be announced, want one", got)
	}
}

// hostile is what somebody might call a destination, or write into a field that
// we show.
const hostile = "</bdi><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\x00\u200b{{.}}javascript:alert(3)"

func TestHostileTextStaysText(t *testing.T) {
	src := pagetest.Troubled(50)
	name := hostile + "/../?a=b#c"
	src.Change(name, func(r *store.Record) {
		r.Account, r.Secret = hostile, hostile
		r.Pin = &store.Pin{ID: hostile, Ref: hostile, Name: hostile, Type: hostile}
		r.Accepted = &store.Accepted{Version: hostile, At: pagetest.Now.Add(-time.Hour)}
		r.Source = &store.Source{Version: hostile + "2"}
		r.Status = store.Status{State: store.StateHeld, Reason: hostile, Detail: hostile, Since: pagetest.Now.Add(-time.Hour)}
		r.Leftover = store.Leftover{State: "cannot_tell", Reason: hostile, Detail: hostile}
		r.Standing = store.Standing{State: "rejected", Reason: hostile, Detail: hostile, Version: hostile}
		r.Drift = &store.Drift{Found: pagetest.Now, Renamed: hostile}
		r.Changed = []store.Change{{Parameter: hostile, Before: []byte(hostile), After: []byte(hostile)}}
		r.Notes = []store.Note{{Kind: hostile, Source: hostile, Time: pagetest.Now}}
		r.Dependents = &planet.Dependents{Since: pagetest.Now, FailedCredential: 1, Failed: 1,
			Examples: []planet.Failure{{Kind: hostile, ID: hostile, Name: hostile, Cause: hostile, Message: hostile}}}
	})
	src.Append(store.Entry{At: pagetest.Now.Add(-time.Minute), Destination: name, Kind: store.EntryAttempt, Version: hostile, Outcome: hostile, Reason: hostile, Detail: hostile})
	src.Append(store.Entry{At: pagetest.Now.Add(-time.Minute), Destination: name, Kind: hostile, Outcome: hostile})
	src.SetReceipt(store.Receipt{Secret: hostile, Version: hostile, Withdrawn: pagetest.Now, Why: hostile})
	src.SetAccount(store.Account{Name: hostile, BlockedSince: pagetest.Now, Detail: hostile, Active: 1})
	src.Fail(errors.New(hostile))
	h := handler(t, Options{Source: src, Version: hostile,
		Events: func(context.Context) ([]EventSource, error) {
			return []EventSource{{Name: hostile, Kind: hostile, Where: hostile, State: "down", LastError: hostile}}, errors.New(hostile)
		},
		Session: func(*http.Request) Session { return Session{SignedIn: true, CSRF: hostile, Who: hostile} }})
	own := "/destinations/" + url.PathEscape(name)
	for _, path := range []string{"/", "/?q=" + url.QueryEscape(hostile), "/?account=" + url.QueryEscape(hostile), own, "/destinations/" + url.PathEscape(hostile+"unknown")} {
		w := get(t, h, path)
		page := document(t, w.Body.String())
		if n := len(page.tags("script")); n != 1 {
			t.Errorf("%s: %d scripts", path, n)
		}
		if n := len(page.tags("img", "iframe", "object", "base", "meta")); n != 3 {
			t.Errorf("%s: %d elements where three <meta> should be", path, n)
		}
		for _, x := range page.all(func(*node) bool { return true }) {
			for _, a := range x.Attr {
				if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, docs) {
					t.Errorf("%s: <%s> has %s=%q", path, x.Data, a.Key, a.Val)
				}
			}
		}
		for d := range page.tags("body")[0].Descendants() {
			if d.Type == html.TextNode && strings.ContainsAny(d.Data, "\u202e\u200b\x00") {
				t.Errorf("%s: <%s> shows %+q", path, d.Parent.Data, d.Data)
			}
		}
		if path != "/?account="+url.QueryEscape(hostile) && !strings.Contains(page.text(), "alert(1)") {
			t.Errorf("%s: the text is not shown at all", path)
		}
	}
	// The link of the table leads to the very destination.
	links := show(t, h, "/").all(func(x *node) bool { return x.Data == "a" && x.attr("href") == own })
	if len(links) == 0 {
		t.Fatal("no link leads to the destination")
	}
	page := show(t, h, own)
	for _, x := range page.all(func(x *node) bool { return x.attr("name") == "destination" }) {
		if x.attr("value") != strings.ReplaceAll(name, "\x00", "\ufffd") {
			t.Errorf("the action is for %q", x.attr("value"))
		}
	}
}

func TestABaseIsBeforeEveryPath(t *testing.T) {
	src := pagetest.Troubled(50)
	for _, base := range []string{"/planet", "planet/", "/planet/"} {
		h := handler(t, Options{Source: src, Base: base, Session: func(*http.Request) Session { return Session{Offered: true} }})
		name := first(t, src, anyRecord)
		for _, path := range []string{"/planet/", "/", "/planet/destinations/" + name, "/destinations/" + name} {
			page := show(t, h, path)
			for _, x := range page.all(func(*node) bool { return true }) {
				for _, key := range []string{"href", "src", "action", "data-stream"} {
					if v := x.attr(key); strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "/planet/") {
						t.Errorf("base %s, %s: <%s> has %s=%q", base, path, x.Data, key, v)
					}
				}
			}
		}
	}
}

func TestActionsAreForWhoHasSignedIn(t *testing.T) {
	src := pagetest.Fleet(1)
	name := first(t, src, anyRecord)
	forms := func(s func(*http.Request) Session, path string) (out []string) {
		for _, f := range show(t, handler(t, Options{Source: src, Session: s}), path).tags("form") {
			if f.attr("method") != "post" {
				continue
			}
			text := f.attr("action")
			for _, i := range f.tags("input") {
				text += " " + i.attr("name") + "=" + i.attr("value")
			}
			out = append(out, text)
		}
		return out
	}
	none := func(*http.Request) Session { return Session{} }
	offered := func(*http.Request) Session { return Session{Offered: true} }
	in := func(*http.Request) Session { return Session{Offered: true, SignedIn: true, CSRF: "f00", Who: "token"} }
	for _, c := range []struct {
		name string
		s    func(*http.Request) Session
		path string
		want []string
	}{
		{"no sessions at all", nil, "/destinations/" + name, nil},
		{"no token is configured", none, "/destinations/" + name, nil},
		{"a token is configured", offered, "/destinations/" + name, []string{"/actions/login username=rotatord token="}},
		{"signed in", in, "/destinations/" + name, []string{"/actions/logout csrf=f00", "/actions/sync destination=" + name + " csrf=f00", "/actions/retry destination=" + name + " csrf=f00"}},
		{"signed in, all destinations", in, "/", []string{"/actions/logout csrf=f00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, forms(c.s, c.path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	src := pagetest.Fleet(3)
	src.Fail(errors.Join(errors.New("destination \"x\" can't be read: bad JSON"), errors.New("another one")))
	h := handler(t, Options{Source: src})
	page := show(t, h, "/")
	if got := page.one(t, "data-part", "broken").text(); !strings.Contains(got, "bad JSON.") || !strings.Contains(got, "another one.") {
		t.Errorf("the page says %q", got)
	}
	if n := len(page.rows()); n != 3 {
		t.Errorf("%d destinations are shown, want all that can be read", n)
	}
	empty := pagetest.Fleet(0)
	empty.Fail(errors.New("the store is closed"))
	h = handler(t, Options{Source: empty})
	for _, path := range []string{"/", "/destinations/x"} {
		if w := get(t, h, path); w.Code != 503 || !strings.Contains(w.Body.String(), "the store is closed.") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestNewRefusesNothingToShow(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a page without a source was made")
	}
}
