package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/rotatord/rotatord/internal/web/page/pagetest"
)

func handler(t testing.TB, o Options) http.Handler {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return pagetest.Now }
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	target, _, _ = strings.Cut(target, "#") // which no browser sends
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://rotatord.test"+target, http.NoBody))
	return w
}

// show gets a page and reads it as a browser would.
func show(t testing.TB, h http.Handler, target string) *node {
	t.Helper()
	w := get(t, h, target)
	if w.Code != http.StatusOK {
		t.Fatalf("%s is answered with %d:\n%s", target, w.Code, w.Body)
	}
	return document(t, w.Body.String())
}

func document(t testing.TB, text string) *node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &node{root}
}

// node is an element with what tests ask of it.
type node struct{ *html.Node }

// all gives every element below that fits.
func (n *node) all(fits func(*node) bool) (out []*node) {
	for d := range n.Descendants() {
		if x := (&node{d}); d.Type == html.ElementNode && fits(x) {
			out = append(out, x)
		}
	}
	return out
}

func (n *node) tags(names ...string) []*node {
	return n.all(func(x *node) bool {
		for _, name := range names {
			if x.Data == name {
				return true
			}
		}
		return false
	})
}

// one gives the only element that has an attribute of this value.
func (n *node) one(t testing.TB, key, value string) *node {
	t.Helper()
	found := n.all(func(x *node) bool { return x.attr(key) == value })
	if len(found) != 1 {
		t.Fatalf("%d elements have %s=%q, want one", len(found), key, value)
	}
	return found[0]
}

func (n *node) attr(key string) string {
	v, _ := n.lookup(key)
	return v
}

func (n *node) lookup(key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func (n *node) class(name string) bool {
	for c := range strings.FieldsSeq(n.attr("class")) {
		if c == name {
			return true
		}
	}
	return false
}

// text is what the element says, without repeated space.
func (n *node) text() string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rows are the names in the table of destinations, in their order.
func (n *node) rows() (names []string) {
	for _, r := range n.all(func(x *node) bool { _, ok := x.lookup("data-key"); return ok }) {
		names = append(names, r.attr("data-key"))
	}
	return names
}
