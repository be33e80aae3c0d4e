// Package google reads secrets from Google Cloud Secret Manager.
//
// A secret is named as the console and gcloud show it, with the project's id or
// its number, and with a location if it is a regional one:
//
//	projects/my-project/secrets/planet-gcs
//	projects/my-project/locations/europe-west3/secrets/planet-gcs
//
// The two are different secrets, which live behind different endpoints. Answers
// and events name the project by its number whatever the question said; the
// first answer about a project teaches which number is its.
//
// # Which version is current
//
// Versions are numbered from 1 on, without gaps, and each is enabled, disabled
// or destroyed. The current one is the highest that is enabled. So what Google
// calls "latest", the newest whatever its state, is of no use, and a rollback is
// to disable what is newer.
//
// Only the access to a version by its number is strongly consistent. A list may
// show for minutes what was before: without the newest version, or with one as
// enabled that no longer is. So a list is taken for a hint. While it shows on
// top the version that was current before, nothing has changed, and that one
// call is all that a look costs. Whatever else is to become current, higher or
// lower, is asked for by its number first:
//
//   - a version that the list shows and we don't know is current if it is
//     enabled by its own account;
//   - a version that we know and the list doesn't show goes on to be current
//     until its own account says that it is disabled or destroyed. Then those
//     below it are tried in turn;
//   - one that an event speaks of ([Provider.CurrentAfter]) is looked up
//     whatever the list shows, and looked for again for some seconds if it is
//     not there yet;
//   - and a process that knows nothing yet looks whether there are numbers
//     above the list, for the very first list may lag, too.
//
// A rotation costs one list, one look at the new version, and one access to its
// value. Google charges for the last only.
//
// The secret's own times, its expiry and the next rotation, come from GetSecret,
// once in ten minutes. That needs secretmanager.secrets.get; without it they
// are not shown, and nothing else is missing.
//
// [Provider.Mark] is the one thing that writes, for who wants it: the number of
// the version that is in use, as an annotation of the secret.
//
// # Permissions
//
// secretmanager.versions.list and secretmanager.versions.get, which
// roles/secretmanager.viewer has, and secretmanager.versions.access, which
// roles/secretmanager.secretAccessor has; each on the secret alone if wanted.
// [Provider.Missing] tells which are lacking.
//
// # Credentials
//
// Without Options.Credentials they are Application Default Credentials: the
// file that GOOGLE_APPLICATION_CREDENTIALS names (a service account key, or a
// configuration for workload identity federation), gcloud's own, or the
// metadata server, which is also how GKE's workload identity works. They are
// looked for when a secret is first asked for, and looked for anew after
// Google has refused them, so that a changed file is noticed. A service account
// key is exchanged for a token at its token_uri; so a key that was deleted is
// told from a permission that is missing. A quota project is taken from where
// Google's tools put it (GOOGLE_CLOUD_QUOTA_PROJECT, the file), and not asked
// for otherwise.
//
// # Where a value's bytes are
//
// gRPC reads an answer into buffers that are wiped when they are given back or
// else, if they are small, left to the garbage collector; TLS has one below
// that it overwrites with its next record. The message that is made of them
// holds a copy, which is handed on uncopied, and which the caller owns and
// clears. Its checksum (CRC32C) is compared before.
//
// Nothing of the SDK's is logged. It would write answers down, values included,
// if GOOGLE_SDK_GO_LOGGING_LEVEL said so, and gets a logger that throws them
// away; its telemetry is off. gRPC's own log and Go's dump of HTTP/2 frames
// have no contents of answers. Nor is one of the SDK's errors passed on: gRPC
// quotes pages of proxies, and a token service's answer may hold anything.
// Errors from here are made of Google's code, reason and message, and of our
// own words.
//
// A call that fails because the service is not available is made three times
// within half a second and then left to the engine, which has more patience.
// The SDK's own habit, to go on until the context ends, is switched off.
package google
