// Package filestamp tells whether a file is still the one that it was, without
// reading it. providers/file asks before it takes a version for known, and
// watcher/file before it calls a change one: what escapes the one must not escape
// the other.
package filestamp

import "io/fs"

// Stamp is what stat tells that changes when a file's content does. Times are in
// nanoseconds since 1970; what the system does not know is 0. Stamps are compared
// with ==.
type Stamp struct {
	Device, Inode    uint64
	Size             int64
	Modified, Change int64
}

// Of gives the stamp of a file.
func Of(info fs.FileInfo) Stamp {
	s := Stamp{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	s.Device, s.Inode, s.Change = identity(info)
	return s
}
