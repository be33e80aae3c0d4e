package gcs

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"slices"
	"strconv"
)

// maxCredential bounds what is taken for a service account's JSON, which has
// some 2,300 bytes.
const maxCredential = 64 << 10

// account is what a service account's JSON says.
type account struct {
	email    string
	keyID    string
	tokenURI string // empty: not told
	key      *rsa.PrivateKey
}

// parseAccount reads Planet's "credentials" parameter: one line of standard
// base64 around the JSON that Google gives out with a key. No error quotes
// any of it.
func parseAccount(parameter []byte) (account, error) {
	switch {
	case len(parameter) == 0:
		return account{}, config("the credential has no credentials")
	case len(parameter) > maxCredential:
		return account{}, config("the credential is far longer than a service account's key")
	}
	text := make([]byte, base64.StdEncoding.DecodedLen(len(parameter)))
	defer clear(text)
	n, err := base64.StdEncoding.Strict().Decode(text, parameter)
	if err != nil {
		return account{}, config("the credential is not in standard base64")
	}
	var file struct {
		Type         string          `json:"type"`
		Email        string          `json:"client_email"`
		KeyID        string          `json:"private_key_id"`
		Key          json.RawMessage `json:"private_key"`
		TokenURI     string          `json:"token_uri"`
		UniverseName string          `json:"universe_domain"`
	}
	defer func() { clear(file.Key) }()
	if json.Unmarshal(text[:n], &file) != nil {
		return account{}, config("the credential is base64 of something else than a service account's JSON")
	}
	switch {
	case file.Type != "service_account":
		return account{}, config(`the credential is not the key of a service account: its "type" is not "service_account"`)
	case file.Email == "":
		return account{}, config(`the credential has no "client_email"`)
	case file.UniverseName != "" && file.UniverseName != "googleapis.com" && file.TokenURI == "":
		return account{}, config(`the credential belongs to another cloud than Google's public one and names no "token_uri"`)
	}
	pemText, ok := unquote(file.Key)
	defer clear(pemText)
	if !ok || len(pemText) == 0 {
		return account{}, config(`the credential has no "private_key"`)
	}
	key, ok := parseKey(pemText)
	if !ok {
		return account{}, config(`the credential's "private_key" is no RSA key in PEM; was it cut?`)
	}
	return account{email: file.Email, keyID: file.KeyID, tokenURI: file.TokenURI, key: key}, nil
}

// parseKey reads an RSA key in PEM and clears what it decoded on the way.
func parseKey(text []byte) (*rsa.PrivateKey, bool) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, false
	}
	defer clear(block.Bytes)
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, true
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, false
	}
	key, ok := parsed.(*rsa.PrivateKey)
	return key, ok
}

// unquote undoes a JSON string that holds nothing but ASCII, as PEM does.
// encoding/json would make a string of it, which can't be cleared. The result
// is the caller's to clear even where ok is false.
func unquote(s []byte) (text []byte, ok bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return nil, false
	}
	s = s[1 : len(s)-1]
	text = make([]byte, 0, len(s)) // never grows: an escape is longer than what it stands for
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(text, s...), true
		}
		text = append(text, s[:i]...)
		s = s[i+1:]
		if len(s) == 0 {
			return text, false
		}
		c, used := s[0], 1
		switch c {
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case '"', '\\', '/':
		case 'u':
			if len(s) < 5 {
				return text, false
			}
			v, err := strconv.ParseUint(string(s[1:5]), 16, 16)
			if err != nil || v >= 0x80 {
				return text, false
			}
			c, used = byte(v), 5
		default:
			return text, false
		}
		text, s = append(text, c), s[used:]
	}
	return text, true
}

// tokenURLs are the token endpoints that Google has written into the keys of
// service accounts over the years. Whole URLs and not hosts: on www.googleapis.com
// anybody may have a bucket that takes uploads.
var tokenURLs = []string{
	"https://oauth2.googleapis.com/token",
	"https://accounts.google.com/o/oauth2/token",
	"https://www.googleapis.com/oauth2/v3/token",
	"https://www.googleapis.com/oauth2/v4/token",
}

// tokenEndpoint decides where a signed statement may be sent: to Google, to
// the one address that Options allow, or to the origin of the endpoint that
// the operator has configured for the bucket (nil without one). A credential
// does not choose for itself.
func tokenEndpoint(uri, allowed string, override *url.URL) (*url.URL, error) {
	if uri == "" {
		uri = tokenURLs[0]
		if allowed != "" {
			uri = allowed
		}
	}
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, config(`the credential's "token_uri" is no URL`)
	}
	switch {
	case slices.Contains(tokenURLs, uri), allowed != "" && uri == allowed:
		return u, nil
	case override != nil && u.Scheme == override.Scheme && u.Host == override.Host &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "":
		return u, nil
	}
	return nil, config(`the credential's "token_uri" is none of Google's token endpoints; nothing signed is sent elsewhere`)
}
