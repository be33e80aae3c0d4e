package gcstest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// maxObject bounds what one put may store.
const maxObject = 8 << 20

// target is what a request is about.
type target struct {
	op, bucket, key string
}

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	to := targetOf(r)
	of := storageSide
	if to.op == "token" {
		of = tokenSide
	}
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxObject+1))
	s.mu.Lock()
	latency, hang := s.latency, s.fault[of] == Hang
	s.mu.Unlock()
	if err := testserver.Wait(r.Context(), latency, hang); err != nil {
		return nil, err
	}

	// One request at a time from here on, so that what is decided and what is
	// done see the same state.
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.op == "insert" && to.key == "" {
		to, body = unpack(r, to, body)
	}
	note := Request{Time: time.Now(), Method: r.Method, Op: to.op, Bucket: to.bucket, Key: to.key}
	defer func() { s.requests = append(s.requests, note) }()
	fault := s.fault[of]
	if fault == Down {
		return nil, syscall.ECONNREFUSED
	}
	if readErr != nil {
		return nil, readErr
	}
	a := faulty(fault, of)
	if a == nil {
		if of == tokenSide {
			a = s.token(r, body, &note)
		} else {
			a = s.storage(r, to, body, &note)
		}
		a.cut = fault == Cut
	}
	a.finish(s.now(), len(s.requests)+1, of == storageSide && fault != Portal && fault != Firewall)
	note.Status, note.Code = a.status, a.code
	return &testserver.Answer{Status: a.status, Header: a.header, Body: a.body, Cut: a.cut}, nil
}

// faulty is the answer of a side that answers everything alike; nil for one
// that does its work.
func faulty(f Fault, of side) *answer {
	switch f {
	case Throttled:
		if of == tokenSide {
			return oauthError(http.StatusTooManyRequests, "rate_limit_exceeded", "Too many requests.")
		}
		return apiError(http.StatusTooManyRequests, "rateLimitExceeded", "The rate of requests exceeds the limit.")
	case Failing:
		if of == tokenSide {
			return oauthError(http.StatusInternalServerError, "internal_failure", "Internal error.")
		}
		return apiError(http.StatusInternalServerError, "internalError", "We encountered an internal error. Please try again.")
	case Overload:
		if of == tokenSide {
			return oauthError(http.StatusServiceUnavailable, "temporarily_unavailable", "Service unavailable.")
		}
		return apiError(http.StatusServiceUnavailable, "backendError", "Service Unavailable")
	case Portal:
		return webPage(http.StatusOK)
	case Firewall:
		return webPage(http.StatusForbidden)
	}
	return nil
}

// targetOf finds out what a request asks for. Names of objects are one segment
// of the path, with their slashes escaped.
func targetOf(r *http.Request) target {
	path := r.URL.EscapedPath()
	if slices.Contains([]string{"/token", "/o/oauth2/token", "/oauth2/v3/token", "/oauth2/v4/token"}, path) {
		return target{op: "token"}
	}
	upload := strings.HasPrefix(path, "/upload/")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/upload"), "/download")
	rest, ok := strings.CutPrefix(path, "/storage/v1/b/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 2 || len(parts) > 3 || parts[1] != "o" {
		return target{}
	}
	var to target
	var err error
	if to.bucket, err = url.PathUnescape(parts[0]); err != nil {
		return target{}
	}
	if len(parts) == 3 {
		if to.key, err = url.PathUnescape(parts[2]); err != nil || to.key == "" {
			return target{}
		}
	}
	query := r.URL.Query()
	switch {
	case upload && r.Method == http.MethodPost && to.key == "" && query.Get("uploadType") == "media" && query.Get("name") != "":
		to.op, to.key = "insert", query.Get("name")
	case upload && r.Method == http.MethodPost && to.key == "" && query.Get("uploadType") == "multipart":
		to.op = "insert" // the name is in the body
	case upload:
	case r.Method == http.MethodGet && to.key == "":
		to.op = "list"
	case r.Method == http.MethodGet && query.Get("alt") == "media":
		to.op = "media"
	case r.Method == http.MethodGet:
		to.op = "get"
	case r.Method == http.MethodDelete && to.key != "":
		to.op = "delete"
	}
	return to
}

// unpack takes an upload apart that has the object's resource in front of its
// content, as Google's own clients send it.
func unpack(r *http.Request, to target, body []byte) (target, []byte) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return target{}, nil
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	var texts [2][]byte
	for i := range texts {
		part, err := parts.NextPart()
		if err != nil {
			return target{}, nil
		}
		if texts[i], err = io.ReadAll(part); err != nil {
			return target{}, nil
		}
	}
	var o struct{ Name string }
	if json.Unmarshal(texts[0], &o) != nil || o.Name == "" {
		return target{}, nil
	}
	to.key = o.Name
	return to, texts[1]
}

// storage answers the storage side.
func (s *Server) storage(r *http.Request, to target, body []byte, note *Request) *answer {
	b, no := s.admit(r, to, note)
	if no != nil {
		if to.op == "media" {
			return no.asText()
		}
		return no
	}
	switch to.op {
	case "insert":
		return jsonAnswer(http.StatusOK, resourceOf(to.bucket, s.put(b, to.key, body)))
	case "media":
		return download(r, b.live[to.key])
	case "get":
		return jsonAnswer(http.StatusOK, resourceOf(to.bucket, b.live[to.key]))
	case "delete":
		s.remove(b, to.key)
		return newAnswer(http.StatusNoContent)
	}
	return s.list(r, to.bucket, b)
}

// admit checks a request from its token to the single permission.
func (s *Server) admit(r *http.Request, to target, note *Request) (*store, *answer) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, apiError(http.StatusUnauthorized, "required", "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object.")
	}
	g, ok := s.tokens[bearer]
	a := s.accounts[g.account]
	if !ok || a == nil || a.disabled || s.now().After(g.until) {
		return nil, apiError(http.StatusUnauthorized, "authError", "Invalid Credentials")
	}
	note.Account = g.account
	if to.op == "" {
		return nil, webPage(http.StatusNotFound)
	}
	b := s.buckets[to.bucket]
	if b == nil {
		return nil, apiError(http.StatusNotFound, "notFound", "The specified bucket does not exist.")
	}
	if b.settings.Perimeter {
		return nil, apiError(http.StatusForbidden, "vpcServiceControls", "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x1")
	}
	if b.settings.BillingDisabled {
		return nil, apiError(http.StatusForbidden, "accountDisabled", "The billing account for the owning project is disabled in state absent")
	}
	return b, s.permit(g.account, a.may[to.bucket], to, b)
}

// permit is the last of the checks, on one bucket that is there.
func (s *Server) permit(email string, may []Permission, to target, b *store) *answer {
	o, exists := b.live[to.key]
	own := map[string]Permission{"insert": Create, "media": Get, "get": Get, "delete": Delete, "list": List}[to.op]
	if !slices.Contains(may, own) {
		return denied(email, own)
	}
	switch to.op {
	case "insert":
		if exists && !slices.Contains(may, Delete) {
			return denied(email, Delete)
		}
	case "media", "get", "delete":
		if !exists && !s.tellMissing && !slices.Contains(may, List) {
			if to.op == "delete" {
				own = List
			}
			return denied(email, own)
		}
		if !exists {
			return apiError(http.StatusNotFound, "notFound", "No such object: "+to.bucket+"/"+to.key)
		}
	}
	if until := o.Updated.Add(b.settings.Retention); exists && (to.op == "insert" || to.op == "delete") && s.now().Before(until) {
		return apiError(http.StatusForbidden, "retentionPolicyNotMet", "Object '"+to.bucket+"/"+to.key+
			"' is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until "+until.Format(time.RFC3339))
	}
	return nil
}

func denied(email string, p Permission) *answer {
	what := "object"
	if p == List {
		what = "bucket"
	}
	return apiError(http.StatusForbidden, "forbidden", email+" does not have "+string(p)+" access to the Google Cloud Storage "+what+
		". Permission '"+string(p)+"' denied on resource (or it may not exist).")
}

// resourceOf is what Google tells of an object, as far as anybody here reads it.
func resourceOf(bucket string, o Object) map[string]any {
	const stamp = "2006-01-02T15:04:05.000Z"
	generation := strconv.FormatInt(o.Generation, 10)
	r := map[string]any{
		"kind": "storage#object", "id": bucket + "/" + o.Key + "/" + generation, "name": o.Key, "bucket": bucket,
		"crc32c": checksum(o.Body), "generation": generation, "metageneration": "1", "size": strconv.Itoa(len(o.Body)),
		"timeCreated": o.Updated.UTC().Format(stamp), "updated": o.Updated.UTC().Format(stamp), "storageClass": "STANDARD",
	}
	if !o.Deleted.IsZero() {
		r["timeDeleted"] = o.Deleted.UTC().Format(stamp)
	}
	return r
}

// checksum is what Google's own clients compare.
func checksum(body []byte) string {
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// download gives an object or the part of it that a range asks for.
func download(r *http.Request, o Object) *answer {
	a := newAnswer(http.StatusOK)
	a.header.Set("Content-Type", "text/plain")
	a.header.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	a.header.Set("X-Goog-Hash", "crc32c="+checksum(o.Body))
	a.header.Set("X-Goog-Stored-Content-Length", strconv.Itoa(len(o.Body)))
	a.header.Set("Last-Modified", o.Updated.UTC().Format(http.TimeFormat))
	a.body = o.Body
	first, last, ok := rangeOf(r.Header.Get("Range"))
	if !ok {
		return a
	}
	if first >= len(o.Body) {
		a = apiError(http.StatusRequestedRangeNotSatisfiable, "requestedRangeNotSatisfiable", "Request range not satisfiable").asText()
		a.header.Set("Content-Range", "bytes */"+strconv.Itoa(len(o.Body)))
		return a
	}
	last = min(last, len(o.Body)-1)
	a.status, a.body = http.StatusPartialContent, o.Body[first:last+1]
	a.header.Set("Content-Range", "bytes "+strconv.Itoa(first)+"-"+strconv.Itoa(last)+"/"+strconv.Itoa(len(o.Body)))
	return a
}

// rangeOf reads "bytes=0-1023", the one form that is served.
func rangeOf(header string) (first, last int, ok bool) {
	text, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(text, "-")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	return first, last, ok && dash && err1 == nil && err2 == nil && first >= 0 && first <= last
}

// list answers with the objects of a prefix, noncurrent ones too if asked for:
// all on one page, or as many as are asked for, from the beginning.
func (s *Server) list(r *http.Request, bucket string, b *store) *answer {
	query := r.URL.Query()
	var all []Object
	for _, o := range b.live {
		all = append(all, o)
	}
	if query.Get("versions") == "true" {
		all = append(all, b.noncurrent...)
	}
	slices.SortFunc(all, func(a, b Object) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return int(a.Generation - b.Generation)
	})
	limit, err := strconv.Atoi(query.Get("maxResults"))
	if err != nil || limit <= 0 {
		limit = len(all)
	}
	items := []map[string]any{}
	for _, o := range all {
		if strings.HasPrefix(o.Key, query.Get("prefix")) && len(items) < limit {
			items = append(items, resourceOf(bucket, o))
		}
	}
	return jsonAnswer(http.StatusOK, map[string]any{"kind": "storage#objects", "items": items})
}
