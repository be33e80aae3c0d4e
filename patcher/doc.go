// Package patcher turns one version of a secret into the credential
// parameters of a Planet Destination, and sends them in one PATCH.
//
// # From bytes to a credential
//
// People keep the same two keys in a dozen shapes: the JSON that a rotation
// function writes, a directory that Kubernetes mounts, a service account file
// in base64 because some tool wanted one line. [Make] reads them all. A secret
// is a JSON object, or, for the types that have a single field, just the bytes.
// A byte order mark and white space around either are ignored; editors and
// "echo" put them there.
//
// Each field is found by its own well-known names at the top level of the
// object, without regard to case and to the separators "_", "-", "." and
// space: AWS_ACCESS_KEY_ID, accessKeyId and access-key-id are one name. These
// are the names, in the order in which they are documented to users; those in
// brackets are too common to be trusted beside a better one and are looked at
// only when none of the others is there:
//
//	amazon_s3
//	  aws_access_key_id       aws_access_key, access_key_id, access_key
//	  aws_secret_access_key   aws_secret_key, secret_access_key, secret_key
//	google_cloud_storage
//	  credentials             credentials_json, google_credentials, google_application_credentials,
//	                          google_application_credentials_json, gcp_credentials, service_account,
//	                          service_account_json, service_account_key, service_account_key_json,
//	                          private_key_data, key_json, [private_key, key]
//	azure_blob_storage
//	  sas_token               sas, azure_sas_token, azure_storage_sas_token,
//	                          shared_access_signature, [token]
//	oracle_cloud_storage
//	  customer_access_key_id  customer_access_key, access_key_id, access_key, aws_access_key_id, [id]
//	  customer_secret_key     secret_key, secret_access_key, aws_secret_access_key, [key]
//	s3_compatible
//	  access_key_id           access_key, aws_access_key_id, aws_access_key, s3_access_key_id, s3_access_key
//	  secret_access_key       secret_key, aws_secret_access_key, aws_secret_key, s3_secret_access_key, s3_secret_key
//
// An object that is itself a service account file is taken whole. Nothing is
// guessed below the top level: a secret that nests its keys needs a [Mapping],
// which names them by JSON Pointer. Two well-known names that hold different
// values are an error, because to choose one would be to guess which key is
// the new one.
//
// # What is checked
//
// Every check here is one that Planet's own check or a bucket would make much
// later and explain much worse. Access keys and secrets lose white space at
// both ends (no key has any) and are refused when empty, swapped, equal, a
// placeholder, or temporary. A SAS token loses one leading "?" and otherwise
// goes to Planet byte for byte; a full https URL gives its query, since the
// part after "?" is exactly the token. It needs read, write, delete and list
// on a container, and a life that has begun and not ended. A service account
// file must parse down to its RSA key and becomes one line of standard base64.
// The JSON inside keeps its bytes (only the space around it goes): Planet
// documents the file as gcloud writes it, and rewriting somebody's JSON to
// save a few blanks could only ever lose something.
//
// All problems of a secret are reported together, each an [*Error] with a
// reason from a closed set. No error quotes a byte of a value: encoding/json,
// net/url, strconv and time all quote their input, so none of their errors is
// ever wrapped.
//
// # One PATCH
//
// [Push] sends exactly the credential fields of the type, once, and compares
// everything that it did not mean to change before and after. Whether to try
// again is for the caller to decide.
//
// # Copies of secret bytes
//
// Everything here works in []byte and zeroes its intermediate buffers before
// it returns. What remains out of reach: the big integers that crypto/x509
// makes of a service account's RSA key while it is checked (those that can be
// reached are zeroed, the ones precomputed inside crypto/rsa cannot be), and
// the times and permission letters of a SAS, which are no secret, as strings.
// The PATCH body is cleared after the call; what net/http and TLS copied of it
// is beyond us.
package patcher
