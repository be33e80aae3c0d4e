package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rotatord/rotatord/watcher"
)

var (
	secretA = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("a"), 24))
	secretB = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("b"), 64))
)

func standard(t testing.TB, change ...func(*StandardOptions)) *stage {
	t.Helper()
	s := newStage()
	o := StandardOptions{Common: s.common(), Keys: values(secretA)}
	o.Rate, o.Burst = 1000, 1000
	for _, c := range change {
		c(&o)
	}
	e, err := NewStandard(o)
	return s.start(t, e, err)
}

// standardFrom signs with the library of the specification's authors.
func standardFrom(t testing.TB, secret, id string, at time.Time, body string) *http.Request {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := w.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return post(body, headerID, id, headerTimestamp, strconv.FormatInt(at.Unix(), 10), headerSignature, signature)
}

func edit(r *http.Request, header, value string) *http.Request {
	r.Header.Set(header, value)
	return r
}

func TestStandard(t *testing.T) {
	now := time.Now()
	good := func() *http.Request { return standardFrom(t, secretA, "msg_1", now, "{}") }
	signature := good().Header.Get(headerSignature)
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int
		refused []Refusal
	}{
		{"a signed message is let in", good(), 200, nil},
		{"one good signature of several is enough", edit(good(), headerSignature, "v1a,AAAA v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))+" "+signature), 200, nil},
		{"the second secret is good as well", standardFrom(t, secretB, "msg_1", now, "{}"), 200, nil},
		{"a few minutes are tolerated", standardFrom(t, secretA, "msg_1", now.Add(-4*time.Minute), "{}"), 200, nil},
		{"a few minutes ahead are tolerated", standardFrom(t, secretA, "msg_1", now.Add(4*time.Minute), "{}"), 200, nil},
		{"an old message is refused", standardFrom(t, secretA, "msg_1", now.Add(-6*time.Minute), "{}"), 403, []Refusal{RefusedExpired}},
		{"a message of the future is refused", standardFrom(t, secretA, "msg_1", now.Add(6*time.Minute), "{}"), 403, []Refusal{RefusedExpired}},
		{"another id is refused", edit(good(), headerID, "msg_2"), 403, []Refusal{RefusedSignature}},
		{"another time is refused", edit(good(), headerTimestamp, strconv.FormatInt(now.Unix()-1, 10)), 403, []Refusal{RefusedSignature}},
		{"another secret is refused", standardFrom(t, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 24)), "msg_1", now, "{}"), 403, []Refusal{RefusedSignature}},
		{"an empty signature is refused", edit(good(), headerSignature, "v1,"), 403, []Refusal{RefusedSignature}},
		{"an unknown version is refused", edit(good(), headerSignature, strings.Replace(signature, "v1,", "v2,", 1)), 403, []Refusal{RefusedSignature}},
		{"too many signatures are not looked at", edit(good(), headerSignature, strings.Repeat("v2,x ", maxSignatures)+signature), 403, []Refusal{RefusedSignature}},
		{"no signature is asked for one", edit(good(), headerSignature, ""), 401, []Refusal{RefusedNoToken}},
		{"no id is asked for one", edit(good(), headerID, ""), 401, []Refusal{RefusedNoToken}},
		{"no time is asked for one", edit(good(), headerTimestamp, ""), 401, []Refusal{RefusedNoToken}},
		{"a time that is none is refused", edit(good(), headerTimestamp, "1e9"), 400, []Refusal{RefusedMalformed}},
		{"a time with zeros before it is refused", edit(good(), headerTimestamp, "0"+strconv.FormatInt(now.Unix(), 10)), 400, []Refusal{RefusedMalformed}},
		{"an id with a full stop is refused", standardFrom(t, secretA, "msg.1", now, "{}"), 400, []Refusal{RefusedMalformed}},
		{"an endless id is refused", standardFrom(t, secretA, strings.Repeat("x", maxID+1), now, "{}"), 400, []Refusal{RefusedMalformed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := standard(t, func(o *StandardOptions) { o.Keys = values(secretA+"\n", secretB) })
			s.expect(t, s.call(c.request), c.status, c.refused...)
			if delivered := len(s.got()) == 1; delivered != (c.status == 200) {
				t.Errorf("delivered: %v", delivered)
			}
			if len(s.outside.requests()) != 0 {
				t.Errorf("asked for %v", s.outside.requests())
			}
		})
	}
}

func TestABodyThatWasChangedIsRefused(t *testing.T) {
	s := standard(t)
	r := standardFrom(t, secretA, "msg_1", time.Now(), `{"secret":"a"}`)
	changed := post(`{"secret":"b"}`)
	changed.Header = r.Header
	s.expect(t, s.call(changed), 403, RefusedSignature)
}

func TestSecretsThatAreNone(t *testing.T) {
	for _, secret := range []string{"", "whsec_", secretA[6:], "whsec_***", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		s := standard(t, func(o *StandardOptions) { o.Keys = values(secret) })
		s.expect(t, s.call(standardFrom(t, secretA, "msg_1", time.Now(), "{}")), 503, RefusedKeys)
		if f := s.failures(); len(f) != 1 || watcher.ReasonOf(f[0]) != watcher.ReasonInvalid {
			t.Errorf("health was told %v", f)
		}
	}
}

func TestAReplayIsAnsweredAndNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := standard(t)
		first := time.Now()
		ask := func(at time.Time, status int, refused ...Refusal) {
			t.Helper()
			s.expect(t, s.call(standardFrom(t, secretA, "msg_1", at, "{}")), status, refused...)
		}
		ask(first, 200)
		ask(first, 200, RefusedReplayed)
		time.Sleep(4 * time.Minute)
		// The sender did not hear our answer and tries again, with a new time.
		second := time.Now()
		ask(second, 200, RefusedReplayed)
		time.Sleep(4 * time.Minute)
		ask(first, 403, RefusedExpired)
		ask(second, 200, RefusedReplayed)
		time.Sleep(time.Minute)
		ask(second, 200, RefusedReplayed) // its last instant
		time.Sleep(time.Second)
		ask(second, 403, RefusedExpired)
		if n := len(s.got()); n != 1 {
			t.Errorf("delivered %d times", n)
		}
	})
}

func TestWhatWasNotTakenMayComeAgain(t *testing.T) {
	s := standard(t)
	at := time.Now()
	ask := func(status int, refused ...Refusal) {
		t.Helper()
		s.expect(t, s.call(standardFrom(t, secretA, "msg_1", at, "{}")), status, refused...)
	}
	s.say(watcher.Again)
	ask(503)
	ask(503)
	s.hook = func(context.Context) { panic("deliver") }
	ask(503, RefusedPanic)
	s.hook = nil
	s.say(watcher.Done)
	ask(200)
	ask(200, RefusedReplayed)
	if n := len(s.got()); n != 4 {
		t.Errorf("delivered %d times", n)
	}
}

func TestTheSameMessageAtTheSameTimeIsDeliveredOnce(t *testing.T) {
	s := standard(t)
	inside, outside := make(chan struct{}), make(chan struct{})
	s.hook = func(context.Context) { close(inside); <-outside }
	at := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		if got := s.call(standardFrom(t, secretA, "msg_1", at, "{}")); got.status != 200 {
			t.Errorf("the first is answered with %d", got.status)
		}
	})
	<-inside
	s.expect(t, s.call(standardFrom(t, secretA, "msg_1", at, "{}")), 503)
	close(outside)
	wg.Wait()
	s.expect(t, s.call(standardFrom(t, secretA, "msg_1", at, "{}")), 200, RefusedReplayed)
}

func TestAFullWindowOpensNoReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 50
		s := standard(t, func(o *StandardOptions) { o.Window, o.Tolerance = most, time.Hour })
		var sent []*http.Request
		again := func(r *http.Request) *http.Request {
			c := post("{}")
			c.Header = r.Header
			return c
		}
		for i := range 4 * most {
			r := standardFrom(t, secretA, fmt.Sprint("msg_", i), time.Now(), "{}")
			sent = append(sent, again(r))
			s.expect(t, s.call(r), 200)
			time.Sleep(time.Second)
		}
		s.refusals()
		for i, r := range sent {
			s.call(again(r))
			if n := len(s.got()); n != 4*most {
				t.Fatalf("message %d was delivered again", i)
			}
		}
		e, ok := s.at.(*Standard)
		if !ok {
			t.Fatal("not Standard")
		}
		if n := len(e.window.ids); n != most || len(e.window.old) != most {
			t.Errorf("%d ids are remembered", n)
		}
		// A sender in earnest signs anew.
		s.refusals()
		s.expect(t, s.call(standardFrom(t, secretA, "msg_new", time.Now(), "{}")), 200)
	})
}

func TestStandardSendsToItself(t *testing.T) {
	var address string
	s := standard(t, func(o *StandardOptions) { o.SelfURL = func() string { return address } })
	server := s.listen(t)
	s.outside.transport = server.Client().Transport
	sends(t, s, &address, server.URL+"/in")
}

func TestEventGridSendsToItself(t *testing.T) {
	var address string
	s := grid(t, keyed(gridKey, gridNext), func(o *EventGridOptions) { o.SelfURL = func() string { return address } })
	server := s.listen(t)
	s.outside.transport = server.Client().Transport
	sends(t, s, &address, server.URL+"/in")
}

func sends(t *testing.T, s *stage, address *string, good string) {
	t.Helper()
	for _, c := range []struct {
		address string
		verdict watcher.Verdict
		want    watcher.Reason
	}{
		{good, watcher.Done, ""},
		{good, watcher.Again, watcher.ReasonUnavailable},
		{good + "/other", watcher.Done, watcher.ReasonNotFound},
		{"", watcher.Done, watcher.ReasonInvalid},
		{"::", watcher.Done, watcher.ReasonInvalid},
		{"http://127.0.0.1:1/in", watcher.Done, watcher.ReasonUnavailable},
	} {
		*address = c.address
		s.say(c.verdict)
		err := s.at.Send(t.Context(), []byte(`{"secret":"x"}`))
		if got := watcher.ReasonOf(err); got != c.want {
			t.Errorf("%q, %v: %v", c.address, c.verdict, err)
		}
		if err != nil && (strings.Contains(err.Error(), gridKey) || strings.Contains(err.Error(), secretA[6:])) {
			t.Errorf("the error holds a key: %v", err)
		}
	}
	if got := s.got(); len(got) != 2 || string(got[0].Body) != `{"secret":"x"}` {
		t.Errorf("delivered %v", got)
	}
	s.refusals()
}

func TestOnlyTheCloudCanSignForTheOthers(t *testing.T) {
	push, _ := google(t)
	for _, e := range []Endpoint{push.at, amazon(t).at, grid(t).at} {
		if err := e.Send(t.Context(), nil); watcher.ReasonOf(err) != watcher.ReasonInvalid || !strings.Contains(err.Error(), "only the cloud") {
			t.Errorf("%T: %v", e, err)
		}
	}
}

func FuzzSignatureHeader(f *testing.F) {
	good := standardFrom(f, secretA, "msg_1", time.Unix(1674087231, 0), "{}").Header
	f.Add("msg_1", "1674087231", good.Get(headerSignature), []byte("{}"))
	f.Add("msg.1", "0", "v1, v1,x", []byte(""))
	secret, err := standardSecret([]byte(secretA))
	if err != nil {
		f.Fatal(err)
	}
	library, err := standardwebhooks.NewWebhook(secretA)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		h := http.Header{headerID: {id}, headerTimestamp: {timestamp}, headerSignature: {signatures}}
		head, why := headOf(h)
		if why != "" {
			return
		}
		if len(head.signatures) > maxSignatures {
			t.Errorf("%d signatures", len(head.signatures))
		}
		// Whom we let in, the authors of the specification let in.
		if head.by([][]byte{secret}, body) && library.VerifyIgnoringTimestamp(body, h) != nil {
			t.Error("we and the library disagree")
		}
		h.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(head.sum(secret, body)))
		if again, why := headOf(h); why != "" || !again.by([][]byte{secret}, body) || library.VerifyIgnoringTimestamp(body, h) != nil {
			t.Error("what we sign is not let in")
		}
	})
}
