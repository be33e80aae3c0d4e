package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/internal/shape"
)

const codeInvalidRange = "InvalidRange"

// refused is an answer that is no success, as far as it is of use.
type refused struct {
	status  int
	code    string // from the error's XML; empty when there was none
	message string // never shown as it is
	region  string // of the bucket, where the server tells
	date    time.Time
}

// refusalOf takes an answer apart.
func refusalOf(got reply) refused {
	a := refused{status: got.status, date: got.date, region: got.header.Get("X-Amz-Bucket-Region")}
	var body struct {
		XMLName xml.Name
		Code    string
		Message string
		Region  string
		// Inner is where some stores put it: <ErrorResponse><Error>.
		Inner *struct{ Code, Message string } `xml:"Error"`
	}
	if err := xml.Unmarshal(got.body, &body); err != nil {
		return a
	}
	switch {
	case body.XMLName.Local == "Error":
		a.code, a.message = strings.TrimSpace(body.Code), body.Message
		if a.region == "" {
			a.region = body.Region
		}
	case body.Inner != nil:
		a.code, a.message = strings.TrimSpace(body.Inner.Code), body.Inner.Message
	}
	return a
}

// verdict is what a code means.
type verdict struct {
	kind bucket.Kind
	say  string
}

// verdictOf knows the codes that S3 and its likes send. Source: "Error
// responses" in the Amazon S3 API reference; others as marked.
func verdictOf(code string) (verdict, bool) {
	switch code {
	case "AccessDenied", "AllAccessDisabled":
		return verdict{bucket.KindDenied, ""}, true
	case "InvalidAccessKeyId":
		return verdict{bucket.KindBadCredential, "the access key id is not known; a new key may need some seconds"}, true
	case "SignatureDoesNotMatch":
		return verdict{bucket.KindBadCredential, "the secret does not belong to the access key id"}, true
	case "ExpiredToken", "TokenRefreshRequired":
		return verdict{bucket.KindBadCredential, "the credential has expired"}, true
	case "InvalidToken", "InvalidSecurity", "NotSignedUp", "AccountProblem",
		"UserSuspended", // Ceph
		"Unauthorized":  // Cloudflare R2
		return verdict{bucket.KindBadCredential, "the account or the key is not accepted"}, true
	case "RequestTimeTooSkewed", "RequestExpired":
		return verdict{bucket.KindClockSkew, "the clock here and the server's differ too much; set the clock"}, true
	case "NoSuchKey":
		return verdict{bucket.KindNotFound, ""}, true
	case "NoSuchBucket":
		return verdict{bucket.KindNoBucket, ""}, true
	case "PermanentRedirect", "IllegalLocationConstraintException",
		"InvalidRegionName": // Cloudflare R2
		return verdict{bucket.KindWrongRegion, ""}, true
	case "TemporaryRedirect":
		return verdict{bucket.KindServer, "the bucket is being moved or has just been made; try later"}, true
	case "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded",
		"TooManyRequests", "BandwidthLimitExceeded":
		return verdict{bucket.KindThrottled, "the server asks for fewer requests"}, true
	case "InternalError":
		return verdict{bucket.KindServer, "the server failed"}, true
	case "InvalidBucketName":
		return verdict{bucket.KindConfig, "the server does not take this name for a bucket's"}, true
	case "NotImplemented":
		return verdict{bucket.KindUnknown, "this store does not know requests of this kind"}, true
	case "InvalidObjectState":
		return verdict{bucket.KindUnknown, "the object is archived and can't be read"}, true
	case "RequestTimeout":
		return verdict{bucket.KindUnreachable, "the server gave up waiting for the request"}, true
	}
	return verdict{}, false
}

// verdictOfStatus judges by the status alone, for codes that are not known
// and for answers without one.
func verdictOfStatus(status int, coded bool) verdict {
	switch {
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return verdict{bucket.KindThrottled, "the server asks to come back later"}
	case status >= 500:
		return verdict{bucket.KindServer, "the server failed"}
	case status == http.StatusRequestTimeout:
		return verdict{bucket.KindUnreachable, "the server gave up waiting for the request"}
	case !coded:
		// A proxy, a firewall or a web site has answered. None of them has spoken
		// about the credential.
		if status >= 300 && status < 400 {
			return verdict{bucket.KindUnknown, "the answer is a redirect, which is not followed; check the endpoint"}
		}
		return verdict{bucket.KindUnknown, "the answer is none of S3's; check the endpoint, and proxies on the way"}
	case status == http.StatusUnauthorized:
		return verdict{bucket.KindBadCredential, "the key is not accepted"}
	case status == http.StatusForbidden:
		return verdict{bucket.KindDenied, ""}
	}
	return verdict{bucket.KindUnknown, ""}
}

// unresolved is said of an endpoint whose name does not resolve.
const unresolved = "its name does not resolve; check the endpoint, the region and DNS"

// silence makes the error of a request whose answer did not come, or not to its
// end.
func (b *s3Bucket) silence(ctx context.Context, op bucket.Op, err error) *bucket.Error {
	why, cause := bucket.Silence(ctx, err, unresolved)
	return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Message: b.where.host + ": " + why, Err: cause}
}

// refusal makes the error of a call that was answered.
func (b *s3Bucket) refusal(op bucket.Op, got reply) *bucket.Error {
	a := refusalOf(got)
	e := &bucket.Error{Op: op, Status: a.status, Code: b.safeCode(a.code), ServerTime: a.date}
	v, known := verdictOf(a.code)
	if !known {
		v, known = verdictOfText(a)
	}
	if !known {
		v = verdictOfStatus(a.status, a.code != "")
	}
	e.Kind, e.Message = v.kind, v.say
	switch v.kind {
	case bucket.KindDenied:
		e.Permission = permission(op, a.message)
		e.Message = deniedBy(a.message)
	case bucket.KindWrongRegion:
		e.Message = b.wrongRegion(a)
	case bucket.KindNoBucket:
		e.Message = "there is no bucket of that name"
		if b.at.Type == bucket.TypeOracleCloudStorage {
			e.Message += ", or the key may not see it; Oracle answers the same for both"
		}
	}
	return e
}

// verdictOfText judges codes that mean different things, by what the server
// wrote beside them.
func verdictOfText(a refused) (verdict, bool) {
	if a.code == "AuthorizationHeaderMalformed" {
		if a.region != "" || strings.Contains(a.message, "region") {
			return verdict{bucket.KindWrongRegion, ""}, true
		}
		return verdict{bucket.KindBadCredential, "the access key id can't be one"}, true
	}
	// Cloudflare R2: "Credential access key has length 20, should be 32".
	if a.code == "InvalidArgument" && strings.Contains(a.message, "access key") {
		return verdict{bucket.KindBadCredential, "the access key id can't be one of this store's"}, true
	}
	if a.status == http.StatusMovedPermanently && a.region != "" {
		return verdict{bucket.KindWrongRegion, ""}, true
	}
	return verdict{}, false
}

// Patterns of what may be repeated of a server's message. All are short and
// of a form that no key or signature has.
var (
	codeText   = shape.Of(`^[A-Z][A-Za-z.]+$`, 50)
	regionText = shape.Of(`^[a-z]+(-[a-z]+){1,3}-[0-9]+$`, 32)
	regionHint = shape.Of(`expecting '([a-z0-9-]+)'`, 0, 40)
	actionText = shape.Of(`not authorized to perform: ((?:s3|kms):[A-Za-z]+)\b`, 0, 44)
)

// safeCode gives the code when it looks like one and holds nothing of the
// credential.
func (b *s3Bucket) safeCode(code string) string {
	if !codeText.MatchString(code) {
		return ""
	}
	for _, s := range []string{b.keys.AccessKeyID, b.keys.SecretAccessKey} {
		if strings.Contains(code, s) {
			return ""
		}
	}
	return code
}

// wrongRegion says where the bucket lives if the server said so.
func (b *s3Bucket) wrongRegion(a refused) string {
	region := a.region
	if m := regionHint.FindStringSubmatch(a.message); region == "" && m != nil {
		region = m[1]
	}
	if !regionText.MatchString(region) {
		return "the bucket is not in region " + b.at.Region + " or not at this endpoint"
	}
	return "the bucket is in region " + region + ", not in " + b.at.Region
}

// permission names what is missing. Amazon says it in its message; it may be
// another than the one for the call, such as a key's kms:GenerateDataKey.
func permission(op bucket.Op, message string) string {
	if m := actionText.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	switch op {
	case bucket.OpPut:
		return "s3:PutObject"
	case bucket.OpGet:
		return "s3:GetObject"
	case bucket.OpDelete:
		return "s3:DeleteObject"
	case bucket.OpList: // of versions: nothing else is listed here
		return "s3:ListBucketVersions"
	}
	return ""
}

// deniedBy tells which sort of policy denies, in Amazon's words for it.
func deniedBy(message string) string {
	for _, policy := range []string{
		"service control policy", "resource control policy", "permissions boundary", "session policy",
		"VPC endpoint policy", "resource-based policy", "identity-based policy",
	} {
		if !strings.Contains(message, policy) {
			continue
		}
		if strings.Contains(message, "explicit deny") {
			return "an explicit deny in a " + policy
		}
		return "no " + policy + " allows it"
	}
	return ""
}
