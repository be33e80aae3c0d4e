// Package observe tries the dashboards of helm/rotatord/files/dashboards: the
// real rotatord runs as a process against `rotatord simulator`, bucket servers
// and files as secrets, a real Prometheus scrapes it, and each query of each
// panel is asked of that Prometheus. There is no Grafana here: what only Grafana
// could tell is checked as far as the JSON shows it.
//
// The same world is there for two other strangers: one who reads the API by its
// OpenAPI document and nothing else, and one who searches all that rotatord
// writes, serves, sends and prints for every secret that it was given.
//
// There is nothing to import.
package observe
