package s3_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotatord/rotatord/bucket"
)

// TestRequestsGoWhereAmazonsOwnClientSendsThem holds the URLs and the scope of
// the signature to the vendor's client, for regions, names, endpoints and keys
// of all shapes.
func TestRequestsGoWhereAmazonsOwnClientSendsThem(t *testing.T) {
	const point = "arn:aws:s3:us-west-2:123456789012:accesspoint/planet"
	regions := []string{"us-west-2", "us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1",
		"us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"}
	names := []string{"planet-data", "planet.data", "abc", "Planet_Data", "-planet", "192.168.1.1", "planet-data-s3alias", strings.Repeat("a", 63), strings.Repeat("a", 64)}
	endpoints := []string{"https://s3.test", "http://s3.test", "http://127.0.0.1:9000", "https://[::1]:9000", "https://s3.test:8443/base/path"}
	keys := []string{"planetverify.txt", "a/b c/planetverify.txt", "a+b/ü~*'()!$&,;=:@", "a//b", "a/../b", "100%/x", "/leading"}

	var places []bucket.Location
	for _, r := range regions {
		for _, n := range names {
			places = append(places, bucket.Location{Type: bucket.TypeAmazonS3, Bucket: n, Region: r})
		}
	}
	places = append(places, bucket.Location{Type: bucket.TypeAmazonS3, Bucket: point, Region: "us-west-2"})
	for _, e := range endpoints {
		for _, n := range names {
			places = append(places, bucket.Location{Type: bucket.TypeS3Compatible, Bucket: n, Region: "eu-de", Endpoint: e},
				bucket.Location{Type: bucket.TypeS3Compatible, Bucket: n, Region: "eu-de", Endpoint: e, PathStyle: true},
				bucket.Location{Type: bucket.TypeAmazonS3, Bucket: n, Region: "us-west-2", Endpoint: e})
		}
	}
	for _, at := range places {
		if at.Bucket == "planet.data" && at.Endpoint == "http://127.0.0.1:9000" && at.Type == bucket.TypeS3Compatible && !at.PathStyle {
			continue // Amazon's asks for planet.data.127.0.0.1, which can't be; ours puts the bucket into the path
		}
		for _, key := range keys {
			ours, theirs := scope(t, at, key, false), scope(t, at, key, true)
			if ours != theirs {
				t.Errorf("%s %q in %s at %q, path style %v, key %q:\ngot  %s\nwant %s", at.Type, at.Bucket, at.Region, at.Endpoint, at.PathStyle, key, ours, theirs)
			}
		}
	}
}

// scope gives what is fixed about a download: where it goes, and what it is
// signed for. The date, the request's id and the signature itself differ.
func scope(t *testing.T, at bucket.Location, key string, theirs bool) string {
	t.Helper()
	var got string
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		scope, _, _ = strings.Cut(scope, ",")
		part := strings.Split(scope, "/") // key id, date, region, service
		if len(part) == 5 {
			part[1] = ""
		}
		got = r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath() + " " + r.Header.Get("Range") + " " + strings.Join(part, "/")
		return says(200, nil, "")(r)
	})
	var err error
	if theirs {
		options := sdk.Options{Region: at.Region, Credentials: credentials.NewStaticCredentialsProvider("AKIA", secret, ""),
			UsePathStyle: at.PathStyle || at.Type == bucket.TypeAmazonS3 && at.Endpoint != "", HTTPClient: &http.Client{Transport: transport}, Retryer: aws.NopRetryer{}}
		if at.Endpoint != "" {
			options.BaseEndpoint = aws.String(at.Endpoint)
		}
		_, err = sdk.New(options).GetObject(t.Context(), &sdk.GetObjectInput{Bucket: &at.Bucket, Key: &key, Range: aws.String("bytes=0-1023")})
	} else {
		_, err = open(t, transport, at, "AKIA", secret).Get(t.Context(), key)
	}
	if err != nil {
		return "error"
	}
	return got
}
