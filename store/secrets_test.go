package store

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
)

func TestAFingerprint(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	key, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for size := range 200 {
		value := bytes.Repeat([]byte{0}, size) // padding must not make two of them alike
		padded := append(bytes.Clone(value), make([]byte, (size/64+1)*64-size)...)
		mac := hmac.New(sha256.New, key)
		mac.Write(binary.BigEndian.AppendUint64(padded, uint64(size)))
		want := "hmac:" + hex.EncodeToString(mac.Sum(nil)[:16])
		if got := s.Fingerprint(value); got != want {
			t.Errorf("of %d bytes: got %s, want %s", size, got, want)
		}
		seen[want] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d different ones of 200", len(seen))
	}
	value := []byte("value")
	before := s.Fingerprint(value)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	if s.Fingerprint(value) != before {
		t.Error("it is another one after a restart")
	}
	if string(value) != "value" {
		t.Error("the value was changed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, keyName)); err != nil {
		t.Fatal(err)
	}
	if openTest(t, dir).Fingerprint(value) == before {
		t.Error("it does not depend on the key")
	}
}

// The API has no way in for a secret but a fingerprint of it. Whatever else it
// takes is a name, a number, a time or a sentence.
func TestNoTypeOfTheStoreHoldsAValue(t *testing.T) {
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, path string) {
		switch typ {
		case reflect.TypeFor[credential.Value](), reflect.TypeFor[credential.Parameters](), reflect.TypeFor[[]byte]():
			t.Errorf("%s is a %s", path, typ)
			return
		case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[time.Time]():
			return
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem(), path)
		case reflect.Struct:
			for i := range typ.NumField() {
				walk(typ.Field(i).Type, path+"."+typ.Field(i).Name)
			}
		case reflect.Interface:
			t.Errorf("%s may hold anything", path)
		}
	}
	walk(reflect.TypeFor[Record](), "Record")
	walk(reflect.TypeFor[Account](), "Account")
	walk(reflect.TypeFor[Entry](), "Entry")
}

func TestAValueThatIsFingerprintedIsNotInTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	ensureTest(t, s, "one")
	canary := []byte("canary-" + strings.Repeat("s3cr3t", 20))
	version := s.Fingerprint(canary)
	r := loadTest(t, s, "one")
	r.Facts = fullFacts()
	r.Accepted.Version, r.Source.Version = version, version
	r.Done = r.Due
	if err := s.Save(t.Context(), &r, Entry{Kind: EntryAttempt, Version: version, Outcome: "accepted"}); err != nil {
		t.Fatal(err)
	}
	plain := sha256.Sum256(canary)
	search := func(when string) {
		t.Helper()
		found := false
		for name := range snapshot(t, dir) {
			content, _ := os.ReadFile(filepath.Join(dir, name))
			for what, needle := range map[string][]byte{
				"the value":            canary,
				"the value in base64":  []byte(base64.StdEncoding.EncodeToString(canary)),
				"the value in hex":     []byte(hex.EncodeToString(canary)),
				"a hash without a key": []byte(hex.EncodeToString(plain[:16])),
				"a raw hash":           plain[:16],
			} {
				if bytes.Contains(content, needle) {
					t.Errorf("%s: %s holds %s", when, name, what)
				}
			}
			found = found || bytes.Contains(content, []byte(version))
		}
		if !found {
			t.Errorf("%s: the search does not even find the fingerprint", when)
		}
	}
	search("open")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	search("closed")
}

func TestSentencesAreBoundedAndOnOneLine(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	bad := "a\nb\x00\x1b[31m\u202e" + strings.Repeat("é", maxText) + "\xff"
	r := loadTest(t, s, "one")
	r.Facts = fullFacts()
	setSentences(reflect.ValueOf(&r.Facts).Elem(), bad)
	given := r.Hold.Detail
	if err := s.Save(t.Context(), &r, Entry{Kind: EntryPerson, Detail: bad, Outcome: bad, Version: bad}); err != nil {
		t.Fatal(err)
	}
	if r.Hold.Detail != given {
		t.Error("the caller's record was changed")
	}
	sentences := map[string]string{}
	getSentences(reflect.ValueOf(loadTest(t, s, "one").Facts), "facts", sentences)
	if len(sentences) < 6 {
		t.Errorf("only %d sentences were found", len(sentences))
	}
	entries, err := s.History(t.Context(), HistoryQuery{})
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	sentences["entry detail"], sentences["entry outcome"] = entries[0].Detail, entries[0].Outcome
	for where, text := range sentences {
		if len(text) > maxText || len(text) < maxText-8 || !strings.HasPrefix(text, "a b[31mé") || !utf8.ValidString(text) ||
			strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%s has %d bytes: %.40q", where, len(text), text)
		}
	}
}

// sentence tells which fields hold text for people.
func sentence(name string) bool { return name == "Detail" || name == "Note" }

func setSentences(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		setSentences(v.Elem(), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if sentence(v.Type().Field(i).Name) {
				v.Field(i).SetString(text)
				continue
			}
			setSentences(v.Field(i), text)
		}
	}
}

func getSentences(v reflect.Value, path string, into map[string]string) {
	switch v.Kind() {
	case reflect.Pointer:
		getSentences(v.Elem(), path, into)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if sentence(name) {
				into[path+"."+name] = v.Field(i).String()
				continue
			}
			getSentences(v.Field(i), path+"."+name, into)
		}
	}
}

func FuzzFacts(f *testing.F) {
	doc, err := json.Marshal(fullFacts())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add([]byte(`{"status":{"state":"new"}}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		facts, err := decodeFacts(doc)
		if err != nil {
			if text := describe(err); len(text) > 200 {
				t.Fatalf("a description of %d bytes", len(text))
			}
			return
		}
		first, err := encodeFacts(facts)
		if err != nil {
			return // a time or a document that JSON can read and not write
		}
		again, err := decodeFacts(first)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		second, err := encodeFacts(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written twice it differs: %s, %s, %v", first, second, err)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1}, keySize))
	f.Add(make([]byte, keySize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, err := parseKey(raw)
		if (err == nil) != (len(raw) == keySize && !bytes.Equal(raw, make([]byte, keySize))) {
			t.Fatalf("%d bytes: %v", len(raw), err)
		}
		if err == nil && !bytes.Equal(key[:], raw) {
			t.Fatal("it is another key")
		}
	})
}
