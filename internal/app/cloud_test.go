package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// amazon is a Secrets Manager and an SQS beside a world.
type amazon struct {
	w       *world
	secrets *awstest.Server
	queues  *sqstest.Server
	queue   *sqstest.Queue
	// onQueue, if set, is called before and after the queue's server deals with
	// a request; what it answers has not been sent yet by then.
	onQueue atomic.Pointer[func(action string, done bool, answer string)]
	took    atomic.Int64 // time that the servers themselves took
}

const (
	amazonKey    = "AKIAROTATORDTESTTEST"
	amazonSecret = canary + "amazon"
)

// amazon starts the servers and writes them into the configuration.
func (w *world) amazon() *amazon {
	w.t.Helper()
	a := &amazon{w: w,
		secrets: awstest.New(awstest.Options{Keys: []awstest.Key{{ID: amazonKey, Secret: amazonSecret}}}),
		queues:  sqstest.New(sqstest.Options{Keys: []sqstest.Key{{ID: amazonKey, Secret: amazonSecret}}}),
	}
	a.queue = a.queues.Queue("rotatord")
	secrets := w.serve(a.secrets, &a.took)
	queues := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		action := r.Header.Get("X-Amz-Target")
		if f := a.onQueue.Load(); f != nil {
			(*f)(action, false, "")
		}
		answer := httptest.NewRecorder() // so that it can be looked at before it is sent
		a.queues.ServeHTTP(answer, r)
		if f := a.onQueue.Load(); f != nil {
			(*f)(action, true, answer.Body.String())
		}
		maps.Copy(rw.Header(), answer.Header())
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	}))
	w.t.Cleanup(func() {
		queues.CloseClientConnections()
		queues.Close()
		secrets.Close()
	})
	w.env = append(w.env, "AWS_ACCESS_KEY_ID="+amazonKey, "AWS_SECRET_ACCESS_KEY="+amazonSecret, "AWS_EC2_METADATA_DISABLED=true")
	w.top += fmt.Sprintf("\n[aws]\nendpoint = %q\n[[source.sqs]]\nqueue = %q\nendpoint = %q\n", secrets.URL, a.queue.URL(), queues.URL)
	return a
}

// add makes a destination whose secret is kept by Secrets Manager.
func (a *amazon) add(name string, settings ...string) *destination {
	a.w.t.Helper()
	arn := ""
	d := a.w.add(name, func(d *destination, k key) {
		if arn == "" {
			arn, _ = a.secrets.Create("planet/"+name, awstest.Text(string(k.json())))
			d.secret = arn
			return
		}
		d.version = a.secrets.Put(arn, awstest.Text(string(k.json())))
	}, settings...)
	return d
}

// event is what EventBridge puts into a queue when AWSCURRENT has moved.
func (d *destination) event() string {
	return fmt.Sprintf(`{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"Secret Label Updated",
"source":"aws.secretsmanager","account":"123456789012","time":%q,"region":"us-west-2","resources":[%q],
"detail":{"name":"planet/%s","labelUpdated":"AWSCURRENT","versionId":%q}}`,
		time.Now().UTC().Format(time.RFC3339), d.secret, d.bucket, d.version)
}
