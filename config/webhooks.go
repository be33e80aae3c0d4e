package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/shape"
)

// Webhooks is the HTTP listener of the sources that are called.
type Webhooks struct {
	// Listen is host:port. It is set if [Sources.Webhooks] says so.
	Listen string `toml:"listen"`
	// CertFile and KeyFile are PEM; both or none. Without them it is plain HTTP.
	CertFile string `toml:"cert_file"`
	KeyFile  string `toml:"key_file"`
	// URL is how senders reach the listener, through a proxy say, without a
	// path and a trailing slash; "rotatord events test" goes this way. Empty, it
	// calls a listener without TLS directly, and one with TLS not at all.
	URL string `toml:"url"`
	// RequestsPerSecond bounds what one source is asked; more is answered 429.
	RequestsPerSecond int `toml:"requests_per_second" min:"1" max:"1000"`
}

var (
	// webhookPath is what needs no escaping and means itself.
	webhookPath = shape.Of(`^(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`, 0)
	guid        = shape.Of(`^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`, 36)
	snsTopic    = shape.Of(`^arn:aws(?:-[a-z]+)*:sns:[a-z]{2,}(?:-[a-z0-9]+)+:[0-9]{12}:([A-Za-z0-9_-]+)$`, 0, 256)
	email       = shape.Of(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$`, 0)
)

// webhooks checks the listener and the sources that it serves.
func (c *checker) webhooks() {
	c.webhookListener()
	paths := map[string]Position{}
	s := &c.cfg.Source
	for i := range s.EventGrid {
		c.path(element("event_grid", i), s.EventGrid[i].Source, &s.EventGrid[i].Path, paths)
		c.eventGrid(element("event_grid", i), &s.EventGrid[i])
	}
	for i := range s.PubSubPush {
		c.path(element("pubsub_push", i), s.PubSubPush[i].Source, &s.PubSubPush[i].Path, paths)
		c.pubSubPush(element("pubsub_push", i), s.PubSubPush[i])
	}
	for i := range s.SNS {
		c.path(element("sns", i), s.SNS[i].Source, &s.SNS[i].Path, paths)
		c.sns(element("sns", i), s.SNS[i])
	}
	for i := range s.Webhook {
		c.path(element("webhook", i), s.Webhook[i].Source, &s.Webhook[i].Path, paths)
		c.webhook(element("webhook", i), &s.Webhook[i])
	}
}

func (c *checker) webhookListener() {
	const hint = `write where to listen: "127.0.0.1:9465" behind a proxy, or ":8443" with cert_file and key_file`
	w := &c.cfg.Webhooks
	w.CertFile, w.KeyFile = resolve(c.file, w.CertFile), resolve(c.file, w.KeyFile)
	if c.isSet("webhooks", "url") && w.URL != "" {
		c.url("webhooks", "url", &w.URL, `"https://rotatord.example.com"`)
	}
	switch {
	case w.CertFile != "" && w.KeyFile == "" && !c.typeProblem("webhooks", "key_file"):
		c.bad("webhooks", "key_file", "is missing beside cert_file", "write the path of the certificate's key")
	case w.KeyFile != "" && w.CertFile == "" && !c.typeProblem("webhooks", "cert_file"):
		c.bad("webhooks", "cert_file", "is missing beside key_file", "write the path of the certificate")
	}
	if w.Listen == "" {
		if c.cfg.Source.Webhooks() && !c.typeProblem("webhooks", "listen") {
			c.add(c.listenerMissing(), "webhooks.listen", "is missing, and there is a source that is called", hint)
		}
		return
	}
	loopback, ok := listenAddress(w.Listen)
	switch {
	case !ok:
		c.bad("webhooks", "listen", "not an address where webhooks can be listened for", hint)
	case w.Listen == c.cfg.Admin.Listen && !strings.HasSuffix(w.Listen, ":0"):
		c.bad("webhooks", "listen", "is where admin.listen listens", "choose another port: metrics and health are not for those who call webhooks")
	case !loopback && w.CertFile == "" && !c.typeProblem("webhooks", "cert_file"):
		c.warn(c.at("webhooks", "listen"), "webhooks.listen", "takes tokens and keys over the network without encryption",
			"terminate TLS before it, or set cert_file and key_file")
	}
}

// listenerMissing is where a listener belongs: its table, else the first of
// the sources that need it.
func (c *checker) listenerMissing() Position {
	if at := c.at("webhooks", "listen"); at != (Position{}) {
		return at
	}
	for _, e := range c.cfg.Source.entries() {
		switch e.kind {
		case "event_grid", "pubsub_push", "sns", "webhook":
			return e.Pos
		}
	}
	return Position{}
}

// path fills in and checks where a source listens; first are the paths before.
func (c *checker) path(table string, s Source, path *string, first map[string]Position) {
	switch {
	case c.typeProblem(table, "path"):
		return
	case !c.isSet(table, "path") && s.Name == "":
		return // the name has a problem, which has been said
	case !c.isSet(table, "path"):
		*path = defaultPath(s.Name)
	case !webhookPath.MatchString(*path) || len(*path) > 200:
		c.bad(table, "path", "not the path of a webhook", `write it with a leading slash, from letters, digits, dots and dashes: "/events/prod"`)
		return
	}
	if at, ok := first[*path]; ok {
		c.bad(table, "path", "another source listens there already, at "+place(at, s.Pos), `give each its own path: "/events/prod"`)
		return
	}
	first[*path] = c.at(table, "path")
}

// eventGrid checks that there is exactly one way to authenticate. Without any,
// whoever finds the address could wake us at will.
func (c *checker) eventGrid(table string, s *EventGridSource) {
	key := c.indirect(table, "key", "EVENT_GRID_KEY", &s.KeyEnv, &s.KeyFile)
	entra := ""
	for _, k := range []string{"tenant", "audience", "app_id", "authority"} {
		if entra == "" && (c.isSet(table, k) || c.typeProblem(table, k)) {
			entra = k
		}
	}
	switch {
	case key && entra != "":
		c.bad(table, entra, "is for tokens of Entra, and there is a shared key already", "keep one of the two")
		return
	case key:
		return
	case entra == "":
		c.bad(table, "tenant", "is missing: how do its callers authenticate?", "write tenant and audience for tokens of Entra, or key_env or key_file for a shared key")
		return
	}
	if c.given(table, "tenant", "write the id of the tenant that issues the tokens: "+exampleGUID) && !guid.MatchString(s.Tenant) {
		c.bad(table, "tenant", "not the id of a tenant", "write its id and not its name: "+exampleGUID)
	}
	const appHint = `write the id of the application that Event Grid asks tokens for, or its URI, whichever the tokens carry: "api://rotatord"`
	if c.given(table, "audience", appHint) && !audience(s.Audience) {
		c.bad(table, "audience", "not an audience", appHint)
	}
	if !slices.Contains(authorities, s.Authority) {
		c.bad(table, "authority", "not a host of Entra", "write one of "+quoteAll(authorities))
	}
	if c.isSet(table, "app_id") && !guid.MatchString(s.AppID) {
		c.bad(table, "app_id", "not the id of an application", "write its id and not its name: "+exampleGUID)
	}
}

// authorities are the hosts of Entra: the public cloud, the US government's,
// China's (Microsoft's list of national clouds).
var authorities = []string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}

const (
	exampleGUID  = `"11111111-2222-3333-4444-555555555555"`
	audienceHint = `write what the subscription asks tokens for: "https://rotatord.example.com/events"`
)

func audience(s string) bool { return s != "" && len(s) <= 512 && !strings.ContainsAny(s, " ") }

func (c *checker) pubSubPush(table string, s PubSubPushSource) {
	if c.given(table, "audience", audienceHint) && !audience(s.Audience) {
		c.bad(table, "audience", "not an audience", audienceHint)
	}
	const hint = `write the service account that the subscription pushes as: "pubsub-push@my-project.iam.gserviceaccount.com"`
	if c.given(table, "service_account", hint) && !email.MatchString(s.ServiceAccount) {
		c.bad(table, "service_account", "not the e-mail address of a service account", hint)
	}
}

func (c *checker) sns(table string, s SNSSource) {
	const hint = `write the ARNs of the topics that may call: topics = ["arn:aws:sns:eu-central-1:123456789012:secrets"]`
	if c.given(table, "topics", hint) && len(s.Topics) == 0 {
		c.bad(table, "topics", "is empty", hint)
	}
	for i, arn := range s.Topics {
		key := "topics[" + strconv.Itoa(i) + "]"
		if !c.typeProblem(table, key) && !snsTopic.MatchString(arn) {
			c.bad(table, key, "not the ARN of a topic that can call", `write that of a standard topic: "arn:aws:sns:eu-central-1:123456789012:secrets"`)
		}
	}
}

func (c *checker) webhook(table string, s *WebhookSource) {
	if !c.indirect(table, "secret", "WEBHOOK_SECRET", &s.SecretEnv, &s.SecretFile) {
		c.bad(table, "secret_file", "is missing: with which secret are its requests signed?", `write secret_env = "WEBHOOK_SECRET" or secret_file = "/run/secrets/webhook"`)
	}
}
