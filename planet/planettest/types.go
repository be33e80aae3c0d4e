package planettest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/rotatord/rotatord/credential"
)

// kind is what Planet's schema says about one destination type.
type kind struct {
	name       string
	structural []string // strings, on create only, all required
	extra      []string // strings, on create only, may be left out
	secrets    []string // strings, on create and on PATCH, always all together
	optional   []string // booleans, on create and on PATCH, default false
	namedAfter string   // the structural field that a missing name is taken from
}

// kinds follows Planet's generated schema.
var kinds = []kind{
	{
		name:       "amazon_s3",
		structural: []string{"bucket", "aws_region"},
		secrets:    []string{"aws_access_key_id", "aws_secret_access_key"},
		optional:   []string{"explicit_sse"},
		namedAfter: "bucket",
	},
	{
		name:       "azure_blob_storage",
		structural: []string{"account", "container"},
		extra:      []string{"storage_endpoint_suffix"},
		secrets:    []string{"sas_token"},
		namedAfter: "container",
	},
	{
		name:       "google_cloud_storage",
		structural: []string{"bucket"},
		secrets:    []string{"credentials"},
		namedAfter: "bucket",
	},
	{
		name:       "oracle_cloud_storage",
		structural: []string{"bucket", "region", "namespace"},
		secrets:    []string{"customer_access_key_id", "customer_secret_key"},
		namedAfter: "bucket",
	},
	{
		name:       "s3_compatible",
		structural: []string{"bucket", "region", "endpoint"},
		secrets:    []string{"access_key_id", "secret_access_key"},
		optional:   []string{"use_path_style"},
		namedAfter: "bucket",
	},
}

func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// isSecret tells for any type at once, so that the record can fingerprint a
// body before it is known which destination it is for.
func isSecret(field string) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool { return slices.Contains(k.secrets, field) })
}

// parameters are one destination's parameters in clear.
type parameters struct {
	structural map[string]string
	secrets    credential.Parameters
	optional   map[string]bool // only those that were given
}

// read checks a parameters object against the type. On a PATCH (update) the
// structural fields are refused and only then; on both the secret fields must
// be there all together. The problem it returns never quotes a value.
func (k kind) read(raw json.RawMessage, update bool) (parameters, *problem) {
	fields, bad := decodeObject(raw, "parameters")
	if bad != nil {
		return parameters{}, bad
	}
	p := parameters{structural: map[string]string{}, optional: map[string]bool{}}
	for _, f := range fields {
		if bad := k.readField(&p, f, update); bad != nil {
			return parameters{}, bad
		}
	}
	required := k.secrets
	if !update {
		required = append(slices.Clone(k.structural), k.secrets...)
	}
	for _, name := range required {
		if !slices.ContainsFunc(fields, func(f member) bool { return f.name == name }) {
			return parameters{}, badRequest("parameters: " + name + " is required for " + k.name)
		}
	}
	return p, nil
}

func (k kind) readField(p *parameters, f member, update bool) *problem {
	at := "parameters." + showKey(f.name)
	switch {
	case slices.Contains(k.structural, f.name) || slices.Contains(k.extra, f.name):
		if update {
			return badRequest(at + " cannot be changed; create a new destination")
		}
		s, bad := readText(f.raw, at)
		p.structural[f.name] = s
		return bad
	case slices.Contains(k.secrets, f.name):
		s, bad := readText(f.raw, at)
		if bad == nil && k.name == "google_cloud_storage" {
			bad = checkServiceAccount(s, at)
		}
		p.secrets.Set(f.name, credential.NewValue([]byte(s)))
		return bad
	case slices.Contains(k.optional, f.name):
		b, bad := readBool(f.raw, at)
		p.optional[f.name] = b
		return bad
	default:
		return badRequest(at + " is not a parameter of " + k.name)
	}
}

// checkServiceAccount wants what Planet documents: the service account's JSON
// as base64 on a single line. What is inside the JSON is the cloud's business.
func checkServiceAccount(s, at string) *problem {
	// Strict base64 would still skip line breaks, hence the first check.
	if bytes.ContainsAny([]byte(s), "\r\n") {
		return badRequest(at + " must be a single line")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return badRequest(at + " must be base64")
	}
	if !json.Valid(raw) || bytes.TrimSpace(raw)[0] != '{' {
		return badRequest(at + " must be the base64 of a JSON object")
	}
	return nil
}
