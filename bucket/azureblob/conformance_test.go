package azureblob_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "planetdata"
	name    = "orders"
)

var (
	key = []byte("canaryAccountKey0123456789")
	// end is that of all tokens of the suite, so that a token is the same each
	// time that it is made, and is found if it shows.
	end      = time.Now().Add(time.Hour)
	location = bucket.Location{Type: bucket.TypeAzureBlobStorage, Account: account, Container: name}
)

func parameters(sas string) credential.Parameters {
	var p credential.Parameters
	p.Set("sas_token", credential.NewValue([]byte(sas)))
	return p
}

// opened opens a container and clears the credential at once, as callers may.
func opened(t *testing.T, transport http.RoundTripper, at bucket.Location, sas string) bucket.Bucket {
	t.Helper()
	p := parameters(sas)
	defer p.Clear()
	b, err := azureblob.Opener(azureblob.Options{Transport: transport})(at, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// canaries are all that no error may hold of a token: its signature in both
// forms, and pieces of it.
func canaries(sas string) []string {
	_, sig, _ := strings.Cut(sas, "sig=")
	sig, _, _ = strings.Cut(sig, "&")
	return []string{sas, sig, sig[:8], "sig=", "&sp=", "canaryAccountKey"}
}

func stocked() *azureblobtest.Server {
	srv := azureblobtest.NewServer()
	srv.SetKeys(account, key)
	srv.CreateContainer(account, name)
	return srv
}

var permissionsOf = map[conformance.Who]string{
	conformance.Owner: "rwdl", conformance.Planets: "rwd", conformance.NoPut: "rdl", conformance.NoGet: "wdl",
	conformance.NoDelete: "rwl", conformance.MissingBucket: "rwdl", conformance.Unreachable: "rwdl",
	conformance.UnknownKey: "rwdl", conformance.WrongSecret: "rwdl",
}

// serviceSAS and accountSAS make the tokens of the suite.
func serviceSAS(key []byte, in string, permissions string) string {
	return azureblobtest.SAS(key, azureblobtest.Values{Account: account, Container: in, Permissions: permissions, End: end})
}

func accountSAS(key []byte, _ string, permissions string) string {
	return azureblobtest.SAS(key, azureblobtest.Values{Account: account, Permissions: permissions, Services: "bq", ResourceTypes: "sco", End: end})
}

func harness(srv *azureblobtest.Server, make func([]byte, string, string) string,
	transport func(*testing.T) http.RoundTripper, at, nowhere bucket.Location,
) conformance.Harness {
	h := conformance.Harness{
		Open: func(t *testing.T, who conformance.Who) bucket.Bucket {
			here, with := at, key
			switch who {
			case conformance.MissingBucket:
				here.Container = "none-such"
			case conformance.Unreachable:
				here = nowhere
			case conformance.UnknownKey:
				with = []byte("canaryAccountKey of another account")
			}
			sas := make(with, here.Container, permissionsOf[who])
			if who == conformance.WrongSecret {
				sas = strings.Replace(sas, "sig=", "sig=A", 1)
			}
			return opened(t, transport(t), here, sas)
		},
		Store:      func(_ *testing.T, key string, body []byte) { srv.PutBlob(account, name, key, body) },
		Objects:    func(*testing.T) []string { return srv.Blobs(account, name) },
		Versioning: func(_ *testing.T, on bool) { srv.SetVersioning(account, name, on) },
		Permissions: map[bucket.Op]string{
			bucket.OpPut: "SAS w", bucket.OpGet: "SAS r", bucket.OpDelete: "SAS d", bucket.OpList: "SAS l",
		},
		HiddenMissing: bucket.KindNotFound,
	}
	for who, permissions := range permissionsOf {
		if who != conformance.UnknownKey {
			h.Canaries = append(h.Canaries, canaries(make(key, name, permissions))...)
		}
	}
	return h
}

func tcp(t *testing.T) http.RoundTripper {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

var kindsOfSAS = map[string]func([]byte, string, string) string{"service SAS": serviceSAS, "account SAS": accountSAS}

func TestConformanceOverTheNetwork(t *testing.T) {
	for kind, make := range kindsOfSAS {
		t.Run(kind, func(t *testing.T) {
			srv := stocked()
			if err := srv.Start(); err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			gone := azureblobtest.NewServer()
			if err := gone.Start(); err != nil {
				t.Fatal(err)
			}
			nowhere := location.WithEndpoint(gone.URL())
			gone.Close()
			conformance.Test(t, harness(srv, make, tcp, location.WithEndpoint(srv.URL()), nowhere))
			for _, r := range srv.Requests() {
				if r.Method == http.MethodPut && !r.ContentLengthAnnounced {
					t.Error("a put did not announce its length")
				}
			}
		})
	}
}

// apart answers as a dead server for one host and hands on all others.
type apart struct {
	host       string
	dead, next http.RoundTripper
}

func (a apart) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == a.host {
		return a.dead.RoundTrip(r)
	}
	return a.next.RoundTrip(r)
}

func TestConformanceWithoutANetwork(t *testing.T) {
	other := location
	other.Suffix = "core.example.net"
	for kind, make := range kindsOfSAS {
		for where, at := range map[string]bucket.Location{"at Azure's own hosts": location, "at another cloud's hosts": other} {
			t.Run(kind+" "+where, func(t *testing.T) {
				srv, dead := stocked(), azureblobtest.NewServer()
				dead.SetDown(true)
				transport := func(*testing.T) http.RoundTripper {
					return apart{"dead.test", dead.RoundTripper(), srv.RoundTripper()}
				}
				conformance.Test(t, harness(srv, make, transport, at, at.WithEndpoint("https://dead.test")))
			})
		}
	}
}
