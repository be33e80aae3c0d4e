package vaulttest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
)

// What Vault takes of custom metadata.
const (
	maxCustom      = 64
	maxCustomKey   = 128
	maxCustomValue = 512
)

// patch is PATCH metadata/, a merge patch: null takes away.
func (s *Server) patch(x *secret, contentType string, body map[string]json.RawMessage) reply {
	if contentType != "application/merge-patch+json" {
		return refuse(http.StatusUnsupportedMediaType, "PATCH requires Content-Type of application/merge-patch+json")
	}
	if f := s.meddle; f != nil {
		s.meddle = nil
		f()
	}
	var custom map[string]*string
	if given, ok := body["custom_metadata"]; ok && json.Unmarshal(given, &custom) != nil {
		return refuse(http.StatusBadRequest, "custom_metadata must be an object of strings")
	}
	if x.casRequired {
		cas := -1
		if json.Unmarshal(body["metadata_cas"], &cas) != nil || cas != x.changes {
			return refuse(http.StatusBadRequest, "metadata check-and-set parameter did not match the current version")
		}
	}
	// A copy: what lagging reads see keeps the old one.
	all := maps.Clone(x.custom)
	if all == nil {
		all = map[string]string{}
	}
	for key, value := range custom {
		switch {
		case value == nil:
			delete(all, key)
			continue
		case len(key) > maxCustomKey || len(*value) > maxCustomValue || strings.TrimSpace(*value) == "":
			return refuse(http.StatusBadRequest, "custom_metadata validation failed")
		}
		all[key] = *value
	}
	if len(all) > maxCustom {
		return refuse(http.StatusBadRequest, "custom_metadata validation failed: payload must contain at most 64 keys")
	}
	x.custom = all
	x.changes++
	return reply{http.StatusNoContent, nil}
}

// Meddle lets somebody else replace a secret's remarks right before the next
// patch is carried out, once.
func (s *Server) Meddle(mount, path string, custom map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = func() {
		x := s.find("", mount).secrets[path]
		x.custom = custom
		x.changes++
	}
}

// NoPatch makes the server one from before PATCH.
func (s *Server) NoPatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noPatch = true
}

// Mark is the rules that a reader needs who also marks.
func Mark(mount, path string) []Rule {
	return []Rule{{mount + "/data/" + path, []string{"read"}}, {mount + "/metadata/" + path, []string{"read", "patch"}}}
}
