package page

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/web/page/pagetest"
	"github.com/rotatord/rotatord/store"
)

func TestTheHistoryIsPaged(t *testing.T) {
	src := pagetest.Fleet(1)
	name := first(t, src, anyRecord)
	const n = 3*historyPage - 4
	for i := range n {
		src.Append(store.Entry{At: pagetest.Now.Add(time.Duration(i-n) * time.Second), Destination: name, Kind: store.EntryPerson, Outcome: "retry"})
	}
	src.Append(store.Entry{At: pagetest.Now, Destination: "another", Kind: store.EntryPerson})
	all, _ := src.History(t.Context(), store.HistoryQuery{Destination: name, Limit: 10_000})
	h := handler(t, Options{Source: src})
	seen := map[string]bool{}
	path, pages := "/destinations/"+name, 0
	for path != "" {
		page := show(t, h, path)
		for _, r := range page.one(t, "id", "history").all(func(x *node) bool { return strings.HasPrefix(x.attr("id"), "entry-") }) {
			seen[r.attr("id")] = true
		}
		newest := page.all(func(x *node) bool { return x.Data == "a" && x.text() == "Newest" })
		if (len(newest) == 1) != (pages > 0) {
			t.Errorf("page %d has %d links to the newest", pages, len(newest))
		}
		path = ""
		for _, a := range page.all(func(x *node) bool { return x.attr("rel") == "next" }) {
			path = a.attr("href")
		}
		if pages++; pages > 10 {
			t.Fatal("the history never ends")
		}
	}
	if len(seen) != len(all) || len(all) <= n {
		t.Errorf("%d of %d entries are shown", len(seen), len(all))
	}
}

func TestADestinationThatIsGoneKeepsItsHistory(t *testing.T) {
	src := pagetest.Fleet(1)
	src.Append(store.Entry{At: pagetest.Now.Add(-time.Hour), Destination: "gone", Kind: store.EntryState, Outcome: "in_sync"})
	page := show(t, handler(t, Options{Source: src}), "/destinations/gone")
	text := page.tags("main")[0].text()
	if !strings.Contains(text, "not configured") || !strings.Contains(text, "in sync") || len(page.all(func(x *node) bool { return x.attr("data-part") == "todo" })) > 0 {
		t.Errorf("the page says:\n%s", text)
	}
}

func TestADestinationThatIsWellNeedsNothing(t *testing.T) {
	src := pagetest.Fleet(1)
	page := show(t, handler(t, Options{Source: src}), "/destinations/"+first(t, src, anyRecord))
	if got := page.one(t, "data-part", "todo").text(); !strings.Contains(got, "Nothing to do.") || strings.Contains(got, "At risk") {
		t.Errorf("it says %q", got)
	}
}

func TestTheGravestComesFirstOnADestinationsPage(t *testing.T) {
	src := pagetest.Fleet(1)
	name := first(t, src, anyRecord)
	src.Change(name, func(r *store.Record) {
		r.Status = store.Status{State: store.StateWaiting, Reason: store.ReasonPropagation, Detail: "403", Since: pagetest.Now}
		r.Accepted.Expires = pagetest.Now.Add(-time.Hour)
		r.Accepted.Unproven = true
	})
	page := show(t, handler(t, Options{Source: src}), "/destinations/"+name)
	var got []string
	for _, c := range page.one(t, "data-part", "todo").all(func(x *node) bool { return x.class("cause") }) {
		got = append(got, c.tags("h3")[0].text())
	}
	if text := strings.Join(got, "|"); !strings.HasPrefix(text, "expired for 1 h|waiting propagation") || !strings.Contains(text, "|unproven") || len(got) != 3 {
		t.Errorf("it says %q", got)
	}
}

func TestStandingOfAnotherVersionIsNotShown(t *testing.T) {
	src := pagetest.Fleet(1)
	name := first(t, src, anyRecord)
	src.Change(name, func(r *store.Record) { r.Standing.Version, r.Standing.State = "an older one", "rejected" })
	page := show(t, handler(t, Options{Source: src}), "/")
	if text := page.one(t, "data-key", name).text(); strings.Contains(text, "rejected") || !strings.Contains(text, "not tried") {
		t.Errorf("the row says %q", text)
	}
}

func TestWhatMayBreakDeliveriesComesBeforeAllElse(t *testing.T) {
	now := pagetest.Now
	rank := func(change func(*store.Record)) int {
		src := pagetest.Fleet(1)
		name := first(t, src, anyRecord)
		src.Change(name, change)
		records, _ := src.List(t.Context())
		return itemOf(now, records[0], nil).rank()
	}
	state := func(s store.State, reason store.Reason) func(*store.Record) {
		return func(r *store.Record) { r.Status = store.Status{State: s, Reason: reason} }
	}
	for name, got := range map[string]int{
		"rejected":       rank(func(r *store.Record) { r.Standing.State = "rejected" }),
		"expired":        rank(func(r *store.Record) { r.Accepted.Expires = now }),
		"restore failed": rank(state(store.StateHeld, store.ReasonRestoreFailed)),
	} {
		if got >= breaking {
			t.Errorf("%s has the rank %d", name, got)
		}
	}
	for name, got := range map[string]int{
		"held":                      rank(state(store.StateHeld, store.ReasonPreflightRefused)),
		"blocked":                   rank(state(store.StateBlocked, store.ReasonVanished)),
		"failing":                   rank(state(store.StateFailing, store.ReasonSourceDenied)),
		"waiting":                   rank(state(store.StateWaiting, store.ReasonFence)),
		"a word of another version": rank(state("dancing", "")),
	} {
		if got < breaking || got >= attention {
			t.Errorf("%s has the rank %d", name, got)
		}
	}
	for name, got := range map[string]int{
		"well":   rank(func(*store.Record) {}),
		"new":    rank(state(store.StateNew, "")),
		"paused": rank(func(r *store.Record) { r.Paused = &store.Paused{} }),
	} {
		if got < attention {
			t.Errorf("%s has the rank %d", name, got)
		}
	}
}
