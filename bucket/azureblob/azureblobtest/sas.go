package azureblobtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
)

// Version is the version (sv) of the tokens that SAS makes.
const Version = "2022-11-02"

// Values say what a token is for. With Container it is a service SAS for that
// container, without one an account SAS.
type Values struct {
	Account   string
	Container string
	// Services and ResourceTypes are those of an account SAS: "b" and "co"
	// where they are empty.
	Services, ResourceTypes string
	Permissions             string // sp: "rwdl"; empty where the policy has them
	Start, End              time.Time
	IP                      string // sip: an address, or two with "-" between them
	Protocol                string // spr: "https" or "https,http"
	Policy                  string // si: the name of a stored access policy
}

// SAS signs a token with a key of the account, and gives it without "?".
func SAS(key []byte, v Values) string {
	q := url.Values{"sv": {Version}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if v.Container != "" {
		q.Set("sr", "c")
	} else {
		q.Set("ss", or(v.Services, "b"))
		q.Set("srt", or(v.ResourceTypes, "co"))
	}
	set("sp", v.Permissions)
	set("st", stamp(v.Start))
	set("se", stamp(v.End))
	set("sip", v.IP)
	set("spr", v.Protocol)
	set("si", v.Policy)
	q.Set("sig", sign(key, stringToSign(q, v.Account, v.Container)))
	// Encode writes a space as "+", and none of these holds one.
	return q.Encode()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func sign(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text)) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// stringToSign is what the signature of a token is of. Sources: "Create a
// service SAS" (versions from 2020-12-06 on) and "Create an account SAS" in the
// REST reference of Azure Storage.
func stringToSign(q url.Values, account, container string) string {
	get := q.Get
	if get("sr") != "" {
		return strings.Join([]string{
			get("sp"), get("st"), get("se"), "/blob/" + account + "/" + container, get("si"), get("sip"), get("spr"), get("sv"),
			get("sr"), get("snapshot"), get("ses"), get("rscc"), get("rscd"), get("rsce"), get("rscl"), get("rsct"),
		}, "\n")
	}
	return strings.Join([]string{
		account, get("sp"), get("ss"), get("srt"), get("st"), get("se"), get("sip"), get("spr"), get("sv"), get("ses"), "",
	}, "\n")
}
