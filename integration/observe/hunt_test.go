package observe

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// piece is how many characters of a secret, as it is or written in another way,
// are too many. Twelve of a key's forty do not come about by chance.
const piece = 12

// hunter looks for secrets in all that a program lets out.
type hunter struct {
	t *testing.T
	// prey is each piece of each writing of each secret, and what it is of.
	prey     map[string]string
	searched int // bytes
	places   int
	found    map[string]bool
}

func newHunter(t *testing.T) *hunter {
	return &hunter{t: t, prey: map[string]string{}, found: map[string]bool{}}
}

// knows adds a secret.
func (h *hunter) knows(what, secret string) string {
	h.t.Helper()
	if len(secret) < piece {
		h.t.Fatalf("%s is too short to be looked for", what)
	}
	for way, text := range writings(secret) {
		for i := 0; i+piece <= len(text); i++ {
			if h.prey[text[i:i+piece]] == "" {
				h.prey[text[i:i+piece]] = what + ", " + way
			}
		}
	}
	return secret
}

// writings are the ways in which programs write texts, by what they are called.
func writings(secret string) map[string]string {
	quoted, _ := json.Marshal(secret) //nolint:errchkjson // a text is always JSON
	twice, _ := json.Marshal(string(quoted))
	all := map[string]string{
		"as it is": secret, "hexadecimal": hex.EncodeToString([]byte(secret)), "HEXADECIMAL": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"in a URL's query": url.QueryEscape(secret), "in a URL's path": url.PathEscape(secret), "in HTML": html.EscapeString(secret),
		"in JSON": strings.Trim(string(quoted), `"`), "in JSON in JSON": strings.Trim(string(twice), `"\`), "quoted by Go": strings.Trim(strconv.Quote(secret), `"`),
		"a list of bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 for URLs": base64.RawURLEncoding} {
		for before := range 3 { // how far into three bytes the secret begins
			text := encoding.EncodeToString(append(make([]byte, before), secret...))
			first, last := (8*before+5)/6, (before+len(secret))*8/6 // characters of the secret alone
			all[fmt.Sprintf("%s after %d", name, before)] = text[first:last]
		}
	}
	return all
}

// search looks through something that got out.
func (h *hunter) search(where string, text []byte) {
	h.t.Helper()
	h.searched += len(text)
	h.places++
	for i := 0; i+piece <= len(text); i++ {
		what, ok := h.prey[string(text[i:i+piece])]
		if !ok || h.found[where+what] {
			continue
		}
		h.found[where+what] = true
		around := text[max(0, i-80):i]
		if cut := bytes.LastIndexByte(around, '\n'); cut >= 0 {
			around = around[cut+1:]
		}
		h.t.Errorf("%s holds %s, after %q", where, what, around)
	}
}

// searchFiles looks through all files below a folder but some.
func (h *hunter) searchFiles(folder string, but func(path string) bool) (files int) {
	h.t.Helper()
	must(h.t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || but(path) {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // below the test's own folder
		if err != nil {
			return err
		}
		files++
		h.search("the file "+strings.TrimPrefix(path, folder), text)
		h.search("the name of a file", []byte(path))
		return nil
	}))
	return files
}

func TestAHuntedSecretIsFoundHoweverItIsWritten(t *testing.T) {
	const secret = `canary/of+a "key" & <its> 100% sécret=`
	for way, text := range writings(secret) {
		for _, around := range []string{"%s", "x%sx", "key=%s&", `{"a":"%s"}`} {
			quiet := &hunter{t: &testing.T{}, prey: map[string]string{}, found: map[string]bool{}}
			quiet.knows("it", secret)
			quiet.search("here", fmt.Appendf(nil, around, text))
			if len(quiet.found) == 0 {
				t.Errorf("%s: not found in %q", way, fmt.Sprintf(around, text))
			}
		}
	}
	// What base64 makes of a whole text with the secret somewhere inside.
	for before := range 6 {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			quiet := &hunter{t: &testing.T{}, prey: map[string]string{}, found: map[string]bool{}}
			quiet.knows("it", secret)
			quiet.search("here", []byte(encoding.EncodeToString([]byte(strings.Repeat("x", before)+secret+"yz"))))
			if len(quiet.found) == 0 {
				t.Errorf("not found in base64 after %d bytes", before)
			}
		}
	}
	quiet := &hunter{t: &testing.T{}, prey: map[string]string{}, found: map[string]bool{}}
	quiet.knows("it", secret)
	quiet.search("here", []byte(strings.Repeat("the canary has a key & its secret = 100 % safe ", 100)))
	if len(quiet.found) > 0 {
		t.Errorf("found where it is not: %v", quiet.found)
	}
}
