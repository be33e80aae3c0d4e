package bucket_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
)

func TestParseLocation(t *testing.T) {
	for _, tc := range []struct {
		name, typ, parameters string
		want                  bucket.Location
	}{
		{"amazon_s3 as Planet shows it, credentials redacted", "amazon_s3",
			`{"bucket":"b","aws_region":"us-west-2","aws_access_key_id":"<REDACTED>","aws_secret_access_key":"<REDACTED>"}`,
			bucket.Location{Type: "amazon_s3", Bucket: "b", Region: "us-west-2"}},
		{"amazon_s3 with explicit encryption", "amazon_s3",
			`{"bucket":"b","aws_region":"us-west-2","explicit_sse":true}`,
			bucket.Location{Type: "amazon_s3", Bucket: "b", Region: "us-west-2", ExplicitSSE: true}},
		{"google_cloud_storage", "google_cloud_storage",
			`{"bucket":"b","credentials":"<REDACTED>"}`,
			bucket.Location{Type: "google_cloud_storage", Bucket: "b"}},
		{"azure_blob_storage without a suffix", "azure_blob_storage",
			`{"account":"a","container":"c","sas_token":"<REDACTED>","storage_endpoint_suffix":null}`,
			bucket.Location{Type: "azure_blob_storage", Account: "a", Container: "c"}},
		{"azure_blob_storage with a suffix", "azure_blob_storage",
			`{"account":"a","container":"c","storage_endpoint_suffix":"core.example.net"}`,
			bucket.Location{Type: "azure_blob_storage", Account: "a", Container: "c", Suffix: "core.example.net"}},
		{"oracle_cloud_storage", "oracle_cloud_storage",
			`{"bucket":"b","region":"eu-frankfurt-1","namespace":"n","customer_secret_key":"<REDACTED>"}`,
			bucket.Location{Type: "oracle_cloud_storage", Bucket: "b", Region: "eu-frankfurt-1", Namespace: "n"}},
		{"s3_compatible with path style", "s3_compatible",
			`{"bucket":"b","region":"r","endpoint":"s3.example.com","use_path_style":true,"secret_access_key":"<REDACTED>"}`,
			bucket.Location{Type: "s3_compatible", Bucket: "b", Region: "r", Endpoint: "s3.example.com", PathStyle: true}},
		{"fields that are not known are passed over whatever they hold", "s3_compatible",
			`{"bucket":"b","region":"r","endpoint":"e","later":{"x":[1]},"secret_access_key":7}`,
			bucket.Location{Type: "s3_compatible", Bucket: "b", Region: "r", Endpoint: "e"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := bucket.ParseLocation(tc.typ, json.RawMessage(tc.parameters))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLocationNamesWhatIsWrong(t *testing.T) {
	const canary = "cAnArYsEcReT"
	for _, tc := range []struct {
		name, typ, parameters, want string
		kind                        bucket.Kind
	}{
		{"a missing field", "amazon_s3", `{"bucket":"b","aws_secret_access_key":"` + canary + `"}`,
			"open bucket: config: parameter aws_region of this amazon_s3 destination is missing", bucket.KindConfig},
		{"an empty field", "oracle_cloud_storage", `{"bucket":"b","region":"r","namespace":""}`,
			"open bucket: config: parameter namespace of this oracle_cloud_storage destination is missing", bucket.KindConfig},
		{"a field that is null", "azure_blob_storage", `{"account":null,"container":"c"}`,
			"open bucket: config: parameter account of this azure_blob_storage destination is missing", bucket.KindConfig},
		{"a redacted structural field", "google_cloud_storage", `{"bucket":"<REDACTED>"}`,
			"open bucket: config: parameter bucket of this google_cloud_storage destination is redacted, where it should be in clear", bucket.KindConfig},
		{"a field of the wrong type", "s3_compatible", `{"bucket":["` + canary + `"]}`,
			"open bucket: config: parameter bucket of this s3_compatible destination is not a string", bucket.KindConfig},
		{"a flag of the wrong type", "s3_compatible", `{"bucket":"b","region":"r","endpoint":"e","use_path_style":"` + canary + `"}`,
			"open bucket: config: parameter use_path_style of this s3_compatible destination is neither true nor false", bucket.KindConfig},
		{"no object at all", "s3_compatible", `"` + canary + `"`,
			"open bucket: config: the parameters of this s3_compatible destination are not a JSON object", bucket.KindConfig},
		{"null", "amazon_s3", `null`,
			"open bucket: config: the parameters of this amazon_s3 destination are not a JSON object", bucket.KindConfig},
		{"an unknown type", canary, `{}`,
			"open bucket: unsupported: this destination type is not known; known are amazon_s3, azure_blob_storage, google_cloud_storage, oracle_cloud_storage and s3_compatible", bucket.KindUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := bucket.ParseLocation(tc.typ, json.RawMessage(tc.parameters))
			if err == nil || err.Error() != tc.want {
				t.Fatalf("got  %v\nwant %s", err, tc.want)
			}
			if kind := bucket.KindOf(err); kind != tc.kind {
				t.Errorf("kind %q, want %q", kind, tc.kind)
			}
		})
	}
}

func TestWithEndpointReplacesTheEndpointOnly(t *testing.T) {
	at := bucket.Location{Type: "s3_compatible", Endpoint: "e", PathStyle: true}
	if got := at.WithEndpoint(""); got != at {
		t.Errorf("an empty override changed the location: %+v", got)
	}
	want := at
	want.Endpoint = "http://127.0.0.1:1"
	if got := at.WithEndpoint("http://127.0.0.1:1"); got != want || at.Endpoint != "e" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, s := range []string{`{}`, `{"bucket":"b","aws_region":"r"}`, `{"bucket":1}`, `[`, `{"use_path_style":null}`, `{"bucket":"b","bucket":2}`} {
		f.Add("s3_compatible", s)
		f.Add("amazon_s3", s)
	}
	f.Add("azure_blob_storage", `{"account":"a","container":"c","sas_token":"zZcanaryZz"}`)
	f.Fuzz(func(t *testing.T, typ, parameters string) {
		at, err := bucket.ParseLocation(typ, json.RawMessage(parameters))
		if err == nil {
			if at.Type != typ || (at.Bucket == "" && at.Container == "") {
				t.Errorf("a location that locates nothing: %+v", at)
			}
			return
		}
		if k := bucket.KindOf(err); k != bucket.KindConfig && k != bucket.KindUnsupported {
			t.Errorf("kind %q", k)
		}
		if strings.Contains(err.Error(), "zZcanaryZz") {
			t.Errorf("the error quotes its input: %v", err)
		}
	})
}
