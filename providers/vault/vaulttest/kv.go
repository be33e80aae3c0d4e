package vaulttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// mount is a secrets engine.
type mount struct {
	namespace string
	path      string // "secret", "team/kv"
	kind      string // "kv", "pki"
	version   int    // of KV
	secrets   map[string]*secret
}

// secret is what KV keeps under one path.
type secret struct {
	created, updated time.Time
	versions         map[int]*version
	current, oldest  int
	maxVersions      int
	deleteAfter      time.Duration
	custom           map[string]string
	casRequired      bool // for metadata, as OpenBao has it
	changes          int  // of the metadata

	// before is how the secret was until the last change; reads that lag see it.
	before   *secret
	lagReads int
}

type version struct {
	data      json.RawMessage
	created   time.Time
	deleted   time.Time // zero: never
	destroyed bool
}

func newSecret() *secret {
	now := time.Now()
	return &secret{created: now, updated: now, versions: map[int]*version{}}
}

// clone is a copy that later changes of s don't reach.
func (s *secret) clone() *secret {
	c := *s
	c.before = nil
	c.versions = map[int]*version{}
	for n, v := range s.versions {
		copied := *v
		c.versions[n] = &copied
	}
	return &c
}

// put adds a version, and drops those beyond max_versions, ten unless it is set.
func (s *secret) put(data json.RawMessage) int {
	s.current++
	v := &version{data: slices.Clone(data), created: time.Now()}
	if s.deleteAfter > 0 {
		v.deleted = v.created.Add(s.deleteAfter)
	}
	s.versions[s.current], s.updated = v, v.created
	most := s.maxVersions
	if most == 0 {
		most = 10
	}
	for n := range s.versions {
		if n <= s.current-most {
			delete(s.versions, n)
		}
	}
	s.oldest = max(0, s.current-most+1)
	return s.current
}

// readable tells whether a version has data that may be read now.
func (v *version) readable() bool {
	return !v.destroyed && (v.deleted.IsZero() || v.deleted.After(time.Now()))
}

func (v *version) describe() map[string]any {
	deleted := ""
	if !v.deleted.IsZero() {
		deleted = v.deleted.UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{"created_time": v.created.UTC().Format(time.RFC3339Nano), "deletion_time": deleted, "destroyed": v.destroyed}
}

// metadata is the answer's data of GET metadata/.
func (s *secret) metadata() map[string]any {
	versions := map[string]any{}
	for n, v := range s.versions {
		versions[strconv.Itoa(n)] = v.describe()
	}
	all := map[string]any{
		"cas_required": false, "created_time": s.created.UTC().Format(time.RFC3339Nano), "current_version": s.current,
		"custom_metadata": s.custom, "delete_version_after": s.deleteAfter.String(), "max_versions": s.maxVersions,
		"oldest_version": s.oldest, "updated_time": s.updated.UTC().Format(time.RFC3339Nano), "versions": versions,
	}
	if s.casRequired {
		all["metadata_cas_required"], all["current_metadata_version"] = true, s.changes
	}
	return all
}

// read is the answer to GET data/, and its status.
func (s *secret) read(number int) (int, map[string]any) {
	if number == 0 {
		number = s.current
	}
	v, ok := s.versions[number]
	if !ok {
		return 404, nil
	}
	meta := v.describe()
	meta["version"], meta["custom_metadata"] = number, s.custom
	if !v.readable() {
		return 404, map[string]any{"data": nil, "metadata": meta}
	}
	return 200, map[string]any{"data": v.data, "metadata": meta}
}

// Mount makes a KV engine of a version, 1 or 2, at a path of a namespace; ""
// is the root namespace.
func (s *Server) Mount(namespace, path string, version int) {
	s.mount(&mount{namespace: namespace, path: path, kind: "kv", version: version, secrets: map[string]*secret{}})
}

// MountOther makes an engine of another kind, "pki", that answers nothing.
func (s *Server) MountOther(path, kind string) { s.mount(&mount{path: path, kind: kind}) }

func (s *Server) mount(m *mount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mounts = append(s.mounts, m)
}

// Put writes a version and gives its number. data is a JSON object.
func (s *Server) Put(mount, path, data string) int {
	if !json.Valid([]byte(data)) || data == "" || data[0] != '{' {
		panic("vaulttest: KV holds JSON objects")
	}
	return s.put(mount, path, data)
}

// Spoil writes a version that is no JSON object, which no Vault would have
// taken.
func (s *Server) Spoil(mount, path, data string) int { return s.put(mount, path, data) }

func (s *Server) put(mount, path, data string) (number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find("", mount)
	x := m.secrets[path]
	if x == nil {
		x = newSecret()
		m.secrets[path] = x
	}
	x.before = x.clone()
	return x.put(json.RawMessage(data))
}

// Create makes the metadata of a secret without any version.
func (s *Server) Create(mount, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find("", mount).secrets[path] = newSecret()
}

// Delete deletes a version, so that it can be undeleted.
func (s *Server) Delete(mount, path string, number int) {
	s.change(mount, path, func(x *secret) { x.versions[number].deleted = time.Now() })
}

// Undelete takes Delete back.
func (s *Server) Undelete(mount, path string, number int) {
	s.change(mount, path, func(x *secret) { x.versions[number].deleted = time.Time{} })
}

// Destroy removes the data of a version for good.
func (s *Server) Destroy(mount, path string, number int) {
	s.change(mount, path, func(x *secret) {
		v := x.versions[number]
		clear(v.data)
		v.data, v.destroyed = nil, true
	})
}

// DeleteMetadata removes a secret with all its versions.
func (s *Server) DeleteMetadata(mount, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.find("", mount).secrets, path)
}

// Rollback makes a new version of an older one, as "vault kv rollback" does.
func (s *Server) Rollback(mount, path string, number int) (made int) {
	s.change(mount, path, func(x *secret) { made = x.put(x.versions[number].data) })
	return made
}

// Settings changes what the secret's metadata says: how many versions it keeps
// (0: ten), after what time a later version is deleted, and remarks.
func (s *Server) Settings(mount, path string, maxVersions int, deleteAfter time.Duration, custom map[string]string) {
	s.change(mount, path, func(x *secret) { x.maxVersions, x.deleteAfter, x.custom = maxVersions, deleteAfter, custom })
}

// Custom gives a secret's remarks.
func (s *Server) Custom(mount, path string) (custom map[string]string) {
	s.change(mount, path, func(x *secret) { custom = maps.Clone(x.custom) })
	return custom
}

// RequireMetadataCAS makes the server an OpenBao that takes changes of this
// secret's metadata only from who has read it before.
func (s *Server) RequireMetadataCAS(mount, path string) {
	s.change(mount, path, func(x *secret) { x.casRequired, x.changes = true, 1 })
}

// Newest gives the number of the newest version, 0 if there is none.
func (s *Server) Newest(mount, path string) (number int) {
	s.change(mount, path, func(x *secret) { number = x.current })
	return number
}

// Lag lets the next n reads of a secret see it as it was before its last Put,
// as a performance standby does that is behind.
func (s *Server) Lag(mount, path string, n int) {
	s.change(mount, path, func(x *secret) { x.lagReads = n })
}

func (s *Server) change(mount, path string, f func(*secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.find("", mount).secrets[path]
	if x == nil {
		panic(fmt.Sprintf("vaulttest: there is no secret %s in %s", path, mount))
	}
	f(x)
}

// find gives a mount of the root namespace; tests name only what is there.
func (s *Server) find(namespace, path string) *mount {
	for _, m := range s.mounts {
		if m.path == path && (namespace == "" || m.namespace == namespace) {
			return m
		}
	}
	panic("vaulttest: nothing is mounted at " + path)
}
