package patcher

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"unicode/utf8"
)

// googleTypes are what Google's libraries call the files that they write; of
// these only a service account's holds a key of its own.
var googleTypes = []string{
	"service_account", "authorized_user", "external_account", "external_account_authorized_user",
	"impersonated_service_account", "gdch_service_account",
}

// isServiceAccount tells whether the top level of a secret is itself a file as
// Google writes it, and not a wrapper around one.
func isServiceAccount(doc *document) bool {
	if _, ok := googleType(doc); ok {
		return true
	}
	_, key := doc.root.member("private_key")
	_, email := doc.root.member("client_email")
	return key && email
}

// googleType gives the file's type if it is a known one, from our own table.
func googleType(doc *document) (string, bool) {
	n, ok := doc.root.member("type")
	if !ok || n.kind != kindString {
		return "", false
	}
	text := doc.text(n)
	for _, t := range googleTypes {
		if string(text) == t {
			return t, true
		}
	}
	return "", false
}

// checkGoogle makes one line of base64 of a service account file.
func (w *work) checkGoogle() {
	const name = "credentials"
	text, _ := trim(w.found[name])
	switch {
	case len(text) == 0:
		w.problem(name, ReasonEmpty, "the secret has the field and nothing in it")
		return
	case isPlaceholder(text):
		w.problem(name, ReasonPlaceholder, "it only stands for a value; store the real one")
		return
	case bytes.HasPrefix(text, []byte("-----BEGIN")):
		w.problem(name, ReasonBadFormat, "it is only the private key; the whole service account JSON is needed")
		return
	}
	file, ok := serviceAccountJSON(text, &w.scratch)
	if !ok {
		w.problem(name, ReasonBadFormat, "it is neither a service account JSON nor base64 of one; a path to a file isn't followed")
		return
	}
	if !utf8.Valid(file) {
		w.problem(name, ReasonNotUTF8, notUTF8Hint(file, 0)+" of the service account JSON")
		return
	}
	doc, err := parseJSON(file, &w.scratch)
	if err != nil {
		w.problem(name, err.reason, err.hint(0)+" of the service account JSON")
		return
	}
	before := len(w.problems)
	w.checkServiceAccount(name, doc)
	if len(w.problems) == before {
		w.set(name, encodeBase64(file, &w.scratch))
	}
}

// serviceAccountJSON takes base64 off a service account file, twice at most:
// some pipelines encode what was encoded already. What comes out starts with a
// brace and has no space around it.
func serviceAccountJSON(text []byte, keep *scratch) (file []byte, ok bool) {
	for range 3 {
		text, _ = trim(text)
		if len(text) > 0 && text[0] == '{' {
			return text, true
		}
		text, ok = decodeBase64(text, keep)
		if !ok {
			return nil, false
		}
	}
	return nil, false
}

// checkServiceAccount checks the fields of the file that a token is made with.
func (w *work) checkServiceAccount(name string, doc *document) {
	switch t, known := googleType(doc); {
	case known && t != "service_account":
		w.problem(name, ReasonBadFormat, `it is a file of type "`+t+`", which holds no key; Planet needs the key file of a service account`)
		return
	case !known:
		if _, has := doc.root.member("type"); has {
			w.problem(name, ReasonBadFormat, `its "type" must be "service_account"`)
		} else {
			w.problem(name, ReasonMissingField, `the service account JSON has no "type"; it must be "service_account"`)
		}
	}
	if email := w.inner(name, doc, "client_email", true); email != nil && bytes.IndexByte(email, '@') < 1 {
		w.problem(name, ReasonBadFormat, `its "client_email" is no email address`)
	}
	w.inner(name, doc, "private_key_id", true)
	if uri := w.inner(name, doc, "token_uri", false); uri != nil && !bytes.HasPrefix(uri, []byte("https://")) {
		w.problem(name, ReasonBadFormat, `its "token_uri" must start with https://`)
	}
	if key := w.inner(name, doc, "private_key", true); key != nil {
		if why := checkRSAKey(key); why != "" {
			w.problem(name, ReasonBadFormat, `its "private_key" `+why)
		}
	}
}

// inner reads a string of the service account JSON, nil when there is none.
func (w *work) inner(name string, doc *document, member string, required bool) []byte {
	n, ok := doc.root.member(member)
	switch {
	case !ok && !required:
		return nil
	case !ok:
		w.problem(name, ReasonMissingField, `the service account JSON has no "`+member+`"`)
		return nil
	case n.kind != kindString:
		w.problem(name, ReasonWrongKind, `its "`+member+`" is `+n.kind.String()+" and must be a string")
		return nil
	}
	text := doc.text(n)
	if len(text) == 0 {
		w.problem(name, ReasonEmpty, `its "`+member+`" is empty`)
		return nil
	}
	if isPlaceholder(text) {
		w.problem(name, ReasonPlaceholder, `its "`+member+`" only stands for a value`)
		return nil
	}
	return text
}

// checkRSAKey parses the key for real, because a key that was cut, or whose
// line breaks were escaped twice, looks right to everything short of that.
func checkRSAKey(text []byte) (why string) {
	block, _ := pem.Decode(text)
	if block == nil {
		if bytes.Contains(text, []byte(`\n`)) {
			return `holds a backslash and an "n" where line breaks should be: it was escaped twice`
		}
		return "is no PEM block"
	}
	defer clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return "is a PEM block that holds no private key"
	}
	if err != nil {
		return "does not parse; was it cut?"
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return "is not an RSA key"
	}
	forget(private)
	return ""
}

// forget zeroes what can be reached of a parsed key.
func forget(key *rsa.PrivateKey) {
	numbers := append([]*big.Int{key.D, key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv}, key.Primes...)
	for _, n := range numbers {
		if n != nil {
			clear(n.Bits())
		}
	}
}
