package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ReloadState is how it stands with the configuration.
type ReloadState struct {
	OK     bool      // the last reading succeeded, or there was none since the start
	Loaded time.Time // when the one in force was loaded
	// Succeeded and Failed count the times that it was read anew.
	Succeeded, Failed int
}

// reload shows whether the configuration on disk is the one in force, in the
// names that Prometheus and Alertmanager use of theirs.
type reload struct {
	state                  func() ReloadState
	successful, at, result *prometheus.Desc
}

func newReload(o Options) []prometheus.Collector {
	if o.Reload == nil {
		return nil
	}
	return []prometheus.Collector{&reload{
		state: o.Reload,
		successful: prometheus.NewDesc("rotatord_config_last_reload_successful",
			"1 if the configuration could be read when that was last tried, 0 while one from before is in force.", nil, nil),
		at: prometheus.NewDesc("rotatord_config_last_reload_success_timestamp_seconds",
			"When the configuration that is in force was loaded.", nil, nil),
		result: prometheus.NewDesc("rotatord_config_reloads_total",
			"Times that the configuration was read anew since the start, by how that ended.", []string{"result"}, nil),
	}}
}

// Describe implements prometheus.Collector.
func (r *reload) Describe(ch chan<- *prometheus.Desc) {
	ch <- r.successful
	ch <- r.at
	ch <- r.result
}

// Collect implements prometheus.Collector.
func (r *reload) Collect(ch chan<- prometheus.Metric) {
	s := r.state()
	gauge(ch, r.successful, yes(s.OK))
	when(ch, r.at, s.Loaded)
	send(ch, r.result, prometheus.CounterValue, float64(s.Succeeded), "success")
	send(ch, r.result, prometheus.CounterValue, float64(s.Failed), "failure")
}
