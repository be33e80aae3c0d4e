package shape_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/shape"
)

func TestLengthsBoundTheWholeAndItsGroups(t *testing.T) {
	s := shape.Of(`^([a-z]+)/([0-9]+)$`, 12, 3, 0)
	for text, want := range map[string][]string{
		"abc/1":         {"abc/1", "abc", "1"},
		"abc/12345678":  {"abc/12345678", "abc", "12345678"},
		"abcd/1":        nil, // the first group is too long
		"abc/123456789": nil, // the whole is too long
		"abc":           nil,
		"":              nil,
	} {
		if diff := cmp.Diff(want, s.FindStringSubmatch(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if got := s.MatchString(text); got != (want != nil) {
			t.Errorf("%q matches: %v", text, got)
		}
	}
	unbounded := shape.Of(`^a+$`, 0)
	if !unbounded.MatchString(strings.Repeat("a", 1000)) || unbounded.MatchString("b") {
		t.Error("zero stands for any length")
	}
}

// TestAShapeCostsNothingUntilItIsUsed holds what the package is for.
func TestAShapeCostsNothingUntilItIsUsed(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	shapes := make([]*shape.Shape, 100)
	for i := range shapes {
		shapes[i] = shape.Of(`^[a-zA-Z0-9/_+=.@!-]+$`, 519)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(shapes)); each > 1024 {
		t.Errorf("%d bytes for each that nobody has used", each)
	}
	runtime.KeepAlive(shapes)
}
