package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// listenAddress tells whether s can be listened on, and only from this
// machine.
func listenAddress(s string) (loopback, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return false, false
	}
	host, port := s[:colon], s[colon+1:]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, false
	}
	if host == "" {
		return false, true
	}
	if bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"); bracketed {
		host = host[1 : len(host)-1]
	} else if strings.ContainsAny(host, ":[]") {
		return false, false
	}
	return loopbackHost(host), hostName(host)
}

func hostName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 || strings.Trim(host, "0123456789.") == "" {
		return false // an IPv4 address with a slip is no name
	}
	for _, r := range host {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	return true
}

func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func loopbackURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && loopbackHost(u.Hostname())
}

// cleanURL gives an address without its trailing slash, or says what is wrong
// with it. Errors of net/url quote their input and are not used.
func cleanURL(s string) (clean, problem string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || !hostName(u.Hostname()):
		return "", "not an http or https address"
	case u.User != nil:
		return "", "holds a user name or password"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return "", "holds more than scheme, host and path"
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "holds a port that cannot be"
		}
	}
	return strings.TrimRight(s, "/"), ""
}

// jsonPointer tells whether s is a JSON Pointer (RFC 6901).
func jsonPointer(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != '/' || !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] == '~' && (i+1 == len(s) || (s[i+1] != '0' && s[i+1] != '1')) {
			return false
		}
	}
	return true
}
