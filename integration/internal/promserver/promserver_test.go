package promserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/integration/internal/promserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rules = `
groups:
  - name: test
    rules:
      - alert: ValueHigh
        expr: test_value > 5
        labels: {severity: page}
        annotations: {summary: "it is {{ $value }}"}
      - record: test_value:double
        expr: 2 * test_value
`

// exporter is a target whose one value can be set.
func exporter(t *testing.T) (address string, value *atomic.Int64) {
	value = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = fmt.Fprintf(w, "test_value{colour=\"red\"} %d\ntest_value{colour=\"blue\"} NaN\n", value.Load())
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), value
}

func TestAPrometheusScrapesEvaluatesFiresAndResolves(t *testing.T) {
	address, value := exporter(t)
	value.Store(3)
	s := promserver.Start(t, promserver.Options{Targets: []string{address}, Rules: map[string][]byte{"test.yaml": []byte(rules)}})
	s.Scraped()
	if got := one(t, s, `test_value{colour="red"}`); got.Value != 3 || got.Labels["instance"] != address || got.Labels["job"] != "rotatord" {
		t.Errorf("scraped %+v", got)
	}
	if got := one(t, s, `scalar(test_value{colour="red"})`); got.Value != 3 {
		t.Errorf("as a scalar: %+v", got)
	}
	s.WaitForQuery(`test_value:double{colour="red"} == 6`, promserver.Some)
	s.Resolved("ValueHigh", nil)

	value.Store(9)
	s.Scraped()
	if got := one(t, s, `test_value{colour="red"}`); got.Value != 9 {
		t.Errorf("scraped after a change: %+v", got)
	}
	alert := s.Firing("ValueHigh", map[string]string{"colour": "red"})
	want := map[string]string{"alertname": "ValueHigh", "colour": "red", "severity": "page", "instance": address, "job": "rotatord"}
	if diff := cmp.Diff(want, alert.Labels); diff != "" {
		t.Errorf("labels of the alert (-want +got):\n%s", diff)
	}
	if alert.Annotations["summary"] != "it is 9" || alert.Value != 9 || alert.Since.IsZero() {
		t.Errorf("alert %+v", alert)
	}
	value.Store(0)
	s.Resolved("ValueHigh", map[string]string{"colour": "red"})

	all, err := s.Range(t.Context(), `test_value{colour="red"}`, alert.Since, time.Now(), 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || len(all[0].Points) == 0 || all[0].Labels["colour"] != "red" {
		t.Errorf("over the time: %+v", all)
	}
	names, err := s.LabelValues(t.Context(), "colour", "test_value")
	if diff := cmp.Diff([]string{"blue", "red"}, names); diff != "" || err != nil {
		t.Errorf("values of a label: %v\n%s", err, diff)
	}
}

func TestWhatCannotBeEvaluatedIsAnError(t *testing.T) {
	s := promserver.Start(t, promserver.Options{Rules: map[string][]byte{"bad.yaml": []byte(
		"groups: [{name: g, rules: [{record: twice, expr: 'vector(1) * on () group_left () (vector(1) or label_replace(vector(1), \"a\", \"b\", \"\", \"\"))'}]}]")}})
	if found, err := s.Query(t.Context(), "sum("); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Errorf("half an expression: %v, %v", found, err)
	}
	if _, err := s.Range(t.Context(), "sum(", time.Now(), time.Now(), time.Second); err == nil {
		t.Error("half an expression has a range")
	}
	s.WaitFor("the rule's error is told", func(ctx context.Context) (bool, string) {
		wrong, err := s.RuleErrors(ctx)
		return err == nil && strings.Contains(wrong["twice"], "many-to-many"), fmt.Sprint(wrong, err)
	})
}

func TestAServerThatCannotRunFailsItsTest(t *testing.T) {
	for name, o := range map[string]promserver.Options{
		"rules that are none":           {Rules: map[string][]byte{"bad.yaml": []byte("groups: 7")}},
		"a target without a port":       {Targets: []string{"localhost"}},
		"an interval that is not known": {ScrapeEvery: -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			spy := &spy{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				promserver.Start(spy, o)
			}()
			<-done
			if !spy.failed.Load() {
				t.Error("it started")
			}
		})
	}
}

func one(t *testing.T, s *promserver.Server, expression string) promserver.Sample {
	t.Helper()
	found, err := s.Query(t.Context(), expression)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("%s: %+v", expression, found)
	}
	return found[0]
}

// spy takes the place of a test that is expected to fail.
type spy struct {
	testing.TB
	failed atomic.Bool
}

func (s *spy) Fatal(...any) {
	s.failed.Store(true)
	runtime.Goexit()
}

func (s *spy) Fatalf(string, ...any) { s.Fatal() }
