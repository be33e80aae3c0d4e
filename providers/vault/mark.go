package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/providers"
)

const (
	opMark      = "mark"
	defaultMark = "rotatord-accepted"
)

// marks are keys of custom metadata that need no quoting anywhere. Vault takes
// up to 128 bytes.
var marks = shape.Of(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`, 128)

var _ providers.Marker = (*Provider)(nil)

// Mark implements providers.Marker: the version's number stands under
// Options.Mark in the secret's custom metadata, which belongs to no version. It
// is written by a merge patch of MOUNT/metadata/PATH, which leaves all other
// keys and settings as they are; Vault knows that since 1.10, and OpenBao
// always did. There is no falling back to a whole write, which would take away
// what others write meanwhile.
func (p *Provider) Mark(ctx context.Context, s credential.Secret, version string) error {
	if err := p.mark(ctx, s, version); err != nil {
		return asError(opMark, s, err)
	}
	return nil
}

func (p *Provider) mark(ctx context.Context, s credential.Secret, version string) error {
	n, err := p.open(ctx, s)
	if err != nil {
		return err
	}
	if _, ok := number(version); !ok && version != "" {
		return &problem{reason: providers.ReasonGone, err: errors.New("Vault has no version ids like this one")}
	}
	err = p.note(ctx, s, n, version)
	if errors.Is(err, errMoved) {
		err = p.note(ctx, s, n, version)
	}
	return err
}

// errMoved says that the metadata was changed between reading and writing it.
// Only OpenBao looks, and only where it is told to.
var errMoved = &problem{reason: providers.ReasonUnavailable, err: errors.New("the metadata is changed faster than it can be read"),
	hint: "it requires check-and-set (metadata_cas_required)"}

// remarks is the answer to GET MOUNT/metadata/PATH, as far as Mark looks at it.
type remarks struct {
	Data *struct {
		Current  int                        `json:"current_version"`
		Versions map[string]json.RawMessage `json:"versions"`
		Custom   map[string]string          `json:"custom_metadata"`
		// Of OpenBao alone.
		CAS     bool `json:"metadata_cas_required"`
		Changes int  `json:"current_metadata_version"`
	} `json:"data"`
}

// note writes the mark if it is not there.
func (p *Provider) note(ctx context.Context, s credential.Secret, n name, version string) error {
	a, err := p.get(ctx, p.plain, n.metadata(), nil)
	if err != nil {
		return p.because(ctx, n, "read", n.metadata(), err)
	}
	var m remarks
	if json.Unmarshal(a.body, &m) != nil || m.Data == nil {
		return misplaced("the answer is no metadata of a secret")
	}
	if m.Data.Custom[p.marked] == version {
		return nil
	}
	if _, there := m.Data.Versions[version]; version != "" && !there {
		return p.unmarkable(s, m.Data.Current, version)
	}
	mark := map[string]any{p.marked: nil} // which takes it away
	if version != "" {
		mark[p.marked] = version
	}
	body := map[string]any{"custom_metadata": mark}
	if m.Data.CAS {
		body["metadata_cas"] = m.Data.Changes
	}
	err = p.identified(ctx, func(token string) error {
		_, err := as(p.plain, token).Logical().JSONMergePatch(ctx, n.metadata(), body)
		return refused(nil, err, token)
	})
	var r *refusal
	switch errors.As(err, &r); {
	case err == nil:
		return nil
	case r != nil && r.status == http.StatusBadRequest && m.Data.CAS:
		return errMoved
	case r != nil && (r.status == http.StatusMethodNotAllowed || r.status == http.StatusUnsupportedMediaType):
		return &problem{reason: providers.ReasonInvalid, err: r, hint: "the server can't patch metadata: Vault can since 1.10, with a KV engine of version 2"}
	}
	return p.because(ctx, n, "patch", n.metadata(), err)
}

// unmarkable says why a version that the metadata does not list can't be
// marked.
func (p *Provider) unmarkable(s credential.Secret, newest int, version string) error {
	wanted, _ := number(version)
	p.mu.Lock()
	k := p.known[s]
	p.mu.Unlock()
	if wanted > newest && wanted <= k.look.number {
		return &problem{reason: providers.ReasonUnavailable, err: fmt.Errorf("the server that answered does not have version %d yet", wanted),
			hint: "a performance standby that is behind, perhaps"}
	}
	return &problem{reason: providers.ReasonGone, err: fmt.Errorf("there is no version %d", wanted), hint: "the secret keeps max_versions of them"}
}
