package azuretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// maxBody is more than any request may be.
const maxBody = 1 << 20

// refusal is an error as Microsoft gives it.
type refusal struct {
	status  int
	code    string
	inner   string
	message string
}

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxBody))
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	part := Vaults
	if host == Entra || host == metadata {
		part = Tokens
	}
	s.mu.Lock()
	latency, hang := s.part(part).latency, s.part(part).hang
	s.mu.Unlock()
	_ = testserver.Wait(r.Context(), latency, hang) // what has been given up is noted too

	// One request at a time from here on, so that what is decided and what is
	// done see the same state.
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Request{Time: time.Now(), Host: host, Proto: r.Proto, Remote: r.RemoteAddr}
	defer func() { s.requests = append(s.requests, note) }()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	t := s.part(part)
	after := t.after
	no, cut := t.refused()
	if cut {
		return nil, syscall.ECONNRESET
	}
	throttled := no != nil && no.status == http.StatusTooManyRequests
	s.made++
	a := &testserver.Answer{Status: http.StatusOK, Header: http.Header{
		"Content-Type":    {"application/json; charset=utf-8"},
		"X-Ms-Request-Id": {fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.made)},
	}}
	var result any
	if part == Tokens {
		result, no = s.identity(r, host, body, no, &note)
	} else {
		result, no = s.data(r, host, body, no, a, &note)
	}
	if throttled && after > 0 {
		a.Header.Set("Retry-After", strconv.Itoa(after))
	}
	if no != nil {
		a.Status, note.Code = no.status, no.code
		if no.inner != "" {
			note.Code = no.inner
		}
		result = no.body(part)
	}
	note.Status = a.Status
	a.Body, _ = json.Marshal(result)
	if t.garble > 0 && no == nil && note.Action != "discovery" {
		t.garble--
		a.Body = append(bytes.TrimSuffix(a.Body, []byte("}")), `, "id": {`...)
	}
	return a, nil
}

// body is the refusal in the words of its part.
func (no *refusal) body(p Part) any {
	if p == Tokens {
		return map[string]any{"error": no.code, "error_description": no.message +
			" Trace ID: 00000000-0000-4000-8000-0000000000bb Correlation ID: 00000000-0000-4000-8000-0000000000cc Timestamp: 2026-01-01 00:00:00Z"}
	}
	e := map[string]any{"code": no.code, "message": no.message}
	if no.inner != "" {
		e["innererror"] = map[string]string{"code": no.inner}
	}
	return map[string]any{"error": e}
}

// data is Key Vault. Who asks is found out first, then whether the network may,
// then whether the caller may, then what is there.
func (s *Server) data(r *http.Request, host string, body []byte, no *refusal, a *testserver.Answer, note *Request) (any, *refusal) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) >= 2 && path[0] == "secrets" {
		note.Secret, note.Action = path[1], "get"
		switch {
		case len(path) == 3 && path[2] == "versions":
			note.Action = "list"
			note.Page, _ = strconv.Atoi(r.URL.Query().Get("$skiptoken"))
		case len(path) == 3:
			note.Version = path[2]
			if r.Method == http.MethodPatch {
				note.Action = "update"
			}
		}
	}
	t, ok := s.bearer(r, host)
	note.App = t.app
	switch {
	case no != nil:
		return nil, no
	case ok != nil:
		a.Header.Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="https://%s/%s", resource="%s"`, Entra, s.options.Tenant, audienceOf(host)))
		return nil, ok
	}
	if no := s.firewall.refusal(t); no != nil {
		return nil, no
	}
	if r.Method != http.MethodGet && note.Action != "update" || note.Action == "" || len(path) > 3 || r.URL.Query().Get("api-version") == "" {
		return nil, &refusal{400, "BadParameter", "", "The request URI contains an invalid name."}
	}
	x := s.vaults[host][strings.ToLower(note.Secret)]
	if x != nil && x.deny[note.Action] != 0 {
		return nil, x.deny[note.Action].refusal(t, host, note.Secret, note.Action)
	}
	if x == nil || x.deleted {
		return nil, notFound(strings.Join(path[1:], "/"))
	}
	switch note.Action {
	case "list":
		return s.list(host, x, note.Page)
	case "update":
		return s.update(host, x, note.Version, body)
	}
	return s.get(host, x, note.Version)
}

func notFound(what string) *refusal {
	return &refusal{404, "SecretNotFound", "", "A secret with (name/id) " + strings.TrimSuffix(what, "/versions") + " was not found in this key vault. " +
		"If you recently deleted this secret you may be able to recover it using the correct recovery command. " +
		"For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"}
}

func (s *Server) list(host string, x *secret, page int) (any, *refusal) {
	versions, there := x.view()
	if !there {
		return nil, notFound(x.name)
	}
	all := map[string]any{}
	items := []any{}
	from, to := min(page*s.options.PageSize, len(versions)), min((page+1)*s.options.PageSize, len(versions))
	for _, v := range versions[from:to] {
		items = append(items, s.item(host, x, v))
	}
	all["value"], all["nextLink"] = items, nil
	if to < len(versions) {
		all["nextLink"] = fmt.Sprintf("https://%s:443/secrets/%s/versions?api-version=7.4&$skiptoken=%d&maxresults=%d", host, x.name, page+1, s.options.PageSize)
	}
	if s.next != "" {
		all["nextLink"] = s.next
	}
	return all, nil
}

func (s *Server) get(host string, x *secret, id string) (any, *refusal) {
	versions := x.sorted()
	v := versions[len(versions)-1]
	if id != "" {
		var ok bool
		if v, ok = x.versions[id]; !ok {
			return nil, notFound(x.name + "/" + id)
		}
	}
	// Dates are for readers to heed; the real one does not enforce them either.
	if v.attributes.Disabled {
		return nil, &refusal{403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."}
	}
	item := s.item(host, x, v)
	item["value"] = v.value
	return item, nil
}

func (s *Server) item(host string, x *secret, v version) map[string]any {
	attributes := map[string]any{"enabled": !v.attributes.Disabled, "created": v.created.Unix(), "updated": v.updated.Unix(),
		"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
	for name, at := range map[string]time.Time{"nbf": v.attributes.NotBefore, "exp": v.attributes.Expire} {
		if !at.IsZero() {
			attributes[name] = at.Unix()
		}
	}
	name := x.name
	if s.foreign > 0 {
		s.foreign--
		name = "of-somebody-else"
	}
	item := map[string]any{"id": "https://" + host + "/secrets/" + name + "/" + v.id, "attributes": attributes}
	if len(v.tags) > 0 {
		item["tags"] = v.tags
	}
	if v.contentType != "" {
		item["contentType"] = v.contentType
	}
	return item
}
