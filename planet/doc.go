// Package planet is a Go client of Planet's Destinations API: the places to
// which Planet delivers orders and subscriptions, and whose credentials it
// keeps. It depends on the standard library, and on package credential for
// bytes that don't show themselves; it is worth importing alone.
//
//	client, err := planet.New(planet.Options{Auth: planet.APIKey(planet.KeyFromEnv(planet.EnvKey))})
//	…
//	answer, err := client.Modify(ctx, "demo-5aIp1K", planet.ModifyRequest{Parameters: params})
//	switch planet.OutcomeOf(err) { … }
//
// # Naming a destination
//
// People name destinations by id, by reference, or by either's suffix.
// [ParseRef] reads all of these, [Find] searches a list and says what may have
// been meant instead, [Client.Resolve] asks Planet, archived ones included.
//
// # What is repeated and what is not
//
// GETs are tried again after 429, 5xx and transport errors, with jitter and
// within bounds. Calls that change something are one request, never two, not
// even by net/http on a dead connection. What is known of such a call's effect
// is an [Outcome]: a time-out while Planet verifies credentials may still end
// in an accepted change, and the caller is told so rather than guessed for. A
// 2xx is accepted, even if the rest of the answer is cut or another object; not a
// whole answer that is no JSON, which something in between has given.
//
// # The rate limit
//
// Planet allows an account three requests a second over all endpoints. One
// [Limiter] an account, shared by all its clients, keeps to that as Planet
// counts, not as we send; 429 with Retry-After pauses everybody. A caller that
// must look at something at the last moment takes its turn first
// ([Limiter.Acquire], [WithTurn]); a person's request goes before background
// work ([Interactive]); a [Ledger] carries the memory over a restart.
//
// # Who depends on a destination
//
// [Client.Orders] and [Client.Subscriptions] make clients of the two APIs that
// deliver to destinations, to read and no more, each with a limiter of its own.
// A [Gatherer] makes a summary of them: what is running, what is open, what has
// failed since a moment and whether the credential seems to be why ([CauseOf]),
// for one destination or for all at once, within a bound on requests.
//
// # Secrets
//
// Keys come from the environment, a file that may be replaced at any time, or
// a value. Credentials are sent once and wiped. No error, log line, metric or
// String method holds either: an [*Error] has Planet's own message, looked
// through for what we had sent. Redirects are never followed, since they would
// carry credentials to a place that nobody chose.
//
// The facts about the API come from Planet's public documentation, its
// official Python SDK and the API's own schema. Where these are silent, the
// comments say "unknown", and the code is made for every answer.
package planet
