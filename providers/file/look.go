package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/filestamp"
	"github.com/rotatord/rotatord/providers"
)

const (
	// attempts bounds how often a look starts again because the file changed
	// under it; the pauses between them add up to some 60 ms.
	attempts   = 7
	firstPause = time.Millisecond
	// racy is how old an identity has to be before it says anything about the
	// content: coarser than the time stamps of any file system in use (FAT: 2 s).
	racy = 2 * time.Second
)

// look finds out the version at path and, if asked, its content.
func (p *Provider) look(ctx context.Context, path string, content bool) result {
	pause := firstPause
	var last error
	for range attempts {
		r := p.try(path, content)
		if !isMoved(r.err) {
			return r
		}
		last = r.err
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result{err: &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}}
		}
		pause *= 2
	}
	return result{err: &problem{reason: providers.ReasonUnavailable, err: last,
		hint: "it changed each time while it was read; write a new file beside it and rename that into place"}}
}

// try is one attempt; an error of the moved kind asks for another.
func (p *Provider) try(path string, content bool) result {
	started := p.now()
	before, err := take(path)
	if err != nil {
		return result{err: err}
	}
	if !content {
		if v, ok := p.recall(path, before); ok {
			return result{version: v}
		}
	}
	value, err := p.load(path, before)
	if err != nil {
		return result{err: err}
	}
	p.afterLoad()
	after, err := take(path)
	if err == nil && !after.equal(before) {
		err = moved("it changed while it was read")
	}
	if err != nil {
		value.Clear()
		return result{err: err}
	}
	version := credential.Version{ID: p.fingerprint(value.Bytes()), Created: before.modified()}
	if before.settled(started) {
		p.remember(path, known{seen: before, version: version})
	}
	if !content {
		value.Clear()
		value = credential.Value{}
	}
	return result{version: version, value: value}
}

// load reads the content that a snapshot describes.
func (p *Provider) load(path string, s snapshot) (credential.Value, error) {
	if size := s.size(); size > p.maxSize {
		return credential.Value{}, &problem{reason: providers.ReasonInvalid,
			err: fmt.Errorf("%d bytes are more than the %d allowed", size, p.maxSize), hint: "is it the right file?"}
	}
	if s.isDir {
		return loadKeys(s)
	}
	buf := make([]byte, s.files[0].Size+1)
	n, err := readFile(path, s.files[0].Stamp, buf)
	if err != nil {
		clear(buf)
		return credential.Value{}, err
	}
	return credential.NewValue(buf[:n]), nil
}

// readFile reads the file of that identity into buf, which has room for one
// byte more than the identity's size: filling it means that the file has
// grown.
func readFile(path string, want filestamp.Stamp, buf []byte) (int, error) {
	// The flag keeps a FIFO that took the file's place from blocking the open.
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return 0, ofSystem(err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return 0, ofSystem(err)
	}
	if !info.Mode().IsRegular() || filestamp.Of(info) != want {
		return 0, moved("it was replaced while it was opened")
	}
	n, err := io.ReadFull(f, buf)
	switch {
	case err == nil || int64(n) != want.Size:
		return 0, moved("it changed its size while it was read")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, nil
	}
	return 0, ofSystem(err)
}
