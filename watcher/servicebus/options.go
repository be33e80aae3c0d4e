package servicebus

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
)

// Options say what is received from, and how.
type Options struct {
	// Name is the configured name of the source.
	Name string
	// Namespace is "NAME.servicebus.windows.net". It may be empty where there is
	// a ConnectionString.
	Namespace string
	// Queue is the queue's name. Either Queue is set, or Topic and Subscription.
	Queue string
	// Topic and Subscription name a subscription. Send goes to the topic, and so
	// to its other subscriptions too.
	Topic, Subscription string
	// ConnectionString is of the namespace or of the queue or topic, with a key
	// or a SAS. Empty means tokens of Entra. UseDevelopmentEmulator=true, which
	// goes without TLS, is for loopback only.
	ConnectionString credential.Value
	// Credential gives tokens in place of the SDK's default chain, where there is
	// no ConnectionString.
	Credential azcore.TokenCredential
	// DeadLetter moves what nobody will ever understand to the dead-letter queue;
	// otherwise it is removed.
	DeadLetter bool
	// Endpoint is dialled in place of the namespace, "HOST:PORT": a private
	// endpoint or a TCP proxy. The certificate must be the namespace's all the
	// same.
	Endpoint string
	// Dial opens connections in place of a plain net.Dialer.
	Dial DialFunc
	// Roots are trusted to vouch for the namespace's certificate; nil means the
	// system's.
	Roots *x509.CertPool
	// Logger is told about single messages that could not be settled; nil means
	// none.
	Logger *slog.Logger
}

// namespaces are fully qualified, in any of Azure's clouds.
var namespaces = shape.Of(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`, 0)

// place is what Options come to.
type place struct {
	host     string // of the namespace, with a port if one was given
	path     string // of the queue or subscription
	target   string // the queue or topic: where Send goes
	insecure bool   // no TLS: an emulator on loopback
}

func (p place) String() string { return p.host + "/" + p.path }

func (o Options) validate() (place, error) {
	p := place{host: o.Namespace}
	var errs []error
	if o.Name == "" {
		errs = append(errs, errors.New("the Name is empty"))
	}
	switch {
	case o.Queue != "" && o.Topic == "" && o.Subscription == "":
		p.path, p.target = o.Queue, o.Queue
	case o.Queue == "" && o.Topic != "" && o.Subscription != "":
		p.path, p.target = o.Topic+"/Subscriptions/"+o.Subscription, o.Topic
	default:
		errs = append(errs, errors.New("give either a Queue, or a Topic and a Subscription"))
	}
	if o.Namespace != "" && !namespaces.MatchString(o.Namespace) {
		errs = append(errs, errors.New("the Namespace is no name like NAME.servicebus.windows.net"))
	}
	switch {
	case !o.ConnectionString.Empty():
		if o.Credential != nil {
			errs = append(errs, errors.New("there is both a ConnectionString and a Credential; give one"))
		}
		if err := p.read(string(o.ConnectionString.Bytes()), o.Namespace); err != nil {
			errs = append(errs, err)
		}
	case o.Namespace == "":
		errs = append(errs, errors.New("the Namespace is empty, and there is no ConnectionString that names one"))
	}
	if o.Endpoint != "" {
		if _, _, err := net.SplitHostPort(o.Endpoint); err != nil {
			errs = append(errs, errors.New("the Endpoint is not HOST:PORT"))
		}
	}
	return p, errors.Join(errs...)
}

// read takes out of a connection string where it leads. The key stays where it
// is; no error quotes anything.
func (p *place) read(text, namespace string) error {
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSpace(text), ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return errors.New("the ConnectionString is not made of NAME=VALUE; copy it from the portal, under Shared access policies")
		}
		parts[strings.ToLower(name)] = value
	}
	u, err := url.Parse(parts["endpoint"])
	if err != nil || u.Scheme != "sb" || u.Hostname() == "" || u.User != nil {
		return errors.New("the Endpoint of the ConnectionString is no address like sb://NAME.servicebus.windows.net/")
	}
	if parts["sharedaccesssignature"] == "" && (parts["sharedaccesskeyname"] == "" || parts["sharedaccesskey"] == "") {
		return errors.New("the ConnectionString has neither SharedAccessKeyName and SharedAccessKey nor a SharedAccessSignature")
	}
	if namespace != "" && !strings.EqualFold(namespace, u.Hostname()) {
		return fmt.Errorf("the ConnectionString is of another namespace than %s", namespace)
	}
	if path := parts["entitypath"]; path != "" && p.target != "" && !strings.EqualFold(path, p.target) {
		return fmt.Errorf("the ConnectionString is of another queue or topic than %s", p.target)
	}
	switch strings.ToLower(parts["usedevelopmentemulator"]) {
	case "true":
		if !loopback(u.Hostname()) {
			return errors.New("UseDevelopmentEmulator=true goes without TLS, so that anyone on the way could read the token: it is for loopback only")
		}
		p.insecure = true
	case "", "false":
	default:
		return errors.New("UseDevelopmentEmulator of the ConnectionString is neither true nor false")
	}
	p.host = u.Host
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
