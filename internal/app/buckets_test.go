package app_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

func TestABucketsOwnCertificatesAreTrustedForThatDestinationAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tls := httptest.NewUnstartedServer(w.s3)
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	t.Cleanup(tls.Close)
	w.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}))
	endpoint := `bucket_endpoint = "` + tls.URL + `"`
	with := w.add("with", renamed, endpoint, `bucket_ca_file = "`+w.path("ca.pem")+`"`)
	without := w.add("without", renamed, endpoint)
	w.configure()
	c, err := app.Reach(t.Context(), w.options())
	must(t, err)
	_, err = c.Sync(t.Context(), web.Request{})
	must(t, err)
	if s := status(t, c, with); s.State != store.StateInSync {
		t.Errorf("with the certificates it is %s/%s (%s)", s.State, s.Reason, s.Detail)
	}
	if s := status(t, c, without); s.State == store.StateInSync || !strings.Contains(s.Detail, "certificate") {
		t.Errorf("without them it is %s/%s (%s)", s.State, s.Reason, s.Detail)
	}
	must(t, c.Close())
}

func TestCertificatesThatCannotBeReadAreAnErrorAtTheStart(t *testing.T) {
	for name, content := range map[string]string{"a file without certificates": "no certificate", "no file": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if content != "" {
				w.write("ca.pem", []byte(content))
			}
			d := w.add("ca-file", renamed, `bucket_ca_file = "`+w.path("ca.pem")+`"`)
			w.configure()
			_, err := app.Open(t.Context(), w.options())
			if err == nil || !strings.Contains(err.Error(), d.id) || !strings.Contains(err.Error(), w.path("ca.pem")) {
				t.Errorf("the error does not name destination and file: %v", err)
			}
			// The store was given back.
			w.destinations[0].settings = ""
			w.configure()
			a, err := app.Open(t.Context(), w.options())
			must(t, err)
			must(t, a.Close())
		})
	}
}
