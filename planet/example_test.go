package planet_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
)

// A rotation in short: find the destination by whatever name a person gave,
// send the new credentials, and see what became of them.
func Example() {
	mux := http.NewServeMux() // stands for Planet
	const demo = `{"id":"demo-5aIp1K","name":"demo","type":"amazon_s3","parameters":{"bucket":"b","aws_region":"us-west-2",
		"aws_access_key_id":"<REDACTED>","aws_secret_access_key":"<REDACTED>"}}`
	mux.HandleFunc("GET /destinations/v1", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"destinations":[`+demo+`]}`)
	})
	mux.HandleFunc("PATCH /destinations/v1/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"code":422,"message":"could not delete planetverify.txt"}`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	client, err := planet.New(planet.Options{
		BaseURL: server.URL + "/destinations/v1",
		Auth:    planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte("PLAK0123456789")))),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()
	ctx := planet.Interactive(context.Background())

	ref, err := planet.ParseRef("pl:destinations/5aIp1K")
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := client.Resolve(ctx, ref)
	if err != nil {
		fmt.Println(err)
		return
	}
	place, _ := d.StructuralJSON()
	fmt.Printf("%s is %s\n", d.ID, place)

	_, err = client.Modify(ctx, d.ID, planet.ModifyRequest{
		Parameters: []byte(`{"aws_access_key_id":"AKIA…","aws_secret_access_key":"…"}`),
	})
	fmt.Println(planet.OutcomeOf(err))
	fmt.Println(err)

	// Output:
	// demo-5aIp1K is {"aws_region":"us-west-2","bucket":"b"}
	// refused
	// modify destination demo-5aIp1K: planet answered 422 Unprocessable Entity: could not delete planetverify.txt
}
