package webhook

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
)

const (
	topicA   = "arn:aws:sns:us-west-2:123456789012:secrets"
	snsHost  = "sns.us-west-2.amazonaws.com"
	certFile = "/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
)

// certFor makes the certificate that SNS would sign with.
func certFor(t testing.TB, k *rsa.PrivateKey, from, until time.Time, names ...string) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func amazon(t testing.TB, change ...func(*SNSOptions)) *stage {
	t.Helper()
	s := newStage()
	now := time.Now()
	cert := certFor(t, keyPair(), now.Add(-time.Hour), now.Add(30*24*time.Hour), "sns.amazonaws.com")
	s.outside.serve(snsHost, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == certFile:
			_, _ = w.Write(cert)
		case r.URL.Path == "/" && r.URL.Query().Get("Action") == "ConfirmSubscription":
			_, _ = w.Write([]byte("<ConfirmSubscriptionResponse/>"))
		default:
			http.NotFound(w, r)
		}
	})
	o := SNSOptions{Common: s.common(), Topics: []string{topicA}}
	for _, c := range change {
		c(&o)
	}
	e, err := NewSNS(o)
	return s.start(t, e, err)
}

func notification() map[string]any {
	return map[string]any{
		"Type": "Notification", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": topicA,
		"Message": `{"source":"aws.secretsmanager"}`, "Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"SignatureVersion": "2", "SigningCertURL": "https://" + snsHost + certFile,
		"UnsubscribeURL": "https://" + snsHost + "/?Action=Unsubscribe",
	}
}

func confirmation() map[string]any {
	m := with(with(notification(), "Type", "SubscriptionConfirmation"), "Token", "2336412f37")
	m = with(m, "Message", "You have chosen to subscribe")
	return with(m, "SubscribeURL", "https://"+snsHost+"/?Action=ConfirmSubscription&TopicArn="+topicA+"&Token=2336412f37")
}

// sign does as the documentation of SNS says, and not as the code under test.
func sign(t testing.TB, k *rsa.PrivateKey, m map[string]any) map[string]any {
	t.Helper()
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, n := range names {
		if v, ok := m[n]; ok {
			fmt.Fprintf(&text, "%s\n%v\n", n, v)
		}
	}
	var sum []byte
	hash := crypto.SHA256
	if m["SignatureVersion"] == "1" {
		hash = crypto.SHA1
		s := sha1.Sum([]byte(text.String()))
		sum = s[:]
	} else {
		s := sha256.Sum256([]byte(text.String()))
		sum = s[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, k, hash, sum)
	if err != nil {
		t.Fatal(err)
	}
	return with(m, "Signature", base64.StdEncoding.EncodeToString(signature))
}

func fromSNS(t testing.TB, m map[string]any) *http.Request {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return post(string(body), "x-amz-sns-message-type", fmt.Sprint(m["Type"]), "x-amz-sns-topic-arn", fmt.Sprint(m["TopicArn"]))
}

func TestSNS(t *testing.T) {
	signed := func(m map[string]any) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request { return fromSNS(t, sign(t, keyPair(), m)) }
	}
	changed := func(name string, value any) func(*testing.T) *http.Request {
		return func(t *testing.T) *http.Request {
			return fromSNS(t, with(sign(t, keyPair(), notification()), name, value))
		}
	}
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	cert := "GET https://" + snsHost + certFile
	other := "arn:aws:sns:us-west-2:999999999999:secrets"
	for _, c := range []struct {
		name    string
		request func(*testing.T) *http.Request
		status  int
		refused []Refusal
		asked   []string
	}{
		{"a message with signature version 2 is let in", signed(notification()), 200, nil, []string{cert}},
		{"a message with signature version 1 is let in", signed(with(notification(), "SignatureVersion", "1")), 200, nil, []string{cert}},
		{"a subject is signed", signed(with(notification(), "Subject", "AWS Notification")), 200, nil, []string{cert}},
		{"an hour old is not too old", signed(with(notification(), "Timestamp", at(-time.Hour))), 200, nil, []string{cert}},
		{"a subject that was added is refused", changed("Subject", "x"), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"a message that was changed is refused", changed("Message", "x"), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"a time that was changed is refused", changed("Timestamp", at(-time.Minute)), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"another signature version is refused", changed("SignatureVersion", "3"), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"the other signature version is refused", changed("SignatureVersion", "1"), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"another key is refused", func(t *testing.T) *http.Request { return fromSNS(t, sign(t, otherKey(), notification())) }, 403, []Refusal{RefusedSignature}, []string{cert}},
		{"an old message is refused", signed(with(notification(), "Timestamp", at(-2*time.Hour))), 403, []Refusal{RefusedExpired}, nil},
		{"a message of the future is refused", signed(with(notification(), "Timestamp", at(time.Hour))), 403, []Refusal{RefusedExpired}, nil},
		{"a message without a time is refused", signed(with(notification(), "Timestamp", "now")), 403, []Refusal{RefusedExpired}, nil},
		{"another topic is refused", signed(with(notification(), "TopicArn", other)), 403, []Refusal{RefusedTopic}, nil},
		{"another topic is refused whatever the header says", func(t *testing.T) *http.Request {
			r := fromSNS(t, sign(t, keyPair(), with(notification(), "TopicArn", other)))
			r.Header.Set("x-amz-sns-topic-arn", topicA)
			return r
		}, 400, []Refusal{RefusedMalformed}, nil},
		{"types that disagree are refused", func(t *testing.T) *http.Request {
			r := fromSNS(t, sign(t, keyPair(), notification()))
			r.Header.Set("x-amz-sns-message-type", "SubscriptionConfirmation")
			return r
		}, 400, []Refusal{RefusedMalformed}, nil},
		{"raw delivery is refused", func(t *testing.T) *http.Request {
			r := post(`{"source":"aws.secretsmanager"}`, "x-amz-sns-rawdelivery", "true", "x-amz-sns-topic-arn", topicA)
			r.Header.Set("x-amz-sns-message-type", "Notification")
			return r
		}, 400, []Refusal{RefusedRaw}, nil},
		{"a stranger is refused", func(*testing.T) *http.Request { return post("{}") }, 401, []Refusal{RefusedNoToken}, nil},
		{"junk is refused", func(*testing.T) *http.Request {
			return post("{", "x-amz-sns-message-type", "Notification", "x-amz-sns-topic-arn", topicA)
		}, 400, []Refusal{RefusedMalformed}, nil},
		{"an unknown type is refused", signed(with(notification(), "Type", "Other")), 400, []Refusal{RefusedMalformed}, nil},
		{"a message without signature is refused", changed("Signature", nil), 400, []Refusal{RefusedMalformed}, nil},
		{"a signature that is no base64 is refused", changed("Signature", "***"), 403, []Refusal{RefusedSignature}, []string{cert}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amazon(t)
			s.expect(t, s.call(c.request(t)), c.status, c.refused...)
			if delivered := len(s.got()) == 1; delivered != (c.status == 200) {
				t.Errorf("delivered: %v", delivered)
			}
			if diff := cmp.Diff(c.asked, s.outside.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyWhatWasSignedIsDelivered(t *testing.T) {
	s := amazon(t)
	m := sign(t, keyPair(), with(notification(), "Subject", "s"))
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// Another reader could take the first, the last, or the one in small letters.
	doubled := `{"message":"evil","MESSAGE":"evil","MessageAttributes":{"x":{"Type":"String","Value":"evil"}},` + string(body[1:])
	r := post(doubled, "x-amz-sns-message-type", "Notification", "x-amz-sns-topic-arn", topicA)
	s.expect(t, s.call(r), 200)
	got := s.got()
	if len(got) != 1 || got[0].ID != m["MessageId"] || got[0].Sent.IsZero() {
		t.Fatalf("delivered %+v", got)
	}
	var delivered map[string]any
	if err := json.Unmarshal(got[0].Body, &delivered); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	for _, n := range []string{"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp"} {
		want[n] = m[n]
	}
	if diff := cmp.Diff(want, delivered); diff != "" {
		t.Error(diff)
	}
}

// Every address here would be fetched by who believes the message.
func TestCertificatesComeFromSNSAlone(t *testing.T) {
	for _, address := range []string{
		"", "x", "https://evil.example.com" + certFile, "http://" + snsHost + certFile, "https://" + snsHost + ":443" + certFile,
		"https://" + snsHost + ":8443" + certFile, "https://evil@" + snsHost + certFile, "https://" + snsHost + "@evil.example.com" + certFile,
		"https://" + snsHost + certFile + "?x", "https://" + snsHost + certFile + "#x", "https://" + snsHost + certFile + "?", "https://" + snsHost + "/evil.pem",
		"https://" + snsHost + "/a/../" + certFile, "https://" + snsHost + "/" + certFile, "https://" + snsHost + "/%53impleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem",
		"https://sns.us-east-1.amazonaws.com" + certFile, "https://sns.us-west-2.amazonaws.com.cn" + certFile,
		"https://" + snsHost + ".evil.example.com" + certFile, "https://evil." + snsHost + certFile, "https://SNS.us-west-2.amazonaws.com" + certFile,
		"https://s3.us-west-2.amazonaws.com" + certFile, "https://sns.us-west-2.amazonaws.com." + certFile, "https:\\\\" + snsHost + certFile,
		"https://169.254.169.254" + certFile, "file://" + certFile, "//" + snsHost + certFile, " https://" + snsHost + certFile,
		"https://" + snsHost + strings.Replace(certFile, "9c", "../x", 1), "https://" + snsHost + "/SimpleNotificationService-" + strings.Repeat("a", 65) + ".pem",
		"https://" + snsHost + "/SimpleNotificationService-.pem", "https://" + snsHost + certFile + "\n", "https://" + snsHost + certFile + "\x00",
	} {
		s := amazon(t)
		got := s.call(fromSNS(t, sign(t, keyPair(), with(notification(), "SigningCertURL", address))))
		if got.status != 403 {
			t.Errorf("%q is answered with %d", address, got.status)
		}
		if asked := s.outside.requests(); len(asked) != 0 || len(s.got()) != 0 {
			t.Errorf("%q made it ask for %v", address, asked)
		}
	}
}

func TestCertificatesThatAreNoneOfSNS(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert   []byte
		key    *rsa.PrivateKey
		status int
	}{
		"the name of the older regions is good": {certFor(t, keyPair(), now.Add(-day), now.Add(day), "sns.amazonaws.com"), keyPair(), 200},
		"the name of newer regions is good":     {certFor(t, keyPair(), now.Add(-day), now.Add(day), "sns-signing.us-west-2.amazonaws.com"), keyPair(), 200},
		"the name of another region is not":     {certFor(t, keyPair(), now.Add(-day), now.Add(day), "sns-signing.us-east-9.amazonaws.com"), keyPair(), 403},
		"another service's name is not":         {certFor(t, keyPair(), now.Add(-day), now.Add(day), "s3.amazonaws.com"), keyPair(), 403},
		"one that has ended is not":             {certFor(t, keyPair(), now.Add(-2*day), now.Add(-day), "sns.amazonaws.com"), keyPair(), 403},
		"one that has not begun is not":         {certFor(t, keyPair(), now.Add(day), now.Add(2*day), "sns.amazonaws.com"), keyPair(), 403},
		"a small key is not":                    {certFor(t, small, now.Add(-day), now.Add(day), "sns.amazonaws.com"), small, 403},
		"junk is not":                           {[]byte("junk"), keyPair(), 403},
		"a key is not":                          {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&keyPair().PublicKey)}), keyPair(), 403},
		"an endless one is not":                 {make([]byte, maxCertificate+1), keyPair(), 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := amazon(t)
			s.outside.serve(snsHost, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.cert) })
			if got := s.call(fromSNS(t, sign(t, c.key, notification()))); got.status != c.status {
				t.Errorf("answered %d, want %d", got.status, c.status)
			}
		})
	}
}

func TestSigningRootsHaveToBeReached(t *testing.T) {
	now := time.Now()
	good := x509.NewCertPool()
	for _, c := range []struct {
		roots  *x509.CertPool
		status int
	}{{x509.NewCertPool(), 403}, {good, 200}} {
		s := amazon(t, func(o *SNSOptions) { o.SigningRoots = c.roots })
		cert := certFor(t, keyPair(), now.Add(-time.Hour), now.Add(time.Hour), "sns.amazonaws.com")
		good.AppendCertsFromPEM(cert)
		s.outside.serve(snsHost, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(cert) })
		if got := s.call(fromSNS(t, sign(t, keyPair(), notification()))); got.status != c.status {
			t.Errorf("answered %d, want %d", got.status, c.status)
		}
	}
}

func TestMadeUpCertificatesDoNotHammerSNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amazon(t)
		s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 200)
		begin := time.Now()
		for i := range 300 {
			m := with(notification(), "SigningCertURL", fmt.Sprintf("https://%s/SimpleNotificationService-%d.pem", snsHost, i))
			s.call(fromSNS(t, sign(t, keyPair(), m)))
			time.Sleep(time.Second)
		}
		if n, most := len(s.outside.requests()), int(time.Since(begin)/fetchEvery)+fetchBurst+1; n > most {
			t.Errorf("asked %d times, at most %d are good", n, most)
		}
		// The one in use is still there.
		s.refusals()
		s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 200)
	})
}

func TestKnownCertificatesAreBounded(t *testing.T) {
	s := amazon(t)
	e, ok := s.at.(*SNS)
	if !ok {
		t.Fatal("not SNS")
	}
	e.certificates.mu.Lock()
	defer e.certificates.mu.Unlock()
	for i := range 100 {
		e.certificates.makeRoom()
		e.certificates.known[fmt.Sprint(i)] = certificate{until: time.Now().Add(time.Duration(i) * time.Hour)}
	}
	if n := len(e.certificates.known); n != maxCertificates {
		t.Errorf("%d are known", n)
	}
	if _, ok := e.certificates.known["99"]; !ok {
		t.Error("the newest was dropped")
	}
}

func TestWithoutTheCertificateNothingIsLost(t *testing.T) {
	s := amazon(t)
	s.outside.cut(true)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 503, RefusedKeys)
	s.outside.cut(false)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 200)
	s.outside.cut(true)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 200)
}

func TestSubscriptionsAreConfirmedForConfiguredTopicsOnly(t *testing.T) {
	evil := "https://evil.example.com/?Action=ConfirmSubscription"
	cert := "GET https://" + snsHost + certFile
	confirmed := "GET https://" + snsHost + "/?Action=ConfirmSubscription&Token=2336412f37&TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A123456789012%3Asecrets"
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int
		refused []Refusal
		asked   []string
	}{
		{"a configured topic is confirmed", fromSNS(t, sign(t, keyPair(), confirmation())), 200, nil, []string{cert, confirmed}},
		{"another address is never asked for, even if it is signed", fromSNS(t, sign(t, keyPair(), with(confirmation(), "SubscribeURL", evil))), 200, nil, []string{cert, confirmed}},
		{"a token can't add to the address", fromSNS(t, sign(t, keyPair(), with(confirmation(), "Token", "a&TopicArn=b#/../ü"))), 200, nil,
			[]string{cert, "GET https://" + snsHost + "/?Action=ConfirmSubscription&Token=a%26TopicArn%3Db%23%2F..%2F%C3%BC&TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A123456789012%3Asecrets"}},
		{"another topic is not confirmed", fromSNS(t, sign(t, keyPair(), with(confirmation(), "TopicArn", "arn:aws:sns:us-west-2:999999999999:evil"))), 403, []Refusal{RefusedTopic}, nil},
		{"a wrong signature confirms nothing", fromSNS(t, sign(t, otherKey(), confirmation())), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"a changed token confirms nothing", fromSNS(t, with(sign(t, keyPair(), confirmation()), "Token", "x")), 403, []Refusal{RefusedSignature}, []string{cert}},
		{"an old message confirms nothing", fromSNS(t, sign(t, keyPair(), with(confirmation(), "Timestamp", "2020-01-01T00:00:00Z"))), 403, []Refusal{RefusedExpired}, nil},
		{"an endless token confirms nothing", fromSNS(t, sign(t, keyPair(), with(confirmation(), "Token", strings.Repeat("x", 2000)))), 400, []Refusal{RefusedMalformed}, []string{cert}},
		{"a farewell is not undone", fromSNS(t, sign(t, keyPair(), with(confirmation(), "Type", "UnsubscribeConfirmation"))), 200, nil, []string{cert}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amazon(t)
			s.expect(t, s.call(c.request), c.status, c.refused...)
			if diff := cmp.Diff(c.asked, s.outside.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if len(s.got()) != 0 {
				t.Error("it was delivered")
			}
		})
	}
}

func TestAConfirmationThatFailsIsTriedAgain(t *testing.T) {
	s := amazon(t)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 200)
	s.outside.cut(true)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), confirmation()))), 503)
	if f := s.failures(); len(f) != 1 || watcher.ReasonOf(f[0]) != watcher.ReasonUnavailable || strings.Contains(f[0].Error(), "2336412f37") {
		t.Errorf("health was told %v", f)
	}
	if strings.Contains(s.log.String(), "2336412f37") {
		t.Error("the token is in the log")
	}
	s.outside.cut(false)
	s.outside.serve(snsHost, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example.com/", http.StatusFound)
	})
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), confirmation()))), 503)
	for _, asked := range s.outside.requests() {
		if !strings.HasPrefix(asked, "GET https://"+snsHost+"/") {
			t.Errorf("asked for %s", asked)
		}
	}
}

func TestAFarewellShows(t *testing.T) {
	s := amazon(t)
	s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), with(confirmation(), "Type", "UnsubscribeConfirmation")))), 200)
	if f := s.failures(); len(f) != 1 || watcher.ReasonOf(f[0]) != watcher.ReasonNotFound {
		t.Errorf("health was told %v", f)
	}
}

func TestTopicsOfEveryPartition(t *testing.T) {
	for arn, host := range map[string]string{
		topicA: snsHost,
		"arn:aws-cn:sns:cn-north-1:123456789012:t":        "sns.cn-north-1.amazonaws.com.cn",
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:t": "sns.us-gov-west-1.amazonaws.com",
		"arn:aws-eusc:sns:eusc-de-east-1:123456789012:t":  "sns.eusc-de-east-1.amazonaws.eu",
		"arn:aws:sqs:us-west-2:123456789012:t":            "",
		"arn:aws:sns:us-west-2:1234:t":                    "",
		"arn:aws:sns:us-west-2:123456789012:t.fifo":       "",
		"arn:aws:sns:us-west-2:123456789012:t:sub":        "",
		"arn:aws:sns:evil.example.com/:123456789012:t":    "",
		"arn:evil:sns:us-west-2:123456789012:t":           "",
		"":                                                "",
	} {
		got, ok := topicOf(arn)
		if ok != (host != "") || ok && got.host != host {
			t.Errorf("%s: %v %+v", arn, ok, got)
		}
	}
}

func TestSNSOverARealConnection(t *testing.T) {
	s := amazon(t)
	server := s.listen(t)
	for range 3 {
		s.expect(t, over(t, server, fromSNS(t, sign(t, keyPair(), notification()))), 200)
	}
	if n := len(s.outside.requests()); n != 1 {
		t.Errorf("asked %d times for the certificate", n)
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, m := range []map[string]any{notification(), confirmation()} {
		body, err := json.Marshal(sign(f, keyPair(), m))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte("null"))
	t, ok := topicOf(topicA)
	if !ok {
		f.Fatal("no topic")
	}
	f.Fuzz(func(tt *testing.T, body []byte) {
		m, err := parseSNS(body)
		if err != nil {
			return
		}
		if path, ok := t.certificateFile(m.SigningCertURL); ok && m.SigningCertURL != "https://"+snsHost+path {
			tt.Errorf("%q is taken for a file of SNS", m.SigningCertURL)
		}
		if m.signedBy(&otherKey().PublicKey) {
			tt.Error("signed by nobody")
		}
		out, err := m.signedFields()
		if err != nil {
			tt.Fatal(err)
		}
		again, err := parseSNS([]byte(strings.Replace(string(out), "{", `{"Signature":"x",`, 1)))
		if err != nil {
			tt.Fatalf("what is delivered can't be read: %v", err)
		}
		if m.Type == snsNotification && string(again.canonical()) != string(m.canonical()) {
			tt.Error("something else is delivered than was signed")
		}
		if m.Token != "" {
			address, err := http.NewRequest(http.MethodGet, t.confirmation(m.Token), nil) //nolint:noctx // not sent
			if err != nil || address.URL.Host != snsHost || address.URL.Query().Get("TopicArn") != topicA || address.URL.Scheme != "https" {
				tt.Errorf("a token leads to %v", address)
			}
		}
	})
}
