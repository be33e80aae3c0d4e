package announce

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
)

func TestForeignTextIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"a & b <!channel> <https://x|y>": "a &amp; b &lt;!channel&gt; &lt;https://x|y&gt;",
		"@here @ALL @channel a@b.test":   "@\u200bhere @\u200bALL @\u200bchannel a@b.test",
		"![x](http://t.test)":            "![x] (http://t.test)",
		"one\nrotatord: two\u202e`":      "one rotatord: two '",
		"&amp;":                          "&amp;amp;",
	} {
		same(t, want, escape(in, 100))
	}
	same(t, "a&amp;…", escape("a&&&&", 8))
}

func FuzzEscape(f *testing.F) {
	f.Add("a & <b>", 10)
	f.Add("@channel\xff](", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(1, most%2000)
		out := escape(s, most)
		if n := utf8.RuneCountInString(out); n > most {
			t.Fatalf("%d characters, at most %d are allowed", n, most)
		}
		rest := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(out)
		if !utf8.ValidString(out) || strings.ContainsAny(rest, "&<>`\n\r") || strings.Contains(rest, "](") {
			t.Fatalf("%q is not harmless", out)
		}
		for _, word := range []string{"@here", "@channel", "@all", "@everyone"} {
			if strings.Contains(strings.ToLower(rest), word) {
				t.Fatalf("%q wakes everybody", out)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "7", "-1", "99999999999999", "Mon, 02 Mar 2026 00:00:00 GMT"} {
		f.Add(s)
	}
	now := time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, now); d < 0 || d > maxRetryAfter {
			t.Fatalf("%s", d)
		}
	})
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": 0, "-7": 0, "soon": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		same(t, want, retryAfter(s, now))
	}
}

func TestTheLargestMessageFitsSlack(t *testing.T) {
	long := strings.Repeat("&", 10_000)
	for _, k := range Kinds() {
		a := Announcement{
			Kind: k, Destination: long, DestinationID: long, Account: long, Secret: credential.Secret(long), Version: long, State: long,
			Reason: long, Detail: long, Time: time.Unix(0, 0), Since: time.Unix(1, 0), Expires: time.Unix(2, 0), Dependents: &Dependents{1, 2},
		}.settled(time.Now())
		m := compose(a)
		if len(m.Text) > 12_000 || len(m.Blocks) > 50 {
			t.Errorf("%s: %d bytes of text, %d blocks", k, len(m.Text), len(m.Blocks))
		}
		for _, b := range m.Blocks {
			if b.Text != nil && utf8.RuneCountInString(b.Text.Text) > 3000 || len(b.Fields) > 10 || len(b.Elements) > 10 {
				t.Errorf("%s: a block is too large", k)
			}
			for _, f := range b.Fields {
				if utf8.RuneCountInString(f.Text) > 2000 {
					t.Errorf("%s: a field is too large", k)
				}
			}
		}
		if body, err := cloudEvent(a, "rotatord"); err != nil || len(body) > 64<<10 {
			t.Errorf("%s: %d bytes, %v", k, len(body), err)
		}
	}
}

func TestEveryKindHasItsWords(t *testing.T) {
	for _, k := range Kinds() {
		w := wordings[k]
		if w.sign == "" || strings.Count(w.headline, "%s") != 1 || w.meaning == "" {
			t.Errorf("%s has no words", k)
		}
	}
	same(t, len(Kinds()), len(wordings))
}

func TestOnlyAKnownWordOfSlacksIsShown(t *testing.T) {
	same(t, "", slackHint([]byte("token "+canary)))
	if h := slackHint([]byte("no_service\n")); !strings.HasPrefix(h, "no_service, ") {
		t.Errorf("hint %q", h)
	}
}

// A value has bytes or an interface; an announcement has neither.
func TestNoFieldCanHoldAValue(t *testing.T) {
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i).Type
			switch {
			case f == reflect.TypeFor[time.Time](), f.Kind() == reflect.String, f.Kind() == reflect.Int:
			case f == reflect.TypeFor[*Dependents]():
				walk(f.Elem())
			default:
				t.Errorf("%s is a %s", typ.Field(i).Name, f)
			}
		}
	}
	walk(reflect.TypeFor[Announcement]())
}

func TestIdsAreStableAndDiffer(t *testing.T) {
	now := time.Unix(100, 0)
	first, again := held("prod"), held("prod")
	again.Time, again.Detail = now, "in other words"
	same(t, first.settled(now).ID, again.settled(now).ID)
	since := held("prod")
	since.Since = now
	ids := map[string]bool{}
	for _, id := range []string{first.settled(now).ID, since.settled(now).ID, held("p").settled(now).ID, ID("ab", "c"), ID("a", "bc"), ID("abc")} {
		if ids[id] || !isPlain(id) {
			t.Errorf("id %q", id)
		}
		ids[id] = true
	}
	kept := held("prod")
	kept.ID = "mine-1"
	same(t, "mine-1", kept.settled(now).ID)
	if _, err := json.Marshal(compose(kept)); err != nil {
		t.Error(err)
	}
}

func TestTimesAreToldFromWhenItWasAnnounced(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Second: "(over)", 90 * time.Second: "(in 90 s)", time.Hour: "(in 60 min)", 24 * time.Hour: "(in 24 h)", 72 * time.Hour: "(in 3 days)",
	} {
		if got := until(at.Add(d), at); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q", d, got)
		}
	}
}
