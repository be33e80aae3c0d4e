package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed static/*
var staticFiles embed.FS

// static serves the few files of the pages under names that hold their hash, so
// that a browser may keep them for ever and gets new ones with a new rotatord.
type static struct {
	paths map[string]string // "style.css" → "static/style.0123456789abcdef.css"
	files map[string][]byte // by that path
}

func loadStatic() (*static, error) {
	s := &static{paths: map[string]string{}, files: map[string][]byte{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("make the status page: %w", err)
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("make the status page: %w", err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(e.Name())
		hashed := "static/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext
		s.paths[e.Name()], s.files[hashed] = hashed, body
	}
	return s, nil
}

func (s *static) path(name string) string { return s.paths[name] }

// serve answers if there is such a file, and tells whether it has.
func (s *static) serve(w http.ResponseWriter, r *http.Request, file string) bool {
	body, ok := s.files[file]
	if !ok {
		return false
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", contentType(file))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever asked may have gone away
	}
	return true
}

// contentType asks no file of the machine for types that we know.
func contentType(file string) string {
	switch path.Ext(file) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(file))
}
