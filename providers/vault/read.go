package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// Read implements providers.Provider: one read of the data, by version number.
func (p *Provider) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	v, err := p.read(ctx, s, version)
	if err != nil {
		return credential.Value{}, asError(opRead, s, err)
	}
	return v, nil
}

func (p *Provider) read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	n, err := p.open(ctx, s)
	if err != nil {
		return credential.Value{}, err
	}
	// Version 0 would read whatever is newest by then.
	wanted, ok := number(version)
	if !ok {
		return credential.Value{}, &problem{reason: providers.ReasonGone, err: errors.New("Vault has no version ids like this one")}
	}
	a, err := p.get(ctx, p.value, n.data(), url.Values{"version": {version}})
	if err != nil {
		return credential.Value{}, p.unread(ctx, s, n, wanted, err)
	}
	defer clear(a.body)
	return valueOf(a.body, wanted)
}

// document is the answer to GET MOUNT/data/PATH. The data stays the bytes that
// came: decoded into a map, a number could lose digits and keys their order.
type document struct {
	Data *struct {
		Data     json.RawMessage `json:"data"`
		Metadata struct {
			Version int `json:"version"`
			versionMetadata
		} `json:"metadata"`
	} `json:"data"`
}

// valueOf takes the value out of an answer, after looking whose it is. The
// caller clears the answer.
func valueOf(body []byte, wanted int) (credential.Value, error) {
	var d document
	err := json.Unmarshal(body, &d)
	if d.Data != nil {
		defer clear(d.Data.Data)
	}
	switch {
	case err != nil || d.Data == nil: // err may quote the value
		return credential.Value{}, misplaced("the answer is no version of a secret")
	case d.Data.Metadata.Version != wanted:
		return credential.Value{}, misplaced("the answer is about another version")
	case len(d.Data.Data) == 0 || d.Data.Data[0] != '{':
		return credential.Value{}, &problem{reason: providers.ReasonInvalid, err: errors.New("this version is no JSON object"),
			hint: `write keys and values: "vault kv put -mount=MOUNT PATH key=value"`}
	}
	var compact bytes.Buffer
	compact.Grow(len(d.Data.Data)) // so that nothing is left behind by growing
	if err := json.Compact(&compact, d.Data.Data); err != nil {
		return credential.Value{}, misplaced("the answer is no version of a secret")
	}
	if compact.Len() == len("{}") {
		return credential.Value{}, &problem{reason: providers.ReasonInvalid, err: errors.New("this version holds no keys"),
			hint: `write keys and values: "vault kv put -mount=MOUNT PATH key=value"`}
	}
	return credential.NewValue(compact.Bytes()), nil
}

// unread says why a version can't be read. Vault answers 404 for a missing
// secret, for a version that never was or was trimmed, and, with the version's
// metadata, for one that was deleted. The secret's own metadata tells which.
func (p *Provider) unread(ctx context.Context, s credential.Secret, n name, wanted int, err error) error {
	var r *refusal
	if !errors.As(err, &r) || r.status != http.StatusNotFound {
		return p.because(ctx, n, "read", n.data(), err)
	}
	gone := &problem{reason: providers.ReasonGone, err: fmt.Errorf("there is no version %d", wanted), hint: "the secret keeps max_versions of them"}
	if d := r.deleted; d != nil && d.Destroyed {
		gone.err, gone.hint = fmt.Errorf("version %d was destroyed", wanted), ""
	} else if d != nil {
		gone.err, gone.hint = fmt.Errorf("version %d was deleted", wanted), `"vault kv undelete" takes that back`
	}
	l, why := p.look(ctx, n)
	if why == nil && r.deleted == nil && (l.number == wanted || l.number < wanted && p.newest(s, l).number >= wanted) {
		return &problem{reason: providers.ReasonUnavailable, err: fmt.Errorf("the server that answered does not have version %d yet", wanted),
			hint: "a performance standby that is behind, perhaps"}
	}
	var known *problem
	if errors.As(why, &known) {
		switch known.reason {
		case providers.ReasonDisabled:
			if known.number == wanted || known.number == 0 {
				return why // the newest one: there is nothing else to read
			}
		case providers.ReasonDenied, providers.ReasonGone:
		default:
			return why
		}
	}
	return gone
}
