package azuretest

import (
	"io"
	"net/http"
)

// Proxy is an HTTP proxy that leads to this server: its names are Azure's own,
// so a program that is tested as a process of its own finds the way by
// HTTPS_PROXY. It knows CONNECT only, and no other host.
func (s *Server) Proxy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this proxy knows CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		there, err := s.Dial(r.Context(), "tcp", r.Host)
		if err != nil {
			http.Error(w, "there is no such host", http.StatusBadGateway)
			return
		}
		defer func() { _ = there.Close() }()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = here.Close() }()
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = io.Copy(here, there)
			_ = here.Close()
		}()
		_, _ = io.Copy(there, here)
		_ = there.Close()
		<-back
	})
}
