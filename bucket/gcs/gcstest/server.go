package gcstest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// Permission is what an account may be allowed to do with a bucket's objects.
type Permission string

// What Planet asks its users for is Create, Get and Delete. List decides
// whether a missing object is told from a forbidden one.
const (
	Create Permission = "storage.objects.create"
	Get    Permission = "storage.objects.get"
	Delete Permission = "storage.objects.delete"
	List   Permission = "storage.objects.list"
)

// Fault is what is wrong with a side of the server.
type Fault int

// A server without faults has None.
const (
	None      Fault = iota
	Down            // no connection comes about
	Throttled       // 429
	Failing         // 500
	Overload        // 503
	Cut             // requests take effect, and the answer breaks off
	Hang            // no answer, until the caller gives up
	Portal          // a web page for an answer, with status 200
	Firewall        // a web page for an answer, with status 403
)

// Settings are what a bucket can have.
type Settings struct {
	// Versioning keeps deleted and replaced objects as noncurrent ones.
	Versioning bool
	// Retention is how long an object can be neither deleted nor replaced.
	Retention time.Duration
	// BillingDisabled refuses everything, as when a project isn't paid for.
	BillingDisabled bool
	// Perimeter refuses everything, as VPC Service Controls do from outside.
	Perimeter bool
}

// Request is one request as the server saw it, for tests to judge by.
type Request struct {
	Time    time.Time
	Method  string
	Op      string // "token", "insert", "media", "get", "delete", "list" or ""
	Bucket  string
	Key     string // of the object
	Account string // of the token, or of the statement that a token is asked for with, as claimed
	KeyID   string // of the statement, as claimed
	Status  int    // 0 while nothing was answered
	Code    string // Google's reason or OAuth's error, empty for a success
}

// Object is an object as the server keeps it.
type Object struct {
	Key        string
	Body       []byte
	Generation int64
	Updated    time.Time
	// Deleted is when it became noncurrent, zero for a live one.
	Deleted time.Time
}

// Server is Google Cloud Storage in memory. Make one with NewServer. All its
// methods are safe for concurrent use.
type Server struct {
	// Server serves it: over TCP between Start and Close, at URL, or in memory by
	// RoundTripper. What is stored outlives a Close.
	*testserver.Server

	mu          sync.Mutex
	accounts    map[string]*account
	keys        map[string]Key // by id
	pairs       []pair
	serial      int // of keys and tokens
	tokens      map[string]grant
	lifetime    time.Duration
	buckets     map[string]*store
	generation  int64
	tellMissing bool
	skew        time.Duration
	latency     time.Duration
	fault       map[side]Fault
	requests    []Request
}

type side int

const (
	tokenSide side = iota
	storageSide
)

type account struct {
	disabled bool
	may      map[string][]Permission // by bucket
}

type grant struct {
	account string
	until   time.Time
}

type store struct {
	settings   Settings
	live       map[string]Object
	noncurrent []Object
}

// NewServer makes a server without buckets and accounts.
func NewServer() *Server {
	s := &Server{
		accounts: map[string]*account{},
		keys:     map[string]Key{},
		tokens:   map[string]grant{},
		lifetime: time.Hour,
		buckets:  map[string]*store{},
		fault:    map[side]Fault{},
	}
	s.Server = testserver.New("storage server", s.serve)
	return s
}

// TokenURL is what a key's JSON names as token_uri while the server is
// started; Google's own otherwise, which RoundTripper serves too.
func (s *Server) TokenURL() string {
	if u := s.URL(); u != "" {
		return u + "/token"
	}
	return "https://oauth2.googleapis.com/token"
}

// CreateBucket makes an empty bucket, unless there is one of that name.
func (s *Server) CreateBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &store{live: map[string]Object{}}
	}
}

// DeleteBucket removes a bucket with all that is in it.
func (s *Server) DeleteBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.buckets, name)
}

// Set replaces a bucket's settings. A bucket that is not there stays so.
func (s *Server) Set(bucket string, settings Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		b.settings = settings
	}
}

// Grant replaces what an account may do in a bucket, which need not exist, and
// makes the account if there is none of that name.
func (s *Server) Grant(email, bucket string, permissions ...Permission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accountOf(email).may[bucket] = slices.Clone(permissions)
}

func (s *Server) accountOf(email string) *account {
	a := s.accounts[email]
	if a == nil {
		a = &account{may: map[string][]Permission{}}
		s.accounts[email] = a
	}
	return a
}

// Disable makes an account's keys and tokens useless, or lets them work again.
func (s *Server) Disable(email string, disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accountOf(email).disabled = disabled
}

// DeleteAccount makes the server forget an account and its keys.
func (s *Server) DeleteAccount(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, email)
	for id, k := range s.keys {
		if k.Account == email {
			delete(s.keys, id)
		}
	}
}

// SetTokenLifetime says how long tokens work that are given out from now on;
// it begins as an hour.
func (s *Server) SetTokenLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// ForgetTokens ends all tokens that were given out.
func (s *Server) ForgetTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// TellMissing says whether a missing object is told as such even to those who
// may not list.
func (s *Server) TellMissing(tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellMissing = tell
}

// SetSkew puts the server's clock ahead of ours, or behind if negative.
func (s *Server) SetSkew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// SetFault says what is wrong with storage from now on.
func (s *Server) SetFault(f Fault) { s.setFault(storageSide, f) }

// SetTokenFault says what is wrong with the token endpoint from now on.
func (s *Server) SetTokenFault(f Fault) { s.setFault(tokenSide, f) }

// SetDown lets both sides vanish from the network, or come back without faults.
func (s *Server) SetDown(down bool) {
	f := None
	if down {
		f = Down
	}
	s.SetFault(f)
	s.SetTokenFault(f)
}

func (s *Server) setFault(of side, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault[of] = f
}

// Works tells whether a key can do all that Planet needs in a bucket at this
// moment: put, get and delete. Tokens that were given out are not looked at.
func (s *Server) Works(keyID, bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[keyID]
	if !ok || s.buckets[bucket] == nil || s.now().Before(k.From) {
		return false
	}
	a := s.accounts[k.Account]
	for _, p := range []Permission{Create, Get, Delete} {
		if a == nil || a.disabled || !slices.Contains(a.may[bucket], p) {
			return false
		}
	}
	return true
}

// Objects lists the names of a bucket's live objects in order; nil for an
// empty or a missing bucket.
func (s *Server) Objects(bucket string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	if b := s.buckets[bucket]; b != nil {
		for key := range b.live {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Noncurrent lists what a bucket with versions has kept, oldest first.
func (s *Server) Noncurrent(bucket string) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		return slices.Clone(b.noncurrent)
	}
	return nil
}

// Object gives a live object, past all access control.
func (s *Server) Object(bucket, key string) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		o, ok := b.live[key]
		return o, ok
	}
	return Object{}, false
}

// PutObject stores an object, past all access control.
func (s *Server) PutObject(bucket, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	if b == nil {
		return errors.New("there is no bucket of that name")
	}
	s.put(b, key, body)
	return nil
}

// DeleteObject removes an object, past all access control.
func (s *Server) DeleteObject(bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	if b == nil {
		return errors.New("there is no bucket of that name")
	}
	s.remove(b, key)
	return nil
}

// put and remove change a bucket under the lock.
func (s *Server) put(b *store, key string, body []byte) Object {
	s.remove(b, key)
	s.generation = max(s.generation+1, s.now().UnixMicro())
	o := Object{Key: key, Body: slices.Clone(body), Generation: s.generation, Updated: s.now()}
	b.live[key] = o
	return o
}

func (s *Server) remove(b *store, key string) {
	if o, ok := b.live[key]; ok && b.settings.Versioning {
		o.Deleted = s.now()
		b.noncurrent = append(b.noncurrent, o)
	}
	delete(b.live, key)
}

func (s *Server) now() time.Time { return time.Now().Add(s.skew) }

// Requests lists all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
