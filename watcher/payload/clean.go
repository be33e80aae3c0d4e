package payload

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/shape"
)

// Lengths of what leaves, in bytes.
const (
	maxName    = 2048
	maxVersion = 256
	maxTest    = 64
)

// clean tells whether a string may be shown: valid UTF-8 that leads no
// terminal, log or reader astray. U+FFFD stands for something that was not.
func clean(s string, longest int) bool {
	if s == "" || len(s) > longest || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			continue
		}
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return false
		}
	}
	return true
}

// version gives an id that a cloud's events name, or none: it is a hint only,
// and a hint that looks like nothing is no reason to drop the event.
func version(s string) string {
	if versions.MatchString(s) {
		return s
	}
	return ""
}

// moment gives the zero time for what is no time, or none that a store could
// keep: years that a count of nanoseconds or RFC 3339 has no room for.
func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if t = t.UTC(); err != nil || t.Year() < 1970 || t.Year() > 2261 {
		return time.Time{}
	}
	return t
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// What names look like. Each is what the vendor documents, a little wider.
var (
	versions = shape.Of(`^[a-zA-Z0-9_-]+$`, 128)
	tests    = shape.Of(`^[a-zA-Z0-9_-]+$`, 64)
	digits   = shape.Of(`^[0-9]+$`, 20)

	awsRegions  = shape.Of(`^[a-z]{2,}(-[a-z]+){1,3}-[0-9]+$`, 32)
	awsAccounts = shape.Of(`^[0-9]{12}$`, 12)
	awsNames    = shape.Of(`^[a-zA-Z0-9/_+=.@!-]+$`, 519)
	awsLabels   = shape.Of(`^[a-zA-Z0-9/_+=.@!-]+$`, 256)
	awsARNs     = shape.Of(`^arn:(aws(?:-[a-z]+){0,3}):secretsmanager:([a-z]{2,}(?:-[a-z]+){1,3}-[0-9]+):[0-9]{12}:secret:([a-zA-Z0-9/_+=.@!-]+)$`, 0, 30, 32, 519)

	googleNames = shape.Of(`^projects/([a-z0-9:.-]+)(?:/locations/([a-z0-9-]+))?/secrets/([a-zA-Z0-9_-]+)$`, 0, 128, 64, 255)

	azureURLs = shape.Of(`^(?i:https)://([a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+){0,9}(?::[0-9]{1,5})?)/(?i:secrets)/([a-zA-Z0-9-]+)(?:/([a-zA-Z0-9]+))?/?$`, 0, 259, 127, 64)
)
