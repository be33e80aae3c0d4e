package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/s3"
)

func TestRequestsGoWhereTheLocationSays(t *testing.T) {
	path := other
	path.PathStyle = true
	for _, tc := range []struct {
		name string
		at   bucket.Location
		want string
	}{
		{"Amazon's own host of the region", amazon, "https://planet-data.s3.us-west-2.amazonaws.com/k"},
		{"an override for Amazon, in path style", amazon.WithEndpoint("http://minio.test:9000"), "http://minio.test:9000/planet-data/k"},
		{"Oracle's compatibility host, in path style", oracle, "https://ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com/planet-data/k"},
		{"an endpoint without a scheme means https", other, "https://planet-data.s3.test/k"},
		{"path style where it is asked for", path, "https://s3.test/planet-data/k"},
		{"an endpoint with a path and a slash", path.WithEndpoint("http://s3.test/base/"), "http://s3.test/base/planet-data/k"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got, sum string
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				u := *r.URL
				u.RawQuery = ""
				got, sum = u.String(), r.Header.Get("Content-Md5")
				for name := range r.Header {
					if strings.Contains(name, "Checksum") || name == "X-Amz-Trailer" || name == "X-Amz-Security-Token" {
						t.Errorf("header %s was sent", name)
					}
				}
				return says(200, nil, "")(r)
			})
			if err := open(t, transport, tc.at, "AKIA", secret).Put(t.Context(), "k", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if sum == "" {
				t.Error("no Content-MD5, which object lock asks for")
			}
		})
	}
}

func TestExplicitEncryptionIsAskedForOnlyWhenItIsSet(t *testing.T) {
	for explicit, want := range map[bool]string{false: "", true: "AES256"} {
		at := amazon
		at.ExplicitSSE = explicit
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if got := r.Header.Get("X-Amz-Server-Side-Encryption"); got != want {
				t.Errorf("explicit %v sends %q", explicit, got)
			}
			return says(200, nil, "")(r)
		})
		if err := open(t, transport, at, "AKIA", secret).Put(t.Context(), "k", nil); err != nil {
			t.Error(err)
		}
	}
}

func TestTheEnvironmentHasNoInfluence(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env", "AWS_SESSION_TOKEN": "env", "AWS_REGION": "eu-north-1",
		"AWS_ENDPOINT_URL": "http://env.test", "AWS_ENDPOINT_URL_S3": "http://env.test", "AWS_PROFILE": "none", "AWS_MAX_ATTEMPTS": "9",
	} {
		t.Setenv(name, value)
	}
	srv := guarded()
	if err := open(t, srv.RoundTripper(), amazon, "AKIAPLANETS", secret).Put(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}
	if r := srv.Requests(); len(r) != 1 || r[0].KeyID != "AKIAPLANETS" || r[0].Bucket != "planet-data" {
		t.Errorf("requests: %+v", r)
	}
}

func TestAnUnusableLocationOrCredentialFailsToOpen(t *testing.T) {
	with := func(at bucket.Location, change func(*bucket.Location)) bucket.Location {
		change(&at)
		return at
	}
	for _, tc := range []struct {
		name   string
		at     bucket.Location
		id     string
		secret string
		want   string
	}{
		{"no bucket", with(amazon, func(l *bucket.Location) { l.Bucket = "" }), "k", secret, "the bucket of this amazon_s3 destination is missing"},
		{"a bucket that is a path", with(other, func(l *bucket.Location) { l.Bucket = "a/b" }), "k", secret, "characters that no bucket name has"},
		{"an access point elsewhere", with(amazon, func(l *bucket.Location) { l.Bucket = "arn:aws:s3:eu-west-1:123456789012:accesspoint/planet" }), "k", secret, "the access point is in another region"},
		{"an ARN of something else", with(amazon, func(l *bucket.Location) { l.Bucket = "arn:aws:s3:::planet-data" }), "k", secret, "none of an access point of one region"},
		{"no region", with(amazon, func(l *bucket.Location) { l.Region = "" }), "k", secret, "the region of this amazon_s3 bucket is missing"},
		{"a region that leads elsewhere", with(oracle, func(l *bucket.Location) { l.Region = "x.evil.test/" }), "k", secret, "the region of this oracle_cloud_storage bucket"},
		{"a namespace that leads elsewhere", with(oracle, func(l *bucket.Location) { l.Namespace = "x@evil" }), "k", secret, "the namespace"},
		{"no endpoint", with(other, func(l *bucket.Location) { l.Endpoint = "" }), "k", secret, "the endpoint of this bucket is missing"},
		{"another scheme", other.WithEndpoint("ftp://s3.test"), "k", secret, "neither https nor http"},
		{"a password in the endpoint", other.WithEndpoint("https://u:" + "canarySecret@s3.test"), "k", secret, "holds a user name or a password"},
		{"a query in the endpoint", other.WithEndpoint("https://s3.test/?canarySecret"), "k", secret, "holds a query"},
		{"an endpoint that is none", other.WithEndpoint("https://[canarySecret"), "k", secret, "is no URL"},
		{"no key id", oracle, "", secret, "the credential has no customer_access_key_id"},
		{"no secret", other, "k", "", "the credential has no secret_access_key"},
		{"a secret with a line break", amazon, "k", secret + "\n", "aws_secret_access_key holds white space"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s3.Opener(s3.Options{})(tc.at, parameters(tc.at.Type, tc.id, tc.secret))
			if bucket.KindOf(err) != bucket.KindConfig || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			conformance.CheckNoCanary(t, err, secret, "canarySecret")
		})
	}
	t.Run("another type", func(t *testing.T) {
		_, err := s3.Opener(s3.Options{})(bucket.Location{Type: "google_cloud_storage", Bucket: "b", Region: "r"}, parameters("", "k", secret))
		if bucket.KindOf(err) != bucket.KindUnsupported {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a negative time-out", func(t *testing.T) {
		_, err := s3.Opener(s3.Options{Timeout: -1})(amazon, parameters(amazon.Type, "k", secret))
		if bucket.KindOf(err) != bucket.KindConfig {
			t.Errorf("got %v", err)
		}
	})
}
