package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// sources parses the Go files of a neighbour, without its tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// constants gives the values of the string constants of a neighbour's package
// that a filter takes by name and type.
func constants(t *testing.T, dir string, take func(name, typ string) bool) []string {
	t.Helper()
	files := sources(t, dir)
	known := named(files)
	var values []string
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			typ := ""
			if id, ok := spec.Type.(*ast.Ident); ok {
				typ = id.Name
			}
			for i, v := range spec.Values {
				if text, ok := value(v, known); ok && take(spec.Names[i].Name, typ) {
					values = append(values, text)
				}
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

// named gives the expressions that constants stand for, by the constant's name.
func named(files []*ast.File) map[string]ast.Expr {
	known := map[string]ast.Expr{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				return true
			}
			for _, s := range decl.Specs {
				if spec, ok := s.(*ast.ValueSpec); ok {
					for i, v := range spec.Values {
						known[spec.Names[i].Name] = v
					}
				}
			}
			return false
		})
	}
	return known
}

// value works out a string: a literal, another constant's, or a sum of such.
func value(e ast.Expr, known map[string]ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		if known[e.Name] == nil {
			return "", false
		}
		return value(known[e.Name], known)
	case *ast.BinaryExpr:
		left, ok := value(e.X, known)
		right, also := value(e.Y, known)
		return left + right, ok && also && e.Op == token.ADD
	}
	return literal(e)
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func sorted[S ~string](words []S) []string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	slices.Sort(all)
	return all
}

func union[S ~string](a, b []S) []string {
	both := slices.Concat(sorted(a), sorted(b))
	slices.Sort(both)
	return slices.Compact(both)
}

// A word that a neighbour adds and this package does not know would be shown
// as "other": these tests make whoever adds one add it here as well.
func TestTheClosedSetsAreThoseOfTheNeighbours(t *testing.T) {
	for _, c := range []struct {
		name, dir string
		take      func(name, typ string) bool
		want      []string
	}{
		{"leftover states", "probe", typed("LeftoverState"), sorted(leftoverStates()[:5])},
		{"standing states", "probe", typed("StandingState"), sorted(probe.StandingStates())},
		{"reasons of leftovers and standing", "probe", typed("Reason"), union(leftoverReasons(), probe.StandingReasons())},
		{"conditions", "store", typed("Condition"), sorted(store.Conditions())},
		{"causes", "planet", typed("Cause"), sorted(causes())},
		{"reasons of marks", "providers", typed("Reason"), sorted(markReasons())},
		{"kinds of announcements", "announce", typed("Kind"), sorted(announcementKinds())},
		{"events of announcements", "announce", typed("Event"), sorted(announcementEvents())},
		{"reasons of announcements", "announce", typed("Reason"), sorted(announcementReasons())},
		{"planet kinds", "planet", typed("Kind"), sorted(planetKinds())},
		{"planet routes", "planet", func(name, _ string) bool { return strings.HasPrefix(name, "route") }, sorted(planetRoutes())},
		{"store kinds", "store", typed("Kind"), sorted(storeKinds())},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(constants(t, c.dir, c.take), c.want); diff != "" {
				t.Errorf("(-%s +metrics):\n%s", c.dir, diff)
			}
		})
	}
}

// outcomesOf finds the outcomes that the engine writes: the first argument of
// the functions that record an attempt, and the Outcome of an attempt's entry.
func outcomesOf(f *ast.File) (found []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if ok && len(n.Args) > 0 && slices.Contains([]string{"tried", "failed", "giveUp"}, sel.Sel.Name) {
				if text, ok := literal(n.Args[0]); ok {
					found = append(found, text)
				}
			}
		case *ast.CompositeLit:
			attempt, outcome := false, ""
			for _, e := range n.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, _ := kv.Key.(*ast.Ident)
				if sel, ok := kv.Value.(*ast.SelectorExpr); ok && sel.Sel.Name == "EntryAttempt" {
					attempt = true
				}
				if key != nil && key.Name == "Outcome" {
					outcome, _ = literal(kv.Value)
				}
			}
			if attempt && outcome != "" {
				found = append(found, outcome)
			}
		}
		return true
	})
	return found
}

func TestEveryOutcomeThatTheEngineWritesIsKnown(t *testing.T) {
	found := map[string]bool{}
	for _, f := range sources(t, "rotation") {
		for _, word := range outcomesOf(f) {
			found[word] = true
			if !slices.Contains(outcomes(), word) {
				t.Errorf("rotation writes the outcome %q, which metrics shows as %q", word, other)
			}
		}
	}
	for _, word := range outcomes() {
		if !found[word] {
			t.Errorf("the outcome %q is known here and not written by rotation", word)
		}
	}
}
