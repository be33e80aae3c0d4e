package google

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

const (
	opCurrent = "read current version of"
	opRead    = "read"

	defaultMaxBackoff = 500 * time.Millisecond
)

// Options say how a Provider works. The zero Options are Application Default
// Credentials against Google's own endpoints.
type Options struct {
	// Endpoint is asked instead of Google's own addresses, "host:port": one for
	// private access, or a server for tests. It is used for global secrets and
	// those of every location. Empty means secretmanager.googleapis.com, and
	// secretmanager.LOCATION.rep.googleapis.com for regional ones. It always
	// speaks TLS.
	Endpoint string
	// CAFile holds the certificates, in PEM, that the endpoint's is checked
	// against; empty means the system's. It is read when a secret is first asked
	// for.
	CAFile string
	// Credentials are used in place of Application Default Credentials.
	Credentials *auth.Credentials
	// Dial opens connections to the endpoint; nil means TCP, through HTTPS_PROXY
	// where that is set.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// MaxBackoff bounds the wait before a call is made again after a failure in
	// between, and a tenth of the wait before a connection is; 0 means 500 ms.
	MaxBackoff time.Duration
	// Mark is the annotation that Mark writes; empty means "rotatord-accepted".
	Mark string
	// Logger is told where credentials come from; nil means none.
	Logger *slog.Logger
}

// Provider reads secrets from Secret Manager. It implements
// providers.Provider, and all of its optional abilities.
type Provider struct {
	options Options
	log     *slog.Logger

	gate    chan struct{} // holding its one token is the right to ask for credentials
	mu      sync.Mutex
	creds   *auth.Credentials
	clients map[string]*client // by location
	known   map[name]known
	details map[name]details
	numbers map[string]string // project id → number, as answers tell
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Follower = (*Provider)(nil)
	_ providers.Namer    = (*Provider)(nil)
)

// New makes a Provider. It reads no file and no environment and asks nobody.
func New(o Options) (*Provider, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make google provider: %w", err)
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = defaultMaxBackoff
	}
	if o.Mark == "" {
		o.Mark = defaultMark
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Provider{
		options: o, log: o.Logger, creds: o.Credentials,
		gate: make(chan struct{}, 1), clients: map[string]*client{}, known: map[name]known{},
		details: map[name]details{}, numbers: map[string]string{},
	}, nil
}

func (o Options) validate() error {
	if o.MaxBackoff < 0 {
		return errors.New("the MaxBackoff is negative; leave it 0 for 500 ms")
	}
	if o.Mark != "" && !marks.MatchString(o.Mark) {
		return errors.New("the Mark is no key of an annotation: up to 63 letters, digits and ._-, with a letter or digit at both ends")
	}
	if o.Endpoint == "" {
		return nil
	}
	// Not quoted: there may be a password in it.
	wrong := errors.New("the Endpoint is not of the form host:port, without https://")
	host, port, err := net.SplitHostPort(o.Endpoint)
	if err != nil || host == "" || !validHost(host) {
		return wrong
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return wrong
	}
	return nil
}

// validHost refuses what gRPC could take for something else than a host.
func validHost(host string) bool {
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == ':', r == '_':
		default:
			return false
		}
	}
	return true
}

// Kind is the Provider's entry in the program's list. It may be asked of a nil
// Provider, by who wants to know names only.
func (p *Provider) Kind() providers.Kind {
	return providers.Kind{Name: "google", Matches: isName, Example: example, Provider: p}
}

// Current implements providers.Provider: one ListSecretVersions while nothing
// changes.
func (p *Provider) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	v, _, err := p.current(ctx, s, 0)
	if err != nil {
		return credential.Version{}, asError(opCurrent, s, err)
	}
	return v, nil
}

// lags are the waits between the questions of CurrentAfter. Together they are
// longer than metadata of Secret Manager is usually behind.
var lags = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// CurrentAfter implements providers.Follower: the hinted version is asked for
// by its number, whatever the list shows, and is current if it is enabled and
// none above it is. A version that is not there yet is asked for again, for
// some eight seconds. A hint that is no number is none.
func (p *Provider) CurrentAfter(ctx context.Context, s credential.Secret, hint providers.Hint) (credential.Version, error) {
	hinted := number(hint.Version)
	if hinted == 0 {
		_, hinted = parseVersion(hint.Version) // the whole name, as events have it
	}
	v, heard, err := p.current(ctx, s, hinted)
	for _, lag := range lags {
		if heard || !mayLag(err) {
			break
		}
		if err := sleep(ctx, lag); err != nil {
			return credential.Version{}, asError(opCurrent, s, &problem{reason: providers.ReasonUnavailable, err: err})
		}
		v, heard, err = p.current(ctx, s, hinted)
	}
	if err != nil {
		return credential.Version{}, asError(opCurrent, s, err)
	}
	return v, nil
}

// mayLag tells whether an answer may come from a replica that is behind: a
// version, or that a new secret or version is not there.
func mayLag(err error) bool {
	var p *problem
	return err == nil || errors.As(err, &p) && (p.reason == providers.ReasonNotFound || p.reason == providers.ReasonDisabled)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Same implements providers.Namer. A configured name has a project's id as a
// rule, and events have its number: once an answer about the project has told
// its number they are compared, and until then any number may be it.
func (p *Provider) Same(configured, named credential.Secret) bool {
	// It is asked for each configured secret at each event: most are told apart
	// by how they end.
	if lastPart(configured) != lastPart(named) {
		return false
	}
	a, err := parse(configured)
	if err != nil {
		return false
	}
	b, err := parse(named)
	if err != nil {
		return false
	}
	if a.secret != b.secret || a.location != b.location {
		return false
	}
	if a.project == b.project || a.byNumber() == b.byNumber() {
		return a.project == b.project
	}
	id, of := a.project, b.project
	if a.byNumber() {
		id, of = of, id
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	learned, ok := p.numbers[id]
	return !ok || learned == of
}

func lastPart(s credential.Secret) credential.Secret {
	return s[strings.LastIndexByte(string(s), '/')+1:]
}

// isOf tells whether an answer's name is that of the secret that was asked for,
// and learns the project's number from it.
func (p *Provider) isOf(n, answered name) bool {
	if n.secret != answered.secret || n.location != answered.location {
		return false
	}
	if n.project == answered.project {
		return true
	}
	if n.byNumber() || !answered.byNumber() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if learned, ok := p.numbers[n.project]; ok {
		return learned == answered.project
	}
	p.numbers[n.project] = answered.project
	return true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Read implements providers.Provider: one AccessSecretVersion by number.
func (p *Provider) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	v, err := p.read(ctx, s, version)
	if err != nil {
		return credential.Value{}, asError(opRead, s, err)
	}
	return v, nil
}

func (p *Provider) read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return credential.Value{}, err
	}
	defer p.release(c)
	// An alias, "latest" say, would read whatever it stands for by then.
	want := number(version)
	if want == 0 {
		return credential.Value{}, &problem{reason: providers.ReasonGone, err: errors.New("Secret Manager has no version numbers like this one")}
	}
	out, err := c.api.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: n.version(want)})
	if err != nil {
		return credential.Value{}, p.because(ctx, permissionAccess, err)
	}
	return p.valueOf(n, want, out)
}

// valueOf takes the value out of an answer, after looking whose it is and
// whether it is whole.
func (p *Provider) valueOf(n name, want int64, out *pb.AccessSecretVersionResponse) (credential.Value, error) {
	data := out.GetPayload().GetData()
	of, got := parseVersion(out.GetName())
	if got != want || !p.isOf(n, of) {
		clear(data)
		return credential.Value{}, misplaced("the answer is about another secret or version")
	}
	// Versions from before there were checksums have none.
	if sum := out.GetPayload(); sum != nil && sum.DataCrc32C != nil && sum.GetDataCrc32C() != int64(crc32.Checksum(data, castagnoli)) {
		clear(data)
		return credential.Value{}, misplaced("the value does not have the checksum that came with it")
	}
	if len(data) == 0 {
		return credential.Value{}, &problem{reason: providers.ReasonInvalid, err: errors.New("this version holds no value"), hint: "add a new version with a value"}
	}
	return credential.NewValue(data), nil
}
