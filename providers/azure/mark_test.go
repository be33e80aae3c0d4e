package azure_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

const planet = prefix + "planet"

func TestAMarkLeavesAllOfAVersionAsItIs(t *testing.T) {
	s, p := both(t)
	ahead := time.Now().Add(time.Hour).Truncate(time.Second)
	id := s.Set(vault, "planet", "one", azuretest.Attributes{Disabled: true, NotBefore: ahead, Expire: ahead.Add(time.Hour)})
	s.Tag(vault, "planet", id, "text/plain", map[string]string{"team": "imagery"})
	before := s.Describe(vault, "planet", id)
	if err := p.Mark(t.Context(), planet, id); err != nil { // disabled: Planet may use it all the same
		t.Fatal(err)
	}
	now := s.Describe(vault, "planet", id)
	if now.Tags[defaultMark] == "" {
		t.Fatal("there is no mark")
	}
	delete(now.Tags, defaultMark)
	if diff := cmp.Diff(before, now); diff != "" {
		t.Error(diff)
	}
	if err := p.Mark(t.Context(), planet, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.Describe(vault, "planet", id)); diff != "" {
		t.Error(diff)
	}
}

func TestTheLastTagOfAVersionCanBeTakenAway(t *testing.T) {
	s, p := both(t)
	id := s.Set(vault, "planet", "one", azuretest.Attributes{})
	for _, version := range []string{id, ""} {
		if err := p.Mark(t.Context(), planet, version); err != nil {
			t.Fatal(err)
		}
	}
	if tags := s.Describe(vault, "planet", id).Tags; len(tags) != 0 {
		t.Errorf("tags %v are left", tags)
	}
}

// TestTwoMarksAreMadeOne: whoever died between setting the new mark and taking
// the old one away has left both.
func TestTwoMarksAreMadeOne(t *testing.T) {
	s, p := both(t)
	var ids []string
	for i := range 4 {
		ids = append(ids, s.Set(vault, "planet", fmt.Sprint(i), azuretest.Attributes{}))
		s.Tag(vault, "planet", ids[i], "", map[string]string{defaultMark: "true"})
	}
	if err := p.Mark(t.Context(), planet, ids[2]); err != nil {
		t.Fatal(err)
	}
	marked := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return s.Describe(vault, "planet", id).Tags[defaultMark] == "" })
	if diff := cmp.Diff(ids[2:3], marked); diff != "" {
		t.Error(diff)
	}
	if n := s.Count("update"); n != 3 {
		t.Errorf("%d updates, want 3", n)
	}
}

// TestTheOldMarkGoesLast: at no time is no version marked.
func TestTheOldMarkGoesLast(t *testing.T) {
	s, p := both(t)
	old := s.Set(vault, "planet", "one", azuretest.Attributes{})
	id := s.Set(vault, "planet", "two", azuretest.Attributes{})
	for _, version := range []string{old, id} {
		if err := p.Mark(t.Context(), planet, version); err != nil {
			t.Fatal(err)
		}
	}
	var updated []string
	for _, r := range s.Requests() {
		if r.Action == "update" && r.Status == 200 {
			updated = append(updated, r.Version)
		}
	}
	if diff := cmp.Diff([]string{old, id, old}, updated); diff != "" {
		t.Error(diff)
	}
}

func TestAMarkOnAnOlderVersionOfTheSameSecondMakesItNoNewer(t *testing.T) {
	s, p := both(t)
	at := time.Now().Add(-time.Hour)
	old := s.SetAt(vault, "planet", "one", azuretest.Attributes{}, at)
	id := s.SetAt(vault, "planet", "two", azuretest.Attributes{}, at)
	if v := current(t, p, planet); v.ID != id {
		t.Fatalf("current is %s, want %s", v.ID, id)
	}
	if err := p.Mark(t.Context(), planet, old); err != nil { // an hour later, by its date of update
		t.Fatal(err)
	}
	for _, p := range []*azure.Provider{p, open(t, s)} {
		if v := current(t, p, planet); v.ID != id {
			t.Errorf("current is %s, want %s", v.ID, id)
		}
	}
}

func TestAMarkThatIsDeniedAsksForTheRightPermission(t *testing.T) {
	for _, c := range []struct {
		by    azuretest.Denial
		words string
	}{
		{azuretest.ByRole, "role of your own with the data action Microsoft.KeyVault/vaults/secrets/update/action"},
		{azuretest.ByPolicy, "secret permission Set"},
		{azuretest.ByAccessPolicy, "secret permission Set"},
	} {
		s, p := both(t)
		id := s.Set(vault, "planet", "one", azuretest.Attributes{})
		s.Deny(vault, "planet", c.by, "update")
		fails(t, p.Mark(t.Context(), planet, id), providers.ReasonDenied, c.words)
		s.Allow(vault, "planet")
		s.Deny(vault, "planet", c.by, "get") // a mark reads no value
		if err := p.Mark(t.Context(), planet, id); err != nil {
			t.Error(err)
		}
	}
}

func TestAVersionTakesNoMoreTagsThanItMay(t *testing.T) {
	s, p := both(t)
	id := s.Set(vault, "planet", "one", azuretest.Attributes{})
	full := map[string]string{}
	for i := range 15 {
		full[fmt.Sprint("tag", i)] = "x"
	}
	s.Tag(vault, "planet", id, "", full)
	fails(t, p.Mark(t.Context(), planet, id), providers.ReasonInvalid, "15 tags")
}

func TestAMarkMayHaveAnotherName(t *testing.T) {
	s := start(t, azuretest.Options{})
	p := open(t, s, func(o *azure.Options) { o.Mark = "in.use" })
	id := s.Set(vault, "planet", "one", azuretest.Attributes{})
	if err := p.Mark(t.Context(), planet, strings.ToUpper(id)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"in.use": "true"}, s.Describe(vault, "planet", id).Tags); diff != "" {
		t.Error(diff)
	}
	for _, mark := range []string{"-a", "a b", "a/b", "é", strings.Repeat("x", 257)} {
		if _, err := azure.New(azure.Options{Mark: mark}); err == nil || !strings.Contains(err.Error(), "Mark") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}
