package aws_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

const childEnv = "ROTATORD_TEST_READS"

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// child is the other half of TestNothingIsWrittenDown: a process that reads a
// secret with everything turned up, and says that it has.
func child() bool {
	work := strings.Fields(os.Getenv(childEnv))
	if len(work) != 3 {
		return false
	}
	p, err := aws.New(aws.Options{
		Endpoint: work[0], STSEndpoint: work[0], MaxBackoff: time.Millisecond,
		Roles:  map[string]aws.Role{awstest.DefaultAccount: {ARN: "arn:aws:iam::" + awstest.DefaultAccount + ":role/reader"}},
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(-100)})),
	})
	must(err)
	ctx, s := context.Background(), credential.Secret(work[1])
	_, err = p.Current(ctx, s)
	must(err)
	v, err := p.Read(ctx, s, work[2])
	must(err)
	fmt.Println("read", v.Len(), "bytes", v)
	_, err = p.Read(ctx, s, strings.Repeat("0", 32))
	fmt.Println("and not", err)
	p.Close()
	// This one GODEBUG dumps.
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, work[0], http.NoBody)
	must(err)
	r.Header.Set("X-Test", "seen-by-godebug")
	resp, err := http.DefaultClient.Do(r)
	must(err)
	must(resp.Body.Close())
	return true
}

// TestNothingIsWrittenDown turns on whatever could make the SDK, or Go itself,
// write down an answer, in a process of its own, since GODEBUG is read at its
// start. Over TLS with HTTP/2 on offer, whose frames GODEBUG dumps.
func TestNothingIsWrittenDown(t *testing.T) {
	s := awstest.New(awstest.Options{Keys: []awstest.Key{own}, Roles: []awstest.Role{{ARN: "arn:aws:iam::" + awstest.DefaultAccount + ":role/reader"}}})
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = silent()
	server.StartTLS()
	defer server.Close()
	arn, id := s.Create("planet/s3", awstest.Text(canary))

	roots := writeFile(t, "roots.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	loud := "client_log_mode = retries|request_with_body|response_with_body|signing\nlog_level = debug\nsdk_log_level = debug\ndebug = true\n"
	file := "[default]\n" + loud + "ca_bundle = " + roots + "\n"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+server.URL+" "+arn+" "+id,
		"GODEBUG=http2debug=2", "AWS_ACCESS_KEY_ID="+own.ID, "AWS_SECRET_ACCESS_KEY="+own.Secret,
		"AWS_CONFIG_FILE="+writeFile(t, "config", file), "SSL_CERT_FILE="+roots)
	for _, name := range []string{"AWS_LOG_LEVEL", "AWS_SDK_LOG_LEVEL", "AWS_CLIENT_LOG_MODE", "AWS_SDK_CLIENT_LOG_MODE", "AWS_LOG_MODE", "AWS_SDK_DEBUG", "AWS_DEBUG", "SMITHY_LOG", "SMITHY_DEBUG"} {
		cmd.Env = append(cmd.Env, name+"=debug")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := out.String()
	for what, text := range map[string]string{"the value": canary, "rotatord's own key": own.Secret, "a key of the role": "secret-of-session", "a token of the role": "token-of-session"} {
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
	if err != nil || !strings.Contains(said, fmt.Sprintf("read %d bytes %s", len(canary), credential.Redacted)) || !strings.Contains(said, "and not read arn:") {
		t.Fatalf("the process that reads: %v\n%s", err, said)
	}
	for _, r := range s.Requests() {
		if r.Action != "" && r.Proto != "HTTP/1.1" {
			t.Errorf("%s goes over %s", r.Action, r.Proto)
		}
	}
	if !strings.Contains(said, "seen-by-godebug") {
		t.Error("GODEBUG dumped nothing, so that the test shows nothing")
	}
}

// TestAnErrorKeepsNothingOfTheAnswer reads an answer that breaks off behind the
// value: the SDK's own error would hold the bytes before the break.
func TestAnErrorKeepsNothingOfTheAnswer(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"SecretString":"canary", "__type": "Oops", "VersionId": {`)
		}))
		p := mustNew(t, aws.Options{Endpoint: server.URL, MaxBackoff: time.Millisecond, Credentials: static()})
		_, err := p.Read(t.Context(), "arn:aws:secretsmanager:us-west-2:123456789012:secret:x", strings.Repeat("0", 32))
		kept(t, err)
		if err == nil {
			t.Error("half an answer is taken for one")
		}
		p.Close()
		server.Close()
	}
}

// kept holds that an error is made of our own words: nothing in it comes from
// the SDK, nor has a value in it in any form that fmt gives.
func kept(t *testing.T, err error) {
	t.Helper()
	bytesOf := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte("canary")), "[]byte{"), "}")
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, form := range []string{"canary", hex.EncodeToString([]byte("canary")), bytesOf} {
			if strings.Contains(shown(e)+fmt.Sprintf("%x", e), form) {
				t.Errorf("%T shows the value", e)
			}
		}
		of := reflect.TypeOf(e)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if strings.Contains(of.PkgPath(), "github.com/aws/") {
			t.Errorf("%T of the SDK's is passed on", e)
		}
	}
}
