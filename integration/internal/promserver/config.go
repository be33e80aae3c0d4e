package promserver

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// configure writes the configuration and the rules, and gives the file of the
// first. JSON is YAML, so that nothing has to be quoted by hand.
func (s *Server) configure(dir string, o Options) (string, error) {
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o700); err != nil {
		return "", err
	}
	for name, text := range o.Rules {
		if err := os.WriteFile(filepath.Join(rules, filepath.Base(name)), text, 0o600); err != nil {
			return "", err
		}
	}
	files := []string{filepath.Join(rules, "*")}
	if o.Dir != "" {
		more, err := filepath.Abs(o.Dir)
		if err != nil {
			return "", err
		}
		files = append(files, filepath.Join(more, "*.yaml"))
	}
	var scrapes []map[string]any
	for i, target := range o.Targets {
		u, err := locate(target)
		if err != nil {
			return "", err
		}
		s.targets = append(s.targets, u.Host)
		scrapes = append(scrapes, map[string]any{
			"job_name": fmt.Sprintf("%s-%d", o.Job, i), "scheme": u.Scheme, "metrics_path": u.Path,
			"static_configs": []any{map[string]any{"targets": []string{u.Host}, "labels": map[string]string{"job": o.Job}}},
		})
	}
	text, err := json.MarshalIndent(map[string]any{
		"global": map[string]any{
			"scrape_interval":     o.ScrapeEvery.String(),
			"scrape_timeout":      o.ScrapeEvery.String(), // no longer than the interval is allowed
			"evaluation_interval": o.EvaluateEvery.String(),
		},
		"rule_files":     files,
		"scrape_configs": scrapes,
	}, "", " ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "prometheus.yml")
	return path, os.WriteFile(path, text, 0o600)
}

// locate reads "127.0.0.1:9090" as well as a URL; /metrics where no path is given.
func locate(target string) (*url.URL, error) {
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", target, err)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return nil, fmt.Errorf("target %s: %w", target, err)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	return u, nil
}
