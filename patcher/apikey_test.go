package patcher

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func TestAnAPIKeyIsFoundHoweverItIsKept(t *testing.T) {
	const key = "PLAKcanary0123456789"
	for _, tc := range []struct{ name, secret, pointer string }{
		{"alone", key, ""},
		{"with a line end", key + "\r\n", ""},
		{"as a JSON string", `"` + key + `"`, ""},
		{"under api_key", `{"api_key":"` + key + `"}`, ""},
		{"under the name of the variable", `{"PL_API_KEY":"` + key + `","note":"x"}`, ""},
		{"under key, where nothing better is", `{"key":"` + key + `"}`, ""},
		{"where the pointer says", `{"planet":{"k":"` + key + `"},"api_key":"another"}`, "/planet/k"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := APIKey(credential.NewValue([]byte(tc.secret)), tc.pointer)
			if err != nil || string(got.Bytes()) != key {
				t.Errorf("length %d, %v", got.Len(), err)
			}
		})
	}
}

func TestWhatIsNoAPIKeyIsRefusedWithoutQuotingIt(t *testing.T) {
	for _, tc := range []struct {
		name, secret, pointer string
		reason                Reason
	}{
		{"nothing", " \n", "", ReasonEmpty},
		{"an empty field", `{"api_key":""}`, "", ReasonEmpty},
		{"two words", "canary canary", "", ReasonBadFormat},
		{"no such field", `{"canary":"canary"}`, "", ReasonMissingField},
		{"a number", `{"api_key":12345678}`, "", ReasonWrongKind},
		{"two keys that differ", `{"api_key":"canary1","pl_api_key":"canary2"}`, "", ReasonAmbiguous},
		{"a pointer to nothing", `{"api_key":"canary1"}`, "/x", ReasonMissingField},
		{"a pointer that is none", `{"api_key":"canary1"}`, "x", ReasonBadPointer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := APIKey(credential.NewValue([]byte(tc.secret)), tc.pointer)
			if ReasonOf(err) != tc.reason {
				t.Errorf("reason %q, want %q: %v", ReasonOf(err), tc.reason, err)
			}
			if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), `holds canary`, ""), "canary1") {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}
