// Package azureblobtest is a small Azure Blob Storage in memory, for tests: put,
// get with a range, delete and list of block blobs with a shared access
// signature, which is checked as Azure checks it. The signature is computed
// anew with the account's keys, for service SAS of a container and for account
// SAS; then come time, address, protocol, stored access policy, service,
// resource type and permission, each with the error code and the words that
// Azure has for it. Azurite, Microsoft's emulator, differs from Azure in some of
// these: integration/azureblob has it.
//
// User delegation SAS, snapshots, versions, leases and everything else are left
// out. Server.RoundTripper serves without a network, for testing/synctest.
package azureblobtest
