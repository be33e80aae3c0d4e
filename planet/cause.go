package planet

import (
	"regexp"
	"slices"
	"strings"
)

// Cause is why a delivery failed, as far as Planet's texts tell.
type Cause string

// The causes.
const (
	// CauseCredential: the bucket did not let the stored credential write.
	CauseCredential Cause = "credential"
	// CauseUnknown: anything else, or nothing that can be read.
	CauseUnknown Cause = "unknown"
)

// How Planet words a credential that does not work is not documented. These
// are the words of the clouds themselves, which it may well hand on, in lower
// case and without spaces, hyphens and underscores.
var credentialWords = []string{
	// S3 and what speaks like it, Oracle's compatible endpoint included
	"accessdenied", "invalidaccesskeyid", "signaturedoesnotmatch", "expiredtoken", "tokenrefreshrequired",
	"invalidtoken", "invalidsecurity", "notsignedup", "allaccessdisabled", "accountproblem",
	// Google
	"invalidgrant", "invalidclient", "unauthorizedclient", "permissiondenied", "doesnothavestorage.objects",
	// Azure
	"authenticationfailed", "authorizationfailure", "authorizationpermissionmismatch", "authorizationprotocolmismatch",
	"authorizationsourceipmismatch", "authorizationresourcetypemismatch", "authorizationservicemismatch",
	"invalidauthenticationinfo", "insufficientaccountpermissions",
	// Oracle's own API
	"notauthenticated", "notauthorized",
	// prose
	"invalidcredential", "credentialsareinvalid", "credentialisinvalid", "badcredential", "expiredcredential",
	"unauthorized", "forbidden", "credentialshaveexpired", "credentialhasexpired",
}

// statusWord is 401 or 403 alone, and not a part of a name or another number.
var statusWord = regexp.MustCompile(`(^|[^0-9A-Za-z_./-])40[13]($|[^0-9A-Za-z_/-])`)

// busyWords come with a 403 that says nothing against a credential: Google
// throttles so.
var busyWords = []string{"ratelimitexceeded", "quotaexceeded", "requesttimetooskewed"}

var joiner = strings.NewReplacer(" ", "", "-", "", "_", "")

// CauseOf classifies what Planet says of a failed delivery: heuristics, since
// no wording is documented. No text gives [CauseUnknown].
func CauseOf(texts ...string) Cause {
	for _, text := range texts {
		joined := joiner.Replace(strings.ToLower(text))
		in := func(word string) bool { return strings.Contains(joined, word) }
		if slices.ContainsFunc(credentialWords, in) {
			return CauseCredential
		}
		if statusWord.MatchString(text) && !slices.ContainsFunc(busyWords, in) {
			return CauseCredential
		}
	}
	return CauseUnknown
}

// Clouds quote what they were sent when they refuse it: key ids, signatures,
// the string that was to be signed, whole URLs with a SAS token. What was sent
// is not known here, unlike in an answer to a PATCH, so what looks like it goes.
var (
	queryPart = regexp.MustCompile(`\?[^\s"'<>]*`)
	named     = regexp.MustCompile(`(?i)\b(sig|signature|token|sas|secret|password|key|credential)(["']?\s*[=:]\s*["']?)[^\s"'&,;<>]+`)
	keyID     = regexp.MustCompile(`\b(AKIA|ASIA|AROA|AIDA|GOOG)[A-Z0-9]{8,}`)
	longRun   = regexp.MustCompile(`[A-Za-z0-9+/=_%]{20,}`)
	telltale  = regexp.MustCompile(`[0-9+/=%]`)
)

// tame makes a text of Planet's fit to be kept and shown: one line, bounded,
// without what may be a secret.
func tame(text string) string {
	if len(text) > redactScan {
		text = text[:redactScan]
	}
	text = queryPart.ReplaceAllString(text, "?"+replacement)
	text = named.ReplaceAllString(text, "$1$2"+replacement)
	text = keyID.ReplaceAllString(text, replacement)
	text = longRun.ReplaceAllStringFunc(text, func(run string) string {
		if telltale.MatchString(run) {
			return replacement
		}
		return run
	})
	return secrets(nil).redact(text)
}
