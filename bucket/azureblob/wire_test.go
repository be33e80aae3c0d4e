package azureblob_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/conformance"
)

func TestARedirectIsNotFollowed(t *testing.T) {
	var asked []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" elsewhere")
	}))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method)
		w.Header().Set("Location", elsewhere.URL+"/?"+r.URL.RawQuery)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	b := opened(t, tcp(t), location.WithEndpoint(srv.URL), someSAS)
	for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete, bucket.OpList} {
		err := do(t.Context(), b, op)
		if bucket.KindOf(err) != bucket.KindUnknown {
			t.Errorf("%s: got %v", op, err)
		}
		conformance.CheckNoCanary(t, err, canaries(someSAS)...)
	}
	if diff := cmp.Diff([]string{"PUT", "GET", "DELETE", "GET"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnAnswerWithoutAnEndIsNotReadForEver(t *testing.T) {
	var read int
	endless := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 403, Header: http.Header{}, Body: io.NopCloser(counting{&read})}, nil
	})
	if err := do(t.Context(), opened(t, endless, location, someSAS), bucket.OpPut); bucket.KindOf(err) != bucket.KindUnknown {
		t.Errorf("got %v", err)
	}
	if read > 1<<20 {
		t.Errorf("%d bytes were read", read)
	}
}

type counting struct{ read *int }

func (c counting) Read(p []byte) (int, error) { *c.read += len(p); return len(p), nil }

func TestACertificateThatIsNotTrustedIsUnreachable(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	err := do(t.Context(), opened(t, tcp(t), location.WithEndpoint(srv.URL), someSAS), bucket.OpPut)
	if bucket.KindOf(err) != bucket.KindUnreachable || !strings.Contains(err.Error(), "an authority that is not trusted here") {
		t.Errorf("got %v", err)
	}
	conformance.CheckNoCanary(t, err, append(canaries(someSAS), string(pem.EncodeToMemory(&pem.Block{Bytes: srv.Certificate().Raw})))...)

	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain.Start()
	defer plain.Close()
	err = do(t.Context(), opened(t, tcp(t), location.WithEndpoint(strings.Replace(plain.URL, "http:", "https:", 1)), someSAS), bucket.OpPut)
	if bucket.KindOf(err) != bucket.KindUnreachable || !strings.Contains(err.Error(), "it does not speak TLS") {
		t.Errorf("got %v", err)
	}
}

// errorOf gives the text of an error, "" for none.
func errorOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestATokenComesAndGoesWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, begin := stocked(), time.Now()
		b := opened(t, srv.RoundTripper(), location, azureblobtest.SAS(key, azureblobtest.Values{Account: account, Container: name,
			Permissions: "rwdl", Start: begin.Add(5 * time.Minute), End: begin.Add(time.Hour)}))
		early := "put object: bad credential: AuthenticationFailed [HTTP 403]: the token is not valid yet: its start is 5m ahead by the server's clock; begin tokens some 15 minutes back"
		if got := errorOf(do(t.Context(), b, bucket.OpPut)); got != early {
			t.Errorf("got %s\nwant %s", got, early)
		}
		time.Sleep(5 * time.Minute)
		if err := do(t.Context(), b, bucket.OpPut); err != nil {
			t.Fatal(err)
		}
		put := time.Now()
		time.Sleep(50 * time.Minute)
		o, err := b.Get(t.Context(), "x.txt")
		if err != nil {
			t.Fatal(err)
		}
		if !o.LastModified.Equal(put) || o.ServerTime.Sub(o.LastModified) != 50*time.Minute {
			t.Errorf("put at %v and read 50 minutes later: last modified %v, server time %v", put, o.LastModified, o.ServerTime)
		}
		time.Sleep(8 * time.Minute)
		late := "get object: bad credential: AuthenticationFailed [HTTP 403]: the token has expired 3m ago by the server's clock"
		if got := errorOf(do(t.Context(), b, bucket.OpGet)); got != late {
			t.Errorf("got %s\nwant %s", got, late)
		}
	})
}

func TestACallEndsAfterItsTimeoutWithoutASecondAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := stocked()
		srv.SetLatency(time.Hour)
		b := opened(t, srv.RoundTripper(), location, fixed(nil))
		for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete, bucket.OpList} {
			begin := time.Now()
			err := do(t.Context(), b, op)
			if bucket.KindOf(err) != bucket.KindUnreachable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begin); took != azureblob.DefaultTimeout {
				t.Errorf("gave up after %v", took)
			}
		}
		if n := len(srv.Requests()); n != 0 {
			t.Errorf("%d requests got through", n)
		}
	})
}

func TestAPutOfNothingAnnouncesItsLength(t *testing.T) {
	srv := stocked()
	seen := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body != http.NoBody || r.ContentLength != 0 {
			t.Errorf("a body of type %T and length %d", r.Body, r.ContentLength)
		}
		return srv.RoundTripper().RoundTrip(r)
	})
	for _, body := range [][]byte{nil, {}} {
		if err := opened(t, seen, location, serviceSAS(key, name, "w")).Put(t.Context(), "empty", body); err != nil {
			t.Error(err)
		}
	}
}

func TestOneRequestForEachCall(t *testing.T) {
	srv := stocked()
	b := opened(t, srv.RoundTripper(), location, serviceSAS(key, name, "rwdl"))
	for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpList, bucket.OpDelete, bucket.OpDelete} {
		if err := do(t.Context(), b, op); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range srv.Requests() {
		path, _, _ := strings.Cut(r.URI, "?")
		got = append(got, r.Method+" "+path+" "+r.Code)
		if r.Header.Get("X-Ms-Version") != "2020-10-02" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("headers %v", r.Header)
		}
	}
	want := []string{"PUT /orders/x.txt ", "GET /orders/x.txt ", "GET /orders ", "DELETE /orders/x.txt ", "DELETE /orders/x.txt BlobNotFound"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsWrongWithATokenIsTold(t *testing.T) {
	values := func(change func(*azureblobtest.Values)) azureblobtest.Values {
		v := azureblobtest.Values{Account: account, Container: name, Permissions: "rwdl", End: time.Now().Add(time.Hour)}
		change(&v)
		return v
	}
	policy := func(v *azureblobtest.Values) { v.Policy, v.Permissions, v.End = "p", "", time.Time{} }
	for _, tc := range []struct {
		name    string
		values  azureblobtest.Values
		prepare func(*azureblobtest.Server)
		op      bucket.Op
		want    string
	}{
		{"for another address", values(func(v *azureblobtest.Values) { v.IP = "198.51.100.0-198.51.100.255" }), nil, bucket.OpPut,
			"put object: unknown: AuthorizationSourceIPMismatch [HTTP 403]: the token is not for the address that this request came from (sip); whether it is for Planet's can't be told from here"},
		{"for our address", values(func(v *azureblobtest.Values) { v.IP = "192.0.2.1" }), nil, bucket.OpPut, ""},
		{"for https, over https", values(func(v *azureblobtest.Values) { v.Protocol = "https" }), nil, bucket.OpPut, ""},
		{"by a stored policy", values(policy), nil, bucket.OpDelete, ""},
		{"by a stored policy that does not permit it", values(policy),
			func(s *azureblobtest.Server) {
				s.SetPolicy(account, name, "p", azureblobtest.Policy{Permissions: "rwl", End: time.Now().Add(time.Hour)})
			}, bucket.OpDelete,
			"delete object: denied (SAS d): AuthorizationPermissionMismatch [HTTP 403]"},
		{"by a stored policy that is over", values(policy),
			func(s *azureblobtest.Server) {
				s.SetPolicy(account, name, "p", azureblobtest.Policy{Permissions: "rwdl", Start: time.Now().Add(-3 * time.Hour), End: time.Now().Add(-2 * time.Hour)})
			}, bucket.OpDelete,
			"delete object: bad credential: AuthenticationFailed [HTTP 403]: the token has expired 2h0m ago by the server's clock"},
		{"by a stored policy that was revoked", values(policy), func(s *azureblobtest.Server) { s.RemovePolicy(account, name, "p") }, bucket.OpGet,
			"get object: bad credential: AuthenticationFailed [HTTP 403]: the token is not accepted: its stored access policy (si) is gone or over, or it was signed with a key that is no longer one of the account's"},
		{"by a stored policy that was revoked, though it says its own end", values(func(v *azureblobtest.Values) { v.Policy = "p" }),
			func(s *azureblobtest.Server) { s.RemovePolicy(account, name, "p") }, bucket.OpGet,
			"get object: bad credential: AuthenticationFailed [HTTP 403]: the token is not accepted: its stored access policy (si) is gone or over, or it was signed with a key that is no longer one of the account's"},
		{"without an end, and without a policy that has one", values(func(v *azureblobtest.Values) { v.End = time.Time{} }), nil, bucket.OpGet,
			"get object: bad credential: AuthenticationFailed [HTTP 403]: the token has no end (se) that can be read, and no stored access policy (si) that could have one"},
		{"by a key that was replaced", values(func(*azureblobtest.Values) {}), func(s *azureblobtest.Server) { s.SetKeys(account, []byte("new"), []byte("other")) }, bucket.OpList,
			"list object: bad credential: AuthenticationFailed [HTTP 403]: the token was signed with a key that is not, or no longer, one of the account's, or for another container"},
		{"by the account's second key", values(func(*azureblobtest.Values) {}), func(s *azureblobtest.Server) { s.SetKeys(account, []byte("new"), key) }, bucket.OpList, ""},
		{"for another container", values(func(v *azureblobtest.Values) { v.Container = "another" }), nil, bucket.OpList,
			"list object: bad credential: AuthenticationFailed [HTTP 403]: the token was signed with a key that is not, or no longer, one of the account's, or for another container"},
		{"behind the account's firewall", values(func(*azureblobtest.Values) {}), func(s *azureblobtest.Server) { s.SetFirewall(account, true) }, bucket.OpGet,
			"get object: unknown: AuthorizationFailure [HTTP 403]: the storage account's firewall answers so to addresses that it does not list; whether it lists Planet's can't be told from here"},
		{"for a container with an immutability policy", values(func(*azureblobtest.Values) {}), func(s *azureblobtest.Server) { s.SetImmutable(account, name, true) }, bucket.OpDelete,
			"delete object: denied: BlobImmutableDueToPolicy [HTTP 409]: the blob can't be replaced or deleted: an immutability policy or a legal hold of the container keeps it"},
		{"create without write, where the blob is there", values(func(v *azureblobtest.Values) { v.Permissions = "rcdl" }), nil, bucket.OpPut,
			"put object: denied (SAS w): UnauthorizedBlobOverwrite [HTTP 403]: the token may make blobs and not replace them"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := stocked()
			srv.PutBlob(account, name, "x.txt", []byte("x"))
			srv.SetPolicy(account, name, "p", azureblobtest.Policy{Permissions: "rwdl", End: time.Now().Add(time.Hour)})
			if tc.prepare != nil {
				tc.prepare(srv)
			}
			sas := azureblobtest.SAS(key, tc.values)
			err := do(t.Context(), opened(t, srv.RoundTripper(), location, sas), tc.op)
			if got := errorOf(err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			conformance.CheckNoCanary(t, err, canaries(sas)...)
		})
	}
}
