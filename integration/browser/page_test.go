package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/web/page"
	"github.com/rotatord/rotatord/internal/web/page/pagetest"
	"github.com/rotatord/rotatord/store"
)

// held is the destination of pagetest.Troubled that is held.
const held = "canopy-loss-analytics-7Jm2QwT"

func media(name, value string) *emulation.MediaFeature {
	return &emulation.MediaFeature{Name: name, Value: value}
}

// looks are pages at sizes, in both colours.
func looks() (out []look) {
	for _, n := range []int{0, 3, 50} {
		for _, width := range []int64{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				out = append(out, look{n, width, scheme, "/"})
				if n == 50 {
					out = append(out, look{n, width, scheme, "/destinations/" + held})
				}
			}
		}
	}
	return out
}

type look struct {
	destinations int
	width        int64
	scheme, path string
}

func (l look) String() string {
	what := fmt.Sprintf("%d-destinations", l.destinations)
	if l.path != "/" {
		what = "one-destination"
	}
	return fmt.Sprintf("%s-%d-%s", what, l.width, l.scheme)
}

// TestLooks shows each page at each size in both colours: the browser complains
// of nothing (a violation of the policy would be a complaint), nothing scrolls
// sideways, axe finds no barrier, and a picture is taken.
func TestLooks(t *testing.T) {
	pictures := os.Getenv("ROTATORD_SCREENSHOTS")
	if pictures == "" {
		pictures = t.TempDir()
	}
	for _, l := range looks() {
		t.Run(l.String(), func(t *testing.T) {
			s := serve(t, pagetest.Troubled(l.destinations))
			s.session = page.Session{Offered: true, SignedIn: l.width == 390, CSRF: "c", Who: "token"}
			x := open(t, l.width, 900, media("prefers-color-scheme", l.scheme))
			x.visit(s.URL + l.path)
			x.until(`document.getElementById("live").dataset.live === "on"`)
			if wide := evaluate[int64](x, `document.documentElement.scrollWidth`); wide > l.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, l.width)
			}
			if l.width == 390 { // rows are cards, so that no table scrolls either
				inside := evaluate[[]string](x, `[...document.querySelectorAll("main *")].filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX)
					|| e.matches("thead") && e.offsetHeight > 1).map(e => e.outerHTML.slice(0, 80))`)
				if len(inside) > 0 {
					t.Errorf("on a phone there is %q", inside)
				}
			}
			if text := evaluate[string](x, `getComputedStyle(document.body).backgroundColor`); (text == "rgb(20, 24, 26)") != (l.scheme == "dark") {
				t.Errorf("the background is %s", text)
			}
			// What axe looks at takes it long; a long table is the same everywhere.
			if l.destinations != 50 || l.width == 1280 || l.path != "/" {
				for _, v := range violations(x) {
					t.Error(v)
				}
			}
			picture, err := chromedp.Run(x.ctx, chromedp.FullScreenshot(100))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(pictures, l.String()+".png"), picture, 0o600))
		})
	}
}

// violations are what axe has found, of any weight.
func violations(x *tab) []string {
	x.t.Helper()
	evaluate[bool](x, browser.axe+";true")
	type found struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}
	all, err := chromedp.Run(x.ctx, chromedp.Evaluate[[]found](
		`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => ({html: n.html}))})))`,
		chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	must(x.t, err)
	var out []string
	for _, f := range all {
		out = append(out, fmt.Sprintf("axe: %s (%s): %s, at %d places: %.300s", f.ID, f.Impact, f.Help, len(f.Nodes), f.Nodes[0].HTML))
	}
	return out
}

func TestAxeWouldFindABarrier(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	x := open(t, 1280, 900)
	x.visit(s.URL)
	evaluate[bool](x, `document.querySelector("input[type=search]").closest("label").replaceWith(Object.assign(document.createElement("input"), {id: "bare"})), true`)
	if found := strings.Join(violations(x), "\n"); !strings.Contains(found, "axe: label (critical)") {
		t.Errorf("a field without a label is fine for it:\n%s", found)
	}
}

func TestThePolicyHolds(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	x := open(t, 1280, 900)
	x.except("Content Security Policy")
	x.visit(s.URL)
	got := evaluate[map[string]bool](x, `(() => {
		window.ran = {script: false};
		const script = document.createElement("script"); script.textContent = "window.ran.script = true"; document.body.append(script);
		const p = document.createElement("p"); p.setAttribute("style", "position: fixed"); document.body.append(p);
		return {script: window.ran.script, style: getComputedStyle(p).position === "fixed"};
	})()`)
	if diff := cmp.Diff(map[string]bool{"script": false, "style": false}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheTableChangesByItself(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	x := open(t, 1280, 900)
	x.visit(s.URL)
	<-s.listened
	x.until(`document.getElementById("live").innerText.includes("Live")`)
	const name = "canopy-loss-prod-7Jm2QwT"
	row := fmt.Sprintf(`document.querySelector('tr[data-key="%s"]')`, name)
	// Somebody is about to follow the link, and has half a filter written.
	evaluate[bool](x, row+`.querySelector("a").focus(), document.querySelector("input[type=search]").value = "half", window.same = true`)
	s.source.Change(name, func(r *store.Record) {
		r.Status = store.Status{State: store.StateHeld, Reason: store.ReasonPlanetRefused, Detail: "422", Since: pagetest.Now}
	})
	s.tell(name)
	x.until(row + `.innerText.includes("planet_refused")`)
	x.until(`document.getElementById("announce").textContent === "1 of 3 destinations needs attention"`)
	for what, expression := range map[string]string{
		"the row that changed is marked":            row + `.classList.contains("changed")`,
		"no other is":                               `document.querySelectorAll("tr.changed").length === 1`,
		"the title counts":                          `document.title === "(1) rotatord"`,
		"what to do is said":                        `document.getElementById("attention").innerText.includes("rotatord retry ` + name + `")`,
		"the focus stays on the link":               `document.activeElement === ` + row + `.querySelector("a")`,
		"what was written in the filter stays":      `document.querySelector("input[type=search]").value === "half"`,
		"the page was not loaded anew":              `window.same === true`,
		"nothing is kept in the browser":            `localStorage.length + sessionStorage.length + document.cookie.length === 0`,
		"a reader is told politely":                 `document.getElementById("announce").getAttribute("aria-live") === "polite"`,
		"the word is there and not the colour only": row + `.querySelector(".state").innerText.includes("held")`,
	} {
		if !evaluate[bool](x, expression) {
			t.Errorf("it is not so that %s", what)
		}
	}
}

func TestAMarkedTextIsLeftAlone(t *testing.T) {
	s := serve(t, pagetest.Troubled(50))
	x := open(t, 1280, 900)
	x.visit(s.URL + "/destinations/" + held)
	<-s.listened
	x.until(`document.getElementById("live").dataset.live === "on"`)
	evaluate[bool](x, `getSelection().selectAllChildren(document.querySelector(".commands code")), true`)
	s.source.Change(held, func(r *store.Record) { r.Status.Detail = "another sentence"; r.Account = "another-account" })
	s.tell(held)
	x.until(`document.querySelector(".headline").innerText.includes("another-account")`)
	if got := evaluate[string](x, `getSelection().toString()`); got != "rotatord check "+held {
		t.Errorf("%q is marked", got)
	}
}

func TestALostStreamIsSaidAndFoundAgain(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	x := open(t, 1280, 900)
	x.except("/api/v1/stream")
	x.visit(s.URL)
	<-s.listened
	x.until(`document.getElementById("live").innerText.includes("Live")`)
	s.cut(true)
	x.until(`document.getElementById("live").innerText.includes("Reconnecting")`)
	// What changes meanwhile is seen afterwards, though nobody tells of it.
	s.source.Change("new-one", func(r *store.Record) { r.Account = "planet-main" })
	s.cut(false)
	x.until(`document.getElementById("live").innerText.includes("Live")`)
	x.until(`document.querySelector('tr[data-key="new-one"]') !== null`)
}

func TestTheFirstDestinationAppearsByItself(t *testing.T) {
	s := serve(t, pagetest.Fleet(0))
	x := open(t, 1280, 900)
	x.visit(s.URL)
	<-s.listened
	x.until(`document.getElementById("live").dataset.live === "on"`)
	s.source.Change("new-one", func(r *store.Record) { r.Account = "planet-main" })
	s.tell("new-one")
	x.until(`document.querySelector('tr[data-key="new-one"]') !== null && document.querySelector("form[role=search]") !== null`)
}

// TestTheKeyboardReachesEverything goes through the page with the tab key: each
// link and field once, in the order in which they are seen, and with a mark that
// can be seen.
func TestTheKeyboardReachesEverything(t *testing.T) {
	s := serve(t, pagetest.Troubled(7))
	s.session = page.Session{Offered: true}
	x := open(t, 1280, 2400)
	x.withoutScripts() // parts that are exchanged would forget that they were seen
	x.visit(s.URL)
	type stop struct {
		Text    string
		Top     float64
		Outline bool
	}
	var stops []stop
	for range 200 {
		x.do(chromedp.KeyEvent(kb.Tab))
		at := evaluate[*stop](x, `(() => {
			const e = document.activeElement;
			if (!e || e === document.body || e.dataset.seen) { return null; }
			e.dataset.seen = "1";
			const style = getComputedStyle(e);
			return {text: (e.getAttribute("aria-label") || e.innerText || e.name || e.className).trim().slice(0, 40), top: e.getBoundingClientRect().top + scrollY,
				outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
		})()`)
		if at == nil {
			break
		}
		stops = append(stops, *at)
	}
	if len(stops) < 30 || stops[0].Text != "Skip to content" || stops[1].Text != "rotatord" {
		t.Fatalf("%d stops: %v", len(stops), stops)
	}
	for i, at := range stops {
		if !at.Outline {
			t.Errorf("nobody sees that %q has the focus", at.Text)
		}
		// Within a line the order is from left to right, and lines overlap a little.
		if i > 1 && at.Top < stops[i-1].Top-60 {
			t.Errorf("after %q the focus goes up to %q", stops[i-1].Text, at.Text)
		}
	}
	missed := evaluate[[]string](x, `[...document.querySelectorAll("a[href], button, summary, select, input:not([type=hidden])")]
		.filter(e => !e.dataset.seen && e.checkVisibility()).map(e => e.outerHTML.slice(0, 80))`)
	if len(missed) > 0 {
		t.Errorf("the keyboard does not reach %q", missed)
	}
}

func TestSkipLeadsToTheContent(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	x := open(t, 1280, 900)
	x.visit(s.URL)
	x.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	x.until(`document.activeElement.id === "main"`)
}

func TestFilterAndSortWithTheKeyboard(t *testing.T) {
	s := serve(t, pagetest.Troubled(50))
	x := open(t, 1280, 900)
	x.visit(s.URL)
	x.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "canopy"+kb.Enter))
	x.until(`location.search.includes("q=canopy") && document.querySelectorAll("tr[data-key]").length === 5`)
	x.do(chromedp.Click(chromedp.CSS(`#destinations th:nth-child(1) a`)))
	x.until(`document.querySelector("th[aria-sort=ascending]") !== null && document.querySelector("input[type=search]").value === "canopy"`)
}

func TestWithoutAScriptThePageIsComplete(t *testing.T) {
	s := serve(t, pagetest.Troubled(50))
	x := open(t, 390, 900)
	x.withoutScripts()
	x.visit(s.URL + "/?state=held")
	if got := evaluate[int](x, `document.querySelectorAll("tr[data-key]").length`); got != 2 {
		t.Errorf("%d destinations are held", got)
	}
	if got := evaluate[string](x, `document.getElementById("live").innerText.trim()`); got != "as of 09:26:53 UTC" {
		t.Errorf("the page says of its age %q", got)
	}
	x.do(chromedp.Click(chromedp.CSS("form.filter a.clear")))
	x.until(`document.querySelectorAll("tr[data-key]").length === 50`)
}

func TestActionsAreSent(t *testing.T) {
	s := serve(t, pagetest.Troubled(50))
	s.session = page.Session{Offered: true, SignedIn: true, CSRF: "f00", Who: "token"}
	x := open(t, 390, 900)
	// Without TLS, and not on this machine: nothing but Origin tells the server that the forms are its own.
	url := strings.Replace(s.URL, "127.0.0.1", elsewhere, 1)
	for _, what := range []string{"sync", "retry"} {
		x.visit(url + "/destinations/" + held)
		answer, err := chromedp.RunResponse(x.ctx, chromedp.Click(chromedp.CSS(fmt.Sprintf(`form[action="/actions/%s"] button`, what))))
		must(t, err)
		if answer.Status != 200 || evaluate[string](x, `document.getElementById("name").innerText`) != held {
			t.Errorf("%s leads to %s, status %d", what, answer.URL, answer.Status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff([]string{"sync " + held + " f00", "retry " + held + " f00"}, s.posted); diff != "" {
		t.Error(diff)
	}
}

func TestReducedMotionMovesNothing(t *testing.T) {
	s := serve(t, pagetest.Fleet(3))
	for value, want := range map[string]string{"reduce": "none", "no-preference": "flash"} {
		x := open(t, 1280, 900, media("prefers-reduced-motion", value))
		x.visit(s.URL)
		evaluate[bool](x, `document.querySelector("tr[data-key]").classList.add("changed"), true`)
		if got := evaluate[string](x, `getComputedStyle(document.querySelector("tr.changed td")).animationName`); got != want {
			t.Errorf("%s: the animation is %s", value, got)
		}
	}
}
