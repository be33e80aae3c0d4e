package azureblob

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/internal/shape"
)

// fault is what a server said against a request.
type fault struct {
	code    string // empty when the answer is none of Azure's
	message string // never shown as it is
	detail  string // nor this: it may hold the string that was signed
}

// faultOf takes an error answer apart: the code from the header, which HEAD
// has too and proxies leave alone, else from the XML.
func faultOf(a answer) fault {
	var body struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Detail  string `xml:"AuthenticationErrorDetail"`
	}
	// The error quotes its input and is dropped.
	if xml.Unmarshal(bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf")), &body) != nil {
		body.Code, body.Message, body.Detail = "", "", ""
	}
	f := fault{code: a.header.Get("X-Ms-Error-Code"), message: body.Message, detail: body.Detail}
	if f.code == "" {
		f.code = body.Code
	}
	return f
}

// codeText is what an error code looks like.
var codeText = shape.Of(`^[A-Z][A-Za-z]{2,}$`, 60)

// verdict is what an answer means.
type verdict struct {
	kind       bucket.Kind
	say        string
	permission string
}

// classify makes the error of an answer that was not a good one.
func (c *container) classify(op bucket.Op, a answer) *bucket.Error {
	f := faultOf(a)
	e := &bucket.Error{Op: op, Status: a.status, ServerTime: a.date()}
	if codeText.MatchString(f.code) && !c.sas.shows(f.code) {
		e.Code = f.code
	}
	v, known := verdictOf(op, e.Code)
	switch {
	case e.Code == "AuthenticationFailed":
		v, known = c.unauthenticated(a, f), true
	case e.Code == "AuthorizationFailure":
		v, known = c.unauthorized(a, f), true
	}
	if !known {
		v = verdictOfStatus(op, a, e.Code != "")
	}
	e.Kind, e.Message, e.Permission = v.kind, v.say, v.permission
	if op == bucket.OpPut && slices.Contains(replacing, e.Code) {
		e.Object = bucket.PresenceThere
	}
	return e
}

// replacing are the codes of a put that say that there is a blob already.
var replacing = []string{"UnauthorizedBlobOverwrite", "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"}

// letters are the SAS permissions that each operation needs.
var letters = map[bucket.Op]string{bucket.OpPut: "SAS w", bucket.OpGet: "SAS r", bucket.OpDelete: "SAS d", bucket.OpList: "SAS l"}

// resourceTypes are the resource types (srt) of an account SAS that each needs.
var resourceTypes = map[bucket.Op]string{bucket.OpPut: "SAS srt=o", bucket.OpGet: "SAS srt=o", bucket.OpDelete: "SAS srt=o", bucket.OpList: "SAS srt=c"}

// verdictOf knows the codes whose meaning is one. Sources: "Common REST API
// error codes", "Blob Storage error codes" and "Shared access signature error
// codes" of Azure Storage's REST reference; those of immutable blobs are not
// listed there.
func verdictOf(op bucket.Op, code string) (v verdict, known bool) {
	if v, known = refusalOf(op, code); known {
		return v, true
	}
	if v, known = stateOf(code); known {
		return v, true
	}
	switch code {
	case "ServerBusy", "TooManyRequests":
		return verdict{kind: bucket.KindThrottled, say: "the server asks for fewer requests"}, true
	case "InternalError", "OperationTimedOut":
		return verdict{kind: bucket.KindServer, say: "the server failed"}, true
	case "AccountBeingCreated":
		return verdict{kind: bucket.KindServer, say: "the storage account is being made; try later"}, true
	case "InvalidResourceName", "InvalidUri", "OutOfRangeInput":
		return verdict{kind: bucket.KindConfig, say: "the server takes neither the container's nor the object's name"}, true
	case "InvalidHeaderValue", "UnsupportedHeader":
		return verdict{kind: bucket.KindUnknown, say: "the server does not take version " + apiVersion + " of the REST API"}, true
	}
	return verdict{}, false
}

// refusalOf knows the codes that speak about the token, the account's rules or
// our address.
func refusalOf(op bucket.Op, code string) (v verdict, known bool) {
	switch code {
	case "AuthorizationPermissionMismatch":
		return verdict{bucket.KindDenied, "", letters[op]}, true
	case "UnauthorizedBlobOverwrite":
		return verdict{bucket.KindDenied, "the token may make blobs and not replace them", "SAS w"}, true
	case "AuthorizationServiceMismatch":
		return verdict{bucket.KindDenied, "the token is not for blobs", "SAS ss=b"}, true
	case "AuthorizationResourceTypeMismatch":
		return verdict{bucket.KindDenied, "the token is for other types of resources", resourceTypes[op]}, true
	case "AuthorizationProtocolMismatch":
		return verdict{kind: bucket.KindConfig, say: "the token is for https only (spr), and the endpoint is http"}, true
	case "AuthorizationSourceIPMismatch":
		return verdict{kind: bucket.KindUnknown,
			say: "the token is not for the address that this request came from (sip); whether it is for Planet's can't be told from here"}, true
	case "KeyBasedAuthenticationNotPermitted":
		return verdict{kind: bucket.KindBadCredential,
			say: "the storage account takes no token that was signed with its key; make a user delegation SAS"}, true
	case "NoAuthenticationInformation", "InvalidAuthenticationInfo", "PublicAccessNotPermitted":
		return verdict{kind: bucket.KindBadCredential, say: "the server has not taken the token for one"}, true
	case "InvalidQueryParameterValue", "MissingRequiredQueryParameter":
		if op != bucket.OpList { // there is nothing but the token in the query then
			return verdict{kind: bucket.KindBadCredential, say: "a parameter of the token is missing or not accepted"}, true
		}
	case "FeatureVersionMismatch":
		return verdict{kind: bucket.KindBadCredential,
			say: "the token's stored access policy (si) holds a permission that the token's version (sv) does not know"}, true
	case "AccountIsDisabled":
		return verdict{kind: bucket.KindDenied, say: "the storage account is disabled"}, true
	case "InsufficientAccountPermissions":
		return verdict{kind: bucket.KindDenied, say: "the storage account does not permit this to anybody"}, true
	}
	return verdict{}, false
}

// stateOf knows the codes that speak about the container or the blob.
func stateOf(code string) (v verdict, known bool) {
	switch code {
	case "BlobNotFound":
		return verdict{kind: bucket.KindNotFound}, true
	case "ContainerNotFound":
		return verdict{kind: bucket.KindNoBucket, say: "there is no container of that name"}, true
	case "ContainerBeingDeleted":
		return verdict{kind: bucket.KindNoBucket, say: "the container is being deleted"}, true
	case "ContainerDisabled":
		return verdict{kind: bucket.KindDenied, say: "the container has been disabled by its owner"}, true
	case "ResourceNotFound":
		return verdict{kind: bucket.KindUnknown,
			say: "the server knows no such account, or has not taken the token for one; check the account and the endpoint"}, true
	case "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold":
		return verdict{kind: bucket.KindDenied,
			say: "the blob can't be replaced or deleted: an immutability policy or a legal hold of the container keeps it"}, true
	case "LeaseIdMissing", "LeaseAlreadyPresent":
		return verdict{kind: bucket.KindUnknown, say: "somebody holds a lease on the blob; break it and try again"}, true
	case "SnapshotsPresent":
		return verdict{kind: bucket.KindUnknown, say: "the blob has snapshots, which are not deleted along with it"}, true
	case "BlobArchived", "BlobBeingRehydrated":
		return verdict{kind: bucket.KindUnknown, say: "the blob is archived"}, true
	}
	return verdict{}, false
}

// verdictOfStatus judges by the status alone, for codes that are not known
// and for answers without one.
func verdictOfStatus(op bucket.Op, a answer, coded bool) verdict {
	switch status := a.status; {
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return verdict{kind: bucket.KindThrottled, say: "the server asks to come back later"}
	case status >= 500:
		return verdict{kind: bucket.KindServer, say: "the server failed"}
	case status == http.StatusRequestTimeout:
		return verdict{kind: bucket.KindUnreachable, say: "the server gave up waiting for the request"}
	case !coded && status >= 300 && status < 400:
		return verdict{kind: bucket.KindUnknown, say: "the answer is a redirect, which is not followed; check the endpoint"}
	case !coded:
		// A proxy, a firewall or a web site has answered. None of them has spoken
		// about the token.
		return verdict{kind: bucket.KindUnknown, say: "the answer is none of Azure Storage's; check the endpoint, and proxies on the way"}
	case status == http.StatusUnauthorized:
		return verdict{kind: bucket.KindBadCredential, say: "the token is not accepted"}
	case status == http.StatusForbidden:
		return verdict{kind: bucket.KindDenied}
	}
	return verdict{kind: bucket.KindUnknown}
}

// unauthenticated explains AuthenticationFailed: a signature that is none of
// the account's keys', a token outside its time, or a policy that is gone.
func (c *container) unauthenticated(a answer, f fault) verdict {
	v := verdict{kind: bucket.KindBadCredential}
	if say := frameOf(f.detail); say != "" {
		v.say = say
		return v
	}
	if strings.Contains(f.detail, "did not match") {
		v.say = "the token was signed with a key that is not, or no longer, one of the account's, or for another container"
		return v
	}
	if v.say = c.sas.timesAt(a.date()); v.say != "" {
		return v
	}
	if c.sas.end.IsZero() && !c.sas.policy {
		v.say = "the token has no end (se) that can be read, and no stored access policy (si) that could have one"
		return v
	}
	v.say = "the token is not accepted: signed with a key that is not, or no longer, one of the account's, or for another container"
	if c.sas.policy {
		v.say = "the token is not accepted: its stored access policy (si) is gone or over, or it was signed with a key that is no longer one of the account's"
	}
	return v
}

// unauthorized explains AuthorizationFailure. Azure's is the answer of the
// account's firewall, which looks at addresses; Azurite's, with the text of an
// AuthenticationFailed, is about the token's time or policy.
func (c *container) unauthorized(a answer, f fault) verdict {
	if say := c.sas.timesAt(a.date()); say != "" {
		return verdict{kind: bucket.KindBadCredential, say: say}
	}
	if strings.Contains(f.message, "failed to authenticate") {
		return c.unauthenticated(a, f)
	}
	return verdict{kind: bucket.KindUnknown,
		say: "the storage account's firewall answers so to addresses that it does not list; whether it lists Planet's can't be told from here"}
}

// frame is what Azure says of a token, or of the key that signed it, outside
// its time.
var frame = shape.Of(`(?i)start \[([^\[\]]{8,})\] - (?:key )?expiry \[([^\[\]]{8,})\] - current \[([^\[\]]{8,})\]`, 0, 40, 40, 40)

// frameOf says on which side of its time a token is, from the detail of an
// AuthenticationFailed; empty where it does not speak of time.
func frameOf(detail string) string {
	if m := frame.FindStringSubmatch(detail); m != nil {
		start, startErr := http.ParseTime(m[1])
		end, endErr := http.ParseTime(m[2])
		now, nowErr := http.ParseTime(m[3])
		switch {
		case nowErr == nil && endErr == nil && !now.Before(end):
			return expired(now.Sub(end))
		case nowErr == nil && startErr == nil && now.Before(start):
			return early(start.Sub(now))
		}
		return "the token is not valid at this time"
	}
	// Without a start of its own a token begins now, which is after its end.
	if strings.Contains(detail, "has to be after signed start time") {
		return "the token has expired"
	}
	return ""
}

// timesAt says the same from the token's own words and the server's clock.
func (t *token) timesAt(now time.Time) string {
	switch {
	case now.IsZero():
	case !t.end.IsZero() && !now.Before(t.end):
		return expired(now.Sub(t.end))
	case now.Before(t.start):
		return early(t.start.Sub(now))
	}
	return ""
}

func expired(since time.Duration) string {
	return "the token has expired " + rounded(since) + " ago by the server's clock"
}

func early(left time.Duration) string {
	return "the token is not valid yet: its start is " + rounded(left) + " ahead by the server's clock; begin tokens some 15 minutes back"
}

// rounded gives what a person wants to know of a duration.
func rounded(d time.Duration) string {
	if d >= time.Minute {
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.Truncate(time.Second).String()
}
