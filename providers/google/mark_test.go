package google_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

func TestAnnotationsOfOthersSurviveARace(t *testing.T) {
	for _, name := range []string{secretName, regional} {
		s, p := both(t)
		id := s.Create(name, []byte("one"))
		s.Annotate(name, map[string]string{"team": "imagery"})
		s.Meddle(name, 1, map[string]string{"team": "imagery", "ticket": "42"})
		if err := p.Mark(t.Context(), credential.Secret(name), id); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"team": "imagery", "ticket": "42", defaultMark: id}
		if diff := cmp.Diff(want, s.Annotations(name)); diff != "" {
			t.Errorf("annotations of %s (-want +got):\n%s", name, diff)
		}
		if n := s.Count("UpdateSecret"); n != 2 {
			t.Errorf("%d updates, want 2", n)
		}
	}
}

func TestASecretThatIsChangedAllTheTimeIsLeftAlone(t *testing.T) {
	s, p := both(t)
	id := s.Create(secretName, []byte("one"))
	s.Meddle(secretName, 9, map[string]string{"team": "imagery"})
	e := reason(t, p.Mark(t.Context(), secretName, id))
	if e.Reason != providers.ReasonUnavailable || !strings.Contains(e.Error(), "etag") {
		t.Error(e)
	}
	if n := s.Count("UpdateSecret"); n != 2 {
		t.Errorf("%d updates, want 2", n)
	}
}

func TestEachPermissionThatAMarkNeedsIsNamed(t *testing.T) {
	for _, permission := range []string{"secretmanager.secrets.get", "secretmanager.secrets.update", "secretmanager.versions.get"} {
		s, p := both(t)
		id := s.Create(secretName, []byte("one"))
		s.Deny(secretName, permission)
		e := reason(t, p.Mark(t.Context(), secretName, id))
		if e.Reason != providers.ReasonDenied || !strings.Contains(e.Hint, permission) {
			t.Error(e)
		}
	}
	s, p := both(t)
	id := s.Create(secretName, []byte("one"))
	s.Deny(secretName, "secretmanager.versions.access", "secretmanager.versions.list")
	if err := p.Mark(t.Context(), secretName, id); err != nil {
		t.Errorf("a mark needs more than it should: %v", err)
	}
}

func TestAVersionThatIsDisabledMayStillBeInUse(t *testing.T) {
	s, p := both(t)
	id := s.Create(secretName, []byte("one"))
	s.Add(secretName, []byte("two"))
	s.Disable(secretName, id)
	if err := p.Mark(t.Context(), byNumber, id); err != nil {
		t.Fatal(err)
	}
	if got := s.Annotations(secretName)[defaultMark]; got != id {
		t.Errorf("the mark is %q, want %q", got, id)
	}
}

func TestAMarkOnAnotherSecretsAnswerIsNotMade(t *testing.T) {
	s, p := both(t)
	id := s.Create(secretName, []byte("one"))
	s.Rename(func(string) string { return "projects/123456789012/secrets/another" })
	if e := reason(t, p.Mark(t.Context(), secretName, id)); e.Reason != providers.ReasonUnavailable {
		t.Error(e)
	}
	if n := s.Count("UpdateSecret"); n != 0 {
		t.Errorf("%d updates", n)
	}
}

func TestAMarkMayHaveAnotherName(t *testing.T) {
	s := start(t, googletest.Options{})
	p := open(t, s, func(o *google.Options) { o.Mark = "planet.in-use" })
	id := s.Create(secretName, []byte("one"))
	if err := p.Mark(t.Context(), secretName, id); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"planet.in-use": id}, s.Annotations(secretName)); diff != "" {
		t.Error(diff)
	}
	for _, mark := range []string{"-a", "a-", "a b", "é", strings.Repeat("x", 64)} {
		if _, err := google.New(google.Options{Mark: mark}); err == nil || !strings.Contains(err.Error(), "Mark") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}
