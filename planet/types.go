package planet

import (
	"maps"
	"slices"
)

// Type is the kind of storage behind a destination, as written on the wire. A
// Type that this package does not know is not an error: the API may grow.
type Type string

// The types that Planet documents. (A curl example of Planet's says "s3"; the
// API itself says "amazon_s3".)
const (
	AmazonS3           Type = "amazon_s3"
	GoogleCloudStorage Type = "google_cloud_storage"
	AzureBlobStorage   Type = "azure_blob_storage"
	OracleCloudStorage Type = "oracle_cloud_storage"
	S3Compatible       Type = "s3_compatible"
)

// Redacted is what Planet shows in place of a credential parameter.
const Redacted = "<REDACTED>"

// Fields are the names of a type's parameters, each list sorted.
type Fields struct {
	// Structural parameters say where the storage is. They are given at
	// creation and never change; Planet shows them in clear.
	Structural []string
	// Credential parameters may be changed, all of a type's together; Planet
	// shows [Redacted] instead.
	Credential []string
	// Optional parameters are switches. The schema gives them a default of
	// false on PATCH: whether leaving one out keeps or resets it is unknown.
	Optional []string
}

var fieldsOf = map[Type]Fields{
	AmazonS3: {
		Structural: []string{"aws_region", "bucket"},
		Credential: []string{"aws_access_key_id", "aws_secret_access_key"},
		Optional:   []string{"explicit_sse"},
	},
	GoogleCloudStorage: {
		Structural: []string{"bucket"},
		Credential: []string{"credentials"},
	},
	AzureBlobStorage: {
		Structural: []string{"account", "container", "storage_endpoint_suffix"},
		Credential: []string{"sas_token"},
	},
	OracleCloudStorage: {
		Structural: []string{"bucket", "namespace", "region"},
		Credential: []string{"customer_access_key_id", "customer_secret_key"},
	},
	S3Compatible: {
		Structural: []string{"bucket", "endpoint", "region"},
		Credential: []string{"access_key_id", "secret_access_key"},
		Optional:   []string{"use_path_style"},
	},
}

// Fields gives the parameters of the type, and false for an unknown type. The
// lists are the caller's own.
func (t Type) Fields() (Fields, bool) {
	f, ok := fieldsOf[t]
	return Fields{
		Structural: slices.Clone(f.Structural),
		Credential: slices.Clone(f.Credential),
		Optional:   slices.Clone(f.Optional),
	}, ok
}

// Types lists the known types, sorted.
func Types() []Type { return slices.Sorted(maps.Keys(fieldsOf)) }
