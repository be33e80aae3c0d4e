package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// ledgerSlots is how many sends are remembered, and so the highest rate a
	// second that a restart respects.
	ledgerSlots = 256
	slotSize    = 32
	ledgerSize  = ledgerSlots * slotSize
)

// Ledger remembers when requests were last sent for one account, so that a
// process that is started again at once continues within the rate that Planet
// allows.
//
// It is a file of fixed size with a ring of checksummed slots. A send is one
// write into the page cache, a few microseconds, and is not synced: it survives
// the process, however that ends, but not the machine, which takes longer to
// start than the second for which a send matters. What a power cut leaves half
// written has a wrong checksum and is ignored.
type Ledger struct {
	path string

	mu     sync.Mutex
	closed bool
	file   *os.File // nil before the first use
	next   uint64   // the number of the next send; the first has 1
}

// Ledger gives the ledger of an account, always the same one. It opens nothing
// yet.
func (s *Store) Ledger(account string) *Ledger {
	s.ledgersMu.Lock()
	defer s.ledgersMu.Unlock()
	if l := s.ledgers[account]; l != nil {
		return l
	}
	// An account's name may hold anything; its hash is a good file name.
	sum := sha256.Sum256([]byte(account))
	l := &Ledger{path: filepath.Join(s.dir, "sends-"+hex.EncodeToString(sum[:8])+".ledger")}
	s.ledgers[account] = l
	return l
}

// Sent notes one send. It ignores the context: what was sent was sent.
func (l *Ledger) Sent(_ context.Context, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return l.error("note a send", err)
	}
	var slot [slotSize]byte
	encodeSlot(&slot, l.next, at.UnixNano())
	if _, err := l.file.WriteAt(slot[:], int64(l.next%ledgerSlots)*slotSize); err != nil {
		return l.error("note a send", err)
	}
	l.next++
	return nil
}

// Recent gives the last sends, up to 256, oldest first in the order in which
// they were noted. Times are those of the wall clock; how old they are is for
// the caller to judge.
func (l *Ledger) Recent(context.Context) ([]time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ready(); err != nil {
		return nil, l.error("read the last sends", err)
	}
	sends, err := l.read()
	if err != nil {
		return nil, l.error("read the last sends", err)
	}
	times := make([]time.Time, 0, len(sends))
	for _, s := range sends {
		times = append(times, time.Unix(0, s.at).UTC())
	}
	return times, nil
}

// ready opens the file and finds the next number.
func (l *Ledger) ready() error {
	if l.closed {
		return ErrClosed
	}
	if l.file != nil {
		return nil
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	l.file = file
	if err := l.prepare(); err != nil {
		l.file = nil
		return errors.Join(err, file.Close())
	}
	return nil
}

// prepare gives the file its size, with real blocks, so that a disk that fills
// up later does not keep sends from being noted.
func (l *Ledger) prepare() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size < ledgerSize {
		if _, err := l.file.WriteAt(make([]byte, ledgerSize-size), size); err != nil {
			return err
		}
	}
	sends, err := l.read()
	if err != nil {
		return err
	}
	l.next = 1
	if len(sends) > 0 {
		l.next = sends[len(sends)-1].number + 1
	}
	return nil
}

func (l *Ledger) read() ([]send, error) {
	raw, err := io.ReadAll(io.NewSectionReader(l.file, 0, ledgerSize))
	if err != nil {
		return nil, err
	}
	return decodeLedger(raw), nil
}

func (l *Ledger) error(doing string, err error) error {
	return fmt.Errorf("%s: %w", doing, classify(err))
}

func (s *Store) closeLedgers() error {
	s.ledgersMu.Lock()
	defer s.ledgersMu.Unlock()
	var errs []error
	for _, l := range s.ledgers {
		l.mu.Lock()
		l.closed = true
		if l.file != nil {
			errs = append(errs, l.file.Close())
		}
		l.mu.Unlock()
	}
	return errors.Join(errs...)
}

// send is one slot: its running number, and when, in nanoseconds since 1970.
type send struct {
	number uint64
	at     int64
}

// A slot is the number, the time, and a CRC-32 of the two, big-endian; the rest
// is zero. A number of 0 is an empty slot.
func encodeSlot(slot *[slotSize]byte, number uint64, at int64) {
	binary.BigEndian.PutUint64(slot[0:], number)
	binary.BigEndian.PutUint64(slot[8:], uint64(at))
	binary.BigEndian.PutUint32(slot[16:], crc32.ChecksumIEEE(slot[:16]))
}

// decodeLedger reads whatever a ledger file holds, in the order of the numbers.
// Slots that are empty, damaged or not in their place don't count, nor do
// numbers so high that no account gets there.
func decodeLedger(raw []byte) []send {
	var sends []send
	for i := 0; i < ledgerSlots && (i+1)*slotSize <= len(raw); i++ {
		slot := raw[i*slotSize : (i+1)*slotSize]
		number := binary.BigEndian.Uint64(slot)
		if number == 0 || number >= 1<<62 || number%ledgerSlots != uint64(i) ||
			binary.BigEndian.Uint32(slot[16:]) != crc32.ChecksumIEEE(slot[:16]) {
			continue
		}
		sends = append(sends, send{number, int64(binary.BigEndian.Uint64(slot[8:]))})
	}
	slices.SortFunc(sends, func(a, b send) int { return cmp.Compare(a.number, b.number) })
	return sends
}
