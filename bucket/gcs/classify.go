package gcs

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/bucket"
)

// refusal is what storage said against a request.
type refusal struct {
	status  int
	reason  string // of the first error, as sent
	message string // never shown as it is
	// googles: the answer has the form of Google's. A proxy's has not, and says
	// nothing about the credential.
	googles bool
}

// refusalOf takes an answer apart. It is JSON, but for downloads, where it is
// the bare message under the name of HTML.
func refusalOf(got reply) refusal {
	r := refusal{status: got.status}
	var doc struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Errors  []struct {
				Reason  string `json:"reason"`
				Message string `json:"message"`
			} `json:"errors"`
			Details []struct {
				Reason string `json:"reason"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(got.body, &doc) == nil {
		e := doc.Error
		r.message, r.reason = e.Message, e.Status
		for _, d := range e.Details {
			if d.Reason != "" {
				r.reason = d.Reason
				break
			}
		}
		if len(e.Errors) > 0 {
			r.reason = e.Errors[0].Reason
			if r.message == "" {
				r.message = e.Errors[0].Message
			}
		}
		r.googles = r.message != "" || r.reason != ""
		return r
	}
	text := bytes.TrimSpace(got.body[:min(len(got.body), 2048)])
	if bytes.HasPrefix(text, []byte("<")) {
		return r
	}
	r.message = string(text)
	r.googles = got.header.Get("X-Guploader-Uploadid") != "" || strings.HasPrefix(r.message, "No such object: ")
	return r
}

// verdict is what an answer means.
type verdict struct {
	kind       bucket.Kind
	permission string
	say        string
}

const (
	sayNotGoogles = "the answer is none of Google's; check the endpoint, and proxies on the way"
	sayRetention  = "a retention policy keeps the object; it can't be deleted or replaced yet, whatever the permissions"
	sayHold       = "a hold keeps the object; it can't be deleted or replaced, whatever the permissions"
)

// classify makes the error of an answer that is no success. Source of the
// reasons: "HTTP status and error codes for JSON" in Google's documents of
// Cloud Storage.
func classify(op bucket.Op, got reply) *bucket.Error {
	r := refusalOf(got)
	v := judge(op, r)
	e := &bucket.Error{Op: op, Kind: v.kind, Permission: v.permission, Code: knownCode(r.reason),
		Status: got.status, Message: v.say, ServerTime: got.date}
	if op == bucket.OpPut && (v.permission == permissionOf(bucket.OpDelete) || v.say == sayRetention || v.say == sayHold) {
		e.Object = bucket.PresenceThere // a put of what is not there is refused for none of these
	}
	return e
}

func judge(op bucket.Op, r refusal) verdict {
	if v, ok := judgeTrouble(r); ok {
		return v
	}
	switch r.status {
	case http.StatusUnauthorized:
		if r.reason == "required" || strings.Contains(r.message, "Anonymous caller") {
			return verdict{bucket.KindUnknown, "", "the request arrived without its credential; check proxies on the way"}
		}
		return verdict{bucket.KindBadCredential, "", "the access token is not accepted; the key or its account may have been disabled"}
	case http.StatusForbidden:
		return judgeForbidden(op, r)
	case http.StatusNotFound:
		return judgeNotFound(op, r)
	case http.StatusPreconditionFailed:
		if strings.Contains(r.message, "constraint") {
			return verdict{bucket.KindDenied, "", "a constraint of an organization policy forbids it"}
		}
	case http.StatusBadRequest:
		switch {
		case strings.Contains(r.message, "nvalid bucket name"):
			return verdict{bucket.KindConfig, "", "the server does not take this name for a bucket's"}
		case strings.Contains(r.message, "requester pays"):
			return verdict{bucket.KindUnknown, "", "whoever asks pays for this bucket, and no request of ours names a project to be billed"}
		}
	}
	return verdict{bucket.KindUnknown, "", ""}
}

// judgeTrouble finds what says nothing about the credential: overload,
// failures, and answers of somebody else.
func judgeTrouble(r refusal) (verdict, bool) {
	switch {
	case r.status == http.StatusTooManyRequests, strings.HasSuffix(r.reason, "LimitExceeded"), r.reason == "quotaExceeded",
		r.reason == "RESOURCE_EXHAUSTED", r.reason == "RATE_LIMIT_EXCEEDED":
		return verdict{bucket.KindThrottled, "", "the server asks for fewer requests"}, true
	case r.status == http.StatusServiceUnavailable:
		return verdict{bucket.KindThrottled, "", "the server asks to come back later"}, true
	case r.status >= 500:
		return verdict{bucket.KindServer, "", "the server failed"}, true
	case r.status == http.StatusRequestTimeout:
		return verdict{bucket.KindUnreachable, "", "the server gave up waiting for the request"}, true
	case r.status >= 300 && r.status < 400:
		return verdict{bucket.KindUnknown, "", "the answer is a redirect, which is not followed; check the endpoint"}, true
	case !r.googles:
		return verdict{bucket.KindUnknown, "", sayNotGoogles}, true
	}
	return verdict{}, false
}

// permissionText finds the permission that a message names: "a@b does not have
// storage.objects.get access to …" and "Permission 'storage.objects.get'
// denied on resource". It knows those that a put, get or delete can lack, and
// repeats no other.
var permissionText = regexp.MustCompile(`(?:does not have |Permission ')(` +
	`storage\.objects\.(?:create|get|delete|list|update|overrideUnlockedRetention)|` +
	`storage\.buckets\.get|storage\.(?:folders|managedFolders)\.(?:create|get)|` +
	`serviceusage\.services\.use|cloudkms\.cryptoKeyVersions\.useTo(?:Encrypt|Decrypt))\b`)

// judgeForbidden tells the many things apart that Google answers with 403.
func judgeForbidden(op bucket.Op, r refusal) verdict {
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(r.message, t) })
	}
	switch {
	case r.reason == "vpcServiceControls", r.reason == "SECURITY_POLICY_VIOLATED", has("vpcServiceControls", "prohibited by organization's policy"):
		// Perimeters judge by where a request comes from, and Planet's come from
		// elsewhere: this refuses us and says nothing about the credential.
		return verdict{bucket.KindUnknown, "", "VPC Service Controls refuse requests from here; those of Planet's may be judged differently"}
	case has("IP filtering", "ip_filter"):
		return verdict{bucket.KindUnknown, "", "the bucket's IP filter refuses requests from here; those of Planet's may be judged differently"}
	case r.reason == "retentionPolicyNotMet", has("retention policy", "object retention", "retention configuration"):
		return verdict{bucket.KindDenied, "", sayRetention}
	case r.reason == "objectUnderActiveHold", has("active hold", "active Event-Based hold", "active Temporary hold"):
		return verdict{bucket.KindDenied, "", sayHold}
	case r.reason == "accountDisabled", r.reason == "BILLING_DISABLED", has("billing account", "billing to be enabled"):
		return verdict{bucket.KindDenied, "", "billing is disabled for the bucket's project"}
	case r.reason == "accessNotConfigured", r.reason == "SERVICE_DISABLED":
		return verdict{bucket.KindDenied, "", "the Cloud Storage API is not enabled in the service account's project"}
	case has("KMS key"):
		return verdict{bucket.KindDenied, "", "the bucket's encryption key can't be used by Cloud Storage"}
	}
	v := verdict{kind: bucket.KindDenied, permission: permissionOf(op)}
	if m := permissionText.FindStringSubmatch(r.message); m != nil {
		v.permission = m[1]
	}
	if op == bucket.OpPut && v.permission == "storage.objects.delete" {
		v.say = "an object of that name is there, and replacing it needs this permission too"
	}
	return v
}

func permissionOf(op bucket.Op) string {
	switch op {
	case bucket.OpPut:
		return "storage.objects.create"
	case bucket.OpGet:
		return "storage.objects.get"
	case bucket.OpDelete:
		return "storage.objects.delete"
	case bucket.OpList:
		return "storage.objects.list"
	}
	return ""
}

// judgeNotFound tells a missing object from a missing bucket.
func judgeNotFound(op bucket.Op, r refusal) verdict {
	missing := op == bucket.OpPut || op == bucket.OpList // there is nothing else that these could miss
	if !strings.HasPrefix(r.message, "No such object") && strings.Contains(r.message, "bucket") {
		missing = true
	}
	if missing {
		return verdict{bucket.KindNoBucket, "", "there is no bucket of that name"}
	}
	return verdict{bucket.KindNotFound, "", ""}
}

// classifyToken makes the error of a token endpoint that gave no token.
func classifyToken(op bucket.Op, got reply) *bucket.Error {
	e := &bucket.Error{Op: op, Status: got.status, ServerTime: got.date}
	var doc struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	var code string
	if json.Unmarshal(got.body, &doc) == nil && json.Unmarshal(doc.Error, &code) == nil && code != "" {
		v := judgeToken(got.status, code, doc.Description)
		e.Kind, e.Message, e.Code = v.kind, v.say, knownCode(code)
		return e
	}
	// Google's front sends the other form when it refuses before anybody has
	// looked at the statement.
	r := refusalOf(got)
	e.Code = knownCode(r.reason)
	v, ok := judgeTrouble(r)
	if !ok {
		v = verdict{kind: bucket.KindUnknown, say: "the token endpoint refused the request without speaking of the key"}
	}
	e.Kind, e.Message = v.kind, v.say
	return e
}

// judgeToken knows the errors of OAuth 2.0 (RFC 6749, 5.2) and what Google
// writes beside them.
func judgeToken(status int, code, description string) verdict {
	has := func(text string) bool { return strings.Contains(strings.ToLower(description), text) }
	switch {
	case code == "temporarily_unavailable", status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, code == "rate_limit_exceeded":
		return verdict{bucket.KindThrottled, "", "the token endpoint asks to come back later"}
	case status >= 500, code == "internal_failure", code == "server_error":
		return verdict{bucket.KindServer, "", "the token endpoint failed"}
	case code == "invalid_grant" && (has("short-lived token") || has("iat and exp") || has("token is expired") || has("not yet valid")):
		return verdict{bucket.KindClockSkew, "", "the clock here and Google's differ too much; set the clock"}
	case code == "invalid_grant" && has("invalid jwt signature"):
		return verdict{bucket.KindBadCredential, "", "the key is deleted, disabled or not known yet; a new one takes up to seven minutes to be"}
	case code == "invalid_grant" && has("account not found"):
		return verdict{bucket.KindBadCredential, "", "there is no such service account; it was deleted, or is not known yet"}
	case code == "invalid_grant" && has("disabled"):
		return verdict{bucket.KindBadCredential, "", "the service account is disabled"}
	case code == "invalid_grant" && has("audience"):
		return verdict{bucket.KindConfig, "", `the credential's "token_uri" is not the one that Google expects`}
	case code == "invalid_grant", code == "invalid_client", code == "unauthorized_client", code == "account_disabled", code == "disabled_client", code == "deleted_client":
		return verdict{bucket.KindBadCredential, "", "the service account or its key is not accepted"}
	}
	return verdict{bucket.KindUnknown, "", "the token endpoint refused the request"}
}

// codes are all that may be repeated of a server's reasons. A pattern would
// let pieces of a key through.
var codes = []string{
	"accessNotConfigured", "accountDisabled", "authError", "backendError", "badRequest", "conditionNotMet", "conflict",
	"dailyLimitExceeded", "expired", "expiredAccessToken", "forbidden", "gatewayTimeout", "insufficientPermissions",
	"internalError", "invalid", "invalidArgument", "keyInvalid", "notFound", "objectUnderActiveHold", "orgRestrictionViolation",
	"quotaExceeded", "rateLimitExceeded", "required", "requestedRangeNotSatisfiable", "resourceIsEncryptedWithCustomerEncryptionKey",
	"retentionPolicyNotMet", "userProjectAccessDenied", "userProjectMissing", "userRateLimitExceeded", "uploadBrokenConnection",
	"vpcServiceControls",

	"BILLING_DISABLED", "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "SECURITY_POLICY_VIOLATED",
	"SERVICE_DISABLED", "UNAUTHENTICATED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT",

	"access_denied", "account_disabled", "deleted_client", "disabled_client", "internal_failure", "invalid_client",
	"invalid_grant", "invalid_request", "invalid_scope", "rate_limit_exceeded", "server_error", "temporarily_unavailable",
	"unauthorized_client", "unsupported_grant_type",
}

func knownCode(code string) string {
	if slices.Contains(codes, code) {
		return code
	}
	return ""
}
