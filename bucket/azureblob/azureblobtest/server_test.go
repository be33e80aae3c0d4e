package azureblobtest_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = []byte("a key")

func server(t *testing.T) (*azureblobtest.Server, *http.Client) {
	t.Helper()
	s := azureblobtest.NewServer()
	s.SetKeys("acct", key)
	s.CreateContainer("acct", "box")
	s.PutBlob("acct", "box", "a", []byte("0123456789"))
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport}
}

func sas(permissions string) string {
	return azureblobtest.SAS(key, azureblobtest.Values{Account: "acct", Container: "box", Permissions: permissions, End: time.Now().Add(time.Hour)})
}

// ask sends a request as a client of no care would.
func ask(t *testing.T, c *http.Client, method, url, body string, headers ...string) (status int, code, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Ms-Error-Code"), string(text)
}

func TestRequestsThatAzureRefuses(t *testing.T) {
	s, c := server(t)
	const version, blobType = "X-Ms-Version", "X-Ms-Blob-Type"
	long := strings.Repeat("x", 8<<20+1)
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"without a token", "GET", "/acct/box/a", "", []string{version, "x"}, 401, "NoAuthenticationInformation"},
		{"of an account that is not there", "GET", "/none/box/a?" + sas("r"), "", []string{version, "x"}, 404, "ResourceNotFound"},
		{"without a version", "GET", "/acct/box/a?" + sas("r"), "", nil, 400, "MissingRequiredHeader"},
		{"with a permission that was written in", "DELETE", "/acct/box/a?" + strings.Replace(sas("r"), "sp=r", "sp=rd", 1), "", []string{version, "x"}, 403, "AuthenticationFailed"},
		{"with an end that was moved", "GET", "/acct/box/a?" + strings.Replace(sas("r"), "se=20", "se=21", 1), "", []string{version, "x"}, 403, "AuthenticationFailed"},
		{"with a signature whose plus is a space", "GET", "/acct/box/a?" + strings.Replace(sas("r"), "sig=", "sig=+", 1), "", []string{version, "x"}, 403, "AuthenticationFailed"},
		{"of a verb that is none", "PATCH", "/acct/box/a?" + sas("r"), "", []string{version, "x"}, 405, "UnsupportedHttpVerb"},
		{"put without a type of blob", "PUT", "/acct/box/b?" + sas("w"), "x", []string{version, "x"}, 400, "InvalidHeaderValue"},
		{"put of the container", "PUT", "/acct/box?" + sas("w"), "x", []string{version, "x", blobType, "BlockBlob"}, 400, "InvalidUri"},
		{"put of too much", "PUT", "/acct/box/b?" + sas("w"), long, []string{version, "x", blobType, "BlockBlob"}, 413, "RequestBodyTooLarge"},
		{"list that is none", "GET", "/acct/box?" + sas("l"), "", []string{version, "x"}, 400, "InvalidQueryParameterValue"},
		{"a range that is none", "GET", "/acct/box/a?" + sas("r"), "", []string{version, "x", "Range", "lines=1"}, 400, "InvalidHeaderValue"},
		{"a list with the permission to read", "GET", "/acct/box?restype=container&comp=list&" + sas("r"), "", []string{version, "x"}, 403, "AuthorizationPermissionMismatch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, code, text := ask(t, c, tc.method, s.URL()+tc.path, tc.body, tc.headers...)
			if status != tc.status || code != tc.code || !strings.Contains(text, "<Code>"+tc.code+"</Code>") {
				t.Errorf("got %d %s %s, want %d %s", status, code, text, tc.status, tc.code)
			}
		})
	}
	if diff := cmp.Diff([]string{"a"}, s.Blobs("acct", "box")); diff != "" {
		t.Errorf("what was refused has changed something (-want +got):\n%s", diff)
	}
}

func TestAPutThatIsChunkedIsRefused(t *testing.T) {
	s, c := server(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+"/acct/box/b?"+sas("w"), io.MultiReader(bytes.NewReader([]byte("x"))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Ms-Version", "x")
	r.Header.Set("X-Ms-Blob-Type", "BlockBlob")
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusLengthRequired {
		t.Errorf("got %s", resp.Status)
	}
}

func TestAListGivesNamesInOrderAndNoMoreThanAsked(t *testing.T) {
	s, c := server(t)
	s.PutBlob("acct", "box", "b", nil)
	s.PutBlob("acct", "box", "ab", nil)
	for query, want := range map[string]string{
		"": "<Name>a</Name></Blob><Blob><Name>ab</Name></Blob><Blob><Name>b</Name>", "&prefix=ab": "<Blobs><Blob><Name>ab</Name></Blob></Blobs>",
		"&maxresults=1": "<Blobs><Blob><Name>a</Name></Blob></Blobs>", "&prefix=z": "<Blobs></Blobs>",
	} {
		status, _, text := ask(t, c, http.MethodGet, s.URL()+"/acct/box?restype=container&comp=list&"+sas("l")+query, "", "X-Ms-Version", "x")
		if status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%q: got %d %s, want %s in it", query, status, text, want)
		}
	}
}

func TestAListOfVersionsHasWhatWasReplacedAndDeleted(t *testing.T) {
	s, c := server(t)
	s.SetVersioning("acct", "box", true)
	s.PutBlob("acct", "box", "a", nil)
	s.PutBlob("acct", "box", "gone", nil)
	if status, _, text := ask(t, c, http.MethodDelete, s.URL()+"/acct/box/gone?"+sas("d"), "", "X-Ms-Version", "x"); status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, text)
	}
	_, _, text := ask(t, c, http.MethodGet, s.URL()+"/acct/box?restype=container&comp=list&include=versions&"+sas("l"), "", "X-Ms-Version", "x")
	var list struct {
		Blobs []struct {
			Name             string
			IsCurrentVersion bool
		} `xml:"Blobs>Blob"`
	}
	if err := xml.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), &list); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(list.Blobs)
	if want := "[{a false} {a true} {gone false}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if left := s.Blobs("acct", "box"); len(left) != 1 || left[0] != "a" {
		t.Errorf("left: %q", left)
	}
}

func TestAServerComesAndGoes(t *testing.T) {
	s, c := server(t)
	if err := s.Start(); err == nil {
		t.Error("it was started twice")
	}
	s.SetDown(true)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/acct/box/a?"+sas("r"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("it answers though it is down")
	}
	s.SetDown(false)
	s.DeleteContainer("acct", "box")
	if status, code, _ := ask(t, c, http.MethodGet, s.URL()+"/acct/box/a?"+sas("r"), "", "X-Ms-Version", "x"); status != 404 || code != "ContainerNotFound" {
		t.Errorf("got %d %s", status, code)
	}
	s.Close()
	s.Close()
	if url := s.URL(); url != "" {
		t.Errorf("a closed server is at %s", url)
	}
	var codes []string
	for _, q := range s.Requests() {
		codes = append(codes, q.Code)
	}
	if got := strings.Join(codes, ","); !strings.HasSuffix(got, ",ContainerNotFound") {
		t.Errorf("the record is %q", got)
	}
}
