package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/webhook"
)

// listening is the listener of the webhooks and what is mounted on it.
type listening struct {
	metrics   *metrics.Metrics
	settings  config.Webhooks
	endpoints []webhook.Endpoint

	mu      sync.Mutex
	address string // once it is open
}

// webhooks is the list of sources that are called.
func (l *listening) webhooks(cfg *config.Config, log *slog.Logger) []configured {
	common := func(s config.Source, path string, deadLetter bool) webhook.Common {
		return webhook.Common{Name: s.Name, Path: path, DeadLetter: deadLetter, Rate: float64(cfg.Webhooks.RequestsPerSecond),
			Burst: 5 * cfg.Webhooks.RequestsPerSecond, Logger: log,
			Refused: func(r webhook.Refusal) { l.metrics.Refused(s.Name, string(r)) }}
	}
	add := func(s config.Source, kind, path string, deadLetter bool, manager string, open func(webhook.Common) (webhook.Endpoint, error)) configured {
		return configured{s, kind, path, manager, func() (watcher.Transport, error) {
			e, err := open(common(s, path, deadLetter))
			if err != nil {
				return nil, err
			}
			l.endpoints = append(l.endpoints, e)
			return e, nil
		}}
	}
	var all []configured
	for _, s := range cfg.Source.EventGrid {
		all = append(all, add(s.Source, "event_grid", s.Path, s.DeadLetter, "azure", func(c webhook.Common) (webhook.Endpoint, error) {
			o := webhook.EventGridOptions{Common: c, Tenant: s.Tenant, Audience: s.Audience, AppID: s.AppID,
				Authority: s.Authority, OpenHandshake: s.OpenHandshake, SelfURL: l.urlOf(s.Path)}
			if s.KeyFile != "" || s.KeyEnv != "" {
				o.Keys = keysOf(s.KeyFile, s.KeyEnv)
			}
			return webhook.NewEventGrid(o)
		}))
	}
	for _, s := range cfg.Source.PubSubPush {
		all = append(all, add(s.Source, "pubsub_push", s.Path, s.DeadLetter, "google", func(c webhook.Common) (webhook.Endpoint, error) {
			return webhook.NewPubSubPush(webhook.PubSubPushOptions{Common: c, Audience: s.Audience, ServiceAccount: s.ServiceAccount})
		}))
	}
	for _, s := range cfg.Source.SNS {
		all = append(all, add(s.Source, "sns", s.Path, s.DeadLetter, "aws", func(c webhook.Common) (webhook.Endpoint, error) {
			return webhook.NewSNS(webhook.SNSOptions{Common: c, Topics: s.Topics})
		}))
	}
	for _, s := range cfg.Source.Webhook {
		all = append(all, add(s.Source, "webhook", s.Path, s.DeadLetter, "", func(c webhook.Common) (webhook.Endpoint, error) {
			return webhook.NewStandard(webhook.StandardOptions{Common: c, Keys: keysOf(s.SecretFile, s.SecretEnv),
				Tolerance: s.Tolerance.Std(), SelfURL: l.urlOf(s.Path)})
		}))
	}
	return all
}

// keysOf reads the keys of a webhook, one a line, anew at each request: a file
// may hold the old and the new one while one replaces the other.
func keysOf(file, variable string) webhook.Keys {
	return func() ([]credential.Value, error) {
		v, err := secretText(file, variable)
		if err != nil {
			return nil, err
		}
		var keys []credential.Value
		for line := range bytes.Lines(v.Bytes()) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				keys = append(keys, credential.NewValue(bytes.Clone(line)))
			}
		}
		v.Clear()
		return keys, nil
	}
}

// urlOf gives the address of a webhook as senders see it, if it is known: the
// configured one, or that of a listener without TLS.
func (l *listening) urlOf(path string) func() string {
	return func() string {
		if l.settings.URL != "" {
			return l.settings.URL + path
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.address == "" || l.settings.CertFile != "" {
			return ""
		}
		return "http://" + l.address + path
	}
}

// open opens the listener; nil where there are no webhooks.
func (l *listening) open(ctx context.Context) (net.Listener, error) {
	if len(l.endpoints) == 0 {
		return nil, nil //nolint:nilnil // there is none, and that is right
	}
	n, err := new(net.ListenConfig).Listen(ctx, "tcp", l.settings.Listen)
	if err != nil {
		return nil, fmt.Errorf("open the listener for webhooks: %w: set [webhooks] listen to another port", err)
	}
	l.opened(n.Addr())
	if l.settings.CertFile == "" {
		return n, nil
	}
	pair := &certificate{certFile: l.settings.CertFile, keyFile: l.settings.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, errors.Join(fmt.Errorf("[webhooks] cert_file: %w", err), n.Close())
	}
	return tls.NewListener(n, &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// opened notes where it is.
func (l *listening) opened(at net.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.address = reachable(at)
}

// reachable is an address that we can call: a listener on all interfaces is
// called on this machine's own.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// certificateAge is how long a certificate is served before its files are
// looked at again.
const certificateAge = 10 * time.Second

// certificate is one whose files may be replaced, as cert-manager does.
type certificate struct {
	certFile, keyFile string

	mu     sync.Mutex
	pair   *tls.Certificate
	looked time.Time
}

// get gives the certificate. One that can't be read any more is served as it
// was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair != nil && time.Since(c.looked) < certificateAge {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil && c.pair == nil {
		return nil, plainPairError(err)
	}
	if err == nil {
		c.pair = &pair
	}
	c.looked = time.Now()
	return c.pair, nil
}

// plainPairError says what is wrong with a certificate without its bytes.
func plainPairError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path
	}
	if strings.Contains(err.Error(), "does not match") {
		return errors.New("the key is not that of the certificate")
	}
	return errors.New("certificate and key can't be read as PEM")
}

func tlsTrusting(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
