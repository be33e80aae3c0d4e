package app_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/store"
)

const adminToken = canary + "-of-the-admin-listener"

// offer configures a token for the admin listener.
func (w *world) offer(token string) {
	w.t.Helper()
	w.write("token", []byte(token+"\n"))
	text, err := os.ReadFile(w.configFile())
	must(w.t, err)
	w.write("rotatord.toml", []byte(strings.Replace(string(text), "[admin]\n", "[admin]\ntoken_file = \""+w.path("token")+"\"\n", 1)))
}

// post sends a form to the admin listener and follows no redirect.
func (p *process) post(t testing.TB, path string, form url.Values, headers ...string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.admin+path, strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, res.Header, string(b)
}

// page asks for a page with headers.
func (p *process) page(t testing.TB, path string, header http.Header) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.admin+path, http.NoBody)
	must(t, err)
	r.Header = header
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(b)
}

// The whole daemon: what is rotated is streamed, what the token's holder wants
// is done and noted, and neither a reload nor a stream that nobody ends is in
// the way of anything.
func TestTheAdminListenerShowsAndActs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("one", renamed)
	w.top = "[reload]\nwatch = \"0s\"\n[files]\npoll = \"1d\"\n"
	w.top = "[reload]\nwatch = \"0s\"\n"
	w.configure()
	w.offer(adminToken)
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := func() *bufio.Scanner {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, daemon.admin+"/api/v1/stream", http.NoBody)
		must(t, err)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		must(t, err)
		return bufio.NewScanner(res.Body)
	}
	lines := stream()
	hears := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	hears("id: ")
	d.rotate()
	hears(`data: {"destinations":["` + d.id + `"]}`)
	until(t, "it is rotated", func() bool { return d.settled(c) })

	status, header, body := daemon.post(t, "/actions/login", url.Values{"token": {adminToken}})
	if status != http.StatusSeeOther {
		t.Fatalf("login: %d %s", status, body)
	}
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	form := url.Values{"destination": {d.id}}
	// What the page has in its form is what an action takes.
	own := http.Header{"Cookie": {cookie}}
	_, shown := daemon.page(t, "/destinations/"+d.id, own)
	_, csrf, _ := strings.Cut(shown, `name="csrf" value="`)
	csrf, _, _ = strings.Cut(csrf, `"`)
	status, header, body = daemon.post(t, "/actions/retry", url.Values{"destination": {d.id}, "csrf": {csrf}}, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	if status != http.StatusSeeOther || header.Get("Location") != "../destinations/"+d.id || len(csrf) < 20 {
		t.Errorf("retry on the page: %d to %q with %q: %s", status, header.Get("Location"), csrf, body)
	}
	if status, shown := daemon.page(t, "/", http.Header{}); status != http.StatusOK || !strings.Contains(shown, d.id) || strings.Contains(shown, `name="csrf"`) {
		t.Errorf("what a stranger sees: %d %s", status, shown)
	}
	acts := func(want int, headers ...string) {
		t.Helper()
		if status, _, body := daemon.post(t, "/actions/sync", form, headers...); status != want {
			t.Errorf("status %d, want %d: %s", status, want, body)
		}
	}
	acts(http.StatusForbidden, "Cookie", cookie) // it lacks what the page would send
	acts(http.StatusOK, "Authorization", "Bearer "+adminToken)
	entries, err := c.History(t.Context(), d.id, 10)
	must(t, err)
	found := false
	for _, e := range entries {
		found = found || e.Kind == store.EntryPerson && e.Detail == "sync asked for (API token from 127.0.0.1)"
	}
	if !found {
		t.Errorf("the history has no word of it: %+v", entries)
	}

	// A reload ends streams, which come back, and no session.
	w.defaults = "leftover_confirm = \"2m\""
	w.configure()
	w.offer(adminToken)
	daemon.hangUp(t)
	daemon.says(t, "configuration is in force")
	for lines.Scan() { //nolint:revive // to its end
	}
	must(t, lines.Err())
	lines = stream()
	hears("id: ")
	acts(http.StatusForbidden, "Cookie", cookie) // still the session, still not the page

	// Another token counts at once, without a reload.
	w.write("token", []byte(canary+"-that-came-after"))
	acts(http.StatusUnauthorized, "Authorization", "Bearer "+adminToken)
	acts(http.StatusUnauthorized, "Cookie", cookie)
	acts(http.StatusOK, "Authorization", "Bearer "+canary+"-that-came-after")

	for _, path := range []string{"/api/v1/status", "/api/v1/history", "/api/v1/receipts", "/api/v1/sources", "/api/v1/version", "/api/openapi.json",
		"/api/v1/gate?secret=" + url.QueryEscape("file://"+d.path)} {
		if status, body := daemon.get(path); status != http.StatusOK || strings.Contains(body, canary) {
			t.Errorf("%s: status %d", path, status)
		}
	}
	w.checkNoSecret(daemon, c)
	daemon.stop()      // with a stream open
	for lines.Scan() { //nolint:revive // to its end
	}
	must(t, lines.Err())
}
