package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher/inbox/inboxtest"
)

// BenchmarkRequestToRecord is the time from a signed request, on a connection
// that stands, to the durable record of what it means.
func BenchmarkRequestToRecord(b *testing.B) {
	d := inboxtest.New(b)
	e, err := NewStandard(StandardOptions{Common: Common{Name: "bench", Path: "/events", Rate: 1e6, Burst: 1e6},
		Keys: func() ([]credential.Value, error) {
			return []credential.Value{credential.NewValue([]byte(secretA))}, nil
		}})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(e)
	defer server.Close()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Receive(ctx, d.Deliver, d) }()
	for e.session() == nil { // until it receives
		runtime.Gosched()
	}
	client := server.Client()
	n := 0
	send := func() {
		n++
		r := standardFrom(b, secretA, fmt.Sprint("msg_", n), time.Now(), string(inboxtest.Message))
		out, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/events", strings.NewReader(string(inboxtest.Message)))
		if err != nil {
			b.Fatal(err)
		}
		out.Header = r.Header
		resp, err := client.Do(out)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.StatusCode)
		}
	}
	for b.Loop() {
		d.Time(send)
	}
	d.Report(b)
	cancel()
	<-ended
}
