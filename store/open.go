package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	databaseName = "rotatord.db"
	lockName     = "rotatord.lock"
	keyName      = "fingerprint.key"

	defaultKeepHistory = 90 * 24 * time.Hour
	// readerConns bounds how many reads run at once; each costs some memory for
	// its cache.
	readerConns = 4
)

// Options says where a store is and how it behaves.
type Options struct {
	// Dir is the store's own directory; it is made, for its owner only, if it
	// does not exist. A local file system, please: SQLite needs working locks.
	Dir string
	// KeepHistory is how long entries stay until [Store.Prune] drops them; 90
	// days when zero.
	KeepHistory time.Duration
	// Logger hears of what an operator should know; nil for nobody.
	Logger *slog.Logger
}

// Store is an open store. All methods may be called by several goroutines.
type Store struct {
	dir         string
	keepHistory time.Duration
	key         [keySize]byte
	epoch       int64

	lock    *flock.Flock
	writers *sql.DB // one connection, which the writer holds
	readers *sql.DB
	writer  *writer

	ledgersMu sync.Mutex
	ledgers   map[string]*Ledger

	closing  sync.Once
	closeErr error
}

// Open takes the store in opts.Dir, making it if there is none, brings its
// schema up to date, and begins a new epoch. It starts the goroutine that
// writes; [Store.Close] ends it. What makes a store unusable is an
// *[OpenError].
func Open(ctx context.Context, opts Options) (*Store, error) {
	steps, err := embeddedMigrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, opts, steps)
}

func open(ctx context.Context, opts Options, steps []migration) (*Store, error) {
	if opts.Dir == "" {
		return nil, errors.New("open store: no directory is named")
	}
	if opts.KeepHistory < 0 {
		return nil, fmt.Errorf("open store: history can't be kept for %v, name a positive duration", opts.KeepHistory)
	}
	if opts.KeepHistory == 0 {
		opts.KeepHistory = defaultKeepHistory
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{dir: dir, keepHistory: opts.KeepHistory, ledgers: map[string]*Ledger{}}
	if err := s.open(ctx, opts.Logger, steps); err != nil {
		_ = s.release()
		var known *OpenError
		if errors.As(err, &known) {
			return nil, err
		}
		if problem, ok := problemOf(err); ok {
			return nil, openError(filepath.Join(dir, databaseName), problem, err)
		}
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// open goes from what can't hurt to what changes things.
func (s *Store) open(ctx context.Context, logger *slog.Logger, steps []migration) error {
	if err := s.takeLock(); err != nil {
		return err
	}
	key, err := readKey(filepath.Join(s.dir, keyName))
	keyMissing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !keyMissing {
		return err
	}
	found, err := inspect(ctx, s.dir, len(steps))
	if err != nil {
		return err
	}
	if !found {
		if err := create(ctx, s.dir, steps); err != nil {
			return err
		}
		logger.InfoContext(ctx, "store made", "dir", s.dir)
	}
	if keyMissing {
		if key, err = createKey(s.dir); err != nil {
			return err
		}
		if found {
			logger.WarnContext(ctx, "fingerprint key was gone and is made anew, each file-backed destination will be pushed once more", "dir", s.dir)
		}
	}
	s.key = key
	return s.connect(ctx, logger, steps)
}

// connect opens the database that inspect found good, and begins an epoch.
func (s *Store) connect(ctx context.Context, logger *slog.Logger, steps []migration) error {
	path := filepath.Join(s.dir, databaseName)
	var err error
	if s.writers, err = openDatabase(path, "mode=rw"); err != nil {
		return err
	}
	s.writers.SetMaxOpenConns(1)
	conn, err := s.writers.Conn(ctx)
	if err != nil {
		return err
	}
	from, err := migrate(ctx, conn, steps)
	if err == nil {
		err = useWAL(ctx, conn)
	}
	if err == nil {
		err = conn.QueryRowContext(ctx, `UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value`).Scan(&s.epoch)
		if errors.Is(err, sql.ErrNoRows) {
			err = openError(path, ProblemDamaged, errors.New("it has no epoch"))
		}
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	if from != len(steps) {
		logger.InfoContext(ctx, "store migrated", "dir", s.dir, "from", from, "to", len(steps))
	}
	if s.readers, err = openDatabase(path, "mode=rw", "_pragma=query_only(1)"); err != nil {
		_ = conn.Close()
		return err
	}
	s.readers.SetMaxOpenConns(readerConns)
	s.readers.SetMaxIdleConns(readerConns)
	s.writer = newWriter(conn)
	go s.writer.loop()
	return nil
}

// useWAL sets the journal under which the store runs: readers never wait, and
// a commit is one append and one fsync.
func useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not allow a write-ahead log (journal mode stays %s)", mode)
	}
	return nil
}

// takeLock makes the directory and becomes its owner.
func (s *Store) takeLock() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s.fileError(s.dir, err)
	}
	path := filepath.Join(s.dir, lockName)
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return s.fileError(path, err)
	}
	if !locked {
		_ = lock.Close()
		return openError(s.dir, ProblemLocked, lockHolder(path))
	}
	s.lock = lock
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return s.fileError(path, err)
	}
	return nil
}

// lockHolder names the process that wrote itself into the lock file, nil if
// none did.
func lockHolder(path string) error {
	text, _ := os.ReadFile(path) // what can't be read names nobody
	pid, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if pid <= 0 {
		return nil
	}
	return fmt.Errorf("process %d", pid)
}

// fileError sorts an error of the operating system about one file.
func (s *Store) fileError(path string, err error) error {
	problem, known := problemOf(err)
	if !known {
		problem = ProblemUnwritable
	}
	return openError(path, problem, err)
}

// openDatabase opens path with the settings that all connections share. Nothing
// is read before the first statement. Each connection keeps 256 KiB of pages in
// place of SQLite's 2 MB: what is read often, a record of each destination, is
// less than that, and the history is in the system's cache anyway.
func openDatabase(path string, settings ...string) (*sql.DB, error) {
	dsn := "file:" + escapePath(path) +
		"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)" +
		"&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)&_pragma=cache_size(-256)"
	for _, setting := range settings {
		dsn += "&" + setting
	}
	return sql.Open("sqlite", dsn)
}

// escapePath protects what would end the path in a URI.
func escapePath(path string) string {
	out := make([]byte, 0, len(path))
	for i := range len(path) {
		switch c := path[i]; c {
		case '%', '?', '#':
			out = fmt.Appendf(out, "%%%02X", c)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// Epoch is this owner's: higher than all before it.
func (s *Store) Epoch() int64 { return s.epoch }

// Close waits for the write at work, ends everything and gives the store free.
// Whoever is waiting to write gets [ErrClosed]. Closing twice is harmless.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = s.release() })
	return s.closeErr
}

// release undoes whatever Open has done so far, in reverse order.
func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close())
	}
	errs = append(errs, s.closeLedgers())
	if s.lock != nil {
		_ = os.Truncate(s.lock.Path(), 0)
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// readError classifies an error of a read.
func (s *Store) readError(err error) error {
	if s.writer != nil {
		select {
		case <-s.writer.quit:
			return ErrClosed
		default:
		}
	}
	return classify(err)
}

// Fingerprint names some bytes without giving them away: "hmac:" and 32 hex
// digits, the first half of an HMAC-SHA256 under the store's key of the bytes,
// zero bytes up to a multiple of 64, and their number. Equal bytes have equal
// fingerprints as long as fingerprint.key stays.
func (s *Store) Fingerprint(b []byte) string {
	mac := hmac.New(sha256.New, s.key[:])
	// SHA-256 takes whole blocks from where they are, but copies the beginning
	// of an incomplete one into itself, where nobody clears it. So it gets
	// whole blocks only, and the last one is ours to clear.
	whole := len(b) &^ (sha256.BlockSize - 1)
	var last [sha256.BlockSize]byte
	copy(last[:], b[whole:])
	mac.Write(b[:whole])
	mac.Write(last[:])
	clear(last[:])
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(b)))
	mac.Write(size[:])
	return "hmac:" + hex.EncodeToString(mac.Sum(nil)[:16])
}
