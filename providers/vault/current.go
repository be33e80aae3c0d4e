package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// maxLag is how long a lower version number than a known one counts as a stale
// read. After that it is believed.
const maxLag = time.Minute

// look is what the metadata of a secret says of its newest version.
type look struct {
	number  int
	version credential.Version
	// born is when the secret itself was made; it changes when all of it was
	// deleted and written anew, which starts the numbers again.
	born time.Time
}

// Current implements providers.Provider: one read of the metadata.
func (p *Provider) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	l, err := p.current(ctx, s)
	if err != nil {
		return credential.Version{}, asError(opCurrent, s, err)
	}
	return l.version, nil
}

func (p *Provider) current(ctx context.Context, s credential.Secret) (look, error) {
	n, err := p.open(ctx, s)
	if err != nil {
		return look{}, err
	}
	l, err := p.look(ctx, n)
	if err != nil {
		return look{}, err
	}
	return p.newest(s, l), nil
}

// open takes a name apart, and says so if nobody can be asked.
func (p *Provider) open(ctx context.Context, s credential.Secret) (name, error) {
	n, err := parse(s)
	switch {
	case err != nil:
		return name{}, &problem{reason: providers.ReasonInvalid, err: err, hint: howToName}
	case p.plain == nil:
		return name{}, &problem{reason: providers.ReasonUnavailable, err: errors.New("no address of a server is configured"),
			hint: "write [vault] and address, or set VAULT_ADDR"}
	case ctx.Err() != nil:
		return name{}, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}
	}
	return n, nil
}

// newest tells a stale read from a secret that was made anew. Numbers of
// versions only grow, also when a version is rolled back, so that a lower one
// comes from a performance standby that is behind; the known one is repeated.
func (p *Provider) newest(s credential.Secret, l look) look {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.known[s]; ok && l.number < k.look.number && !l.born.After(k.look.born) && now.Sub(k.at) < maxLag {
		return k.look
	}
	p.known[s] = known{l, now}
	return l
}

// metadata is the answer to GET MOUNT/metadata/PATH, as far as we look at it.
type metadata struct {
	Data *struct {
		Current  int                        `json:"current_version"`
		Created  string                     `json:"created_time"`
		Versions map[string]versionMetadata `json:"versions"`
	} `json:"data"`
}

// versionMetadata describes one version, there and beside a value.
type versionMetadata struct {
	Created string `json:"created_time"`
	// Deleted is when the version was deleted, or when it will be: a mount or
	// secret may have delete_version_after. Empty if never.
	Deleted   string `json:"deletion_time"`
	Destroyed bool   `json:"destroyed"`
}

// look asks for the newest version.
func (p *Provider) look(ctx context.Context, n name) (look, error) {
	a, err := p.get(ctx, p.plain, n.metadata(), nil)
	if err != nil {
		return look{}, p.because(ctx, n, "read", n.metadata(), err)
	}
	var m metadata
	if err := json.Unmarshal(a.body, &m); err != nil || m.Data == nil || m.Data.Current < 0 {
		return look{}, misplaced("the answer is no metadata of a secret")
	}
	number := m.Data.Current
	if number == 0 {
		return look{}, &problem{reason: providers.ReasonDisabled, err: errors.New("it holds no version yet"), hint: `"vault kv put" writes the first one`}
	}
	v, ok := m.Data.Versions[strconv.Itoa(number)]
	if !ok {
		return look{}, misplaced("the answer does not describe the version that it names")
	}
	deleted := instant(v.Deleted)
	switch {
	case v.Destroyed:
		return look{}, &problem{reason: providers.ReasonDisabled, number: number, err: fmt.Errorf("its newest version, %d, was destroyed", number),
			hint: `write a new one, or bring an older one back with "vault kv rollback"`}
	case !deleted.IsZero() && !deleted.After(a.at):
		return look{}, &problem{reason: providers.ReasonDisabled, number: number,
			err:  fmt.Errorf("its newest version, %d, was deleted on %s", number, deleted.UTC().Format(time.RFC3339)),
			hint: `"vault kv undelete" takes that back; "vault kv rollback" makes a new version of an older one`}
	}
	return look{number, credential.Version{ID: strconv.Itoa(number), Created: instant(v.Created), Expires: deleted}, instant(m.Data.Created)}, nil
}

// instant reads a time of Vault's; the zero time if there is none.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil { // its text quotes the input
		return time.Time{}
	}
	return t.UTC()
}

// lags are the waits between the questions of CurrentAfter.
var lags = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// CurrentAfter implements providers.Follower: it asks again until it sees the
// version of the hint or a later one, for some eight seconds, and then says
// what it sees. A standby that is behind is waited for so.
func (p *Provider) CurrentAfter(ctx context.Context, s credential.Secret, hint providers.Hint) (credential.Version, error) {
	l, err := p.current(ctx, s)
	wanted, counts := number(hint.Version)
	for _, lag := range lags {
		if !counts || !behind(l, err, wanted) {
			break
		}
		timer := time.NewTimer(lag)
		select {
		case <-ctx.Done():
			timer.Stop()
			return credential.Version{}, asError(opCurrent, s, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()})
		case <-timer.C:
		}
		l, err = p.current(ctx, s)
	}
	if err != nil {
		return credential.Version{}, asError(opCurrent, s, err)
	}
	return l.version, nil
}

// behind tells whether an answer comes from before the version was written.
func behind(l look, err error, wanted int) bool {
	var why *problem
	switch {
	case err == nil:
		return l.number < wanted
	case !errors.As(err, &why):
		return false
	case why.reason == providers.ReasonNotFound:
		return true
	}
	return why.reason == providers.ReasonDisabled && why.number < wanted
}

// number reads the id of a version, which is written in one way only.
func number(id string) (int, bool) {
	n, err := strconv.Atoi(id)
	return n, err == nil && n > 0 && strconv.Itoa(n) == id
}
