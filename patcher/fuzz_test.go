package patcher

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
)

var fuzzNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// canary is what a leak is recognised by. It is put wherever the fuzzer writes
// CANARY.
const canary = "Zq7Wv9Kx3Jp5"

func FuzzMake(f *testing.F) {
	types := typeNames()
	for i := range types {
		for _, seed := range []string{
			`{"access_key":"AKIACANARY0000000000","secret_key":"CANARYCANARYCANARY/+="}`,
			`{"access_key":"CANARY","accessKey":"CANARY2","secret_key":["CANARY"]}`,
			`{"aws_access_key_id":"CANARY","aws_secret_access_key":"\ud83d\ude00CANARY\n"`,
			`{"id":"CANARY","key":CANARY}`, `{"a":"CANARY"`, `{"token":"?sv=1&sr=c&sp=rwdl&se=2027-01-01&sig=CANARY"}`,
			`?sv=1&sr=c&sp=rwdl&se=2027-01-01T00:00Z&sig=CANARY`, `sp=CANARY&se=CANARY&st=CANARY&sig=%CANARY`,
			`https://CANARY?sig=CANARY&CANARY=1&CANARY=2`, "\uFEFF \"CANARY\"", "CANARY", "{CANARY}", `[{"CANARY":"CANARY"}]`,
			`{"type":"service_account","client_email":"CANARY@x","private_key_id":"CANARY","private_key":"-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n","token_uri":"CANARY"}`,
			`{"credentials":{"type":"CANARY","client_email":"CANARY"}}`, `{"private_key":"CANARY","client_email":7}`,
			base64.StdEncoding.EncodeToString([]byte(`{"type":"service_account","client_email":"` + canary + `"}`)),
		} {
			f.Add(uint8(i), []byte(seed), "")
			f.Add(uint8(i), []byte(seed), "/credentials/type")
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, secret []byte, pointer string) {
		typ := types[int(which)%len(types)]
		if strings.Contains(pointer, "CANARY") || strings.Contains(pointer, canary) {
			return // pointers come from the config and are shown
		}
		secret = bytes.ReplaceAll(secret, []byte("CANARY"), []byte(canary))
		if canaryIsAName(secret) {
			return // so are names of keys that look like names
		}
		m := Mapping{}
		if pointer != "" {
			m[fieldNames(typ)[0]] = pointer
		}
		before := bytes.Clone(secret)
		p, err := Make(typ, credential.NewValue(secret), m, fuzzNow)
		if !bytes.Equal(before, secret) {
			t.Fatal("the value was changed")
		}
		if err != nil {
			checkError(t, err)
			return
		}
		checkParameters(t, typ, p)
	})
}

// canaryIsAName tells whether a JSON object has a key that holds the canary.
func canaryIsAName(secret []byte) bool {
	var walk func(n node) bool
	walk = func(n node) bool {
		for _, m := range n.members {
			if bytes.Contains(m.name, []byte(canary)) || walk(m.value) {
				return true
			}
		}
		for _, n := range n.items {
			if walk(n) {
				return true
			}
		}
		return false
	}
	text, _ := trim(secret)
	doc, err := parseJSON(text, &scratch{})
	return err == nil && walk(doc.root)
}

func checkError(t *testing.T, err error) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for i := 0; i+6 <= len(canary); i++ {
		if strings.Contains(text, canary[i:i+6]) {
			t.Fatalf("the error holds the canary: %s", text)
		}
	}
	if !utf8.ValidString(text) {
		t.Fatalf("the error is no text: %q", text)
	}
	var list Errors
	if !errors.As(err, &list) {
		var one *Error
		if !errors.As(err, &one) {
			t.Fatalf("%T is no error of this package", err)
		}
		list = Errors{one}
	}
	for _, e := range list {
		if e.Type == "" || e.Reason == "" {
			t.Fatalf("an error without type or reason: %v", err)
		}
	}
}

func checkParameters(t *testing.T, typ string, p credential.Parameters) {
	t.Helper()
	names := fieldNames(typ)
	if len(p.Names()) != len(names) {
		t.Fatalf("%s got fields %v", typ, p.Names())
	}
	for _, name := range names {
		b := p.Get(name).Bytes()
		if len(b) == 0 || !utf8.Valid(b) || !only(b, isText) || isSpace(b[0]) || isSpace(b[len(b)-1]) {
			t.Fatalf("%s: %s is empty, no text, or has white space around it", typ, name)
		}
	}
	body := p.Object()
	var decoded map[string]string
	if err := json.Unmarshal(body.Bytes(), &decoded); err != nil {
		t.Fatal("the parameters make no JSON object")
	}
	if typ == typeGoogle {
		file, err := base64.StdEncoding.Strict().DecodeString(decoded["credentials"])
		if err != nil || !json.Valid(file) {
			t.Fatal("credentials are no base64 of JSON")
		}
	}
	if typ == typeAzure {
		again, err := Make(typ, credential.NewValue([]byte(decoded["sas_token"])), nil, fuzzNow)
		if err != nil || !bytes.Equal(again.Get("sas_token").Bytes(), p.Get("sas_token").Bytes()) {
			t.Fatalf("a token that was made is not taken for itself: %v", err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `""`, `0`, `-0.5e+10`, `true`, `null`, ` {"a" : [1, {"b":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}] } `, `{"a":1,"a":2}`,
		`"\ud800"`, `"\ud800\u0041"`, `01`, `1.`, `.5`, `1e`, `-`, `[1,]`, `{"a"}`, `{"a":}`, `{,}`, `nul`, `"\x"`, `"\u12"`, "\"\x01\"", `"a`, `[[[`, "\"\x7f\u2028\"", `{"":{"":""}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if !utf8.Valid(src) {
			return // Make asks first
		}
		var keep scratch
		doc, err := parseJSON(src, &keep)
		if err != nil {
			if json.Valid(src) && err.reason == ReasonNotJSON && err.what != "nested too deeply" {
				t.Fatalf("%q is JSON: %v", src, err)
			}
			if err.at < 0 || err.at > len(src) {
				t.Fatalf("%q is wrong at byte %d?", src, err.at)
			}
			return
		}
		if !json.Valid(src) {
			t.Fatalf("%q is no JSON", src)
		}
		var want any
		decoder := json.NewDecoder(bytes.NewReader(src))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		same(t, doc, doc.root, want)
		keep.clear()
	})
}

func same(t *testing.T, doc *document, n node, want any) {
	t.Helper()
	ok := false
	switch want := want.(type) {
	case string:
		ok = n.kind == kindString && string(doc.text(n)) == want
	case json.Number:
		ok = n.kind == kindNumber && string(doc.raw(n)) == string(want)
	case bool:
		ok = n.kind == kindBool && string(doc.raw(n)) == fmt.Sprint(want)
	case nil:
		ok = n.kind == kindNull
	case []any:
		if ok = n.kind == kindArray && len(n.items) == len(want); ok {
			for i := range want {
				same(t, doc, n.items[i], want[i])
			}
		}
	case map[string]any:
		if ok = n.kind == kindObject && len(n.members) == len(want); ok {
			for key, value := range want {
				got, found := n.member(key)
				if !found {
					t.Fatalf("the key %q was lost", key)
				}
				same(t, doc, got, value)
			}
		}
	}
	if !ok {
		t.Fatalf("%q was read as %v, want %#v", doc.raw(n), n.kind, want)
	}
}

func FuzzSAS(f *testing.F) {
	for _, seed := range []string{
		"", "?", "??", "a", "=", "&", "a=b&a=c", "sv=1&sr=c&sp=rwdl&se=2027-01-01&sig=abc%3D", "se=2027-01-01T00:00Z&ske=2026-12-31T00%3A00%3A00Z",
		"%", "x=%", "x=%2", "x=%zz", "x=%00", "amp;x=1", "https://h/p?sig=a#b", "HTTPS://?", "x=SharedAccessSignature=",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var keep scratch
		defer keep.clear()
		before := bytes.Clone(src)
		bare, why := bareSAS(src)
		if why != "" {
			return
		}
		if !bytes.HasSuffix(src, bare) {
			t.Fatal("the token isn't the end of what it was taken from")
		}
		params, why := parseSAS(bare, &keep)
		if !bytes.Equal(src, before) {
			t.Fatal("the token was changed")
		}
		if why != "" {
			return
		}
		// What was split, joined again without decoding, is what it was.
		var parts [][]byte
		for part := range bytes.SplitSeq(bare, []byte("&")) {
			if len(part) > 0 {
				parts = append(parts, part)
			}
		}
		if len(parts) != len(params) {
			t.Fatalf("%d parts gave %d parameters", len(parts), len(params))
		}
		for i, p := range params {
			if !bytes.HasPrefix(parts[i], p.name) || len(p.value) > len(parts[i]) {
				t.Fatalf("parameter %d isn't part %d", i, i)
			}
		}
		if end, ok := params.end(); ok {
			for _, name := range []string{"se", "ske"} {
				if value, has := params.get(name); has {
					if at, valid := sasTime(value); valid && at.Before(end) {
						t.Fatalf("%s is before the end", name)
					}
				}
			}
		}
	})
}

func FuzzServiceAccountForm(f *testing.F) {
	for _, seed := range []string{"", "{", "{}", " {} ", "e30=", "e30", "ZTMwPQ==", "ZTMw\nPQ==", "ew", "====", "e30=e30=", "e-_0", "e+/0", "\uFEFF{}", "77u/e30="} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var keep scratch
		normalise := func(b []byte) ([]byte, bool) {
			file, ok := serviceAccountJSON(b, &keep)
			if !ok {
				return nil, false
			}
			return encodeBase64(file, &keep), true
		}
		once, ok := normalise(src)
		if !ok {
			return
		}
		twice, ok := normalise(once)
		if !ok || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q and then %q", src, once, twice)
		}
		if decoded, err := base64.StdEncoding.Strict().DecodeString(string(once)); err != nil || decoded[0] != '{' {
			t.Fatalf("%q became %q", src, once)
		}
	})
}

func FuzzPointer(f *testing.F) {
	for _, seed := range []string{"", "/", "//", "/a/b", "/~0~1/~01", "/~", "/~2", "a", "#/a", "/data/0", "/\xff", "/é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pointer string) {
		tokens, why := parsePointer(pointer)
		if why != "" {
			if tokens != nil {
				t.Fatalf("%q is wrong and has tokens", pointer)
			}
			return
		}
		var again strings.Builder
		for _, token := range tokens {
			again.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token))
		}
		if again.String() != pointer {
			t.Fatalf("%q became %q", pointer, again.String())
		}
		// A document made to the pointer's measure has something there.
		doc := `"here"`
		for i := len(tokens) - 1; i >= 0; i-- {
			if !utf8.ValidString(tokens[i]) {
				return
			}
			key, _ := json.Marshal(tokens[i])
			doc = "{" + string(key) + ":" + doc + "}"
		}
		parsed, err := parseJSON([]byte(doc), &scratch{})
		if err != nil {
			if len(tokens) > maxDepth {
				return
			}
			t.Fatalf("%s: %v", doc, err)
		}
		n, _, ok := parsed.follow(tokens)
		if !ok || string(parsed.text(n)) != "here" {
			t.Fatalf("%q leads to %q in %s", pointer, parsed.raw(n), doc)
		}
	})
}
