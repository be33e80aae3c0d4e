package patcher

import (
	"bytes"
	"slices"
)

// The destination types, as Planet spells them.
const (
	typeAmazon = "amazon_s3"
	typeGoogle = "google_cloud_storage"
	typeAzure  = "azure_blob_storage"
	typeOracle = "oracle_cloud_storage"
	typeS3     = "s3_compatible"
)

// field is one credential parameter of a destination type.
type field struct {
	// name is Planet's own, and the first of the well-known names.
	name string
	// strong are the other well-known names, folded.
	strong []string
	// weak are looked at when no strong name is there. They are words that
	// mean something else just as often: "id", "key", "token".
	weak []string
}

// fields holds the credential parameters of each type; a PATCH always carries
// all fields of a type together. The package comment documents the names.
var fields = map[string][]field{
	typeAmazon: {
		{name: "aws_access_key_id", strong: []string{"awsaccesskey", "accesskeyid", "accesskey"}},
		{name: "aws_secret_access_key", strong: []string{"awssecretkey", "secretaccesskey", "secretkey"}},
	},
	typeGoogle: {{
		name: "credentials",
		strong: []string{
			"credentialsjson", "googlecredentials", "googleapplicationcredentials",
			"googleapplicationcredentialsjson", "gcpcredentials", "serviceaccount", "serviceaccountjson",
			"serviceaccountkey", "serviceaccountkeyjson", "privatekeydata", "keyjson",
		},
		weak: []string{"privatekey", "key"},
	}},
	typeAzure: {{
		name:   "sas_token",
		strong: []string{"sas", "azuresastoken", "azurestoragesastoken", "sharedaccesssignature"},
		weak:   []string{"token"},
	}},
	typeOracle: {
		{
			name:   "customer_access_key_id",
			strong: []string{"customeraccesskey", "accesskeyid", "accesskey", "awsaccesskeyid"},
			weak:   []string{"id"},
		},
		{
			name:   "customer_secret_key",
			strong: []string{"secretkey", "secretaccesskey", "awssecretaccesskey"},
			weak:   []string{"key"},
		},
	},
	typeS3: {
		{
			name:   "access_key_id",
			strong: []string{"accesskey", "awsaccesskeyid", "awsaccesskey", "s3accesskeyid", "s3accesskey"},
		},
		{
			name:   "secret_access_key",
			strong: []string{"secretkey", "awssecretaccesskey", "awssecretkey", "s3secretaccesskey", "s3secretkey"},
		},
	},
}

// sessionNames are where the third part of a temporary AWS key is kept.
var sessionNames = []string{"awssessiontoken", "sessiontoken", "awssecuritytoken", "securitytoken"}

// typeNames lists the types in sorted order, for error messages.
func typeNames() []string {
	names := make([]string, 0, len(fields))
	for t := range fields {
		names = append(names, t)
	}
	slices.Sort(names)
	return names
}

// typeAPIKey stands for what is no destination: Planet's own key, see [APIKey].
const typeAPIKey = "planet api key"

var apiKeyFields = []field{{
	name:   "api_key",
	strong: []string{"planetapikey", "plapikey", "planetkey"},
	weak:   []string{"key", "token"},
}}

func fieldsOf(typ string) []field {
	if typ == typeAPIKey {
		return apiKeyFields
	}
	return fields[typ]
}

// fieldNames lists Planet's names of a type's fields.
func fieldNames(typ string) []string {
	names := make([]string, 0, 2)
	for _, f := range fieldsOf(typ) {
		names = append(names, f.name)
	}
	return names
}

// maxName bounds what is folded: no well-known name is nearly as long, and a
// longer key is junk.
const maxName = 64

// fold brings a key to the form in which names compare: lower case, without
// separators.
func fold(name []byte) string {
	var buf [maxName]byte
	return string(foldInto(&buf, name))
}

// foldInto is fold without the string, for what may be a value.
func foldInto(buf *[maxName]byte, name []byte) []byte {
	if len(name) > maxName {
		return nil
	}
	out := buf[:0]
	for _, c := range name {
		switch {
		case c == '_' || c == '-' || c == '.' || c == ' ':
		case 'A' <= c && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return out
}

// showName renders a key of the secret for an error message. A key is a name
// and no value, but some people store {"AKIA…": "<the secret>"}; so whatever
// doesn't look like a name a person would choose is not shown.
func showName(name []byte) string {
	const hidden = "…"
	if len(name) == 0 || len(name) > 40 {
		return hidden
	}
	run, digits := 0, 0
	for _, c := range name {
		switch {
		case '0' <= c && c <= '9':
			run++
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			run++
		case bytes.IndexByte([]byte("_.-"), c) >= 0:
			run, digits = 0, 0
		default:
			return hidden
		}
		if run >= 16 && digits > 0 || run >= 32 {
			return hidden
		}
	}
	return string(name)
}
