// Package aws reads secrets from AWS Secrets Manager.
//
// A secret is named by its ARN, as the console shows it:
//
//	arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3-a1b2c3
//
// The ARN says everything that a request needs to know: the region to ask in,
// the account, and with it the role to assume, if one is configured for that
// account. Its last seven characters, a hyphen and six that Amazon drew, may be
// left out; then the name goes on to be right if the secret is deleted and made
// anew. A name that itself ends in a hyphen and six characters needs its whole
// ARN, since Amazon takes those for the suffix. Plain names are refused, for
// they mean another secret in each region and account.
//
// # Versions and labels
//
// Secrets Manager keeps versions and puts labels on them. AWSCURRENT is on the
// one that counts. "?stage=LABEL" behind an ARN follows another label instead.
// AWSPENDING can't be followed: it is on a version that a rotation has not
// finished and maybe not even filled.
//
// [Provider.Current] asks DescribeSecret, which names the version under each
// label, decrypts nothing and needs no KMS key. A version is current if it has
// the label, whatever other labels it has: a rotation that has ended well may
// leave AWSPENDING beside AWSCURRENT, and one that died leaves AWSPENDING on a
// version without a value. [Provider.Read] asks GetSecretValue for a version id
// and never for a label, so that it reads what was decided on even if the label
// has moved meanwhile; the answer's own version id is compared.
//
// That is all: one DescribeSecret to ask, one GetSecretValue to read.
// DescribeSecret has no date of a single version, so Version.Created is the
// date of the secret's last change when the version was first seen current:
// when it became so, unless something else was changed before we looked.
//
// [Provider.Mark] is the one thing that writes, for who wants it: it moves a
// label of its own to the version that is in use.
//
// Reads are eventually consistent. A read that is older than one before, by the
// secret's date of change, is a replica's that lags behind: the newer answer is
// repeated. A label that moves back moves that date forward, and so a rollback
// is reported at once. Shortly after an event the very first read may still show
// the version before: [Provider.CurrentAfter] asks again for some seconds until
// it sees the version that the event speaks of; without it the next look of the
// schedule puts it right.
//
// # Credentials
//
// Without Options.Credentials they come from the SDK's default chain:
// environment, shared files and SSO, a web identity (IRSA), EKS pod identity or
// ECS, the instance profile. The chain is built when a secret is first asked
// for, and built anew after AWS has refused its key, so that a changed file is
// noticed. One client is kept a region and role.
//
// # Where a value's bytes are
//
// The answer to GetSecretValue comes on a connection of its own, closed
// afterwards, over HTTP/1.1: no idle connection keeps its buffer, and GODEBUG's
// dump of HTTP/2 frames has nothing to dump. The SDK reads the answer into a
// buffer, which it keeps in a pool until its next answer overwrites it, and
// makes a Go string of a text value; neither can be cleared from here. That
// string is copied once into the bytes that the caller owns and clears, and
// dropped. A binary value arrives in bytes, which are handed on uncopied.
//
// Nothing of the SDK's is logged: its log mode is fixed to nothing and its logger
// thrown away, whatever environment and shared configuration say. Nor is one of
// its errors passed on: some carry a piece of the answer. Errors from here are
// made of AWS's code and message, our own words, and the request id that
// AWS's support asks for.
package aws
