package azureblobtest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// maxBlob bounds what one put may store.
const maxBlob = 8 << 20

// target is what a request is about.
type target struct {
	account, container, key, method string
	list                            bool
}

// permissions are those of which one suffices.
func (t target) permissions() string {
	switch {
	case t.list:
		return "l"
	case t.method == http.MethodPut:
		return "wc"
	case t.method == http.MethodDelete:
		return "d"
	}
	return "r"
}

func (t target) resourceType() string {
	if t.list {
		return "c"
	}
	return "o"
}

// targetOf reads both forms of URLs: ACCOUNT.blob.SUFFIX/CONTAINER/KEY and
// HOST/ACCOUNT/CONTAINER/KEY.
func targetOf(r *http.Request) target {
	to := target{method: r.Method}
	path := strings.TrimPrefix(r.URL.Path, "/")
	label, rest, _ := strings.Cut(r.Host, ".")
	if strings.HasPrefix(rest, "blob.") {
		to.account = label
	} else {
		to.account, path, _ = strings.Cut(path, "/")
	}
	to.container, to.key, _ = strings.Cut(path, "/")
	to.list = to.key == "" && r.Method == http.MethodGet
	return to
}

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if err := testserver.Wait(r.Context(), latency, false); err != nil {
		return nil, err
	}
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxBlob+1))
	s.mu.Lock()
	defer s.mu.Unlock()
	to := targetOf(r)
	note := Request{Time: time.Now(), Method: r.Method, URI: r.RequestURI, Account: to.account, Container: to.container, Key: to.key,
		Header: r.Header.Clone(), ContentLength: r.ContentLength, ContentLengthAnnounced: r.ContentLength >= 0 && len(r.TransferEncoding) == 0}
	defer func() { s.requests = append(s.requests, note) }()
	if s.down {
		return nil, syscall.ECONNREFUSED
	}
	if readErr != nil {
		return nil, readErr
	}
	a := newAnswer(len(s.requests) + 1)
	if no := s.answer(a, r, to, body, r.TLS != nil); no != nil {
		a.refuse(no)
		note.Code = no.code
	}
	note.Status = a.status
	a.header.Set("Content-Length", strconv.Itoa(a.body.Len()))
	return &testserver.Answer{Status: a.status, Header: a.header, Body: a.body.Bytes()}, nil
}

// answer does what a request asks for, if it may.
func (s *Server) answer(a *answer, r *http.Request, to target, body []byte, secure bool) *refusal {
	// A "+" that stands unescaped is a space to Azure too, so a signature with
	// one in it does not match.
	q := r.URL.Query()
	if no := s.admit(to, q, addressOf(r), secure); no != nil {
		return no
	}
	c := s.accounts[to.account].containers[to.container]
	_, there := blob{}, false
	if c != nil {
		_, there = c.blobs[to.key]
	}
	switch {
	case r.Header.Get("X-Ms-Version") == "":
		return refuse(http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified.")
	case c == nil:
		return refuse(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	case to.list:
		return c.list(a, q)
	case r.Method == http.MethodPut:
		return c.upload(a, r, to.key, q.Get("sp"), body)
	case r.Method != http.MethodGet && r.Method != http.MethodDelete:
		return refuse(http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
	case !there:
		return refuse(http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
	case r.Method == http.MethodGet:
		return c.get(a, r, to.key)
	case c.immutable:
		return immutable()
	}
	c.remove(to.key)
	a.status = http.StatusAccepted
	return nil
}

func immutable() *refusal {
	return refuse(http.StatusConflict, "BlobImmutableDueToPolicy", "This operation is not permitted as the blob is immutable due to a policy.")
}

func (c *container) upload(a *answer, r *http.Request, key, permissions string, body []byte) *refusal {
	_, there := c.blobs[key]
	switch {
	case key == "":
		return refuse(http.StatusBadRequest, "InvalidUri", "The requested URI does not represent any resource on the server.")
	case r.Header.Get("X-Ms-Blob-Type") != "BlockBlob":
		return refuse(http.StatusBadRequest, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.")
	case r.ContentLength < 0 || len(r.TransferEncoding) > 0:
		return refuse(http.StatusLengthRequired, "MissingContentLengthHeader", "The Content-Length header was not specified.")
	case len(body) > maxBlob:
		return refuse(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The size of the request body exceeds the maximum size permitted.")
	case there && permissions != "" && !strings.Contains(permissions, "w"):
		return refuse(http.StatusForbidden, "UnauthorizedBlobOverwrite", "This request is not authorized to perform blob overwrites.")
	case there && c.immutable:
		return immutable()
	}
	c.put(key, body)
	a.status = http.StatusCreated
	return nil
}

func (c *container) get(a *answer, r *http.Request, key string) *refusal {
	b := c.blobs[key]
	part, n := b.body, len(b.body)
	a.header.Set("Last-Modified", gmt(b.modified))
	if wanted := r.Header.Get("Range"); wanted != "" {
		if n == 0 {
			return refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range specified is invalid for the current size of the resource.")
		}
		var first, last int
		if _, err := fmt.Sscanf(wanted, "bytes=%d-%d", &first, &last); err != nil || first != 0 {
			return refuse(http.StatusBadRequest, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.")
		}
		part = part[:min(n, last+1)]
		a.header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(part)-1, n))
		a.status = http.StatusPartialContent
	}
	a.body.Write(part)
	return nil
}

func (c *container) list(a *answer, q url.Values) *refusal {
	if q.Get("comp") != "list" || q.Get("restype") != "container" {
		return refuse(http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid.")
	}
	limit, err := strconv.Atoi(q.Get("maxresults"))
	if err != nil {
		limit = 5000
	}
	var found struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Blobs   []entry  `xml:"Blobs>Blob"`
	}
	for _, e := range c.entries(q.Get("include") == "versions") {
		if strings.HasPrefix(e.Name, q.Get("prefix")) && len(found.Blobs) < limit {
			found.Blobs = append(found.Blobs, e)
		}
	}
	a.xml(found)
	return nil
}

// entry is a blob, or a version of one, in a list.
type entry struct {
	Name             string
	VersionID        string `xml:"VersionId,omitempty"`
	IsCurrentVersion bool   `xml:",omitempty"`
}

// entries are all blobs in the order of their names, with the older versions
// of each and of those that were deleted if asked for, the oldest first.
func (c *container) entries(versions bool) []entry {
	names := maps.Clone(c.blobs)
	if versions {
		for key := range c.older {
			names[key] = blob{}
		}
	}
	var all []entry
	for _, key := range slices.Sorted(maps.Keys(names)) {
		b, current := c.blobs[key]
		if !versions {
			all = append(all, entry{Name: key})
			continue
		}
		for _, o := range c.older[key] {
			all = append(all, entry{Name: key, VersionID: versionOf(o)})
		}
		if current {
			all = append(all, entry{Name: key, VersionID: versionOf(b), IsCurrentVersion: true})
		}
	}
	return all
}

func versionOf(b blob) string { return b.modified.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// addressOf is where a request comes from; without a network from 192.0.2.1,
// which is nobody's.
func addressOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return at.Addr().Unmap()
}

// answer is a response in the making.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer(serial int) *answer {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	a.header.Set("Date", gmt(time.Now()))
	a.header.Set("X-Ms-Request-Id", strconv.Itoa(serial))
	return a
}

func (a *answer) xml(v any) {
	a.header.Set("Content-Type", "application/xml")
	a.body.WriteString("\ufeff" + xml.Header)
	_ = xml.NewEncoder(&a.body).Encode(v) // into memory, of plain structs
}

func (a *answer) refuse(no *refusal) {
	a.status = no.status
	a.header.Set("X-Ms-Error-Code", no.code)
	a.xml(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Detail  string `xml:"AuthenticationErrorDetail,omitempty"`
	}{Code: no.code, Message: no.message + "\nRequestId:" + a.header.Get("X-Ms-Request-Id"), Detail: no.detail})
}
