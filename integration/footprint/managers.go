package main

import (
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
	s.proxy = s.serve(s.keys.Proxy()) // its names are Azure's own
	return os.WriteFile(s.path("google.json"), key, 0o600)
}
