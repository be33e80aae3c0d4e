package config

import "strings"

// Sources are the queues, subscriptions and webhooks that tell of changes, in
// the order of the file. None is needed: without any, a change is found by
// schedule, or at once where the secret is a file.
type Sources struct {
	SQS          []SQSSource          `toml:"sqs"`
	PubSub       []PubSubSource       `toml:"pubsub"`
	StorageQueue []StorageQueueSource `toml:"storage_queue"`
	ServiceBus   []ServiceBusSource   `toml:"service_bus"`
	EventGrid    []EventGridSource    `toml:"event_grid"`
	PubSubPush   []PubSubPushSource   `toml:"pubsub_push"`
	SNS          []SNSSource          `toml:"sns"`
	Webhook      []WebhookSource      `toml:"webhook"`
}

// Any tells whether there is a source at all.
func (s Sources) Any() bool { return len(s.entries()) > 0 }

// Webhooks tells whether there is a source that needs the listener of
// [Webhooks].
func (s Sources) Webhooks() bool {
	return len(s.EventGrid)+len(s.PubSubPush)+len(s.SNS)+len(s.Webhook) > 0
}

// SourceNames are the names of all sources, kind by kind and each kind in the
// order of the file. No two are equal.
func (c *Config) SourceNames() []string {
	var names []string
	for _, e := range c.Source.entries() {
		names = append(names, e.Name)
	}
	return names
}

// Source is what every source of events has, whatever its kind.
type Source struct {
	// Name is a label of metrics and a word in logs. It is the name of the kind
	// where the file gives none.
	Name string `toml:"name"`
	// Announces are the secrets whose changes this source should tell of, for
	// the count of events that never came: names as a destination writes them,
	// or beginnings of names with a * at the end. Empty, the kind of the source
	// decides.
	Announces []string `toml:"announces"`
	// Pos is where the source stands in the file.
	Pos Position `toml:"-"`
}

func (s *Source) common() *Source { return s }

// SQSSource is a queue of Amazon SQS.
type SQSSource struct {
	Source
	// Queue is the URL of the queue, as SQS shows it; its region is part of it.
	Queue string `toml:"queue"`
	// RoleARN is assumed to receive, for a queue of another AWS account.
	RoleARN string `toml:"role_arn"`
	// ExternalID is what the role's trust policy may ask for.
	ExternalID string `toml:"external_id"`
	// Endpoint is used in place of SQS's own address; without a trailing slash.
	Endpoint string `toml:"endpoint"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// DeadLetter leaves messages that nobody understands to the queue's
	// dead-letter policy rather than delete them.
	DeadLetter bool `toml:"dead_letter"`
}

// PubSubSource is a subscription of Google Cloud Pub/Sub that is pulled.
type PubSubSource struct {
	Source
	// Subscription is "projects/p/subscriptions/s".
	Subscription string `toml:"subscription"`
	// Topic is "projects/p/topics/t"; only "rotatord events test" needs it, to
	// publish.
	Topic string `toml:"topic"`
	// Endpoint is host:port, used in place of Pub/Sub's own.
	Endpoint string `toml:"endpoint"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// DeadLetter leaves messages that nobody understands to the subscription's
	// dead-letter policy rather than acknowledge them.
	DeadLetter bool `toml:"dead_letter"`
}

// StorageQueueSource is a queue of Azure Storage. It has no dead-letter policy
// that messages could be left to.
type StorageQueueSource struct {
	Source
	// Queue is the URL of the queue: https://ACCOUNT.queue.core.windows.net/NAME.
	Queue string `toml:"queue"`
	// Poll is the pause after the queue was found empty. Storage queues can't
	// be waited on.
	Poll Duration `toml:"poll" min:"10ms" max:"1m"`
	// ConnectionStringEnv and ConnectionStringFile say where the storage
	// account's connection string is. With neither, Entra's identity counts.
	ConnectionStringEnv  string `toml:"connection_string_env"`
	ConnectionStringFile string `toml:"connection_string_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
}

// ServiceBusSource is a queue, or a subscription of a topic, of Azure Service
// Bus.
type ServiceBusSource struct {
	Source
	// Namespace is the host name "ns.servicebus.windows.net"; empty when there
	// is a connection string, which names it.
	Namespace string `toml:"namespace"`
	// Queue is set, or Topic and Subscription are.
	Queue        string `toml:"queue"`
	Topic        string `toml:"topic"`
	Subscription string `toml:"subscription"`
	// ConnectionStringEnv and ConnectionStringFile say where the connection
	// string is. With neither, Entra's identity counts.
	ConnectionStringEnv  string `toml:"connection_string_env"`
	ConnectionStringFile string `toml:"connection_string_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// DeadLetter moves messages that nobody understands to the dead-letter
	// queue rather than complete them.
	DeadLetter bool `toml:"dead_letter"`
}

// EventGridSource is a webhook for Azure Event Grid. It authenticates either
// by tokens of Entra (Tenant and Audience) or by a shared key.
type EventGridSource struct {
	Source
	// Path is where it listens.
	Path string `toml:"path"`
	// Tenant is the id of the Entra tenant that must have issued the token.
	Tenant string `toml:"tenant"`
	// Audience is whom the token must be for.
	Audience string `toml:"audience"`
	// AppID is the application that the token must be of; empty, any of the
	// tenant that Entra gives a token for Audience.
	AppID string `toml:"app_id"`
	// KeyEnv and KeyFile say where the shared key is.
	KeyEnv  string `toml:"key_env"`
	KeyFile string `toml:"key_file"`
	// Authority is the host that issues the tokens.
	Authority string `toml:"authority"`
	// OpenHandshake answers the handshake of CloudEvents without proof of who
	// asks; deliveries need it all the same.
	OpenHandshake bool `toml:"open_handshake"`
	// DeadLetter answers 400 to messages that nobody understands, which leaves
	// them to the sender's dead-letter policy, rather than take and drop them.
	DeadLetter bool `toml:"dead_letter"`
}

// PubSubPushSource is a webhook for a push subscription of Pub/Sub, which
// brings an OIDC token of Google's.
type PubSubPushSource struct {
	Source
	// Path is where it listens.
	Path string `toml:"path"`
	// Audience is what the subscription was told to ask a token for.
	Audience string `toml:"audience"`
	// ServiceAccount is the e-mail address that the token must be of.
	ServiceAccount string `toml:"service_account"`
	// DeadLetter answers 400 to messages that nobody understands, which leaves
	// them to the sender's dead-letter policy, rather than take and drop them.
	DeadLetter bool `toml:"dead_letter"`
}

// SNSSource is a webhook for Amazon SNS over HTTPS, which signs its messages.
type SNSSource struct {
	Source
	// Path is where it listens.
	Path string `toml:"path"`
	// Topics are the ARNs of the topics that are taken; no other subscription
	// is confirmed.
	Topics []string `toml:"topics"`
	// DeadLetter answers 400 to messages that nobody understands, which leaves
	// them to the sender's dead-letter policy, rather than take and drop them.
	DeadLetter bool `toml:"dead_letter"`
}

// WebhookSource takes requests that are signed as Standard Webhooks
// (standardwebhooks.com) says.
type WebhookSource struct {
	Source
	// Path is where it listens.
	Path string `toml:"path"`
	// SecretEnv and SecretFile say where the secret is: "whsec_" and base64.
	// A file may hold several, one a line, while one replaces another.
	SecretEnv  string `toml:"secret_env"`
	SecretFile string `toml:"secret_file"`
	// Tolerance is how far the time in a request may be from ours.
	Tolerance Duration `toml:"tolerance" min:"1s" max:"1h"`
	// DeadLetter answers 400 to messages that nobody understands, which leaves
	// them to the sender's dead-letter policy, rather than take and drop them.
	DeadLetter bool `toml:"dead_letter"`
}

// entry is a source of any kind: the kind is its key below [source].
type entry struct {
	kind string
	*Source
}

// entries are all sources, kind by kind. They point into s.
func (s *Sources) entries() []entry {
	var all []entry
	all = append(all, entriesOf("sqs", s.SQS)...)
	all = append(all, entriesOf("pubsub", s.PubSub)...)
	all = append(all, entriesOf("storage_queue", s.StorageQueue)...)
	all = append(all, entriesOf("service_bus", s.ServiceBus)...)
	all = append(all, entriesOf("event_grid", s.EventGrid)...)
	all = append(all, entriesOf("pubsub_push", s.PubSubPush)...)
	all = append(all, entriesOf("sns", s.SNS)...)
	return append(all, entriesOf("webhook", s.Webhook)...)
}

func entriesOf[T any, P interface {
	*T
	common() *Source
}](kind string, list []T) []entry {
	entries := make([]entry, len(list))
	for i := range list {
		entries[i] = entry{kind, P(&list[i]).common()}
	}
	return entries
}

// defaultPath is where a webhook listens when the file does not say.
func defaultPath(name string) string { return "/events/" + strings.ReplaceAll(name, "_", "-") }
