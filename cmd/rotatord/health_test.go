package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/app"
)

// healthOf runs the verb and gives its exit status and what it wrote.
func healthOf(t *testing.T, env map[string]string, args ...string) (status int, said string) {
	t.Helper()
	var out bytes.Buffer
	c := newCLI(func(name string) string { return env[name] }, strings.NewReader(""), &out, &out)
	return c.report(c.run(t.Context(), append([]string{"health"}, args...)), false), out.String()
}

// healthConfig writes a configuration with an admin listener and a store.
func healthConfig(t *testing.T, listen, dir string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rotatord.toml")
	text := fmt.Sprintf("[store]\ndir = %q\n[admin]\nlisten = %q\n[[account]]\nbase_url = \"http://127.0.0.1:1/destinations/v1\"\n[[destination]]\nname = \"a-aaaaaaa\"\nsecret = \"file:///nowhere\"\n", dir, listen)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func answers(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestHealthIsWhatTheAdminListenerSays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ready  http.HandlerFunc
		live   http.HandlerFunc
		args   []string
		status int
		said   string
	}{
		{name: "ready, and nothing is said", ready: answers(200, "ready\n"), status: 0},
		{name: "not ready, with the reason on one line", ready: answers(503, "not ready: starting\nmore\n"), status: 1, said: "rotatord: not ready: starting\n"},
		{name: "not ready, without a word", ready: answers(503, ""), status: 1, said: "rotatord: the admin listener answers 503 to /readyz: is this a rotatord?\n"},
		{name: "a reason cannot paint the terminal", ready: answers(503, "not \x1b[31mready"), status: 1, said: "rotatord: not  [31mready\n"},
		{name: "somebody else's server", ready: answers(404, "what?"), status: 1, said: "rotatord: the admin listener answers 404 to /readyz: is this a rotatord?\n"},
		{name: "a redirect to a page that is well is not followed", ready: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/healthz", http.StatusFound)
		}, live: answers(200, "alive\n"), status: 1, said: "rotatord: the admin listener answers 302 to /readyz: is this a rotatord?\n"},
		{name: "alive and not ready", ready: answers(503, "not ready: starting"), live: answers(200, "alive\n"), args: []string{"--live"}, status: 0},
		{name: "not alive", ready: answers(200, "ready"), live: answers(503, "not alive: the engine has ended"), args: []string{"--live"}, status: 1, said: "rotatord: not alive: the engine has ended\n"},
		{name: "no answer in time", ready: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, args: []string{"--timeout", "20ms"}, status: 1,
			said: "rotatord: ask the admin listener: no answer in time: is the daemon running?\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /readyz", tt.ready)
			if tt.live != nil {
				mux.HandleFunc("GET /healthz", tt.live)
			}
			s := httptest.NewServer(mux)
			defer s.Close()
			config := healthConfig(t, s.Listener.Addr().String(), t.TempDir())
			env := map[string]string{"PL_API_KEY": "k", "HTTP_PROXY": "http://127.0.0.1:1"}
			if status, said := healthOf(t, env, append(tt.args, "--config", config)...); status != tt.status || said != tt.said {
				t.Errorf("%d %q, want %d %q", status, said, tt.status, tt.said)
			}
			// Another address needs no configuration.
			if status, said := healthOf(t, nil, append(tt.args, "--url", s.URL)...); status != tt.status || said != tt.said {
				t.Errorf("--url: %d %q, want %d %q", status, said, tt.status, tt.said)
			}
		})
	}
}

func TestHealthFindsAListenerOnAllInterfaces(t *testing.T) {
	s := httptest.NewServer(answers(200, "ready\n"))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, listen := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port, "localhost:" + port} {
		config := healthConfig(t, listen, t.TempDir())
		if status, said := healthOf(t, map[string]string{"PL_API_KEY": "k"}, "--config", config); status != 0 || said != "" {
			t.Errorf("%s: %d %q", listen, status, said)
		}
	}
}

func TestHealthAsksTheSocketWhereTheListenerIsNotKnown(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", app.SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a test
		if r.URL.Path != "/v1/history" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
	})}}
	s.Start()
	defer s.Close()
	key := map[string]string{"PL_API_KEY": "k", "STATE_DIRECTORY": dir}
	broken := filepath.Join(t.TempDir(), "rotatord.toml")
	if err := os.WriteFile(broken, []byte("[admin]\nlisten = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{
		"the listener is off":                healthConfig(t, "", dir),
		"the system chooses its port":        healthConfig(t, "127.0.0.1:0", dir),
		"the configuration was broken since": broken,
		"the configuration has gone since":   filepath.Join(dir, "gone.toml"),
	} {
		t.Run(name, func(t *testing.T) {
			if got, said := healthOf(t, key, "--config", config); got != 0 || said != "" {
				t.Errorf("%d %q", got, said)
			}
		})
	}
	status = http.StatusInternalServerError
	off := healthConfig(t, "", dir)
	if got, said := healthOf(t, key, "--config", off); got != 1 || said != "rotatord: not ready: the daemon answers 500 at its local socket; its log says why\n" {
		t.Errorf("%d %q", got, said)
	}
	if got, said := healthOf(t, key, "--config", off, "--live"); got != 0 || said != "" {
		t.Errorf("--live: %d %q", got, said)
	}
	if got, said := healthOf(t, key, "--config", broken); got != 2 || !strings.Contains(said, "listen") {
		t.Errorf("broken, and the daemon is not well: %d %q", got, said)
	}
}

func TestHealthOfAnAddressThatIsNone(t *testing.T) {
	for _, url := range []string{"10.0.0.7:9464", "ftp://a", "http://", "http://a:secret@b", "http://a/?q", "http://a/#f", "http://a b"} {
		if status, said := healthOf(t, nil, "--url", url); status != 2 || strings.Contains(said, "secret") {
			t.Errorf("%s: %d %q", url, status, said)
		}
	}
}
