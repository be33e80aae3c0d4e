package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/app"
)

// condition is how something that is wrong is shown.
type condition struct {
	cell        // for a table, in two words at most
	alert  bool // somebody should look
	says   string
	advice string // what to do; NAME is the destination's
}

// conditionWords says it for each. A test holds it to the store's list.
var conditionWords = map[string]condition{
	"credential_rejected": {cell{"REJECTED", red}, true, "the bucket does not take the credential that Planet holds any more",
		"undo what disabled the key, or rotate the secret; rotatord sync NAME"},
	"expired": {cell{"EXPIRED", red}, true, "the credential that Planet holds has ended",
		"rotate the secret now; rotatord sync NAME"},
	"deliveries_failing": {cell{"FAILING", red}, true, "deliveries have failed for what looks like the credential",
		"see what Planet says of them, in rotatord status NAME; let the key write, or rotate the secret"},
	"leftover": {cell{"leftover", red}, true, "Planet's last check left its object in the bucket, so the credential may not delete",
		"let the key delete objects, remove the leftover from the bucket, and send it again: rotatord push --destination NAME"},
	"expires_unreplaced": {cell{"ends early", yellow}, true, "the credential ends before the secret manager plans to replace it",
		"rotate the secret before that day, or let the secret manager do so earlier"},
	"drift": {cell{"drift", yellow}, true, "somebody else has changed the destination at Planet",
		"find out who did, and whether it still holds the right credential; rotatord push --destination NAME sends it again and settles this"},
	"parameters_changed": {cell{"changed", yellow}, true, "parameters were different after a request of ours",
		"see whether the change was meant; if so: rotatord retry NAME"},
	"old_leftover": {cell{"old leftover", yellow}, true, "an object of an earlier check lies in the bucket, from before the last push",
		"remove it from the bucket; if it comes back, let the key delete objects"},
	"unproven": {cell{"unproven", plain}, false, "Planet holds a credential that preflight has not passed", ""},
	"archived": {cell{"archived", plain}, false, "it takes no new orders, and its credential is still rotated", ""},
}

// conditionOf gives the words of a condition; one of another version's daemon
// is its own word.
func conditionOf(name string) condition {
	if w, ok := conditionWords[name]; ok {
		return w
	}
	return condition{cell: cell{name, yellow}, alert: true, says: "this rotatord does not know what that is"}
}

// conditionsCell names the gravest and how many more there are.
func conditionsCell(st app.Status) cell {
	if len(st.Conditions) == 0 {
		return cell{"-", gray}
	}
	c := conditionOf(string(st.Conditions[0])).cell
	if more := len(st.Conditions) - 1; more > 0 {
		c.text += fmt.Sprintf(" +%d", more)
	}
	return c
}

// alarming tells whether one of the conditions is for somebody to look at.
func alarming(st app.Status) bool {
	for _, c := range st.Conditions {
		if conditionOf(string(c)).alert {
			return true
		}
	}
	return false
}

// conditionLines are a sentence for each condition, the gravest first.
func conditionLines(now time.Time, st app.Status) (lines []string) {
	for _, c := range st.Conditions {
		since, more := about(now, st, string(c))
		line := string(c)
		if !since.IsZero() && !since.After(now) {
			line += " since " + rough(now.Sub(since))
		}
		lines = append(lines, line+": "+conditionOf(string(c)).says+more)
	}
	return lines
}

// about says since when a condition holds, and how its sentence goes on.
func about(now time.Time, st app.Status, name string) (since time.Time, more string) {
	switch name {
	case "credential_rejected":
		return st.Standing.Since, after(": ", st.Standing.Detail)
	case "expired":
		return st.Expires, ""
	case "deliveries_failing":
		if d := st.Dependents; d != nil {
			return time.Time{}, fmt.Sprintf(": %d of %s since the last rotation, as of %s", d.FailedCredential, count(d.Failed, "failure"), ago(now, d.At))
		}
	case "leftover", "old_leftover":
		if st.Leftover.State != "present" {
			return time.Time{}, "; the object has been removed since, which does not help the credential"
		}
		return st.Leftover.FirstSeen, ": " + leftoverFacts(now, st)
	case "expires_unreplaced":
		return time.Time{}, ", " + in(now, st.Expires)
	case "drift":
		if d := st.Drift; d != nil {
			return d.Found, after(": ", driftFacts(st))
		}
	case "parameters_changed":
		return time.Time{}, after(": ", strings.Join(changes(st), "; "))
	case "unproven":
		if st.Accepted != nil {
			return st.Accepted.At, ""
		}
	case "archived":
		if st.Archived != nil {
			return *st.Archived, ""
		}
	}
	return time.Time{}, ""
}

// after puts something before a text that is there.
func after(before, t string) string {
	if t == "" {
		return ""
	}
	return before + t
}

// leftoverFacts tells of the object in the bucket.
func leftoverFacts(now time.Time, st app.Status) string {
	l := st.Leftover
	said := []string{fmt.Sprintf("planetverify.txt, %s, from %s", count(int(l.Size), "byte"), ago(now, l.LastModified))}
	if l.OlderThanPush {
		said = append(said, "older than the last push")
	} else {
		said = append(said, "newer than the last push")
	}
	if l.Versions > 0 {
		said = append(said, count(l.Versions, "version")+" of it in the bucket")
	}
	return strings.Join(said, ", ")
}

func driftFacts(st app.Status) string {
	d := st.Drift
	var said []string
	if !d.Updated.IsZero() {
		text := "at " + stamp(d.Updated) + " by Planet's clock"
		if !d.Was.IsZero() {
			text += ", and before that at " + stamp(d.Was)
		}
		said = append(said, text)
	}
	if d.Renamed != "" {
		said = append(said, "it is now called "+d.Renamed)
	}
	if d.Pushing {
		said = append(said, "the credential is sent again for it")
	}
	return strings.Join(said, "; ")
}

func changes(st app.Status) (said []string) {
	for _, ch := range st.Changed {
		said = append(said, fmt.Sprintf("%s was %s and is %s", ch.Parameter, orDash(string(ch.Before)), orDash(string(ch.After))))
	}
	return said
}

// usedBy says who uses a destination: empty while that is not known.
func usedBy(st app.Status, subscription string) string {
	d := st.Dependents
	if d == nil {
		return ""
	}
	var said []string
	number := func(n int, what string) {
		switch {
		case n > 0 && d.Incomplete:
			said = append(said, fmt.Sprintf("%d+ %ss", n, what))
		case n > 0:
			said = append(said, count(n, what))
		}
	}
	number(d.Running, subscription)
	number(d.Open, "order")
	switch {
	case len(said) > 0:
		return strings.Join(said, ", ")
	case d.Incomplete:
		return "?"
	}
	return "none"
}

// atRisk says what depends on a destination; empty while that is not known.
func atRisk(st app.Status) string {
	d := st.Dependents
	if d == nil {
		return ""
	}
	var said []string
	if d.Running > 0 {
		said = append(said, count(d.Running, "running subscription"))
	}
	if d.Open > 0 {
		said = append(said, count(d.Open, "open order"))
	}
	verb := " depend on it"
	if d.Running+d.Open == 1 {
		verb = " depends on it"
	}
	text := strings.Join(said, " and ") + verb
	if len(said) == 0 {
		text = "no running subscription and no open order is known to depend on it"
	} else if d.Incomplete {
		text = "at least " + text
	}
	if !d.AllUsers {
		text += ", of those of the API key's own user"
	}
	return text
}

// stamp is a time for people in any place.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// gravest gives the gravest condition that asks for something, and what.
func gravest(st app.Status) (name, todo string) {
	for _, c := range st.Conditions {
		if todo := conditionOf(string(c)).advice; todo != "" {
			return string(c), strings.ReplaceAll(todo, "NAME", st.Destination)
		}
	}
	return "", ""
}
