package app

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/store"
)

const announcementsDoc = "../../docs/announcements.md"

// exampleRecords are what the document shows.
func exampleRecords() (before, after store.Record) {
	before = settledRecord()
	before.Destination, before.Pin.ID = "my-s3-destination-CKxV9io", "1f0c3a3e-2f43-4b8f-9a64-8a1f3a0c5d11"
	before.Secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:planet/s3"
	after = before
	after.Source = &store.Source{Version: "8"}
	after.Hold = &store.Hold{Version: "8", RetryAt: noon.Add(15 * time.Minute)}
	after.Status = store.Status{State: store.StateHeld, Reason: store.ReasonPreflightRefused, Since: noon.Add(-time.Minute),
		Detail: "preflight: the bucket refuses to delete: grant s3:DeleteObject"}
	return before, after
}

func TestTheDocumentShowsRealPostsAndExplainsEveryKind(t *testing.T) {
	raw, err := os.ReadFile(announcementsDoc)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	for _, k := range announce.Kinds() {
		if !strings.Contains(doc, "\n### "+string(k)+"\n") {
			t.Errorf("the document has no heading for %s", k)
		}
	}
	if got := strings.Count(doc, "\n### "); got != len(announce.Kinds()) {
		t.Errorf("the document explains %d kinds, there are %d", got, len(announce.Kinds()))
	}
	hook, chat := newReceiver(t, httptest.NewServer), newReceiver(t, httptest.NewServer)
	s := onAir(t, &config.Config{Announce: config.Announce{Source: "rotatord",
		Webhooks: []config.AnnounceWebhook{{Name: "ops", URL: hook.URL, SecretFile: write(t, "keys", signingKey("k"))}},
		Slack:    []config.AnnounceSlack{{Name: "chat", URLFile: write(t, "url", chat.URL)}}}})
	before, after := exampleRecords()
	for _, a := range announcements(before, after, noon, week) {
		s.announcer.Announce(a)
	}
	var event bytes.Buffer
	if err := json.Indent(&event, next(t, hook.posts).body, "", "  "); err != nil {
		t.Fatal(err)
	}
	var message struct{ Text string }
	if err := json.Unmarshal(next(t, chat.posts).body, &message); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"```json\n" + event.String() + "\n```", "```text\n" + message.Text + "\n```"} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document does not show this:\n%s", want)
		}
	}
}

// The configuration must not import package announce, so it has a list of its
// own, which the hint shows.
func TestTheKindsOfTheConfigurationAreThoseThatAreAnnounced(t *testing.T) {
	kinds := announce.Kinds()
	quoted := make([]string, len(kinds))
	for i, k := range kinds {
		quoted[i] = strconv.Quote(string(k))
	}
	env := func(string) string { return "" }
	_, err := config.Load(write(t, "rotatord.toml", "[[announce.webhook]]\nkinds = [\"nope\"]\n"), env, SecretShapes()...)
	if err == nil {
		t.Fatal("an unknown kind is no problem")
	}
	_, hint, ok := strings.Cut(err.Error(), "no such kind of announcement (write some of ")
	hint, _, _ = strings.Cut(hint, ")")
	words := strings.Split(hint, ", ")
	slices.Sort(words)
	slices.Sort(quoted)
	if !ok || !slices.Equal(words, quoted) {
		t.Errorf("the configuration knows %v, announced are %v", words, quoted)
	}
}
