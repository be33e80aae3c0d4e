package tracing

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// notYours are headers that the request itself decides.
var notYours = map[string]bool{"Content-Type": true, "Content-Length": true, "Content-Encoding": true,
	"Transfer-Encoding": true, "Host": true, "Connection": true, "Traceparent": true, "Tracestate": true}

// ParseHeaders reads headers as they stand in an HTTP request, one a line:
//
//	Authorization: Bearer …
//
// Empty lines are skipped. No error quotes a line: it may be a token.
func ParseHeaders(b []byte) (http.Header, error) {
	h := http.Header{}
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || !token(name) || !visible(value):
			return nil, fmt.Errorf(`line %d is not a header: write "Name: value"`, i+1)
		case notYours[http.CanonicalHeaderKey(name)]:
			return nil, fmt.Errorf("line %d sets a header that the request sets itself: leave it out", i+1)
		}
		h.Add(name, value)
	}
	if len(h) == 0 {
		return nil, errors.New(`there are no headers: write "Name: value", one a line`)
	}
	return h, nil
}

// token is what RFC 9110 calls so.
func token(s string) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// visible is ASCII that a header may hold.
func visible(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return s != ""
}
