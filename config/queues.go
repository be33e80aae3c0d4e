package config

import (
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/internal/shape"
)

// Names as their clouds allow them.
var (
	subscriptionName = shape.Of(`^projects/([a-z0-9][a-z0-9.:-]*)/subscriptions/([A-Za-z][A-Za-z0-9._~+%-]{2,})$`, 0, 100, 255)
	topicName        = shape.Of(`^projects/([a-z0-9][a-z0-9.:-]*)/topics/([A-Za-z][A-Za-z0-9._~+%-]{2,})$`, 0, 100, 255)
	storageQueueName = shape.Of(`^[a-z0-9](?:-?[a-z0-9]){2,}$`, 63)
	busEntity        = shape.Of(`^[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9._-])?$`, 260)
	busSubscription  = shape.Of(`^[A-Za-z0-9][A-Za-z0-9._-]*$`, 50)
)

func (c *checker) sqs(table string, s *SQSSource) {
	const example = `"https://sqs.eu-central-1.amazonaws.com/123456789012/rotatord"`
	if c.given(table, "queue", "write the queue's URL: "+example) && c.url(table, "queue", &s.Queue, example) && len(segments(s.Queue)) < 2 {
		c.bad(table, "queue", "not the URL of a queue", "write it as SQS shows it, with account and name: "+example)
	}
	if c.isSet(table, "endpoint") && s.Endpoint != "" {
		c.url(table, "endpoint", &s.Endpoint, `"https://vpce-0123456789abcdef0.sqs.eu-central-1.vpce.amazonaws.com"`)
	}
	s.CAFile = resolve(c.file, s.CAFile)
	if c.isSet(table, "role_arn") && (!awsRole.MatchString(s.RoleARN) || len(s.RoleARN) > 2048) {
		c.bad(table, "role_arn", notARole, roleHint)
	}
	switch id := s.ExternalID; {
	case !c.isSet(table, "external_id"):
	case !c.isSet(table, "role_arn") && !c.typeProblem(table, "role_arn"):
		c.bad(table, "external_id", "there is no role_arn that it could be for", "write role_arn, or leave the external id out")
	case !externalID(id):
		c.bad(table, "external_id", notAnExternalID, externalIDHint)
	}
}

// segments are the parts of an address's path.
func segments(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
}

func (c *checker) pubSub(table string, s *PubSubSource) {
	const hint = `write its full name: "projects/my-project/subscriptions/rotatord"`
	if c.given(table, "subscription", hint) && !subscriptionName.MatchString(s.Subscription) {
		c.bad(table, "subscription", "not the name of a subscription", hint)
	}
	if c.isSet(table, "topic") && s.Topic != "" && !topicName.MatchString(s.Topic) {
		c.bad(table, "topic", "not the name of a topic", `write its full name: "projects/my-project/topics/secret-events"`)
	}
	c.hostPort(table, "endpoint", s.Endpoint, `"pubsub.example.internal:443"`)
	s.CAFile = resolve(c.file, s.CAFile)
}

func (c *checker) storageQueue(table string, s *StorageQueueSource) {
	const example = `"https://myaccount.queue.core.windows.net/rotatord"`
	if c.given(table, "queue", "write the queue's URL: "+example) && c.url(table, "queue", &s.Queue, example) {
		parts := segments(s.Queue)
		if len(parts) == 0 || !storageQueueName.MatchString(parts[len(parts)-1]) || len(parts[len(parts)-1]) > 63 {
			c.bad(table, "queue", "not the URL of a storage queue", "write it with the queue's name at its end: "+example)
		}
	}
	c.indirect(table, "connection_string", "STORAGE_CONNECTION_STRING", &s.ConnectionStringEnv, &s.ConnectionStringFile)
	s.CAFile = resolve(c.file, s.CAFile)
}

func (c *checker) serviceBus(table string, s *ServiceBusSource) {
	const hint = `write the host name alone: "my-namespace.servicebus.windows.net"`
	byString := c.indirect(table, "connection_string", "SERVICE_BUS_CONNECTION_STRING", &s.ConnectionStringEnv, &s.ConnectionStringFile)
	switch {
	case byString && c.isSet(table, "namespace"):
		c.bad(table, "namespace", "stands in the connection string already", "keep one of the two")
	case byString:
	case c.given(table, "namespace", hint) && (!hostName(s.Namespace) || !strings.Contains(s.Namespace, ".")):
		c.bad(table, "namespace", "not the host name of a namespace", hint)
	}
	s.CAFile = resolve(c.file, s.CAFile)
	c.busEntities(table, s)
}

// busEntities checks that there is a queue, or a topic with a subscription.
func (c *checker) busEntities(table string, s *ServiceBusSource) {
	written := func(key string) bool { return c.isSet(table, key) || c.typeProblem(table, key) }
	switch {
	case written("queue") && (written("topic") || written("subscription")):
		c.bad(table, "queue", "there is a topic or subscription too", "keep the queue, or topic and subscription")
	case written("topic") && !written("subscription"):
		c.bad(table, "subscription", "is missing beside topic", `write the name of the topic's subscription: "rotatord"`)
	case written("subscription") && !written("topic"):
		c.bad(table, "topic", "is missing beside subscription", `write the name of the topic: "secret-events"`)
	case !written("queue") && !written("topic"):
		c.bad(table, "queue", "is missing", `write queue = "rotatord", or topic and subscription`)
	}
	for _, e := range []struct{ key, value string }{{"queue", s.Queue}, {"topic", s.Topic}} {
		if c.isSet(table, e.key) && !busEntity.MatchString(e.value) {
			c.bad(table, e.key, "not the name of a queue or topic", `write its name alone: "rotatord"`)
		}
	}
	if c.isSet(table, "subscription") && !busSubscription.MatchString(s.Subscription) {
		c.bad(table, "subscription", "not the name of a topic's subscription", `write its name alone: "rotatord"`)
	}
}
