package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A rule without a bad file is a message that nobody has read. So the code is
// searched for everything that it may tell, and each must stand in a golden
// file below testdata, under its key, with line and column and with its hint.
func TestEveryMessageOfTheCodeStandsInAGoldenFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources[f] = string(data)
	}
	messages := messagesOf(t, sources)
	if len(messages) < 70 {
		t.Errorf("only %d messages found: has the code changed its ways of telling?", len(messages))
	}
	golden := goldenText(t)
	for _, m := range messages {
		if !m.pattern.MatchString(golden) {
			t.Errorf("%s: no golden file has a line like\n    %s", m.at, m.pattern)
		}
	}
}

func TestAMessageThatNoGoldenFileHasIsFound(t *testing.T) {
	const code = `package config
const soft = "be nice"
func (c *checker) politeness(table string, err error) {
	c.bad(table, "name", "is missing", "say " + soft)
	c.bad(table, "name", "is rude", soft)
	c.warn(c.at(table, "x"), table+".x", "is rude " + table + " today", "")
	if err := quiet(); err != nil { c.bad(table, "name", err.Error(), "hush") }
}
var words = []struct{ contains, message, hint string }{{"x", "a word", "its hint"}}
var errQuiet = errors.New("too quiet")
`
	const golden = "f.toml:1:2: a.name: is missing (say be nice)\nf.toml: a.name: is rude (be nice)\nf.toml:1:2: a.y: is rude a today\nf.toml:3:4: a.name: too quiet (hush)\n"
	var missing []string
	for _, m := range messagesOf(t, map[string]string{"code.go": code}) {
		if !m.pattern.MatchString(golden) {
			missing = append(missing, m.at)
		}
	}
	slices.Sort(missing)
	// Without a position, under another key, not there at all.
	if want := []string{"code.go:5", "code.go:6", "code.go:9"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
}

// nowhere are the messages about what stands on no line: about a whole file or
// the environment.
var nowhere = []string{
	"there is none, so there is nothing to do",
	"there is no API key: ",
	"is not set, and there is no $HOME to put it into",
	"is empty", // has a position as well, where it is about a key
	"is larger than a configuration can be",
	"is a folder and not a file",
	"holds too many files",
	"holds more than a configuration can be",
	"is a device or a pipe and not a file",
}

// dynamic are the expressions that may stand in place of a message: what they
// can be is found elsewhere (errors.New, cleanURL, syntaxWords, all of which
// are searched too) or is the system's (err.Error() of unreadable).
var dynamic = []string{"err.Error()", "problem", "w.message"}

// notShown are errors that are made and never shown to whoever writes a file.
var notShown = []string{"errDuration"}

type message struct {
	at      string
	pattern *regexp.Regexp
}

type messageFinder struct {
	t        *testing.T
	fset     *token.FileSet
	consts   map[string]ast.Expr // of the package
	local    map[string]ast.Expr // of the function
	params   map[string]bool     // of the function: what its callers say
	function string
	found    []message
}

func messagesOf(t *testing.T, sources map[string]string) []message {
	t.Helper()
	f := &messageFinder{t: t, fset: token.NewFileSet(), consts: map[string]ast.Expr{}}
	var files []*ast.File
	for name, code := range sources {
		file, err := parser.ParseFile(f.fset, name, code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				constsOf(g, f.consts)
			}
		}
	}
	for _, file := range files {
		for _, d := range file.Decls {
			f.declaration(d)
		}
	}
	return f.found
}

func constsOf(g *ast.GenDecl, into map[string]ast.Expr) {
	for _, spec := range g.Specs {
		if v, ok := spec.(*ast.ValueSpec); ok && g.Tok == token.CONST {
			for i := range v.Values {
				into[v.Names[i].Name] = v.Values[i]
			}
		}
	}
}

func (f *messageFinder) declaration(d ast.Decl) {
	f.local, f.params, f.function = map[string]ast.Expr{}, map[string]bool{}, ""
	if fn, ok := d.(*ast.FuncDecl); ok {
		f.function = fn.Name.Name
		for _, p := range fn.Type.Params.List {
			for _, name := range p.Names {
				f.params[name.Name] = true
			}
		}
	}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if f.function != "" {
				constsOf(n, f.local)
			}
		case *ast.CallExpr:
			f.call(n)
		case *ast.CompositeLit:
			f.literal(n)
		case *ast.ReturnStmt:
			if f.function == "cleanURL" && len(n.Results) == 2 {
				if word, ok := f.constant(n.Results[1]); ok && word != "" {
					f.add(n.Pos(), ".*", n.Results[1], nil)
				}
			}
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if call, ok := v.(*ast.CallExpr); ok && types.ExprString(call.Fun) == "errors.New" && !slices.Contains(notShown, n.Names[i].Name) {
					f.add(v.Pos(), ".*", call.Args[0], nil)
				}
			}
			return true
		}
		return true
	})
}

// call looks at the functions that take a message. The numbers are those of
// their arguments: key, message, hint.
func (f *messageFinder) call(c *ast.CallExpr) {
	name := types.ExprString(c.Fun)
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "bad", "add", "warn":
		if len(c.Args) == 4 {
			f.add(c.Pos(), f.key(c.Args[1]), c.Args[2], c.Args[3])
		}
	case "refuse":
		f.add(c.Pos(), f.key(c.Args[1]), c.Args[2], &ast.BinaryExpr{X: &ast.BasicLit{Kind: token.STRING, Value: `"write "`}, Op: token.ADD, Y: c.Args[3]})
	case "expect":
		f.add(c.Pos(), f.key(c.Args[2]), &ast.BasicLit{Kind: token.STRING, Value: `", which does not fit"`},
			&ast.BinaryExpr{X: &ast.BasicLit{Kind: token.STRING, Value: `"write "`}, Op: token.ADD, Y: c.Args[3]})
	case "New":
		if f.function != "" && name == "errors.New" {
			f.add(c.Pos(), ".*", c.Args[0], nil)
		}
	}
}

// literal looks at Problem{…} and at the table of syntaxWords.
func (f *messageFinder) literal(l *ast.CompositeLit) {
	fields := map[string]ast.Expr{}
	var plain []ast.Expr
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			fields[types.ExprString(kv.Key)] = kv.Value
		} else if _, ok := f.constant(e); ok {
			plain = append(plain, e)
		}
	}
	if m := fields["Message"]; m != nil {
		key := ".*"
		if k := fields["Key"]; k != nil {
			key = f.key(k)
		}
		f.add(l.Pos(), key, m, fields["Hint"])
	}
	if l.Type == nil && len(plain) == 3 && len(l.Elts) == 3 {
		f.add(l.Pos(), ".*", plain[1], plain[2])
	}
}

func (f *messageFinder) add(at token.Pos, key string, text, hint ast.Expr) {
	position := f.fset.Position(at)
	where := position.Filename + ":" + strconv.Itoa(position.Line)
	pattern := f.pattern(text)
	if pattern == ".+" {
		if id, ok := text.(*ast.Ident); ok && f.params[id.Name] {
			return // its callers are looked at
		}
		if !slices.Contains(dynamic, types.ExprString(text)) {
			f.t.Errorf("%s: nobody knows what %s can say: write the message where it is told", where, types.ExprString(text))
		}
		pattern = ".*"
	}
	place := `^[^ :]+:\d+:\d+: `
	if pattern == ".*" || slices.ContainsFunc(nowhere, func(n string) bool { return strings.HasPrefix(pattern, regexp.QuoteMeta(n)) }) {
		place = `^.*`
	}
	end := `(?: \(.*\))?$`
	if hint != nil {
		if h := f.pattern(hint); !strings.Contains(h, "\n") && h != "" {
			end = ` \(` + h + `\)$`
		}
	}
	f.found = append(f.found, message{where, regexp.MustCompile(`(?m)` + place + key + `.*` + pattern + end)})
}

// key is the pattern of the end of a key, as far as the code writes it out.
func (f *messageFinder) key(e ast.Expr) string {
	if b, ok := e.(*ast.BinaryExpr); ok {
		return f.key(b.Y)
	}
	if word, ok := f.constant(e); ok && regexp.MustCompile(`^[a-z_.]+$`).MatchString(word) {
		return `(?:.*[. ])?` + regexp.QuoteMeta(strings.TrimPrefix(word, ".")) + `: `
	}
	return ".*"
}

// pattern turns an expression into a regular expression for what it can be.
func (f *messageFinder) pattern(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		word, err := strconv.Unquote(e.Value)
		if err != nil {
			f.t.Fatal(err)
		}
		return regexp.QuoteMeta(word)
	case *ast.BinaryExpr:
		return f.pattern(e.X) + f.pattern(e.Y)
	case *ast.ParenExpr:
		return f.pattern(e.X)
	case *ast.Ident:
		if c := f.local[e.Name]; c != nil {
			return f.pattern(c)
		}
		if c := f.consts[e.Name]; c != nil {
			return f.pattern(c)
		}
	}
	return ".+"
}

// constant is the value of an expression that is known from the code alone.
func (f *messageFinder) constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		word, err := strconv.Unquote(e.Value)
		return word, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		if c := f.local[e.Name]; c != nil {
			return f.constant(c)
		}
		if c := f.consts[e.Name]; c != nil {
			return f.constant(c)
		}
	}
	return "", false
}

func goldenText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("testdata", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".txt") {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s\n", data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
