package vaulttest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply is an answer before it is written.
type reply struct {
	status int
	body   any
}

// refuse words an answer as Vault does: a list of errors, which is empty where
// nothing is found.
func refuse(status int, errors ...string) reply {
	if errors == nil {
		errors = []string{}
	}
	return reply{status, map[string]any{"errors": errors}}
}

var denied = refuse(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	t := s.trouble
	for _, n := range []*int{&s.trouble.cut, &s.trouble.throttle, &s.trouble.fail} {
		if *n > 0 {
			*n--
			break
		}
	}
	s.mu.Unlock()
	switch {
	case t.hang:
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the client has gone
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case t.cut > 0:
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Date", time.Now().Add(t.skew).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	a := s.answer(t, r)
	body, err := json.Marshal(a.body)
	if err != nil {
		panic(err)
	}
	if a.status == http.StatusNoContent {
		body = nil
	}
	if a.status == http.StatusTemporaryRedirect {
		w.Header().Set("Location", t.redirect+r.URL.RequestURI())
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Vault-Namespace"), r.Proto, a.status})
	if a.status == http.StatusOK && s.trouble.garble > 0 {
		s.trouble.garble--
		body = body[:len(body)-len(body)/4]
	}
	s.mu.Unlock()
	w.WriteHeader(a.status)
	_, _ = w.Write(body)
}

// answer goes through what every request meets, in Vault's order.
func (s *Server) answer(t trouble, r *http.Request) reply {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	switch {
	case !ok:
		return refuse(http.StatusNotFound)
	case r.Header.Get("X-Vault-Request") != "true":
		return refuse(http.StatusPreconditionFailed, "missing 'X-Vault-Request' header")
	case path == "sys/health":
		return health(t)
	case t.sealed:
		return refuse(http.StatusServiceUnavailable, "Vault is sealed")
	case t.redirect != "":
		return reply{http.StatusTemporaryRedirect, nil}
	case t.throttle > 0:
		return refuse(http.StatusTooManyRequests, "request path \""+path+"\": rate limit quota exceeded")
	case t.fail > 0:
		return refuse(t.status, "1 error occurred:\n\t* internal error\n\n")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	namespace := strings.Trim(r.Header.Get("X-Vault-Namespace"), "/")
	var body map[string]json.RawMessage
	if data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20)); err != nil || len(data) > 0 && json.Unmarshal(data, &body) != nil {
		return refuse(http.StatusBadRequest, "error parsing JSON")
	}
	if auth, ok := strings.CutPrefix(path, "auth/"); ok && strings.HasSuffix(auth, "/login") {
		return s.login(strings.TrimSuffix(auth, "/login"), body)
	}
	id := r.Header.Get("X-Vault-Token")
	if id == "" {
		return refuse(http.StatusForbidden, "missing client token")
	}
	tok, ok := s.tokens[id]
	if !ok || !tok.ends.IsZero() && !time.Now().Before(tok.ends) {
		return refuse(http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	}
	if strings.HasPrefix(path, "sys/") {
		return s.sys(tok, namespace, path, r, body)
	}
	return s.engine(tok, namespace, path, r, body)
}

// health is asked by load balancers: who is not active answers otherwise.
func health(t trouble) reply {
	status := http.StatusOK
	switch {
	case t.sealed:
		status = http.StatusServiceUnavailable
	case t.redirect != "":
		status = http.StatusTooManyRequests
	}
	return reply{status, map[string]any{"initialized": true, "sealed": t.sealed, "standby": t.redirect != "", "version": "1.18.3"}}
}

// sys is what a reader meets of it.
func (s *Server) sys(tok token, namespace, path string, r *http.Request, body map[string]json.RawMessage) reply {
	if rest, ok := strings.CutPrefix(path, "sys/internal/ui/mounts/"); ok && r.Method == http.MethodGet {
		m := s.mountOf(namespace, rest)
		// Whoever may do something below the mount may know of it.
		if m == nil || !tok.root && !slices.ContainsFunc(tok.rules, func(r Rule) bool { return strings.HasPrefix(r.Path, m.path+"/") }) {
			return refuse(http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path \""+rest+"/\"")
		}
		data := map[string]any{"path": m.path + "/", "type": m.kind, "options": nil}
		if m.version == 2 {
			data["options"] = map[string]string{"version": "2"}
		}
		return reply{http.StatusOK, map[string]any{"request_id": "1", "data": data}}
	}
	if path != "sys/capabilities-self" || r.Method == http.MethodGet {
		return refuse(http.StatusNotFound, "1 error occurred:\n\t* unsupported path\n\n")
	}
	if !tok.root && (s.noDefault || !tok.may("update", path)) {
		return denied
	}
	var (
		paths []string
		one   string
	)
	switch {
	case json.Unmarshal(body["paths"], &paths) == nil && len(paths) > 0:
	case json.Unmarshal(body["path"], &one) == nil && one != "":
		paths = []string{one}
	default:
		return refuse(http.StatusBadRequest, "1 error occurred:\n\t* paths must be supplied\n\n")
	}
	data := map[string]any{}
	for _, p := range paths {
		data[p] = tok.capabilities(p)
	}
	if len(paths) == 1 {
		data["capabilities"] = data[paths[0]]
	}
	return reply{http.StatusOK, map[string]any{"request_id": "1", "data": data}}
}

// mountOf finds the mount that a path is below.
func (s *Server) mountOf(namespace, path string) *mount {
	for _, m := range s.mounts {
		if m.namespace == namespace && strings.HasPrefix(path+"/", m.path+"/") {
			return m
		}
	}
	return nil
}

// engine is a request to a secrets engine: policies first, then the route.
func (s *Server) engine(tok token, namespace, path string, r *http.Request, body map[string]json.RawMessage) reply {
	capability := map[string]string{http.MethodGet: "read", http.MethodPut: "update", http.MethodPost: "update", http.MethodPatch: "patch"}[r.Method]
	if !tok.may(capability, path) && !(capability == "update" && tok.may("create", path)) {
		return denied
	}
	m := s.mountOf(namespace, path)
	if m == nil {
		return refuse(http.StatusNotFound, "no handler for route \""+path+"\". route entry not found.")
	}
	rest := strings.TrimPrefix(path, m.path+"/")
	kind, name, _ := strings.Cut(rest, "/")
	switch {
	case m.kind != "kv":
		return refuse(http.StatusNotFound, "1 error occurred:\n\t* unsupported path\n\n")
	case r.Method == http.MethodPatch && (m.version == 1 || kind != "metadata" || s.noPatch):
		return refuse(http.StatusMethodNotAllowed, "1 error occurred:\n\t* unsupported operation\n\n")
	case m.version == 1:
		return readV1(m, rest)
	case kind == "metadata" && r.Method == http.MethodGet:
		if x := m.secrets[name]; x != nil {
			return reply{http.StatusOK, map[string]any{"request_id": "1", "data": x.seen().metadata()}}
		}
	case kind == "metadata" && r.Method == http.MethodPatch:
		if x := m.secrets[name]; x != nil {
			return s.patch(x, r.Header.Get("Content-Type"), body)
		}
	case kind == "data" && r.Method == http.MethodGet:
		if x := m.secrets[name]; x != nil {
			return readV2(x.seen(), r.URL.Query().Get("version"))
		}
	case kind == "data":
		return writeV2(m, name, body)
	default:
		return refuse(http.StatusNotFound, "1 error occurred:\n\t* unsupported path\n\n")
	}
	return refuse(http.StatusNotFound)
}

// seen is the secret as this read sees it.
func (s *secret) seen() *secret {
	if s.lagReads > 0 && s.before != nil {
		s.lagReads--
		return s.before
	}
	return s
}

// readV1 is an engine without versions: data/ and metadata/ are parts of paths.
func readV1(m *mount, path string) reply {
	x := m.secrets[path]
	if x == nil {
		return refuse(http.StatusNotFound)
	}
	return reply{http.StatusOK, map[string]any{"request_id": "1", "data": x.versions[x.current].data}}
}

func readV2(x *secret, version string) reply {
	number := 0
	if version != "" {
		var err error
		if number, err = strconv.Atoi(version); err != nil || number < 0 {
			return refuse(http.StatusBadRequest, "1 error occurred:\n\t* error converting input for field \"version\"\n\n")
		}
	}
	status, data := x.read(number)
	if data == nil {
		return refuse(status)
	}
	return reply{status, map[string]any{"request_id": "1", "data": data}}
}

// writeV2 is how a rotation job writes, with check-and-set if it wants.
func writeV2(m *mount, name string, body map[string]json.RawMessage) reply {
	var options struct {
		CAS *int `json:"cas"`
	}
	if len(body["data"]) == 0 || body["data"][0] != '{' || body["options"] != nil && json.Unmarshal(body["options"], &options) != nil {
		return refuse(http.StatusBadRequest, "no data provided")
	}
	x := m.secrets[name]
	if x == nil {
		x = newSecret()
	}
	if options.CAS != nil && *options.CAS != x.current {
		return refuse(http.StatusBadRequest, "check-and-set parameter did not match the current version")
	}
	m.secrets[name], x.before = x, x.clone()
	number := x.put(body["data"])
	meta := x.versions[number].describe()
	meta["version"] = number
	return reply{http.StatusOK, map[string]any{"request_id": "1", "data": meta}}
}

// login is the auth method of Kubernetes, which is mounted where the first
// login asks for it only if that is "kubernetes".
func (s *Server) login(mount string, body map[string]json.RawMessage) reply {
	if mount != "kubernetes" {
		return denied // as everything below auth/ that is not mounted
	}
	var jwt, named string
	if json.Unmarshal(body["jwt"], &jwt) != nil || json.Unmarshal(body["role"], &named) != nil || jwt == "" || named == "" {
		return refuse(http.StatusBadRequest, "missing role")
	}
	as, ok := s.roles[named]
	if !ok {
		return refuse(http.StatusBadRequest, fmt.Sprintf("invalid role name %q", named))
	}
	account, err := reviewed(&s.cluster.PublicKey, jwt, as.audience)
	if err != nil {
		return refuse(http.StatusForbidden, "permission denied", err.Error())
	}
	if account != as.namespace+"/"+as.account {
		return refuse(http.StatusForbidden, "service account name not authorized")
	}
	s.issued++
	s.logins++
	id := fmt.Sprintf("hvs.login-%d", s.issued)
	t := token{rules: as.rules}
	if as.lease > 0 {
		t.ends = time.Now().Add(as.lease)
	}
	s.tokens[id] = t
	return reply{http.StatusOK, map[string]any{"request_id": "1", "auth": map[string]any{
		"client_token": id, "lease_duration": int(as.lease.Seconds()), "renewable": true, "policies": []string{"default", named},
	}}}
}
