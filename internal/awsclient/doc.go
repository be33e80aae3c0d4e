// Package awsclient is what our adapters for Amazon's services have in common: how
// requests are carried, where the key that signs them comes from, and what it means
// when they fail.
//
// Adapters do not import each other, and what they would otherwise each write is
// just what should not differ: an operator who has put right the profile for
// the secrets should read the same words about the one for the queue, and a hole
// through which a session token gets into a log should be closed once.
//
// # Carrying
//
// [Load] builds the SDK's default chain (environment, shared files and SSO, a
// web identity, EKS pod identity or ECS, the instance profile) and gives an
// [Access]: a configuration to make clients of a service from, and a Carrier of
// package httpclient with clients of two kinds: those for answers without secrets,
// and those for values and for keys of roles, where each answer has a connection of
// its own. Nothing of the SDK's is logged, whatever environment and shared
// configuration say.
//
// # Keys
//
// Loading makes few requests or none. Keys are asked for when a request wants one,
// by a [KeySource]: the chain is one, and a role that is assumed with the chain's
// key is another ([Access.Assume]). It knows afterwards where its key came from
// ([KeySource.Origin]), which is what one needs to hear when AWS refuses it. The SDK
// reads some sources once only. So who is told that a failure is to be answered with
// a renewal ([Failure].Renew, or a [Refusal] of kind [Denied]) drops the Access and
// loads another.
//
// # Failures
//
// None of the SDK's errors is passed on as it is: they quote answers, lines of
// configuration, and for a refused signature all that should have been signed,
// the session token included. There are three questions to ask of one, in this
// order. [OfCredentials]: was there no key to sign with? [RefusalOf]: did AWS
// answer in words, and what is to be kept of them? And if neither, [Unspoken]
// says in fixed words what came instead of an answer. [Kind] is a small closed
// set for what is the same everywhere. What a service says in its own vocabulary,
// that there is no such queue, that a version has gone, is [Other] here:
// only the adapter knows that vocabulary, and the one of its contract.
package awsclient
