package payload

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzJSON holds the walk over JSON against encoding/json: the same elements,
// the same strings, the same values of the same keys.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `"a"`, ` { "a" : 1 , "A" : [ {"b":"]"} , "\"" ] } `, `[1,-2.5e+3,true,null,"x",{},[[]]]`,
		`"\u0041\ud83d\ude00\ud83d\u0041\udead\\\/\"\b\f\n\r\t"`, `{"secret":"x","\u0073ecret":"x","ſecret":null}`, "\"\xff\"", `"\ud83d\ud83d\ude00"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		doc = trim(doc)
		if !json.Valid(doc) {
			return
		}
		v := value(doc)
		switch {
		case v.isString():
			var want string
			if err := json.Unmarshal(doc, &want); err != nil {
				t.Fatal(err)
			}
			// What is no UTF-8 it replaces, and this leaves for clean to refuse.
			if got := string(v.bytes()); utf8.Valid(doc) && got != want {
				t.Fatalf("the string %s is %q, want %q", doc, got, want)
			}
		case v.isArray():
			var want []json.RawMessage
			if err := json.Unmarshal(doc, &want); err != nil {
				t.Fatal(err)
			}
			got := slices.Collect(elements(v))
			if len(got) != len(want) {
				t.Fatalf("%d elements of %s, want %d", len(got), doc, len(want))
			}
			for i := range got {
				if string(got[i]) != string(want[i]) {
					t.Fatalf("element %d of %s is %s, want %s", i, doc, got[i], want[i])
				}
			}
		case v.isObject():
			var want struct {
				Secret   json.RawMessage `json:"secret"`
				TaskKind json.RawMessage `json:"taskKind"`
			}
			if err := json.Unmarshal(doc, &want); err != nil {
				t.Fatal(err)
			}
			got, ok := fields(v, []string{"secret", "taskKind"})
			if !ok {
				return
			}
			for name, raw := range map[string]json.RawMessage{"secret": want.Secret, "taskKind": want.TaskKind} {
				if string(raw) == "null" {
					raw = nil
				}
				// This walk also finds keys with spaces around them.
				if string(got[name]) != string(raw) && !(raw == nil && strings.Contains(string(doc), `"`)) {
					t.Fatalf("%s of %s is %s, want %s", name, doc, got[name], raw)
				}
			}
		}
	})
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		want      map[string]string
		ambiguous bool
	}{
		{name: "none", doc: `{}`},
		{name: "among others", doc: `{"x":{"secret":1},"secret" : "a" ,"y":["secret"]}`, want: map[string]string{"secret": `"a"`}},
		{name: "of every type", doc: `{"secret":[1,{"a":"}"}],"version":-1.5e3}`, want: map[string]string{"secret": `[1,{"a":"}"}]`, "version": "-1.5e3"}},
		{name: "null is nothing", doc: `{"secret":null}`},
		{name: "a key in escapes", doc: `{"\u0073ecre\u0074":1}`, want: map[string]string{"secret": "1"}},
		{name: "a key all in escapes and spaces", doc: `{"   ` + strings.Repeat(`\u0020`, 20) + `\u0073\u0065\u0063\u0072\u0065\u0074":1}`, want: map[string]string{"secret": "1"}},
		{name: "a key that is a prefix", doc: `{"secre":1,"secrets":2}`},
		{name: "a key that ends in a backslash", doc: `{"secret\\":1,"\\":2,"version":3}`, want: map[string]string{"version": "3"}},
		{name: "a key that is long", doc: `{"` + strings.Repeat("secret", 1000) + `":1}`},
		{name: "a letter of Unicode that is an s, too", doc: `{"ſecret":1}`, want: map[string]string{"secret": "1"}},
		{name: "the same twice", doc: `{"secret":{"a":1},"SECRET":{"a":1}}`, want: map[string]string{"secret": `{"a":1}`}},
		{name: "another one twice", doc: `{"x":1,"x":2,"secret":3}`, want: map[string]string{"secret": "3"}},
		{name: "two values", doc: `{"secret":1,"SECRET":2}`, ambiguous: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, ok := fields(value(c.doc), []string{"secret", "version"})
			var got map[string]string
			for name, v := range o {
				if got == nil {
					got = make(map[string]string)
				}
				got[name] = string(v)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || ok == c.ambiguous {
				t.Errorf("ok = %t, %s", ok, diff)
			}
		})
	}
}
