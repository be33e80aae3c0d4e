package gcstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = "a@p.iam.gserviceaccount.com"

// caller talks to a server over the network with a token that needs no key.
type caller struct {
	t   *testing.T
	srv *Server
}

func newCaller(t *testing.T, may ...Permission) caller {
	t.Helper()
	s := NewServer()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.CreateBucket("b")
	s.Grant(sample, "b", may...)
	s.tokens["t"] = grant{sample, time.Now().Add(time.Hour)}
	return caller{t, s}
}

func (c caller) do(method, path, body string, header ...string) (int, http.Header, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.srv.URL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer t")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, resp.Header, err.Error()
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestRequestsAreAnsweredAsGoogleDoes(t *testing.T) {
	all := []Permission{Create, Get, Delete, List}
	const o = "/storage/v1/b/b/o/"
	for _, tc := range []struct {
		name, method, path string
		may                []Permission
		header             []string
		status             int
		body               string // a part of it
	}{
		{"a download", "GET", o + "x%2Fy?alt=media", all, nil, 200, "hello"},
		{"a download from the other address", "GET", "/download" + o + "x%2Fy?alt=media", all, nil, 200, "hello"},
		{"a part of a download", "GET", o + "x%2Fy?alt=media", all, []string{"Range", "bytes=1-2"}, 206, "el"},
		{"a part that isn't there", "GET", o + "x%2Fy?alt=media", all, []string{"Range", "bytes=9-10"}, 416, "Request range not satisfiable"},
		{"a resource", "GET", o + "x%2Fy", all, nil, 200, `"size":"5"`},
		{"a name whose slash is not escaped", "GET", o + "x/y", all, nil, 404, "<html>"},
		{"a missing download is told in text", "GET", o + "none?alt=media", all, nil, 404, "No such object: b/none"},
		{"a missing resource is told in JSON", "GET", o + "none", all, nil, 404, `"reason":"notFound"`},
		{"a missing object is hidden", "GET", o + "none", []Permission{Get}, nil, 403, "storage.objects.get"},
		{"a missing object is hidden from deletes", "DELETE", o + "none", []Permission{Delete}, nil, 403, "storage.objects.list"},
		{"a put", "POST", "/upload/storage/v1/b/b/o?uploadType=media&name=n%2F1", all, nil, 200, `"name":"n/1"`},
		{"a put over an object", "POST", "/upload/storage/v1/b/b/o?uploadType=media&name=x%2Fy", []Permission{Create}, nil, 403, "storage.objects.delete"},
		{"a put without a name", "POST", "/upload/storage/v1/b/b/o?uploadType=media", all, nil, 404, "<html>"},
		{"a delete", "DELETE", o + "x%2Fy", all, nil, 204, ""},
		{"a list", "GET", "/storage/v1/b/b/o?prefix=x", all, nil, 200, `"name":"x/y"`},
		{"a list of another prefix", "GET", "/storage/v1/b/b/o?prefix=q", all, nil, 200, `"items":[]`},
		{"a list that is not permitted", "GET", "/storage/v1/b/b/o", []Permission{Get}, nil, 403, "storage.objects.list access to the Google Cloud Storage bucket"},
		{"no bucket", "GET", "/storage/v1/b/none/o/x", all, nil, 404, "The specified bucket does not exist."},
		{"no token", "GET", o + "x", all, []string{"Authorization", "Basic x"}, 401, `"reason":"required"`},
		{"another token", "GET", o + "x", all, []string{"Authorization", "Bearer x"}, 401, `"reason":"authError"`},
		{"no grant", "POST", "/token", all, nil, 400, `"unsupported_grant_type"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCaller(t, tc.may...)
			if err := c.srv.PutObject("b", "x/y", []byte("hello")); err != nil {
				t.Fatal(err)
			}
			status, header, body := c.do(tc.method, tc.path, "", tc.header...)
			if status != tc.status || !strings.Contains(body, tc.body) {
				t.Errorf("got %d %q, want %d with %q", status, body, tc.status, tc.body)
			}
			if header.Get("Date") == "" {
				t.Error("no Date")
			}
		})
	}
}

func TestVersionsAreKeptAndListed(t *testing.T) {
	c := newCaller(t, Create, Get, Delete, List)
	c.srv.Set("b", Settings{Versioning: true})
	for _, body := range []string{"1", "22"} {
		if err := c.srv.PutObject("b", "x", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.srv.DeleteObject("b", "x"); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]string{"": nil, "?versions=true": {"1", "2"}} {
		_, _, body := c.do("GET", "/storage/v1/b/b/o"+query, "")
		var list struct {
			Items []struct{ Size, TimeDeleted string }
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		var sizes []string
		for _, item := range list.Items {
			sizes = append(sizes, item.Size)
			if item.TimeDeleted == "" {
				t.Error("no time of deletion")
			}
		}
		if diff := cmp.Diff(want, sizes); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}

func TestStatementsAreBelievedOnlyIfSigned(t *testing.T) {
	c := newCaller(t)
	for _, assertion := range []string{"", "a.b.c", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30."} {
		form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
		status, _, body := c.do("POST", "/token", form.Encode())
		if status != http.StatusBadRequest || !strings.Contains(body, "invalid_grant") {
			t.Errorf("%q gives %d %s", assertion, status, body)
		}
	}
}

// assertion signs what it is told to.
func assertion(t *testing.T, k Key, claims map[string]any) string {
	t.Helper()
	head, err1 := json.Marshal(map[string]string{"alg": "RS256", "kid": k.ID})
	body, err2 := json.Marshal(claims)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.pair.private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func TestEachClaimOfAStatementIsLookedAt(t *testing.T) {
	c := newCaller(t)
	k, err := c.srv.AddKey(sample, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := c.srv.ForgeKey(sample, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := c.srv.ForgeKey(sample, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tc := range []struct {
		name  string
		key   Key
		claim string
		value any
		want  string
	}{
		{"nothing wrong", k, "", nil, `"token_type":"Bearer"`},
		{"signed by another key", forged, "", nil, "Invalid JWT Signature."},
		{"signed by an unknown key", unknown, "", nil, "Invalid JWT Signature."},
		{"another account", k, "iss", "b@p.iam.gserviceaccount.com", "Invalid grant: account not found"},
		{"another audience", k, "aud", "https://oauth2.googleapis.com/token", "Failed audience check"},
		{"another scope", k, "scope", "https://www.googleapis.com/auth/devstorage.read_only", "invalid_scope"},
		{"issued tomorrow", k, "iat", now.Add(24 * time.Hour).Unix(), "short-lived token"},
		{"expired", k, "exp", now.Add(-time.Minute).Unix(), "short-lived token"},
		{"for more than an hour", k, "exp", now.Add(2 * time.Hour).Unix(), "short-lived token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			claims := map[string]any{"iss": sample, "aud": c.srv.TokenURL(), "scope": "https://www.googleapis.com/auth/devstorage.read_write",
				"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
			claims[tc.claim] = tc.value
			form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion(t, tc.key, claims)}}
			if _, _, body := c.do("POST", "/token", form.Encode()); !strings.Contains(body, tc.want) {
				t.Errorf("got %s, want %s", body, tc.want)
			}
		})
	}
}

func TestKeysOfOnePairAreToldApart(t *testing.T) {
	s := NewServer()
	ids := map[string]bool{}
	for range pairsAtMost + 2 {
		k, err := s.AddKey(sample, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		ids[k.ID] = true
		forged, err := s.ForgeKey(sample, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		if forged.pair.private.Equal(k.pair.private) {
			t.Error("a forged key is the right one")
		}
	}
	if len(ids) != pairsAtMost+2 {
		t.Errorf("%d ids", len(ids))
	}
}

func TestAServerCanBeClosedAndStartedAgain(t *testing.T) {
	c := newCaller(t, Get)
	if err := c.srv.Start(); err == nil {
		t.Error("it was started twice")
	}
	if err := c.srv.PutObject("b", "x", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	c.srv.Close()
	c.srv.Close()
	if c.srv.URL() != "" || c.srv.TokenURL() != "https://oauth2.googleapis.com/token" {
		t.Error("a closed server has an address")
	}
	if err := c.srv.Start(); err != nil {
		t.Fatal(err)
	}
	if status, _, body := c.do("GET", "/storage/v1/b/b/o/x?alt=media", ""); status != 200 || body != "kept" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestACutAnswerHasTakenEffect(t *testing.T) {
	c := newCaller(t, Create, Get, Delete, List)
	c.srv.SetFault(Cut)
	if status, _, body := c.do("POST", "/upload/storage/v1/b/b/o?uploadType=media&name=x", "y"); status != 200 || !strings.Contains(body, "EOF") {
		t.Errorf("got %d %q", status, body)
	}
	if diff := cmp.Diff([]string{"x"}, c.srv.Objects("b")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if status, _, body := c.do("DELETE", "/storage/v1/b/b/o/x", ""); status != 0 {
		t.Errorf("got %d %q", status, body)
	}
	if left := c.srv.Objects("b"); left != nil {
		t.Errorf("left: %q", left)
	}
}

func TestRequestsAreRecorded(t *testing.T) {
	c := newCaller(t, Get)
	c.do("GET", "/storage/v1/b/b/o/none?alt=media", "")
	got := c.srv.Requests()
	for i := range got {
		got[i].Time = time.Time{}
	}
	want := []Request{{Method: "GET", Op: "media", Bucket: "b", Key: "none", Account: sample, Status: 403, Code: "forbidden"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
