package webhook

import (
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

const (
	tenant   = "11111111-2222-3333-4444-555555555555"
	app      = "api://rotatord"
	gridKey  = "a-shared-key-of-some-length"
	gridNext = "the-one-that-comes-after-it"
	event    = `[{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated"}]`
)

func entraClaims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": "https://sts.windows.net/" + tenant + "/", "aud": app, "appid": EventGridAppID,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func grid(t testing.TB, change ...func(*EventGridOptions)) *stage {
	t.Helper()
	s, keys := newStage(), &keySetServer{}
	keys.set(map[string]*rsa.PrivateKey{"one": keyPair()})
	s.outside.serve(entra, keys.ServeHTTP)
	o := EventGridOptions{Common: s.common(), Tenant: tenant, Audience: app, AppID: EventGridAppID}
	for _, c := range change {
		c(&o)
	}
	e, err := NewEventGrid(o)
	return s.start(t, e, err)
}

func keyed(keys ...string) func(*EventGridOptions) {
	return func(o *EventGridOptions) { o.Tenant, o.Audience, o.AppID, o.Keys = "", "", "", values(keys...) }
}

func TestEventGridWithTokens(t *testing.T) {
	version2 := func(c map[string]any) map[string]any {
		c = with(with(c, "iss", "https://login.microsoftonline.com/"+tenant+"/v2.0"), "appid", nil)
		return with(c, "azp", EventGridAppID)
	}
	for _, c := range []struct {
		name    string
		claims  map[string]any
		status  int
		refused []Refusal
	}{
		{"a token of version 1 is let in", entraClaims(), 200, nil},
		{"a token of version 2 is let in", version2(entraClaims()), 200, nil},
		{"another tenant is refused", with(entraClaims(), "iss", "https://sts.windows.net/99999999-2222-3333-4444-555555555555/"), 403, []Refusal{RefusedIssuer}},
		{"another audience is refused", with(entraClaims(), "aud", "api://other"), 403, []Refusal{RefusedAudience}},
		{"another application is refused", with(entraClaims(), "appid", "other"), 403, []Refusal{RefusedCaller}},
		{"another application is refused although it is authorized for Event Grid", with(with(entraClaims(), "appid", "other"), "azp", EventGridAppID), 403, []Refusal{RefusedCaller}},
		{"no application is refused", with(entraClaims(), "appid", nil), 403, []Refusal{RefusedCaller}},
		{"an expired token is refused", with(entraClaims(), "exp", time.Now().Add(-time.Minute).Unix()), 403, []Refusal{RefusedExpired}},
		{"a token of the future is refused", with(entraClaims(), "nbf", time.Now().Add(time.Hour).Unix()), 403, []Refusal{RefusedSignature}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := grid(t)
			s.expect(t, s.call(post(event, auth(mint(t, keyPair(), "one", c.claims))...)), c.status, c.refused...)
			if delivered := len(s.got()) == 1; delivered != (c.status == 200) {
				t.Errorf("delivered: %v", delivered)
			}
			want := []string{"GET https://login.microsoftonline.com/" + tenant + "/discovery/v2.0/keys"}
			if diff := cmp.Diff(want, s.outside.requests()); diff != "" {
				t.Error(diff)
			}
		})
	}
	s := grid(t, func(o *EventGridOptions) { o.AppID = "" })
	s.expect(t, s.call(post(event, auth(mint(t, keyPair(), "one", with(entraClaims(), "appid", "any")))...)), 200)
	s.expect(t, s.call(post(event, keyHeader, gridKey)), 401, RefusedNoToken)
}

func TestEventGridWithSharedKeys(t *testing.T) {
	for _, c := range []struct {
		name    string
		request *http.Request
		status  int
		refused []Refusal
	}{
		{"the key in the header is let in", post(event, keyHeader, gridKey), 200, nil},
		{"the next key is let in", post(event, keyHeader, gridNext), 200, nil},
		{"the key in the query is let in", request("POST", "/in?key="+gridKey, event), 200, nil},
		{"no key is asked for one", post(event), 401, []Refusal{RefusedNoToken}},
		{"another key is refused", post(event, keyHeader, gridKey+"x"), 403, []Refusal{RefusedSignature}},
		{"the beginning of the key is refused", post(event, keyHeader, gridKey[:20]), 403, []Refusal{RefusedSignature}},
		{"a wrong header counts before the query", request("POST", "/in?key="+gridKey, event, keyHeader, "x"), 403, []Refusal{RefusedSignature}},
		{"a token is of no use", post(event, auth(mint(t, keyPair(), "one", entraClaims()))...), 401, []Refusal{RefusedNoToken}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := grid(t, keyed(gridKey+"\n", gridNext))
			s.expect(t, s.call(c.request), c.status, c.refused...)
			if delivered := len(s.got()) == 1; delivered != (c.status == 200) {
				t.Errorf("delivered: %v", delivered)
			}
			if log := s.log.String(); strings.Contains(log, gridKey[:10]) || strings.Contains(log, gridNext[:10]) {
				t.Errorf("a key is in the log:\n%s", log)
			}
			if r := s.outside.requests(); len(r) != 0 {
				t.Errorf("asked for %v", r)
			}
		})
	}
}

func TestEitherProofIsEnoughWhenBothAreConfigured(t *testing.T) {
	s := grid(t, func(o *EventGridOptions) { o.Keys = values(gridKey) })
	token := mint(t, keyPair(), "one", entraClaims())
	s.expect(t, s.call(post(event, keyHeader, gridKey)), 200)
	s.expect(t, s.call(post(event, auth(token)...)), 200)
	s.expect(t, s.call(post(event, append(auth(token), keyHeader, "wrong")...)), 200)
	s.expect(t, s.call(post(event, append(auth("x"), keyHeader, "wrong")...)), 403, RefusedSignature)
	s.expect(t, s.call(post(event, keyHeader, "wrong")), 403, RefusedSignature)
	s.expect(t, s.call(post(event)), 401, RefusedNoToken)
}

func TestSharedKeysRotateWhileItRuns(t *testing.T) {
	var current []string
	var broken error
	s := grid(t, func(o *EventGridOptions) {
		keyed()(o)
		o.Keys = func() ([]credential.Value, error) {
			if broken != nil {
				return nil, broken
			}
			return values(current...)()
		}
	})
	ask := func(key string, status int, refused ...Refusal) {
		t.Helper()
		s.expect(t, s.call(post(event, keyHeader, key)), status, refused...)
	}
	current = []string{gridKey}
	ask(gridKey, 200)
	ask(gridNext, 403, RefusedSignature)
	current = []string{gridNext, gridKey}
	ask(gridKey, 200)
	ask(gridNext, 200)
	current = []string{gridNext}
	ask(gridKey, 403, RefusedSignature)

	// A file that can't be read throws no event away, and shows.
	broken = errors.New("open /secret/path: " + gridKey)
	ask(gridNext, 503, RefusedKeys)
	broken = nil
	for _, bad := range [][]string{{}, {"short"}, {gridNext, ""}, make([]string, maxShared+1)} {
		current = bad
		ask(gridNext, 503, RefusedKeys)
		ask("short", 503, RefusedKeys)
	}
	failures := s.failures()
	if len(failures) == 0 || watcher.ReasonOf(failures[0]) != watcher.ReasonInvalid {
		t.Errorf("health was told %v", failures)
	}
	for _, f := range failures {
		if strings.Contains(f.Error(), gridKey) {
			t.Errorf("an error holds the key: %v", f)
		}
	}
	if strings.Contains(s.log.String(), gridKey) {
		t.Error("the log holds the key")
	}
}

func TestValidationOfASubscription(t *testing.T) {
	const code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
	body := func(kind, code string) string {
		return `[{"id":"2d","eventType":"` + kind + `","data":{"validationCode":"` + code + `","validationUrl":"https://evil.example.com/validate"}}]`
	}
	for _, c := range []struct {
		name, body string
		header     []string
		status     int
		answer     string
		refused    []Refusal
	}{
		{"the code is sent back", body(validationType, code), []string{keyHeader, gridKey}, 200, `{"validationResponse":"` + code + `"}`, nil},
		{"one event need not be in an array", strings.Trim(body(validationType, code), "[]"), []string{keyHeader, gridKey}, 200, `{"validationResponse":"` + code + `"}`, nil},
		{"a code can't break out of its quotes", body(validationType, `a\"b<script>`), []string{keyHeader, gridKey}, 200, `{"validationResponse":"a\"b\u003cscript\u003e"}`, nil},
		{"a stranger gets nothing back", body(validationType, code), nil, 401, "refused\n", []Refusal{RefusedNoToken}},
		{"a wrong key gets nothing back", body(validationType, code), []string{keyHeader, "wrong"}, 403, "refused\n", []Refusal{RefusedSignature}},
		{"another event is no validation", body("Other", code), []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
		{"a code is needed", body(validationType, ""), []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
		{"an endless code is not sent back", body(validationType, strings.Repeat("x", maxCode+1)), []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
		{"junk is no validation", "{", []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
		{"nothing is no validation", "", []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
		{"two are no validation", "[{},{}]", []string{keyHeader, gridKey}, 400, "refused\n", []Refusal{RefusedMalformed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := grid(t, keyed(gridKey))
			got := over(t, s.listen(t), post(c.body, append(c.header, "aeg-event-type", "SubscriptionValidation")...))
			s.expect(t, got, c.status, c.refused...)
			if got.body != c.answer {
				t.Errorf("answered %q, want %q", got.body, c.answer)
			}
			if len(s.got()) != 0 || len(s.outside.requests()) != 0 {
				t.Errorf("delivered %v, asked for %v", s.got(), s.outside.requests())
			}
		})
	}
}

func TestHandshakeOfCloudEvents(t *testing.T) {
	open := func(o *EventGridOptions) { o.OpenHandshake = true }
	options := func(header ...string) *http.Request { return request(http.MethodOptions, "/in", "", header...) }
	const origin = "WebHook-Request-Origin"
	for _, c := range []struct {
		name    string
		change  func(*EventGridOptions)
		request *http.Request
		status  int
		refused []Refusal
	}{
		{"Event Grid with the key may", nil, options(origin, "eventgrid.azure.net", keyHeader, gridKey), 200, nil},
		{"letters count for nothing", nil, options(origin, "EventGrid.Azure.net", keyHeader, gridKey), 200, nil},
		{"a stranger may not", nil, options(origin, "eventgrid.azure.net"), 401, []Refusal{RefusedNoToken}},
		{"another origin may not", nil, options(origin, "evil.example.com", keyHeader, gridKey), 403, []Refusal{RefusedOrigin}},
		{"no origin may not", nil, options(keyHeader, gridKey), 403, []Refusal{RefusedOrigin}},
		{"an open handshake needs no key", open, options(origin, "eventgrid.azure.net"), 200, nil},
		{"an open handshake refuses a wrong key", open, options(origin, "eventgrid.azure.net", keyHeader, "wrong"), 403, []Refusal{RefusedSignature}},
		{"an open handshake refuses other origins", open, options(origin, "evil.example.com"), 403, []Refusal{RefusedOrigin}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := grid(t, keyed(gridKey), func(o *EventGridOptions) {
				if c.change != nil {
					c.change(o)
				}
			})
			got := s.call(c.request)
			s.expect(t, got, c.status, c.refused...)
			want := ""
			if c.status == 200 {
				want = "eventgrid.azure.net"
			}
			if allowed := got.header.Get("WebHook-Allowed-Origin"); allowed != want {
				t.Errorf("allowed %q, want %q", allowed, want)
			}
			if rate := got.header.Get("WebHook-Allowed-Rate"); (rate == "1200") != (c.status == 200) {
				t.Errorf("allowed rate %q", rate)
			}
			if len(s.got()) != 0 {
				t.Error("a handshake was delivered")
			}
		})
	}
}

func TestAnOpenHandshakeOpensNothingElse(t *testing.T) {
	s := grid(t, keyed(gridKey), func(o *EventGridOptions) { o.OpenHandshake = true })
	s.expect(t, s.call(post(event, "WebHook-Request-Origin", "eventgrid.azure.net")), 401, RefusedNoToken)
}

func TestADeletedSubscriptionShows(t *testing.T) {
	s := grid(t, keyed(gridKey))
	s.expect(t, s.call(post(event, "Aeg-Event-Type", "SubscriptionDeletion")), 401, RefusedNoToken)
	if len(s.failures()) != 0 {
		t.Fatal("a stranger brought the source down")
	}
	s.expect(t, s.call(post(event, "Aeg-Event-Type", "SubscriptionDeletion", keyHeader, gridKey)), 200)
	if f := s.failures(); len(f) != 1 || watcher.ReasonOf(f[0]) != watcher.ReasonNotFound {
		t.Errorf("health was told %v", f)
	}
}

func TestDeliveriesAreCountedFromOne(t *testing.T) {
	s := grid(t, keyed(gridKey))
	for _, count := range []string{"", "0", "3", "-1", "x"} {
		s.call(post(event, keyHeader, gridKey, "Aeg-Delivery-Count", count))
	}
	var got []int
	for _, m := range s.got() {
		got = append(got, m.Deliveries)
	}
	if diff := cmp.Diff([]int{0, 1, 4, 0, 0}, got); diff != "" {
		t.Error(diff)
	}
}
