package planettest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/shape"
)

// Request is what the simulator remembers of one request. It can be printed:
// nothing in it is a secret.
type Request struct {
	// Number counts the requests in the order of their arrival, from 1.
	Number int
	// At is when the request arrived, with the monotonic clock.
	At time.Time
	// User is the name of the caller; empty when the key is unknown or absent.
	User string
	// Method, Path and Query are as they came where they are the API's own;
	// what is not may be anything and is hidden.
	Method, Path, Query string
	// Authorization is the scheme and "REDACTED".
	Authorization string
	// ContentType and UserAgent are the headers of those names.
	ContentType, UserAgent string
	// Keys are the top-level keys of the body, and ParameterKeys those of its
	// "parameters", in order. What does not look like a field is hidden.
	Keys, ParameterKeys []string
	// Fingerprints has the keyed hash of each credential in the body, to be
	// compared with [Simulator.Fingerprint].
	Fingerprints map[string]string
	// Fault is what went wrong on purpose; empty when nothing did.
	Fault string
	// Verification is how it ended: "" when there was none, else "passed",
	// "skipped", "write refused", "delete refused" (whether or not that was
	// held against the credentials), "given up".
	Verification string
	// Status is what the client was answered; 0 while it waits, and for good
	// when the connection was cut.
	Status int
	// Result is what the API made of the request, whatever the client was told;
	// 0 when it never saw it or has not finished.
	Result int
	// Effect is when the request changed something; zero when it did not.
	Effect time.Time
}

// Requests is the record so far, in the order of arrival: of a simulator that
// runs for days the latest 65,536 requests or more.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Request, 0, len(s.records))
	for _, r := range s.records {
		list = append(list, r.clone())
	}
	return list
}

// remembered is how many requests the record holds at most: some hours of
// work for a simulator that is left running.
const remembered = 1 << 17

// remember adds a request to the record, which loses its older half when it
// is full. The caller holds mu.
func (s *Simulator) remember(r *Request) {
	if len(s.records) >= remembered {
		s.records = append([]*Request(nil), s.records[len(s.records)/2:]...)
	}
	s.records = append(s.records, r)
}

// Forget empties the record, not the rate limit's memory.
func (s *Simulator) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
}

func (r *Request) clone() Request {
	c := *r
	c.Keys, c.ParameterKeys = slices.Clone(r.Keys), slices.Clone(r.ParameterKeys)
	c.Fingerprints = maps.Clone(r.Fingerprints)
	return c
}

// Fingerprint is the keyed hash of a value as the record has it. The key is
// drawn for each Simulator, so that a printed record cannot be searched for a
// secret that is easy to guess.
func (s *Simulator) Fingerprint(value []byte) string {
	mac := hmac.New(sha256.New, s.hashKey[:])
	_, _ = mac.Write(value) // never an error
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// newRecord keeps what may be kept of a request's head.
func newRecord(r *http.Request) *Request {
	return &Request{
		Method:        showMethod(r.Method),
		Path:          cut(showPath(r.URL.Path)),
		Query:         showQuery(r.URL.RawQuery),
		Authorization: showAuthorization(r.Header.Get("Authorization")),
		ContentType:   cut(r.Header.Get("Content-Type")),
		UserAgent:     cut(r.UserAgent()),
	}
}

// readKeys notes the body's keys and fingerprints; a body that is no JSON has none.
func (s *Simulator) readKeys(record *Request, body []byte) {
	members, bad := decodeObject(body, "")
	if bad != nil {
		return
	}
	for _, m := range members {
		record.Keys = append(record.Keys, showKey(m.name))
		if m.name != "parameters" {
			continue
		}
		inner, bad := decodeObject(m.raw, "")
		if bad != nil {
			continue
		}
		for _, p := range inner {
			record.ParameterKeys = append(record.ParameterKeys, showKey(p.name))
			if value, bad := readText(p.raw, ""); bad == nil && isSecret(p.name) {
				if record.Fingerprints == nil {
					record.Fingerprints = map[string]string{}
				}
				record.Fingerprints[p.name] = s.Fingerprint([]byte(value))
			}
		}
	}
}

// cut bounds what a stranger can make the record hold.
func cut(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func showAuthorization(header string) string {
	if header == "" {
		return ""
	}
	scheme, _, ok := strings.Cut(header, " ")
	if ok && slices.Contains([]string{"api-key", "bearer", "basic"}, strings.ToLower(scheme)) {
		return scheme + " REDACTED"
	}
	return "REDACTED"
}

// idForm is what ids look like: the words of the slug and a suffix. A bare
// suffix has the form too; keys and tokens of clouds do not.
var idForm = shape.Of(`^(?:[a-z0-9]+-)*([0-9A-Za-z]+)$`, 0, 12)

// showPath keeps paths of the API and what may be an id. Anything else may be
// a secret that went astray.
func showPath(path string) string {
	what, id := place(path)
	switch {
	case what == "":
		return "(not of this API)"
	case what == "destination" && !idForm.MatchString(id):
		return root + "/(no id)"
	case apiOf(path) != destinationsAPI && id != "" && !itemForm.MatchString(id):
		return string(apiOf(path)) + "/(no id)"
	}
	return path
}

// showQuery keeps the API's own filters with values that they can have.
func showQuery(raw string) string {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "(malformed)"
	}
	shown := url.Values{}
	for name, given := range values {
		for _, value := range given {
			filter := slices.Contains(filters, name) && (value == "true" || value == "false")
			filter = filter || listFilters[name] != nil && listFilters[name].MatchString(value)
			if !filter && (name != "sort_by" || orders[value] == nil) {
				value = "REDACTED"
			}
			shown.Add(showKey(name), value)
		}
	}
	return cut(shown.Encode())
}

func showMethod(method string) string {
	for _, known := range operations {
		if known[method] != nil {
			return method
		}
	}
	return "(not of this API)"
}
