package vault

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
)

const (
	scheme = "vault://"
	// example is a name of the right shape.
	example = "vault://secret/planet/s3"
	// howToName is for names that can't be right.
	howToName = "write vault://MOUNT/PATH as in \"vault kv get -mount=MOUNT PATH\": " + example
	// maxName bounds a name. Vault's storage takes keys of some 32 KB at most;
	// nobody types that.
	maxName = 2048
)

// name is a secret's name taken apart.
type name struct {
	mount string // "secret", "team/kv"; no slash around it
	path  string // "planet/s3"
}

// metadata and data are the paths that the KV engine's API, and policies, have
// for the secret.
func (n name) metadata() string { return n.mount + "/metadata/" + n.path }

func (n name) data() string { return n.mount + "/data/" + n.path }

// isName tells whether a name is meant for Vault, right or not. One with what
// looks like a token before its mount is nobody's: names are shown, and quoted
// by errors. A mount with an @ writes it as %40.
func isName(s credential.Secret) bool {
	rest, ok := strings.CutPrefix(string(s), scheme)
	mount, _, _ := strings.Cut(rest, "/")
	return ok && !strings.Contains(mount, "@")
}

// parse takes a name apart. Its errors say what is wrong and how to do it. It
// isn't net/url's work because that takes "?" and "#" for the end of the path,
// and would take the mount for a host.
func parse(s credential.Secret) (name, error) {
	rest, ok := strings.CutPrefix(string(s), scheme)
	switch {
	case !ok:
		return name{}, errors.New("it does not begin with " + scheme)
	case len(rest) > maxName:
		return name{}, errors.New("it is too long")
	case strings.ContainsAny(rest, "?#"):
		return name{}, errors.New(`behind a path nothing follows; a "?" or "#" that belongs to it is written %3F or %23`)
	}
	first, others, ok := strings.Cut(rest, "/")
	if !ok || first == "" || others == "" {
		return name{}, errors.New("it has no mount, or no path behind the mount")
	}
	mount, err := unescape(first)
	if err != nil {
		return name{}, err
	}
	var path []string
	for segment := range strings.SplitSeq(others, "/") {
		plain, err := unescape(segment)
		if err != nil {
			return name{}, err
		}
		if strings.Contains(plain, "/") {
			return name{}, errors.New("a slash in the path is written as such; only the mount has %2F")
		}
		path = append(path, plain)
	}
	if err := segments(append(strings.Split(mount, "/"), path...)); err != nil {
		return name{}, err
	}
	return name{mount, strings.Join(path, "/")}, nil
}

// segments refuses what Vault, or a proxy before it, would take for another
// path.
func segments(all []string) error {
	for _, segment := range all {
		switch {
		case segment == "":
			return errors.New("it has an empty segment: leave out slashes at the end and side by side")
		case segment == "." || segment == "..":
			return errors.New(`it has a segment "." or ".."; write the path out`)
		case !utf8.ValidString(segment):
			return errors.New("it is not UTF-8")
		case strings.ContainsFunc(segment, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return errors.New("it has a control character")
		}
	}
	return nil
}

// unescape undoes %XX. Of the error of net/url, which quotes its input, nothing is
// passed on.
func unescape(s string) (string, error) {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return "", errors.New(`a "%" is followed by two hexadecimal digits; a "%" itself is written %25`)
	}
	return plain, nil
}
