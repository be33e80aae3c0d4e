package patcher_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
)

// sas changes goodSAS by pairs of name and value; an empty value removes the
// parameter, an unknown name is appended.
func sas(pairs ...string) string {
	parts := strings.Split(goodSAS, "&")
	for i := 0; i < len(pairs); i += 2 {
		var kept []string
		for _, p := range parts {
			if !strings.HasPrefix(p, pairs[i]+"=") {
				kept = append(kept, p)
			}
		}
		if parts = kept; pairs[i+1] != "" {
			parts = append(parts, pairs[i]+"="+pairs[i+1])
		}
	}
	return strings.Join(parts, "&")
}

func brokenSAS() []broken {
	const f = "sas_token"
	bad := func(name, secret string, reason patcher.Reason, says string) broken {
		return broken{name: name, typ: azure, secret: secret, field: f, reason: reason, says: says}
	}
	accountSAS := func(pairs ...string) string {
		return sas(append([]string{"sr", "", "ss", "b", "srt", "sco"}, pairs...)...)
	}
	return []broken{
		bad("only a question mark", "?", patcher.ReasonPlaceholder, ""),
		bad("a URL and nothing after the question mark", "https://a.blob.core.windows.net/c?", patcher.ReasonEmpty, ""),
		bad("two question marks", "??"+goodSAS, patcher.ReasonBadFormat, "second"),
		bad("a URL without a token", "https://a.blob.core.windows.net/c", patcher.ReasonBadFormat, "URL without a SAS"),
		bad("a URL without https", "http://a.blob.core.windows.net/c?"+goodSAS, patcher.ReasonBadFormat, "without https"),
		bad("a URL of a listing", "https://a.blob.core.windows.net/c?restype=container&comp=list&"+goodSAS, patcher.ReasonBadFormat, "belong to a request"),
		bad("a connection string", "BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature="+goodSAS, patcher.ReasonBadFormat, "connection string"),
		bad("a connection string with an account key", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0LWFjY291bnQta2V5", patcher.ReasonBadFormat, "account key"),
		bad("an account key", "c2VjcmV0YWNjb3VudGtleWZvcnRlc3Rz+k/eXc2VjcmV0YWNjb3VudGtleWZvcnRlc3Rz==", patcher.ReasonBadFormat, "name=value"),
		bad("a word", "opensesame", patcher.ReasonBadFormat, "no SAS token"),
		bad("white space inside", sas("sp", "rw dl"), patcher.ReasonBadFormat, "white space"),
		bad("a line break inside", strings.Replace(goodSAS, "&se", "\n&se", 1), patcher.ReasonBadFormat, "white space"),
		bad("a fragment", goodSAS+"#x", patcher.ReasonBadFormat, `"#"`),
		bad("escaped for HTML", strings.ReplaceAll(goodSAS, "&", "&amp;"), patcher.ReasonBadFormat, "HTML"),
		bad("a broken escape", goodSAS+"%2", patcher.ReasonBadFormat, "hexadecimal"),
		bad("far too long", goodSAS+"&x="+strings.Repeat("y", 9000), patcher.ReasonTooLong, ""),
		bad("too many parameters", goodSAS+strings.Repeat("&x=y", 100), patcher.ReasonBadFormat, "more parameters"),
		bad("a parameter twice", goodSAS+"&sp=rwdl", patcher.ReasonAmbiguous, "sp more than once"),
		bad("an unknown parameter twice", goodSAS+"&hidden=1&hidden=2", patcher.ReasonAmbiguous, "a parameter more than once"),
		bad("no signature", sas("sig", ""), patcher.ReasonMissingField, "sig"),
		bad("an empty signature", sas("sig", "")+"&sig=", patcher.ReasonEmpty, "sig"),
		bad("a signature that a log has hidden", sas("sig", "REDACTED"), patcher.ReasonPlaceholder, "logs"),
		bad("a signature encoded twice", strings.ReplaceAll(goodSAS, "%2", "%252"), patcher.ReasonBadFormat, "sig) was percent-encoded twice"),
		bad("a signature of other letters", sas("sig", "abc~def!ghij"), patcher.ReasonBadFormat, "base64"),
		bad("no delete", sas("sp", "racwl"), patcher.ReasonPermissions, "lack d (delete);"),
		bad("read only", sas("sp", "r"), patcher.ReasonPermissions, "lack w (write), d (delete), l (list);"),
		bad("no permissions", sas("sp", ""), patcher.ReasonPermissions, "lack r (read), w (write), d (delete), l (list);"),
		bad("a policy and too few permissions of its own", sas("sp", "r", "si", "policy"), patcher.ReasonPermissions, "lack w"),
		bad("one blob", sas("sr", "b"), patcher.ReasonWrongScope, "sr) must be c"),
		bad("a directory", sas("sr", "d"), patcher.ReasonWrongScope, "sr) must be c"),
		bad("for nothing", sas("sr", ""), patcher.ReasonWrongScope, "what it is for"),
		bad("an account's queues", accountSAS("ss", "q"), patcher.ReasonWrongScope, "ss) must hold b"),
		bad("an account's objects without containers", accountSAS("srt", "o"), patcher.ReasonWrongScope, "srt"),
		bad("an account's containers without objects", accountSAS("srt", "sc"), patcher.ReasonWrongScope, "srt"),
		bad("an account's blobs without resource types", accountSAS("srt", ""), patcher.ReasonWrongScope, "srt"),
		bad("no end", sas("se", ""), patcher.ReasonMissingField, "se"),
		bad("an end that is no time", sas("se", "tomorrow-evening"), patcher.ReasonBadFormat, "end (se) is no time"),
		bad("an end without its zone", sas("se", "2026-07-01T00:00:00"), patcher.ReasonBadFormat, "Z"),
		bad("an end that is past", sas("se", "2026-06-15T11:59:59Z"), patcher.ReasonExpired, "end (se) was 1s ago"),
		bad("an end that is now", sas("se", "2026-06-15T12:00:00Z"), patcher.ReasonExpired, "0s ago"),
		bad("an end that is long past", sas("se", "2026-06-01"), patcher.ReasonExpired, "14 days ago"),
		bad("an end that is past in its zone", sas("se", "2026-06-15T13:30:00%2B02:00"), patcher.ReasonExpired, "30m ago"),
		bad("a delegation key that has ended", sas("skt", "2026-06-10T00:00:00Z", "ske", "2026-06-15T00:00:00Z"), patcher.ReasonExpired, "(ske) was 12h0m ago"),
		bad("a delegation key that hasn't begun", sas("skt", "2026-06-16T12:00:00Z", "ske", "2026-06-18T00:00:00Z"), patcher.ReasonNotYetValid, "(skt) is 24h0m ahead"),
		bad("a start in the future", sas("st", "2026-06-15T12:15:01Z"), patcher.ReasonNotYetValid, "start (st) is 15m ahead"),
		bad("a number where the token should be", object("sas_token", 20260615120000), patcher.ReasonWrongKind, "a number"),
		{"JSON without a token", azure, object("url", "https://x/?sig=abcdefgh"), nil, f, patcher.ReasonMissingField, "which holds url"},
	}
}

func TestSASTokensThatAreAcceptedByteForByte(t *testing.T) {
	for name, token := range map[string]string{
		"minutes":                         sas("se", "2026-06-15T12:01Z"),
		"a date alone":                    sas("se", "2026-06-16"),
		"a fraction of a second":          sas("se", "2026-06-15T12:00:00.0000001Z"),
		"an offset, escaped":              sas("se", "2026-06-15T14:30:00%2b02:00"),
		"an offset as it is":              sas("se", "2026-06-15T14:30:00+02:00"),
		"a start a quarter ahead":         sas("st", "2026-06-15T12:15:00Z"),
		"no start":                        sas("st", ""),
		"permissions in another order":    sas("sp", "ldxwaycrtfmeop"),
		"escaped permissions":             sas("sp", "%72wdl"),
		"a policy and nothing else":       sas("sp", "", "se", "", "st", "", "si", "policy"),
		"an account SAS":                  sas("sr", "", "ss", "bfqt", "srt", "sco"),
		"a user-delegation SAS":           sas("skoid", "a-b", "sktid", "c-d", "skt", "2026-06-14T00:00:00Z", "ske", "2026-06-20T00:00:00Z", "sks", "b", "skv", "2024-11-04"),
		"unknown parameters":              goodSAS + "&new=x:y;z,(1)!",
		"an unescaped signature":          sas("sig", "aB3/xYz+0123456789AbCdEfGhIjKlMnOpQrStUvw8="),
		"lower-case escapes stay so":      strings.ReplaceAll(goodSAS, "%2F", "%2f"),
		"an empty part":                   goodSAS + "&",
		"white space and ? don't belong ": "  ?" + goodSAS + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := makeIt(t, azure, token, nil)
			want := map[string]string{"sas_token": strings.TrimPrefix(strings.TrimSpace(token), "?")}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestAllProblemsOfATokenAreReportedTogether(t *testing.T) {
	_, err := makeIt(t, azure, sas("sp", "r", "sr", "b", "se", "2026-01-01", "sig", ""), nil)
	for _, reason := range []string{"4 problems", "missing field", "permissions", "wrong scope", "expired"} {
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%v\ndoesn't say %s", err, reason)
		}
	}
}

func TestExpiryIsTheEarliestEnd(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 7, d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name, typ, field, value string
		want                    time.Time
		ok                      bool
	}{
		{"the end", azure, "sas_token", goodSAS, day(1), true},
		{"the delegation key ends first", azure, "sas_token", "se=2026-07-03&ske=2026-07-02T00:00Z", day(2), true},
		{"the token ends first", azure, "sas_token", "ske=2026-07-03&se=2026-07-02T02:00:00%2B02:00", day(2), true},
		{"only the delegation key has an end", azure, "sas_token", "ske=2026-07-03", day(3), true},
		{"a policy knows the end", azure, "sas_token", "si=policy&sig=x", time.Time{}, false},
		{"a token that can't be read", azure, "sas_token", "se=2026-07-03&x=%", time.Time{}, false},
		{"no token", azure, "other", "se=2026-07-03", time.Time{}, false},
		{"keys don't say", amazon, "sas_token", "se=2026-07-03", time.Time{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p credential.Parameters
			p.Set(c.field, credential.NewValue([]byte(c.value)))
			got, ok := patcher.Expiry(c.typ, p)
			if !got.Equal(c.want) || ok != c.ok {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}

func TestTheSignatureOfAnyTokenStaysAsItIs(t *testing.T) {
	for i := range 256 {
		sig := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(i)), 16))[:16])
		token := sas("sig", strings.NewReplacer("+", "%2b", "/", "%2F", "=", "%3D").Replace(sig))
		got, err := makeIt(t, azure, object("sas", "?"+token), nil)
		if err != nil || got["sas_token"] != token {
			t.Fatalf("%d: %v, %q is not %q", i, err, got["sas_token"], token)
		}
	}
}
