package storagequeue

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// key is what a connection string gives to sign requests with: an account key
// or a SAS. The SDK wants both as strings, so they are strings here too, behind
// two pointers so that no verb of fmt shows them.
type key struct{ box **secrets }

type secrets struct {
	account, endpoint string
	accountKey        string
	sas               string // without a question mark
}

func (k key) empty() bool { return k.box == nil }

// String implements fmt.Stringer.
func (k key) String() string { return "<redacted>" }

// parseKey takes a connection string of a storage account apart. No error
// quotes anything but the names of its parts.
func parseKey(text string) (key, error) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimSpace(text), ";") {
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return key{}, errors.New("the ConnectionString is not made of NAME=VALUE; copy it from the portal, under Access keys")
		}
		parts[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	s := &secrets{
		account: parts["accountname"], endpoint: parts["queueendpoint"],
		accountKey: parts["accountkey"], sas: strings.TrimPrefix(parts["sharedaccesssignature"], "?"),
	}
	switch {
	case s.accountKey != "" && s.account == "":
		return key{}, errors.New("the ConnectionString has an AccountKey and no AccountName")
	case s.accountKey != "":
		if _, err := base64.StdEncoding.DecodeString(s.accountKey); err != nil {
			return key{}, errors.New("the AccountKey of the ConnectionString is not base64; was it copied whole?")
		}
		s.sas = ""
	case s.sas == "":
		return key{}, errors.New("the ConnectionString has neither AccountKey nor SharedAccessSignature")
	default:
		if q, err := url.ParseQuery(s.sas); err != nil || q.Get("sig") == "" {
			return key{}, errors.New("the SharedAccessSignature of the ConnectionString has no sig; was it copied whole?")
		}
	}
	return key{&s}, nil
}

// fits refuses a key of another account, which Azure would refuse with words
// that say less. Names of one's own for the queue service are let through.
func (k key) fits(queue *url.URL) error {
	if queue == nil {
		return nil
	}
	of := (*k.box).account
	if of == "" {
		var rest string
		if e, err := url.Parse((*k.box).endpoint); err == nil {
			of, rest, _ = strings.Cut(e.Hostname(), ".")
		}
		if !strings.HasPrefix(rest, "queue.") {
			return nil // it does not say whose it is
		}
	}
	account, rest, _ := strings.Cut(queue.Hostname(), ".")
	if !strings.HasPrefix(rest, "queue.") || strings.TrimSuffix(account, "-secondary") == of {
		return nil
	}
	return fmt.Errorf("the ConnectionString is of another account than the Queue, which is of %s", account)
}
