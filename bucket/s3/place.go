package s3

import (
	"net"
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
)

// place is where a bucket's requests go.
type place struct {
	base   url.URL // of the bucket: objects are below it
	host   string  // what messages call it
	region string  // that requests are signed for
}

// find turns Planet's structural parameters into a place.
func find(at bucket.Location) (place, error) {
	if err := checkBucketName(at); err != nil {
		return place{}, err
	}
	if !isName(at.Region, at.Type == bucket.TypeS3Compatible) {
		return place{}, config("the region of this %s bucket is missing or holds characters that no region has", at.Type)
	}
	var (
		where     = place{region: at.Region}
		pathStyle bool
	)
	switch at.Type {
	case bucket.TypeAmazonS3:
		if at.Endpoint == "" {
			where.host = "Amazon S3 in " + at.Region
			var err error
			where.base, err = amazons(at.Bucket, at.Region)
			return where, err
		}
		pathStyle = true
	case bucket.TypeOracleCloudStorage:
		pathStyle = true
		if at.Endpoint == "" {
			if !isName(at.Namespace, false) {
				return place{}, config("the namespace of this oracle_cloud_storage bucket is missing or holds characters that no namespace has")
			}
			at.Endpoint = "https://" + at.Namespace + ".compat.objectstorage." + at.Region + ".oraclecloud.com"
		}
	case bucket.TypeS3Compatible:
		pathStyle = at.PathStyle
	default:
		return place{}, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindUnsupported,
			Message: "this is neither an amazon_s3, an oracle_cloud_storage nor an s3_compatible bucket"}
	}
	u, err := parseEndpoint(at.Endpoint)
	if err != nil {
		return place{}, err
	}
	where.host = u.Host
	// An address has no names below it, and a certificate for *.host none for two
	// labels, so a bucket with dots is one of those only without TLS.
	dots := u.Scheme == "http"
	if net.ParseIP(u.Hostname()) != nil || !isHostLabel(at.Bucket, dots) {
		pathStyle = true
	}
	where.base = below(*u, at.Bucket, pathStyle)
	return where, nil
}

// below gives the URL of a bucket at an endpoint.
func below(endpoint url.URL, name string, pathStyle bool) url.URL {
	if pathStyle {
		endpoint.Path += "/" + name
	} else {
		endpoint.Host = name + "." + endpoint.Host
	}
	return endpoint
}

// amazons gives the URL of a bucket of Amazon's own, or of an access point.
func amazons(name, region string) (url.URL, error) {
	domain := "amazonaws.com"
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			domain = p.domain
			break
		}
	}
	if strings.HasPrefix(name, "arn:") {
		return accessPoint(name, region, domain)
	}
	u := url.URL{Scheme: "https", Host: "s3." + region + "." + domain}
	return below(u, name, !isHostLabel(name, false)), nil
}

// partitions are the parts of Amazon's cloud whose hosts have another domain.
// Source: partitions.json in the AWS SDK for Go.
var partitions = []struct{ regions, domain string }{
	{"cn-", "amazonaws.com.cn"},
	{"eusc-", "amazonaws.eu"},
	{"us-iso-", "c2s.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov"},
	{"eu-isoe-", "cloud.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov"},
}

// accessPoint takes an access point's ARN apart:
// arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME. Those of several regions, of
// Outposts and of Lambda need other requests.
func accessPoint(arn, region, domain string) (url.URL, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[2] != "s3" || part[3] == "" {
		return url.URL{}, config("this ARN is none of an access point of one region; give the bucket's name")
	}
	kind, name, ok := strings.Cut(strings.Replace(part[5], ":", "/", 1), "/")
	if !ok || kind != "accesspoint" || !isHostLabel(name, false) || !isName(part[4], false) {
		return url.URL{}, config("this ARN is none of an access point of one region; give the bucket's name")
	}
	if part[3] != region {
		return url.URL{}, config("the access point is in another region than the destination says, which is %s", region)
	}
	return url.URL{Scheme: "https", Host: name + "-" + part[4] + ".s3-accesspoint." + region + "." + domain}, nil
}

// isHostLabel tells whether a bucket's name can stand before the endpoint's
// host. Source: isVirtualHostableS3Bucket of Amazon's endpoint rules.
func isHostLabel(name string, dots bool) bool {
	if net.ParseIP(name) != nil {
		return false
	}
	labels := []string{name}
	if dots {
		labels = strings.Split(name, ".")
	}
	for _, l := range labels {
		if len(l) < 3 || len(l) > 63 {
			return false
		}
		for _, r := range l {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return true
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
		return nil // an access point
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

// keys are a credential under the names that all three types share.
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
