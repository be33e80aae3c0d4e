package webhook

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

// let is a request that every kind lets in; kinds makes one stage of each.
type let struct {
	stage *stage
	good  func() *http.Request
}

func kinds(t testing.TB, change func(*Common)) map[string]let {
	t.Helper()
	if change == nil {
		change = func(*Common) {}
	}
	push, _ := google(t, func(o *PubSubPushOptions) { change(&o.Common) })
	id := 0
	return map[string]let{
		"pubsub": {push, func() *http.Request { return post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...) }},
		"event grid": {grid(t, keyed(gridKey), func(o *EventGridOptions) { change(&o.Common) }),
			func() *http.Request { return post(event, keyHeader, gridKey) }},
		"sns": {amazon(t, func(o *SNSOptions) { change(&o.Common) }),
			func() *http.Request { return fromSNS(t, sign(t, keyPair(), notification())) }},
		"standard": {standard(t, func(o *StandardOptions) { o.Rate, o.Burst = 0, 0; change(&o.Common) }),
			func() *http.Request {
				id++
				return standardFrom(t, secretA, fmt.Sprint("msg_", id), time.Now(), "{}")
			}},
	}
}

func TestVerdictsBecomeAnswers(t *testing.T) {
	for _, c := range []struct {
		verdict    watcher.Verdict
		deadLetter bool
		status     int
		again      string
	}{
		{watcher.Done, false, 200, ""},
		{watcher.Done, true, 200, ""},
		{watcher.Again, false, 503, "10"},
		{watcher.Again, true, 503, "10"},
		{watcher.Never, false, 200, ""},
		{watcher.Never, true, 400, ""},
		{watcher.Verdict(7), true, 503, "10"},
	} {
		for name, k := range kinds(t, func(o *Common) { o.DeadLetter = c.deadLetter }) {
			k.stage.say(c.verdict)
			got := k.stage.call(k.good())
			if got.status != c.status || got.header.Get("Retry-After") != c.again {
				t.Errorf("%s, %v, %v: answered %d, retry after %q", name, c.verdict, c.deadLetter, got.status, got.header.Get("Retry-After"))
			}
		}
	}
}

func TestRequestsAreTakenOnlyWhileItReceives(t *testing.T) {
	for name, k := range kinds(t, nil) {
		if got := k.stage.call(k.good()); got.status != 200 {
			t.Errorf("%s: answered %d while it receives", name, got.status)
		}
		k.stage.stop(t)
		if got := k.stage.call(k.good()); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: answered %d afterwards", name, got.status)
		}
		if n := len(k.stage.got()); n != 1 {
			t.Errorf("%s: delivered %d times", name, n)
		}
		k.stage.start(t, k.stage.at, nil)
		if got := k.stage.call(k.good()); got.status != 200 {
			t.Errorf("%s: answered %d when it receives again", name, got.status)
		}
	}
}

func TestHandshakesAreDoneOnlyWhileItReceives(t *testing.T) {
	s := grid(t, keyed(gridKey))
	s.stop(t)
	for _, r := range []*http.Request{
		request("OPTIONS", "/in", "", keyHeader, gridKey, "WebHook-Request-Origin", eventGridHost),
		post(`[{"eventType":"`+validationType+`","data":{"validationCode":"x"}}]`, keyHeader, gridKey, "Aeg-Event-Type", validation),
	} {
		s.expect(t, s.call(r), 503)
	}
	s = amazon(t)
	s.stop(t)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), confirmation()))), 503)
	if asked := s.outside.requests(); len(asked) != 0 {
		t.Errorf("asked for %v", asked)
	}
}

func TestOnlyOneCanReceive(t *testing.T) {
	s := grid(t, keyed(gridKey))
	err := s.at.Receive(t.Context(), s.deliver, s.inbox)
	var e *watcher.Error
	if !errors.As(err, &e) || e.Reason != watcher.ReasonInvalid {
		t.Errorf("got %v", err)
	}
	s.expect(t, s.call(post(event, keyHeader, gridKey)), 200)
}

func TestDeliveriesUnderWayAreFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := grid(t, keyed(gridKey))
		inside, outside := make(chan struct{}), make(chan struct{})
		s.hook = func(ctx context.Context) { close(inside); <-outside; <-time.After(time.Second); _ = ctx }
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := s.call(post(event, keyHeader, gridKey)); got.status != 200 {
				t.Errorf("answered %d", got.status)
			}
		})
		<-inside
		s.cancel()
		synctest.Wait()
		select {
		case <-s.ended:
			t.Fatal("Receive ended before its delivery")
		default:
		}
		if got := s.call(post(event, keyHeader, gridKey)); got.status != 503 {
			t.Errorf("a new one is answered with %d", got.status)
		}
		close(outside)
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		wg.Wait()
		s.cancel = nil
	})
}

func TestADeliveryThatHangsDoesNotHoldReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := grid(t, keyed(gridKey))
		inside, outside := make(chan struct{}), make(chan struct{})
		s.hook = func(context.Context) { close(inside); <-outside }
		var wg sync.WaitGroup
		wg.Go(func() { s.call(post(event, keyHeader, gridKey)) })
		<-inside
		begin := time.Now()
		s.stop(t)
		if took := time.Since(begin); took != deliverTimeout {
			t.Errorf("Receive took %v to end", took)
		}
		close(outside)
		wg.Wait()
	})
}

func TestADeliveryIsBoundedAndOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := grid(t, keyed(gridKey))
		ctx, cancel := context.WithCancel(t.Context())
		s.hook = func(inner context.Context) {
			cancel()
			if inner.Err() != nil {
				t.Error("the delivery ended with its caller")
			}
			<-inner.Done()
		}
		begin := time.Now()
		s.call(post(event, keyHeader, gridKey).WithContext(ctx))
		if took := time.Since(begin); took != deliverTimeout {
			t.Errorf("took %v", took)
		}
	})
}

func TestOtherMethodsAreRefused(t *testing.T) {
	for name, k := range kinds(t, nil) {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE", "OPTIONS", "post"} {
			if method == "OPTIONS" && name == "event grid" {
				continue
			}
			r := k.good()
			r.Method = method
			got := k.stage.call(r)
			if !strings.HasPrefix(got.header.Get("Allow"), "POST") {
				t.Errorf("%s: allows %q", name, got.header.Get("Allow"))
			}
			k.stage.expect(t, got, 405, RefusedMethod)
		}
		if len(k.stage.got()) != 0 {
			t.Errorf("%s: delivered", name)
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	for name, k := range kinds(t, func(o *Common) { o.MaxBody = 2000 }) {
		for _, length := range []int64{2001, -1} {
			r := k.good()
			r.ContentLength = length
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 2001)))
			k.stage.expect(t, k.stage.call(r), 413, RefusedLarge)
		}
		if len(k.stage.got()) != 0 {
			t.Errorf("%s: delivered", name)
		}
	}
}

func TestStrangersBodiesAreNotRead(t *testing.T) {
	for _, name := range []string{"pubsub", "event grid"} {
		k := kinds(t, nil)[name]
		r := request("POST", "/in", "")
		r.Body, r.ContentLength = io.NopCloser(iotest.ErrReader(errors.New("it was read"))), -1
		k.stage.expect(t, k.stage.call(r), 401, RefusedNoToken)
	}
}

func TestABodyThatBreaksOffComesAgain(t *testing.T) {
	for _, k := range kinds(t, nil) {
		r := k.good()
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))), -1
		k.stage.expect(t, k.stage.call(r), 503, RefusedSlow)
		if len(k.stage.got()) != 0 {
			t.Error("half a message was delivered")
		}
	}
}

// A real connection that never ends its body. The test waits for the answer
// and not for a time; without the time-out it would wait for ever.
func TestASlowBodyIsGivenUp(t *testing.T) {
	for _, k := range kinds(t, func(o *Common) { o.BodyTimeout = 50 * time.Millisecond }) {
		server := k.stage.listen(t)
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var head bytes.Buffer
		r := k.good()
		fmt.Fprintf(&head, "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n")
		if err := r.Header.Write(&head); err != nil {
			t.Fatal(err)
		}
		head.WriteString("\r\n{")
		if _, err := conn.Write(head.Bytes()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 503 || !resp.Close {
			t.Errorf("answered %d, close %v", resp.StatusCode, resp.Close)
		}
		_ = resp.Body.Close()
		_ = conn.Close()
		if got := k.stage.refusals(); !slices.Equal(got, []Refusal{RefusedSlow}) {
			t.Errorf("refused %v", got)
		}
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	s := grid(t, keyed(gridKey), func(o *EventGridOptions) { o.Concurrency = 2 })
	inside, outside := make(chan struct{}), make(chan struct{})
	s.hook = func(context.Context) { inside <- struct{}{}; <-outside }
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if got := s.call(post(event, keyHeader, gridKey)); got.status != 200 {
				t.Errorf("answered %d", got.status)
			}
		})
	}
	<-inside
	<-inside
	s.expect(t, s.call(post(event, keyHeader, gridKey)), 503, RefusedBusy)
	close(outside)
	wg.Wait()
	s.hook = nil
	s.expect(t, s.call(post(event, keyHeader, gridKey)), 200)
}

func TestRatesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, k := range kinds(t, nil) {
			counts := map[int]int{}
			for range defaultBurst + 10 {
				got := k.stage.call(k.good())
				counts[got.status]++
				if got.status == 429 && got.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", name)
				}
			}
			if counts[200] != defaultBurst || counts[429] != 10 {
				t.Errorf("%s: answered %v", name, counts)
			}
			time.Sleep(time.Second)
			for range defaultRate {
				if got := k.stage.call(k.good()); got.status != 200 {
					t.Errorf("%s: a second later answered %d", name, got.status)
				}
			}
		}
	})
}

func TestStrangersDoNotUseUpTheBudgetOfSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := grid(t, keyed(gridKey))
		for range 5 * defaultBurst {
			s.call(post(event, keyHeader, "wrong"))
		}
		s.refusals()
		s.expect(t, s.call(post(event, keyHeader, gridKey)), 200)
		for range forAll * defaultBurst {
			s.call(post(event))
		}
		s.refusals()
		s.expect(t, s.call(post(event)), 429, RefusedFast)
	})
}

func TestAPanicIsContained(t *testing.T) {
	for name, k := range kinds(t, nil) {
		k.stage.hook = func(context.Context) { panic("the content of a message") }
		k.stage.expect(t, k.stage.call(k.good()), 503, RefusedPanic)
		if strings.Contains(k.stage.log.String(), "content of a message") {
			t.Errorf("%s: the panic's text is in the log", name)
		}
		k.stage.hook = nil
		k.stage.expect(t, k.stage.call(k.good()), 200)
	}
}

func TestTheLogIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := grid(t, keyed(gridKey))
		for range 300 {
			s.call(request("POST", "/in?key=a-secret-key", "a body", "X-Evil", "a header"))
			s.call(request("GET", "/in", ""))
			time.Sleep(time.Second)
		}
		log := s.log.String()
		if n := strings.Count(log, "\n"); n != 10 {
			t.Errorf("%d lines", n)
		}
		if !strings.Contains(log, "not_logged=59") {
			t.Error("what was not logged is not counted")
		}
		for _, leak := range []string{"a-secret-key", "a body", "a header", "/in"} {
			if strings.Contains(log, leak) {
				t.Errorf("the log holds %q", leak)
			}
		}
		if n := len(s.refusals()); n != 600 {
			t.Errorf("the hook heard of %d", n)
		}
	})
}

func TestPathsAreExact(t *testing.T) {
	a, b := grid(t, keyed(gridKey)), grid(t, keyed(gridNext), func(o *EventGridOptions) { o.Path = "/other" })
	h, err := Handler(a.at, b.at)
	if err != nil {
		t.Fatal(err)
	}
	for target, status := range map[string]int{"/in": 200, "/in?x=y": 200, "/in/": 404, "/": 404, "//in": 404, "/IN": 404, "/in/../in": 404, "/other": 403} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("POST", target, event, keyHeader, gridKey))
		got := reply{status: w.Code, body: w.Body.String()}
		if got.status != status {
			t.Errorf("%s is answered with %d, want %d", target, got.status, status)
		}
		if status == 404 && got.body != "not found\n" {
			t.Errorf("%s hints: %q", target, got.body)
		}
	}
	if _, err := Handler(a.at, a.at); err == nil {
		t.Error("two endpoints share a path")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := Common{Name: "a", Path: "/a"}
	key := values(gridKey)
	for name, make := range map[string]func() (Endpoint, error){
		"no name": func() (Endpoint, error) { return NewStandard(StandardOptions{Common: Common{Path: "/a"}, Keys: key}) },
		"no path": func() (Endpoint, error) { return NewStandard(StandardOptions{Common: Common{Name: "a"}, Keys: key}) },
		"a query in the path": func() (Endpoint, error) {
			return NewStandard(StandardOptions{Common: Common{Name: "a", Path: "/a?b"}, Keys: key})
		},
		"a negative rate": func() (Endpoint, error) {
			return NewStandard(StandardOptions{Common: Common{Name: "a", Path: "/a", Rate: -1}, Keys: key})
		},
		"no secrets": func() (Endpoint, error) { return NewStandard(StandardOptions{Common: good}) },
		"a tolerance of a day": func() (Endpoint, error) {
			return NewStandard(StandardOptions{Common: good, Keys: key, Tolerance: 24 * time.Hour})
		},
		"no tenant and no key": func() (Endpoint, error) { return NewEventGrid(EventGridOptions{Common: good}) },
		"a domain for a tenant": func() (Endpoint, error) {
			return NewEventGrid(EventGridOptions{Common: good, Tenant: "a.example", Audience: app})
		},
		"a tenant, no audience": func() (Endpoint, error) { return NewEventGrid(EventGridOptions{Common: good, Tenant: tenant}) },
		"an unknown authority": func() (Endpoint, error) {
			return NewEventGrid(EventGridOptions{Common: good, Tenant: tenant, Audience: app, Authority: "evil"})
		},
		"no audience of the push": func() (Endpoint, error) {
			return NewPubSubPush(PubSubPushOptions{Common: good, ServiceAccount: account})
		},
		"no account of the push": func() (Endpoint, error) { return NewPubSubPush(PubSubPushOptions{Common: good, Audience: audience}) },
		"keys without TLS": func() (Endpoint, error) {
			return NewPubSubPush(PubSubPushOptions{Common: good, Audience: audience, ServiceAccount: account, KeysURL: "http://a"})
		},
		"no topics":            func() (Endpoint, error) { return NewSNS(SNSOptions{Common: good}) },
		"a topic that is none": func() (Endpoint, error) { return NewSNS(SNSOptions{Common: good, Topics: []string{topicA, "x"}}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTheServerHasTimeOuts(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	for name, d := range map[string]time.Duration{"head": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s: %v", name, d)
		}
	}
	if s.WriteTimeout <= defaultBodyTimeout+fetchTimeout+deliverTimeout {
		t.Error("an honest request could exceed the time to write")
	}
	if s.MaxHeaderBytes <= maxToken {
		t.Error("a long token has no room")
	}
}

func TestRefusalsAreAllListed(t *testing.T) {
	seen := map[Refusal]bool{}
	for _, r := range Refusals() {
		if seen[r] || strings.ToLower(string(r)) != string(r) || strings.ContainsAny(string(r), " -") {
			t.Errorf("%q is no good label", r)
		}
		seen[r] = true
		if status := r.status(); (status == 200) != (r == RefusedReplayed) {
			t.Errorf("%s is answered with %d", r, status)
		}
	}
}

// FuzzNobodyGetsInWithoutProof sends whatever comes to mind to every kind. None
// of it is signed by anybody, so none of it may be delivered or answered with
// success, and nothing but constant addresses may be asked for.
func FuzzNobodyGetsInWithoutProof(f *testing.F) {
	body := `{"Type":"Notification","MessageId":"m","TopicArn":"` + topicA + `","Message":"","Timestamp":"2026-01-01T00:00:00Z","Signature":"eA==","SignatureVersion":"1","SigningCertURL":"https://` + snsHost + certFile + `"}`
	f.Add("POST", "", "Notification", topicA, "Bearer a.b.c", "1674087231", "v1,x", []byte(body))
	f.Add("OPTIONS", "key=x", "SubscriptionConfirmation", topicA, "", "1", "v1,", []byte("[]"))
	f.Add("POST", "key=", "SubscriptionValidation", "", "Bearer eyJhbGciOiJub25lIn0.e30.", "", "", []byte(`[{"eventType":"`+validationType+`","data":{"validationCode":"x"}}]`))
	all := kinds(f, func(o *Common) { o.Rate, o.Burst = 1e9, 1e9 })
	entraOnly := grid(f, func(o *EventGridOptions) { o.Rate, o.Burst = 1e9, 1e9 })
	all["entra"] = let{stage: entraOnly}
	both := grid(f, func(o *EventGridOptions) {
		o.Rate, o.Burst = 1e9, 1e9
		o.Keys = func() ([]credential.Value, error) { return nil, nil }
	})
	all["no keys"] = let{stage: both}
	f.Fuzz(func(t *testing.T, method, query, kind, topic, authorization, timestamp, signature string, body []byte) {
		for name, k := range all {
			r := request("POST", "/in", string(body), "x-amz-sns-message-type", kind, "aeg-event-type", kind, "x-amz-sns-topic-arn", topic,
				"Authorization", authorization, keyHeader, signature, headerID, "x", headerTimestamp, timestamp, headerSignature, signature, "WebHook-Request-Origin", eventGridHost)
			r.Method, r.URL.RawQuery = method, query
			got := k.stage.call(r)
			if got.status < 400 || len(k.stage.got()) != 0 {
				t.Errorf("%s: answered %d, delivered %d", name, got.status, len(k.stage.got()))
			}
			for _, asked := range k.stage.outside.requests() {
				if asked != "GET "+googleKeys && !strings.HasPrefix(asked, "GET https://"+entra+"/"+tenant+"/") && !strings.HasPrefix(asked, "GET https://"+snsHost+"/SimpleNotificationService-") {
					t.Errorf("%s: asked for %s", name, asked)
				}
			}
		}
	})
}

// From the request on a real connection to the call of Deliver.
func BenchmarkDeliver(b *testing.B) {
	for name, k := range kinds(b, func(o *Common) { o.Rate, o.Burst = 1e9, 1e9 }) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			server := k.stage.listen(b)
			var all []time.Duration
			for b.Loop() {
				b.StopTimer()
				r := k.good()
				b.StartTimer()
				begin := time.Now()
				if got := over(b, server, r); got.status != 200 {
					b.Fatal(got.status)
				}
				all = append(all, time.Since(begin))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-median")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-p99")
		})
	}
}
