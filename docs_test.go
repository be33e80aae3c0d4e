package rotatord_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// What documents say of the house is held here: links, paths, make targets,
// tests, metrics, dependencies. Commands and settings are held where they are
// made: in cmd/rotatord and config.

// walk gives the content of every file of the repository whose name matches.
func walk(t *testing.T, pattern string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if ok, err := path.Match(pattern, d.Name()); !ok {
			return err
		}
		text, err := os.ReadFile(name)
		all[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files %s: %v", len(all), pattern, err)
	}
	return all
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	spans   = regexp.MustCompile("`([^`\n]+)`")
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *#*$`)
	anchor  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)|(?:src|href|srcset)="([^"]+)"|(?m:^\[[^\]]+\]: +(\S+))`)
)

// prose is a document without its blocks of code.
func prose(text string) string { return fenced.ReplaceAllString(text, "") }

// slug is the anchor that GitHub gives to a heading: links count by their
// text, letters are lowered, spaces become hyphens, and of the rest only
// letters, digits, hyphens and underscores stay.
func slug(heading string) string {
	heading = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// anchors counts the headings of each anchor of a document.
func anchors(text string) map[string]int {
	all := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(prose(text), -1) {
		all[slug(m[1])]++
	}
	for _, m := range anchor.FindAllStringSubmatch(text, -1) {
		all[m[1]]++
	}
	return all
}

// brokenLinks are the links of a document that lead to no file, or to no
// heading or several. Places outside the repository are not asked.
func brokenLinks(name, text string, read func(string) (string, bool)) []string {
	var broken []string
	text = prose(text)
	// A link in backticks is an example of one; its brackets may hold code.
	for _, m := range link.FindAllStringSubmatch(regexp.MustCompile("`[^`\n]*\\]\\([^`\n]*`").ReplaceAllString(text, ""), -1) {
		target := m[1] + m[2] + m[3]
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		file, fragment, _ := strings.Cut(target, "#")
		to := name
		if file != "" {
			to = path.Join(path.Dir(name), file)
		}
		content, ok := read(to)
		switch {
		case !ok:
			broken = append(broken, name+": there is no "+target)
		case fragment == "" || path.Ext(to) != ".md":
		case anchors(content)[fragment] == 0:
			broken = append(broken, name+": no heading is #"+fragment+" of "+to)
		case anchors(content)[fragment] > 1:
			broken = append(broken, name+": several headings are #"+fragment+" of "+to)
		}
	}
	return broken
}

func TestLinksOfAllDocumentsLeadSomewhere(t *testing.T) {
	for name, text := range walk(t, "*.md") {
		for _, problem := range brokenLinks(name, text, func(file string) (string, bool) {
			info, err := os.Stat(file)
			if err != nil || info.IsDir() {
				return "", err == nil
			}
			content, err := os.ReadFile(file)
			return string(content), err == nil
		}) {
			t.Error(problem)
		}
	}
}

func TestLinksThatLeadNowhereAreFound(t *testing.T) {
	files := map[string]string{
		"docs/a.md": "# One `word`_x, and [more](b.md)\n## Twice\n## Twice\n<a id=\"own\"></a>\n```sh\n# no heading\n```\n",
		"docs/b.md": "[fine](a.md#one-word_x-and-more) [own](a.md#own) [out](https://example.com/x#y) [here](#missing)\n" +
			"[several](a.md#twice) [code](a.md#no-heading)\n![picture](images/x.svg)\n[ref]: ../gone.md\n<img src=\"y.png\">\n" +
			"`[example](nowhere.md)`\n[`[[code]]`](a.md#gone)\n```sh\n[code](nothing.md)\n```\n",
	}
	got := brokenLinks("docs/b.md", files["docs/b.md"], func(name string) (string, bool) { text, ok := files[name]; return text, ok })
	want := []string{
		"docs/b.md: no heading is #missing of docs/b.md", "docs/b.md: several headings are #twice of docs/a.md",
		"docs/b.md: no heading is #no-heading of docs/a.md", "docs/b.md: there is no images/x.svg", "docs/b.md: there is no ../gone.md",
		"docs/b.md: there is no y.png", "docs/b.md: no heading is #gone of docs/a.md",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every document can be reached by links from README.md or from the index of
// docs.
func TestEveryDocumentIsFoundFromTheIndex(t *testing.T) {
	all := walk(t, "*.md")
	reached, next := map[string]bool{}, []string{"README.md", "docs/README.md"}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if reached[name] {
			continue
		}
		reached[name] = true
		for _, m := range link.FindAllStringSubmatch(prose(all[name]), -1) {
			file, _, _ := strings.Cut(m[1]+m[3], "#")
			if to := path.Join(path.Dir(name), file); file != "" && all[to] != "" {
				next = append(next, to)
			}
		}
	}
	for name := range all {
		if !reached[name] {
			t.Errorf("no way leads to %s: docs/README.md lists what there is", name)
		}
	}
}

// makeTargets are the targets that the Makefile lists in its help.
func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = true
	}
	return all
}

func TestMakeTargetsThatDocumentsNameExist(t *testing.T) {
	targets, seen := makeTargets(t), 0
	for name, text := range walk(t, "*.md") {
		var found [][]string
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			if m[1] == "sh" || m[1] == "console" {
				found = append(found, regexp.MustCompile(`(?m)(?:^|[;&|] ?|\$ )make ([a-z-]+)`).FindAllStringSubmatch(m[2], -1)...)
			}
		}
		found = append(found, regexp.MustCompile("`make ([a-z-]+)").FindAllStringSubmatch(prose(text), -1)...)
		for _, m := range found {
			seen++
			if !targets[m[1]] {
				t.Errorf("%s: make has no target %s", name, m[1])
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d mentions were found", seen)
	}
}

// noPaths begin like a folder of ours and are something else.
var noPaths = regexp.MustCompile(`^planet/s3|^metrics/v|[…$ ]`)

// isPath tells whether code in a sentence is meant as a path of this
// repository: a file of Go, or something below one of our folders.
func isPath(code string, roots map[string]bool) bool {
	if noPaths.MatchString(code) || strings.HasPrefix(code, "/") {
		return false
	}
	first, _, deep := strings.Cut(code, "/")
	return deep && roots[first] || strings.HasSuffix(code, ".go") && !strings.Contains(code, "//")
}

func TestPathsThatDocumentsNameExist(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	roots, seen := map[string]bool{}, 0
	for _, e := range entries {
		roots[e.Name()] = e.IsDir() && !strings.HasPrefix(e.Name(), ".")
	}
	goFiles := map[string]bool{}
	for name := range walk(t, "*.go") {
		goFiles[path.Base(name)] = true
	}
	for name, text := range walk(t, "*.md") {
		for _, m := range spans.FindAllStringSubmatch(prose(text), -1) {
			code, _, _ := strings.Cut(m[1], "#")
			if !isPath(code, roots) {
				continue
			}
			seen++
			if goFiles[code] { // the sentence has named the folder
				continue
			}
			pattern := regexp.MustCompile(`<[a-z]+>`).ReplaceAllString(strings.TrimSuffix(code, "/"), "*")
			if found, err := filepath.Glob(pattern); err != nil || len(found) == 0 {
				// Or it is meant from the folder of the document.
				if found, _ := filepath.Glob(path.Join(path.Dir(name), pattern)); len(found) == 0 {
					t.Errorf("%s: there is no %s", name, m[1])
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d paths were found", seen)
	}
}

// Tests are named in documents, in the Makefile and in scripts as what holds a
// promise, or by a pattern of go test -run.
func TestTestsThatDocumentsNameExist(t *testing.T) {
	funcs := map[string]bool{}
	for _, text := range walk(t, "*_test.go") {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w+)\(`).FindAllStringSubmatch(text, -1) {
			funcs[m[1]] = true
		}
	}
	// Suites are functions that tests call.
	for _, text := range walk(t, "*.go") {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T, `).FindAllStringSubmatch(text, -1) {
			funcs[m[1]] = true
		}
	}
	files, seen := walk(t, "*.md"), 0
	maps.Copy(files, walk(t, "Makefile"))
	for _, script := range []string{"scripts/test", "scripts/fuzz"} {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		files[script] = string(text)
	}
	for name, text := range files {
		for _, m := range regexp.MustCompile(`\b((?:Test|Benchmark|Fuzz)[A-Z]\w+)(\.\*|…)?`).FindAllStringSubmatch(text, -1) {
			seen++
			// What -run is given may be a beginning.
			beginning := m[2] != "" || regexp.MustCompile(`-(run|bench|fuzz)[ =]'?\^?`+m[1]+`\b`).MatchString(text)
			if !funcs[m[1]] && (!beginning || !slices.ContainsFunc(slices.Collect(maps.Keys(funcs)), func(f string) bool { return strings.HasPrefix(f, m[1]) })) {
				t.Errorf("%s: there is no %s", name, m[1])
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d tests were found", seen)
	}
}

// Documents, rules and dashboards name only metrics that docs/metrics.md lists,
// and the program is held to that list.
func TestMetricsThatDocumentsNameExist(t *testing.T) {
	list, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(rotatord_\\w+)` \\| (\\w+)").FindAllStringSubmatch(string(list), -1) {
		known[m[1]] = true
		if m[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[m[1]+suffix] = true
			}
		}
	}
	if len(known) < 50 {
		t.Fatalf("docs/metrics.md lists only %d metrics", len(known))
	}
	// What Terraform and roles of Google are called is no metric.
	terraform := strings.Join(slices.Collect(maps.Values(walk(t, "*.tf"))), "\n")
	files := walk(t, "*.md")
	for _, pattern := range []string{"*.json", "*.yaml", "*.yml"} {
		for name, text := range walk(t, pattern) {
			if strings.HasPrefix(name, "helm/") {
				files[name] = text
			}
		}
	}
	for name, text := range files {
		for _, word := range regexp.MustCompile(`\brotatord_[a-z0-9_]+\*?`).FindAllString(text, -1) {
			beginning, family := strings.CutSuffix(word, "*")
			switch {
			case known[word], strings.HasSuffix(word, "_"):
			case strings.Contains(terraform, `"`+word+`"`), strings.Contains(text, "roles/"+word):
			case family && slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(k string) bool { return strings.HasPrefix(k, beginning) }):
			default:
				t.Errorf("%s: docs/metrics.md has no %s", name, word)
			}
		}
	}
}

// Routes of the API that documents name are served.
func TestRoutesThatDocumentsNameExist(t *testing.T) {
	served, seen := map[string]bool{}, 0
	for name, text := range walk(t, "*.go") {
		if strings.HasPrefix(name, "internal/web/") && !strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`"(?:GET |POST )?(/v1/[a-z/]+)"`).FindAllStringSubmatch(text, -1) {
				served[m[1]] = true
			}
		}
	}
	for name, text := range walk(t, "*.md") {
		for _, m := range regexp.MustCompile("[` ](?:/api|http://127\\.0\\.0\\.1:9464/api)?(/v1/[a-z/]+)").FindAllStringSubmatch(text, -1) {
			seen++
			if !served[m[1]] {
				t.Errorf("%s: the API has no %s", name, m[1])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d routes were found", seen)
	}
}

// Texts are for any reader on any machine.
func TestDocumentsNameNothingOfTheMachineTheyWereWrittenOn(t *testing.T) {
	private := regexp.MustCompile(`/(work|root|home/\w+|tmp/notes|Users)/|\b(proxy\.golang\.org|sum\.golang\.org|registry\.npmjs\.org|deb\.debian\.org|pypi\.org)\b|\.cache/rotatord|\b(TODO|FIXME|XXX)\b`)
	for name, text := range walk(t, "*.md") {
		for _, word := range private.FindAllString(text, -1) {
			t.Errorf("%s: %s", name, word)
		}
	}
}

// modules are the direct dependencies of a go.mod.
func modules(t *testing.T, file string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect && r.Path != module {
			direct = append(direct, r.Path)
		}
	}
	return direct
}

// dependencies gives the modules that a chapter of docs/dependencies.md has a
// row for, as it writes them, with the rest of the row.
func dependencies(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string][]string{}
	for _, chapter := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(chapter, "\n")
		for _, m := range regexp.MustCompile("(?m)^\\| (`.*?) \\|(.*)\\|$").FindAllStringSubmatch(body, -1) {
			for _, name := range spans.FindAllStringSubmatch(m[1], -1) {
				if all[title] == nil {
					all[title] = map[string][]string{}
				}
				all[title][strings.TrimPrefix(name[1], "…/")] = strings.Split(m[2], "|")
			}
		}
	}
	return all
}

// reasonFor finds the row of a module: by its path, or the end of it.
func reasonFor(rows map[string][]string, module string) []string {
	for end := module; ; {
		if row := rows[end]; row != nil {
			return row
		}
		_, rest, more := strings.Cut(end, "/")
		if !more {
			return nil
		}
		end = rest
	}
}

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	chapters := dependencies(t)
	product := map[string][]string{}
	maps.Copy(product, chapters["In the program"])
	maps.Copy(product, chapters["In tests only"])
	nested := maps.Clone(product)
	maps.Copy(nested, chapters["In the nested module"])
	for file, rows := range map[string]map[string][]string{"go.mod": product, "integration/go.mod": nested} {
		for _, m := range modules(t, file) {
			row := reasonFor(rows, m)
			if row == nil {
				t.Errorf("docs/dependencies.md has no row for %s of %s", m, file)
			} else if len(row) < 3 || strings.TrimSpace(row[1]) == "" || len(strings.TrimSpace(row[2])) < 3 {
				t.Errorf("docs/dependencies.md: %s has no licence or no reason: %q", m, row)
			}
		}
	}
	npm, err := os.ReadFile("integration/node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var node struct{ Dependencies map[string]string }
	if err := json.Unmarshal(npm, &node); err != nil {
		t.Fatal(err)
	}
	for name := range node.Dependencies {
		if chapters["In the nested module"][name+" (npm)"] == nil && chapters["In the nested module"][name] == nil {
			t.Errorf("docs/dependencies.md has no row for %s of integration/node", name)
		}
	}
}

// What is said to be used in a room is imported there, and what is said to be
// for tests is in no package but those of tests.
func TestDependenciesAreWhereTheDocumentSays(t *testing.T) {
	chapters := dependencies(t)
	direct := modules(t, "go.mod")
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			var owner string
			for _, m := range direct {
				if (imp == m || strings.HasPrefix(imp, m+"/")) && len(m) > len(owner) {
					owner = m
				}
			}
			if owner == "" || strings.HasSuffix(p.room(), "test") {
				continue // a server or a suite of tests
			}
			row := reasonFor(chapters["In the program"], owner)
			if row == nil {
				t.Errorf("%s imports %s, which is not among those in the program", p.room(), owner)
				continue
			}
			var rooms []string
			for _, m := range spans.FindAllStringSubmatch(row[len(row)-1], -1) {
				rooms = append(rooms, m[1])
			}
			if !matches(rooms, p.room()) {
				t.Errorf("%s imports %s: docs/dependencies.md has it in %v", p.room(), owner, rooms)
			}
		}
	}
}

// The drawing of the house has every room.
func TestTheDrawingOfTheHouseHasEveryRoom(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	drawing := fenced.FindStringSubmatch(string(text))
	if drawing == nil || drawing[1] != "text" {
		t.Fatal("ARCHITECTURE.md does not begin with the drawing")
	}
	words := strings.FieldsFunc(drawing[2], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '/' && r != '_' })
	for _, p := range packages(t) {
		// Adapters stand beside their contract, those after the first by their last name.
		room := p.room()
		if strings.Count(room, "/") > 1 && strings.HasSuffix(room, "test") {
			continue // a server for the tests of one room
		}
		if !slices.Contains(words, room) && !slices.Contains(words, path.Base(room)) {
			t.Errorf("the drawing in ARCHITECTURE.md has no %s", room)
		}
	}
}
