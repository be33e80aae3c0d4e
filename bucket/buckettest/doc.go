// Package buckettest is an S3 server in memory that guards its buckets, for
// tests and demonstrations of things that use buckets.
//
// [Server] is to a bucket what net/http/httptest is to a web site. The storing
// is done by gofakes3, which believes everybody; in front of it stands an
// access control of ours which verifies Signature Version 4 by signing each
// request again, and then asks whether this key may do this to this bucket. So
// wrong keys are really refused, a key can lack a single permission, be revoked
// or take a while to become known, and a GET of what is not there answers 403
// to those who may not list, as Amazon does. It listens on loopback or serves
// an http.RoundTripper without any network, for use in testing/synctest
// bubbles. All its times are time.Now, so that it lives in virtual time there.
package buckettest
