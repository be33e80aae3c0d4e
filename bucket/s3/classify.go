package s3

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/bucket"
)

const codeInvalidRange = "InvalidRange"

// answer is what a server said against a request.
type answer struct {
	status  int
	code    string // from the error's XML; empty when there was none
	message string // never shown as it is
	region  string // of the bucket, where the server tells
	date    time.Time
}

// answered takes an SDK error apart. Status is 0 when there was no answer.
func answered(err error) answer {
	var a answer
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil && resp.Response.Response != nil {
		a.status = resp.Response.StatusCode
		a.region = resp.Response.Header.Get("X-Amz-Bucket-Region")
		if at, err := http.ParseTime(resp.Response.Header.Get("Date")); err == nil {
			a.date = at
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
		// For a body without an error in it the SDK makes a code of the status
		// line, "Forbidden", which no S3 server has said.
		if a.message == http.StatusText(a.status) && a.code == strings.ReplaceAll(a.message, " ", "") {
			a.code, a.message = "", ""
		}
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

// classify makes the error of a call. It is never nil.
func (b *s3Bucket) classify(ctx context.Context, op bucket.Op, err error) *bucket.Error {
	a := answered(err)
	e := &bucket.Error{Op: op, Status: a.status, Code: b.safeCode(a.code), ServerTime: a.date}
	if a.status == 0 || a.status < 300 {
		e.Kind = bucket.KindUnreachable
		why, cause := bucket.Silence(ctx, err, unresolved)
		e.Message, e.Err = b.host+": "+why, cause
		if a.status != 0 && cause == nil {
			e.Kind, e.Message = bucket.KindUnknown, "the answer can't be understood; check the endpoint"
		}
		if cause == nil && a.status == 0 && unsendable(err) {
			e.Kind, e.Message = bucket.KindConfig, "no request can be made for this bucket; check its name, its region and its endpoint"
		}
		return e
	}
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

// unsendable tells an error from before anything was sent: the SDK refused the
// location or the request.
func unsendable(err error) bool {
	var sent *smithyhttp.RequestSendError
	var canceled *smithy.CanceledError
	return !errors.As(err, &sent) && !errors.As(err, &canceled)
}

// verdictOfText judges codes that mean different things, by what the server
// wrote beside them.
func verdictOfText(a answer) (verdict, bool) {
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
	codeText   = regexp.MustCompile(`^[A-Z][A-Za-z.]{1,49}$`)
	regionText = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,16}){1,3}-[0-9]{1,2}$`)
	regionHint = regexp.MustCompile(`expecting '([a-z0-9-]{1,40})'`)
	actionText = regexp.MustCompile(`not authorized to perform: ((?:s3|kms):[A-Za-z]{1,40})\b`)
)

// safeCode gives the code when it looks like one and holds nothing of the
// credential.
func (b *s3Bucket) safeCode(code string) string {
	if !codeText.MatchString(code) {
		return ""
	}
	for _, s := range b.secrets {
		if strings.Contains(code, s) {
			return ""
		}
	}
	return code
}

// wrongRegion says where the bucket lives if the server said so.
func (b *s3Bucket) wrongRegion(a answer) string {
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
