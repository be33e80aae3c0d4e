package buckettest

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/rotatord/rotatord/internal/testserver"
)

// Action is what a key may be allowed to do.
type Action string

// What Planet asks its users for is Put, Get and Delete. List decides whether
// a missing object is told from a forbidden one.
const (
	Put    Action = "s3:PutObject"
	Get    Action = "s3:GetObject"
	Delete Action = "s3:DeleteObject"
	List   Action = "s3:ListBucket"
	// ListVersions is to list the versions of a bucket that keeps them, for
	// which List is not enough.
	ListVersions Action = "s3:ListBucketVersions"
)

// Key is an access key and what it may do.
type Key struct {
	ID, Secret string
	// Buckets are the buckets that the key has to do with.
	Buckets []string
	// Allow is what it may do there.
	Allow []Action
	// From is when the server begins to know the key: until then it answers
	// InvalidAccessKeyId, as Amazon does while a new key propagates.
	From time.Time
}

// Request is one request as the server saw it, for tests to judge by.
type Request struct {
	Time   time.Time
	Method string
	Bucket string
	Key    string // of the object
	KeyID  string // of the credential, as claimed
	Status int    // 0 while the server was down
	Code   string // S3's error code, empty for a success
}

// Server is an S3 server in memory with access control. Make one with
// NewServer. All its methods are safe for concurrent use.
type Server struct {
	// Server serves it: over TCP between Start and Close, at URL, or in memory by
	// RoundTripper. What is stored outlives a Close.
	*testserver.Server

	backend *s3mem.Backend
	store   http.Handler

	mu       sync.Mutex
	keys     map[string]Key
	regions  map[string]string // bucket → region, where it matters
	down     bool
	latency  time.Duration
	requests []Request
}

// NewServer makes a server without buckets and keys.
func NewServer() *Server {
	backend := s3mem.New(s3mem.WithVersionSeed(1))
	s := &Server{
		backend: backend,
		store:   gofakes3.New(backend, gofakes3.WithTimeSkewLimit(0)).Server(),
		keys:    map[string]Key{},
		regions: map[string]string{},
	}
	s.Server = testserver.New("bucket server", s.serve)
	return s
}

// CreateBucket makes an empty bucket, unless there is one of that name.
func (s *Server) CreateBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.backend.CreateBucket(name) // the one error it has is "already exists"
}

// SetRegion pins a bucket to a region: requests that are signed for another
// are refused. Without it a bucket takes requests for any region.
func (s *Server) SetRegion(bucket, region string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.regions[bucket] = region
}

// SetVersioning lets a bucket keep versions from now on: what is replaced stays
// as an older version, and a delete puts a mark on top of what was there. Once
// on, it can be suspended and not ended. A bucket that is not there stays so.
func (s *Server) SetVersioning(bucket string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := gofakes3.VersioningConfiguration{}
	to.SetEnabled(on)
	_ = s.backend.SetVersioningConfiguration(bucket, to) // the one error it has here is "no such bucket"
}

// AddKey adds a key, or replaces the one of the same ID.
func (s *Server) AddKey(k Key) {
	k.Buckets, k.Allow = slices.Clone(k.Buckets), slices.Clone(k.Allow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ID] = k
}

// Revoke makes the server forget a key.
func (s *Server) Revoke(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

// Allow replaces what a key may do. A key that is not there stays so.
func (s *Server) Allow(id string, actions ...Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[id]; ok {
		k.Allow = slices.Clone(actions)
		s.keys[id] = k
	}
}

// SetDown lets the server vanish from the network, or come back: connections
// are closed without an answer.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// Works tells whether a credential can do all that Planet needs in a bucket at
// this moment: put, get and delete.
func (s *Server) Works(id, secret, bucket string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[id]
	exists, _ := s.backend.BucketExists(bucket)
	return ok && exists && k.Secret == secret && !time.Now().Before(k.From) &&
		k.may(Put, bucket) && k.may(Get, bucket) && k.may(Delete, bucket)
}

func (k Key) may(a Action, bucket string) bool {
	return slices.Contains(k.Buckets, bucket) && slices.Contains(k.Allow, a)
}

// Objects lists the keys of a bucket's objects in order; nil for an empty or a
// missing bucket.
func (s *Server) Objects(bucket string) []string {
	list, err := s.backend.ListBucket(bucket, nil, gofakes3.ListBucketPage{})
	if err != nil {
		return nil
	}
	var keys []string
	for _, c := range list.Contents {
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	return keys
}

// Object gives an object's content, past all access control.
func (s *Server) Object(bucket, key string) ([]byte, bool) {
	o, err := s.backend.GetObject(bucket, key, nil)
	if err != nil {
		return nil, false
	}
	defer func() { _ = o.Contents.Close() }()
	body, err := io.ReadAll(o.Contents)
	return body, err == nil
}

// PutObject stores an object, past all access control.
func (s *Server) PutObject(bucket, key string, body []byte) error {
	meta := map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}
	_, err := s.backend.PutObject(bucket, key, meta, bytes.NewReader(body), int64(len(body)), nil)
	return err
}

// DeleteObject removes an object, past all access control.
func (s *Server) DeleteObject(bucket, key string) error {
	_, err := s.backend.DeleteObject(bucket, key)
	return err
}

// Requests lists all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
