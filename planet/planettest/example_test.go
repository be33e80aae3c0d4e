package planettest_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rotatord/rotatord/planet/planettest"
)

// A PATCH is cut after it took effect: what the client must not mistake for a
// failure, the record shows.
func Example() {
	sim, err := planettest.New(planettest.Options{
		Users: []planettest.User{{Name: "ada", Key: "ada-key"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	id := sim.Seed("ada", planettest.Destination{
		Name: "tiles", Type: "azure_blob_storage",
		Parameters: map[string]any{"account": "a", "container": "tiles", "sas_token": "old"},
	})
	sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Cut, Effect: planettest.EffectNow})

	server := sim.Start()
	defer server.Close()
	request, err := http.NewRequest(http.MethodPatch, server.BaseURL+"/"+id, strings.NewReader(`{"parameters":{"sas_token":"new"}}`)) //nolint:noctx // an example
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set("Authorization", "api-key ada-key")
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	fmt.Println("the client got an error:", err != nil)

	seen := sim.Requests()[0]
	fmt.Println(seen.User, seen.Method, seen.ParameterKeys, "answered", seen.Status, "result", seen.Result)
	fmt.Println("the new one took effect:", seen.Fingerprints["sas_token"] == sim.Fingerprint([]byte("new")) && !seen.Effect.IsZero())
	// Output:
	// the client got an error: true
	// ada PATCH [sas_token] answered 0 result 200
	// the new one took effect: true
}
