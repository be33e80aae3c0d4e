package patcher

import (
	"bytes"
	"fmt"
)

// keyRules are what is known of the access keys of one type. Where the
// operator of a bucket can choose the keys (s3_compatible) there is little.
type keyRules struct {
	// idMin and idMax bound the access key id, in bytes.
	idMin, idMax int
	// secretSpaces allows white space inside of the secret, which may be a
	// passphrase then.
	secretSpaces bool
	// swapped tells, from the looks of both, that they have changed places.
	// It must be sure: a false alarm stops a good credential.
	swapped func(id, secret []byte) bool
}

// maxKeySecret bounds a secret key; the longest known has 128 bytes.
const maxKeySecret = 1024

func rulesOf(typ string) keyRules {
	switch typ {
	case typeAmazon:
		// IAM's API reference bounds an AccessKeyId to 16–128.
		return keyRules{idMin: 16, idMax: 128, swapped: func(_, secret []byte) bool { return isAmazonID(secret) }}
	case typeOracle:
		return keyRules{idMin: 1, idMax: 128, swapped: func(id, secret []byte) bool {
			return isOracleID(secret) && !isOracleID(id)
		}}
	}
	return keyRules{idMin: 1, idMax: 256, secretSpaces: true, swapped: func(id, secret []byte) bool {
		return isAmazonID(secret) && len(id) == 40 && only(id, isBase64)
	}}
}

// isAmazonID recognises AKIA… and ASIA…, 20 characters.
func isAmazonID(b []byte) bool {
	return len(b) == 20 && (bytes.HasPrefix(b, []byte("AKIA")) || bytes.HasPrefix(b, []byte("ASIA"))) &&
		only(b, func(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' })
}

// isOracleID recognises the 40 hexadecimal digits of a customer access key id;
// its secret is base64 and has 44 characters.
func isOracleID(b []byte) bool { return len(b) == 40 && only(b, isHex) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isBase64(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '+' || c == '/' || c == '='
}

func only(b []byte, is func(byte) bool) bool {
	for _, c := range b {
		if !is(c) {
			return false
		}
	}
	return true
}

// checkKeys checks an access key id and its secret.
func (w *work) checkKeys() {
	names := fieldNames(w.typ)
	rules := rulesOf(w.typ)
	id, idFound := w.key(names[0])
	secret, secretFound := w.key(names[1])
	if idFound && secretFound {
		switch {
		case bytes.Equal(id, secret):
			w.problem(names[1], ReasonSwapped, "it is the same as "+names[0]+"; one of the two was copied twice")
			return
		case rules.swapped(id, secret):
			w.problem(names[1], ReasonSwapped, "it looks like an access key id; have the two changed places?")
			return
		}
	}
	if idFound {
		w.checkID(names[0], id, rules)
	}
	if secretFound {
		w.checkKeySecret(names[1], secret, rules)
	}
}

// key gives a field without the white space at its ends, which comes from
// editors and "echo" and is part of no key.
func (w *work) key(name string) ([]byte, bool) {
	b, ok := w.found[name]
	if !ok {
		return nil, false
	}
	b, _ = trim(b)
	if len(b) == 0 {
		w.problem(name, ReasonEmpty, "the secret has the field and nothing in it")
		return nil, false
	}
	if isPlaceholder(b) {
		w.problem(name, ReasonPlaceholder, "it only stands for a value; store the real one")
		return nil, false
	}
	return b, true
}

func (w *work) checkID(name string, id []byte, rules keyRules) {
	switch {
	case len(id) > rules.idMax:
		w.problem(name, ReasonTooLong, fmt.Sprintf("it has %d characters; no access key id has more than %d", len(id), rules.idMax))
	case !only(id, isGraphic):
		// Signature Version 4 puts the id in a header as it is.
		w.problem(name, ReasonBadFormat, "it holds white space, a control character or a letter outside of ASCII")
	case len(id) < rules.idMin:
		w.problem(name, ReasonBadFormat, fmt.Sprintf("it has %d characters; no access key id has fewer than %d: was it cut?", len(id), rules.idMin))
	case w.typ == typeAmazon && bytes.HasPrefix(id, []byte("ASIA")) && isAmazonID(id):
		w.problem(name, ReasonTemporary,
			"keys that start with ASIA need a session token, which Planet has no place for: use the long-lived key of an IAM user")
	default:
		w.set(name, id)
	}
}

func (w *work) checkKeySecret(name string, secret []byte, rules keyRules) {
	switch {
	case len(secret) > maxKeySecret:
		w.problem(name, ReasonTooLong, fmt.Sprintf("it has %d characters; no secret key has more than %d", len(secret), maxKeySecret))
	case !only(secret, isText):
		w.problem(name, ReasonBadFormat, "it holds a control character, such as a line break")
	case !rules.secretSpaces && !only(secret, isGraphic):
		w.problem(name, ReasonBadFormat, "it holds white space or a letter outside of ASCII")
	default:
		w.set(name, secret)
	}
}

// isGraphic: visible ASCII.
func isGraphic(c byte) bool { return 0x20 < c && c < 0x7f }

// isText: no control character; UTF-8 is allowed.
func isText(c byte) bool { return c >= 0x20 && c != 0x7f }

// placeholders are folded, without what stands around them.
var placeholders = []string{
	"redacted", "changeme", "changethis", "replaceme", "replacethis", "placeholder", "todo", "tbd", "fixme",
	"null", "nil", "none", "undefined", "yourkey", "youraccesskey", "youraccesskeyid", "yourawsaccesskeyid",
	"yoursecret", "yoursecretkey", "yoursecretaccesskey", "yourawssecretaccesskey", "yoursastoken", "insertkeyhere",
}

// isPlaceholder recognises what people and tools write where a value belongs:
// "<REDACTED>" (Planet's own), "changeme", "${AWS_SECRET}", "{{ .Key }}",
// "********".
func isPlaceholder(b []byte) bool {
	for _, around := range [][2]string{{"<", ">"}, {"${", "}"}, {"{{", "}}"}} {
		inside, starts := bytes.CutPrefix(b, []byte(around[0]))
		inside, ends := bytes.CutSuffix(inside, []byte(around[1]))
		if starts && ends && only(inside, isWordy) {
			return true
		}
	}
	if bytes.IndexByte([]byte("*xX.?-_0"), b[0]) >= 0 && only(b, func(c byte) bool { return c == b[0] }) {
		return true
	}
	var buf [maxName]byte
	defer clear(buf[:])
	folded := foldInto(&buf, b)
	for _, p := range placeholders {
		if string(folded) == p { // compared without a copy
			return true
		}
	}
	return false
}

// isWordy: what the name of something is made of.
func isWordy(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("_-. $:"), c) >= 0
}
