package main

import (
	"io"
	"net/http"
	"os"

	"github.com/rotatord/rotatord/providers/azure/azuretest"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

var azureApp = azuretest.App{ID: "11111111-2222-4333-8444-555555555555", Secret: "footprintfootprint"}

// managers starts Google Secret Manager and Azure Key Vault.
func (s *stage) managers() error {
	s.gsm = googletest.New(googletest.Options{})
	if err := s.gsm.Start(); err != nil {
		return err
	}
	s.closer = append(s.closer, func() error { s.gsm.Close(); return nil })
	key, err := s.gsm.KeyFile("rotatord@my-project.iam.gserviceaccount.com")
	if err != nil {
		return err
	}
	s.keys = azuretest.New(azuretest.Options{Apps: []azuretest.App{azureApp}})
	if err := s.keys.Start(); err != nil {
		return err
	}
	s.closer = append(s.closer, func() error { s.keys.Close(); return nil })
	s.proxy = s.serve(http.HandlerFunc(s.connect))
	return os.WriteFile(s.path("google.json"), key, 0o600)
}

// connect is a proxy that knows the way to Azure.
func (s *stage) connect(w http.ResponseWriter, r *http.Request) {
	there, err := s.keys.Dial(r.Context(), "tcp", r.Host)
	if err != nil || r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusBadGateway)
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
}
