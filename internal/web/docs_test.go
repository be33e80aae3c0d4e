package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the examples of docs/api.md anew")

const apiFile = "../../docs/api.md"

// exampleOf are a command of the document and what it is answered.
var exampleOf = regexp.MustCompile("(?s)```sh\ncurl ([^\n]*)'http://127.0.0.1:9464([^']*)'\n```\n\n```(json|text)\n(.*?)```\n")

func TestExamplesOfTheDocumentAreWhatIsAnswered(t *testing.T) {
	text, err := os.ReadFile(apiFile)
	must(t, err)
	h := newHouse(t)
	shown := map[string]bool{}
	got := exampleOf.ReplaceAllStringFunc(string(text), func(block string) string {
		m := exampleOf.FindStringSubmatch(block)
		flags, target, kind, said := m[1], m[2], m[3], m[4]
		path, _, _ := strings.Cut(target, "?")
		shown[path] = true
		var answer string
		switch {
		case kind == "text":
			l, _ := listen(t, serve(t, NewServer(h.handler, nil)), path, "Last-Event-ID", "0")
			answer = l.next() + "\n"
		case strings.HasPrefix(path, "/actions/"):
			form := regexp.MustCompile(`-d '([^']*)'`).FindStringSubmatch(flags)
			values, err := url.ParseQuery(form[1])
			must(t, err)
			answer = indented(t, h.post(path, values, bearer(goodToken)...).Body.Bytes())
		default:
			w := h.get(target)
			if w.Code != http.StatusOK {
				t.Fatalf("%s: status %d: %s", target, w.Code, w.Body)
			}
			answer = indented(t, w.Body.Bytes())
		}
		return strings.TrimSuffix(block, said+"```\n") + answer + "```\n"
	})
	if *update {
		must(t, os.WriteFile(apiFile, []byte(got), 0o600))
		return
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("go test ./internal/web -update writes it anew (-document +answers):\n%s", diff)
	}
	for path := range h.api.reading(fromAdmin) {
		if !shown["/api"+path] {
			t.Errorf("%s has no example", path)
		}
	}
	for path := range NewActions(ActionsOptions{}).routes() {
		if !strings.Contains(got, "`POST "+path+"`") {
			t.Errorf("%s is not explained", path)
		}
	}
}

var (
	thisMoment  = regexp.MustCompile(`"at": "20[^"]*"(,\s+"destination": "[^"]*",\s+"kind": "person")`)
	thisMachine = regexp.MustCompile(`"(commit|modified)": [^\n]*\n\s*`)
)

// indented renders an answer for a reader, without what differs each time.
func indented(t *testing.T, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	must(t, json.Indent(&b, bytes.TrimSpace(body), "", "  "))
	text := thisMoment.ReplaceAllString(b.String(), `"at": "2026-05-06T14:00:00Z"$1`)
	text = thisMachine.ReplaceAllString(text, "")
	v := versionOf("")
	text = strings.Replace(text, `"go": "`+v.Go+`"`, `"go": "go1.26.8"`, 1)
	return strings.Replace(text, `"platform": "`+v.Platform+`"`, `"platform": "linux/amd64"`, 1) + "\n"
}
