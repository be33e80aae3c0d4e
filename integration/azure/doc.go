// Package azure holds the transports for Azure's queues against servers that
// answer as Azure does: Azurite, Microsoft's own emulator of Storage, and a
// Service Bus namespace (integration/node/servicebus.js) on rhea, an AMQP 1.0
// library that is not the one of the SDK.
//
// Both run on Node.js. scripts/node-servers installs what they need once, and
// says what to install where Node.js is missing.
//
// Between a transport and its server there is a wire that can be cut, so that a
// process dies for the server at a moment of the test's choosing.
package azure
