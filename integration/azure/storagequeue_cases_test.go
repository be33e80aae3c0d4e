package azure

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/sas"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox/inboxtest"
	"github.com/rotatord/rotatord/watcher/storagequeue"
)

func TestStorageQueueWithTheLeastPermissions(t *testing.T) {
	t.Parallel()
	q := newStorage(t)
	q.permit("p")
	o := q.options()
	o.Visibility = time.Second
	r := newRun(t)
	o.Logger = r.logger()
	tries := 0
	r.start(q.open(o), func(watcher.Message) watcher.Verdict {
		if tries++; tries == 1 {
			return watcher.Again
		}
		return watcher.Done
	})
	before := time.Now().Add(-time.Minute)
	q.send([]byte(base64.StdEncoding.EncodeToString([]byte("{}"))))
	for want := 1; want <= 2; want++ {
		m := r.next()
		if string(m.Body) != "e30=" || m.ID == "" || m.Deliveries != want || m.Sent.Before(before) || m.Attributes != nil {
			t.Errorf("delivery %d: got %+v", want, m)
		}
	}
	until(t, "the queue is empty", func() bool { return q.left() == 0 })
	if _, errs := r.health(); len(errs) > 0 {
		t.Errorf("it was down: %v", errs)
	}
	r.stop()
	if text := r.log.text(); !strings.Contains(text, "Storage Queue Data Contributor") {
		t.Errorf("the log does not say what would give messages back early:\n%s", text)
	}
	noCanary(t, r.log.text())
}

func TestStorageQueueGivesBackWhatItHasNotDelivered(t *testing.T) {
	t.Parallel()
	q := newStorage(t)
	for range 12 { // more than are delivered at a time
		q.send([]byte("x"))
	}
	inside, leave := make(chan struct{}, 12), make(chan struct{})
	r := newRun(t).start(q.open(q.options()), func(watcher.Message) watcher.Verdict {
		inside <- struct{}{}
		<-leave
		return watcher.Done
	})
	for range 8 {
		<-inside
	}
	r.cancel()
	close(leave)
	r.stop()
	out, err := q.owner.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: to.Ptr(int32(32))})
	must(t, err)
	if len(out.Messages) != 4 || q.left() != 4 {
		t.Errorf("%d messages are visible of %d, want the 4 that were not delivered", len(out.Messages), q.left())
	}
}

func TestStorageQueueMessagesThatSomebodyElseHasHadSince(t *testing.T) {
	t.Parallel()
	q := newStorage(t)
	r := newRun(t)
	o := q.options()
	o.Logger = r.logger()
	var verdict watcher.Verdict
	cleared := make(chan struct{}, 2)
	r.start(q.open(o), func(m watcher.Message) watcher.Verdict {
		if string(m.Body) == "last" {
			return watcher.Done
		}
		_, err := q.owner.ClearMessages(t.Context(), nil)
		if err != nil {
			t.Error(err)
		}
		cleared <- struct{}{}
		verdict = watcher.Done - verdict // Done, then Again
		return verdict
	})
	for range 2 {
		q.send([]byte("somebody's"))
		r.next()
		<-cleared
	}
	q.send([]byte("last"))
	for string(r.next().Body) != "last" {
	}
	r.stop()
	if _, errs := r.health(); len(errs) > 0 || r.log.text() != "" {
		t.Errorf("it was said to be trouble: %v\n%s", errs, r.log.text())
	}
}

func TestStorageQueueRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		change  func(*storage, *storagequeue.Options)
		reason  watcher.Reason
		message string
	}{
		{"a key that is not accepted", func(_ *storage, o *storagequeue.Options) {
			o.ConnectionString = value("AccountName=" + account + ";AccountKey=" + strings.Replace(accountKey, "Y", "Z", 1))
		}, watcher.ReasonDenied, ""},
		{"a SAS that has expired", func(q *storage, o *storagequeue.Options) {
			o.ConnectionString = value(q.sas(sas.QueueSignatureValues{Permissions: "p", ExpiryTime: time.Now().Add(-time.Hour)}))
		}, watcher.ReasonDenied, "expired"},
		{"a SAS without permission to process", func(q *storage, o *storagequeue.Options) {
			o.ConnectionString = value(q.sas(sas.QueueSignatureValues{Permissions: "ra", ExpiryTime: time.Now().Add(time.Hour)}))
		}, watcher.ReasonDenied, "Storage Queue Data Message Processor"},
		{"no such queue", func(q *storage, o *storagequeue.Options) {
			o.Queue += "-none"
			o.ConnectionString = value("AccountName=" + account + ";AccountKey=" + accountKey)
		}, watcher.ReasonNotFound, "QueueNotFound"},
		{"nobody there", func(q *storage, _ *storagequeue.Options) { q.wire.Cut() }, watcher.ReasonUnavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := newStorage(t)
			r := newRun(t)
			o := q.options()
			o.Logger = r.logger()
			tc.change(q, &o)
			checkError(t, r.start(q.open(o), done).down(), tc.reason, tc.message)
			r.stop()
			noCanary(t, r.log.text())
		})
	}
}

func value(s string) credential.Value { return credential.NewValue([]byte(s)) }

func TestStorageQueueSends(t *testing.T) {
	t.Parallel()
	q := newStorage(t)
	q.permit("ap")
	o := q.options()
	o.Transport = nil // its own
	s := q.open(o)
	must(t, s.Send(t.Context(), []byte("hello")))
	r := newRun(t).start(s, done)
	if m := r.next(); string(m.Body) != base64.StdEncoding.EncodeToString([]byte("hello")) {
		t.Errorf("%q was delivered", m.Body)
	}
	r.stop()
	q.permit("p")
	checkError(t, s.Send(t.Context(), []byte("hello")), watcher.ReasonDenied, "send to", "Storage Queue Data Message Sender")
	q.wire.Cut()
	checkError(t, s.Send(t.Context(), []byte("hello")), watcher.ReasonUnavailable)
}

// BenchmarkStorageQueue is the time from a message in the queue to its
// delivery, with a look every ten milliseconds.
func BenchmarkStorageQueue(b *testing.B) {
	q := newStorage(b)
	d := inboxtest.New(b)
	r := newRun(b)
	r.deliver = d.Deliver
	r.start(q.open(q.options()), done)
	for b.Loop() {
		d.Time(func() { q.send(inboxtest.Message) })
	}
	d.Report(b)
}
