package storagequeue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/watcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers requests as the service would.
type fake func(*http.Request) (*http.Response, error)

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, code, body string) *http.Response {
	h := http.Header{"Content-Type": {"application/xml"}, "X-Ms-Request-Id": {"request-1"}}
	if code != "" {
		h.Set("X-Ms-Error-Code", code)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func list(texts ...string) string {
	var b strings.Builder
	for i, text := range texts {
		fmt.Fprintf(&b, `<QueueMessage><MessageId>m%d</MessageId><PopReceipt>p</PopReceipt><DequeueCount>1</DequeueCount><MessageText>%s</MessageText></QueueMessage>`, i, text)
	}
	return `<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>` + b.String() + `</QueueMessagesList>`
}

// states is a Health that remembers.
type states struct {
	mu   sync.Mutex
	ups  int
	errs []error
}

func (s *states) Up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ups++
}

func (s *states) Down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

func open(t *testing.T, f fake, change ...func(*Options)) *Transport {
	t.Helper()
	o := good()
	o.Transport = f
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gaps runs a transport in virtual time and gives the pauses between looks.
func gaps(t *testing.T, looks int, at func(look int) (int, string, string)) (between []time.Duration, s *states) {
	t.Helper()
	s = &states{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var last time.Time
		look := 0
		q := open(t, func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				return answer(r, http.StatusNoContent, "", ""), nil
			}
			if look++; look > 1 {
				between = append(between, time.Since(last))
			}
			last = time.Now()
			if look == looks {
				cancel()
			}
			status, code, body := at(look)
			return answer(r, status, code, body), nil
		})
		if err := q.Receive(ctx, func(context.Context, watcher.Message) watcher.Verdict { return watcher.Done }, s); err != nil {
			t.Error(err)
		}
	})
	return between, s
}

func TestThePauseGrowsWhileNothingComesAndEndsWithAMessage(t *testing.T) {
	const ms = time.Millisecond
	got, s := gaps(t, 10, func(look int) (int, string, string) {
		if look == 8 {
			return http.StatusOK, "", list("x")
		}
		return http.StatusOK, "", list()
	})
	want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 2000 * ms, 2000 * ms, 0, 100 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if s.ups == 0 || len(s.errs) > 0 {
		t.Errorf("up %d times, down with %v", s.ups, s.errs)
	}
}

func TestThePauseGrowsWhileThereIsTrouble(t *testing.T) {
	got, s := gaps(t, 10, func(int) (int, string, string) { return http.StatusNotFound, "QueueNotFound", "" })
	const second = time.Second
	want := []time.Duration{second / 2, second, 2 * second, 4 * second, 8 * second, 16 * second, 30 * second, 30 * second, 30 * second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if s.ups > 0 || watcher.ReasonOf(s.errs[0]) != watcher.ReasonNotFound {
		t.Errorf("up %d times, down with %v", s.ups, s.errs)
	}
}

// One who may receive and not delete would go round for ever.
func TestMessagesThatMayNotBeDeletedAreTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var s states
		deliveries := 0
		q := open(t, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answer(r, http.StatusOK, "", list("x")), nil
			}
			return answer(r, http.StatusForbidden, "AuthorizationPermissionMismatch", ""), nil
		})
		err := q.Receive(ctx, func(context.Context, watcher.Message) watcher.Verdict {
			if deliveries++; deliveries == 5 {
				cancel()
			}
			return watcher.Done
		}, &s)
		if err != nil || s.ups != 1 || len(s.errs) < 4 || watcher.ReasonOf(s.errs[0]) != watcher.ReasonDenied || !strings.Contains(s.errs[0].Error(), "delete from") {
			t.Errorf("up %d times, down with %v, ended with %v", s.ups, s.errs, err)
		}
	})
}

func TestTheNextDeliveryIsLaterEachTime(t *testing.T) {
	for deliveries, want := range map[int]float64{0: 1, 1: 1, 2: 2, 3: 4, 6: 32, 7: 60, 1000: 60} {
		if got := againIn(deliveries); got.Seconds() != want {
			t.Errorf("after %d deliveries: %s", deliveries, got)
		}
	}
}

type refusing struct{ err error }

func (e refusing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "canaryToken", ExpiresOn: time.Now().Add(time.Hour)}, e.err
}

func TestWhatAzureAnswersIsSorted(t *testing.T) {
	for _, tc := range []struct {
		name         string
		status       int
		code         string
		body         string
		err          error
		entra        error
		reason       watcher.Reason
		receive, say string
	}{
		{name: "no permission", status: 403, code: "AuthorizationPermissionMismatch", reason: watcher.ReasonDenied, receive: "Message Processor", say: "Message Sender"},
		{name: "no permission of the account", status: 403, code: "InsufficientAccountPermissions", reason: watcher.ReasonDenied, receive: "permission p", say: "permission a"},
		{name: "a wrong key", status: 403, code: "AuthenticationFailed", reason: watcher.ReasonDenied, receive: "key rotated"},
		{name: "a wrong token", status: 401, code: "InvalidAuthenticationInfo", reason: watcher.ReasonDenied, receive: "token is not accepted"},
		{name: "a firewall", status: 403, code: "AuthorizationFailure", reason: watcher.ReasonDenied, receive: "firewall"},
		{name: "a SAS for blobs", status: 403, code: "AuthorizationServiceMismatch", reason: watcher.ReasonDenied, receive: "for this queue"},
		{name: "keys are forbidden", status: 403, code: "KeyBasedAuthenticationNotPermitted", reason: watcher.ReasonDenied, receive: "use Entra"},
		{name: "an unknown refusal", status: 403, code: "Something", reason: watcher.ReasonDenied, receive: "Message Processor"},
		{name: "no queue", status: 404, code: "QueueNotFound", reason: watcher.ReasonNotFound, receive: "make the queue"},
		{name: "no address of a queue", status: 404, reason: watcher.ReasonNotFound, receive: "proxy"},
		{name: "a queue on its way out", status: 409, code: "QueueBeingDeleted", reason: watcher.ReasonNotFound},
		{name: "busy", status: 503, code: "ServerBusy", reason: watcher.ReasonThrottled, receive: "2,000"},
		{name: "too many", status: 429, reason: watcher.ReasonThrottled},
		{name: "broken", status: 500, code: "InternalError", reason: watcher.ReasonUnavailable},
		{name: "nothing that we know", status: 400, code: "OutOfRangeInput", reason: watcher.ReasonInvalid},
		{name: "a redirect is not followed", status: 302, reason: watcher.ReasonInvalid},
		{name: "no XML", status: 200, body: "canary <", reason: watcher.ReasonUnavailable},
		{name: "no answer", err: errors.New("read tcp: connection reset"), reason: watcher.ReasonUnavailable, receive: "connection reset"},
		{name: "too late an answer", err: context.DeadlineExceeded, reason: watcher.ReasonUnavailable, receive: "in time"},
		{name: "no token", entra: errors.New("canary AADSTS50034 canary"), reason: watcher.ReasonDenied, receive: "AADSTS50034"},
		{name: "no credential", entra: errors.New("canary"), reason: watcher.ReasonDenied, receive: "managed identity"},
		{name: "no answer from Entra", entra: context.DeadlineExceeded, reason: watcher.ReasonUnavailable, receive: "Entra"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log lines
			log.listen(t)
			synctest.Test(t, func(t *testing.T) {
				q := open(t, func(r *http.Request) (*http.Response, error) {
					if tc.err != nil {
						return nil, tc.err
					}
					a := answer(r, tc.status, tc.code, tc.body)
					a.Header.Set("Location", "https://elsewhere.example.com/")
					return a, nil
				}, func(o *Options) {
					o.ConnectionString = value("SharedAccessSignature=" + canarySAS)
					if tc.entra != nil {
						o.ConnectionString, o.Credential = value(""), refusing{tc.entra}
					}
				})
				ctx, cancel := context.WithCancel(t.Context())
				var s states
				time.AfterFunc(10*time.Second, cancel)
				if err := q.Receive(ctx, nil, &s); err != nil {
					t.Fatal(err)
				}
				check(t, s.errs[0], tc.reason, "receive from "+azure, tc.receive)
				if tc.body == "" {
					check(t, q.Send(t.Context(), []byte("x")), tc.reason, "send to "+azure, tc.say)
				}
			})
			check(t, &watcher.Error{Err: errors.New(log.text())}, "")
		})
	}
}

func check(t *testing.T, err error, reason watcher.Reason, words ...string) {
	t.Helper()
	var e *watcher.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Fatalf("got %v, want it to be %s", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("it does not say %q: %v", w, err)
		}
	}
	for _, c := range []string{"canary", "sig=c", canaryKey} {
		if strings.Contains(err.Error(), c) {
			t.Errorf("it holds %q: %v", c, err)
		}
	}
}

// lines is the SDK's log, as AZURE_SDK_GO_LOGGING=all would show it.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) listen(t *testing.T) {
	log.SetListener(func(_ log.Event, text string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.b.WriteString(text)
	})
	t.Cleanup(func() { log.SetListener(nil) })
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
