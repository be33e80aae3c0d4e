package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func versionFacts(now time.Time, i item) (out []fact) {
	if a := i.Accepted; a != nil {
		name, how := "accepted", ""
		if a.Adopted {
			how = "adopted without a request"
		}
		out = append(out, fact{Name: name, Code: clean(a.Version), Text: how, At: ago(now, a.At)})
	} else {
		out = append(out, fact{Name: "accepted", Text: "none by a request of ours"})
	}
	if s := i.Source; s != nil {
		out = append(out, fact{Name: "current", Code: clean(s.Version), At: ago(now, s.Created)})
		if s.Created.IsZero() {
			out[len(out)-1].Text = "as the source said " + ago(now, s.At).Words
		}
		if !s.NextRotation.IsZero() {
			out = append(out, fact{Name: "to be replaced", At: in(now, s.NextRotation)})
		}
	}
	if f := i.Inflight; f != nil {
		out = append(out, fact{Name: "under way", Code: clean(f.Version), At: ago(now, f.Sent)})
	}
	if f := i.Fence; f != nil && f.Until.After(now) {
		out = append(out, fact{Name: "fence", Text: "other versions wait until", At: in(now, f.Until)})
	}
	if i.Uncertain {
		out = append(out, fact{Name: "uncertain", Label: label{"uncertain", warn, "diamond"}, Text: "Planet may hold something else than the version it accepted last"})
	}
	return append(out, fact{Name: "secret", Code: clean(string(i.Secret))})
}

func credentialFacts(now time.Time, i item) (out []fact) {
	if i.Accepted == nil {
		return nil
	}
	at, t := expiry(now, i)
	f := fact{Name: "expires", At: at}
	if i.Expiry().IsZero() {
		f.Text = "nobody says"
	} else if t != quiet {
		f.Label = label{map[tone]string{bad: "expired", warn: "soon"}[t], t, "triangle"}
		if i.ExpiresUnreplaced() && t == warn {
			f.Label.Text = "before it is replaced"
		}
	}
	out = append(out, f)
	s := i.Standing
	why := ""
	if s.State != "works" {
		why = whyWords[s.Reason]
		if s.Detail != "" {
			why = strings.TrimPrefix(why+": "+clean(s.Detail), ": ")
		}
	}
	out = append(out, fact{Name: "standing", Label: i.standing(), Text: why, At: ago(now, s.CheckedAt)})
	if s.State != "works" && !s.Worked.IsZero() {
		out = append(out, fact{Name: "last worked", At: ago(now, s.Worked)})
	}
	proof := "preflight passed"
	if i.Accepted.Unproven {
		proof = "preflight did not pass before the push"
	}
	return append(out, fact{Name: "proof", Text: proof})
}

func bucketFacts(now time.Time, i item) (out []fact) {
	l := i.Leftover
	var said []string
	switch l.State {
	case "present", "seen":
		said = append(said, "planetverify.txt", plural(int(l.Size), "byte"))
		if l.OlderThanPush {
			said = append(said, "older than the last push")
		}
		if l.Versions > 0 {
			said = append(said, plural(l.Versions, "version")+" of it")
		}
	case "absent_inferred":
		said = append(said, "concluded from a refusal: the key may not list the bucket")
	case "cannot_tell":
		said = append(said, whyWords[l.Reason])
	}
	if l.Detail != "" && l.State != "absent" && l.State != "absent_inferred" {
		said = append(said, clean(l.Detail))
	}
	out = append(out, fact{Name: "leftover", Label: i.leftover(), Text: strings.Trim(strings.Join(said, ", "), ", ")})
	if !l.FirstSeen.IsZero() && (l.State == "present" || l.State == "seen") {
		out = append(out, fact{Name: "first seen", At: ago(now, l.FirstSeen)})
	}
	if !l.CheckedAt.IsZero() {
		out = append(out, fact{Name: "looked", At: ago(now, l.CheckedAt)})
	}
	if l.NoDelete {
		out = append(out, fact{Name: "delete", Label: label{"not permitted", bad, "square"}, Text: "Planet’s check of the accepted version left its object"})
	}
	return out
}

func dependentFacts(now time.Time, i item) (out []fact) {
	d := i.Record.Dependents
	if d == nil {
		return []fact{{Name: "who", Text: "not known"}}
	}
	out = append(out, fact{Name: "who", Text: i.usedBy(false)})
	failed := fact{Name: "failed", Label: label{"none", good, "disc"}, Text: "since the last rotation"}
	if d.Failed > 0 {
		failed = fact{Name: "failed", Label: label{strconv.Itoa(d.Failed), warn, "triangle"},
			Text: fmt.Sprintf("%d for what looks like the credential, %d for an unknown cause", d.FailedCredential, d.Failed-d.FailedCredential)}
		if d.FailedCredential > 0 {
			failed.Label.Tone, failed.Label.Sign = bad, "cross"
		}
	}
	out = append(out, failed)
	whose := "of the API key’s own user alone"
	if d.AllUsers {
		whose = "of all users"
	}
	if d.Incomplete {
		whose += "; there may be more"
	}
	return append(out, fact{Name: "gathered", Text: whose, At: ago(now, d.At)})
}

func receiptFacts(now time.Time, i item) (out []fact) {
	r := i.receipt
	if r == nil {
		return []fact{{Name: "receipt", Text: "none yet: not every destination of the secret has accepted its current version"}}
	}
	out = append(out, fact{Name: "version", Code: clean(r.Version), At: ago(now, r.At)})
	f := fact{Name: "gate", Label: i.receiptLabel(), At: receiptMoment(now, r), Text: "rotatord gate finds out whether it still is"}
	switch {
	case !r.Withdrawn.IsZero():
		f.Text = clean(r.Why)
	case r.Safe.IsZero():
		f.Text = "opens when no delivery can hold the old credential"
	}
	out = append(out, f)
	if !r.Marked.IsZero() {
		out = append(out, fact{Name: "marked", Text: "at the secret manager", At: ago(now, r.Marked)})
	}
	return out
}

func driftFacts(now time.Time, i item) (out []fact) {
	if d := i.Drift; d != nil {
		out = append(out, fact{Name: "found", Label: label{"drift", warn, "diamond"}, At: ago(now, d.Found)})
		if !d.Updated.IsZero() {
			out = append(out, fact{Name: "changed", Text: "by Planet’s clock", At: ago(now, d.Updated)})
		}
		if d.Renamed != "" {
			out = append(out, fact{Name: "new name", Code: clean(d.Renamed)})
		}
	}
	if s := i.Seen; s != nil && i.Drift == nil {
		out = append(out, fact{Name: "compared", Text: "as we left it", At: ago(now, s.At)})
	}
	return out
}

func ownFacts(now time.Time, i item) (out []fact) {
	code := func(name, text string) {
		if text != "" {
			out = append(out, fact{Name: name, Code: clean(text)})
		}
	}
	if i.Pin != nil {
		if i.Pin.ID != i.Destination {
			code("id", i.Pin.ID)
		}
		code("reference", i.Pin.Ref)
		code("type", i.Pin.Type)
	}
	code("account", i.Account)
	if !i.LastSuccess.IsZero() {
		out = append(out, fact{Name: "last success", At: ago(now, i.LastSuccess)})
	}
	switch {
	case i.Paused != nil:
	case i.IsDue():
		out = append(out, fact{Name: "next look", Text: "now"})
	case !i.NextLook.IsZero():
		out = append(out, fact{Name: "next look", At: in(now, i.NextLook)})
	}
	return out
}
