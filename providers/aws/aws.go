package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/awsclient"
	"github.com/rotatord/rotatord/providers"
)

const (
	opCurrent = "read current version of"
	opRead    = "read"

	defaultMaxBackoff = 5 * time.Second
)

// Options say how a Provider works. The zero Options are the default chain
// against Amazon's own endpoints.
type Options struct {
	// Endpoint is asked instead of Amazon's own address for Secrets Manager: an
	// interface endpoint of a VPC, or a server for tests. It is used for every
	// region. Empty leaves the choice to the region of each ARN and to the SDK's
	// own settings (AWS_ENDPOINT_URL_SECRETS_MANAGER, FIPS, dual stack).
	Endpoint string
	// STSEndpoint is the same for the requests that assume Roles.
	STSEndpoint string
	// Region is where the chain itself asks, STS for a web identity say. It is
	// never the region of a secret, which its ARN names. Empty means AWS_REGION
	// or the shared configuration, and then the region of the first secret.
	Region string
	// Roles are assumed to read the secrets of an account: account id → role.
	Roles map[string]Role
	// Credentials are used in place of the default chain.
	Credentials sdk.CredentialsProvider
	// Transport carries all requests but those of the default chain itself; nil
	// means transports of the Provider's own, which honour HTTPS_PROXY, NO_PROXY
	// and AWS_CA_BUNDLE.
	Transport http.RoundTripper
	// MaxBackoff bounds the wait before a request is tried again; 0 means 5 s.
	MaxBackoff time.Duration
	// Mark is the label that Mark moves; empty means "rotatord-accepted". It is
	// none of those by which Amazon tells versions apart.
	Mark string
	// Logger is told where credentials come from; nil means none.
	Logger *slog.Logger
}

// Role is a role to assume.
type Role struct {
	// ARN names it, "arn:aws:iam::123456789012:role/rotatord".
	ARN string
	// ExternalID is what the role's trust policy asks for, if it does.
	ExternalID string
}

// Provider reads secrets from Secrets Manager. It implements
// providers.Provider.
type Provider struct {
	options Options
	log     *slog.Logger

	gate    chan struct{} // holding its one token is the right to load the chain
	mu      sync.Mutex
	base    *awsclient.Access
	clients map[place]*client
	known   map[credential.Secret]answer
}

// answer is the newest answer about a secret.
type answer struct {
	version credential.Version
	changed time.Time           // when the secret last was, says the source
	at      time.Time           // when the answer came
	labels  map[string][]string // by version
}

// maxLag is how long an answer that is older than a known one counts as a stale
// read. After that it is believed, for then it is the source that went back: a
// restored copy of it, say.
const maxLag = time.Minute

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Follower = (*Provider)(nil)
	_ providers.Namer    = (*Provider)(nil)
)

// New makes a Provider. It reads no file and no environment and asks nobody.
func New(o Options) (*Provider, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make aws provider: %w", err)
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
		options: o, log: o.Logger,
		gate: make(chan struct{}, 1), clients: map[place]*client{}, known: map[credential.Secret]answer{},
	}, nil
}

func (o Options) validate() error {
	var errs []error
	for _, e := range []struct{ what, address string }{{"Endpoint", o.Endpoint}, {"STSEndpoint", o.STSEndpoint}} {
		if e.address == "" {
			continue
		}
		u, err := url.Parse(e.address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			// Not quoted: there may be a password in it.
			errs = append(errs, fmt.Errorf("the %s is no plain address like https://vpce-1-2.secretsmanager.us-west-2.vpce.amazonaws.com", e.what))
		}
	}
	if o.Region != "" && !regions.MatchString(o.Region) {
		errs = append(errs, fmt.Errorf("the region %q does not look like us-west-2", o.Region))
	}
	for account, role := range o.Roles {
		if !accounts.MatchString(account) {
			errs = append(errs, fmt.Errorf("a role is given for account %q, which is not twelve digits", account))
		}
		if !roles.MatchString(role.ARN) {
			errs = append(errs, fmt.Errorf("the role %q for account %s does not look like arn:aws:iam::123456789012:role/NAME", role.ARN, account))
		}
	}
	if o.MaxBackoff < 0 {
		errs = append(errs, errors.New("the MaxBackoff is negative; leave it 0 for 5 s"))
	}
	if o.Mark != "" && (!labels.MatchString(o.Mark) || slices.Contains(amazons, strings.ToUpper(o.Mark))) {
		errs = append(errs, errors.New("the Mark is no label of one's own: up to 256 letters, digits and /_+=.@!-, and not AWSCURRENT or the like"))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// Kind is the Provider's entry in the program's list. It may be asked of a nil
// Provider, by who wants to know names only.
func (p *Provider) Kind() providers.Kind {
	return providers.Kind{Name: "aws", Matches: isARN, Example: example, Provider: p}
}

// Close ends connections that nobody uses any more. The Provider goes on to
// work.
func (p *Provider) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base != nil {
		p.base.Carrier.Close()
	}
}

// Current implements providers.Provider: one DescribeSecret.
func (p *Provider) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	a, err := p.current(ctx, s)
	if err != nil {
		return credential.Version{}, asError(opCurrent, s, err)
	}
	return a.version, nil
}

// current gives the current version, with the ids of all versions with a label
// that the answer knows.
func (p *Provider) current(ctx context.Context, s credential.Secret) (answer, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return answer{}, err
	}
	out, err := p.describe(ctx, n, c)
	if err != nil {
		return answer{}, err
	}
	v, err := under(n, out)
	if err != nil {
		return answer{}, err
	}
	a := p.newest(s, answer{version: v, changed: v.Created, at: time.Now()})
	a.labels = out.VersionIdsToStages
	return a, nil
}

// describe is one DescribeSecret of a secret that is there.
func (p *Provider) describe(ctx context.Context, n name, c *client) (*secretsmanager.DescribeSecretOutput, error) {
	out, err := c.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &n.arn})
	switch {
	case err != nil:
		return nil, p.because(ctx, c, actionDescribe, err)
	case !n.isOf(sdk.ToString(out.ARN)):
		return nil, misplaced("the answer is about another secret")
	case out.DeletedDate != nil:
		return nil, &problem{reason: providers.ReasonDisabled,
			err:  fmt.Errorf("it is scheduled for deletion on %s", out.DeletedDate.UTC().Format(time.RFC3339)),
			hint: `"aws secretsmanager restore-secret" takes that back`}
	}
	return out, nil
}

// newest tells a stale read from a rollback. Every change of a secret, moving a
// label back too, moves its date of change forward; so an answer with an
// earlier date than a known one comes from a replica that is behind, and the
// known one is repeated. While the version stays the same so does its date: a
// change of something else, our own mark say, makes it no younger.
func (p *Provider) newest(s credential.Secret, a answer) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[s]
	switch {
	case ok && a.changed.Before(k.changed) && a.at.Sub(k.at) < maxLag:
		return k
	case ok && a.version.ID == k.version.ID && !k.version.Created.After(a.changed):
		a.version.Created = k.version.Created
	}
	p.known[s] = a
	return a
}

// open takes a name apart and finds the client for it.
func (p *Provider) open(ctx context.Context, s credential.Secret) (name, *client, error) {
	n, err := parse(s)
	if err != nil {
		return name{}, nil, &problem{reason: providers.ReasonInvalid, err: err, hint: howToFind}
	}
	if err := ctx.Err(); err != nil {
		return name{}, nil, &problem{reason: providers.ReasonUnavailable, err: err}
	}
	c, err := p.client(ctx, n)
	return n, c, err
}

// under finds the version that has the label.
func under(n name, out *secretsmanager.DescribeSecretOutput) (credential.Version, error) {
	id, others := "", []string{}
	for version, stages := range out.VersionIdsToStages {
		if !slices.Contains(stages, n.label) {
			others = append(others, stages...)
			continue
		}
		if id != "" {
			return credential.Version{}, misplaced("the answer has the label " + n.label + " on two versions")
		}
		id = version
	}
	if id == "" {
		return credential.Version{}, unlabelled(n, others)
	}
	return credential.Version{ID: id, Created: sdk.ToTime(out.LastChangedDate), NextRotation: sdk.ToTime(out.NextRotationDate)}, nil
}

func unlabelled(n name, others []string) error {
	p := &problem{reason: providers.ReasonDisabled, err: fmt.Errorf("no version has the label %s", n.label)}
	slices.Sort(others)
	switch {
	case len(others) == 0:
		p.hint = "it holds no value yet: put one"
	case n.label == labelCurrent:
		p.hint = "a rotation has not finished, perhaps; labels that are there: " + strings.Join(slices.Compact(others), ", ")
	default:
		p.hint = "check ?stage=; labels that are there: " + strings.Join(slices.Compact(others), ", ")
	}
	return p
}

// Read implements providers.Provider: one GetSecretValue by version id.
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
	// An empty id would read whatever is current by then.
	if err := validID(version); err != nil {
		return credential.Value{}, err
	}
	out, err := c.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &n.arn, VersionId: &version}, c.carryValue)
	if err != nil {
		return credential.Value{}, p.because(ctx, c, actionGet, err)
	}
	return valueOf(n, version, out)
}

// validID refuses what no version can be called: ids have 32 to 64 characters.
func validID(version string) error {
	if len(version) < 32 || len(version) > 64 || strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &problem{reason: providers.ReasonGone, err: errors.New("Secrets Manager has no version ids like this one")}
	}
	return nil
}

// valueOf takes the value out of an answer, after looking whose it is.
func valueOf(n name, version string, out *secretsmanager.GetSecretValueOutput) (credential.Value, error) {
	switch {
	case !n.isOf(sdk.ToString(out.ARN)) || sdk.ToString(out.VersionId) != version:
		clear(out.SecretBinary)
		return credential.Value{}, misplaced("the answer is about another secret or version")
	case len(out.SecretBinary) > 0:
		return credential.NewValue(out.SecretBinary), nil
	case out.SecretString != nil && *out.SecretString != "":
		return credential.NewValue([]byte(*out.SecretString)), nil
	}
	return credential.Value{}, &problem{reason: providers.ReasonInvalid, err: errors.New("this version holds no value"),
		hint: "put a new version with a SecretString or SecretBinary"}
}
