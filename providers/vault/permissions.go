package vault

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/rotatord/rotatord/credential"
)

// Missing implements providers.Checker. It asks sys/capabilities-self, which
// the policy "default" permits, and where that is not permitted it tries: the
// value is dropped at once.
func (p *Provider) Missing(ctx context.Context, s credential.Secret) ([]string, error) {
	n, err := p.open(ctx, s)
	if err != nil {
		return nil, asError(opCurrent, s, err)
	}
	paths := []string{n.data(), n.metadata()}
	lacking, err := p.capabilities(ctx, "read", paths)
	if unasked(err) {
		lacking, err = p.try(ctx, n)
	}
	if err != nil {
		return nil, asError(opCurrent, s, explain(ctx, err))
	}
	var missing []string
	for _, path := range lacking {
		missing = append(missing, `capability "read" on `+path)
	}
	slices.Sort(missing)
	return missing, nil
}

// MissingToMark implements providers.MarkChecker. It asks as Missing does. Where
// our token may not ask, reading is tried, and of patching nothing is known.
func (p *Provider) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	n, err := p.open(ctx, s)
	if err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	read, patch := `capability "read" on `+n.metadata(), `capability "patch" on `+n.metadata()
	unread, err := p.capabilities(ctx, "read", []string{n.metadata()})
	if unasked(err) {
		untold = []string{patch}
		_, err = p.get(ctx, p.plain, n.metadata(), nil)
		err = denied(err, n.metadata(), &unread)
	} else if err == nil {
		var unpatched []string
		if unpatched, err = p.capabilities(ctx, "patch", []string{n.metadata()}); len(unpatched) > 0 {
			missing = append(missing, patch)
		}
	}
	if err != nil {
		return nil, nil, asError(opMark, s, explain(ctx, err))
	}
	if len(unread) > 0 {
		missing = append(missing, read)
	}
	slices.Sort(missing)
	return missing, untold, nil
}

// unasked tells whether our token may not ask for its capabilities.
func unasked(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusForbidden && !r.badToken()
}

// capabilities gives those of the paths on which our token lacks a capability.
func (p *Provider) capabilities(ctx context.Context, wanted string, paths []string) ([]string, error) {
	var lacking []string
	err := p.identified(ctx, func(token string) error {
		lacking = nil
		secret, err := as(p.plain, token).Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
		if err != nil {
			return refused(nil, err, token)
		}
		if secret == nil {
			return misplaced("the answer names no capabilities")
		}
		for _, path := range paths {
			can, ok := secret.Data[path].([]any)
			if !ok {
				return misplaced("the answer names no capabilities")
			}
			if !slices.Contains(can, any(wanted)) && !slices.Contains(can, any("root")) {
				lacking = append(lacking, path)
			}
		}
		return nil
	})
	return lacking, err
}

// try gives those of the secret's paths that are denied when they are read.
func (p *Provider) try(ctx context.Context, n name) ([]string, error) {
	var lacking []string
	_, err := p.get(ctx, p.plain, n.metadata(), nil)
	if err = denied(err, n.metadata(), &lacking); err != nil {
		return nil, err
	}
	a, err := p.get(ctx, p.value, n.data(), url.Values{})
	if a != nil {
		clear(a.body)
	}
	return lacking, denied(err, n.data(), &lacking)
}

// denied notes a path that is denied. What else may be wrong with a secret is
// not asked here; that nobody answered, or that our token is not accepted, is
// an error.
func denied(err error, path string, lacking *[]string) error {
	var r *refusal
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &r), r.badToken(), r.status == http.StatusTooManyRequests, r.status >= http.StatusInternalServerError:
		return err
	case r.status == http.StatusForbidden:
		*lacking = append(*lacking, path)
	}
	return nil
}
