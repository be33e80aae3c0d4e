package promserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Sample is a value of one series, or a scalar without labels.
type Sample struct {
	Labels map[string]string // __name__ among them, where the expression leaves it
	Value  float64
	Time   time.Time
}

// Series is one series over a time.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Point is one value of a series.
type Point struct {
	Time  time.Time
	Value float64
}

// Alert is an alert that is pending or firing. One that is neither is not
// listed.
type Alert struct {
	Name        string
	State       string            // "pending" or "firing"
	Labels      map[string]string // alertname among them
	Annotations map[string]string
	Since       time.Time
	Value       float64
}

// Target is something that is scraped.
type Target struct {
	Instance string // HOST:PORT
	Health   string // "up", "down", or "unknown" before the first scrape
	Error    string // of the last scrape
}

// Query evaluates an expression now.
func (s *Server) Query(ctx context.Context, expression string) ([]Sample, error) {
	var found struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := s.get(ctx, "/api/v1/query", url.Values{"query": {expression}}, &found); err != nil {
		return nil, fmt.Errorf("query %s: %w", expression, err)
	}
	switch found.ResultType {
	case "vector":
		var all []struct {
			Metric map[string]string `json:"metric"`
			Value  point             `json:"value"`
		}
		if err := json.Unmarshal(found.Result, &all); err != nil {
			return nil, fmt.Errorf("query %s: %w", expression, err)
		}
		samples := make([]Sample, 0, len(all))
		for _, one := range all {
			samples = append(samples, Sample{Labels: one.Metric, Value: one.Value.Value, Time: one.Value.Time})
		}
		return samples, nil
	case "scalar":
		var one point
		if err := json.Unmarshal(found.Result, &one); err != nil {
			return nil, fmt.Errorf("query %s: %w", expression, err)
		}
		return []Sample{{Value: one.Value, Time: one.Time}}, nil
	default:
		return nil, fmt.Errorf("query %s: its result is a %s", expression, found.ResultType)
	}
}

// Range evaluates an expression at each step of a time.
func (s *Server) Range(ctx context.Context, expression string, from, to time.Time, step time.Duration) ([]Series, error) {
	var found struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
			Values []point           `json:"values"`
		} `json:"result"`
	}
	err := s.get(ctx, "/api/v1/query_range", url.Values{"query": {expression},
		"start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}}, &found)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expression, err)
	}
	all := make([]Series, 0, len(found.Result))
	for _, one := range found.Result {
		series := Series{Labels: one.Metric}
		for _, p := range one.Values {
			series.Points = append(series.Points, Point(p))
		}
		all = append(all, series)
	}
	return all, nil
}

// LabelValues lists the values of a label in the series that a selector names.
func (s *Server) LabelValues(ctx context.Context, label, selector string) ([]string, error) {
	var values []string
	err := s.get(ctx, "/api/v1/label/"+url.PathEscape(label)+"/values", url.Values{"match[]": {selector}}, &values)
	return values, err
}

// Alerts lists the alerts that are pending or firing.
func (s *Server) Alerts(ctx context.Context) ([]Alert, error) {
	var found struct {
		Alerts []struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
			State       string            `json:"state"`
			ActiveAt    time.Time         `json:"activeAt"`
			Value       string            `json:"value"`
		} `json:"alerts"`
	}
	if err := s.get(ctx, "/api/v1/alerts", nil, &found); err != nil {
		return nil, err
	}
	all := make([]Alert, 0, len(found.Alerts))
	for _, a := range found.Alerts {
		value, err := strconv.ParseFloat(a.Value, 64)
		if err != nil {
			return nil, fmt.Errorf("value of alert %s: %w", a.Labels["alertname"], err)
		}
		all = append(all, Alert{Name: a.Labels["alertname"], State: a.State, Labels: a.Labels,
			Annotations: a.Annotations, Since: a.ActiveAt, Value: value})
	}
	return all, nil
}

// Targets lists what is scraped.
func (s *Server) Targets(ctx context.Context) ([]Target, error) {
	var found struct {
		Active []struct {
			Labels    map[string]string `json:"labels"`
			Health    string            `json:"health"`
			LastError string            `json:"lastError"`
		} `json:"activeTargets"`
	}
	if err := s.get(ctx, "/api/v1/targets", url.Values{"state": {"active"}}, &found); err != nil {
		return nil, err
	}
	all := make([]Target, 0, len(found.Active))
	for _, one := range found.Active {
		all = append(all, Target{Instance: one.Labels["instance"], Health: one.Health, Error: one.LastError})
	}
	return all, nil
}

// RuleErrors gives what is wrong with rules, by the rule's name.
func (s *Server) RuleErrors(ctx context.Context) (map[string]string, error) {
	var found struct {
		Groups []struct {
			Rules []struct {
				Name      string `json:"name"`
				LastError string `json:"lastError"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := s.get(ctx, "/api/v1/rules", nil, &found); err != nil {
		return nil, err
	}
	wrong := map[string]string{}
	for _, g := range found.Groups {
		for _, r := range g.Rules {
			if r.LastError != "" {
				wrong[r.Name] = r.LastError
			}
		}
	}
	return wrong, nil
}

// point is a pair of a time and a number in quotes.
type point Point

// UnmarshalJSON implements json.Unmarshaler.
func (p *point) UnmarshalJSON(text []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(text, &[2]any{&at, &value}); err != nil {
		return err
	}
	number, err := strconv.ParseFloat(value, 64)
	p.Time, p.Value = time.UnixMilli(int64(at*1000)), number
	return err
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// get asks the API, or with nil for into only whether the status is 200.
func (s *Server) get(ctx context.Context, path string, query url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	// A transport of its own leaves no connection behind.
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if into == nil {
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d: %s", res.StatusCode, text)
		}
		return nil
	}
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("status %d: %w: %s", res.StatusCode, err, text)
	}
	if answer.Status != "success" {
		return fmt.Errorf("status %d: %s", res.StatusCode, answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}
