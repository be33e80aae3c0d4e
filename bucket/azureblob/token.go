package azureblob

import (
	"bytes"
	"net/url"
	"strings"
	"time"
)

// maxToken is far above any SAS; real ones have 100 to 500 bytes.
const maxToken = 8 << 10

// token is a SAS, and what its own words say that helps to explain a refusal.
type token struct {
	query string // as it was stored, without a leading "?"
	// secrets are what no error may hold: the signature as it is written and
	// decoded.
	secrets []string
	// start and end are when the token is good, by its own words: the later of
	// st and skt, the earlier of se and ske. Zero where it does not say.
	start, end time.Time
	// policy: a stored access policy (si) has a say.
	policy bool
}

// parseToken takes a token as patcher.Make gives it to Planet. It refuses only
// what can't be sent, or would make another request of ours.
func parseToken(b []byte) (*token, error) {
	b = bytes.TrimPrefix(b, []byte("?"))
	switch {
	case len(b) == 0:
		return nil, unusable("the credential has no sas_token")
	case len(b) > maxToken:
		return nil, unusable("the credential's sas_token is longer than any SAS token")
	}
	for _, c := range b {
		if c <= ' ' || c > '~' || strings.IndexByte("\"<>#\\^`{|}?", c) >= 0 {
			return nil, unusable(`the credential's sas_token holds what can't be in the query of a URL, such as white space, a quote or a second "?"`)
		}
	}
	t := &token{query: string(b)}
	for part := range strings.SplitSeq(t.query, "&") {
		name, raw, _ := strings.Cut(part, "=")
		// Not QueryUnescape: a bare "+" is one, of base64 or of a time zone. The
		// error quotes its input and is dropped.
		value, err := url.PathUnescape(raw)
		if err != nil {
			value = raw
		}
		switch name {
		case "sig":
			t.secrets = append(t.secrets, raw, value)
		case "si":
			t.policy = true
		case "se", "ske":
			if at, ok := parseTime(value); ok && (t.end.IsZero() || at.Before(t.end)) {
				t.end = at
			}
		case "st", "skt":
			if at, ok := parseTime(value); ok && at.After(t.start) {
				t.start = at
			}
		case "comp", "restype", "prefix", "maxresults", "include", "snapshot", "versionid", "timeout":
			return nil, unusable("the credential's sas_token holds parameters that belong to a request and not to a token, such as comp or restype")
		}
	}
	if len(t.secrets) != 2 || t.secrets[1] == "" {
		return nil, unusable("the credential's sas_token has no signature (sig), or more than one")
	}
	return t, nil
}

// timeLayouts are the ISO 8601 forms that Azure takes. Go reads a fraction
// after the seconds by itself.
var timeLayouts = []string{"2006-01-02", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00"}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		// The error quotes its input and is dropped.
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// shows tells whether a text holds the signature or is a piece of it.
func (t *token) shows(text string) bool {
	for _, s := range t.secrets {
		if strings.Contains(text, s) || strings.Contains(s, text) {
			return true
		}
	}
	return false
}
