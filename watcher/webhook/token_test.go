package webhook

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
)

const pushed = `{"message":{"attributes":{"eventType":"SECRET_VERSION_ADD"},"messageId":"1"},"subscription":"projects/p/subscriptions/s"}`

func TestPubSubPush(t *testing.T) {
	good := func(t *testing.T) string { return mint(t, keyPair(), "one", googleClaims()) }
	changed := func(name string, value any) func(*testing.T) string {
		return func(t *testing.T) string { return mint(t, keyPair(), "one", with(googleClaims(), name, value)) }
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, c := range []struct {
		name    string
		token   func(*testing.T) string
		status  int
		refused []Refusal
	}{
		{"a token of the subscription is let in", good, 200, nil},
		{"the issuer may lack its scheme", changed("iss", "accounts.google.com"), 200, nil},
		{"one of several audiences is enough", changed("aud", []string{"other", audience}), 200, nil},
		{"no token is asked for one", func(*testing.T) string { return "" }, 401, []Refusal{RefusedNoToken}},
		{"another issuer is refused", changed("iss", "https://accounts.example.com"), 403, []Refusal{RefusedIssuer}},
		{"a missing issuer is refused", changed("iss", nil), 403, []Refusal{RefusedIssuer}},
		{"another audience is refused", changed("aud", audience+"/"), 403, []Refusal{RefusedAudience}},
		{"a missing audience is refused", changed("aud", nil), 403, []Refusal{RefusedAudience}},
		{"another account is refused", changed("email", "mallory@evil.iam.gserviceaccount.com"), 403, []Refusal{RefusedCaller}},
		{"a missing account is refused", changed("email", nil), 403, []Refusal{RefusedCaller}},
		{"an account that was not verified is refused", changed("email_verified", false), 403, []Refusal{RefusedCaller}},
		{"an account of which nothing is said is refused", changed("email_verified", nil), 403, []Refusal{RefusedCaller}},
		{"claims of other types are refused", changed("email", 7), 403, []Refusal{RefusedCaller}},
		{"an expired token is refused", changed("exp", in(-time.Second)), 403, []Refusal{RefusedExpired}},
		{"a token without end is refused", changed("exp", nil), 403, []Refusal{RefusedExpired}},
		{"a token of the future is refused", changed("nbf", in(time.Hour)), 403, []Refusal{RefusedSignature}},
		{"a token of another key is refused", func(t *testing.T) string {
			return mint(t, otherKey(), "one", googleClaims())
		}, 403, []Refusal{RefusedSignature}},
		{"a token of an unknown key is refused", func(t *testing.T) string {
			return mint(t, keyPair(), "two", googleClaims())
		}, 403, []Refusal{RefusedSignature}},
		{"a token that names no key is refused", func(t *testing.T) string {
			return mint(t, keyPair(), "", googleClaims())
		}, 403, []Refusal{RefusedSignature}},
		{"a token without signature is refused", unsigned, 403, []Refusal{RefusedSignature}},
		{"a token that wants no algorithm is refused", func(t *testing.T) string {
			return headed(t, `{"alg":"none","kid":"one"}`) + "."
		}, 403, []Refusal{RefusedSignature}},
		{"a MAC with the public key is refused", hmacToken, 403, []Refusal{RefusedSignature}},
		{"another RSA algorithm is refused", rs512Token, 403, []Refusal{RefusedSignature}},
		{"claims that were changed later are refused", func(t *testing.T) string {
			parts := strings.Split(good(t), ".")
			body, err := json.Marshal(with(googleClaims(), "sub", "1"))
			if err != nil {
				t.Fatal(err)
			}
			return parts[0] + "." + base64.RawURLEncoding.EncodeToString(body) + "." + parts[2]
		}, 403, []Refusal{RefusedSignature}},
		{"junk is refused", func(*testing.T) string { return "a.b.c" }, 403, []Refusal{RefusedSignature}},
		{"an endless token is refused", func(*testing.T) string { return strings.Repeat("a", maxToken+1) }, 403, []Refusal{RefusedSignature}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := google(t)
			token := c.token(t)
			got := s.call(post(pushed, auth(token)...))
			s.expect(t, got, c.status, c.refused...)
			if delivered := len(s.got()) == 1; delivered != (c.status == 200) {
				t.Errorf("delivered: %v", delivered)
			}
			if len(token) > 10 && strings.Contains(s.log.String(), token[:10]) {
				t.Error("the token is in the log")
			}
			for _, r := range s.outside.requests() {
				if r != "GET "+googleKeys {
					t.Errorf("asked for %s", r)
				}
			}
		})
	}
}

func headed(t *testing.T, head string) string {
	t.Helper()
	body, err := json.Marshal(googleClaims())
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString(body)
}

func unsigned(t *testing.T) string { return headed(t, `{"alg":"RS256","kid":"one"}`) + "." }

func hmacToken(t *testing.T) string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(keyPair().Public())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: "one"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return seal(t, signer, googleClaims())
}

func rs512Token(t *testing.T) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS512, Key: jose.JSONWebKey{Key: keyPair(), KeyID: "one"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return seal(t, signer, googleClaims())
}

func TestPushIsDeliveredAsItCame(t *testing.T) {
	s, _ := google(t)
	server := s.listen(t)
	token := auth(mint(t, keyPair(), "one", googleClaims()))
	s.expect(t, over(t, server, post(pushed, token...)), 200)
	sent := time.Date(2026, 10, 2, 13, 3, 44, 0, time.UTC)
	s.expect(t, over(t, server, post("raw", append(token,
		"x-goog-pubsub-message-id", "42", "x-goog-pubsub-subscription-name", "projects/p/subscriptions/s",
		"x-goog-pubsub-publish-time", sent.Format(time.RFC3339),
		"eventType", "SECRET_VERSION_ADD", "secretId", "projects/1/secrets/s", "other", "x", "deleteType", strings.Repeat("x", 2000))...)), 200)
	s.expect(t, over(t, server, post("raw", append(token, "eventType", "SECRET_VERSION_ADD")...)), 200)
	want := []watcher.Message{
		{ID: "1", Body: []byte(pushed)}, // a number of ours
		{ID: "42", Body: []byte("raw"), Sent: sent, Attributes: map[string]string{"eventType": "SECRET_VERSION_ADD", "secretId": "projects/1/secrets/s"}},
		{ID: "2", Body: []byte("raw")},
	}
	if diff := cmp.Diff(want, s.got()); diff != "" {
		t.Error(diff)
	}
}

func TestTwoAuthorizationHeadersAreNone(t *testing.T) {
	s, _ := google(t)
	r := post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)
	r.Header.Add("Authorization", "Bearer x")
	s.expect(t, s.call(r), 401, RefusedNoToken)
	s.expect(t, s.call(post(pushed, "Authorization", "Basic "+mint(t, keyPair(), "one", googleClaims()))), 401, RefusedNoToken)
}

// A bubble for each: hours pass in them.

func TestMadeUpKeyIDsDoNotHammerTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := google(t)
		begin := time.Now()
		for i := range 600 {
			s.call(post(pushed, auth(mint(t, otherKey(), fmt.Sprint("made up ", i), googleClaims()))...))
			time.Sleep(time.Second)
		}
		minutes := int(time.Since(begin) / time.Minute)
		if n := len(s.outside.requests()); n > minutes+1 {
			t.Errorf("asked %d times in %d min", n, minutes)
		}
		if got := s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)); got.status != 200 {
			t.Errorf("a good token is answered with %d", got.status)
		}
		if len(s.failures()) != 0 {
			t.Errorf("strangers brought the source down: %v", s.failures())
		}
	})
}

func TestAKeyThatIsTooNewIsAskedForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, keys := google(t)
		s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 200)
		keys.set(map[string]*rsa.PrivateKey{"one": keyPair(), "two": otherKey()})
		fresh := auth(mint(t, otherKey(), "two", googleClaims()))
		// Too early to ask again: not refused for good, or events would get lost.
		s.expect(t, s.call(post(pushed, fresh...)), 503, RefusedKeys)
		time.Sleep(keysPause)
		s.expect(t, s.call(post(pushed, fresh...)), 200)
	})
}

func TestCachedKeysWorkWhileTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := google(t)
		s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 200)
		s.outside.cut(true)
		for range 48 {
			time.Sleep(time.Hour)
			s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 200)
		}
		if len(s.failures()) != 0 {
			t.Errorf("down: %v", s.failures())
		}
	})
}

func TestAWithdrawnKeyIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, keys := google(t)
		s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 200)
		keys.set(map[string]*rsa.PrivateKey{"two": otherKey()})
		time.Sleep(keysAge + time.Second)
		s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 403, RefusedSignature)
	})
}

func TestWithoutAnyKeysTheSourceIsDownAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := google(t)
		s.outside.cut(true)
		good := auth(mint(t, keyPair(), "one", googleClaims()))
		s.expect(t, s.call(post(pushed, good...)), 503, RefusedKeys)
		if f := s.failures(); len(f) != 1 || watcher.ReasonOf(f[0]) != watcher.ReasonUnavailable {
			t.Errorf("health was told %v", f)
		}
		s.outside.cut(false)
		s.expect(t, s.call(post(pushed, good...)), 503, RefusedKeys)
		time.Sleep(keysRetry)
		s.expect(t, s.call(post(pushed, good...)), 200)
	})
}

func TestAnIssuerThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := google(t)
		s.outside.serve("www.googleapis.com", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		begin := time.Now()
		s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 503, RefusedKeys)
		if took := time.Since(begin); took > fetchTimeout {
			t.Errorf("took %v", took)
		}
	})
}

func TestKeysAreFetchedOnceForMany(t *testing.T) {
	s, _ := google(t)
	token := auth(mint(t, keyPair(), "one", googleClaims()))
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if got := s.call(post(pushed, token...)); got.status != 200 {
				t.Errorf("answered %d", got.status)
			}
		})
	}
	wg.Wait()
	if n := len(s.outside.requests()); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestRedirectsOfTheIssuerAreNotFollowed(t *testing.T) {
	s, _ := google(t)
	s.outside.serve("www.googleapis.com", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example.com/keys", http.StatusFound)
	})
	s.expect(t, s.call(post(pushed, auth(mint(t, keyPair(), "one", googleClaims()))...)), 503, RefusedKeys)
	if r := s.outside.requests(); !slices.Equal(r, []string{"GET " + googleKeys}) {
		t.Errorf("asked for %v", r)
	}
}

func TestKeySetsAreTakenApartWithCare(t *testing.T) {
	public, err := json.Marshal(jose.JSONWebKey{Key: keyPair().Public(), KeyID: "good", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	encryption, err := json.Marshal(jose.JSONWebKey{Key: keyPair().Public(), KeyID: "enc", Use: "enc"})
	if err != nil {
		t.Fatal(err)
	}
	symmetric := `{"kty":"oct","kid":"oct","k":"c2VjcmV0"}`
	small := `{"kty":"RSA","kid":"small","n":"AQAB","e":"AQAB"}`
	set := `{"keys":[` + strings.Join([]string{string(public), string(encryption), symmetric, small, `{"kty":"XX","kid":"x"}`, `7`}, ",") + `]}`
	got := parseKeys([]byte(set))
	if len(got) != 1 || got["good"] == nil {
		t.Errorf("took %v", got)
	}
	for _, junk := range []string{"", "null", "[]", `{"keys":7}`, `{"keys":[` + strings.Repeat("{},", maxKeys) + `{}]}`} {
		if keys := parseKeys([]byte(junk)); len(keys) != 0 {
			t.Errorf("%.20q gives keys", junk)
		}
	}
}
