package buckettest

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/johannesboyne/gofakes3"

	"github.com/rotatord/rotatord/internal/sigv4"
	"github.com/rotatord/rotatord/internal/testserver"
)

// maxObject bounds what one put may store.
const maxObject = 8 << 20

// refusal is an error in S3's words.
type refusal struct {
	status        int
	code, message string
}

// target is what a request is about.
type target struct {
	bucket, key string
	action      Action
}

var errDown = syscall.ECONNREFUSED

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if err := testserver.Wait(r.Context(), latency, false); err != nil {
		return nil, err
	}
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxObject+1))

	// One request at a time from here on, so that what is decided and what is
	// done see the same state.
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Request{Time: time.Now(), Method: r.Method}
	defer func() { s.requests = append(s.requests, note) }()
	to := targetOf(r)
	note.Bucket, note.Key = to.bucket, to.key
	if claim, ok := sigv4.Parse(r.Header.Get("Authorization")); ok {
		note.KeyID = claim.ID
	}
	if s.down {
		return nil, errDown
	}
	if readErr != nil {
		return nil, readErr
	}
	a := newAnswer(len(s.requests) + 1)
	plain, no := s.admit(r, to, body)
	if no == nil {
		s.store.ServeHTTP(a, storeRequest(r, to, plain))
	} else {
		a.refuse(r.Method, to, no)
	}
	a.finish()
	note.Status, note.Code = a.status, a.code()
	return &testserver.Answer{Status: a.status, Header: a.header, Body: a.body.Bytes()}, nil
}

// admit checks a request from the signature to the single permission, in the
// order that S3 does, and gives the body as it is to be stored.
func (s *Server) admit(r *http.Request, to target, body []byte) ([]byte, *refusal) {
	k, claim, no := s.authenticate(r)
	if no != nil {
		return nil, no
	}
	if region := s.regions[to.bucket]; region != "" && region != claim.Region {
		return nil, &refusal{http.StatusBadRequest, "AuthorizationHeaderMalformed",
			"The authorization header is malformed; the region '" + claim.Region + "' is wrong; expecting '" + region + "'"}
	}
	plain, no := payload(r, body)
	if no != nil {
		return nil, no
	}
	if to.action == "" {
		return nil, &refusal{http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented."}
	}
	if exists, _ := s.backend.BucketExists(to.bucket); !exists {
		return nil, &refusal{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	}
	if !k.may(to.action, to.bucket) {
		return nil, denied(to.action)
	}
	if to.action == Get && !k.may(List, to.bucket) {
		if _, err := s.backend.HeadObject(to.bucket, to.key); gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
			// Not even whether an object is there is told to those who may not list.
			return nil, denied(List)
		}
	}
	return plain, nil
}

func denied(a Action) *refusal {
	return &refusal{http.StatusForbidden, "AccessDenied",
		"User is not authorized to perform: " + string(a) + " because no identity-based policy allows the " + string(a) + " action"}
}

// virtualHost finds the bucket in host names as Amazon makes them, and under
// s3.test for tests.
var virtualHost = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]*)\.(?:s3\.test|s3[.-][a-z0-9-]+\.amazonaws\.com)(?::\d+)?$`)

func targetOf(r *http.Request) target {
	var to target
	path := strings.TrimPrefix(r.URL.Path, "/")
	if m := virtualHost.FindStringSubmatch(r.Host); m != nil {
		to.bucket, to.key = m[1], path
	} else {
		to.bucket, to.key, _ = strings.Cut(path, "/")
	}
	switch {
	case to.bucket == "" || r.Header.Get("X-Amz-Copy-Source") != "":
	case to.key == "":
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			to.action = listing(r)
		}
	case !onlyQuery(r, "x-id"):
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		to.action = Get
	case r.Method == http.MethodPut:
		to.action = Put
	case r.Method == http.MethodDelete:
		to.action = Delete
	}
	return to
}

// listing is what a request for a bucket itself asks for: its objects, or its
// versions.
func listing(r *http.Request) Action {
	switch {
	case onlyQuery(r, "x-id", "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after",
		"encoding-type", "fetch-owner", "marker"):
		return List
	case r.URL.Query().Has("versions") && onlyQuery(r, "versions", "prefix", "delimiter", "max-keys", "key-marker",
		"version-id-marker", "encoding-type"):
		return ListVersions
	}
	return ""
}

// onlyQuery tells whether a request has no other query parameters than these:
// each other one makes it another operation.
func onlyQuery(r *http.Request, known ...string) bool {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return false
		}
	}
	return true
}

// storeRequest is the request as gofakes3 understands it: path style, and the
// body as one piece.
func storeRequest(r *http.Request, to target, body []byte) *http.Request {
	out := r.Clone(r.Context())
	out.Host = "s3.internal"
	out.URL = &url.URL{Path: "/" + to.bucket + "/" + to.key, RawQuery: r.URL.RawQuery}
	if to.key == "" {
		out.URL.Path = "/" + to.bucket
	}
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	for name := range out.Header {
		if strings.HasPrefix(name, "X-Amz-") || name == "Authorization" || name == "Content-Encoding" {
			out.Header.Del(name)
		}
	}
	out.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return out
}

// answer is a response in the making.
type answer struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	refused string
}

func newAnswer(serial int) *answer {
	a := &answer{header: http.Header{}}
	a.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	a.header.Set("X-Amz-Request-Id", strconv.Itoa(serial))
	return a
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// refuse answers with an error in S3's XML.
func (a *answer) refuse(method string, to target, no *refusal) {
	a.refused = no.code
	a.header.Set("Content-Type", "application/xml")
	a.WriteHeader(no.status)
	if method == http.MethodHead {
		return
	}
	a.body.WriteString(xml.Header)
	_ = xml.NewEncoder(&a.body).Encode(struct {
		XMLName                 xml.Name `xml:"Error"`
		Code, Message, Resource string
		HostID                  string `xml:"HostId"`
	}{Code: no.code, Message: no.message, Resource: "/" + to.bucket + "/" + to.key, HostID: "buckettest"})
}

// code is S3's error code for the record.
func (a *answer) code() string {
	if a.refused != "" || a.status < 400 {
		return a.refused
	}
	var e struct{ Code string }
	if xml.Unmarshal(a.body.Bytes(), &e) != nil {
		return ""
	}
	return e.Code
}

// finish fills in what net/http would. gofakes3 leaves the status out where
// there is no body.
func (a *answer) finish() {
	a.WriteHeader(http.StatusOK)
	if a.header.Get("Content-Length") == "" && a.status != http.StatusNoContent {
		a.header.Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
}
