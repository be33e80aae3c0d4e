package s3

import (
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
)

// place is a location in the SDK's terms.
type place struct {
	endpoint  string // empty: Amazon's own for the region
	host      string // what messages call it
	region    string
	pathStyle bool
}

// find turns Planet's structural parameters into a place.
func find(at bucket.Location) (place, error) {
	if err := checkBucketName(at); err != nil {
		return place{}, err
	}
	if !isName(at.Region, at.Type == bucket.TypeS3Compatible) {
		return place{}, config("the region of this %s bucket is missing or holds characters that no region has", at.Type)
	}
	where := place{region: at.Region}
	switch at.Type {
	case bucket.TypeAmazonS3:
		if at.Endpoint == "" {
			where.host = "Amazon S3 in " + at.Region
			return where, nil
		}
		where.pathStyle = true
	case bucket.TypeOracleCloudStorage:
		where.pathStyle = true
		if at.Endpoint == "" {
			if !isName(at.Namespace, false) {
				return place{}, config("the namespace of this oracle_cloud_storage bucket is missing or holds characters that no namespace has")
			}
			at.Endpoint = "https://" + at.Namespace + ".compat.objectstorage." + at.Region + ".oraclecloud.com"
		}
	case bucket.TypeS3Compatible:
		where.pathStyle = at.PathStyle
	default:
		return place{}, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindUnsupported,
			Message: "this is neither an amazon_s3, an oracle_cloud_storage nor an s3_compatible bucket"}
	}
	u, err := parseEndpoint(at.Endpoint)
	if err != nil {
		return place{}, err
	}
	where.endpoint, where.host = u.String(), u.Host
	return where, nil
}

// parseEndpoint reads an endpoint as people write it: with a scheme or
// without, which means https. The text is never quoted, as a URL may hold a
// password.
func parseEndpoint(endpoint string) (*url.URL, error) {
	if endpoint == "" {
		return nil, config("the endpoint of this bucket is missing")
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, config("the endpoint of this bucket is no URL; give it as https://host or https://host:port")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, config("the endpoint of this bucket is neither https nor http")
	case u.User != nil:
		return nil, config("the endpoint of this bucket holds a user name or a password; credentials belong into the secret")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, config("the endpoint of this bucket holds a query or a fragment; give it as https://host or https://host:port")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// checkBucketName refuses what would address something else than a bucket.
// Whether a name is a good one is the server's business.
func checkBucketName(at bucket.Location) error {
	if at.Bucket == "" {
		return config("the bucket of this %s destination is missing", at.Type)
	}
	if at.Type == bucket.TypeAmazonS3 && at.Endpoint == "" && strings.HasPrefix(at.Bucket, "arn:") {
		return nil // an access point: the SDK takes it apart
	}
	for _, r := range at.Bucket {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%:`, r) {
			return config("the bucket of this %s destination holds characters that no bucket name has", at.Type)
		}
	}
	return nil
}

// isName tells whether s can be one label of a host name; dots are for
// regions that never become part of one.
func isName(s string, dots bool) bool {
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		case r == '.' && dots:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// keys are a credential in the form that the SDK wants.
type keys struct{ id, secret string }

func keysOf(typ string, with credential.Parameters) (keys, error) {
	idField, secretField := "access_key_id", "secret_access_key"
	switch typ {
	case bucket.TypeAmazonS3:
		idField, secretField = "aws_access_key_id", "aws_secret_access_key"
	case bucket.TypeOracleCloudStorage:
		idField, secretField = "customer_access_key_id", "customer_secret_key"
	}
	for _, name := range []string{idField, secretField} {
		v := with.Get(name).Bytes()
		if len(v) == 0 {
			return keys{}, config("the credential has no %s", name)
		}
		for _, c := range v {
			if c <= ' ' || c > '~' {
				return keys{}, config("the credential's %s holds white space or characters that no key has", name)
			}
		}
	}
	return keys{
		id:     string(with.Get(idField).Bytes()),
		secret: string(with.Get(secretField).Bytes()),
	}, nil
}
