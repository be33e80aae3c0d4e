package google_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

const childEnv = "ROTATORD_TEST_READS"

// child is a process that reads a secret with Application Default Credentials,
// and says that it has.
func child() bool {
	work := strings.Fields(os.Getenv(childEnv))
	if len(work) != 3 {
		return false
	}
	p, err := google.New(google.Options{
		Endpoint: work[0], CAFile: work[1],
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(-100)})),
	})
	must(err)
	ctx := context.Background()
	_, err = p.Current(ctx, secretName)
	must(err)
	v, err := p.Read(ctx, secretName, work[2])
	must(err)
	fmt.Println("read", v.Len(), "bytes", v)
	_, err = p.Read(ctx, secretName, "999")
	fmt.Println("and not", err)
	p.Close()
	return true
}

// TestNothingIsWrittenDown turns on whatever could make the SDK, gRPC, or Go
// itself write down an answer, in a process of its own, since most of it is
// read at its start.
func TestNothingIsWrittenDown(t *testing.T) {
	s := start(t, googletest.Options{})
	// Longer than the smallest buffers, which are treated differently.
	value := canary + strings.Repeat("x", 5000)
	id := s.Create(secretName, []byte(value))
	key := keyFile(t, s)
	said, err := run(t, s, id, "GOOGLE_APPLICATION_CREDENTIALS="+key, "GODEBUG=http2debug=2",
		"GOOGLE_SDK_GO_LOGGING_LEVEL=debug", "GOOGLE_SDK_GO_EXPERIMENTAL_LOGGING=true", "GOOGLE_SDK_GO_EXPERIMENTAL_TRACING=true",
		"GOOGLE_SDK_GO_EXPERIMENTAL_METRICS=true", "GRPC_GO_LOG_SEVERITY_LEVEL=info", "GRPC_GO_LOG_VERBOSITY_LEVEL=99",
		"GRPC_BINARY_LOG_FILTER=*", "GRPC_TRACE=all", "GRPC_VERBOSITY=DEBUG")
	var file struct {
		Key string `json:"private_key"`
	}
	b, readErr := os.ReadFile(key)
	must(readErr)
	must(json.Unmarshal(b, &file))
	for what, text := range map[string]string{"the value": canary, "a token": "ya29.", "rotatord's own key": strings.Split(file.Key, "\n")[3], "an assertion": "eyJ"} {
		quoted, _ := json.Marshal(text)
		for _, form := range []string{text, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", string(quoted)), `"`),
			base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
			if strings.Contains(said, form) {
				t.Errorf("%s is written down", what)
			}
		}
	}
	if t.Failed() {
		return // nothing of it is shown here either
	}
	if err != nil || !strings.Contains(said, fmt.Sprintf("read %d bytes %s", len(value), credential.Redacted)) || !strings.Contains(said, "and not read projects/") {
		t.Fatalf("the process that reads: %v\n%s", err, said)
	}
	for _, loud := range []string{"http2: Framer", "INFO: "} {
		if !strings.Contains(said, loud) {
			t.Errorf("no %q is written, so that the test shows nothing", loud)
		}
	}
}
