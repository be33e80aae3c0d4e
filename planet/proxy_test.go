package planet

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
)

// net/http reads the proxy variables once a process, so the client under test
// is a process of its own: this test binary, told by a variable.
const asProxyClient = "PLANET_TEST_PROXY_CLIENT"

func runAsProxyClient() bool {
	base := os.Getenv(asProxyClient)
	if base == "" {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv("PLANET_TEST_ROOT")))
	c, err := New(Options{BaseURL: base, Auth: APIKey(KeyFromEnv(EnvKey)), RootCAs: roots, Attempts: 1})
	if err == nil {
		var d Destination
		d, err = c.Get(context.Background(), "demo-5aIp1K")
		fmt.Println(d.ID)
	}
	if err != nil {
		fmt.Println(err)
	}
	return true
}

func TestTheEnvironmentsProxyAndCustomRootsAreUsed(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "api-key "+keyCanary {
			_, _ = io.WriteString(w, oneDestination)
		}
	}))
	defer srv.Close()
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		tunnels.Add(1)
		out, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in := hijack(w)
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(out, in)
			_ = out.Close()
		}()
		_, _ = io.Copy(in, out)
		_ = in.Close()
		<-done
	}))
	defer proxy.Close()

	cmd := exec.Command(os.Args[0], "-test.run=^$")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	// The test certificate is for example.com; the proxy alone knows where that is.
	cmd.Env = append(os.Environ(), asProxyClient+"=https://example.com/destinations/v1/", "HTTPS_PROXY="+proxy.URL,
		"NO_PROXY=", "PLANET_TEST_ROOT="+string(root), EnvKey+"="+keyCanary)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "demo-5aIp1K\n" {
		t.Errorf("%v: got %q", err, out)
	}
	if tunnels.Load() != 1 {
		t.Errorf("%d tunnels, want 1", tunnels.Load())
	}
}
