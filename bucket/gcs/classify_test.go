package gcs_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
)

const canary = "cAnArYsEcReT0123"

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const granted = `{"access_token":"ya29.` + canary + `","expires_in":3599,"token_type":"Bearer"}`

// said is one answer.
type said struct {
	status int
	header http.Header
	body   string
}

func (s said) to(r *http.Request) *http.Response {
	header := s.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Date", "Sun, 01 Mar 2026 12:00:00 GMT")
	return &http.Response{StatusCode: s.status, Header: header, Body: io.NopCloser(strings.NewReader(s.body)),
		ContentLength: int64(len(s.body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// scripted answers the token endpoint and storage alike each time, and counts.
func scripted(token, storage said, requests *int) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		*requests++
		if r.URL.Host == "oauth2.googleapis.com" {
			return token.to(r), nil
		}
		if got := r.Header.Get("Authorization"); got != "Bearer ya29."+canary {
			return nil, errors.New("no token came along")
		}
		return storage.to(r), nil
	}
}

// oneKey is made once: making keys is slow under the race detector.
var oneKey = sync.OnceValues(func() (gcstest.Key, error) { return gcstest.NewServer().AddKey(email("owner"), zeroTime) })

// aKey gives a credential that no server needs to know.
func aKey(t testing.TB) []byte {
	t.Helper()
	k, err := oneKey()
	if err != nil {
		t.Fatal(err)
	}
	return k.Credentials("https://oauth2.googleapis.com/token")
}

func do(t *testing.T, b bucket.Bucket, op bucket.Op) error {
	switch op {
	case bucket.OpPut:
		return b.Put(t.Context(), "k", []byte("x"))
	case bucket.OpGet:
		_, err := b.Get(t.Context(), "k")
		return err
	default:
		return b.Delete(t.Context(), "k")
	}
}

// apiError is an error as storage sends it, with all that must not be repeated.
func apiError(reason, message string) string {
	return `{"error":{"code":1,"message":"` + message + `","errors":[{"message":"` + message + `","domain":"` + canary +
		`","reason":"` + reason + `","location":"` + canary + `"}]}}`
}

func TestAnswersOfStorageAreClassified(t *testing.T) {
	google := http.Header{"X-Guploader-Uploadid": {canary}}
	const lacks = canary + "@p.iam.gserviceaccount.com does not have "
	const forbidden = " access to the Google Cloud Storage object. Permission denied on resource (or it may not exist). "
	type row struct {
		name   string
		op     bucket.Op
		answer said
		kind   bucket.Kind
		want   string // after "put object: "
	}
	const put, get, del = bucket.OpPut, bucket.OpGet, bucket.OpDelete
	for _, tc := range []row{
		{"may not create", put, said{403, nil, apiError("forbidden", lacks+"storage.objects.create"+forbidden)}, bucket.KindDenied,
			"denied (storage.objects.create): forbidden [HTTP 403]"},
		{"may not replace", put, said{403, nil, apiError("forbidden", lacks+"storage.objects.delete"+forbidden)}, bucket.KindDenied,
			"denied (storage.objects.delete): forbidden [HTTP 403]: an object of that name is there, and replacing it needs this permission too"},
		{"may not get, as downloads say it", get, said{403, google, lacks + "storage.objects.get" + forbidden + canary}, bucket.KindDenied,
			"denied (storage.objects.get) [HTTP 403]"},
		{"hidden from one who may not list", get, said{403, google, lacks + "storage.objects.list" + forbidden}, bucket.KindDenied,
			"denied (storage.objects.list) [HTTP 403]"},
		{"may not delete", del, said{403, nil, apiError("forbidden", lacks+"storage.objects.delete"+forbidden)}, bucket.KindDenied,
			"denied (storage.objects.delete): forbidden [HTTP 403]"},
		{"deleting what is hidden is no error", del, said{403, nil, apiError("forbidden", lacks+"storage.objects.list"+forbidden)}, "", ""},
		{"deleting what is not there is no error", del, said{404, nil, apiError("notFound", "No such object: b/"+canary)}, "", ""},
		{"deleting in the words of other servers", del, said{404, nil, apiError("notFound", "Not Found")}, "", ""},
		{"a permission of another service", put, said{403, nil, apiError("forbidden", lacks+"serviceusage.services.use access.")}, bucket.KindDenied,
			"denied (serviceusage.services.use): forbidden [HTTP 403]"},
		{"a permission that is none is not repeated", put, said{403, nil, apiError("forbidden", lacks+canary+".objects.get access")}, bucket.KindDenied,
			"denied (storage.objects.create): forbidden [HTTP 403]"},
		{"a piece of something that looks like a permission is not repeated", put, said{403, nil, apiError("forbidden", lacks+"storage.objects.cAnArYsEcReT access")}, bucket.KindDenied,
			"denied (storage.objects.create): forbidden [HTTP 403]"},
		{"nor in another place of it", put, said{403, nil, apiError("forbidden", lacks+"storage.cAnArYsEcReT.get access")}, bucket.KindDenied,
			"denied (storage.objects.create): forbidden [HTTP 403]"},
		{"forbidden without a word", del, said{403, nil, apiError("forbidden", "Forbidden")}, bucket.KindDenied,
			"denied (storage.objects.delete): forbidden [HTTP 403]"},
		{"a scope that is too small", put, said{403, nil, apiError("insufficientPermissions", "Insufficient Permission")}, bucket.KindDenied,
			"denied (storage.objects.create): insufficientPermissions [HTTP 403]"},
		{"retention", put, said{403, nil, apiError("retentionPolicyNotMet", "Object 'x' is subject to bucket's retention policy")}, bucket.KindDenied,
			"denied: retentionPolicyNotMet [HTTP 403]: a retention policy keeps the object; it can't be deleted or replaced yet, whatever the permissions"},
		{"a hold", del, said{403, nil, apiError("objectUnderActiveHold", "Object 'x' is under active Temporary hold")}, bucket.KindDenied,
			"denied: objectUnderActiveHold [HTTP 403]: a hold keeps the object; it can't be deleted or replaced, whatever the permissions"},
		{"billing", get, said{403, google, "The billing account for the owning project is disabled in state absent"}, bucket.KindDenied,
			"denied [HTTP 403]: billing is disabled for the bucket's project"},
		{"the interface is not enabled", put, said{403, nil, apiError("accessNotConfigured", "enable it at https://x/"+canary)}, bucket.KindDenied,
			"denied: accessNotConfigured [HTTP 403]: the Cloud Storage API is not enabled in the service account's project"},
		{"a key of the bucket's encryption", put, said{403, nil, apiError("forbidden", "Permission denied on Cloud KMS key.")}, bucket.KindDenied,
			"denied: forbidden [HTTP 403]: the bucket's encryption key can't be used by Cloud Storage"},
		{"a perimeter", put, said{403, nil, apiError("vpcServiceControls", "Request is prohibited by organization's policy. "+canary)}, bucket.KindUnknown,
			"unknown: vpcServiceControls [HTTP 403]: VPC Service Controls refuse requests from here; those of Planet's may be judged differently"},
		{"a perimeter, as downloads say it", get, said{403, google, "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: " + canary}, bucket.KindUnknown,
			"unknown [HTTP 403]: VPC Service Controls refuse requests from here; those of Planet's may be judged differently"},
		{"an IP filter", put, said{403, nil, apiError("forbidden", "There is an IP filtering condition that is preventing access to the resource.")}, bucket.KindUnknown,
			"unknown: forbidden [HTTP 403]: the bucket's IP filter refuses requests from here; those of Planet's may be judged differently"},
		{"a rate limit is no denial", put, said{403, nil, apiError("rateLimitExceeded", "Rate Limit Exceeded")}, bucket.KindThrottled,
			"throttled: rateLimitExceeded [HTTP 403]: the server asks for fewer requests"},
		{"an organization's constraint", put, said{412, nil, apiError("conditionNotMet", "Request violates constraint 'constraints/storage.x'")}, bucket.KindDenied,
			"denied: conditionNotMet [HTTP 412]: a constraint of an organization policy forbids it"},
		{"a condition that isn't met", put, said{412, nil, apiError("conditionNotMet", "Precondition Failed")}, bucket.KindUnknown,
			"unknown: conditionNotMet [HTTP 412]"},
		{"token not accepted", put, said{401, nil, apiError("authError", "Invalid Credentials")}, bucket.KindBadCredential,
			"bad credential: authError [HTTP 401]: the access token is not accepted; the key or its account may have been disabled"},
		{"token lost on the way", put, said{401, nil, apiError("required", "Anonymous caller does not have x")}, bucket.KindUnknown,
			"unknown: required [HTTP 401]: the request arrived without its credential; check proxies on the way"},
		{"missing bucket", put, said{404, nil, apiError("notFound", "The specified bucket does not exist.")}, bucket.KindNoBucket,
			"no bucket: notFound [HTTP 404]: there is no bucket of that name"},
		{"missing bucket, as downloads say it", get, said{404, google, "The specified bucket does not exist."}, bucket.KindNoBucket,
			"no bucket [HTTP 404]: there is no bucket of that name"},
		{"missing bucket at a delete", del, said{404, nil, apiError("notFound", "The specified bucket does not exist.")}, bucket.KindNoBucket,
			"no bucket: notFound [HTTP 404]: there is no bucket of that name"},
		{"missing object, as downloads say it", get, said{404, nil, "No such object: b/" + canary}, bucket.KindNotFound, "not found [HTTP 404]"},
		{"missing object called bucket", get, said{404, nil, "No such object: b/bucket"}, bucket.KindNotFound, "not found [HTTP 404]"},
		{"throttled", put, said{429, nil, apiError("rateLimitExceeded", "x")}, bucket.KindThrottled,
			"throttled: rateLimitExceeded [HTTP 429]: the server asks for fewer requests"},
		{"throttled without a word", put, said{429, nil, ""}, bucket.KindThrottled, "throttled [HTTP 429]: the server asks for fewer requests"},
		{"overload", put, said{503, nil, apiError("backendError", "x")}, bucket.KindThrottled, "throttled: backendError [HTTP 503]: the server asks to come back later"},
		{"internal error", put, said{500, nil, apiError("internalError", "x")}, bucket.KindServer, "server error: internalError [HTTP 500]: the server failed"},
		{"bad gateway", put, said{502, nil, "<html>" + canary}, bucket.KindServer, "server error [HTTP 502]: the server failed"},
		{"request time-out", put, said{408, nil, ""}, bucket.KindUnreachable, "unreachable [HTTP 408]: the server gave up waiting for the request"},
		{"a name that no bucket has", put, said{400, nil, apiError("invalid", "Invalid bucket name: '"+canary+"'")}, bucket.KindConfig,
			"config: invalid [HTTP 400]: the server does not take this name for a bucket's"},
		{"requester pays", put, said{400, nil, apiError("required", "Bucket is a requester pays bucket but no user project provided.")}, bucket.KindUnknown,
			"unknown: required [HTTP 400]: whoever asks pays for this bucket, and no request of ours names a project to be billed"},
		{"a firewall's 403 says nothing", put, said{403, nil, "<html>blocked " + canary}, bucket.KindUnknown,
			"unknown [HTTP 403]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a firewall's 403 in plain text says nothing", get, said{403, nil, "blocked " + canary}, bucket.KindUnknown,
			"unknown [HTTP 403]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a web site's 404 is no missing object", get, said{404, nil, "<html>not here"}, bucket.KindUnknown,
			"unknown [HTTP 404]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"an empty 401 says nothing", put, said{401, nil, ""}, bucket.KindUnknown,
			"unknown [HTTP 401]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a redirect is not followed", put, said{307, http.Header{"Location": {"https://elsewhere.test/" + canary}}, ""}, bucket.KindUnknown,
			"unknown [HTTP 307]: the answer is a redirect, which is not followed; check the endpoint"},
		{"a reason that is none is not repeated", put, said{403, nil, apiError(canary, canary)}, bucket.KindDenied,
			"denied (storage.objects.create) [HTTP 403]"},
		{"a portal's success is no put", put, said{200, nil, "<html>" + canary}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a success for another object is no put", put, said{200, nil, `{"kind":"storage#object","name":"other","size":"1"}`}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a portal's success is no delete", del, said{200, nil, "<html>" + canary}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a delete without a word", del, said{200, nil, ""}, "", ""},
		{"a delete without a word in JSON", del, said{200, nil, "null\n"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests := 0
			b := open(t, gcs.Options{Transport: scripted(said{200, nil, granted}, tc.answer, &requests)}, here, aKey(t))
			err := do(t, b, tc.op)
			if bucket.KindOf(err) != tc.kind {
				t.Errorf("kind %q, want %q", bucket.KindOf(err), tc.kind)
			}
			if tc.kind != "" {
				wantError(t, err, string(tc.op)+" object: "+tc.want)
			}
			conformance.CheckNoCanary(t, err, canary, "ya29.")
			var e *bucket.Error
			if errors.As(err, &e) && e.ServerTime.IsZero() {
				t.Error("the server's time is lost")
			}
			want := 2
			if tc.op == bucket.OpGet && tc.answer.status == 404 && tc.answer.header == nil && !strings.HasPrefix(tc.answer.body, "No such") {
				want = 3 // asked once more where errors are JSON
			}
			if tc.op == bucket.OpDelete && tc.kind == bucket.KindDenied {
				want = 3 // looked at once, whether there is anything to delete
			}
			if requests != want {
				t.Errorf("%d requests, want %d: one for a token and one attempt", requests, want)
			}
		})
	}
}

func TestAnswersOfTheTokenEndpointAreClassified(t *testing.T) {
	oauth := func(code, description string) string {
		return `{"error":"` + code + `","error_description":"` + description + `"}`
	}
	for _, tc := range []struct {
		name   string
		answer said
		kind   bucket.Kind
		want   string
	}{
		{"deleted or new key", said{400, nil, oauth("invalid_grant", "Invalid JWT Signature.")}, bucket.KindBadCredential,
			"bad credential: invalid_grant [HTTP 400]: the key is deleted, disabled or not known yet; a new one takes up to seven minutes to be"},
		{"deleted account", said{400, nil, oauth("invalid_grant", "Invalid grant: account not found")}, bucket.KindBadCredential,
			"bad credential: invalid_grant [HTTP 400]: there is no such service account; it was deleted, or is not known yet"},
		{"any other grant", said{400, nil, oauth("invalid_grant", canary)}, bucket.KindBadCredential,
			"bad credential: invalid_grant [HTTP 400]: the service account or its key is not accepted"},
		{"unauthorized client", said{401, nil, oauth("unauthorized_client", canary)}, bucket.KindBadCredential,
			"bad credential: unauthorized_client [HTTP 401]: the service account or its key is not accepted"},
		{"clock", said{400, nil, oauth("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")},
			bucket.KindClockSkew, "clock skew: invalid_grant [HTTP 400]: the clock here and Google's differ too much; set the clock"},
		{"audience", said{400, nil, oauth("invalid_grant", "Invalid JWT: Failed audience check. "+canary)}, bucket.KindConfig,
			`config: invalid_grant [HTTP 400]: the credential's "token_uri" is not the one that Google expects`},
		{"another error says nothing of the key", said{400, nil, oauth("invalid_request", canary)}, bucket.KindUnknown,
			"unknown: invalid_request [HTTP 400]: the token endpoint refused the request"},
		{"an unknown code is not repeated", said{400, nil, oauth(canary, canary)}, bucket.KindUnknown,
			"unknown [HTTP 400]: the token endpoint refused the request"},
		{"throttled", said{429, nil, oauth("rate_limit_exceeded", "x")}, bucket.KindThrottled,
			"throttled: rate_limit_exceeded [HTTP 429]: the token endpoint asks to come back later"},
		{"throttled by the front", said{403, nil, apiError("rateLimitExceeded", "x")}, bucket.KindThrottled,
			"throttled: rateLimitExceeded [HTTP 403]: the server asks for fewer requests"},
		{"failing", said{500, nil, oauth("internal_failure", "x")}, bucket.KindServer, "server error: internal_failure [HTTP 500]: the token endpoint failed"},
		{"bad gateway", said{502, nil, "<html>"}, bucket.KindServer, "server error [HTTP 502]: the server failed"},
		{"refused by the front", said{403, nil, apiError("forbidden", canary)}, bucket.KindUnknown,
			"unknown: forbidden [HTTP 403]: the token endpoint refused the request without speaking of the key"},
		{"a firewall", said{403, nil, "<html>" + canary}, bucket.KindUnknown,
			"unknown [HTTP 403]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a redirect", said{302, http.Header{"Location": {"https://elsewhere.test/" + canary}}, ""}, bucket.KindUnknown,
			"unknown [HTTP 302]: the answer is a redirect, which is not followed; check the endpoint"},
		{"a portal", said{200, nil, "<html>" + canary}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer of the token endpoint holds no access token; check proxies on the way"},
		{"no token", said{200, nil, `{"id_token":"` + canary + `"}`}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer of the token endpoint holds no access token; check proxies on the way"},
		{"a token that no header takes", said{200, nil, `{"access_token":"a\nb"}`}, bucket.KindUnknown,
			"unknown [HTTP 200]: the answer of the token endpoint holds no access token; check proxies on the way"},
		{"an error that goes on without end", said{400, nil, `{"error":"invalid_grant","x":"` + strings.Repeat("x", 1<<20)}, bucket.KindUnknown,
			"unknown [HTTP 400]: the answer is none of Google's; check the endpoint, and proxies on the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests := 0
			b := open(t, gcs.Options{Transport: scripted(tc.answer, said{500, nil, ""}, &requests)}, here, aKey(t))
			err := b.Put(t.Context(), "k", nil)
			if bucket.KindOf(err) != tc.kind {
				t.Errorf("kind %q, want %q", bucket.KindOf(err), tc.kind)
			}
			wantError(t, err, "put object: "+tc.want)
			conformance.CheckNoCanary(t, err, canary, "ya29.", "eyJ")
			var e *bucket.Error
			if errors.As(err, &e) && e.ServerTime.IsZero() {
				t.Error("the server's time is lost")
			}
			if requests != 1 {
				t.Errorf("%d requests, want one attempt", requests)
			}
		})
	}
}

// TestTextThatIsNotKnownIsAskedForInJSON: what a download is refused with is
// bare text, and texts change.
func TestTextThatIsNotKnownIsAskedForInJSON(t *testing.T) {
	for message, kind := range map[string]bucket.Kind{
		"No such object: b/k": bucket.KindNotFound, "The specified bucket does not exist.": bucket.KindNoBucket,
	} {
		b := open(t, gcs.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.URL.Host == "oauth2.googleapis.com":
				return said{200, nil, granted}.to(r), nil
			case r.URL.Query().Get("alt") == "media":
				return said{404, nil, "another text"}.to(r), nil
			}
			return said{404, nil, apiError("notFound", message)}.to(r), nil
		})}, here, aKey(t))
		if _, err := b.Get(t.Context(), "k"); bucket.KindOf(err) != kind {
			t.Errorf("%q gives %v", message, err)
		}
	}
}

// TestHeadersThatAreMissingAreAskedFor: servers that only resemble Google's
// leave out what a download tells of its object.
func TestHeadersThatAreMissingAreAskedFor(t *testing.T) {
	asked := 0
	b := open(t, gcs.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		switch {
		case r.URL.Host == "oauth2.googleapis.com":
			return said{200, nil, granted}.to(r), nil
		case r.URL.Query().Get("alt") == "media":
			return said{200, nil, strings.Repeat("x", 5000)}.to(r), nil
		}
		return said{200, nil, `{"kind":"storage#object","name":"k","size":"5000","updated":"2026-03-01T11:59:00.123Z"}`}.to(r), nil
	})}, here, aKey(t))
	o, err := b.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Body) != bucket.MaxBody || o.Size != 5000 || o.LastModified.IsZero() || o.ServerTime.IsZero() || asked != 3 {
		t.Errorf("%d bytes of %d, last modified %v, server's time %v, after %d requests", len(o.Body), o.Size, o.LastModified, o.ServerTime, asked)
	}
}
