package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const keySize = 32

// readKey reads fingerprint.key. It is refused, and left as it is, when it is
// not what createKey made, or when everybody may read it. A key that does not
// exist is fs.ErrNotExist.
func readKey(path string) ([keySize]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return [keySize]byte{}, err
	}
	if err != nil {
		return [keySize]byte{}, openError(path, ProblemUnwritable, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return [keySize]byte{}, openError(path, ProblemUnwritable, err)
	}
	if !info.Mode().IsRegular() {
		return [keySize]byte{}, badKey(path, errors.New("it is not a file"))
	}
	// The group is let off: Kubernetes gives the files of a volume to a pod's
	// fsGroup, readable and writable, each time it mounts them.
	if info.Mode().Perm()&0o007 != 0 {
		return [keySize]byte{}, openError(path, ProblemExposed, fmt.Errorf("its mode is %04o", info.Mode().Perm()))
	}
	// One byte more than a key has, to notice a longer file.
	raw, err := io.ReadAll(io.LimitReader(file, keySize+1))
	if err != nil {
		return [keySize]byte{}, openError(path, ProblemUnwritable, err)
	}
	key, err := parseKey(raw)
	if err != nil {
		return [keySize]byte{}, badKey(path, err)
	}
	return key, nil
}

func badKey(path string, err error) *OpenError {
	e := openError(path, ProblemDamaged, err)
	e.Hint = "put it back from a backup, or delete it: a new one is made, and each file-backed destination is pushed once more"
	return e
}

// parseKey takes the bytes of a key file. A key of zeroes is what a file system
// leaves of a file that was not synced, never what createKey drew.
func parseKey(raw []byte) ([keySize]byte, error) {
	if len(raw) != keySize {
		return [keySize]byte{}, fmt.Errorf("it does not have %d bytes", keySize)
	}
	key := [keySize]byte(raw)
	if key == [keySize]byte{} {
		return key, errors.New("it is empty")
	}
	return key, nil
}

// createKey draws a key and puts it in place at once: after a crash there is
// the whole key or none.
func createKey(dir string) ([keySize]byte, error) {
	var key [keySize]byte
	_, _ = rand.Read(key[:]) // never fails, says its documentation
	path := filepath.Join(dir, keyName)
	if err := writeDurably(path, key[:]); err != nil {
		problem, known := problemOf(err)
		if !known {
			problem = ProblemUnwritable
		}
		return key, openError(path, problem, err)
	}
	return key, nil
}

// writeDurably writes a file for its owner only, all or nothing.
func writeDurably(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames inside dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
