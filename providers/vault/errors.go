package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// number is the newest version, where that is what can't be used.
	number int
}

func (p *problem) Error() string { return p.err.Error() }

func (p *problem) Unwrap() error { return p.err }

func asError(op string, s credential.Secret, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{reason: providers.ReasonUnavailable, err: errors.New("something unforeseen went wrong")}
	}
	return &providers.Error{Op: op, Secret: s, Reason: p.reason, Hint: p.hint, Err: p.err}
}

// misplaced is for answers that can't be right.
func misplaced(what string) error {
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(what), hint: "does something stand between rotatord and Vault? check the address"}
}

// refusal is what Vault said, and all that is kept of it.
type refusal struct {
	status int
	said   string
	// deleted describes the version, where that is there no more.
	deleted *versionMetadata
}

func (r *refusal) Error() string {
	if r.said == "" {
		return fmt.Sprintf("the server answers %d %s", r.status, http.StatusText(r.status))
	}
	return r.said
}

func (r *refusal) says(words string) bool { return strings.Contains(r.said, words) }

// badToken tells whether the token itself was refused and not only what was
// asked with it. Vault says so since 1.13; before, both are "permission denied".
func (r *refusal) badToken() bool { return r.says("invalid token") || r.says("bad token") }

// refused takes Vault's words out of an error of the SDK, unless they have in
// them what we sent.
func refused(resp *api.Response, err error, secrets ...string) error {
	var api *api.ResponseError
	if !errors.As(err, &api) {
		return err
	}
	r := &refusal{status: api.StatusCode}
	if !api.RawError { // else it is a page of a proxy's, or worse
		r.said = plain(strings.Join(api.Errors, "; "), 400)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(r.said, s) {
			r.said = ""
		}
	}
	if r.status == http.StatusNotFound && resp != nil {
		r.deleted = deletedOf(resp.Body)
	}
	return r
}

// deletedOf takes the description of a deleted version out of an answer; nil if
// there is none.
func deletedOf(answer io.Reader) *versionMetadata {
	body, _ := io.ReadAll(io.LimitReader(answer, maxAnswer)) // the SDK has it in memory
	defer clear(body)
	var d document
	if json.Unmarshal(body, &d) != nil || d.Data == nil || d.Data.Metadata.Version == 0 {
		return nil
	}
	return &d.Data.Metadata.versionMetadata
}

// plain is text that can stand in a line of a log, of bounded length. Vault
// makes several lines of several causes.
func plain(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// ended is for calls whose context has ended.
func ended(ctx context.Context, err error) *problem {
	cause := providers.GivenUp(ctx, err)
	if cause == nil {
		return nil
	}
	return &problem{reason: providers.ReasonUnavailable, err: cause}
}

// because says why a request failed that takes a capability on a path of the
// secret.
func (p *Provider) because(ctx context.Context, n name, capability, path string, err error) error {
	why := explain(ctx, err)
	var r *refusal
	if !errors.As(err, &r) {
		return why
	}
	switch {
	case r.status == http.StatusNotFound:
		return p.notThere(ctx, n, r)
	case r.status == http.StatusForbidden && r.badToken():
		why.hint = "the token is not known to the server, or its lease has ended; is it of this namespace?"
	case r.status == http.StatusForbidden:
		why.hint = fmt.Sprintf("allow the capability %q on %q in a policy of rotatord's token; "+
			"a mount or path that does not exist is denied as well, and a mount of several segments is written with %%2F", capability, path)
	}
	return why
}

// explain tells what an error means whatever was asked.
func explain(ctx context.Context, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	var r *refusal
	if !errors.As(err, &r) {
		return &problem{reason: providers.ReasonUnavailable, err: errors.New(unheard(err))}
	}
	p := &problem{reason: providers.ReasonUnavailable, err: r}
	switch {
	case r.status == http.StatusForbidden, r.says("missing client token"):
		p.reason = providers.ReasonDenied
	case r.status == http.StatusTooManyRequests:
		p.reason = providers.ReasonThrottled
	case r.status < http.StatusBadRequest:
		p.hint = "the server is a standby, or a proxy, that points to another address: name the active one or a load balancer"
	case r.status == http.StatusServiceUnavailable && r.says("sealed"):
		p.hint = "unseal the server"
	case r.says("Upgrading from non-versioned"), r.says("DR secondary"), r.status == http.StatusPreconditionFailed,
		r.status >= http.StatusInternalServerError:
	case r.status == http.StatusMethodNotAllowed, r.status == http.StatusNotFound:
		p.reason, p.hint = providers.ReasonInvalid, "is a KV engine of version 2 mounted there?"
	default:
		p.reason = providers.ReasonInvalid
	}
	return p
}

// notThere tells a missing secret from a mount that has no versions: to a KV
// engine of version 1, metadata/ is a part of any path. Vault's own commands
// ask the same question first.
func (p *Provider) notThere(ctx context.Context, n name, r *refusal) error {
	why := &problem{reason: providers.ReasonNotFound, err: r, hint: "check mount, path and namespace"}
	if r.said == "" {
		why.err = errors.New("there is no such secret")
	}
	for _, part := range []string{"data/", "metadata/"} {
		if strings.HasPrefix(n.path, part) {
			why.hint = "leave " + part + " out: it belongs to the API and not to the name"
		}
	}
	a, err := p.get(ctx, p.plain, "sys/internal/ui/mounts/"+n.mount+"/"+n.path, nil)
	if err != nil {
		if end := ended(ctx, err); end != nil {
			return end
		}
		return why // it is not permitted, or there is no mount
	}
	var m struct {
		Data *struct {
			Type    string            `json:"type"`
			Path    string            `json:"path"`
			Options map[string]string `json:"options"`
		} `json:"data"`
	}
	if json.Unmarshal(a.body, &m) != nil || m.Data == nil {
		return why
	}
	switch mount := strings.Trim(m.Data.Path, "/"); {
	case m.Data.Type != "kv" && m.Data.Type != "generic":
		return &problem{reason: providers.ReasonInvalid, err: errors.New("the secrets engine that is mounted there is not KV"), hint: "KV version 2 keeps versions"}
	case mount != n.mount && mount != "":
		return &problem{reason: providers.ReasonInvalid, err: errors.New("the mount ends elsewhere"),
			hint: "the engine is mounted at " + plain(mount, 200) + "/: write " + scheme + plain(strings.ReplaceAll(mount, "/", "%2F"), 300) + "/…"}
	case m.Data.Options["version"] != "2":
		return &problem{reason: providers.ReasonInvalid, err: errors.New("the KV engine there is of version 1, which keeps no versions"),
			hint: `"vault kv enable-versioning MOUNT/" makes it version 2`}
	}
	return why
}
