// Package azure reads secrets from Azure Key Vault.
//
// A secret is named by its URL, as the portal shows it, without a version:
//
//	https://my-vault.vault.azure.net/secrets/planet-azure
//
// The vaults of China (vault.azure.cn) and of the US government
// (vault.usgovcloudapi.net) are named likewise, and so is a vault that is
// reached by a private endpoint: it keeps its name, only DNS leads elsewhere. A
// URL with a version behind the name is refused, since it would never rotate.
// Key Vault takes no notice of case in names, and neither does [Provider.Same].
//
// # Which version is current
//
// [Provider.Current] lists the properties of the secret's versions, which has no
// values in it, page after page: 25 versions a request. The current version is the
// newest one that is enabled and whose "not before" has passed; newest by its
// time of creation. The list is asked for, and not the secret
// without a version, since that answers with the value, and with a refusal while
// the newest version is disabled. Only where several versions were made within
// one second, of which the list does not show the order, is the secret itself
// asked for, once, to see which one Key Vault calls the newest; the value is
// dropped. If that can't tell either, the ids decide.
//
// Key Vault itself takes "not before" and "expires" as notes to the reader and
// hands such versions out. A version whose "not before" lies ahead is left alone
// until then by our clock; that moment is reported as the NextRotation of the
// version before it, and any look after it finds the change, though no event
// announces it. A version that has expired remains current, with its Expires:
// replacing it by an older one would help nobody.
//
// Single versions can't be deleted, and each change of one moves its date of
// change forward. So a list without a change that was seen before comes from a
// replica that is behind, after a failover say: the answer before is repeated
// for up to a minute. Going back is done by disabling the newest version, and
// is reported at once. [Provider.CurrentAfter] asks again for some seconds
// until the list has the version that an event speaks of.
//
// [Provider.Read] gets one version by its id, and compares the id in the answer.
// So a rotation costs one list and one get. Only when a get is refused is there
// one more list, to tell a version that is gone from a secret that is.
//
// [Provider.Mark] is the one thing that writes, for who wants it: a tag on the
// version that is in use.
//
// # Permissions
//
// In a vault with role-based access the role "Key Vault Secrets User" has both
// actions that are needed: Microsoft.KeyVault/vaults/secrets/readMetadata/action
// to list and .../getSecret/action to read. In a vault with access policies they
// are the secret permissions List and Get.
//
// # Credentials
//
// Without Options.Credential they come from the SDK's DefaultAzureCredential:
// environment, workload identity, managed identity, Azure CLI and its siblings;
// AZURE_TOKEN_CREDENTIALS narrows that down. It is built when a secret is first
// asked for, and built anew after it had nothing to give or a vault has refused
// its token. (Tokens of a managed identity the SDK keeps for the whole process
// even so, until shortly before they expire.) The metadata service of a machine is given a second to show that
// it is there; the command-line tools have ten. AZURE_AUTHORITY_HOST says which
// Entra is asked, and without it the vault's own domain does.
//
// A token is sent only to a vault's own name over TLS, and only after the vault
// has asked for one that is meant for its own domain; a link to a next page
// can't change that. Redirects are not followed.
//
// # Where a value's bytes are
//
// The answer with a value comes on a connection of its own, closed afterwards,
// over HTTP/1.1: no idle connection keeps its buffer, and GODEBUG's dump of
// HTTP/2 frames has nothing to dump. Answers with tokens do too. The SDK reads
// the answer into a buffer, and makes a Go string of the value; neither can be
// cleared from here. That string is copied once into the bytes that the caller
// owns and clears, and dropped.
//
// The SDK writes to standard error if AZURE_SDK_GO_LOGGING says so: requests and
// answers without their bodies and without the Authorization header, and errors,
// which may quote an answer. Bodies are never turned on here, and errors about
// tokens are replaced by fixed words before the SDK sees them. None of its errors
// is passed on either: those from here are made of Azure's codes and message, and
// our own words.
package azure
