package planet

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"demo-5aIp1K", "pl:destinations/demo-5aIp1K", "pl:destinations/default", "5aIp1K", "pl:destinations/", "..", "a/b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || again != r {
			t.Errorf("%q reads as %v, which reads as %v: %v", s, r, again, err)
		}
		if !r.IsDefault() && !r.Matches(Destination{ID: r.Key()}) {
			t.Errorf("%q does not match its own id", s)
		}
		_, _ = Find([]Destination{{ID: "demo-5aIp1K", Name: "Demo"}, {ID: s}}, r)
	})
}

func FuzzDestinations(f *testing.F) {
	f.Add([]byte(oneDestination))
	f.Add([]byte(`{"destinations":[` + oneDestination + `]}`))
	f.Add([]byte(`{"destinations":[null]}`))
	f.Add([]byte(`{"id":"a","type":"t","parameters":null,"archived":"2026-02-12T18:41:22Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ds, err := decodeList(b); err == nil {
			for _, d := range ds {
				if d.ID == "" || d.Type == "" {
					t.Error("a destination without id or type was taken")
				}
			}
		}
		d, err := decodeDestination("destination", b)
		if err != nil {
			return
		}
		if _, err := json.Marshal(d); err != nil && d.Created.Year() < 10000 && d.Updated.Year() < 10000 {
			t.Error(err)
		}
		for _, pick := range []func() (json.RawMessage, error){d.StructuralJSON, d.OptionalJSON} {
			if got, err := pick(); err != nil || !json.Valid(got) || got[0] != '{' {
				t.Errorf("%s: %v", got, err)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "3", "-1", "99999999999999999999", "1.5", "Thu, 12 Feb 2026 18:41:22 GMT", "junk"} {
		f.Add(s, "Thu, 12 Feb 2026 18:41:20 GMT")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if d := retryAfter(h, time.Unix(1770921680, 0)); d < 0 || d > maxPause {
			t.Errorf("%q gives %v", after, d)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"code":422,"message":"bad wJalr/Canary+K7MDENG/bPxRfiCYEXAMPLEKEY"}`))
	f.Add([]byte(`{"code":"x","message":["y"]}`))
	f.Add([]byte(`{"code":1e99,"message":"\u0000\ud800` + secretCanary + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, message, _ := decodeError(b)
		hidden := secretsOf(canaryBody().Parameters, "", "api-key "+keyCanary)
		shown := hidden.redact(message)
		if !utf8.ValidString(shown) || utf8.RuneCountInString(shown) > maxMessage || strings.ContainsFunc(shown, unicode.IsControl) {
			t.Errorf("%q is not fit to be shown", shown)
		}
		for _, canary := range []string{secretCanary, idCanary, keyCanary} {
			for i := 0; i+redactRun <= len(canary); i++ {
				if strings.Contains(shown, canary[i:i+redactRun]) {
					t.Error("a piece of a secret is shown")
				}
			}
		}
	})
}

func TestRetryAfterIsReadInBothFormsAndBounded(t *testing.T) {
	now := time.Date(2026, 2, 12, 18, 41, 20, 0, time.UTC)
	for _, tc := range []struct {
		name, after, date string
		want              time.Duration
	}{
		{"seconds", "3", "", 3 * time.Second},
		{"spaces around", " 3 ", "", 3 * time.Second},
		{"zero", "0", "", 0},
		{"negative", "-5", "", 0},
		{"absurd", "86400", "", maxPause},
		{"beyond any number", strings.Repeat("9", 40), "", maxPause},
		{"a date", "Thu, 12 Feb 2026 18:41:25 GMT", "", 5 * time.Second},
		{"a date by the server's own clock", "Thu, 12 Feb 2026 19:41:25 GMT", "Thu, 12 Feb 2026 19:41:21 GMT", 4 * time.Second},
		{"a date past", "Thu, 12 Feb 2026 18:00:00 GMT", "", 0},
		{"a date far off", "Thu, 12 Feb 2099 18:00:00 GMT", "", maxPause},
		{"junk", "soon", "", 0},
		{"missing", "", "", 0},
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.after)
		h.Set("Date", tc.date)
		if got := retryAfter(h, now); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
