package sqstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var own = sqstest.Key{ID: "AKIATEST", Secret: "a-secret"}

// user is somebody with the real SDK.
type user struct {
	t   testing.TB
	api *sqs.Client
	q   *sqstest.Queue
	url *string
}

func newUser(t testing.TB, s *sqstest.Server, q *sqstest.Queue, with ...func(*sqs.Options)) *user {
	o := sqs.Options{
		Region: sqstest.DefaultRegion, RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: s.RoundTripper()},
		Credentials: credentials.NewStaticCredentialsProvider(own.ID, own.Secret, ""),
	}
	return &user{t: t, api: sqs.New(o, with...), q: q, url: aws.String(q.URL())}
}

func (u *user) receive(most, wait int) []types.Message {
	u.t.Helper()
	out, err := u.api.ReceiveMessage(u.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: u.url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: int32(wait), MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		u.t.Fatal(err)
	}
	return out.Messages
}

// one receives exactly one.
func (u *user) one() types.Message {
	u.t.Helper()
	all := u.receive(10, 0)
	if len(all) != 1 {
		u.t.Fatalf("%d messages, want one", len(all))
	}
	return all[0]
}

func (u *user) remove(handle *string) error {
	_, err := u.api.DeleteMessage(u.t.Context(), &sqs.DeleteMessageInput{QueueUrl: u.url, ReceiptHandle: handle})
	return err
}

func (u *user) change(handle *string, seconds int) error {
	_, err := u.api.ChangeMessageVisibility(u.t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: u.url, ReceiptHandle: handle, VisibilityTimeout: int32(seconds)})
	return err
}

// bubble runs a test in virtual time with a server and a user.
func bubble(t *testing.T, f func(t *testing.T, s *sqstest.Server, u *user)) {
	synctest.Test(t, func(t *testing.T) {
		s := sqstest.New(sqstest.Options{Keys: []sqstest.Key{own}})
		f(t, s, newUser(t, s, s.Queue("q")))
	})
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestAReceivedMessageIsInvisibleAndComesBackUnderAnotherHandle(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		begin := time.Now()
		id := u.q.Put("a", nil)
		first := u.one()
		if n := len(u.receive(10, 0)); n != 0 {
			t.Errorf("%d messages while it is invisible", n)
		}
		if got := u.receive(10, 20); len(got) != 0 || time.Since(begin) != 20*time.Second {
			t.Errorf("a long poll gives %d messages after %s", len(got), time.Since(begin))
		}
		again := u.receive(10, 20)
		if len(again) != 1 || time.Since(begin) != 30*time.Second {
			t.Fatalf("%d messages after %s, want one after 30 s", len(again), time.Since(begin))
		}
		if *again[0].ReceiptHandle == *first.ReceiptHandle || *again[0].MessageId != id || again[0].Attributes["ApproximateReceiveCount"] != "2" ||
			again[0].Attributes["SentTimestamp"] != strconv.FormatInt(begin.UnixMilli(), 10) {
			t.Errorf("it comes again as %v", again[0].Attributes)
		}
		if err := u.remove(first.ReceiptHandle); err != nil || u.q.Left() != 1 {
			t.Errorf("the old handle gives %v and leaves %d", err, u.q.Left())
		}
		for range 2 { // deleting is idempotent
			if err := u.remove(again[0].ReceiptHandle); err != nil || u.q.Left() != 0 {
				t.Errorf("the new handle gives %v and leaves %d", err, u.q.Left())
			}
		}
		if err := u.remove(aws.String("nonsense")); code(err) != "ReceiptHandleIsInvalid" {
			t.Errorf("a handle that never was: %v", err)
		}
	})
}

func TestALongPollEndsWhenAMessageArrives(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		begin := time.Now()
		time.AfterFunc(7*time.Second, func() { u.q.Put("a", nil) })
		if got := u.receive(10, 20); len(got) != 1 || time.Since(begin) != 7*time.Second {
			t.Errorf("%d messages after %s", len(got), time.Since(begin))
		}
	})
}

func TestWhoeverHasGoneTakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := u.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u.url, WaitTimeSeconds: 20})
		if err == nil {
			t.Error("an answer without a message")
		}
		u.q.Put("a", nil)
		if m := u.one(); m.Attributes["ApproximateReceiveCount"] != "1" {
			t.Errorf("it was received %s times", m.Attributes["ApproximateReceiveCount"])
		}
	})
}

func TestChangingTheVisibility(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		u.q.Put("a", nil)
		m := u.one()
		if err := u.change(m.ReceiptHandle, 100); err != nil {
			t.Fatal(err)
		}
		time.Sleep(99 * time.Second)
		if n := len(u.receive(1, 0)); n != 0 {
			t.Error("it is visible too soon")
		}
		time.Sleep(time.Second)
		if err := u.change(m.ReceiptHandle, 1); code(err) != "AWS.SimpleQueueService.MessageNotInflight" {
			t.Errorf("of what is not in flight: %v", err)
		}
		again := u.one()
		if err := u.change(m.ReceiptHandle, 1); code(err) != "InvalidParameterValue" {
			t.Errorf("by an old handle: %v", err)
		}
		if err := u.change(again.ReceiptHandle, 43201); code(err) != "InvalidParameterValue" {
			t.Errorf("for too long: %v", err)
		}
		if err := u.change(again.ReceiptHandle, 0); err != nil || *u.one().MessageId != *m.MessageId {
			t.Errorf("to at once: %v", err)
		}
	})
}

func TestTheRedrivePolicyMovesWhatWasReceivedTooOften(t *testing.T) {
	bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
		dead := s.Queue("dead")
		u.q.Redrive(dead, 2)
		id := u.q.Put("a", nil)
		for range 2 {
			u.one()
			u.q.Expire()
		}
		if n := len(u.receive(1, 0)); n != 0 || u.q.Left() != 0 || dead.Left() != 1 {
			t.Errorf("%d received, %d left, %d dead", n, u.q.Left(), dead.Left())
		}
		if m := newUser(t, s, dead).one(); *m.MessageId != id || m.Attributes["DeadLetterQueueSourceArn"] != u.q.ARN() {
			t.Errorf("it lies there as %v", m.Attributes)
		}
	})
}

func TestBatchesSucceedAndFailByEntry(t *testing.T) {
	bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
		var send []types.SendMessageBatchRequestEntry
		for i := range 10 {
			send = append(send, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("body ", i))})
		}
		send[3].MessageBody = aws.String("a\x01")
		sent, err := u.api.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: u.url, Entries: send})
		if err != nil || len(sent.Successful) != 9 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "3" || !sent.Failed[0].SenderFault {
			t.Fatalf("%+v, %v", sent, err)
		}
		got := u.receive(10, 0)
		in := &sqs.DeleteMessageBatchInput{QueueUrl: u.url}
		for i, m := range got {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		in.Entries[1].ReceiptHandle = aws.String("nonsense")
		s.FailEntries("DeleteMessageBatch", 1)
		deleted, err := u.api.DeleteMessageBatch(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		failed := map[string]string{}
		for _, f := range deleted.Failed {
			failed[*f.Id] = fmt.Sprint(*f.Code, " ", f.SenderFault)
		}
		if diff := cmp.Diff(map[string]string{"0": "InternalError false", "1": "ReceiptHandleIsInvalid true"}, failed); diff != "" || len(deleted.Successful) != 7 || u.q.Left() != 2 {
			t.Errorf("%d succeeded, %d left; failed (-want +got):\n%s", len(deleted.Successful), u.q.Left(), diff)
		}
		for name, entries := range map[string][]types.DeleteMessageBatchRequestEntry{
			"EmptyBatchRequest":            {},
			"TooManyEntriesInBatchRequest": append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String("x"), ReceiptHandle: aws.String("x")}, types.DeleteMessageBatchRequestEntry{Id: aws.String("y"), ReceiptHandle: aws.String("x")}),
			"BatchEntryIdsNotDistinct":     {in.Entries[0], in.Entries[0]},
			"InvalidBatchEntryId":          {{Id: aws.String("a b"), ReceiptHandle: aws.String("x")}},
		} {
			_, err := u.api.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: u.url, Entries: entries})
			if code(err) != "AWS.SimpleQueueService."+name {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestTheSumOfAttributesIsTheOneThatOthersCompute compares with sums that are
// known from the tests of clients which check them. (That of the body is compared
// by the SDK each time.)
func TestTheSumOfAttributesIsTheOneThatOthersCompute(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		for kind, want := range map[string]string{"Number": "235c5c510d26fb653d073faed50ae77c", "Number.java.lang.Long": "2e2e4876d8e0bd6b8c2c8f556831c349"} {
			sent, err := u.api.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: u.url, MessageBody: aws.String("a"), MessageAttributes: map[string]types.MessageAttributeValue{
				"timestamp": {DataType: &kind, StringValue: aws.String("1493147359900")},
			}})
			if err != nil || *sent.MD5OfMessageAttributes != want {
				t.Errorf("%s: %v, %v", kind, sent, err)
			}
		}
	})
}

func TestAttributesAreKeptAndSummed(t *testing.T) {
	bubble(t, func(t *testing.T, _ *sqstest.Server, u *user) {
		in := map[string]types.MessageAttributeValue{
			"text":   {DataType: aws.String("String"), StringValue: aws.String("v")},
			"binary": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
			"number": {DataType: aws.String("Number"), StringValue: aws.String("1")},
		}
		sent, err := u.api.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: u.url, MessageBody: aws.String("a"), MessageAttributes: in})
		if err != nil {
			t.Fatal(err)
		}
		m := u.one()
		if *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes || len(*m.MD5OfMessageAttributes) != 32 || *m.MessageId != *sent.MessageId {
			t.Errorf("sent %s, received %s", *sent.MD5OfMessageAttributes, *m.MD5OfMessageAttributes)
		}
		if diff := cmp.Diff(in, m.MessageAttributes, cmp.FilterPath(func(p cmp.Path) bool { return strings.Contains(p.String(), "noSmithy") }, cmp.Ignore())); diff != "" {
			t.Errorf("(-sent +received):\n%s", diff)
		}
		u.q.Expire()
		out, err := u.api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u.url, MessageAttributeNames: []string{"te.*", "text"}})
		if err != nil || len(out.Messages) != 1 || len(out.Messages[0].MessageAttributes) != 1 || len(out.Messages[0].Attributes) != 0 {
			t.Errorf("asked for one attribute: %+v, %v", out, err)
		}
	})
}

func TestRequestsThatAreRefused(t *testing.T) {
	type call = func(*user) error
	receive := func(most, wait int) call {
		return func(u *user) error {
			_, err := u.api.ReceiveMessage(u.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u.url, MaxNumberOfMessages: int32(most), WaitTimeSeconds: int32(wait)})
			return err
		}
	}
	with := func(f func(*sqs.Options)) call {
		return func(u *user) error {
			_, err := u.api.ReceiveMessage(u.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u.url}, f)
			return err
		}
	}
	key := func(id, secret, token string) call {
		return with(func(o *sqs.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token) })
	}
	for _, tc := range []struct {
		name string
		do   call
		want string
	}{
		{"a good one", receive(10, 20), ""},
		{"too many messages", receive(11, 0), "InvalidParameterValue"},
		{"too long a wait", receive(1, 21), "InvalidParameterValue"},
		{"an unknown key", key("AKIAOTHER", own.Secret, ""), "InvalidClientTokenId"},
		{"a wrong secret", key(own.ID, "other", ""), "SignatureDoesNotMatch"},
		{"a token for a lasting key", key(own.ID, own.Secret, "token"), "InvalidClientTokenId"},
		{"a temporary key without its token", key("ASIA", "temporary", ""), "InvalidClientTokenId"},
		{"a temporary key", key("ASIA", "temporary", "token"), ""},
		{"another region", with(func(o *sqs.Options) { o.Region = "eu-west-1" }), "SignatureDoesNotMatch"},
		{"another queue", func(u *user) error { u.url = aws.String(*u.url + "2"); return u.remove(aws.String("x")) }, "AWS.SimpleQueueService.NonExistentQueue"},
		{"another account", func(u *user) error {
			u.url = aws.String("https://sqs.us-west-2.amazonaws.com/210987654321/q")
			return u.remove(aws.String("x"))
		}, "AWS.SimpleQueueService.NonExistentQueue"},
		{"an action that is denied, as a batch", func(u *user) error {
			_, err := u.api.SendMessageBatch(u.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: u.url, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("x"), MessageBody: aws.String("x")}}})
			return err
		}, "AccessDenied"},
		{"an action that is not there", func(u *user) error {
			_, err := u.api.PurgeQueue(u.t.Context(), &sqs.PurgeQueueInput{QueueUrl: u.url})
			return err
		}, "InvalidAction"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
				s.AddKey(sqstest.Key{ID: "ASIA", Secret: "temporary", Token: "token"})
				s.Deny("SendMessage")
				err := tc.do(u)
				if got := code(err); (tc.want == "") != (err == nil) || tc.want != "" && got != tc.want {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
		})
	}
}

func TestTypedErrorsAreThoseOfTheSDK(t *testing.T) {
	bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
		s.Refuse(sqstest.QueueDoesNotExist, sqstest.RequestThrottled, sqstest.OverLimit, sqstest.KmsAccessDenied)
		for _, want := range []any{new(*types.QueueDoesNotExist), new(*types.RequestThrottled), new(*types.OverLimit), new(*types.KmsAccessDenied)} {
			if err := u.remove(aws.String("x")); !errors.As(err, want) {
				t.Errorf("%v is no %T", err, want)
			}
		}
	})
}

func TestDuplicatesAndDisorderOnRequest(t *testing.T) {
	bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
		s.Duplicate(1)
		u.q.Put("a", nil)
		first, second := u.one(), u.one()
		if *first.MessageId != *second.MessageId || *first.ReceiptHandle == *second.ReceiptHandle {
			t.Error("it does not come twice")
		}
		if err := u.remove(second.ReceiptHandle); err != nil || u.q.Left() != 0 {
			t.Error(err)
		}
		s.Shuffle(1)
		inOrder := true
		for i := range 30 {
			u.q.Put(fmt.Sprintf("%02d", i), nil)
		}
		last := ""
		for u.q.Left() > 0 {
			for _, m := range u.receive(10, 0) {
				inOrder = inOrder && *m.Body > last
				last = *m.Body
				if err := u.remove(m.ReceiptHandle); err != nil {
					t.Fatal(err)
				}
			}
		}
		if inOrder {
			t.Error("they come in order")
		}
	})
}

func TestTroubleOnTheWay(t *testing.T) {
	bubble(t, func(t *testing.T, s *sqstest.Server, u *user) {
		u.q.Put("a", nil)
		m := u.one()
		s.Cut(1)
		if err := u.remove(m.ReceiptHandle); err == nil || u.q.Left() != 1 {
			t.Errorf("cut before: %v, %d left", err, u.q.Left())
		}
		s.CutAfter(1)
		if err := u.remove(m.ReceiptHandle); err == nil || u.q.Left() != 0 {
			t.Errorf("cut after: %v, %d left", err, u.q.Left())
		}
		s.SetLatency(time.Second)
		begin := time.Now()
		u.receive(1, 0)
		if time.Since(begin) != time.Second {
			t.Errorf("a second's lag takes %s", time.Since(begin))
		}
		s.Heal()
		s.Hang(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := u.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: u.url}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging gives %v", err)
		}
		s.Heal()
		time.AfterFunc(time.Second, func() { s.Offline(true) })
		begin = time.Now()
		_, err := u.api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: u.url, WaitTimeSeconds: 20})
		if err == nil || time.Since(begin) != time.Second {
			t.Errorf("a poll that is under way when the network goes: %v after %s", err, time.Since(begin))
		}
		if n := s.Count("ReceiveMessage"); n != 4 {
			t.Errorf("%d receives are on record", n)
		}
	})
}
