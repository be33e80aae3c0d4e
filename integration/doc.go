// Package integration holds rotatord against servers that are too heavy for
// its own go.mod: what is found here is what a real S3 gateway says to real
// keys, and what a broken network does. It is a module of its own, so that
// nobody who builds rotatord downloads them.
//
//	cd integration && go test ./...
//
// needs nothing but Go, and Node.js for Azurite and for the package azure below.
// The other servers of this package run in the test's own process: versitygw with its IAM service,
// whose users, keys and policies are made, changed and revoked through IAM's API,
// and toxiproxy, which delays, cuts and resets connections between the two.
//
// The matrix asks about everything that can be wrong with a bucket or its
// credential, for each of Planet's five kinds, and holds docs/probe-matrix.md
// against the answers; "make probe-matrix" writes it anew.
//
// The tests of the chain put everything together. A rotation job makes a key
// in IAM and puts it into a Secrets Manager (providers/aws/awstest); rotatord,
// built by internal/app from a configuration, finds it there through AWS's SDK,
// tries it on the gateway and gives it to Planet's simulator, which verifies it
// on the gateway as Planet does; then the job deletes the old key. Meanwhile
// deliveries are made with whatever key Planet holds.
package integration
