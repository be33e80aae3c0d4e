// Package file reads secrets from the file system: one file, or a directory
// of keys as Kubernetes mounts a Secret.
//
// A secret is named "file:///run/secrets/planet". If that is a file, its bytes
// are the value, unchanged. If it is a directory, the value is one JSON object
// with a member for each file in it, sorted by name, so that
//
//	planet/aws_access_key_id
//	planet/aws_secret_access_key
//
// reads like a secret with two fields from any cloud. One line break at the
// end of a key is dropped, since every editor and "echo" leaves one. Names that
// begin with a dot are skipped, for that is where Kubernetes and editors keep
// their own things. A directory inside is refused, since leaving it out
// without a word would leave out a part of the credential.
//
// # Versions
//
// Files have no versions, so the content names its own: a version id is a
// keyed hash of the value. Bringing an old content back brings back its id,
// which is right, for it is the same credential. Files keep nothing either: any
// version but the one on disk is gone.
//
// Reading and hashing each time would be wasteful and would bring secrets into
// memory for nothing, so Current remembers which identity (device, inode, size,
// time of modification and of change) stood for which version, and looks no
// further while it is the same. A time stamp is only as fine as a tick of the
// kernel's clock, or of some file server's; a file written twice in one tick
// can look the same both times. Therefore an identity younger than two seconds
// is never remembered, the way git treats its index.
//
// # Reading what is being written
//
// Kubernetes swaps one symbolic link, "..data", to change all keys at once.
// The link is resolved once and everything is read behind it, hence from one
// generation. In general, the identities before and after a read have to
// agree, or it starts again, a few times. What no reader can know is whether a
// writer that pauses has finished; so write a new file beside the old one and
// rename it into place.
package file

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// DefaultMaxSize is the largest secret read unless configured, in bytes. The
// clouds' own limits are 64 KiB and less.
const DefaultMaxSize = 1 << 20

// Options say how a Provider works.
type Options struct {
	// Fingerprint names a version by its content: a keyed hash, as the names
	// are stored and shown. It must be the same function across restarts, or
	// everything looks new; must not keep or change the bytes; and must be safe
	// for concurrent use. Required.
	Fingerprint func(content []byte) string
	// MaxSize is the largest value read, in bytes, of a directory the sum of
	// its keys. 0 means DefaultMaxSize.
	MaxSize int64
}

// Provider reads secrets from files. It implements providers.Provider.
type Provider struct {
	fingerprint func([]byte) string
	maxSize     int64
	now         func() time.Time
	afterLoad   func() // between the read and the second look; tests change files there

	mu    sync.Mutex
	known map[string]known         // by path
	gates map[string]chan struct{} // by path; holding the one token is the right to touch the path
}

// known says which version a path had while its identity was this one.
type known struct {
	seen    snapshot
	version credential.Version
}

var _ providers.Provider = (*Provider)(nil)

// New makes a Provider. It touches no file.
func New(o Options) (*Provider, error) {
	if o.Fingerprint == nil {
		return nil, errors.New("make file provider: Options.Fingerprint is missing; pass the store's keyed hash")
	}
	if o.MaxSize < 0 {
		return nil, errors.New("make file provider: Options.MaxSize is negative; leave it 0 for 1 MiB")
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	return &Provider{
		fingerprint: o.Fingerprint, maxSize: o.MaxSize, now: time.Now, afterLoad: func() {},
		known: map[string]known{}, gates: map[string]chan struct{}{},
	}, nil
}

// Kind is the Provider's entry in the program's list.
func (p *Provider) Kind() providers.Kind {
	return providers.Kind{
		Name:     "file",
		Matches:  func(s credential.Secret) bool { return strings.HasPrefix(string(s), credential.FileScheme) },
		Example:  "file:///run/secrets/planet",
		Provider: p,
	}
}

// Current implements providers.Provider. It reads no content while the
// identity of the file is the one it knows. Version.Created is the time of the
// latest modification.
func (p *Provider) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	const op = "read current version of"
	r := p.run(ctx, s, false)
	if r.err != nil {
		return credential.Version{}, asError(op, s, r.err)
	}
	return r.version, nil
}

// Read implements providers.Provider. It always reads the content and gives it
// only if it is that version's; any other version is gone.
func (p *Provider) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	const op = "read"
	r := p.run(ctx, s, true)
	if r.err != nil {
		return credential.Value{}, asError(op, s, r.err)
	}
	if r.version.ID != version {
		r.value.Clear()
		return credential.Value{}, asError(op, s, &problem{reason: providers.ReasonGone,
			hint: "files keep no old versions; ask for the current version again"})
	}
	return r.value, nil
}

// result is what one look at a path brought.
type result struct {
	version credential.Version
	value   credential.Value // only when the content was asked for
	err     error
}

// run looks at the path in a goroutine of its own, because nothing else can
// leave a read from a dead network mount behind when ctx ends. Such a mount
// costs one goroutine a path and not one a try: whoever comes next waits for
// the first at the path's gate.
func (p *Provider) run(ctx context.Context, s credential.Secret, content bool) result {
	path, err := credential.FilePath(s)
	if err != nil {
		return result{err: &problem{reason: providers.ReasonInvalid, err: err}}
	}
	if err := ctx.Err(); err != nil {
		return result{err: &problem{reason: providers.ReasonUnavailable, err: err}}
	}
	gate := p.gate(path)
	select {
	case gate <- struct{}{}:
	case <-ctx.Done():
		return result{err: &problem{reason: providers.ReasonUnavailable, err: ctx.Err(),
			hint: "an earlier read of this path has not come back; does a network mount hang?"}}
	}
	done := make(chan result)
	go func() {
		r := p.look(ctx, path, content)
		<-gate
		select {
		case done <- r:
		case <-ctx.Done():
			r.value.Clear() // nobody waits any more
		}
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return result{err: &problem{reason: providers.ReasonUnavailable, err: ctx.Err(),
			hint: "the file did not answer in time; does a network mount hang?"}}
	}
}

func (p *Provider) gate(path string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gates[path]
	if g == nil {
		g = make(chan struct{}, 1)
		p.gates[path] = g
	}
	return g
}

func (p *Provider) recall(path string, seen snapshot) (credential.Version, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.known[path]
	return k.version, ok && k.seen.equal(seen)
}

func (p *Provider) remember(path string, k known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[path] = k
}
