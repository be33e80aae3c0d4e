package servicebus

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/internal/entra"
	"github.com/rotatord/rotatord/watcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatServiceBusAnswersIsSorted(t *testing.T) {
	inWords := func(condition, description string) error { // as the SDK shows what it wraps
		return fmt.Errorf("(unauthorized): %w", errors.New((&amqp.Error{Condition: amqp.ErrCond(condition), Description: description}).Error()))
	}
	for _, tc := range []struct {
		name   string
		err    error
		op     string
		reason watcher.Reason
		words  []string
	}{
		{"no claim", &amqp.Error{Condition: amqp.ErrCondUnauthorizedAccess, Description: "'Listen' claim(s) are required"}, opReceive, watcher.ReasonDenied, []string{"Data Receiver", "'Listen'"}},
		{"no claim, in words", inWords("amqp:unauthorized-access", "'Send' claim(s) are required"), opSend, watcher.ReasonDenied, []string{"Data Sender", "'Send'"}},
		{"a token in what is said", inWords("amqp:unauthorized-access", "bad SharedAccessSignature sr=x&sig=canary"), opReceive, watcher.ReasonDenied, []string{"bad"}},
		{"a key that is not accepted", errors.New("(unauthorized): rpc: failed, status code 401 and description: canary"), opReceive, watcher.ReasonDenied, []string{"key rotated"}},
		{"no queue", &amqp.Error{Condition: amqp.ErrCondNotFound}, opReceive, watcher.ReasonNotFound, []string{"check the names"}},
		{"no queue, by status", errors.New("rpc: failed, status code 404 and description: canary"), opReceive, watcher.ReasonNotFound, []string{"check the names"}},
		{"disabled", &amqp.Error{Condition: "com.microsoft:entity-disabled"}, opReceive, watcher.ReasonInvalid, []string{"enable"}},
		{"sessions", &amqp.Error{Condition: amqp.ErrCondNotAllowed}, opReceive, watcher.ReasonInvalid, []string{"sessions"}},
		{"busy", &amqp.Error{Condition: "com.microsoft:server-busy", Description: "50002"}, opReceive, watcher.ReasonThrottled, []string{"50002"}},
		{"too many connections", &amqp.Error{Condition: amqp.ErrCondResourceLimitExceeded}, opReceive, watcher.ReasonThrottled, nil},
		{"too many requests", errors.New("rpc: failed, status code 429 and description: x"), opReceive, watcher.ReasonThrottled, nil},
		{"closed by force", &amqp.Error{Condition: amqp.ErrCondConnectionForced}, opReceive, watcher.ReasonUnavailable, nil},
		{"refused by the SDK", &azservicebus.Error{Code: azservicebus.CodeUnauthorizedAccess}, opReceive, watcher.ReasonDenied, []string{"Data Receiver"}},
		{"not found by the SDK", &azservicebus.Error{Code: azservicebus.CodeNotFound}, opReceive, watcher.ReasonNotFound, nil},
		{"a lost lock", &azservicebus.Error{Code: azservicebus.CodeLockLost}, opSettle, watcher.ReasonUnavailable, []string{"lock"}},
		{"a lost connection", &azservicebus.Error{Code: azservicebus.CodeConnectionLost}, opReceive, watcher.ReasonUnavailable, []string{"the connection ended"}},
		{"nobody there", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, opReceive, watcher.ReasonUnavailable, []string{"connection refused"}},
		{"too late", os.ErrDeadlineExceeded, opReceive, watcher.ReasonUnavailable, []string{"5671"}},
		{"called off", context.Canceled, opReceive, watcher.ReasonUnavailable, []string{"called off"}},
		{"a wrong certificate", x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"x"}}, Host: host}, opReceive, watcher.ReasonUnavailable, []string{"certificate"}},
		{"no token", entra.NoToken{Cause: errors.New("canary AADSTS700016 canary")}, opReceive, watcher.ReasonDenied, []string{"AADSTS700016"}},
		{"no credential", entra.NoToken{Cause: errors.New("canary")}, opReceive, watcher.ReasonDenied, []string{"managed identity"}},
		{"no answer from Entra", entra.NoToken{Cause: context.DeadlineExceeded}, opReceive, watcher.ReasonUnavailable, nil},
		{"a link that does not stay", nil, opReceive, watcher.ReasonUnavailable, nil},
		{"anything else", errors.New("canary"), opReceive, watcher.ReasonUnavailable, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q, err := New(good())
			if err != nil {
				t.Fatal(err)
			}
			err = q.asError(tc.op, tc.err)
			if got := watcher.ReasonOf(err); got != tc.reason {
				t.Errorf("the reason is %s, want %s: %v", got, tc.reason, err)
			}
			for _, w := range append(tc.words, tc.op+" "+host+"/events") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("it does not say %q: %v", w, err)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("it holds what it should not: %v", err)
			}
		})
	}
}

func TestThePauseGrowsWhileThereIsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var dials []time.Time
		o := good()
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}
		q, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := &downs{enough: 8, cancel: cancel}
		if err := q.Receive(ctx, nil, s); err != nil {
			t.Error(err)
		}
		if len(s.at) != 8 || watcher.ReasonOf(s.last) != watcher.ReasonUnavailable || !strings.Contains(s.last.Error(), "connection refused") {
			t.Errorf("down %d times, last with %v", len(s.at), s.last)
		}
		// The SDK's own second try adds a tenth of a second or so.
		for i, want := range []float64{0.5, 1, 2, 4, 8, 16, 30} {
			if got := s.at[i+1].Sub(s.at[i]); got.Seconds() < want || got.Seconds() > want+1 {
				t.Errorf("pause %d is %s, want %g s", i, got, want)
			}
		}
		if len(dials) > 16 {
			t.Errorf("%d dials for 8 tries", len(dials))
		}
	})
}

// downs is a Health that has seen enough after some time.
type downs struct {
	at     []time.Time
	last   error
	enough int
	cancel func()
}

func (d *downs) Up() {}

func (d *downs) Down(err error) {
	d.at, d.last = append(d.at, time.Now()), err
	if len(d.at) == d.enough {
		d.cancel()
	}
}

func TestMessagesAreHeldLongerEachTimeAndTheirLocksRenewedInTime(t *testing.T) {
	for try, want := range map[int]float64{0: 1, 1: 2, 2: 4, 5: 32, 6: 60, 1000: 60} {
		if got := holdFor(try); got.Seconds() != want {
			t.Errorf("after try %d: %s", try, got)
		}
	}
	now := time.Now()
	for lock, want := range map[int]float64{5: 2.5, 20: 10, 60: 15, 300: 15, 1: 1, -60: 1} {
		until := now.Add(time.Duration(lock) * time.Second)
		if got := renewEvery(&azservicebus.ReceivedMessage{LockedUntil: &until}, now); got.Seconds() != want {
			t.Errorf("a lock of %d s is renewed every %s", lock, got)
		}
	}
	if got := renewEvery(&azservicebus.ReceivedMessage{}, now); got != maxRenew {
		t.Errorf("a lock without an end is renewed every %s", got)
	}
}

func TestPropertiesBecomeText(t *testing.T) {
	got := attributesOf(map[string]any{
		"text": "t", "int": int32(-7), "long": int64(1 << 40), "float": 1.5, "truth": false,
		"time": time.Date(2026, 7, 25, 1, 8, 33, 0, time.FixedZone("", 3600)), "bytes": []byte("x"), "nothing": nil,
	})
	want := map[string]string{"text": "t", "int": "-7", "long": "1099511627776", "float": "1.5", "truth": "false", "time": "2026-07-25T00:08:33Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if attributesOf(nil) != nil {
		t.Error("there are attributes where there are no properties")
	}
}
