package page

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/web/page/pagetest"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// three are destinations to filter and to sort.
func three() *pagetest.Source {
	src := &pagetest.Source{}
	add := func(name, account, version string, state store.State, reason store.Reason, expires time.Duration, used int) {
		src.Change(name, func(r *store.Record) {
			r.Account, r.Secret = account, "file:///run/secrets/"+"s"
			r.Status = store.Status{State: state, Reason: reason, Since: pagetest.Now.Add(-time.Hour)}
			r.Accepted = &store.Accepted{Version: version, At: pagetest.Now.Add(-expires)}
			if expires != 0 {
				r.Accepted.Expires = pagetest.Now.Add(expires)
			}
			r.Dependents = &planet.Dependents{Running: used}
		})
	}
	add("alpha", "main", "v3", store.StateInSync, "", 0, 2)
	add("bravo", "main", "v1", store.StateHeld, store.ReasonPlanetRefused, 90*24*time.Hour, 9)
	add("charlie", "other", "v2", store.StateInSync, "", 30*24*time.Hour, 5)
	src.Change("charlie", func(r *store.Record) { r.Accepted.Unproven = true })
	return src
}

func TestFilterAndSortWithoutAScript(t *testing.T) {
	h := handler(t, Options{Source: three()})
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"the gravest first, then by name", "", []string{"bravo", "charlie", "alpha"}},
		{"a part of a name", "q=ALPH", []string{"alpha"}},
		{"words must all fit, wherever", "q=v2+other", []string{"charlie"}},
		{"words that don't fit together", "q=v2+main", nil},
		{"a reason as text", "q=refused", []string{"bravo"}},
		{"a state", "state=held", []string{"bravo"}},
		{"what needs attention", "state=attention", []string{"bravo"}},
		{"any condition", "condition=any", []string{"charlie"}},
		{"a condition", "condition=unproven", []string{"charlie"}},
		{"another condition", "condition=expired", nil},
		{"a reason", "reason=planet_refused", []string{"bravo"}},
		{"an account", "account=main", []string{"bravo", "alpha"}},
		{"several filters", "account=main&state=in_sync", []string{"alpha"}},
		{"words that nobody knows filter nothing", "state=zzz&condition=zzz&reason=zzz&sort=zzz&page=-3&span=zzz", []string{"bravo", "charlie", "alpha"}},
		{"by name", "sort=name", []string{"alpha", "bravo", "charlie"}},
		{"by name, turned round", "sort=name&dir=desc", []string{"charlie", "bravo", "alpha"}},
		{"by version", "sort=version", []string{"bravo", "charlie", "alpha"}},
		{"by expiry, the unknown last", "sort=expires", []string{"charlie", "bravo", "alpha"}},
		{"by use, the most used first", "sort=used", []string{"bravo", "charlie", "alpha"}},
		{"by acceptance, the latest first", "sort=accepted", []string{"alpha", "charlie", "bravo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := show(t, h, "/?"+c.query)
			if diff := cmp.Diff(c.want, page.rows()); diff != "" {
				t.Error(diff)
			}
			if c.want == nil && !strings.Contains(page.one(t, "data-part", "table").text(), "No destination fits") {
				t.Error("an empty table says nothing")
			}
		})
	}
}

func TestTheFormRemembersWhatWasAskedFor(t *testing.T) {
	page := show(t, handler(t, Options{Source: three()}), "/?q=a&state=in_sync&condition=any&reason=fence&account=main&sort=expires&dir=desc&span=day")
	form := page.one(t, "role", "search")
	got := url.Values{}
	for _, i := range form.tags("input") {
		got.Set(i.attr("name"), i.attr("value"))
	}
	for _, s := range form.tags("select") {
		for _, o := range s.tags("option") {
			if _, ok := o.lookup("selected"); ok {
				got.Add(s.attr("name"), o.attr("value"))
			}
		}
	}
	want := url.Values{"q": {"a"}, "state": {"in_sync"}, "condition": {"any"}, "reason": {"fence"}, "account": {"main"}, "sort": {"expires"}, "dir": {"desc"}, "span": {"day"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if form.attr("method") != "get" || len(form.tags("button")) != 1 {
		t.Error("the filter needs a script")
	}
}

func TestHeadingsSortAndSayHow(t *testing.T) {
	h := handler(t, Options{Source: three()})
	page := show(t, h, "/?sort=expires&q=a")
	sorted := page.all(func(x *node) bool { return x.attr("aria-sort") != "" })
	if len(sorted) != 1 || sorted[0].attr("aria-sort") != "ascending" || sorted[0].text() != "Expires" {
		t.Fatalf("%d headings say that they sort", len(sorted))
	}
	if got := sorted[0].tags("a")[0].attr("href"); got != "/?dir=desc&q=a&sort=expires#destinations" {
		t.Errorf("again leads to %s", got)
	}
	heads := page.one(t, "id", "destinations").tags("thead")[0].tags("th")
	for i, th := range heads {
		if th.text() != columns[i].Title || len(th.tags("a")) != 1 {
			t.Errorf("heading %d is %q", i, th.text())
		}
	}
	// On a phone each cell says what its heading would.
	for i, td := range page.one(t, "id", "destinations").tags("tbody")[0].tags("tr")[0].tags("td") {
		if td.attr("data-label") != columns[i+1].Title {
			t.Errorf("cell %d is called %q on a phone", i, td.attr("data-label"))
		}
	}
}

func TestManyDestinationsHavePages(t *testing.T) {
	src := pagetest.Fleet(2*perPage + 7)
	h := handler(t, Options{Source: src})
	seen := map[string]bool{}
	path, pages := "/", 0
	for path != "" {
		page := show(t, h, path)
		for _, n := range page.rows() {
			seen[n] = true
		}
		path = ""
		for _, a := range page.all(func(x *node) bool { return x.attr("rel") == "next" }) {
			path = a.attr("href")
		}
		if pages++; pages > 5 {
			t.Fatal("the pages never end")
		}
	}
	if len(seen) != 2*perPage+7 || pages != 3 {
		t.Errorf("%d destinations on %d pages", len(seen), pages)
	}
	if n := len(show(t, h, "/?page=99").rows()); n != 7 {
		t.Errorf("a page too far shows %d, want the last one's", n)
	}
}

func TestCausesStandTogetherTheGravestFirst(t *testing.T) {
	src := pagetest.Fleet(20)
	records, _ := src.List(t.Context())
	for i, r := range records {
		src.Change(r.Destination, func(r *store.Record) {
			switch {
			case i < 14:
				r.Status = store.Status{State: store.StateBlocked, Reason: store.ReasonAccountBlocked, Detail: "401", Since: pagetest.Now.Add(-time.Duration(i) * time.Minute)}
				r.Account = "main"
			case i == 14:
				r.Standing.State, r.Standing.Detail = "rejected", "403 from the bucket"
				r.Status = store.Status{State: store.StateHeld, Reason: store.ReasonValueInvalid}
			case i == 15:
				r.Status = store.Status{State: store.StateWaiting, Reason: store.ReasonPropagation}
			case i == 16:
				r.Paused = &store.Paused{Since: pagetest.Now}
				r.Status = store.Status{State: store.StateHeld, Reason: store.ReasonValueInvalid}
			}
		})
	}
	page := show(t, handler(t, Options{Source: src}), "/")
	var got []string
	for _, c := range page.one(t, "data-part", "causes").all(func(x *node) bool { return x.class("cause") }) {
		got = append(got, c.tags("h3")[0].text())
	}
	want := []string{"credential rejected for 7 d", "blocked account_blocked 14 destinations for 13 min", "waiting propagation"}
	if len(got) == 3 {
		got[0] = got[0][:len("credential rejected")] // since when depends on the fleet
		want[0] = "credential rejected"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	causes := page.one(t, "data-part", "causes").text()
	for _, want := range []string{"403 from the bucket.", "also held", "and 8 more", "running subscriptions and"} {
		if !strings.Contains(causes, want) {
			t.Errorf("it is not said %q:\n%s", want, causes)
		}
	}
	if got := page.one(t, "id", "headline").text(); got != "16 of 20 destinations need attention; deliveries to 1 fail or may be failing" {
		t.Errorf("the headline is %q", got)
	}
	if got := page.tags("title")[0].text(); got != "(16) rotatord" {
		t.Errorf("the title is %q", got)
	}
}

func TestHeadlines(t *testing.T) {
	for _, c := range []struct {
		src  *pagetest.Source
		want string
	}{
		{pagetest.Fleet(0), "No destinations are configured"},
		{pagetest.Fleet(1), "The destination is well"},
		{pagetest.Fleet(50), "All 50 destinations are well"},
		{three(), "1 of 3 destinations needs attention"},
	} {
		if got := show(t, handler(t, Options{Source: c.src}), "/").one(t, "id", "headline").text(); got != c.want {
			t.Errorf("the headline is %q, want %q", got, c.want)
		}
	}
}

func TestTheBarHasEveryDestinationOnce(t *testing.T) {
	src := pagetest.Troubled(50)
	page := show(t, handler(t, Options{Source: src}), "/")
	total := 0
	for _, a := range page.one(t, "class", "parts").tags("a") {
		var n int
		if _, err := fmt.Sscan(a.tags("b")[0].text(), &n); err != nil {
			t.Fatal(err)
		}
		total += n
		if rows := len(show(t, handler(t, Options{Source: src}), a.attr("href")).rows()); rows != n {
			t.Errorf("%s leads to %d rows", a.text(), rows)
		}
	}
	if total != 50 {
		t.Errorf("the states have %d destinations", total)
	}
}

func TestTheTimelineSaysInWordsWhatItDraws(t *testing.T) {
	src := pagetest.Fleet(2)
	records, _ := src.List(t.Context())
	name := records[0].Destination
	src.Append(store.Entry{At: pagetest.Now.Add(-12 * time.Hour), Destination: name, Kind: store.EntryAttempt, Version: "v9", Outcome: "refused", Reason: store.ReasonPlanetRefused})
	page := show(t, handler(t, Options{Source: src}), "/?span=day")
	strips := page.one(t, "id", "rotations").all(func(x *node) bool { return x.attr("role") == "img" })
	i := slices.IndexFunc(strips, func(x *node) bool { return strings.HasPrefix(x.attr("aria-label"), name+": ") })
	if i < 0 {
		t.Fatal("the destination has no lane")
	}
	marks := strips[i].all(func(x *node) bool { return x.Data == "svg" && x.attr("x") == "50.00%" })
	if len(marks) != 1 || marks[0].tags("title")[0].text() != "refused, 2026-03-11 21:26 UTC, planet_refused, version v9" {
		t.Errorf("%d marks are in the middle of the day", len(marks))
	}
	if !strings.Contains(strips[i].attr("aria-label"), "1 refused") {
		t.Errorf("the lane says %q", strips[i].attr("aria-label"))
	}
}

func TestTheBandCoversTheTimeThatIsKnown(t *testing.T) {
	now := pagetest.Now
	i := item{Record: store.Record{Facts: store.Facts{Status: store.Status{State: store.StateHeld, Since: now.Add(-6 * time.Hour)}}}}
	a := axis{now.Add(-24 * time.Hour), now}
	got := a.band(i, []store.Entry{ // newest first
		{At: now.Add(-6 * time.Hour), Kind: store.EntryState, Outcome: "held"},
		{At: now.Add(-7 * time.Hour), Kind: store.EntryAttempt, Outcome: "refused"},
		{At: now.Add(-12 * time.Hour), Kind: store.EntryState, Outcome: "waiting"},
		{At: now.Add(-30 * time.Hour), Kind: store.EntryState, Outcome: "in_sync"},
		{At: now.Add(-60 * time.Hour), Kind: store.EntryState, Outcome: "blocked"},
	})
	var said []string
	for _, s := range got {
		said = append(said, fmt.Sprint(s.X, " ", s.Width, " ", s.Tone))
	}
	if diff := cmp.Diff([]string{"0.00% 50.00% good", "50.00% 25.00% info", "75.00% 25.00% bad"}, said); diff != "" {
		t.Error(diff)
	}
	if got := a.band(i, nil); len(got) != 1 || got[0].X != "75.00%" {
		t.Errorf("without a history the band is %v", got)
	}
}

func TestAccountsShowTheirKeyAndTheirQuota(t *testing.T) {
	src := pagetest.Fleet(8)
	src.SetAccount(store.Account{Name: "planet-main", BlockedSince: pagetest.Now.Add(-time.Hour), NextLook: pagetest.Now.Add(9 * time.Minute), Detail: "401 Unauthorized", Active: 50})
	text := show(t, handler(t, Options{Source: src}), "/").one(t, "id", "accounts").text()
	for _, want := range []string{"planet-main blocked", "for 1 h, tried again in 9 min", "401 Unauthorized. 6 50 of 50", "planet-research usable 2 2 of 50"} {
		if !strings.Contains(text, want) {
			t.Errorf("it is not said %q:\n%s", want, text)
		}
	}
}
