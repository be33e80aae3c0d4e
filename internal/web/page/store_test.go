package page

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/store"
)

func TestAPageOverARealStore(t *testing.T) {
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := handler(t, Options{Source: s, Now: time.Now})
	if got := show(t, h, "/").one(t, "id", "headline").text(); got != "No destinations are configured" {
		t.Errorf("an empty store: %q", got)
	}
	if err := s.Ensure(ctx, []store.Record{{Destination: "alpha", Account: "main", Secret: "file:///run/secrets/alpha"}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Load(ctx, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	r.Status = store.Status{State: store.StateHeld, Reason: store.ReasonValueInvalid, Detail: "the field bucket is empty", Since: time.Now()}
	if err := s.Save(ctx, &r, store.Entry{Kind: store.EntryAttempt, Outcome: "not_sent", Reason: store.ReasonValueInvalid}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveAccount(ctx, store.Account{Name: "main", Active: 49}); err != nil {
		t.Fatal(err)
	}
	text := show(t, h, "/").tags("main")[0].text()
	for _, want := range []string{"1 of 1 destination needs attention", "the field bucket is empty.", "rotatord check alpha", "49 of 50"} {
		if !strings.Contains(text, want) {
			t.Errorf("it is not said %q:\n%s", want, text)
		}
	}
	if text := show(t, h, "/destinations/alpha").one(t, "id", "history").text(); !strings.Contains(text, "attemptnot sent") {
		t.Errorf("the history says %q", text)
	}
}
