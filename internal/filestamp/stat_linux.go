package filestamp

import (
	"io/fs"
	"syscall"
)

// identity gives device, inode and time of change.
func identity(info fs.FileInfo) (dev, ino uint64, change int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0
	}
	return uint64(st.Dev), uint64(st.Ino), st.Ctim.Nano() //nolint:unconvert // the types differ between architectures
}
