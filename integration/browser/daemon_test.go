package browser

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/planet/planettest"
)

// places are where the destinations without trouble are.
var places = strings.Fields("amazonas andes atlas borneo canarias congo corsica crete danube dolomites eifel elbe faroe fens gobi harz iceland jura karoo kerala lofoten madagascar mekong namib")

// longest is as long as a name at Planet may be.
const longest = "forest-loss-early-warning-southern-amazonas-daily-mosaics-v2"

// fifty makes fifty destinations, and says what has to become of each.
func (f *fleet) fifty() {
	f.t.Helper()
	north := map[string]string{ // what is wrong, by name
		longest: "preflight_refused", "broken-json": "value_invalid", "early-key": "propagation", "floods": "deliveries_failing",
		"unguarded": "leftover", "revoked": "credential_rejected", "unread": "source_not_found", "archived": "archived", "deleted": "vanished",
		"given-away": "not_writable", "moved": "pin_mismatch", "renamed": "drift", "on-leave": "paused", "lost-answer": "outcome_unknown", "refused-by-planet": "planet_refused",
	}
	lines := map[string][]string{"early-key": {`propagation_window = "1h"`}, "unguarded": {`preflight = "off"`},
		"archived": {`on_drift = "push"`}, "given-away": {`on_drift = "push"`}, "moved": {`on_drift = "push"`}, "refused-by-planet": {"restore_previous = false"}}
	for name, problem := range north {
		f.want[f.add(name, lines[name]...)] = problem
	}
	f.addAt(f.lone, "north", "unreachable", nil)
	f.addSAS("ends-in-two-days", 50*time.Hour, "unproven")
	f.addSAS("ended", 15*time.Second, "expired")
	for _, name := range places {
		f.add(name)
	}
	for _, name := range []string{"south-basin", "south-coast", "south-delta", "south-islands", "south-plateau", "south-range", "south-strait", "south-valley"} {
		f.want[f.addAt(f.s3, "south", name, nil)] = "account_blocked"
	}
}

// wrong lets all of it go wrong.
func (f *fleet) wrong() {
	f.t.Helper()
	f.give(longest, buckettest.Put, buckettest.Get)
	f.write("broken-json.json", `{"access_key_id":"AKIA0000000000000000","secret_access_key":"`+canary)
	f.give("early-key")
	f.give("unguarded", buckettest.Put, buckettest.Get)
	f.s3.Revoke(f.newestOf("revoked"))
	must(f.t, os.Remove(filepath.Join(f.dir, "unread.json")))
	f.sim.Archive(f.ids["archived"], true)
	f.sim.Remove(f.ids["deleted"])
	f.sim.SetCanWrite(f.ids["given-away"], "north", false)
	f.sim.SetParameter(f.ids["moved"], "bucket", "elsewhere")
	f.do("pause", f.ids["on-leave"], "--note", "the bucket moves to another region until Monday")
	f.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + f.ids["lost-answer"], Times: -1, Kind: planettest.Status, Status: http.StatusServiceUnavailable})
	f.give("lost-answer", everything...)
	f.mu.Lock()
	f.refused[f.ids["refused-by-planet"]] = true
	f.mu.Unlock()
	f.give("refused-by-planet", everything...)
	f.lone.SetDown(true)
	f.write("south", canary+"KeyOfNobody\n")
	f.sim.Order("north", "pl:destinations/"+f.ids["floods"], planettest.Order{})
	f.sim.Subscribe("north", "pl:destinations/"+f.ids["floods"], planettest.Subscription{Interval: 500 * time.Millisecond})
	// What others do is told apart from what rotatord has done once it has seen a
	// list that is younger than its own PATCH. So others do it again and again.
	stop, stopped := make(chan struct{}), make(chan struct{})
	f.t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for n := 0; ; n++ {
			f.sim.Rename(f.ids["renamed"], fmt.Sprintf("renamed-%d-times", n))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
}

// newestOf is the id of the key in a destination's secret.
func (f *fleet) newestOf(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name+".json"))
	must(f.t, err)
	_, rest, _ := strings.Cut(string(text), `"access_key_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// TestTheDaemonsOwnPage is the whole way: a file that changes on one side, and
// what somebody sees on the other. The program is the one that is shipped.
func TestTheDaemonsOwnPage(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the daemon and waits for fifty destinations")
	}
	f := newFleet(t)
	f.fifty()
	f.run()
	f.until("all are in sync", func() bool {
		for _, s := range f.standings() {
			if s.State != "in_sync" {
				return false
			}
		}
		return true
	})
	f.wrong()
	f.settled()
	for _, part := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"looks", f.looks},
		{"a rotation is seen by who looks on", f.live},
		{"without a script", f.withoutScript},
		{"the keyboard is enough to sign in and act", f.keyboard},
		{"what a foreign site sends is refused", f.foreign},
	} {
		t.Run(part.name, func(inner *testing.T) {
			f.t = inner
			defer func() { f.t = t }()
			part.do(inner)
		})
	}
}

// looks takes pictures of the daemon's pages, and asks of each what TestLooks asks.
func (f *fleet) looks(t *testing.T) {
	pictures := os.Getenv("ROTATORD_SCREENSHOTS")
	if pictures == "" {
		pictures = t.TempDir()
	}
	for _, l := range []struct {
		name, path string
		widths     []int64
		schemes    []string
	}{
		{"overview", "/", []int64{1280, 390}, []string{"light", "dark"}},
		{"floods", "/destinations/" + f.ids["floods"], []int64{1280, 390}, []string{"light"}},
		{"held", "/destinations/" + f.ids[longest], []int64{1280, 390}, []string{"light", "dark"}},
		{"blocked", "/destinations/" + f.ids["south-delta"], []int64{1280}, []string{"dark"}},
		{"well", "/destinations/" + f.ids["andes"], []int64{390}, []string{"dark"}},
		{"paused", "/destinations/" + f.ids["on-leave"], []int64{390}, []string{"light"}},
		{"filtered", "/?state=attention&q=south", []int64{390}, []string{"light"}},
		{"nothing-fits", "/?q=nowhere", []int64{1280}, []string{"light"}},
		{"missing", "/destinations/nobody", []int64{1280}, []string{"light"}},
	} {
		for _, width := range l.widths {
			for _, scheme := range l.schemes {
				t.Run(fmt.Sprintf("daemon-%s-%d-%s", l.name, width, scheme), func(t *testing.T) {
					x := open(t, width, 900, media("prefers-color-scheme", scheme))
					x.except("404")
					x.visit(f.admin + l.path)
					x.until(`!document.body.dataset.stream || document.getElementById("live").dataset.live === "on"`)
					if wide := evaluate[int64](x, `document.documentElement.scrollWidth`); wide > width {
						t.Errorf("the page is %d wide on a screen of %d", wide, width)
					}
					if scheme == "light" || width == 1280 { // what axe looks at takes it long
						for _, v := range violations(x) {
							t.Error(v)
						}
					}
					if strings.Contains(evaluate[string](x, `document.documentElement.outerHTML`), canary) {
						t.Error("there is a secret on the page")
					}
					picture, err := chromedp.Run(x.ctx, chromedp.FullScreenshot(100))
					must(t, err)
					must(t, os.WriteFile(filepath.Join(pictures, filepath.Base(t.Name())+".png"), picture, 0o600))
				})
			}
		}
	}
	x := open(t, 1280, 900)
	x.visit(f.admin + "/")
	said := evaluate[string](x, `document.getElementById("attention").innerText`)
	for id, problem := range f.want {
		switch problem {
		case "", "account_blocked", "archived", "paused", "propagation", "unproven": // nothing to do, or too many to be named
			continue
		}
		if !strings.Contains(said, id) {
			t.Errorf("%s (%s) is not among what needs attention", id, problem)
		}
	}
}

// live looks on while a key is rotated, on both kinds of pages.
func (f *fleet) live(t *testing.T) {
	id := f.ids["danube"]
	before := f.standings()[id].Accepted.Version
	all, one := open(t, 1280, 900), open(t, 1280, 900)
	all.visit(f.admin + "/")
	one.visit(f.admin + "/destinations/" + id)
	row := fmt.Sprintf(`document.querySelector('tr[data-key="%s"]')`, id)
	for _, x := range []*tab{all, one} {
		x.until(`document.getElementById("live").dataset.live === "on"`)
		evaluate[bool](x, `window.same = true`)
	}
	f.give("danube", everything...)
	all.until(fmt.Sprintf(`!%s.innerHTML.includes(%q) && %s.querySelector(".state").innerText.includes("in sync")`, row, before, row))
	after := f.standings()[id].Accepted.Version
	one.until(fmt.Sprintf(`document.getElementById("history").innerHTML.includes(%q) && document.querySelector(".facts").innerText.includes(%q)`, after, after))
	for _, x := range []*tab{all, one} {
		if !evaluate[bool](x, `window.same === true`) {
			t.Error("the page was loaded anew")
		}
	}
	if text := evaluate[string](all, `document.querySelector("#rotations tbody").innerText`); !strings.Contains(text, id) {
		t.Errorf("among the last rotations there is no %s:\n%s", id, text)
	}
}

func (f *fleet) withoutScript(t *testing.T) {
	x := open(t, 390, 900)
	x.withoutScripts()
	x.visit(f.admin + "/?reason=account_blocked")
	if n := evaluate[int](x, `document.querySelectorAll("tr[data-key]").length`); n != 8 {
		t.Errorf("%d destinations of the blocked account are shown", n)
	}
	x.do(chromedp.Click(chromedp.CSS(`tr[data-key] th a`)))
	x.until(`document.querySelector("#name") !== null && document.body.innerText.includes("Planet refuses the API key itself")`)
}

// keyboard signs in, with a wrong token first, and presses both buttons: with
// nothing but keys.
func (f *fleet) keyboard(t *testing.T) {
	id := f.ids[longest]
	x := open(t, 1280, 900)
	x.except("401")
	signIn := func(token string) {
		t.Helper()
		x.visit(f.admin + "/destinations/" + id)
		x.until(`document.getElementById("live").dataset.live === "on"`)
		x.tabTo(`document.activeElement.matches("#sign-in summary")`)
		x.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(token+kb.Enter))
	}
	signIn("this is not the token")
	x.until(`document.body.innerText.toLowerCase().includes("that is not the token")`)
	if page := evaluate[string](x, `document.documentElement.outerHTML`); strings.Contains(page, "this is not the token") {
		t.Error("the page says again what was typed")
	}
	signIn(actionToken)
	x.until(`document.body.innerText.includes("signed in as page session from 127.0.0.1")`)
	for _, action := range []struct{ button, entry string }{{"sync", "sync asked for (page session from 127.0.0.1)"}, {"retry", "retry asked for (page session from 127.0.0.1)"}} {
		x.visit(f.admin + "/destinations/" + id)
		x.until(`document.getElementById("live").dataset.live === "on"`)
		x.tabTo(fmt.Sprintf(`document.activeElement.matches('form[action="/actions/%s"] button')`, action.button))
		x.do(chromedp.KeyEvent(kb.Enter))
		x.until(fmt.Sprintf(`[...document.querySelectorAll("#history tbody tr")].some(r => r.innerText.includes(%q))`, action.entry))
	}
	if _, body := f.get("/api/v1/history?limit=1000&destination=" + id); strings.Count(body, "page session from 127.0.0.1") < 2 || strings.Contains(body, canary) {
		t.Errorf("the history does not say who it was, or says too much:\n%.2000s", body)
	}
}

// foreign is a form of somebody else's site, sent by a browser that is signed in.
func (f *fleet) foreign(t *testing.T) {
	id := f.ids["andes"]
	x := open(t, 1280, 900)
	x.except("403")
	x.except("401")
	x.visit(f.admin + "/")
	if evaluate[bool](x, `document.getElementById("sign-in") !== null`) { // the part before has signed in this browser
		x.do(chromedp.Click(chromedp.CSS("#sign-in summary")), chromedp.SendKeys(chromedp.CSS("#token"), actionToken+kb.Enter))
	}
	x.until(`document.body.innerText.includes("signed in as")`)
	elsewhereSite := foreign(t, f.admin+"/actions/sync", id)
	for _, site := range []string{elsewhereSite.URL, strings.Replace(elsewhereSite.URL, "127.0.0.1", elsewhere, 1)} {
		x.visit(site)
		answer, err := chromedp.RunResponse(x.ctx, chromedp.Click(chromedp.CSS("button")))
		must(t, err)
		if answer.Status != http.StatusForbidden {
			t.Errorf("a form of %s is answered %d", site, answer.Status)
		}
	}
	if _, body := f.get("/api/v1/history?limit=1000&destination=" + id); strings.Contains(body, "page session") {
		t.Errorf("something was done for a foreign site:\n%.2000s", body)
	}
}

// tabTo presses the tab key until something is so.
func (x *tab) tabTo(expression string) {
	x.t.Helper()
	for range 60 {
		x.do(chromedp.KeyEvent(kb.Tab))
		if evaluate[bool](x, expression) {
			return
		}
	}
	x.t.Fatalf("the keyboard does not lead to where %s", expression)
}
