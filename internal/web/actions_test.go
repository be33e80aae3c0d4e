package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/store"
)

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// login gives the cookie of a new session and what its forms hold.
func (h *house) login(t *testing.T, headers ...string) (cookie *http.Cookie, csrf string) {
	t.Helper()
	w := h.post("/actions/login", url.Values{"token": {goodToken}}, headers...)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "../" {
		t.Fatalf("login: status %d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	cookie = w.Result().Cookies()[0]
	return cookie, h.visitor(cookie).CSRF
}

func (h *house) visitor(cookie *http.Cookie) Visitor {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return h.actions().Visitor(r)
}

// actions gives those that the handler serves.
func (h *house) actions() *Actions { a, _ := h.handler.(*admin); return a.Actions }

func destinationForm(csrf string, names ...string) url.Values {
	return url.Values{"destination": names, "csrf": {csrf}}
}

func TestAProgramActsWithTheToken(t *testing.T) {
	h, j := newHouse(t), newJudge(t)
	w := h.post("/actions/retry", url.Values{"destination": {"BdTn27q"}}, bearer(goodToken)...)
	j.holds(t, http.MethodPost, "/actions/retry", w)
	var all []Status
	must(t, json.Unmarshal(w.Body.Bytes(), &all))
	if w.Code != 200 || len(all) != 1 || all[0].Destination != heldOne || !all[0].Due {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	r, err := h.store.Load(context.Background(), heldOne)
	must(t, err)
	if r.Hold != nil || !r.IsDue() {
		t.Errorf("it is held still: %+v", r.Facts)
	}
	w = h.post("/actions/sync", url.Values{"destination": {fineOne, heldOne}}, "Authorization", "bearer "+goodToken, "from", "[2001:db8::7]:1")
	j.holds(t, http.MethodPost, "/actions/sync", w)
	want := []string{heldOne + ": sync asked for (API token from 2001:db8::/64)", fineOne + ": sync asked for (API token from 2001:db8::/64)",
		heldOne + ": retry asked for (API token from 127.0.0.1)"}
	if diff := cmp.Diff(want, h.person(t)); diff != "" {
		t.Error(diff)
	}
}

func TestAPersonActsFromThePage(t *testing.T) {
	h := newHouse(t)
	if v := h.visitor(nil); !v.MayLogIn || v.LoggedIn || v.CSRF != "" {
		t.Errorf("a stranger: %+v", v)
	}
	cookie, csrf := h.login(t, "Sec-Fetch-Site", "same-origin")
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure || cookie.MaxAge != 8*3600 {
		t.Errorf("cookie %v", cookie)
	}
	for _, action := range []string{"sync", "retry"} {
		w := h.post("/actions/"+action, destinationForm(csrf, heldOne), "Cookie", cookie.String(), "Sec-Fetch-Site", "same-origin", "Origin", "http://rotatord.test")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "../destinations/"+heldOne {
			t.Errorf("%s: status %d to %q: %s", action, w.Code, w.Header().Get("Location"), w.Body)
		}
	}
	want := []string{heldOne + ": retry asked for (page session from 127.0.0.1)", heldOne + ": sync asked for (page session from 127.0.0.1)"}
	if diff := cmp.Diff(want, h.person(t)); diff != "" {
		t.Error(diff)
	}
	w := h.post("/actions/logout", url.Values{"csrf": {csrf}}, "Cookie", cookie.String())
	if w.Code != http.StatusSeeOther || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: status %d, %v", w.Code, w.Header())
	}
	if h.visitor(cookie).LoggedIn {
		t.Error("logged in after a logout")
	}
	if secure, _ := h.login(t, "X-Forwarded-Proto", "https"); !secure.Secure {
		t.Error("a cookie of a page over TLS goes without TLS too")
	}
}

func TestNobodyActsWithoutTheRightToBe(t *testing.T) {
	h, j := newHouse(t), newJudge(t)
	cookie, csrf := h.login(t)
	_, otherCSRF := h.login(t)
	in := func(more ...string) []string { return append([]string{"Cookie", cookie.String()}, more...) }
	for _, tt := range []struct {
		name    string
		status  int
		form    url.Values
		headers []string
	}{
		{"no token and no session", 401, destinationForm("", heldOne), nil},
		{"a wrong token", 401, destinationForm("", heldOne), bearer("a-wrong-token-of-the-house")},
		{"an empty token", 401, destinationForm("", heldOne), bearer("")},
		{"half a token", 401, destinationForm("", heldOne), bearer(goodToken[:20])},
		{"a token with more behind it", 401, destinationForm("", heldOne), bearer(goodToken + "x")},
		{"a token that is a name's password", 401, destinationForm("", heldOne), []string{"Authorization", "Basic " + goodToken}},
		{"two tokens", 401, destinationForm("", heldOne), append(bearer("x"), bearer(goodToken)...)},
		{"a good token and another", 401, destinationForm("", heldOne), append(bearer(goodToken), bearer("x")...)},
		{"a token in the query", 401, destinationForm("", heldOne), nil},
		{"a token in the form", 401, url.Values{"destination": {heldOne}, "token": {goodToken}}, nil},
		{"a wrong token beside a good session", 401, destinationForm(csrf, heldOne), in(bearer("a-wrong-token-of-the-house")...)},
		{"a cookie that was made up", 401, destinationForm(csrf, heldOne), []string{"Cookie", sessionCookie + "=AAAAAAAAAAAAAAAAAAAAAAAAAA"}},
		{"a cookie without end", 401, destinationForm(csrf, heldOne), []string{"Cookie", sessionCookie + "=" + strings.Repeat("A", 9000)}},
		{"a form without its session's mark", 403, destinationForm("", heldOne), in()},
		{"a form with the mark of another session", 403, destinationForm(otherCSRF, heldOne), in()},
		{"a form that another site sent", 403, destinationForm(csrf, heldOne), in("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")},
		{"a form that a neighbour on the same site sent", 403, destinationForm(csrf, heldOne), in("Sec-Fetch-Site", "same-site", "Origin", "http://other.test")},
		{"a form of an old browser from elsewhere", 403, destinationForm(csrf, heldOne), in("Origin", "https://evil.example")},
		{"a form from a frame without an origin", 403, destinationForm(csrf, heldOne), in("Origin", "null")},
		{"no destination", 400, url.Values{"csrf": {csrf}}, in()},
		{"a destination that is not configured", 400, destinationForm(csrf, "nobody-AAAAAAA"), in()},
		{"a destination that is a path", 400, destinationForm(csrf, "../../etc/passwd"), in()},
		{"a destination of control characters", 400, destinationForm(csrf, "\x00\x1b[31m\r\nX: y"), in()},
		{"one good destination and one bad", 400, destinationForm(csrf, heldOne, "nobody-AAAAAAA"), in()},
		{"too much", 413, destinationForm(csrf, strings.Repeat("a", maxForm)), in()},
	} {
		for _, path := range []string{"/actions/sync", "/actions/retry"} {
			w := h.post(path, tt.form, append(tt.headers, "from", "192.0.2.1:"+fmt.Sprint(1000))...)
			if w.Code != tt.status {
				t.Errorf("%s: status %d, want %d: %s", tt.name, w.Code, tt.status, w.Body)
			}
			if strings.ContainsAny(strings.TrimSuffix(w.Body.String(), "\n"), "\n\x1b\x00") {
				t.Errorf("%s: %q", tt.name, w.Body)
			}
			j.holds(t, http.MethodPost, path, w)
		}
		h.clock.pass(15 * time.Minute) // who guesses is slowed down, see below
	}
	if diff := cmp.Diff([]string(nil), h.person(t)); diff != "" {
		t.Errorf("something was done: %s", diff)
	}
}

func TestAnActionIsAFormAndAPost(t *testing.T) {
	h := newHouse(t)
	for _, kind := range []string{"", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded;;"} {
		r := httptest.NewRequest(http.MethodPost, "/actions/sync", strings.NewReader("destination="+heldOne))
		r.Header.Set("Authorization", "Bearer "+goodToken)
		r.Header.Set("Content-Type", kind)
		if w := h.do(r); w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: status %d", kind, w.Code)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := h.do(httptest.NewRequest(method, "/actions/sync?destination="+heldOne, http.NoBody))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: status %d, allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	for _, path := range []string{"/api/v1/sync", "/api/v1/retry", "/api/v1/pause", "/api/v1/push", "/api/v1/destinations", "/v1/retry", "/actions/push", "/actions/", "/actions/sync/", "//actions/sync"} {
		if w := h.post(path, destinationForm("", heldOne), bearer(goodToken)...); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	for path := range h.api.reading(fromAdmin) {
		if w := h.post("/api"+path, destinationForm("", heldOne), bearer(goodToken)...); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	if got := h.person(t); got != nil {
		t.Error(got)
	}
}

func TestWithoutATokenNoActionExists(t *testing.T) {
	h := newHouse(t)
	h.open(nil)
	for _, path := range []string{"/actions/login", "/actions/logout", "/actions/sync", "/actions/retry"} {
		w := h.post(path, url.Values{"token": {""}, "destination": {heldOne}}, bearer("")...)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	if v := (*Actions)(nil).Visitor(httptest.NewRequest(http.MethodGet, "/", http.NoBody)); v != (Visitor{}) {
		t.Errorf("%+v", v)
	}
}

func TestATokenThatIsReplacedCountsAtOnce(t *testing.T) {
	h := newHouse(t)
	cookie, csrf := h.login(t)
	h.token.text = canary + "-another-token"
	if w := h.post("/actions/sync", destinationForm(csrf, heldOne), "Cookie", cookie.String()); w.Code != 401 {
		t.Errorf("a session of the old token: status %d", w.Code)
	}
	if w := h.post("/actions/sync", destinationForm("", heldOne), bearer(goodToken)...); w.Code != 401 {
		t.Errorf("the old token: status %d", w.Code)
	}
	if w := h.post("/actions/sync", destinationForm("", heldOne), bearer(canary+"-another-token")...); w.Code != 200 {
		t.Errorf("the new token: status %d", w.Code)
	}
	h.token.text = goodToken // the session has ended for good
	if h.visitor(cookie).LoggedIn {
		t.Error("a session came back")
	}
}

func TestATokenThatCannotBeUsedAllowsNothing(t *testing.T) {
	for name, token := range map[string]tokenFile{
		"gone": {err: errors.New("open token: no such file")}, "empty": {}, "blank": {text: " \n"}, "short": {text: " 15-characters-x \n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			cookie, csrf := h.login(t)
			*h.token = token
			for _, w := range []*httptest.ResponseRecorder{
				h.post("/actions/login", url.Values{"token": {token.text}}),
				h.post("/actions/sync", destinationForm("", heldOne), bearer(strings.TrimSpace(token.text))...),
			} {
				if w.Code != http.StatusServiceUnavailable {
					t.Errorf("status %d: %s", w.Code, w.Body)
				}
			}
			if w := h.post("/actions/sync", destinationForm(csrf, heldOne), "Cookie", cookie.String()); w.Code != http.StatusUnauthorized {
				t.Errorf("a session: status %d", w.Code)
			}
			if text := h.log.String(); !strings.Contains(text, "token of the admin listener can't be used") || strings.Contains(text, "15-characters") {
				t.Errorf("log:\n%s", text)
			}
			if got := h.person(t); got != nil {
				t.Error(got)
			}
		})
	}
}

func TestWhoGuessesIsSlowedDownAndNobodyElse(t *testing.T) {
	h := newHouse(t)
	guess := func(from, token string) int {
		return h.post("/actions/login", url.Values{"token": {token}}, "from", from).Code
	}
	for i := range freeAttempts {
		if got := guess("192.0.2.1:1", "wrong"); got != 401 {
			t.Fatalf("guess %d: status %d", i, got)
		}
	}
	w := h.post("/actions/login", url.Values{"token": {goodToken}}, "from", "192.0.2.1:2")
	if w.Code != 429 || w.Header().Get("Retry-After") != "6" {
		t.Errorf("status %d, retry after %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := h.post("/actions/sync", destinationForm("", heldOne), append(bearer(goodToken), "from", "192.0.2.1:3")...); w.Code != 429 {
		t.Errorf("the other way in: status %d", w.Code)
	}
	if got := guess("192.0.2.2:1", goodToken); got != 303 {
		t.Errorf("another address: status %d", got)
	}
	h.clock.pass(attemptEvery)
	if got := guess("192.0.2.1:1", goodToken); got != 303 {
		t.Errorf("after a while: status %d", got)
	}
	// However many addresses, what is remembered is bounded, and the next one
	// is slowed down with all others.
	for i := range 3 * maxAddresses {
		guess(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "wrong")
	}
	if n := len(h.actions().Sessions.attempts.by); n > maxAddresses+1 {
		t.Errorf("%d addresses are remembered", n)
	}
	if got := guess("203.0.113.7:1", "wrong"); got != 429 {
		t.Errorf("status %d", got)
	}
	h.clock.pass(time.Hour)
	if got := guess("203.0.113.8:1", "wrong"); got != 401 {
		t.Errorf("an hour later: status %d", got)
	}
	if n := len(h.actions().Sessions.attempts.by); n != 1 {
		t.Errorf("%d addresses are remembered an hour later", n)
	}
}

func TestSessionsEndAndAreBounded(t *testing.T) {
	h := newHouse(t)
	first, _ := h.login(t)
	h.clock.pass(time.Second)
	second, _ := h.login(t)
	h.clock.pass(sessionLasts - time.Second - 1)
	if !h.visitor(first).LoggedIn {
		t.Error("it ended too early")
	}
	h.clock.pass(1)
	if h.visitor(first).LoggedIn || !h.visitor(second).LoggedIn {
		t.Error("after 8 hours the first has ended, and not the second")
	}
	for range maxSessions {
		h.login(t)
	}
	if n := len(h.actions().Sessions.all); n != maxSessions || h.visitor(second).LoggedIn {
		t.Errorf("%d sessions", n)
	}
	// Who logs in again has one session.
	cookie, _ := h.login(t)
	again, _ := h.login(t, "Cookie", cookie.String())
	if h.visitor(cookie).LoggedIn || !h.visitor(again).LoggedIn {
		t.Error("the session before goes on")
	}
}

// An action waits for a look under way, but not for ever.
func TestAnActionDuringALookIsRefusedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		release := make(chan struct{})
		h.open(&Actions{ActionsOptions: ActionsOptions{Sessions: NewSessions(nil), Token: h.token.read}})
		done := make(chan error, 1)
		looking := make(chan struct{})
		ctx := context.Background()
		engine, err := stalledEngine(h, looking, release)
		must(t, err)
		h.api.Engine = engine
		go func() { _, err := engine.Look(ctx, heldOne); done <- err }()
		<-looking
		begun := time.Now()
		w := h.post("/actions/retry", destinationForm("", heldOne), bearer(goodToken)...)
		if took := time.Since(begun); w.Code != 503 || took != actionTakes || w.Header().Get("Retry-After") != "60" {
			t.Errorf("status %d after %v: %s", w.Code, took, w.Body)
		}
		close(release)
		<-done
		if w := h.post("/actions/retry", destinationForm("", heldOne), bearer(goodToken)...); w.Code != 200 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

func TestAnActionOnABrokenStoreSaysSo(t *testing.T) {
	h := newHouse(t)
	token := bearer(goodToken)
	must(t, h.store.Close())
	w := h.post("/actions/retry", destinationForm("", heldOne), token...)
	if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir()})
	must(t, err)
	h.store = s
	t.Cleanup(func() { must(t, s.Close()) })
}
