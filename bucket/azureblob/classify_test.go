package azureblob_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/conformance"
)

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var served = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// canned always gives the same answer. Headers are pairs.
func canned(status int, body string, headers ...string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Date": {served.Format(http.TimeFormat)}}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

// azures is an error as Azure gives it, with or without the header.
func azures(status int, code, message, detail string) roundTrip {
	return canned(status, "\ufeff"+`<?xml version="1.0" encoding="utf-8"?><Error><Code>`+code+`</Code><Message>`+message+
		"\nRequestId:0\nTime:2026-03-04T05:06:07.0000000Z</Message>"+detail+`</Error>`,
		"X-Ms-Error-Code", code, "X-Ms-Request-Id", "0")
}

func detail(s string) string {
	return "<AuthenticationErrorDetail>" + s + "</AuthenticationErrorDetail>"
}

const (
	notAuthenticated = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."
	notAuthorized    = "This request is not authorized to perform this operation."
)

// fixed is a token that is good at the time of the canned answers.
func fixed(change func(*azureblobtest.Values)) string {
	v := azureblobtest.Values{Account: account, Container: name, Permissions: "rwdl", Start: served.Add(-time.Hour), End: served.Add(time.Hour)}
	if change != nil {
		change(&v)
	}
	return azureblobtest.SAS(key, v)
}

// do runs one operation.
func do(ctx context.Context, b bucket.Bucket, op bucket.Op) error {
	switch op {
	case bucket.OpPut:
		return b.Put(ctx, "x.txt", []byte("x"))
	case bucket.OpGet:
		_, err := b.Get(ctx, "x.txt")
		return err
	case bucket.OpDelete:
		return b.Delete(ctx, "x.txt")
	default:
		l, ok := b.(bucket.Lister)
		if !ok {
			return errors.New("it is no bucket.Lister")
		}
		return l.List(ctx, "")
	}
}

func TestEachAnswerHasItsMeaning(t *testing.T) {
	const put, get, del, list = bucket.OpPut, bucket.OpGet, bucket.OpDelete, bucket.OpList
	withPolicy := fixed(func(v *azureblobtest.Values) {
		v.Policy, v.Permissions, v.Start, v.End = "p", "", time.Time{}, time.Time{}
	})
	past := fixed(func(v *azureblobtest.Values) { v.End = served.Add(-90 * time.Minute) })
	ahead := fixed(func(v *azureblobtest.Values) { v.Start = served.Add(4 * time.Minute) })
	for _, tc := range []struct {
		name   string
		op     bucket.Op
		answer roundTrip
		sas    string
		want   string
	}{
		{"a missing permission to put", put, azures(403, "AuthorizationPermissionMismatch", "no", ""), "", "denied (SAS w): AuthorizationPermissionMismatch [HTTP 403]"},
		{"a missing permission to get", get, azures(403, "AuthorizationPermissionMismatch", "no", ""), "", "denied (SAS r): AuthorizationPermissionMismatch [HTTP 403]"},
		{"a missing permission to delete", del, azures(403, "AuthorizationPermissionMismatch", "no", ""), "", "denied (SAS d): AuthorizationPermissionMismatch [HTTP 403]"},
		{"a missing permission to list", list, azures(403, "AuthorizationPermissionMismatch", "no", ""), "", "denied (SAS l): AuthorizationPermissionMismatch [HTTP 403]"},
		{"create without write", put, azures(403, "UnauthorizedBlobOverwrite", "no", ""), "", "denied (SAS w): UnauthorizedBlobOverwrite [HTTP 403]: the token may make blobs and not replace them"},
		{"a token for other services", put, azures(403, "AuthorizationServiceMismatch", "no", ""), "", "denied (SAS ss=b): AuthorizationServiceMismatch [HTTP 403]: the token is not for blobs"},
		{"a token without objects", get, azures(403, "AuthorizationResourceTypeMismatch", "no", ""), "", "denied (SAS srt=o): AuthorizationResourceTypeMismatch [HTTP 403]: the token is for other types of resources"},
		{"a token without containers", list, azures(403, "AuthorizationResourceTypeMismatch", "no", ""), "", "denied (SAS srt=c): AuthorizationResourceTypeMismatch [HTTP 403]: the token is for other types of resources"},
		{"a token for https over http", put, azures(403, "AuthorizationProtocolMismatch", "no", ""), "", "config: AuthorizationProtocolMismatch [HTTP 403]: the token is for https only (spr), and the endpoint is http"},
		{"a token for other addresses says nothing of Planet's", put, azures(403, "AuthorizationSourceIPMismatch", "no", ""), "", "unknown: AuthorizationSourceIPMismatch [HTTP 403]: the token is not for the address that this request came from (sip); whether it is for Planet's can't be told from here"},
		{"the account's firewall says nothing of Planet", put, azures(403, "AuthorizationFailure", notAuthorized, ""), "", "unknown: AuthorizationFailure [HTTP 403]: the storage account's firewall answers so to addresses that it does not list; whether it lists Planet's can't be told from here"},
		{"the firewall, for a token with a policy", put, azures(403, "AuthorizationFailure", notAuthorized, ""), withPolicy, "unknown: AuthorizationFailure [HTTP 403]: the storage account's firewall answers so to addresses that it does not list; whether it lists Planet's can't be told from here"},
		{"the firewall, for a token that has expired anyway", put, azures(403, "AuthorizationFailure", notAuthorized, ""), past, "bad credential: AuthorizationFailure [HTTP 403]: the token has expired 1h30m ago by the server's clock"},
		{"Azurite's answer to a revoked policy", put, azures(403, "AuthorizationFailure", notAuthenticated, ""), withPolicy, "bad credential: AuthorizationFailure [HTTP 403]: the token is not accepted: its stored access policy (si) is gone or over, or it was signed with a key that is no longer one of the account's"},
		{"a signature by another key", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("Signature did not match. String to sign used was rwdl /blob/planetdata/orders")), "", "bad credential: AuthenticationFailed [HTTP 403]: the token was signed with a key that is not, or no longer, one of the account's, or for another container"},
		{"a refusal without a detail", put, azures(403, "AuthenticationFailed", notAuthenticated, ""), "", "bad credential: AuthenticationFailed [HTTP 403]: the token is not accepted: signed with a key that is not, or no longer, one of the account's, or for another container"},
		{"a refusal without a detail, of a token with a policy", put, azures(403, "AuthenticationFailed", notAuthenticated, ""), withPolicy, "bad credential: AuthenticationFailed [HTTP 403]: the token is not accepted: its stored access policy (si) is gone or over, or it was signed with a key that is no longer one of the account's"},
		{"an expired token with Azure's three times", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("Signature not valid in the specified time frame: Start [Tue, 03 Mar 2026 05:06:07 GMT] - Expiry [Wed, 04 Mar 2026 05:05:02 GMT] - Current [Wed, 04 Mar 2026 05:06:07 GMT]")), withPolicy, "bad credential: AuthenticationFailed [HTTP 403]: the token has expired 1m ago by the server's clock"},
		{"a token that is not valid yet with Azure's three times", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("Signature not valid in the specified time frame: Start [Wed, 04 Mar 2026 05:06:37 GMT] - Expiry [Thu, 05 Mar 2026 05:05:02 GMT] - Current [Wed, 04 Mar 2026 05:06:07 GMT]")), withPolicy, "bad credential: AuthenticationFailed [HTTP 403]: the token is not valid yet: its start is 30s ahead by the server's clock; begin tokens some 15 minutes back"},
		{"a user delegation key that has expired", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("Signature not valid in the specified key time frame: Key start [Tue, 03 Mar 2026 05:06:07 GMT] - Key expiry [Wed, 04 Mar 2026 03:06:07 GMT] - Current [Wed, 04 Mar 2026 05:06:07 GMT]")), "", "bad credential: AuthenticationFailed [HTTP 403]: the token has expired 2h0m ago by the server's clock"},
		{"an expired token without a start", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("Signed expiry time [Wed, 31 Aug 2022 00:00:00 GMT] has to be after signed start time [Thu, 20 Oct 2022 20:05:51 GMT]")), "", "bad credential: AuthenticationFailed [HTTP 403]: the token has expired"},
		{"times that can't be read", put, azures(403, "AuthenticationFailed", notAuthenticated, detail("time frame: Start [yesterday] - Expiry [tomorrow] - Current [just now]")), "", "bad credential: AuthenticationFailed [HTTP 403]: the token is not valid at this time"},
		{"an expired token by its own words", get, azures(403, "AuthenticationFailed", notAuthenticated, ""), past, "bad credential: AuthenticationFailed [HTTP 403]: the token has expired 1h30m ago by the server's clock"},
		{"a start ahead by the token's own words", get, azures(403, "AuthenticationFailed", notAuthenticated, ""), ahead, "bad credential: AuthenticationFailed [HTTP 403]: the token is not valid yet: its start is 4m ahead by the server's clock; begin tokens some 15 minutes back"},
		{"no keys allowed", put, azures(403, "KeyBasedAuthenticationNotPermitted", "no", ""), "", "bad credential: KeyBasedAuthenticationNotPermitted [HTTP 403]: the storage account takes no token that was signed with its key; make a user delegation SAS"},
		{"a token that is not seen as one", put, azures(401, "NoAuthenticationInformation", "no", ""), "", "bad credential: NoAuthenticationInformation [HTTP 401]: the server has not taken the token for one"},
		{"the same where anonymous access is off", put, azures(409, "PublicAccessNotPermitted", "no", ""), "", "bad credential: PublicAccessNotPermitted [HTTP 409]: the server has not taken the token for one"},
		{"a parameter that is not accepted", put, azures(400, "InvalidQueryParameterValue", "no", ""), "", "bad credential: InvalidQueryParameterValue [HTTP 400]: a parameter of the token is missing or not accepted"},
		{"a parameter of a list, which has some of ours", list, azures(400, "InvalidQueryParameterValue", "no", ""), "", "unknown: InvalidQueryParameterValue [HTTP 400]"},
		{"a policy of a newer version", put, azures(409, "FeatureVersionMismatch", "no", ""), "", "bad credential: FeatureVersionMismatch [HTTP 409]: the token's stored access policy (si) holds a permission that the token's version (sv) does not know"},
		{"a disabled account", put, azures(403, "AccountIsDisabled", "no", ""), "", "denied: AccountIsDisabled [HTTP 403]: the storage account is disabled"},
		{"an account that is read-only", put, azures(403, "InsufficientAccountPermissions", "no", ""), "", "denied: InsufficientAccountPermissions [HTTP 403]: the storage account does not permit this to anybody"},
		{"a missing blob", get, azures(404, "BlobNotFound", "no", ""), "", "not found: BlobNotFound [HTTP 404]"},
		{"a missing container", get, azures(404, "ContainerNotFound", "no", ""), "", "no bucket: ContainerNotFound [HTTP 404]: there is no container of that name"},
		{"a missing container is no success of a delete", del, azures(404, "ContainerNotFound", "no", ""), "", "no bucket: ContainerNotFound [HTTP 404]: there is no container of that name"},
		{"a container that is being deleted", put, azures(409, "ContainerBeingDeleted", "no", ""), "", "no bucket: ContainerBeingDeleted [HTTP 409]: the container is being deleted"},
		{"a disabled container", put, azures(409, "ContainerDisabled", "no", ""), "", "denied: ContainerDisabled [HTTP 409]: the container has been disabled by its owner"},
		{"an account that is not there, or an anonymous request", get, azures(404, "ResourceNotFound", "no", ""), "", "unknown: ResourceNotFound [HTTP 404]: the server knows no such account, or has not taken the token for one; check the account and the endpoint"},
		{"the same is no success of a delete", del, azures(404, "ResourceNotFound", "no", ""), "", "unknown: ResourceNotFound [HTTP 404]: the server knows no such account, or has not taken the token for one; check the account and the endpoint"},
		{"an immutability policy", del, azures(409, "BlobImmutableDueToPolicy", "no", ""), "", "denied: BlobImmutableDueToPolicy [HTTP 409]: the blob can't be replaced or deleted: an immutability policy or a legal hold of the container keeps it"},
		{"a lease", del, azures(412, "LeaseIdMissing", "no", ""), "", "unknown: LeaseIdMissing [HTTP 412]: somebody holds a lease on the blob; break it and try again"},
		{"snapshots", del, azures(409, "SnapshotsPresent", "no", ""), "", "unknown: SnapshotsPresent [HTTP 409]: the blob has snapshots, which are not deleted along with it"},
		{"an archived blob", get, azures(409, "BlobArchived", "no", ""), "", "unknown: BlobArchived [HTTP 409]: the blob is archived"},
		{"a condition", put, azures(412, "ConditionNotMet", "no", ""), "", "unknown: ConditionNotMet [HTTP 412]"},
		{"a busy server", put, azures(503, "ServerBusy", "no", ""), "", "throttled: ServerBusy [HTTP 503]: the server asks for fewer requests"},
		{"too many requests", put, canned(429, ""), "", "throttled [HTTP 429]: the server asks to come back later"},
		{"a server that failed", put, azures(500, "InternalError", "no", ""), "", "server error: InternalError [HTTP 500]: the server failed"},
		{"a server that took too long", put, azures(500, "OperationTimedOut", "no", ""), "", "server error: OperationTimedOut [HTTP 500]: the server failed"},
		{"an account in the making", put, azures(409, "AccountBeingCreated", "no", ""), "", "server error: AccountBeingCreated [HTTP 409]: the storage account is being made; try later"},
		{"a name that is none", put, azures(400, "InvalidResourceName", "no", ""), "", "config: InvalidResourceName [HTTP 400]: the server takes neither the container's nor the object's name"},
		{"an older server", put, azures(400, "InvalidHeaderValue", "no", ""), "", "unknown: InvalidHeaderValue [HTTP 400]: the server does not take version 2020-10-02 of the REST API"},
		{"a 403 with a code of the future", put, azures(403, "SomethingNew", "no", ""), "", "denied: SomethingNew [HTTP 403]"},
		{"a 401 with a code of the future", put, azures(401, "SomethingNew", "no", ""), "", "bad credential: SomethingNew [HTTP 401]: the token is not accepted"},
		{"the code is in the header only", get, canned(404, "", "X-Ms-Error-Code", "BlobNotFound"), "", "not found: BlobNotFound [HTTP 404]"},
		{"the code is in the XML only", get, canned(404, "<Error><Code>ContainerNotFound</Code></Error>"), "", "no bucket: ContainerNotFound [HTTP 404]: there is no container of that name"},
		{"the header counts before the XML", get, canned(404, "<Error><Code>BlobNotFound</Code></Error>", "X-Ms-Error-Code", "ContainerNotFound"), "", "no bucket: ContainerNotFound [HTTP 404]: there is no container of that name"},
		{"a 403 of a proxy", put, canned(403, "<html>Forbidden by policy</html>"), "", "unknown [HTTP 403]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a 404 of a web site", del, canned(404, "<html>not here</html>"), "", "unknown [HTTP 404]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a 407 of a proxy", put, canned(407, ""), "", "unknown [HTTP 407]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a portal that says yes to a put", put, canned(201, ""), "", "unknown [HTTP 201]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a portal that says yes to a delete", del, canned(202, ""), "", "unknown [HTTP 202]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a portal that gives a page for a blob", get, canned(200, "<html>log in</html>"), "", "unknown [HTTP 200]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a put that was accepted but not done", put, canned(202, "", "X-Ms-Request-Id", "0"), "", "unknown [HTTP 202]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
		{"a redirect", put, canned(307, "", "Location", "https://elsewhere.test/"), "", "unknown [HTTP 307]: the answer is a redirect, which is not followed; check the endpoint"},
		{"a request time-out", put, canned(408, ""), "", "unreachable [HTTP 408]: the server gave up waiting for the request"},
		{"a code that is none", put, canned(403, "", "X-Ms-Error-Code", "You are <b>not</b> welcome"), "", "unknown [HTTP 403]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sas := tc.sas
			if sas == "" {
				sas = fixed(nil)
			}
			err := do(t.Context(), opened(t, tc.answer, location, sas), tc.op)
			if err == nil {
				t.Fatal("it is no error")
			}
			if diff := cmp.Diff(string(tc.op)+" object: "+tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var e *bucket.Error
			if !errors.As(err, &e) || !e.ServerTime.Equal(served) {
				t.Errorf("the server's time is not told: %v", err)
			}
			conformance.CheckNoCanary(t, err, canaries(sas)...)
		})
	}
}

func TestADeleteOfWhatIsNotThereIsNoError(t *testing.T) {
	if err := do(t.Context(), opened(t, azures(404, "BlobNotFound", "no", ""), location, fixed(nil)), bucket.OpDelete); err != nil {
		t.Error(err)
	}
}

// timedOut is what an error of the network looks like when it took too long.
type timedOut struct{ error }

func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

func TestNoAnswerIsUnreachableAndQuotesNothing(t *testing.T) {
	sas := fixed(nil)
	for _, tc := range []struct {
		name  string
		err   error
		want  string
		cause error
	}{
		{"no such name", &net.DNSError{Err: "no such host", Name: "planetdata.blob.core.windows.net", IsNotFound: true}, "its name does not resolve: there is no such storage account, or DNS here does not know it (a private DNS zone without a record, a wrong storage_endpoint_suffix)", nil},
		{"DNS took too long", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, "its name could not be looked up in time; check DNS", context.DeadlineExceeded},
		{"refused", syscall.ECONNREFUSED, "the connection was refused; check the endpoint and its port", syscall.ECONNREFUSED},
		{"reset", syscall.ECONNRESET, "the connection was reset", syscall.ECONNRESET},
		{"no route", syscall.ENETUNREACH, "there is no route to it", syscall.EHOSTUNREACH},
		{"deadline", os.ErrDeadlineExceeded, "no answer came in time", context.DeadlineExceeded},
		{"some time-out", timedOut{errors.New("tls")}, "no answer came in time", context.DeadlineExceeded},
		{"cut", io.ErrUnexpectedEOF, "the connection was cut before the answer was complete", io.ErrUnexpectedEOF},
		{"an unknown authority", x509.UnknownAuthorityError{}, "its certificate comes from an authority that is not trusted here", nil},
		{"another name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, "its certificate is for another host name", nil},
		{"an expired certificate", x509.CertificateInvalidError{Reason: x509.Expired}, "its certificate is expired or not valid for this use; check the clock too", nil},
		{"something else", errors.New("no idea"), "no answer came", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			quoting := roundTrip(func(r *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("%s %q: %w", r.Method, r.URL, tc.err)
			})
			for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete, bucket.OpList} {
				err := do(t.Context(), opened(t, quoting, location, sas), op)
				if want := string(op) + " object: unreachable: planetdata.blob.core.windows.net: " + tc.want; err == nil || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				if tc.cause != nil && !errors.Is(err, tc.cause) {
					t.Errorf("it is not %v", tc.cause)
				}
				conformance.CheckNoCanary(t, err, canaries(sas)...)
			}
		})
	}
}

// broken is a body that ends in an error that quotes.
type broken struct{ quote string }

func (b broken) Read([]byte) (int, error) {
	return 0, fmt.Errorf("read %s: %w", b.quote, io.ErrUnexpectedEOF)
}
func (broken) Close() error { return nil }

func TestABodyThatIsCutIsUnreachable(t *testing.T) {
	sas := fixed(nil)
	for _, status := range []int{200, 403} {
		cut := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"X-Ms-Request-Id": {"0"}}, Body: broken{r.URL.String()}}, nil
		})
		err := do(t.Context(), opened(t, cut, location, sas), bucket.OpGet)
		if kind := bucket.KindOf(err); kind != bucket.KindUnreachable || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d: got %v", status, err)
		}
		conformance.CheckNoCanary(t, err, canaries(sas)...)
	}
}

func TestWhatAServerEchoesIsNotShown(t *testing.T) {
	// A signature of letters only could pass for an error code.
	const sig = "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQ"
	sas := "sv=2022-11-02&sr=c&sp=rwdl&se=2030-01-01&sig=" + sig
	for _, echo := range []string{sig, sig[:12], "X" + sig, sas} {
		for _, answer := range []roundTrip{
			azures(403, echo, echo, detail(echo)),
			azures(403, "AuthenticationFailed", echo, detail("Start ["+sig[:20]+"] - Expiry ["+sig[:20]+"] - Current ["+sig[:20]+"]")),
			canned(302, echo, "Location", "https://elsewhere.test/?"+sas),
		} {
			for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete, bucket.OpList} {
				conformance.CheckNoCanary(t, do(t.Context(), opened(t, answer, location, sas), op), sas, sig, sig[:12], "sig=")
			}
		}
	}
}

func FuzzErrorAnswers(f *testing.F) {
	f.Add(403, "AuthenticationFailed", "<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>Start [Wed, 04 Mar 2026 05:06:37 GMT] - Expiry [x] - Current [y]</AuthenticationErrorDetail></Error>", "d")
	f.Add(404, "", "\ufeff<Error><Code>BlobNotFound</Code></Error>", "g")
	f.Add(200, "", "", "p")
	f.Add(503, "ServerBusy", "<Error>", "l")
	sas := fixed(nil)
	ops := map[string]bucket.Op{"p": bucket.OpPut, "g": bucket.OpGet, "d": bucket.OpDelete}
	f.Fuzz(func(t *testing.T, status int, code, body, which string) {
		op, ok := ops[which]
		if !ok {
			op = bucket.OpList
		}
		// The server is let say the signature wherever it likes.
		body = strings.ReplaceAll(body, "SIG", canaries(sas)[1])
		err := do(t.Context(), opened(t, canned(status, body, "X-Ms-Error-Code", code), location, sas), op)
		if err == nil {
			if op != bucket.OpDelete || status/100 == 2 {
				t.Fatal("an answer without Azure's mark is a success")
			}
			return
		}
		var e *bucket.Error
		if !errors.As(err, &e) || e.Op != op || e.Kind == "" {
			t.Fatalf("got %v", err)
		}
		conformance.CheckNoCanary(t, err, canaries(sas)...)
	})
}

func TestAnOpenerRefusesANegativeTimeout(t *testing.T) {
	_, err := azureblob.Opener(azureblob.Options{Timeout: -time.Second})(location, parameters(fixed(nil)))
	if bucket.KindOf(err) != bucket.KindConfig {
		t.Errorf("got %v", err)
	}
}
