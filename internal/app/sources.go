package app

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox"
	"github.com/rotatord/rotatord/watcher/pubsub"
	"github.com/rotatord/rotatord/watcher/servicebus"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/storagequeue"
)

// maxConnectionString bounds the file of a connection string or key, in bytes.
const maxConnectionString = 64 << 10

// source is one configured source of messages, with the inbox that takes them.
type source struct {
	name, kind string
	where      string // queue, subscription or path, for people
	transport  watcher.Transport
	inbox      *inbox.Inbox
	// secrets are the configured ones whose changes it should tell of.
	secrets []credential.Secret
}

// configured is a source while the list of them is made.
type configured struct {
	config.Source
	kind, where string
	// manager is the kind of provider whose secrets it announces unless the
	// configuration says otherwise; empty for none.
	manager string
	open    func() (watcher.Transport, error)
}

// transports is the list of what messages come from. A transport is one folder
// below watcher/ and one entry here, or, where it is called and does not call,
// in webhooks.
func (l *listening) transports(cfg *config.Config, log *slog.Logger) []configured {
	var all []configured
	for _, s := range cfg.Source.SQS {
		all = append(all, configured{s.Source, "sqs", s.Queue, "aws", func() (watcher.Transport, error) {
			t, err := trusting(s.CAFile)
			if err != nil {
				return nil, err
			}
			return sqs.New(sqs.Options{Name: s.Name, Queue: s.Queue, Endpoint: s.Endpoint, RoleARN: s.RoleARN,
				ExternalID: s.ExternalID, DeadLetter: s.DeadLetter, Transport: t, Logger: log})
		}})
	}
	for _, s := range cfg.Source.PubSub {
		all = append(all, configured{s.Source, "pubsub", s.Subscription, "google", func() (watcher.Transport, error) {
			return pubsub.New(pubsub.Options{Name: s.Name, Subscription: s.Subscription, Topic: s.Topic, Endpoint: s.Endpoint,
				CAFile: s.CAFile, DeadLetter: s.DeadLetter, Logger: log})
		}})
	}
	for _, s := range cfg.Source.StorageQueue {
		all = append(all, configured{s.Source, "storage_queue", s.Queue, "azure", func() (watcher.Transport, error) {
			t, err := trusting(s.CAFile)
			if err != nil {
				return nil, err
			}
			return renewing(s.Name, s.ConnectionStringFile, s.ConnectionStringEnv, func(connection credential.Value) (watcher.Transport, error) {
				return storagequeue.New(storagequeue.Options{Name: s.Name, Queue: s.Queue, ConnectionString: connection,
					Poll: s.Poll.Std(), Transport: t, Logger: log})
			})
		}})
	}
	for _, s := range cfg.Source.ServiceBus {
		where := s.Queue
		if where == "" {
			where = s.Topic + "/subscriptions/" + s.Subscription
		}
		if s.Namespace != "" {
			where = s.Namespace + "/" + where
		}
		all = append(all, configured{s.Source, "service_bus", where, "azure", func() (watcher.Transport, error) {
			roots, err := certificates(s.CAFile)
			if err != nil {
				return nil, fmt.Errorf("ca_file: %w", err)
			}
			return renewing(s.Name, s.ConnectionStringFile, s.ConnectionStringEnv, func(connection credential.Value) (watcher.Transport, error) {
				return servicebus.New(servicebus.Options{Name: s.Name, Namespace: s.Namespace, Queue: s.Queue, Topic: s.Topic,
					Subscription: s.Subscription, ConnectionString: connection, Roots: roots, DeadLetter: s.DeadLetter, Logger: log})
			})
		}})
	}
	return append(all, l.webhooks(cfg, log)...)
}

// trusting gives a transport that trusts a file's certificates beside the
// system's; nil, which means a transport's own, without a file.
func trusting(caFile string) (http.RoundTripper, error) {
	if caFile == "" {
		return nil, nil //nolint:nilnil // nil is a value here
	}
	pool, err := certificates(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = tlsTrusting(pool)
	t.MaxIdleConnsPerHost = 16 // a source may have several requests under way
	return t, nil
}

// announced tells which of the configured secrets a source should tell of.
func (e configured) announced(secrets []credential.Secret, set providers.Set) []credential.Secret {
	var out []credential.Secret
	for _, s := range secrets {
		if e.announces(s, set) {
			out = append(out, s)
		}
	}
	return out
}

func (e configured) announces(s credential.Secret, set providers.Set) bool {
	if len(e.Announces) == 0 {
		k, err := set.For(s)
		return err == nil && e.manager != "" && k.Name == e.manager
	}
	for _, pattern := range e.Announces {
		if beginning, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(string(s), beginning) {
			return true
		}
		if set.Same(s, credential.Secret(pattern)) {
			return true
		}
	}
	return false
}

// secretText reads what is configured by file or environment variable; the
// zero Value if by neither.
func secretText(file, variable string) (credential.Value, error) {
	switch {
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return credential.Value{}, err
		}
		defer func() { _ = f.Close() }()
		b := make([]byte, maxConnectionString+1)
		n, err := readFull(f, b)
		if err != nil {
			return credential.Value{}, err
		}
		if n > maxConnectionString {
			return credential.Value{}, fmt.Errorf("%s is larger than %d bytes", file, maxConnectionString)
		}
		return notEmpty(file, b[:n])
	case variable != "":
		return notEmpty("$"+variable, []byte(os.Getenv(variable)))
	}
	return credential.Value{}, nil
}

func notEmpty(where string, b []byte) (credential.Value, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return credential.Value{}, errors.New(where + " is empty")
	}
	return credential.NewValue(b), nil
}

// sourceRetry is the pause before a source that ended by itself is begun anew.
const sourceRetry = time.Minute
