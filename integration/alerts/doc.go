// Package alerts holds rotatord's alerting rules against Prometheus itself and
// against the real daemon.
//
// The rules are in helm/rotatord/files/rules, and nowhere else. Three things are
// asked of them here:
//
//   - promtool reads them, and runs the unit tests in testdata: each asks which
//     alerts fire at a moment, of all that there are, so that an alert which
//     fires beside the one that is meant is found as well.
//   - Every metric, label and word in them is documented; every state, condition
//     and reason of the store has an alert, or stands in a list that says why
//     not; every alert has its runbook, whose commands exist.
//   - Daemons are driven into every state, and a Prometheus with these rules, all
//     of their times shortened by one factor, has to fire each alert, and to
//     resolve it once the cause is mended. Three stories run beside each other,
//     since some times of the daemon's own are minutes: driveTheWorld,
//     driveThePatient, driveTheStore.
//
// docs/alerts.md has the table of all alerts. "go test ./alerts -update" writes
// it anew.
package alerts
