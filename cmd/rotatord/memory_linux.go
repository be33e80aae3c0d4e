package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const madvCold = 20 // MADV_COLD, Linux 5.4; package syscall does not know it

// forgetBinary tells the kernel that the pages of the binary that were touched
// so far will not be wanted soon. A start touches nearly all of them, most of
// them once: the kernel maps sixteen around each that is wanted, and code that
// sets a library up lies beside code that runs. Without a word from us all of
// them count as resident until somebody else wants the room.
//
// The room itself is the page cache's either way, and a cgroup's working set
// hardly changes. What changes is that what ps and process_resident_memory_bytes
// say is what rotatord uses. Pages that are wanted again are mapped again, some
// three hundred faults of about a microsecond. Only mappings of the file that
// nobody has written to are meant: what a loader has changed exists nowhere
// else. A system that does not let us changes nothing.
func forgetBinary() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	var at region // that the lines are about; empty for one that is none of ours
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			// 00400000-0123f000 r-xp 00000000 fe:01 12345  /usr/bin/rotatord
			at = region{}
			if len(fields) == 6 && fields[5] == exe && (fields[1] == "r-xp" || fields[1] == "r--p") {
				at = regionOf(fields[0])
			}
		case len(fields) == 3 && fields[0] == "Anonymous:" && at.size > 0:
			if fields[1] == "0" {
				at.advise(madvCold)
				at.advise(syscall.MADV_DONTNEED)
			}
			at = region{}
		}
	}
}

// region is a piece of this process's memory that is the kernel's, not Go's.
type region struct{ begin, size uintptr }

// regionOf reads "00400000-0123f000".
func regionOf(text string) region {
	from, to, _ := strings.Cut(text, "-")
	begin, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	if err1 != nil || err2 != nil || end <= begin {
		return region{}
	}
	return region{uintptr(begin), uintptr(end - begin)}
}

func (r region) advise(what uintptr) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, r.begin, r.size, what)
}
