// Package awstest is an AWS Secrets Manager in memory, with a small STS beside
// it, for tests of things that read secrets.
//
// [Server] speaks Secrets Manager's JSON 1.1 to the real SDK. It verifies
// Signature Version 4 by signing each request again, so that a wrong key, a
// wrong region and a changed body are really refused; it keeps versions and
// staging labels by the rules of the real one; and it words its refusals as
// Amazon does, since telling those apart is what a client has to do. AssumeRole
// and AssumeRoleWithWebIdentity of STS give temporary keys that it then knows.
//
// A test does to secrets what their owner would, either through the API with a
// key that may (a rotation job), or through the methods of Server, which pass
// all access control. Other methods make it misbehave: throttle, break down,
// hang, lag behind, deny, lose a key of KMS, leave AWSPENDING where a rotation
// died.
//
// It listens on loopback ([Server.Start]) or serves an http.RoundTripper without
// any network, for use in testing/synctest bubbles. All its times are time.Now,
// so that it lives in virtual time there. It answers for every region and for
// every account: an ARN says which is meant, and a request has to be signed for
// its region.
package awstest
