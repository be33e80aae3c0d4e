package patcher_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/patcher"
)

func pair(typ, id, secret string) map[string]string {
	names := map[string][2]string{
		amazon: {"aws_access_key_id", "aws_secret_access_key"},
		oracle: {"customer_access_key_id", "customer_secret_key"},
		s3:     {"access_key_id", "secret_access_key"},
	}[typ]
	return map[string]string{names[0]: id, names[1]: secret}
}

// wellKnown repeats the table of the package comment, in the spellings that
// people use.
var wellKnown = map[string][2][]string{
	amazon: {
		{"aws_access_key_id", "AWS_ACCESS_KEY_ID", "aws-access-key-id", "AwsAccessKeyId", "aws_access_key", "AccessKeyId", "access_key_id", "access_key", "accessKey", "access.key", "Access Key Id"},
		{"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "aws_secret_key", "SecretAccessKey", "secret_access_key", "secret_key", "secretKey", "secret-key"},
	},
	oracle: {
		{"customer_access_key_id", "customerAccessKeyId", "customer_access_key", "access_key_id", "access_key", "AWS_ACCESS_KEY_ID", "id"},
		{"customer_secret_key", "CUSTOMER_SECRET_KEY", "secret_key", "secret_access_key", "AWS_SECRET_ACCESS_KEY", "key"},
	},
	s3: {
		{"access_key_id", "access_key", "accessKey", "AWS_ACCESS_KEY_ID", "aws_access_key", "S3_ACCESS_KEY_ID", "s3_access_key"},
		{"secret_access_key", "secret_key", "secretKey", "AWS_SECRET_ACCESS_KEY", "aws_secret_key", "S3_SECRET_ACCESS_KEY", "s3_secret_key"},
	},
}

func TestAccessKeysAreFoundByEachOfTheirWellKnownNames(t *testing.T) {
	for typ, names := range wellKnown {
		id, secret := keyID, keySecret
		if typ == oracle {
			id, secret = oracleID, oracleKey
		}
		for _, a := range names[0] {
			for _, b := range names[1] {
				got, err := makeIt(t, typ, object("note", "x", a, id, b, secret), nil)
				if err != nil {
					t.Errorf("%s from %q and %q: %v", typ, a, b, err)
				} else if diff := cmp.Diff(pair(typ, id, secret), got); diff != "" {
					t.Errorf("%s from %q and %q: %s", typ, a, b, diff)
				}
			}
		}
	}
}

func TestOneFieldTypesAreFoundByEachOfTheirWellKnownNames(t *testing.T) {
	for _, name := range []string{"sas_token", "sasToken", "SAS_TOKEN", "sas", "azure_sas_token", "AZURE_STORAGE_SAS_TOKEN", "SharedAccessSignature", "token"} {
		got, err := makeIt(t, azure, object("expires", "never", name, "?"+goodSAS), nil)
		if diff := cmp.Diff(map[string]string{"sas_token": goodSAS}, got); diff != "" || err != nil {
			t.Errorf("azure from %q: %v %s", name, err, diff)
		}
	}
	file := account()
	want := map[string]string{"credentials": base64.StdEncoding.EncodeToString([]byte(file))}
	for _, name := range []string{
		"credentials", "credentials.json", "google_credentials", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS_JSON",
		"gcp_credentials", "serviceAccount", "service_account_json", "service-account-key", "service-account-key.json", "privateKeyData",
		"private_key_data", "key.json", "private_key", "key",
	} {
		for form, value := range map[string]string{"the JSON": file, "base64": want["credentials"]} {
			got, err := makeIt(t, google, object("owner", "x", name, value), nil)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("google from %s in %q: %v %s", form, name, err, diff)
			}
		}
	}
}

func TestSecretsThatMakeACredential(t *testing.T) {
	aws := pair(amazon, keyID, keySecret)
	plain := object("access_key", keyID, "secret_key", keySecret)
	for _, c := range []struct {
		name, typ, secret string
		m                 patcher.Mapping
		want              map[string]string
	}{
		{"a byte order mark and white space around the object are ignored", amazon, "\uFEFF\r\n " + plain + "\n\n", nil, aws},
		{"white space around a key is no part of it", amazon, object("access_key", " "+keyID+"\r\n", "secret_key", keySecret+"\n"), nil, aws},
		{"escapes in keys and values are undone", amazon, `{"access\u005fkey":"\u0041` + keyID[1:] + `","secret_key":"` + strings.ReplaceAll(keySecret, "/", `\/`) + `"}`, nil, aws},
		{"other keys of any kind don't matter", amazon, `{"a":[1,2.5e3,null,{"b":false}],"access_key":"` + keyID + `","secret_key":"` + keySecret + `","engine":{"access_key":"other"}}`, nil, aws},
		{"two names with the same value are no contradiction", amazon, object("access_key", keyID, "AccessKeyId", keyID, "secret_key", keySecret), nil, aws},
		{"an empty session token is none", amazon, object("access_key", keyID, "secret_key", keySecret, "session_token", ""), nil, aws},
		{"pointers reach inside", amazon, `{"data":{"id~/":["x","` + keyID + `"],"":"` + keySecret + `"}}`,
			patcher.Mapping{"aws_access_key_id": "/data/id~0~1/1", "aws_secret_access_key": "/data/"}, aws},
		{"a mapped field goes before a well-known name", amazon, object("access_key", "not this one", "mine", keyID, "secret_key", keySecret),
			patcher.Mapping{"aws_access_key_id": "/mine"}, aws},
		{"an empty pointer for one of two fields is as good as none", amazon, plain, patcher.Mapping{"aws_access_key_id": ""}, aws},
		{"pointers work in an array", amazon, `["` + keyID + `","` + keySecret + `"]`,
			patcher.Mapping{"aws_access_key_id": "/0", "aws_secret_access_key": "/1"}, aws},
		{"a weak name doesn't rival a strong one", oracle, object("id", "ocid1.credential.oc1..aaaa", "access_key", oracleID, "key", "label", "secret_key", oracleKey), nil, pair(oracle, oracleID, oracleKey)},
		{"a passphrase is a fine secret where people choose them", s3, object("access_key", "planet", "secret_key", "correct horse é battery"), nil, pair(s3, "planet", "correct horse é battery")},
		{"a quote and a backslash stay themselves", s3, object("access_key", "planet", "secret_key", `a"b\c`), nil, pair(s3, "planet", `a"b\c`)},
		{"a raw SAS", azure, goodSAS + "\n", nil, map[string]string{"sas_token": goodSAS}},
		{"a raw SAS with ? and a byte order mark", azure, "\uFEFF?" + goodSAS, nil, map[string]string{"sas_token": goodSAS}},
		{"a SAS as one JSON string", azure, `"?` + strings.ReplaceAll(goodSAS, "&", `\u0026`) + `"`, nil, map[string]string{"sas_token": goodSAS}},
		{"the SAS of a whole URL", azure, "https://a.blob.core.windows.net/c?" + goodSAS, nil, map[string]string{"sas_token": goodSAS}},
		{"a SAS that is the whole value by an empty pointer", azure, goodSAS, patcher.Mapping{"sas_token": ""}, map[string]string{"sas_token": goodSAS}},
		{"a SAS by pointer", azure, `{"x":["` + goodSAS + `"]}`, patcher.Mapping{"sas_token": "/x/0"}, map[string]string{"sas_token": goodSAS}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := makeIt(t, c.typ, c.secret, c.m)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// broken are secrets that must be refused, with the reason and a part of the
// message each. The leak test goes through them too.
type broken struct {
	name, typ, secret string
	m                 patcher.Mapping
	field             string
	reason            patcher.Reason
	says              string
}

func keysWith(typ, id, secret string) string {
	return object("access_key", id, "secret_key", secret)
}

func brokenSecrets() []broken {
	long := strings.Repeat("Ab1/", 300)
	return []broken{
		{"an unknown type", "s3", "{}", nil, "", patcher.ReasonUnknownType, "amazon_s3, azure_blob_storage"},
		{"an empty secret", amazon, "", nil, "", patcher.ReasonEmpty, "holds nothing"},
		{"only white space", azure, " \n", nil, "", patcher.ReasonEmpty, "holds nothing"},
		{"a huge secret", amazon, strings.Repeat("x", patcher.MaxSecret+1), nil, "", patcher.ReasonTooLong, "bytes"},
		{"bytes that are no text", amazon, "{\"a\":\"\xff\xfe\"}", nil, "", patcher.ReasonNotUTF8, "at byte 6"},
		{"UTF-16", amazon, "\xff\xfe{\x00}\x00", nil, "", patcher.ReasonNotUTF8, "UTF-16"},
		{"no JSON", amazon, keyID + ":" + keySecret, nil, "", patcher.ReasonNotJSON, "JSON object that holds aws_access_key_id and aws_secret_access_key"},
		{"JSON that stops", amazon, `{"access_key":"` + keyID + `","secr`, nil, "", patcher.ReasonNotJSON, "at byte 42"},
		{"JSON with a trailing comma", amazon, `{"access_key":"` + keyID + `",}`, nil, "", patcher.ReasonNotJSON, "at byte 37"},
		{"text after the JSON", amazon, keysWith(amazon, keyID, keySecret) + "}", nil, "", patcher.ReasonNotJSON, "not valid JSON at byte"},
		{"the byte is counted from the start of the secret", amazon, "\uFEFF  {,}", nil, "", patcher.ReasonNotJSON, "at byte 6"},
		{"a deep nest", amazon, `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", nil, "", patcher.ReasonNotJSON, "nested too deeply"},
		{"the same key twice", amazon, `{"access_key":"` + keyID + `","access_key":"` + keyID + `"}`, nil, "", patcher.ReasonAmbiguous, "same key twice"},
		{"the same key twice, once escaped, and deep inside", amazon, `{"a":[{"b":1,"\u0062":2}]}`, nil, "", patcher.ReasonAmbiguous, "same key twice"},
		{"half a surrogate pair", amazon, `{"access_key":"\ud800"}`, nil, "", patcher.ReasonNotUTF8, "surrogate"},
		{"the second half of a pair alone", amazon, `{"access_key":"\udc00\ud800"}`, nil, "", patcher.ReasonNotUTF8, "surrogate"},
		{"two second halves", amazon, `{"access_key":"\udc00\udc01"}`, nil, "", patcher.ReasonNotUTF8, "surrogate"},
		{"a JSON array", amazon, `["` + keyID + `"]`, nil, "", patcher.ReasonWrongKind, "is an array"},
		{"a JSON number", amazon, `1234567890123`, nil, "", patcher.ReasonWrongKind, "is a number"},
		{"a missing secret", amazon, object("access_key", keyID, "colour", "blue"), nil, "aws_secret_access_key", patcher.ReasonMissingField, "holds access_key, colour;"},
		{"an empty object", s3, `{}`, nil, "access_key_id", patcher.ReasonMissingField, "which holds nothing"},
		{"a key where a name belongs isn't shown", amazon, object(keyID, keySecret), nil, "aws_access_key_id", patcher.ReasonMissingField, "which holds …"},
		{"nested keys are not guessed", amazon, `{"AccessKey":{"AccessKeyId":"` + keyID + `"}}`, nil, "aws_access_key_id", patcher.ReasonWrongKind, "JSON Pointer"},
		{"two names that disagree", amazon, object("access_key", keyID, "AccessKeyId", "AKIAOTHEROTHEROTHER1", "secret_key", keySecret), nil, "aws_access_key_id", patcher.ReasonAmbiguous, "access_key and AccessKeyId hold different"},
		{"a number", amazon, object("access_key", 1234567890, "secret_key", keySecret), nil, "aws_access_key_id", patcher.ReasonWrongKind, "a number"},
		{"null", amazon, object("access_key", nil, "secret_key", keySecret), nil, "aws_access_key_id", patcher.ReasonWrongKind, "null"},
		{"a boolean", amazon, object("access_key", true, "secret_key", keySecret), nil, "aws_access_key_id", patcher.ReasonWrongKind, "a boolean"},
		{"an array of keys", amazon, object("access_key", []string{keyID}, "secret_key", keySecret), nil, "aws_access_key_id", patcher.ReasonWrongKind, "an array"},
		{"an empty id", amazon, keysWith(amazon, "", keySecret), nil, "aws_access_key_id", patcher.ReasonEmpty, ""},
		{"a blank secret", amazon, keysWith(amazon, keyID, " \n"), nil, "aws_secret_access_key", patcher.ReasonEmpty, ""},
		{"a placeholder of Planet's", amazon, keysWith(amazon, keyID, "<REDACTED>"), nil, "aws_secret_access_key", patcher.ReasonPlaceholder, "real one"},
		{"changeme", s3, keysWith(s3, "changeme", keySecret), nil, "access_key_id", patcher.ReasonPlaceholder, ""},
		{"REPLACE_ME", oracle, keysWith(oracle, "REPLACE_ME", oracleKey), nil, "customer_access_key_id", patcher.ReasonPlaceholder, ""},
		{"a template that was not filled in", amazon, keysWith(amazon, keyID, "${AWS_SECRET_ACCESS_KEY}"), nil, "aws_secret_access_key", patcher.ReasonPlaceholder, ""},
		{"another template", amazon, keysWith(amazon, keyID, "{{ .Values.secretKey }}"), nil, "aws_secret_access_key", patcher.ReasonPlaceholder, ""},
		{"stars", amazon, keysWith(amazon, keyID, "****************"), nil, "aws_secret_access_key", patcher.ReasonPlaceholder, ""},
		{"swapped AWS keys", amazon, keysWith(amazon, keySecret, keyID), nil, "aws_secret_access_key", patcher.ReasonSwapped, "changed places"},
		{"swapped Oracle keys", oracle, keysWith(oracle, oracleKey, oracleID), nil, "customer_secret_key", patcher.ReasonSwapped, "changed places"},
		{"swapped keys of AWS's shape elsewhere", s3, keysWith(s3, keySecret, keyID), nil, "secret_access_key", patcher.ReasonSwapped, "changed places"},
		{"the id in both", s3, keysWith(s3, "planet-writer", "planet-writer"), nil, "secret_access_key", patcher.ReasonSwapped, "same as access_key_id"},
		{"a temporary key", amazon, keysWith(amazon, "ASIAQ2W3E4R5T6Y7U8I9", keySecret), nil, "aws_access_key_id", patcher.ReasonTemporary, "session token"},
		{"a session token", amazon, object("access_key", keyID, "secret_key", keySecret, "SessionToken", long), nil, "", patcher.ReasonTemporary, "long-lived"},
		{"white space inside an id", amazon, keysWith(amazon, "AKIAQ2W3E4 R5T6Y7U8I9", keySecret), nil, "aws_access_key_id", patcher.ReasonBadFormat, "white space"},
		{"an escaped NUL inside an id", s3, keysWith(s3, "planet\x00writer", keySecret), nil, "access_key_id", patcher.ReasonBadFormat, "control"},
		{"an umlaut inside an id", s3, keysWith(s3, "plänet-writer", keySecret), nil, "access_key_id", patcher.ReasonBadFormat, "ASCII"},
		{"an id that was cut", amazon, keysWith(amazon, "AKIAQ2W3", keySecret), nil, "aws_access_key_id", patcher.ReasonBadFormat, "was it cut"},
		{"an endless id", s3, keysWith(s3, long, keySecret), nil, "access_key_id", patcher.ReasonTooLong, "1200 characters"},
		{"an endless secret", s3, keysWith(s3, "planet", long), nil, "secret_access_key", patcher.ReasonTooLong, "1200 characters"},
		{"a line break inside a secret", s3, keysWith(s3, "planet", "top\nbottom-half"), nil, "secret_access_key", patcher.ReasonBadFormat, "line break"},
		{"a space inside an AWS secret", amazon, keysWith(amazon, keyID, keySecret[:20]+" "+keySecret[20:]), nil, "aws_secret_access_key", patcher.ReasonBadFormat, "white space"},

		{"a pointer to nothing", amazon, object("data", map[string]string{"id": keyID}, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/data/key"}, "aws_access_key_id", patcher.ReasonMissingField, `nothing is at "/data/key"; the first 1 of its 2 steps lead to an object that holds id`},
		{"a pointer to nothing at the top", amazon, object("mine", keyID, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/my"}, "aws_access_key_id", patcher.ReasonMissingField, `nothing is at "/my"; the secret holds mine, secret_key`},
		{"a pointer through a string", amazon, object("mine", keyID, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/mine/id"}, "aws_access_key_id", patcher.ReasonMissingField, "lead to a string"},
		{"a pointer beyond an array", amazon, object("mine", []string{keyID}, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/mine/1"}, "aws_access_key_id", patcher.ReasonMissingField, "lead to an array"},
		{"a pointer with a leading zero", amazon, object("mine", []string{keyID}, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/mine/00"}, "aws_access_key_id", patcher.ReasonMissingField, "lead to an array"},
		{"a pointer to an object", amazon, object("mine", map[string]string{"a": keyID}, "secret_key", keySecret), patcher.Mapping{"aws_access_key_id": "/mine"}, "aws_access_key_id", patcher.ReasonWrongKind, "an object"},
		{"a mapping and no JSON", azure, goodSAS, patcher.Mapping{"sas_token": "/sas"}, "", patcher.ReasonNotJSON, "JSON object"},
		{"a mapping of a field of another type", azure, goodSAS, patcher.Mapping{"credentials": ""}, "credentials", patcher.ReasonUnknownField, "sas_token"},
		{"a mapping that is no pointer", azure, goodSAS, patcher.Mapping{"sas_token": "data.sas"}, "sas_token", patcher.ReasonBadPointer, `try "/data/sas"`},
	}
}

func TestSecretsThatMakeNoCredential(t *testing.T) {
	for _, c := range append(append(brokenSecrets(), brokenSAS()...), brokenAccounts()...) {
		t.Run(c.typ+" "+c.name, func(t *testing.T) {
			_, err := makeIt(t, c.typ, c.secret, c.m)
			var e *patcher.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Type != c.typ || e.Field != c.field || e.Reason != c.reason || !strings.Contains(e.Hint, c.says) {
				t.Errorf("got type %q, field %q, reason %q: %v\nwant field %q, reason %q, saying %q", e.Type, e.Field, e.Reason, e, c.field, c.reason, c.says)
			}
			if patcher.ReasonOf(fmt.Errorf("push: %w", err)) != c.reason {
				t.Errorf("ReasonOf gives %q", patcher.ReasonOf(err))
			}
		})
	}
}

func TestNoErrorHoldsSixBytesOfAValue(t *testing.T) {
	for _, c := range append(append(brokenSecrets(), brokenSAS()...), brokenAccounts()...) {
		_, err := makeIt(t, c.typ, c.secret, c.m)
		for _, value := range append(valuesOf(c.secret), keyID, keySecret, oracleID, oracleKey, goodSAS) {
			if shared := sharedWith(err, value); shared != "" {
				t.Errorf("%s: %s: the error %q holds %q of the value", c.typ, c.name, err, shared)
			}
		}
	}
}

func TestAllProblemsOfASecretAreReportedTogether(t *testing.T) {
	_, err := makeIt(t, amazon, keysWith(amazon, "AKIA", "two words"), nil)
	want := "make amazon_s3 credential: 2 problems: " +
		"aws_access_key_id: bad format (it has 4 characters; no access key id has fewer than 16: was it cut?); " +
		"aws_secret_access_key: bad format (it holds white space or a letter outside of ASCII)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	var list patcher.Errors
	if !errors.As(err, &list) || len(list) != 2 {
		t.Errorf("got %#v, want Errors of two", err)
	}
	_, err = makeIt(t, s3, `{"access_key":7}`, nil)
	if !errors.As(err, &list) || len(list) != 2 || list[0].Reason != patcher.ReasonWrongKind || list[1].Reason != patcher.ReasonMissingField {
		t.Errorf("got %v, want a wrong kind and a missing field", err)
	}
}

func TestKeyNamesInErrorsAreFewShortAndPlain(t *testing.T) {
	secret := object("user", 1, "pass word", 1, "ключ", 1, strings.Repeat("n", 41), 1, "wJalrXUtnFEMI7MDENG", 1, "a.b-c_d", 1,
		"1", 1, "2", 1, "3", 1, "4", 1, "5", 1, "6", 1)
	_, err := makeIt(t, s3, secret, patcher.Mapping{"access_key_id": "/x", "secret_access_key": "/user"})
	if want := "the secret holds user, …, …, …, …, a.b-c_d, 1, 2, 3, 4, and 2 more"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestCheckMappingFindsEveryMistake(t *testing.T) {
	reasons := func(all []error) (got []string) {
		for _, err := range all {
			var e *patcher.Error
			errors.As(err, &e)
			got = append(got, e.Field+" "+string(e.Reason))
		}
		return got
	}
	for _, c := range []struct {
		name, typ string
		m         patcher.Mapping
		want      []string
	}{
		{"no mapping", amazon, nil, nil},
		{"a good mapping", amazon, patcher.Mapping{"aws_access_key_id": "/a/~0~1", "aws_secret_access_key": "/a//0"}, nil},
		{"empty pointers", amazon, patcher.Mapping{"aws_access_key_id": "", "aws_secret_access_key": ""}, nil},
		{"an unknown type", "gcs", patcher.Mapping{"a": "b"}, []string{" unknown_type"}},
		{"a structural parameter", amazon, patcher.Mapping{"bucket": "/b"}, []string{"bucket unknown_field"}},
		{"an optional parameter", amazon, patcher.Mapping{"explicit_sse": "/b"}, []string{"explicit_sse unknown_field"}},
		{"several mistakes", amazon, patcher.Mapping{"aws_access_key_id": "a", "aws_secret_access_key": "/~2", "region": "/r"},
			[]string{"aws_access_key_id bad_pointer", "aws_secret_access_key bad_pointer", "region unknown_field"}},
		{"a URI fragment", azure, patcher.Mapping{"sas_token": "#/a"}, []string{"sas_token bad_pointer"}},
		{"a tilde at the end", azure, patcher.Mapping{"sas_token": "/a~"}, []string{"sas_token bad_pointer"}},
		{"a tilde after an escape", azure, patcher.Mapping{"sas_token": "/a~0~"}, []string{"sas_token bad_pointer"}},
		{"two fields from one place", s3, patcher.Mapping{"access_key_id": "/a", "secret_access_key": "/a"}, []string{"secret_access_key ambiguous"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, reasons(patcher.CheckMapping(c.typ, c.m))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReasonsAreALabelSet(t *testing.T) {
	seen := make(map[patcher.Reason]bool)
	for _, r := range patcher.Reasons() {
		if r == "" || seen[r] || strings.ContainsAny(string(r), " -ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			t.Errorf("%q is no label, or there twice", r)
		}
		seen[r] = true
	}
	for _, c := range append(append(brokenSecrets(), brokenSAS()...), brokenAccounts()...) {
		if !seen[c.reason] {
			t.Errorf("%q is missing from Reasons", c.reason)
		}
	}
	if got := patcher.ReasonOf(errors.New("x")); got != "" {
		t.Errorf("an error of others has reason %q", got)
	}
}
