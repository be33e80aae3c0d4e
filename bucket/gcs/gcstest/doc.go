// Package gcstest is Google Cloud Storage in memory with its guards, for tests
// and demonstrations of things that use buckets.
//
// [Server] plays both sides of Google that a service account meets. The token
// endpoint verifies the signature of each statement against the public half
// of a registered key, its audience and its times, and gives out tokens; the
// storage side asks whether the token's account may do this to this bucket. So
// a key that was revoked, or that Google does not know yet, is really refused,
// an account can lack a single permission, and replacing an object needs the
// permission to delete it. A bucket can keep versions, have a retention policy,
// have its billing disabled or lie within a perimeter of VPC Service Controls.
// A token goes on working after its key was revoked, until it expires, as
// Google's do.
//
// Answers have the forms of Google's, as far as its documents and the public
// record of its answers show them: errors are JSON, but bare text for downloads.
// What is not documented is which permission Google names to somebody who may
// not list and asks for an object that is not there. This server names the one
// for the operation when reading and storage.objects.list when deleting;
// TellMissing lets it answer 404 to everybody.
//
// It listens on loopback, is an http.Handler, or serves an http.RoundTripper
// without any network, for use in testing/synctest bubbles. All its times are
// time.Now, so that it lives in virtual time there.
package gcstest
