package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutAFileThereIsOneAccountAndEveryDefault(t *testing.T) {
	cfg, err := WithoutFile("", testEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Store.Dir = StateDir(testEnv, os.Geteuid())
	account := DefaultAccountSettings()
	account.Name, account.APIKeyEnv = DefaultAccount, DefaultKeyEnv
	want.Accounts = []Account{account}
	if diff := cmp.Diff(&want, cfg, withoutPositions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A person who then writes the file must find the same account in it.
func TestWithoutAFileItIsTheConfigurationOfTheSmallestOne(t *testing.T) {
	cfg, err := WithoutFile(DefaultBaseURL+"/", testEnv)
	if err != nil {
		t.Fatal(err)
	}
	small := parseString(t, oneDestination)
	small.File, small.FilesRead, small.Destinations = "", nil, nil
	if diff := cmp.Diff(small, cfg, withoutPositions); diff != "" {
		t.Errorf("-with +without:\n%s", diff)
	}
}

func TestWithoutAFileTheAddressIsCheckedAndCleaned(t *testing.T) {
	cfg, err := WithoutFile("http://127.0.0.1:8080/destinations/v1/", testEnv)
	if err != nil || cfg.Accounts[0].BaseURL != "http://127.0.0.1:8080/destinations/v1" || len(cfg.Warnings) > 0 {
		t.Errorf("%v, %v", cfg, err)
	}
	cfg, err = WithoutFile("http://planet.example.com", testEnv)
	if err != nil || cfg.Warnings.Error() != "base_url: goes over the network without encryption, and keys with it (write https://)" {
		t.Errorf("%v, %v", cfg, err)
	}
	if cfg, err := WithoutFile("", nil); err == nil {
		t.Errorf("without an environment there is a configuration: %v", cfg)
	}
}
