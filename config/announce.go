package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Announce says who is told of what happens to credentials, beside Prometheus.
type Announce struct {
	// Source names this rotatord where several post to the same receiver: the
	// source of CloudEvents, a URI reference.
	Source string `toml:"source"`
	// ExpiringWithin is how long before its end a credential is said to expire.
	ExpiringWithin Duration `toml:"expiring_within" min:"0s" max:"365d"`
	// Webhooks get CloudEvents, signed after Standard Webhooks.
	Webhooks []AnnounceWebhook `toml:"webhook"`
	// Slack are channels of Slack, or of what takes Slack's messages.
	Slack []AnnounceSlack `toml:"slack"`
}

// AnnounceWebhook is a receiver of signed CloudEvents. The URL may hold a token
// of its own and can be kept out of the file, as the signing secret must be.
type AnnounceWebhook struct {
	// Name is what metrics and logs call it; no two are equal, those of Slack
	// included. It is the name of the kind where the file gives none.
	Name string `toml:"name"`
	// URL, URLEnv or URLFile is where to post; exactly one is set.
	URL     string `toml:"url"`
	URLEnv  string `toml:"url_env"`
	URLFile string `toml:"url_file"`
	// SecretEnv or SecretFile hold the signing secrets, "whsec_…", one a line.
	SecretEnv  string `toml:"secret_env"`
	SecretFile string `toml:"secret_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Kinds are the kinds of announcements that it gets; empty means all.
	Kinds []string `toml:"kinds"`
	// Pos is where it stands in the file.
	Pos Position `toml:"-"`
}

// AnnounceSlack is a channel. Its URL is all that is needed to write there, so
// that it is never in the file itself.
type AnnounceSlack struct {
	// Name is as that of an AnnounceWebhook.
	Name string `toml:"name"`
	// URLEnv or URLFile hold the URL of the incoming webhook; exactly one is set.
	URLEnv  string `toml:"url_env"`
	URLFile string `toml:"url_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Kinds are the kinds of announcements that it gets; empty means all.
	Kinds []string `toml:"kinds"`
	// Pos is where it stands in the file.
	Pos Position `toml:"-"`
}

// announceKinds are the kinds of package announce, which this one does not
// know; a test holds them together.
var announceKinds = []string{"pushed", "held", "blocked", "leftover", "expiring", "credential_rejected", "drift", "deliveries_failing",
	"safe_to_revoke", "failing", "recovered"}

// receiver is what both kinds of receivers have in common. It points into the
// configuration.
type receiver struct {
	table, kind  string
	name, caFile *string
	kinds        []string
	pos          Position
}

func (a *Announce) receivers() []receiver {
	var all []receiver
	for i := range a.Webhooks {
		w := &a.Webhooks[i]
		all = append(all, receiver{announceElement("webhook", i), "webhook", &w.Name, &w.CAFile, w.Kinds, w.Pos})
	}
	for i := range a.Slack {
		s := &a.Slack[i]
		all = append(all, receiver{announceElement("slack", i), "slack", &s.Name, &s.CAFile, s.Kinds, s.Pos})
	}
	return all
}

func announceElement(kind string, i int) string {
	return "announce." + kind + "[" + strconv.Itoa(i) + "]"
}

func (c *checker) announce() {
	a := &c.cfg.Announce
	if c.isSet("announce", "source") && !uriReference(a.Source) {
		c.bad("announce", "source", "not a URI reference", `write a name without spaces, such as "rotatord/eu"`)
	}
	c.receiverNames()
	for _, r := range a.receivers() {
		*r.caFile = resolve(c.file, *r.caFile)
		c.kinds(r)
	}
	for i := range a.Webhooks {
		c.announceWebhook(announceElement("webhook", i), &a.Webhooks[i])
	}
	for i := range a.Slack {
		s := &a.Slack[i]
		if table := announceElement("slack", i); !c.indirect(table, "url", "SLACK_URL", &s.URLEnv, &s.URLFile) {
			c.bad(table, "url_file", "is missing: where is the channel?", `write url_env = "SLACK_URL" or url_file = "/run/secrets/slack-url"`)
		}
	}
}

// uriReference is what CloudEvents wants a source to be (RFC 3986), in visible
// ASCII. Errors of net/url quote their input and are not used.
func uriReference(s string) bool {
	_, err := url.Parse(s)
	return err == nil && len(s) <= 200 && headerSafe([]byte(s)) && s != ""
}

// receiverNames fills in names that the file does not give, and checks all.
func (c *checker) receiverNames() {
	all := c.cfg.Announce.receivers()
	nameless := map[string]int{}
	for _, r := range all {
		if !c.isSet(r.table, "name") && !c.typeProblem(r.table, "name") {
			nameless[r.kind]++
		}
	}
	first := map[string]Position{}
	for _, r := range all {
		if !c.receiverName(r, nameless[r.kind] > 1) {
			continue
		}
		if at, ok := first[*r.name]; ok {
			c.bad(r.table, "name", "somebody of this name is told already, at "+place(at, r.pos), "give each its own name")
			continue
		}
		first[*r.name] = c.at(r.table, "name")
	}
}

func (c *checker) receiverName(r receiver, several bool) (ok bool) {
	const hint = `write lower-case letters, digits, dashes and underscores: "on-call"`
	switch {
	case c.typeProblem(r.table, "name"):
	case !c.isSet(r.table, "name") && several:
		c.bad(r.table, "name", "is missing, and several of this kind are told", "give each a name: name = \"on-call\"")
	case !c.isSet(r.table, "name"):
		*r.name = r.kind
		return true
	case !accountName(*r.name) || strings.Contains(*r.name, "."):
		c.bad(r.table, "name", "cannot be the name of somebody who is told", hint)
	default:
		return true
	}
	return false
}

func (c *checker) kinds(r receiver) {
	if c.isSet(r.table, "kinds") && len(r.kinds) == 0 {
		c.bad(r.table, "kinds", "is empty, so nothing is told", "name some, or leave this out for all: "+quoteAll(announceKinds))
	}
	for i, kind := range r.kinds {
		key := "kinds[" + strconv.Itoa(i) + "]"
		if !c.typeProblem(r.table, key) && !slices.Contains(announceKinds, kind) {
			c.bad(r.table, key, "no such kind of announcement", "write some of "+quoteAll(announceKinds))
		}
	}
}

func (c *checker) announceWebhook(table string, w *AnnounceWebhook) {
	const hint = `write url = "https://alerts.example.com/rotatord", or url_env or url_file if it holds a token`
	elsewhere := c.indirect(table, "url", "ANNOUNCE_URL", &w.URLEnv, &w.URLFile)
	switch {
	case c.typeProblem(table, "url"):
	case c.isSet(table, "url") && elsewhere:
		c.bad(table, "url", "the url comes from url_env or url_file already", "keep one of them")
	case c.isSet(table, "url"):
		c.receiverURL(table, w.URL)
	case !elsewhere:
		c.bad(table, "url", "is missing: where are announcements posted?", hint)
	}
	if !c.indirect(table, "secret", "ANNOUNCE_SECRET", &w.SecretEnv, &w.SecretFile) {
		c.bad(table, "secret_file", "is missing: with which secret are announcements signed?",
			`write secret_env = "ANNOUNCE_SECRET" or secret_file = "/run/secrets/announce"`)
	}
}

// receiverURL checks where to post. Unlike other addresses it may hold a query
// and keeps its slash: it is somebody else's, and used as it is.
func (c *checker) receiverURL(table, s string) {
	const hint = `write "https://alerts.example.com/rotatord"`
	u, err := url.Parse(s)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || !hostName(u.Hostname()) || !headerSafe([]byte(s)):
		c.bad(table, "url", "not an https address", hint)
	case u.User != nil:
		c.bad(table, "url", "holds a user or a password", "leave it out: announcements are signed")
	case u.Scheme == "http" && !thisMachine(u.Hostname()):
		c.bad(table, "url", "goes over the network without encryption", "write https://")
	case u.RawQuery != "":
		c.warn(c.at(table, "url"), table+".url", "holds a query, which may be a token", "if it is one, better is url_file, or url_env")
	}
}

// thisMachine is narrower than loopbackHost: what package announce takes for
// this machine.
func thisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Zone() == "" && addr.IsLoopback()
}
