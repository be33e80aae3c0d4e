package sqs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox/inboxtest"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// patience is how long tests wait for what must happen. It is no measure.
const patience = 30 * time.Second

// until waits for a change of health.
func (h *health) until(t testing.TB, ok func(err error, story string) bool) error {
	t.Helper()
	limit := time.After(patience)
	for {
		h.mu.Lock()
		err, said := h.err, strings.Join(h.said, ", ")
		h.mu.Unlock()
		if said != "" && ok(err, said) {
			return err
		}
		select {
		case <-h.changed:
		case <-limit:
			t.Fatalf("the source is %q", said)
		}
	}
}

func isDown(err error, _ string) bool { return err != nil }

func isUp(err error, _ string) bool { return err == nil }

func TestWhyAQueueCannotBeReceivedFrom(t *testing.T) {
	for _, tc := range []struct {
		name   string
		hurt   func(s *sqstest.Server)
		with   func(o *sqs.Options)
		reason watcher.Reason
		hint   string
	}{
		{name: "not permitted", hurt: func(s *sqstest.Server) { s.Deny("ReceiveMessage") }, reason: watcher.ReasonDenied, hint: "allow sqs:ReceiveMessage"},
		{name: "no such queue", hurt: func(s *sqstest.Server) { s.DeleteQueue("rotatord") }, reason: watcher.ReasonNotFound, hint: "check region, account and name"},
		{name: "throttled", hurt: refuse(sqstest.RequestThrottled), reason: watcher.ReasonThrottled},
		{name: "too many in flight", hurt: refuse(sqstest.OverLimit), reason: watcher.ReasonThrottled, hint: "receive without deleting"},
		{name: "a KMS key that may not be used", hurt: refuse(sqstest.KmsAccessDenied), reason: watcher.ReasonDenied, hint: "allow kms:Decrypt"},
		{name: "a KMS key that is disabled", hurt: refuse(sqstest.KmsDisabled), reason: watcher.ReasonInvalid, hint: "enable it"},
		{name: "a KMS key that is gone", hurt: refuse(sqstest.KmsNotFound), reason: watcher.ReasonInvalid, hint: "cancel its deletion"},
		{name: "KMS throttles", hurt: refuse(sqstest.KmsThrottled), reason: watcher.ReasonThrottled},
		{name: "TLS is wanted", hurt: refuse(sqstest.InvalidSecurity), reason: watcher.ReasonInvalid, hint: "https://"},
		{name: "something else", hurt: refuse(sqstest.UnsupportedOperation), reason: watcher.ReasonInvalid, hint: "standard queue"},
		{name: "broken", hurt: func(s *sqstest.Server) { s.Fail(sqstest.Forever, 500) }, reason: watcher.ReasonUnavailable},
		{name: "not readable", hurt: func(s *sqstest.Server) { s.Garble(sqstest.Forever) }, reason: watcher.ReasonInvalid, hint: "between rotatord and AWS"},
		{name: "cut", hurt: func(s *sqstest.Server) { s.Cut(sqstest.Forever) }, reason: watcher.ReasonUnavailable},
		{name: "nobody listens", hurt: (*sqstest.Server).Close, reason: watcher.ReasonUnavailable},
		{name: "an unknown key", hurt: func(s *sqstest.Server) { s.Revoke(own.ID) }, reason: watcher.ReasonDenied, hint: "AWS does not know rotatord's own key"},
		{name: "a wrong key", hurt: func(s *sqstest.Server) { s.AddKey(sqstest.Key{ID: own.ID, Secret: "other"}) }, reason: watcher.ReasonDenied, hint: "AWS does not accept rotatord's own key"},
		{name: "a wrong region", with: func(o *sqs.Options) { o.Queue = strings.Replace(o.Queue, "us-west-2", "eu-west-1", 1) }, reason: watcher.ReasonDenied, hint: "check the Region"},
		{name: "another account", with: func(o *sqs.Options) { o.Queue = strings.Replace(o.Queue, "123456789012", "210987654321", 1) }, reason: watcher.ReasonNotFound},
		{name: "no credentials", with: func(o *sqs.Options) { o.Credentials = nil }, reason: watcher.ReasonDenied, hint: "environment"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			q := s.Queue("rotatord")
			if tc.with == nil {
				tc.with = func(*sqs.Options) {}
			}
			transport := onLoopback(t, s, q, tc.with)
			if tc.hurt != nil {
				tc.hurt(s)
			}
			h, _ := run(t, transport, newBook().record)
			e := reason(t, h.until(t, isDown))
			if e.Reason != tc.reason || e.Op != "receive from" || !strings.Contains(e.Source, "/rotatord") || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%s: %v", e.Reason, e)
			}
		})
	}
}

func refuse(c sqstest.Code) func(*sqstest.Server) {
	return func(s *sqstest.Server) { s.Refuse(slices.Repeat([]sqstest.Code{c}, 20)...) }
}

func TestASharedConfigurationThatIsWrong(t *testing.T) {
	s := start(t)
	t.Setenv("AWS_PROFILE", "prod")
	h, _ := run(t, onLoopback(t, s, s.Queue("rotatord"), func(o *sqs.Options) { o.Credentials = nil }), newBook().record)
	if e := reason(t, h.until(t, isDown)); e.Reason != watcher.ReasonDenied || !strings.Contains(e.Error(), `no profile "prod"`) {
		t.Error(e)
	}
}

// TestAKeyThatIsReplacedInItsFileIsNoticed: AWS refuses the old one, and the
// next poll reads the file again.
func TestAKeyThatIsReplacedInItsFileIsNoticed(t *testing.T) {
	s := start(t)
	b, q := newBook(), s.Queue("rotatord")
	path := filepath.Join(t.TempDir(), "credentials")
	write := func(k sqstest.Key) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", k.ID, k.Secret)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
	write(sqstest.Key{ID: "AKIAOLD", Secret: "old"})
	h, _ := run(t, onLoopback(t, s, q, func(o *sqs.Options) { o.Credentials = nil }), b.record)
	if e := reason(t, h.until(t, isDown)); !strings.Contains(e.Hint, path) {
		t.Error(e)
	}
	write(own)
	h.until(t, isUp)
}

func TestARoleIsAssumed(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/rotatord"
	sts := awstest.New(awstest.Options{Keys: []awstest.Key{{ID: own.ID, Secret: own.Secret}}, Roles: []awstest.Role{{ARN: arn, ExternalID: "x"}}})
	if err := sts.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sts.Close)
	s := start(t)
	s.Revoke(own.ID)
	// The first that STS gives out.
	s.AddKey(sqstest.Key{ID: "ASIATEST000000000001", Secret: "secret-of-session-1", Token: "token-of-session-1"})
	role := func(external string) func(*sqs.Options) {
		return func(o *sqs.Options) { o.RoleARN, o.ExternalID, o.STSEndpoint = arn, external, sts.URL() }
	}
	q := s.Queue("rotatord")
	h, _ := run(t, onLoopback(t, s, q, role("x")), newBook().record)
	h.until(t, isUp)
	if asked := s.Requests(); len(asked) == 0 || asked[0].KeyID != "ASIATEST000000000001" {
		t.Errorf("the requests: %+v", asked)
	}
	if r := sts.Requests()[0]; r.Session != "rotatord" || r.Region != "us-west-2" {
		t.Errorf("the role is assumed as %+v", r)
	}
	h, _ = run(t, onLoopback(t, s, q, role("wrong")), newBook().record)
	if e := reason(t, h.until(t, isDown)); e.Reason != watcher.ReasonDenied || !strings.Contains(e.Error(), "the role "+arn+" can't be assumed") || !strings.Contains(e.Hint, "sts:AssumeRole") {
		t.Error(e)
	}
}

func TestSendingTakesTheRealPathAndAPermissionOfItsOwn(t *testing.T) {
	s := start(t)
	q := s.Queue("rotatord")
	transport := onLoopback(t, s, q)
	got := make(chan watcher.Message, 1)
	_, stop := run(t, transport, func(_ context.Context, m watcher.Message) watcher.Verdict {
		got <- m
		return watcher.Done
	})
	if err := transport.Send(t.Context(), []byte(`{"secret":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if m := <-got; string(m.Body) != `{"secret":"x"}` {
		t.Errorf("%q came", m.Body)
	}
	stop() // what is refused from here on is refused to Send
	s.Deny("SendMessage")
	if e := reason(t, transport.Send(t.Context(), []byte("x"))); e.Op != "send to" || e.Reason != watcher.ReasonDenied || !strings.Contains(e.Hint, "sqs:SendMessage") {
		t.Error(e)
	}
	s.Allow()
	if e := reason(t, transport.Send(t.Context(), []byte{1})); e.Reason != watcher.ReasonInvalid || !strings.Contains(e.Hint, "control characters") {
		t.Error(e)
	}
	s.Refuse(sqstest.KmsAccessDenied)
	if e := reason(t, transport.Send(t.Context(), []byte("x"))); !strings.Contains(e.Hint, "kms:GenerateDataKey") {
		t.Error(e)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if e := reason(t, transport.Send(ended, []byte("x"))); e.Reason != watcher.ReasonUnavailable {
		t.Error(e)
	}
}

// TestABurstIsWorkedOffAndAllOfItOnce also looks at what a burst costs: a
// request to receive and one to delete for ten messages, and little more.
func TestABurstIsWorkedOffAndAllOfItOnce(t *testing.T) {
	const count = 2000
	s := start(t)
	b, q := newBook(), s.Queue("rotatord")
	for i := range count {
		q.Put(fmt.Sprint(i), nil)
	}
	all := make(chan struct{})
	var n atomic.Int64
	_, stop := run(t, onLoopback(t, s, q), func(ctx context.Context, m watcher.Message) watcher.Verdict {
		defer func() {
			if n.Add(1) == count {
				close(all)
			}
		}()
		return b.record(ctx, m)
	})
	<-all
	stop()
	if b.size() != count || n.Load() != count || q.Left() != 0 {
		t.Errorf("%d of %d messages in %d deliveries, %d left", b.size(), count, n.Load(), q.Left())
	}
	if r := len(s.Requests()); r > 2*count/10+40 {
		t.Errorf("%d requests for %d messages", r, count)
	}
	for _, r := range s.Requests() {
		if r.Proto != "HTTP/1.1" {
			t.Fatalf("%s goes over %s", r.Action, r.Proto)
		}
	}
}

// BenchmarkQueueToRecord is the time from a message's sending to the durable
// record of what it means.
func BenchmarkQueueToRecord(b *testing.B) {
	s := start(b)
	q := s.Queue("rotatord")
	d := inboxtest.New(b)
	h, _ := run(b, onLoopback(b, s, q), d.Deliver)
	h.until(b, isUp)
	for b.Loop() {
		d.Time(func() { q.Put(string(inboxtest.Message), nil) })
	}
	d.Report(b)
}

// BenchmarkBurst works off 10,000 messages, over a network of 20 ms.
func BenchmarkBurst(b *testing.B) {
	const count = 10_000
	for b.Loop() {
		s := sqstest.New(sqstest.Options{Keys: []sqstest.Key{own}})
		s.SetLatency(20 * time.Millisecond)
		must(s.Start())
		q := s.Queue("rotatord")
		for i := range count {
			q.Put(fmt.Sprint(i), nil)
		}
		all := make(chan struct{})
		var n atomic.Int64
		begin := time.Now()
		_, stop := run(b, onLoopback(b, s, q), func(context.Context, watcher.Message) watcher.Verdict {
			if n.Add(1) == count {
				close(all)
			}
			return watcher.Done
		})
		<-all
		b.ReportMetric(count/time.Since(begin).Seconds(), "messages/s")
		stop()
		s.Close()
	}
}
