package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
)

// expected is what each sample means.
func expected() map[string]Message {
	label := one(AWSLabel, credential.Event{Secret: arn, Version: awsVersion, Time: awsTimeOf})
	vault := func(s Shape, k credential.EventKind) Message {
		return one(s, credential.Event{Kind: k, Secret: vaultName, Version: vaultID, Time: azureTimeOf})
	}
	google := one(Google, credential.Event{Secret: googleName, Version: "7", Time: googleTimeOf})
	// What rotatord itself writes ([gate] write_back) makes events too. That of AWS
	// names a label which no destination follows, so that it is about none; but
	// another rotatord may follow it, which is why it is not ignored here. That of
	// Google says neither what was changed nor a version: a look, which finds
	// nothing new and the mark in its place.
	ownMark := credential.Event{Secret: arn + "?stage=rotatord-accepted", Version: awsVersion, Time: awsTimeOf}
	return map[string]Message{
		"aws_native_secret_label_updated": label,
		"aws_sns_envelope":                label,
		"aws_ct_put_secret_value":         one(AWSAPICall, credential.Event{Secret: arn, Version: awsVersion, Time: awsTimeOf}),
		"aws_svc_RotationSucceeded":       one(AWSServiceEvent, credential.Event{Kind: credential.EventRotationSucceeded, Secret: arn, Time: awsTimeOf}),
		"aws_svc_RotationFailed":          one(AWSServiceEvent, credential.Event{Kind: credential.EventRotationFailed, Secret: arn, Time: awsTimeOf}),
		"gcp_version_add":                 google,
		"gcp_version_enable":              google,
		"gcp_push_envelope":               google,
		"gcp_rotate":                      ignored(GoogleRotationDue),
		"gcp_topic_configured":            ignored(GoogleTopicConfigured),
		"aws_native_own_mark":             one(AWSLabel, ownMark),
		"aws_ct_own_mark":                 one(AWSAPICall, ownMark),
		"gcp_own_mark":                    one(Google, credential.Event{Secret: googleName, Time: googleTimeOf}),
		"az_eg_SecretNewVersionCreated":   vault(EventGrid, credential.EventChanged),
		"az_storage_queue_message_text":   vault(EventGrid, credential.EventChanged),
		"az_eg_SecretNearExpiry":          vault(EventGrid, credential.EventNearExpiry),
		"az_eg_SecretExpired":             vault(EventGrid, credential.EventExpired),
		"az_eg_validation":                ignored(AzureSubscription),
		"az_ce_SecretNewVersionCreated":   vault(CloudEvent, credential.EventChanged),
	}
}

func TestEverySampleIsUnderstood(t *testing.T) {
	want := expected()
	for name, body := range samples(t) {
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			if !ok {
				t.Fatal("a sample that nobody expects")
			}
			got := Decode(body, nil)
			if diff := cmp.Diff(w, got); diff != "" {
				t.Error(diff)
			}
			if !got.Understood() {
				t.Error("not understood")
			}
		})
		delete(want, name)
	}
	for name := range want {
		t.Errorf("no sample %s", name)
	}
}

// plainSample stands for the shape that has no file.
const plainSample = `{"secret":"vault://kv/planet/dest","version":"3","time":"2026-02-06T17:43:48+01:00","test":"n-1_A"}`

// bothAlphabets has a "+" and a "/" in base64, or a "-" and a "_".
const bothAlphabets = `{"secret":"file:///a?~?>>>>???ÿÿ~~~~é"}`

// TestAnyShapeComesThroughAnyWrapping is the promise that any transport
// carries any shape: what a message means does not depend on what it came in,
// nor on the order of two wrappings.
func TestAnyShapeComesThroughAnyWrapping(t *testing.T) {
	bodies := samples(t)
	bodies["plain"] = []byte(plainSample)
	bodies["plain, two of them"] = []byte("[" + plainSample + `,{"secret":"b"}]`)
	bodies["plain, with characters of both alphabets"] = []byte(bothAlphabets)
	if !strings.Contains(std([]byte(bothAlphabets)), "+") || !strings.Contains(std([]byte(bothAlphabets)), "/") {
		t.Fatal("base64 of it is the same in both alphabets")
	}
	bodies["nothing known"] = []byte(`{"a":1}`)
	bodies["half known"] = []byte(`[{"a":1},{"secret":"b"},7]`)
	for name, body := range bodies {
		depth := 0
		switch name {
		case "az_storage_queue_message_text":
			depth = 2
		case "aws_sns_envelope":
			depth = 1
		}
		want := Decode(body, nil)
		for _, inner := range wrappings() {
			within := inner.wrap(body)
			if diff := cmp.Diff(want, Decode(within, nil)); diff != "" {
				t.Errorf("%s in %s: %s", name, inner.name, diff)
			}
			for _, outer := range wrappings() {
				if depth+inner.levels+outer.levels > MaxDepth {
					continue
				}
				if diff := cmp.Diff(want, Decode(outer.wrap(within), nil)); diff != "" {
					t.Errorf("%s in %s in %s: %s", name, inner.name, outer.name, diff)
				}
			}
		}
	}
}

func TestAttributesThatSayNothingChangeNothing(t *testing.T) {
	foreign := map[string]string{"eventType": "mine", "origin": "x", "ce-id": "1", "secretId": "s", "content-type": "application/json"}
	for name, body := range samples(t) {
		if diff := cmp.Diff(Decode(body, nil), Decode(body, foreign)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnArrayIsAllOfItsElements(t *testing.T) {
	var want Message
	var parts []string
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range samples(t) {
			if !yield(name) {
				return
			}
		}
	}) {
		b := bytes.TrimSpace(sample(t, name))
		if b[0] == '[' {
			b = b[1 : len(b)-1]
		}
		m := Decode(b, nil)
		want.Events = append(want.Events, m.Events...)
		want.Ignored = append(want.Ignored, m.Ignored...)
		parts = append(parts, string(b))
	}
	parts = append(parts, `"x"`, `[]`, `7`, `null`, `{}`)
	want.Unknown = []Kind{NotJSON, NoShape, NoShape, NoShape, NoShape}
	if diff := cmp.Diff(want, Decode([]byte("["+strings.Join(parts, " ,\n")+"]"), nil)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotUnderstoodIsNamed(t *testing.T) {
	nested := func(n int) []byte {
		b := []byte(plainSample)
		for range n {
			b = quote(b)
		}
		return b
	}
	pad := func(n int) []byte { // of exactly n bytes
		b := []byte(plainSample)
		return append(b, bytes.Repeat([]byte(" "), n-len(b))...)
	}
	plain := Decode([]byte(plainSample), nil)
	for _, c := range []struct {
		name string
		body []byte
		want Message
	}{
		{"nothing", nil, unknown(NotJSON)},
		{"spaces", []byte(" \n"), unknown(NotJSON)},
		{"only a byte order mark", []byte("\ufeff"), unknown(NotJSON)},
		{"prose", []byte("The secret has changed."), unknown(NotJSON)},
		{"a word that could be base64", []byte("rotated"), unknown(NotJSON)},
		{"half an object", []byte(`{"secret":"x"`), unknown(NotJSON)},
		{"two objects", []byte(`{"secret":"x"}{"secret":"y"}`), unknown(NotJSON)},
		{"base64 of spaces", []byte("ICAgIA=="), unknown(NotJSON)},
		{"a number", []byte("7"), unknown(NoShape)},
		{"null", []byte("null"), unknown(NoShape)},
		{"an empty string", []byte(`""`), unknown(NotJSON)},
		{"an empty object", []byte("{}"), unknown(NoShape)},
		{"an empty array", []byte(" [ ] "), unknown(NoShape)},
		{"an array in an array", []byte(`[[` + plainSample + `]]`), unknown(NoShape)},
		{"an array in a string in an array", []byte(`["[` + `]"]`), unknown(NoShape)},
		{"an unknown object", []byte(`{"detail":{},"Type":"Notification"}`), unknown(NoShape)},
		{"a handshake of SNS", []byte(`{"Type":"SubscriptionConfirmation","Message":"{\"secret\":\"x\"}","SubscribeURL":"https://example.com"}`), ignored(SNSConfirmation)},
		{"its end", []byte(`{"Type":"UnsubscribeConfirmation","Message":"x"}`), ignored(SNSConfirmation)},
		{"as many wrappings as may be", nested(MaxDepth), plain},
		{"one wrapping too many", nested(MaxDepth + 1), unknown(TooDeep)},
		{"an envelope too many", wrapN(MaxDepth+1, []byte(plainSample), "SNS"), unknown(TooDeep)},
		{"a push form too many", wrapN(MaxDepth+1, []byte(plainSample), "push"), unknown(TooDeep)},
		{"a CloudEvent too many", wrapN(MaxDepth+1, []byte(plainSample), "a foreign CloudEvent"), unknown(TooDeep)},
		{"an object in as many CloudEvents as may be", objectsN(MaxDepth), plain},
		{"an object in a CloudEvent too many", objectsN(MaxDepth + 1), unknown(TooDeep)},
		{"as long as may be", pad(MaxSize), plain},
		{"a byte too long", pad(MaxSize + 1), unknown(TooLarge)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Decode(c.body, nil)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Understood() != (len(got.Unknown) == 0) {
				t.Errorf("Understood() = %t", got.Understood())
			}
		})
	}
	if Decode([]byte(`[{"secret":"x"},{}]`), nil).Understood() == false {
		t.Error("a message that is understood in part is understood")
	}
}

func wrapN(n int, b []byte, name string) []byte {
	for _, w := range wrappings() {
		for range n {
			if w.name == name {
				b = w.wrap(b)
			}
		}
	}
	return b
}

func objectsN(n int) []byte {
	b := plainSample
	for range n {
		b = `{"specversion":"1.0","type":"org.example.x","data":` + b + `}`
	}
	return []byte(b)
}

func TestEventsAreBounded(t *testing.T) {
	array := func(n int, element string) []byte {
		return []byte("[" + strings.Repeat(element+",", n-1) + element + "]")
	}
	count := func(b []byte) string {
		m := Decode(b, nil)
		return fmt.Sprint(len(m.Events), " ", len(m.Ignored), " ", len(m.Unknown), " ", slices.Contains(m.Unknown, TooMany))
	}
	inSNS := func(b []byte) string { return string(wrapN(1, b, "SNS")) }
	for _, c := range []struct {
		name string
		body []byte
		want string
	}{
		{"as many as may be", array(MaxEvents, `{"secret":"x"}`), "1000 0 0 false"},
		{"one too many", array(MaxEvents+1, `{"secret":"x"}`), "1000 0 1 true"},
		{"far too many", array(50_000, `{"secret":"x"}`), "1000 0 1 true"},
		{"far too many numbers", array(500_000, `1`), "0 0 1001 true"},
		{"far too many arrays", array(300_000, `[]`), "0 0 1001 true"},
		{"far too many strings", array(300_000, `""`), "0 0 1001 true"},
		{"far too many that are of no interest", array(10_000, `{"Type":"SubscriptionConfirmation"}`), "0 1000 1 true"},
		{"far too many in many notifications", array(50, inSNS(array(40, `{"secret":"x"}`))), "975 0 1 true"},
		{"many notifications of nothing", array(2_000, inSNS([]byte("[]"))), "0 0 1001 true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := count(c.body); got != c.want {
				t.Errorf("events, ignored, unknown, too many = %s; want %s", got, c.want)
			}
		})
	}
}

// TestOneReading: nobody may find a parser that reads another message than
// this one does.
func TestOneReading(t *testing.T) {
	label := string(sample(t, "aws_native_secret_label_updated"))
	signed := string(quote([]byte(label)))
	forged := string(quote([]byte(`{"secret":"forged"}`)))
	want := Decode([]byte(label), nil)
	for _, c := range []struct {
		name, body string
		want       Message
	}{
		{"a second Message", `{"Type":"Notification","Message":` + signed + `,"Message":` + forged + `}`, unknown(Ambiguous)},
		{"a second message in other case", `{"Type":"Notification","Message":` + signed + `,"message":` + forged + `}`, unknown(Ambiguous)},
		{"one with letters that only Unicode takes for the same", `{"Type":"Notification","meſſage":` + forged + `,"Message":` + signed + `}`, unknown(Ambiguous)},
		{"one in escapes", `{"Type":"Notification","\u004dessage":` + forged + `,"Message":` + signed + `}`, unknown(Ambiguous)},
		{"one with spaces around it", `{"Type":"Notification","Message ":` + forged + `,"Message":` + signed + `}`, unknown(Ambiguous)},
		{"null beside a value", `{"Type":"Notification","Message":null,"Message":` + signed + `}`, unknown(Ambiguous)},
		{"a second Type", `{"Type":"Notification","type":"SubscriptionConfirmation","Message":` + signed + `}`, unknown(Ambiguous)},
		{"the same value twice", `{"Type":"Notification","Message":` + signed + `,"Message":` + signed + `}`, want},
		{"a shape beside what is signed", `{"Type":"Notification","secret":"forged","Message":` + signed + `}`, want},
		{"another shape beside it", `{"detail-type":"Secret Label Updated","source":"aws.secretsmanager","detail":{"name":"forged"},"account":"123456789012","region":"us-west-2","Type":"Notification","Message":` + signed + `}`, want},
		{"a third", `{"specversion":"1.0","data":{"secret":"forged"},"Type":"Notification","Message":` + signed + `}`, want},
		{"two secrets", `{"secret":"a","Secret":"b"}`, unknown(Ambiguous)},
		{"two attributes", `{"attributes":{"eventType":"SECRET_UPDATE","secretId":"projects/1/secrets/a","SecretId":"projects/1/secrets/b"},"data":""}`, unknown(Ambiguous)},
		{"two URLs", edit(t, sample(t, "az_ce_SecretNewVersionCreated"), `"VaultName"`, `"id":"https://x.vault.azure.net/secrets/forged","VaultName"`), unknown(Ambiguous)},
		{"two versions of a label", edit(t, []byte(label), `"name"`, `"versionID":"other","name"`), unknown(Ambiguous)},
		{"two names of a call", edit(t, sample(t, "aws_ct_put_secret_value"), `"eventID"`, `"EventName":"GetSecretValue","eventID"`), unknown(Ambiguous)},
		{"two secrets of a call", edit(t, sample(t, "aws_ct_put_secret_value"), `"clientRequestToken"`, `"SecretID":"x","clientRequestToken"`), unknown(Ambiguous)},
		{"two secrets of a rotation", edit(t, sample(t, "aws_svc_RotationFailed"), `"SecretId"`, `"secretid":"x","SecretId"`), unknown(Ambiguous)},
		{"two messages of the push form", edit(t, sample(t, "gcp_push_envelope"), `"messageId"`, `"Data":"x","messageId"`), unknown(Ambiguous)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Decode([]byte(c.body), nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("attributes beside a body", func(t *testing.T) {
		got := Decode([]byte(plainSample), map[string]string{"ce-type": "a", "Ce-Type": "b"})
		if diff := cmp.Diff(unknown(Ambiguous), got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheSetsAreClosed(t *testing.T) {
	label := func(s string) bool {
		return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
	}
	seen := make(map[string]bool)
	for _, k := range Kinds() {
		if !label(string(k)) || seen[string(k)] {
			t.Errorf("kind %q", k)
		}
		seen[string(k)] = true
	}
	if len(seen) != len(unknownKinds)+len(ignoredKinds) {
		t.Errorf("%d kinds", len(seen))
	}
	for _, s := range Shapes() {
		if !label(string(s)) || seen[string(s)] {
			t.Errorf("shape %q", s)
		}
		seen[string(s)] = true
	}
	for name, m := range expected() {
		for _, e := range m.Events {
			if !slices.Contains(Shapes(), e.Shape) {
				t.Errorf("%s has shape %q", name, e.Shape)
			}
		}
	}
}

func TestDecodeKeepsNothingOfTheBody(t *testing.T) {
	for name, body := range samples(t) {
		m := Decode(body, nil)
		before, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			body[i] = 'X'
		}
		after, err := json.Marshal(m)
		if err != nil || string(after) != string(before) {
			t.Errorf("%s: %s became %s, %v", name, before, after, err)
		}
	}
}
