// Package integration holds rotatord against servers that are too heavy for
// its own go.mod: what is found here is what a real S3 gateway says, and what
// a broken network does. It is a module of its own, so that nobody who builds
// rotatord downloads them.
//
//	cd integration && go test ./...
//
// needs nothing but Go. The servers run in the test's own process: versitygw,
// whose bucket policies bind the users that the tests sign as, and toxiproxy,
// which delays, cuts and resets connections between the two.
package integration
