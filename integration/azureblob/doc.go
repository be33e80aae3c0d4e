// Package azureblob holds bucket/azureblob against Azurite, Microsoft's own
// emulator of Azure Storage: the conformance suite, and what it answers to each
// sort of token that is not good enough. Where Azurite is known to answer
// otherwise than Azure, the test says so.
package azureblob
