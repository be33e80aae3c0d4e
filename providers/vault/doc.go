// Package vault reads secrets from HashiCorp Vault and from OpenBao: from a KV
// secrets engine of version 2, the one that keeps versions.
//
// A secret is named by the engine's mount and by its path there, both as the
// command "vault kv get -mount=secret planet/s3" has them:
//
//	vault://secret/planet/s3
//
// The first segment is the mount. A mount of several segments is written with
// %2F, vault://team%2Fkv/planet/s3 is planet/s3 in team/kv/, because only Vault
// itself knows where a mount ends, and does not tell everybody. The server and
// the namespace are configured and no part of the name.
//
// # Versions
//
// KV numbers the versions of a secret; the number is the version's id here.
// [Provider.Current] reads MOUNT/metadata/PATH, which has no value in it, and
// names the newest version. If that one was deleted or destroyed, the secret
// has no current version, although older ones may be there: so sees it every
// reader of Vault, which answers 404 to who asks for the secret. A deletion that
// is still to come (delete_version_after) is when the version expires.
// "vault kv rollback" makes a new version of an older one.
//
// [Provider.Read] reads MOUNT/data/PATH?version=N and compares the answer's own
// number. The value is the JSON object that was written, with its keys and
// numbers as Vault sends them, whatever keys it has: one that is called "value"
// is not unwrapped.
//
// Vault answers 404 to all who ask for what can't be read. What is behind that
// (no secret, no such version, a deleted or destroyed one, an engine of version
// 1, a mount that ends elsewhere) is found out by a second and a third question,
// in that case alone.
//
// [Provider.Mark] is the one thing that writes, for who wants it: the number of
// the version that is in use, as custom metadata of the secret.
//
// Performance standbys of Vault Enterprise answer from a copy that may be
// behind. Numbers only grow, so that a lower one is repeated as the higher one
// for a minute, unless the secret was made anew meanwhile.
// [Provider.CurrentAfter] waits for a standby to know what an event told.
//
// # Tokens
//
// A token is given, or stands in a file that an agent keeps, read for each
// request; or it comes from a login through the auth method of Kubernetes. A
// login happens when a token is first needed, again when a fifth of its lease
// is left, and again when the server refuses the token. Nothing is renewed: a
// new login needs no more than the first one did.
//
// The variables VAULT_… of the environment, of which the SDK reads many, count
// for nothing here: they are for the vault command of a person. Whoever makes a
// Provider may hand some of them over.
//
// # Where a value's bytes are
//
// The answer with a value comes on a connection of its own over HTTP/1.1, closed
// afterwards: no idle connection keeps its buffer, and GODEBUG's dump of HTTP/2
// frames has nothing to dump. It is read into one buffer, which is cleared. The
// SDK decodes nothing of it and logs nothing. A token is a Go string, since the
// SDK wants one; strings can't be cleared. Redirects are not followed: the token
// would go with them. No error of the SDK's is passed on; those from here are
// made of the server's words and our own, and of the server's only where they
// don't have the token in them.
package vault
