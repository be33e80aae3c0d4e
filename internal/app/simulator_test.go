package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestEachFieldOfTheSimulatorHasASwitch(t *testing.T) {
	for _, of := range []struct {
		fields reflect.Type
		known  map[string]Switch
		listed []Switch
	}{
		{reflect.TypeFor[planettest.Behaviour](), behaviourSwitches, Switches()},
		{reflect.TypeFor[planettest.FaultRates](), faultSwitches, Faults()},
		{reflect.TypeFor[planettest.DeliveryOptions](), deliverySwitches, Deliveries()},
	} {
		for i := range of.fields.NumField() {
			f := of.fields.Field(i)
			s, ok := of.known[f.Name]
			if f.Name == "Network" || f.Name == "Deliverer" { // in memory only; all kinds of buckets
				continue
			}
			if !ok || s.Help == "" {
				t.Errorf("%s has no switch or no help", f.Name)
			}
			if isBool := f.Type.Kind() == reflect.Bool; isBool != (s.Value == "") {
				t.Errorf("%s says that it takes %q", f.Name, s.Value)
			}
		}
		if len(of.listed) != len(of.known) {
			t.Errorf("%d of %d switches are listed: a field of %s was renamed", len(of.listed), len(of.known), of.fields)
		}
	}
}

// Whatever a switch lists is taken by planettest, and nothing else is.
func TestSwitchesAreSet(t *testing.T) {
	for _, s := range Switches() {
		for value := range strings.SplitSeq(s.Value, "|") {
			item := s.Name
			switch value {
			case "":
			case "duration":
				item += "=1.5s"
			default:
				item += "=" + value
			}
			o := planettest.Options{Users: []planettest.User{{Name: "a", Key: "k"}}}
			if err := setSwitches(&o.Behaviour, behaviourSwitches, []string{item}); err != nil {
				t.Errorf("%s: %v", item, err)
			} else if _, err := planettest.New(o); err != nil {
				t.Errorf("%s: %v", item, err)
			}
		}
	}
	for _, s := range Deliveries() {
		item := s.Name + map[string]string{"duration": "=1.5s", "number": "=7", "": ""}[s.Value]
		o := planettest.Options{Users: []planettest.User{{Name: "a", Key: "k"}}}
		if err := setSwitches(&o.Deliveries, deliverySwitches, []string{item}); err != nil {
			t.Errorf("%s: %v", item, err)
		} else if _, err := planettest.New(o); err != nil {
			t.Errorf("%s: %v", item, err)
		}
	}
	var d planettest.DeliveryOptions
	if err := setSwitches(&d, deliverySwitches, []string{"hold=30s", "files=2", "interval=1m", "jitter=5s", "queue=1s", "per-second=9", "page-size=1", "hide-cause", "hide-refs", "filter-resolves"}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(planettest.DeliveryOptions{Hold: 30 * time.Second, Files: 2, Interval: time.Minute, Jitter: 5 * time.Second,
		Queue: time.Second, PerSecond: 9, PageSize: 1, HideCause: true, HideRefs: true, FilterResolves: true}, d); diff != "" {
		t.Error(diff)
	}
	var b planettest.Behaviour
	err := setSwitches(&b, behaviourSwitches, []string{"refuse-status=409", "lose-on-refusal", "tell-step-apart=false", "verify-delay=2s", "retry-after=date", "renames-changes-id"})
	if err == nil || err.Error() != `the simulator has no switch "renames-changes-id"; the help lists them` {
		t.Errorf("error %v", err)
	}
	want := planettest.Behaviour{RefuseStatus: 409, LoseOnRefusal: true, VerifyDelay: 2 * time.Second, RetryAfter: planettest.RetryDate}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
}

func TestWrongSimulatorOptions(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(bad, []byte(`[{"name": "ada", "key": cAnArY}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		o    SimulatorOptions
		want string
	}{
		{"a switch without its value", SimulatorOptions{Switches: []string{"refuse-status"}}, "needs a value: refuse-status=400|409|422"},
		{"a value that it does not take", SimulatorOptions{Switches: []string{"refuse-status=500"}}, "takes one of 400, 409, 422"},
		{"no duration", SimulatorOptions{Switches: []string{"verify-delay=-1s"}}, "takes a duration such as"},
		{"no truth", SimulatorOptions{Switches: []string{"lose-on-refusal=perhaps"}}, "takes true or false"},
		{"no probability", SimulatorOptions{Faults: []string{"slow=NaN"}}, "takes a probability from 0 to 1"},
		{"too many probabilities", SimulatorOptions{Faults: []string{"slow=0.7", "junk=0.7"}}, "fault rates"},
		{"no number", SimulatorOptions{Deliveries: []string{"files=0"}}, "takes a number from 1 to"},
		{"a delivery that would overtake the next", SimulatorOptions{Deliveries: []string{"interval=1s", "jitter=1s"}}, "Jitter of Deliveries"},
		{"a bucket endpoint of no type", SimulatorOptions{BucketEndpoints: []string{"amazon=http://127.0.0.1"}}, "a bucket endpoint is a URL, or TYPE=URL"},
		{"a bucket endpoint of a type that names its own", SimulatorOptions{BucketEndpoints: []string{"s3_compatible=http://127.0.0.1"}}, "names its own"},
		{"users that are not JSON", SimulatorOptions{UsersFile: bad}, "is not a JSON array like"},
		{"users that are not there", SimulatorOptions{UsersFile: bad + "x"}, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := RunSimulator(t.Context(), tt.o)
			var wrong *OptionsError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "cAnArY") {
				t.Error("the error quotes the file")
			}
		})
	}
}

func TestSimulatorServesUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := make(chan SimulatorStarted, 1)
	requests := make(chan SimulatorRequest, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- RunSimulator(ctx, SimulatorOptions{Listen: "127.0.0.1:0", AcceptAll: true,
			Started: func(s SimulatorStarted) { started <- s }, Request: func(r SimulatorRequest) { requests <- r }})
	}()
	s := <-started
	if !s.Loopback {
		t.Error("127.0.0.1 is no loopback address?")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "api-key "+s.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if r := <-requests; resp.StatusCode != http.StatusOK || r.User != "simulator" {
		t.Errorf("status %d for user %q", resp.StatusCode, r.User)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The manual has a row for each, and says what it takes.
func TestTheManualHasAllSwitches(t *testing.T) {
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for flag, list := range map[string][]Switch{"--set": Switches(), "--deliver": Deliveries(), "--fault": Faults()} {
		if !strings.Contains(string(manual), "`"+flag+" ") {
			t.Errorf("the manual does not speak of %s", flag)
		}
		for _, s := range list {
			want := s.Name
			if s.Value != "" && s.Value != "0..1" {
				want += "="
			}
			if strings.Contains(s.Value, "|") {
				want += strings.ReplaceAll(s.Value, "|", `\|`)
			}
			if !strings.Contains(string(manual), "| `"+want) {
				t.Errorf("the manual has no row with %s %s", flag, want)
			}
		}
	}
}

func TestBucketEndpointsAreForTheirTypes(t *testing.T) {
	at, err := readEndpoints([]string{"http://127.0.0.1:9000/?x=y", "azure_blob_storage=http://127.0.0.1:10000", "oracle_cloud_storage=http://127.0.0.1:9001"})
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[string]string{
		"amazon_s3": "http://127.0.0.1:9000/?x=y", "oracle_cloud_storage": "http://127.0.0.1:9001",
		"azure_blob_storage": "http://127.0.0.1:10000", "google_cloud_storage": "",
	} {
		if got := at(typ); got != want {
			t.Errorf("%s is reached at %q, want %q", typ, got, want)
		}
	}
}
