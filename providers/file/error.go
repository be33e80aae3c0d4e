package file

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// moved says that the file changed under the look, so that another may do.
	moved bool
}

func (p *problem) Error() string {
	if p.err == nil {
		return string(p.reason)
	}
	return p.err.Error()
}

func (p *problem) Unwrap() error { return p.err }

func asError(op string, s credential.Secret, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{reason: providers.ReasonUnavailable, err: err}
	}
	return &providers.Error{Op: op, Secret: s, Reason: p.reason, Hint: p.hint, Err: p.err}
}

func moved(why string) error {
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(why), moved: true}
}

func isMoved(err error) bool {
	var p *problem
	return errors.As(err, &p) && p.moved
}

// vanished turns "not found" of something inside a directory into moved, since
// the directory itself was there a moment ago.
func vanished(err error) error {
	var p *problem
	if errors.As(err, &p) && p.reason == providers.ReasonNotFound {
		return &problem{reason: providers.ReasonUnavailable, err: p.err, moved: true}
	}
	return err
}

// ofKey says which key of a directory a problem is about.
func ofKey(name string, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.err = fmt.Errorf("key %q: %w", name, p.err)
	return &q
}

// ofSystem classifies an error of the operating system. Its text holds the
// path and the system's words, never content.
func ofSystem(err error) error {
	p := &problem{reason: providers.ReasonUnavailable, err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		p.reason = providers.ReasonNotFound
		p.hint = "is it mounted, and the path right?"
	case errors.Is(err, fs.ErrPermission):
		p.reason = providers.ReasonDenied
		p.hint = "let the user that rotatord runs as read it and pass the directories above it"
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		p.reason = providers.ReasonInvalid
	case errors.Is(err, errStale):
		p.moved = true
	}
	return p
}
