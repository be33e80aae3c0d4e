package azure

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/sas"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/storagequeue"
	"github.com/rotatord/rotatord/watcher/watchertest"
)

const (
	account = "rotatord"
	// accountKey is base64 of a text that no log may hold.
	accountKey = "Y2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnlBY2NvdW50S2V5Q2FuYXJ5QWNjb3VudEtleQ=="
	policyName = "rotatord"
)

// storage is one queue of Azurite, as its owner sees it, and the wire to it.
type storage struct {
	t     testing.TB
	name  string
	owner *azqueue.QueueClient
	keys  *azqueue.SharedKeyCredential
	wire  *wire
	seen  *receipts
}

func newStorage(t testing.TB) *storage {
	t.Helper()
	keys, err := azqueue.NewSharedKeyCredential(account, accountKey)
	must(t, err)
	name := fmt.Sprintf("q%d", time.Now().UnixNano())
	owner, err := azqueue.NewQueueClientWithSharedKeyCredential(servers.azurite+"/"+account+"/"+name, keys, &azqueue.ClientOptions{})
	must(t, err)
	_, err = owner.Create(t.Context(), nil)
	must(t, err)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	q := &storage{t: t, name: name, owner: owner, keys: keys, seen: &receipts{last: map[string]receipt{}},
		wire: newWire(t, strings.TrimPrefix(servers.azurite, "http://"))}
	q.permit("rpu")
	return q
}

// permit says what the stored policy of the queue allows, which our SAS is of.
func (q *storage) permit(permissions string) {
	_, err := q.owner.SetAccessPolicy(context.Background(), &azqueue.SetAccessPolicyOptions{QueueACL: []*azqueue.SignedIdentifier{{
		ID: to.Ptr(policyName), AccessPolicy: &azqueue.AccessPolicy{Permission: to.Ptr(permissions),
			Start: to.Ptr(time.Now().Add(-time.Hour)), Expiry: to.Ptr(time.Now().Add(time.Hour))}}}})
	must(q.t, err)
}

// sas makes a connection string with a SAS.
func (q *storage) sas(v sas.QueueSignatureValues) string {
	v.QueueName, v.Protocol = q.name, sas.ProtocolHTTPSandHTTP
	p, err := v.SignWithSharedKey(q.keys)
	must(q.t, err)
	return "QueueEndpoint=http://" + q.wire.address() + "/" + account + ";SharedAccessSignature=" + p.Encode()
}

func (q *storage) options() storagequeue.Options {
	return storagequeue.Options{
		Name: "events", Queue: "http://" + q.wire.address() + "/" + account + "/" + q.name, Poll: 10 * time.Millisecond,
		ConnectionString: credential.NewValue([]byte(q.sas(sas.QueueSignatureValues{Identifier: policyName}))),
		Transport:        q.seen.transport(q.t),
	}
}

func (q *storage) open(o storagequeue.Options) *storagequeue.Transport {
	s, err := storagequeue.New(o)
	must(q.t, err)
	return s
}

func (q *storage) send(body []byte) {
	_, err := q.owner.EnqueueMessage(context.Background(), string(body), nil)
	must(q.t, err)
}

func (q *storage) left() int {
	p, err := q.owner.GetProperties(context.Background(), nil)
	must(q.t, err)
	return int(*p.ApproximateMessagesCount)
}

// expire makes visible what has been received and not been deleted, with the
// receipts that came over the wire.
func (q *storage) expire() {
	for id, r := range q.seen.take() {
		_, err := q.owner.UpdateMessage(context.Background(), id, r.receipt, r.text, &azqueue.UpdateMessageOptions{VisibilityTimeout: to.Ptr(int32(0))})
		if !queueerror.HasCode(err, queueerror.MessageNotFound, queueerror.PopReceiptMismatch) {
			must(q.t, err)
		}
	}
}

// receipts remembers the newest receipt of each message that came over.
type receipts struct {
	mu   sync.Mutex
	last map[string]receipt
}

type receipt struct{ receipt, text string }

func (r *receipts) take() map[string]receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.last
	r.last = map[string]receipt{}
	return taken
}

// transport is a way for requests, past which receipts come.
func (r *receipts) transport(t testing.TB) http.RoundTripper {
	real := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(real.CloseIdleConnections)
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		resp, err := real.RoundTrip(req)
		if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		var list struct {
			QueueMessage []struct {
				ID          string `xml:"MessageId"`
				PopReceipt  string
				MessageText string
			}
		}
		if err := xml.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &list); err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range list.QueueMessage {
			r.last[m.ID] = receipt{m.PopReceipt, m.MessageText}
		}
		return resp, nil
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStorageQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue {
		q := newStorage(t)
		return &watchertest.Queue{
			Open: func() watcher.Transport { return q.open(q.options()) },
			Send: func(body []byte, _ map[string]string) { q.send(body) },
			Left: q.left, Expire: q.expire, Cut: q.wire.Cut, Mend: q.wire.Mend,
			Deny: func() { q.permit("r") }, Allow: func() { q.permit("rpu") },
			NoAttributes: true,
		}
	}})
}
