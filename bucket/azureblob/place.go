package azureblob

import (
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/bucket"
)

// place is where a container's blobs are.
type place struct {
	scheme, host string
	path         string // up to the container, without a slash at its end
}

// find turns Planet's structural parameters into a place.
func find(at bucket.Location) (place, error) {
	switch {
	case at.Type != bucket.TypeAzureBlobStorage:
		return place{}, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindUnsupported,
			Message: "this is no azure_blob_storage destination"}
	case !isLabel(at.Account, ""):
		return place{}, unusable("the account of this azure_blob_storage destination is missing or holds characters that no account's name has")
	case !isLabel(at.Container, "$"): // $root, $web, $logs
		return place{}, unusable("the container of this azure_blob_storage destination is missing or holds characters that no container's name has")
	}
	if at.Endpoint != "" {
		return findAt(at)
	}
	suffix := at.Suffix
	if suffix == "" {
		suffix = DefaultSuffix
	}
	for label := range strings.SplitSeq(suffix, ".") {
		if !isLabel(label, "") {
			return place{}, unusable("the storage_endpoint_suffix of this azure_blob_storage destination is no end of a host name, such as %s", DefaultSuffix)
		}
	}
	return place{scheme: "https", host: at.Account + ".blob." + suffix, path: "/" + at.Container}, nil
}

// findAt reads an endpoint as people write it: with a scheme or without, which
// means https. The text is never quoted, as it may hold a token.
func findAt(at bucket.Location) (place, error) {
	endpoint := at.Endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "":
		return place{}, unusable("the endpoint of this azure_blob_storage destination is no URL; give it as https://host or https://host:port")
	case u.Scheme != "https" && u.Scheme != "http":
		return place{}, unusable("the endpoint of this azure_blob_storage destination is neither https nor http")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return place{}, unusable("the endpoint of this azure_blob_storage destination holds a user name, a query or a fragment; credentials belong into the secret")
	}
	where := place{scheme: u.Scheme, host: u.Host, path: strings.TrimRight(u.Path, "/")}
	label, _, _ := strings.Cut(u.Hostname(), ".")
	if label != at.Account && !strings.HasSuffix(where.path, "/"+at.Account) {
		where.path += "/" + at.Account
	}
	where.path += "/" + at.Container
	return where, nil
}

// isLabel tells whether s can be one part of a host name or of a path. Whether
// it is a good name is the server's business.
func isLabel(s, also string) bool {
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		case strings.ContainsRune(also, r):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// url is where a blob is, or the container for "". All but what RFC 3986 calls
// unreserved is escaped: a "+" in a path is a space to some.
func (p place) url(key, query string) *url.URL {
	path := p.path
	if key != "" {
		path += "/" + key
	}
	return &url.URL{Scheme: p.scheme, Host: p.host, Path: path, RawPath: escape(path, "/"), RawQuery: query}
}

func escape(s, keep string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~"+keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}
