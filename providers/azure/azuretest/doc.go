// Package azuretest is an Azure Key Vault with the Microsoft Entra beside it,
// in memory, for tests of things that read secrets.
//
// [Server] speaks the secrets part of Key Vault's data plane to the real SDK,
// over real TLS. It answers a request without a good token with the same
// challenge that Key Vault gives; its Entra has the discovery documents and the
// token endpoint that the SDK's credentials look for, for client secrets and
// for the federated tokens of workload identity, and an instance metadata
// service gives tokens to a managed identity. A token is good for one audience
// and one tenant, until it expires, and the vaults check all three. Refusals
// are worded as Microsoft words them, since telling those apart is what a
// client has to do.
//
// [Server.Transport] is the way there: it connects every name of Azure's that
// the server plays to loopback, with a certificate for that name, and fails as
// DNS does for a vault that does not exist. So names in tests are those of
// production, and everything that the SDK verifies about them is verified.
// [Server.RoundTripper] does the same without a network, for testing/synctest
// bubbles; all times are time.Now, so that the server lives in virtual time
// there.
//
// A test does to secrets what their owner would through the methods of Server,
// which pass all access control: set, disable, date, delete, recover, restore.
// Other methods make it misbehave: throttle, break down, hang, cut, lag behind,
// deny, close the firewall, answer about something else.
package azuretest
