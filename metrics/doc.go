// Package metrics is where Prometheus sees rotatord. No other package imports
// a Prometheus library, so that everything else can be read, tested and reused
// without it.
//
// What it shows has two origins. The first is the store. How a destination
// stands, who depends on it, what was found of a secret is not counted up while the daemon runs but read from the durable
// records at the moment of the scrape. A daemon that was restarted a second
// ago shows what it showed before, with the same time stamps and the same
// totals, and no alert blinks because of an upgrade. What can't be read is not
// shown: there is no cache that could go on saying "in sync" over a store that
// nobody can open. rotatord_store_up is 0 then, and the series of the store
// end, which is what an alert should see.
//
// The second is what happens in passing and is written down nowhere: how long
// steps take, what Planet answers, who waits for a turn, which events came,
// who was told of what. Packages report these through plain functions
// ([StepObserver], [Metrics.PlanetObserver], [Metrics.TurnObserver],
// [Metrics.Event], [Metrics.Announcement], [Metrics.Mark]) that know nothing of
// Prometheus.
//
// # Labels
//
// A time series database is brought down by labels without bound, so there are
// none. A label's value is a name from the configuration or a word of a closed
// set; whatever else comes is counted as "other". A record of a destination
// that is no longer configured is not shown, nor is a receipt of such a secret.
// Versions are labels of _info metrics only, one series a destination or
// secret. An absent word is
// spelled "none", since Prometheus can't tell an empty label from a missing one.
//
// # Times, reasons
//
// Times are shown as the moment at which something happened and never as an
// age, which would be wrong as soon as it was scraped. A moment that is not
// known has no series: 0 would make it 1970, and an alert on age would fire.
//
// A condition is such a word too, but several may hold at once: what is wrong
// with a destination, or soon will be, is independent of how its rotation goes.
// It is worked out at the scrape, since some begin by mere lapse of time.
//
// A state has one series for each of its words, one of them 1, so that
// "state is held" is a plain query and an alert resolves by a 0. A reason, of
// which there are many, has exactly one series a destination, the one that
// holds now or "none". Every destination has one, so a join that brings the
// reason into an alert's labels never loses a row:
//
//	rotatord_destination_state{state="held"} == 1
//	  and on (destination) … * on (destination) group_left (reason) rotatord_destination_state_reason
//
// docs/metrics.md lists every metric. A test compares it with what is exported.
package metrics
