package announce

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Slack's limits are 3,000 characters for the text of a section and 2,000 for
// one of its fields; Mattermost cuts a message at 16,383.
const (
	maxField    = 400  // characters of a foreign word, escaped
	maxSentence = 1500 // characters of a foreign sentence, escaped
)

// message is what an incoming webhook takes. Slack shows the blocks and uses the
// text for notifications; others show the text and pass over the blocks. So
// each says everything.
type message struct {
	Text   string  `json:"text"`
	Blocks []block `json:"blocks"`
}

type block struct {
	Type     string `json:"type"`
	Text     *text  `json:"text,omitempty"`
	Fields   []text `json:"fields,omitempty"`
	Elements []text `json:"elements,omitempty"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func mrkdwn(s string) text { return text{Type: "mrkdwn", Text: s} }

// wording is what a person is told of a kind: a headline with %s for the
// subject, and what follows from it.
type wording struct{ sign, headline, meaning string }

// What somebody who was woken wants to know: do deliveries fail, who has to do
// something, and what must not be done now.
var wordings = map[Kind]wording{
	Pushed: {":white_check_mark:", "Planet accepted a credential for %s",
		"Deliveries that begin from now on use the version below. Keep the one before until rotatord says that it is safe to revoke."},
	Held: {":no_entry:", "%s does not get the new credential",
		"The new version is held back. Do not revoke the previous credential: Planet may still deliver with it. Somebody has to look."},
	Blocked: {":rotating_light:", "%s can't be rotated",
		"Nothing can be sent to Planet for this destination. Do not revoke the credential that it uses. Somebody has to look."},
	Leftover: {":wastebasket:", "Planet's test object is left in the bucket of %s",
		"Planet writes planetverify.txt and deletes it. The credential probably may not delete: grant that, then remove the object."},
	Expiring: {":hourglass_flowing_sand:", "the credential of %s ends soon",
		"Deliveries fail once it has ended. Put a new version into the secret."},
	CredentialRejected: {":rotating_light:", "the bucket of %s does not take its credential any more",
		"Deliveries with it fail, now or soon. Somebody may have revoked it or changed a policy. Put a new version into the secret, or undo that."},
	Drift: {":eyes:", "somebody else has changed %s at Planet",
		"The change did not come from rotatord. If it was a credential, Planet may hold another than the secret: rotatord push sends it again."},
	DeliveriesFailing: {":rotating_light:", "deliveries to %s fail",
		"What Planet says of them speaks against the credential. Check the bucket's permissions. Do not revoke anything."},
	SafeToRevoke: {":key:", "older versions of %s may be revoked",
		"Every destination that rotatord manages uses the version below, and the grace is over. What else uses the secret is not known to rotatord."},
	Failing: {":warning:", "%s can't be checked at the moment",
		"The secret manager or Planet can't be used. It is tried again by itself. Do not revoke the credential in use."},
	Recovered: {":large_green_circle:", "%s is in order again", "Nothing to do."},
}

type fact struct{ name, value string }

// compose writes the message; the same announcement gives the same one.
func compose(a Announcement) message {
	w := wordings[a.Kind]
	title := fmt.Sprintf(w.headline, escape(a.subject(), maxField))
	facts := factsOf(a)
	lines := []string{w.sign + " rotatord: " + title, w.meaning}
	blocks := []block{section(w.sign + " *" + title + "*\n" + w.meaning)}
	if a.Detail != "" {
		detail := escape(a.Detail, maxSentence)
		lines = append(lines, detail)
		blocks = append(blocks, section(detail))
	}
	var fields []text
	for _, f := range facts {
		lines = append(lines, f.name+": "+f.value)
		fields = append(fields, mrkdwn("*"+f.name+"*\n"+f.value))
	}
	for len(fields) > 0 { // Slack takes ten in one section
		n := min(len(fields), 10)
		blocks = append(blocks, block{Type: "section", Fields: fields[:n]})
		fields = fields[n:]
	}
	foot := "rotatord, " + clock(a.Time) + ", " + a.ID
	blocks = append(blocks, block{Type: "context", Elements: []text{mrkdwn(foot)}})
	return message{Text: strings.Join(append(lines, foot), "\n"), Blocks: blocks}
}

func section(s string) block {
	t := mrkdwn(s)
	return block{Type: "section", Text: &t}
}

// factsOf lists what is known, in the order in which it helps.
func factsOf(a Announcement) []fact {
	all := []fact{
		{"Why", a.Reason}, {"State", a.State}, {"Destination", a.Destination}, {"Planet's id", a.DestinationID},
		{"Account", a.Account}, {"Secret", string(a.Secret)}, {"Version", a.Version},
		{"Since", clock(a.Since)}, {"Ends", until(a.Expires, a.Time)}, {"Tried again", until(a.RetryAt, a.Time)},
	}
	if a.Dependents != nil {
		all = append(all, fact{"At risk", fmt.Sprintf("%s, %s",
			count(a.Dependents.Subscriptions, "subscription"), count(a.Dependents.Orders, "open order"))})
	}
	if a.RetryAt.IsZero() && (a.Kind == Held || a.Kind == Blocked) {
		all = append(all, fact{"Tried again", "after a change, or with rotatord retry"})
	}
	if a.Destination != "" && a.Kind != Pushed && a.Kind != Recovered {
		all = append(all, fact{"More", "rotatord status, rotatord history"})
	}
	known := all[:0]
	for _, f := range all {
		if f.value != "" {
			known = append(known, fact{f.name, escape(f.value, maxField)})
		}
	}
	return known
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// until shows a time and how far it is from when the announcement was made, not
// from now, so that a late post says the same.
func until(t, from time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(from)
	switch {
	case d < 0:
		return clock(t) + " (over)"
	case d < 2*time.Minute:
		return fmt.Sprintf("%s (in %d s)", clock(t), int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%s (in %d min)", clock(t), int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%s (in %d h)", clock(t), int(d.Hours()))
	}
	return fmt.Sprintf("%s (in %d days)", clock(t), int(d.Hours()/24))
}

// escape makes foreign text harmless in a message and bounds it to so many
// characters. &, < and > are written as Slack wants them, which also takes the
// meaning from its mentions ("<!channel>"). Mattermost reads Markdown and knows
// mentions without brackets: a zero-width space goes behind the @ of those that
// wake everybody, and "](" of links and pictures is parted. Control characters
// and those that turn the reading direction become spaces, so that a text can't
// begin a line of its own.
func escape(s string, most int) string {
	var b strings.Builder
	used, before := 0, ' '
	for i, c := range s {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029' {
			c = ' '
		}
		piece := pieceOf(c, before, s[i:])
		size := utf8.RuneCountInString(piece)
		if used+size >= most {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		used, before = used+size, c
	}
	return b.String()
}

func pieceOf(c, before rune, rest string) string {
	switch {
	case c == '&':
		return "&amp;"
	case c == '<':
		return "&lt;"
	case c == '>':
		return "&gt;"
	case c == '`':
		return "'"
	case c == '(' && before == ']':
		return " ("
	case c == '@' && wakes(rest[1:]):
		return "@\u200b"
	}
	return string(c)
}

// wakes tells whether what follows an @ calls everybody.
func wakes(s string) bool {
	for _, word := range []string{"channel", "here", "all", "everyone"} {
		if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) {
			return true
		}
	}
	return false
}
