// Package vaulttest is a Vault in memory, for tests of things that read secrets
// from it. It has KV engines of version 2 (and of version 1, which keeps no
// versions), tokens with policies and leases, namespaces, the auth method of
// Kubernetes, and what of sys/ a reader meets.
//
// [Server] speaks Vault's HTTP API to the real SDK, and words its refusals as
// Vault does: what can't be found, was deleted, or is not permitted has to be
// told apart by them. A request without the header X-Vault-Request is refused,
// as by a Vault Agent with require_request_header, since the SDK promises to
// send it.
//
// A test does to secrets what their owner would through methods of Server,
// which pass all access control; a rotation job may write through the API.
// Other methods make it misbehave: throttle, break down, hang, seal itself, fall
// behind as a performance standby does, point elsewhere as a standby does.
//
// It listens on loopback with TLS ([Server.StartTLS]) or serves an
// http.RoundTripper without any network. All its times are time.Now, so that it
// lives in virtual time inside testing/synctest.
package vaulttest
