package planet

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const (
	refPrefix = "pl:destinations/"
	// A rename may give a destination a new id with the same suffix. Suffixes
	// are random and six characters or more; a shorter tail is part of a name.
	minSuffix = 5
	maxRef    = 256
)

// Ref is one of the ways to name a destination. The zero Ref names nothing.
type Ref struct {
	key       string
	isDefault bool
}

// ParseRef reads how a person names a destination: its id
// ("demo-5aIp1K"), its reference ("pl:destinations/demo-5aIp1K"), either with
// the suffix alone ("5aIp1K", "pl:destinations/5aIp1K"), or the
// organization's default ("pl:destinations/default").
func ParseRef(s string) (Ref, error) {
	key, full := strings.CutPrefix(s, refPrefix)
	switch {
	case strings.TrimSpace(s) == "":
		return Ref{}, errors.New("read a destination's name: it is empty: use an id like demo-5aIp1K or a reference like pl:destinations/demo-5aIp1K")
	case len(s) > maxRef:
		return Ref{}, fmt.Errorf("read a destination's name: %d characters are too many for an id or a reference", len(s))
	case full && key == "default":
		return Ref{isDefault: true}, nil
	case full && key == "":
		return Ref{}, fmt.Errorf("read a destination's name: %q names none: add its id", s)
	case strings.Contains(key, "://"):
		return Ref{}, fmt.Errorf("read a destination's name: %q is a URL: use what follows its last slash", s)
	case strings.HasPrefix(key, "pl:"):
		return Ref{}, fmt.Errorf("read a destination's name: %q is no reference to a destination: they begin with %s", s, refPrefix)
	case strings.Trim(key, ".") == "":
		return Ref{}, fmt.Errorf("read a destination's name: %q is no id", s)
	}
	for _, c := range key {
		if unicode.IsSpace(c) || !unicode.IsPrint(c) || strings.ContainsRune(`/\?#%"'<>`+"`", c) || c == unicode.ReplacementChar {
			return Ref{}, fmt.Errorf("read a destination's name: %q holds %q, which no id does", s, c)
		}
	}
	return Ref{key: key}, nil
}

// String gives the full form of the reference.
func (r Ref) String() string {
	if r.isDefault {
		return refPrefix + "default"
	}
	return refPrefix + r.key
}

// IsDefault tells whether the reference is "pl:destinations/default".
func (r Ref) IsDefault() bool { return r.isDefault }

// Key is the id or suffix that the reference was made from; empty for the default.
func (r Ref) Key() string { return r.key }

// Matches tells whether r can mean d. That includes a destination which was
// renamed since: another id with the same suffix. Several may match; [Find]
// takes the closest.
func (r Ref) Matches(d Destination) bool { return r.closeness(d) != noMatch }

type closeness int

const (
	exact    closeness = iota // the id, or the reference that Planet shows
	bySuffix                  // the suffix alone
	byRename                  // an id whose suffix is the destination's
	noMatch                   // must stay last
	nCloser  = int(noMatch)
)

func (r Ref) closeness(d Destination) closeness {
	shown := strings.TrimPrefix(d.Ref, refPrefix)
	switch {
	case r.isDefault:
		if d.Default != nil && *d.Default {
			return exact
		}
		return noMatch
	case r.key == "":
		return noMatch
	case r.key == d.ID || r.key == shown:
		return exact
	case r.key == suffixOf(d.ID) || r.key == suffixOf(shown):
		return bySuffix
	}
	if tail := suffixOf(r.key); len(tail) >= minSuffix && (tail == suffixOf(d.ID) || tail == d.ID || tail == suffixOf(shown)) {
		return byRename
	}
	return noMatch
}
