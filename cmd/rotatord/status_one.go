package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/app"
)

// statusDetail writes all that is known of one destination, in sections, for a
// person. What is not known or does not apply is left out, but for what somebody
// may count on: whether the credential still works, and the bucket.
func (s screen) statusDetail(w io.Writer, now time.Time, st app.Status) {
	_, _ = fmt.Fprintf(w, "%s: %s\n", s.paint(bold, clean(st.Destination)), s.headline(st))
	for _, section := range []struct {
		title string
		lines []fact
	}{
		{"state", stateFacts(now, st)},
		{"versions", versionFacts(now, st)},
		{"credential", credentialFacts(now, st)},
		{"bucket", bucketFacts(now, st)},
		{"drift", driftSection(now, st)},
		{"used by", dependentFacts(now, st)},
		{"receipt", receiptFacts(now, st)},
	} {
		if len(section.lines) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(w, "\n%s\n", s.paint(bold, section.title))
		for _, f := range section.lines {
			s.fact(w, f)
		}
	}
	if todo := wanted(st); todo != "" {
		_, _ = fmt.Fprintln(w)
		s.paragraph(w, "", "what to do: "+todo)
	}
}

// fact is a line of a section.
type fact struct {
	name string
	cell
}

const factWidth = 13

// fact writes a name and what belongs to it, wrapped below itself.
func (s screen) fact(w io.Writer, f fact) {
	width := 0
	if s.terminal {
		width = max(min(s.width, 100)-factWidth-2, 20)
	}
	for i, line := range wrap(clean(f.text), width) {
		name := strings.Repeat(" ", factWidth)
		if i == 0 {
			name = s.paint(gray, fmt.Sprintf("%-*s", factWidth, f.name))
		}
		_, _ = fmt.Fprintf(w, "  %s%s\n", name, s.paint(f.color, line))
	}
}

func stateFacts(now time.Time, st app.Status) (lines []fact) {
	add := adder(&lines)
	state := stateCell(st)
	add("state", cell{state.text + since(now, st.Since), state.color})
	if st.Reason != "" {
		add("reason", cell{text: string(st.Reason)})
	}
	said := conditionLines(now, st)
	for i, c := range st.Conditions {
		add("condition", cell{said[i], conditionOf(string(c)).color})
	}
	plainly := st
	plainly.Conditions = nil // they stand above
	for _, line := range remarks(now, plainly) {
		add("note", cell{text: line})
	}
	if risk := atRisk(st); risk != "" && alerts(st) {
		add("at risk", cell{risk, red})
	}
	add("next look", cell{text: nextLook(now, st)})
	if !st.LastSuccess.IsZero() {
		add("last success", cell{text: ago(now, st.LastSuccess)})
	}
	if st.ID != "" && st.ID != st.Destination {
		add("id", cell{text: st.ID})
	}
	add("type", cell{text: orDash(st.Type)})
	add("account", cell{text: orDash(st.Account)})
	return lines
}

// adder gives a function that appends facts.
func adder(lines *[]fact) func(name string, c cell) {
	return func(name string, c cell) { *lines = append(*lines, fact{name, c}) }
}

func since(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + rough(now.Sub(t))
}

func versionFacts(now time.Time, st app.Status) (lines []fact) {
	add := adder(&lines)
	add("secret", cell{text: orDash(string(st.Secret))})
	if src := st.Source; src != nil {
		text := src.Version
		if !src.Created.IsZero() {
			text += ", made " + ago(now, src.Created)
		}
		if !src.NextRotation.IsZero() {
			text += ", to be replaced " + in(now, src.NextRotation)
		}
		add("current", cell{text: text})
	}
	if a := st.Accepted; a != nil {
		text := a.Version + ", accepted " + ago(now, a.At)
		if a.Adopted {
			text = a.Version + ", adopted without a request " + ago(now, a.At)
		}
		add("accepted", cell{text: text})
	} else {
		add("accepted", cell{"none by a request of ours", yellow})
	}
	if f := st.Inflight; f != nil {
		add("under way", cell{f.Version + ", sent " + ago(now, f.Sent), yellow})
	}
	return lines
}

func credentialFacts(now time.Time, st app.Status) (lines []fact) {
	add := adder(&lines)
	switch {
	case st.Accepted == nil:
		return nil
	case st.Expires.IsZero():
		add("expires", cell{"nobody says", gray})
	case !st.Expires.After(now):
		add("expires", cell{"expired " + ago(now, st.Expires) + ", at " + stamp(st.Expires), red})
	default:
		add("expires", cell{in(now, st.Expires) + ", at " + stamp(st.Expires), expiryCell(now, st).color})
	}
	c, ok := standingWords[st.Standing.State]
	if !ok {
		c = cell{st.Standing.State, yellow} // of another version's daemon
	}
	if t := st.Standing; t.State != "" {
		c.text += since(now, t.Since)
		if t.State != "works" && t.Reason != "" {
			c.text += " (" + t.Reason + ")" + after(": ", whyWords[t.Reason])
		}
		if t.Detail != "" && t.State != "works" {
			c.text += ": " + t.Detail
		}
		c.text += "; tried " + ago(now, t.CheckedAt)
		if t.State != "works" && !t.Worked.IsZero() {
			c.text += ", worked " + ago(now, t.Worked)
		}
		if !t.LookAgainAt.IsZero() {
			c.text += ", tried again " + in(now, t.LookAgainAt)
		}
	}
	add("standing", c)
	return lines
}

func bucketFacts(now time.Time, st app.Status) (lines []fact) {
	l, c := st.Leftover, leftoverCell(st)
	switch l.State {
	case "":
		c.text = "not looked yet"
	case "present":
		c.text = "PRESENT: " + leftoverFacts(now, st)
	case "seen":
		c.text = "seen once, " + leftoverFacts(now, st)
		if !l.LookAgainAt.IsZero() {
			c.text += "; it is looked for again " + in(now, l.LookAgainAt)
		}
	case "absent":
		c.text = "none"
	case "absent_inferred":
		c.text = "none, concluded from a refusal: the key may not list the bucket"
	case "cannot_tell":
		c.text = "can't tell: " + l.Reason
		if why, ok := whyWords[l.Reason]; ok {
			c.text = "can't tell (" + l.Reason + "): " + why
		}
		if l.Detail != "" {
			c.text += ": " + l.Detail
		}
	}
	lines = append(lines, fact{"leftover", c})
	if !l.CheckedAt.IsZero() {
		lines = append(lines, fact{"looked", cell{text: ago(now, l.CheckedAt)}})
	}
	return lines
}

func driftSection(now time.Time, st app.Status) (lines []fact) {
	add := adder(&lines)
	if st.Drift != nil {
		add("found", cell{ago(now, st.Drift.Found), yellow})
		if what := driftFacts(st); what != "" {
			add("changed", cell{text: what})
		}
	}
	if st.Seen != nil {
		text := "as we left it, in the list of " + ago(now, st.Seen.At)
		if !st.Seen.Updated.IsZero() {
			text += "; Planet's last change then was at " + stamp(st.Seen.Updated)
		}
		add("compared", cell{text: text})
	}
	return lines
}

func dependentFacts(now time.Time, st app.Status) (lines []fact) {
	d := st.Dependents
	if d == nil {
		return nil
	}
	add := adder(&lines)
	add("who", cell{text: usedBy(st, "running subscription")})
	failed := cell{"none" + since(now, d.Since), green}
	if d.Failed > 0 {
		failed = cell{fmt.Sprintf("%d%s: %d for what looks like the credential, %d for an unknown cause", d.Failed, since(now, d.Since),
			d.FailedCredential, d.Failed-d.FailedCredential), yellow}
	}
	if d.FailedCredential > 0 {
		failed.color = red
	}
	add("failed", failed)
	for _, f := range d.Examples {
		text := []string{string(f.Kind) + " " + f.ID}
		if f.Name != "" {
			text[0] += " (" + f.Name + ")"
		}
		text = append(text, ago(now, f.At), "cause "+string(f.Cause))
		line := strings.Join(text, ", ")
		if f.Message != "" {
			line += ": " + f.Message
		}
		add("", cell{text: line})
	}
	add("gathered", cell{text: ago(now, d.At) + ", " + whose(d.AllUsers)})
	if d.Incomplete {
		add("incomplete", cell{"there may be more: an answer failed, or a bound was reached", yellow})
	}
	return lines
}

func whose(all bool) string {
	if all {
		return "of all users"
	}
	return "of the API key's own user alone"
}

func receiptFacts(now time.Time, st app.Status) (lines []fact) {
	r := st.Receipt
	if r == nil {
		return nil
	}
	add := adder(&lines)
	add("version", cell{text: r.Version + ", accepted by every destination of the secret " + ago(now, r.At)})
	switch {
	case !r.Withdrawn.IsZero():
		add("withdrawn", cell{strings.TrimSuffix(ago(now, r.Withdrawn)+": "+r.Why, ": "), red})
	case !r.Safe.IsZero():
		add("safe", cell{"since " + rough(now.Sub(r.Safe)) + "; rotatord gate finds out whether it still is", green})
	default:
		add("opens", cell{text: in(now, r.Opens) + "; rotatord gate finds out whether it is safe"})
	}
	if !r.Marked.IsZero() {
		add("marked", cell{text: "at the secret manager " + ago(now, r.Marked)})
	}
	return lines
}
