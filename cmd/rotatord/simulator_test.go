package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
)

func TestOneDeliveryIsOneLine(t *testing.T) {
	at := time.Date(2026, 5, 1, 18, 41, 52, 406e6, time.UTC)
	ok := app.SimulatorDelivery{Order: "o-1", User: "ada", Destination: "tiles-5aIp1K", Object: "orders/o-1/file-1.json", At: at, Files: 1, Written: 1, OK: true}
	failed := app.SimulatorDelivery{Subscription: "s-1", Result: "r-1", User: "ada", Destination: "tiles-5aIp1K", Object: "s-1/r-1/file-1.json", At: at, Files: 3, Written: 2, Error: "AccessDenied"}
	gone := app.SimulatorDelivery{Subscription: "s-1", User: "ada", At: at, Files: 1, Error: "NoDestination"}
	for _, tt := range []struct {
		name string
		d    app.SimulatorDelivery
		want string
	}{
		{"an order that arrived", ok, "18:41:52.406 ok ada delivery to tiles-5aIp1K: orders/o-1/file-1.json order o-1"},
		{"a result of which a part arrived", failed, "18:41:52.406 failed AccessDenied ada delivery to tiles-5aIp1K: s-1/r-1/file-1.json (2 of 3 files) subscription s-1"},
		{"no destination any more", gone, "18:41:52.406 failed NoDestination ada delivery to -: - subscription s-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, screen{}.deliveryLine(tt.d)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got, want := (screen{}).summaryLine(app.SimulatorStopped{Arrived: 12}), "\nDeliveries: 12 arrived, 0 failed"; got != want {
		t.Errorf("at the end it says %q", got)
	}
	if got, want := (screen{}).summaryLine(app.SimulatorStopped{Arrived: 12, Failed: 3, Dropped: 1}), "\nDeliveries: 12 arrived, 3 failed, 1 under way at the end"; got != want {
		t.Errorf("at the end it says %q", got)
	}
}

// talk is a command that runs, line by line.
type talk struct {
	t     *testing.T
	lines chan string
	base  string
	key   string
}

// find reads on until a line matches, and gives its first group.
func (s *talk) find(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				s.t.Fatalf("it ended, and no line was like %s", pattern)
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m[1]
			}
		case <-time.After(time.Minute): // never, unless the test has failed
			s.t.Fatalf("no line was like %s", pattern)
		}
	}
}

// post makes a request and gives the id in the answer.
func (s *talk) post(path, body string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, strings.TrimSuffix(s.base, "/destinations/v1")+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "api-key "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode/100 != 2 {
		s.t.Fatalf("%s: status %d, %v", path, resp.StatusCode, err)
	}
	return got.ID
}

func TestTheSimulatorPrintsDeliveriesAndTheirNumber(t *testing.T) {
	s3 := buckettest.NewServer()
	if err := s3.Start(); err != nil {
		t.Fatal(err)
	}
	defer s3.Close()
	s3.CreateBucket("tiles")
	s3.AddKey(buckettest.Key{ID: "AKIAGOOD", Secret: canary, Buckets: []string{"tiles"}, Allow: []buckettest.Action{buckettest.Put, buckettest.Delete}})

	out, in := io.Pipe()
	s := &talk{t: t, lines: make(chan string, 1000)}
	said := make(chan string, 1)
	go func() {
		defer close(s.lines)
		var all strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			s.lines <- lines.Text()
		}
		said <- all.String()
	}()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := newCLI(noEnv, strings.NewReader(""), in, io.Discard).run(ctx, []string{"simulator", "--listen", "127.0.0.1:0",
			"--bucket-endpoint", s3.URL(), "--deliver", "files=2", "--deliver", "per-second=1000"})
		_ = in.Close()
		ended <- err
	}()
	s.key = s.find(`export PL_API_KEY=(\S+)`)
	s.base = s.find(`base_url = "(\S+)"`)
	id := s.post("/destinations/v1/", `{"name": "tiles", "type": "amazon_s3", "parameters": {"bucket": "tiles", "aws_region": "us-east-1", "aws_access_key_id": "AKIAGOOD", "aws_secret_access_key": "`+canary+`"}}`)
	order := func() string {
		return s.post("/compute/ops/orders/v2", `{"name": "x", "delivery": {"destination": {"ref": "pl:destinations/`+id+`", "path_prefix": "p/"}}}`)
	}
	line := `^\d\d:\d\d:\d\d\.\d{3} %s simulator delivery to ` + id + `: p/%s/file-1\.json \(%d of 2 files\) order (\S+)$`
	good := order()
	if got := s.find(fmt.Sprintf(line, "ok", good, 2)); got != good {
		t.Errorf("it speaks of %s", got)
	}
	s3.Revoke("AKIAGOOD")
	bad := order()
	if got := s.find(fmt.Sprintf(line, "failed InvalidAccessKeyId", bad, 0)); got != bad {
		t.Errorf("it speaks of %s", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := <-said
	if !strings.HasSuffix(all, "\n\nDeliveries: 1 arrived, 1 failed\n") {
		t.Errorf("it ends with %q", all[max(0, len(all)-200):])
	}
	if strings.Contains(all, canary) {
		t.Error("it says a secret")
	}
}
