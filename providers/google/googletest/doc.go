// Package googletest is a Google Cloud Secret Manager in memory, with a small
// token service beside it, for tests of things that read secrets.
//
// [Server] speaks the API's own gRPC over TLS to the real SDK. It wants a
// bearer token that it has issued itself: its token service takes the assertion
// that a service account key signs ([Server.KeyFile] gives such a key, in the
// form that Google's console downloads), checks the signature, and issues one.
// It keeps versions, their numbers and states by the rules of the real one: a
// version that is destroyed stays so, "latest" is the newest whatever its state,
// and every answer names the project by its number whatever the question said.
// Its refusals are worded as Google words them and carry the same details, since
// telling those apart is what a client has to do.
//
// A test does to secrets what their owner would, either through the API (a
// rotation job) or through the methods of Server, which pass all access
// control. Other methods make it misbehave: throttle, break down, hang, cut
// connections, deny, corrupt values, and lag behind, which in Google's case
// means lists and "latest" and for moments a version's metadata, and never the
// access to a version by its number.
//
// It listens on loopback ([Server.Start]) or on a network in memory
// ([Server.StartInMemory], [Server.Dial]), for use in testing/synctest bubbles.
// All its times are time.Now, so that it lives in virtual time there. It answers
// for every location: the name of a secret says which is meant.
package googletest
