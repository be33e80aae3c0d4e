package planet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxMessage = 512
	// redactRun is how many characters in a row a text may share with a secret
	// by chance.
	redactRun = 8
	// redactScan bounds how much of a text is looked through.
	redactScan = 4 << 10
	// minSecret is the length under which a parameter is a word, not a secret.
	minSecret   = 4
	replacement = "<redacted>"
)

// secrets are the bytes that a text from outside must not repeat: servers echo
// what they were sent. They are copies, made when a call has failed, and
// cleared after the text was looked through.
type secrets [][]byte

func (s secrets) clear() {
	for _, b := range s {
		clear(b)
	}
}

// secretsOf collects what a request held: every text among the parameters,
// unless it is a structural or optional one of the type, in the forms in which
// a server may repeat it; and the authorization.
func secretsOf(params []byte, t Type, authorization string) secrets {
	var found secrets
	if _, key, ok := strings.Cut(authorization, " "); ok {
		found = append(found, []byte(key))
	}
	public := fieldsOf[t]
	var obj map[string]json.RawMessage
	if json.Unmarshal(params, &obj) != nil {
		return found
	}
	for name, raw := range obj {
		if slices.Contains(public.Structural, name) || slices.Contains(public.Optional, name) {
			clear(raw)
			continue
		}
		found = append(found, formsOf(raw)...)
	}
	return found
}

// formsOf gives the ways in which the value behind a JSON text may turn up.
func formsOf(raw json.RawMessage) secrets {
	if len(raw) < 2 || raw[0] != '"' {
		if string(raw) == "true" || string(raw) == "false" || string(raw) == "null" {
			return nil
		}
		return secrets{raw}
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || len(text) < minSecret {
		return nil
	}
	plain := []byte(text)
	forms := secrets{plain, bytes.Trim(raw, `"`)}
	for _, form := range []string{url.QueryEscape(text), url.PathEscape(text), base64.StdEncoding.EncodeToString(plain)} {
		if form != text {
			forms = append(forms, []byte(form))
		}
	}
	if unescaped, err := url.QueryUnescape(text); err == nil && unescaped != text {
		forms = append(forms, []byte(unescaped))
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return forms
	}
	// A service account: its keys are secret, its field names are words that
	// Planet's messages need.
	var account map[string]json.RawMessage
	if json.Unmarshal(decoded, &account) != nil {
		return append(forms, decoded)
	}
	for _, name := range []string{"private_key", "private_key_id"} {
		var part string
		if json.Unmarshal(account[name], &part) == nil && len(part) >= minSecret {
			forms = append(forms, []byte(part), bytes.Trim(account[name], `"`))
		}
	}
	return forms
}

// redact makes a text from outside fit to be shown: one line, bounded, and
// without any run of characters that it shares with a secret.
func (s secrets) redact(text string) string {
	if len(text) > redactScan {
		text = text[:redactScan]
	}
	b := []byte(text)
	hide := make([]bool, len(b))
	for _, secret := range s {
		secret = bytes.TrimSpace(secret)
		run := min(redactRun, len(secret))
		if run < minSecret {
			continue
		}
		for i := 0; i+run <= len(b); i++ {
			if bytes.Contains(secret, b[i:i+run]) {
				for j := range run {
					hide[i+j] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := 0; i < len(b); {
		if hide[i] {
			if i == 0 || !hide[i-1] {
				out.WriteString(replacement)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		i += size
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = ' '
		}
		out.WriteRune(r)
	}
	return bound(strings.Join(strings.Fields(out.String()), " "))
}

func bound(text string) string {
	if utf8.RuneCountInString(text) <= maxMessage {
		return text
	}
	return string([]rune(text)[:maxMessage-1]) + "…"
}
