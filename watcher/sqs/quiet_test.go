package sqs_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

const (
	childEnv = "ROTATORD_TEST_RECEIVES"
	roleARN  = "arn:aws:iam::123456789012:role/rotatord"
)

// child is the other half of TestNothingIsWrittenDown: a process that receives
// a message with everything turned up, and says that it has.
func child() bool {
	work := strings.Fields(os.Getenv(childEnv))
	if len(work) != 3 {
		return false
	}
	transport, err := sqs.New(sqs.Options{
		Name: "aws", Queue: work[0], Endpoint: work[1], STSEndpoint: work[2], RoleARN: roleARN,
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(-100)})),
	})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	h := &health{changed: make(chan struct{}, 1)}
	must(transport.Receive(ctx, func(_ context.Context, m watcher.Message) watcher.Verdict {
		fmt.Println("received", len(m.Body), "bytes")
		cancel()
		return watcher.Done
	}, h))
	fmt.Println("health", h.story(), h.last())
	// This one GODEBUG dumps.
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, work[1], http.NoBody)
	must(err)
	r.Header.Set("X-Test", "seen-by-godebug")
	resp, err := http.DefaultClient.Do(r)
	must(err)
	must(resp.Body.Close())
	return true
}

// TestNothingIsWrittenDown turns on whatever could make the SDK, or Go itself,
// write down a request, in a process of its own, since GODEBUG is read at its
// start. Over TLS with HTTP/2 on offer, whose frames GODEBUG dumps: a session
// token goes with each request.
func TestNothingIsWrittenDown(t *testing.T) {
	s := sqstest.New(sqstest.Options{Keys: []sqstest.Key{{ID: "ASIATEST000000000001", Secret: "secret-of-session-1", Token: "token-of-session-1"}}})
	sts := awstest.New(awstest.Options{Keys: []awstest.Key{{ID: own.ID, Secret: own.Secret}}, Roles: []awstest.Role{{ARN: roleARN}}})
	queue, tokens := secure(s), secure(sts)
	defer queue.Close()
	defer tokens.Close()
	s.Queue("rotatord").Put("canary-of-the-message", nil)

	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	roots := write("roots.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: queue.Certificate().Raw}))
	loud := "client_log_mode = retries|request_with_body|response_with_body|signing\nlog_level = debug\nsdk_log_level = debug\ndebug = true\n"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+s.Queue("rotatord").URL()+" "+queue.URL+" "+tokens.URL,
		"GODEBUG=http2debug=2", "AWS_ACCESS_KEY_ID="+own.ID, "AWS_SECRET_ACCESS_KEY="+own.Secret,
		"AWS_CONFIG_FILE="+write("config", []byte("[default]\n"+loud+"ca_bundle = "+roots+"\n")), "SSL_CERT_FILE="+roots)
	for _, name := range []string{"AWS_LOG_LEVEL", "AWS_SDK_LOG_LEVEL", "AWS_CLIENT_LOG_MODE", "AWS_SDK_CLIENT_LOG_MODE", "AWS_LOG_MODE", "AWS_SDK_DEBUG", "AWS_DEBUG", "SMITHY_LOG", "SMITHY_DEBUG"} {
		cmd.Env = append(cmd.Env, name+"=debug")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := out.String()
	for what, text := range map[string]string{"rotatord's own key": own.Secret, "the role's key": "secret-of-session", "the role's token": "token-of-session", "the message": "canary-of-the-message"} {
		if strings.Contains(said, text) {
			t.Errorf("%s is written down", what)
		}
	}
	if t.Failed() {
		return // nothing of it is shown here either
	}
	if err != nil || !strings.Contains(said, "received 21 bytes") || !strings.Contains(said, "health up <nil>") {
		t.Fatalf("the process that receives: %v\n%s", err, said)
	}
	for _, r := range s.Requests() {
		if r.Action != "" && r.Proto != "HTTP/1.1" {
			t.Errorf("%s goes over %s", r.Action, r.Proto)
		}
	}
	if !strings.Contains(said, "seen-by-godebug") {
		t.Error("GODEBUG dumped nothing, so that the test shows nothing")
	}
	if s.Queue("rotatord").Left() != 0 {
		t.Error("the message was not acknowledged")
	}
}

// secure serves a handler with TLS and HTTP/2.
func secure(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	return server
}
