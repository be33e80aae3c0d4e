package gcs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
	"github.com/rotatord/rotatord/credential"
)

var zeroTime time.Time

// changed is a good credential with some members replaced; nil removes one.
func changed(t testing.TB, members map[string]any) []byte {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(string(aKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, v := range members {
		if file[name] = v; v == nil {
			delete(file, name)
		}
	}
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.AppendEncode(nil, text)
}

func opened(o gcs.Options, at bucket.Location, credentials []byte) error {
	var p credential.Parameters
	if credentials != nil {
		p.Set("credentials", credential.NewValue(credentials))
	}
	_, err := gcs.Opener(o)(at, p)
	return err
}

func TestWhatCannotBeUsedIsRefusedBeforeAnythingIsSent(t *testing.T) {
	none := gcs.Options{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, http.ErrServerClosed
	})}
	at := func(name, endpoint string) bucket.Location {
		return bucket.Location{Type: bucket.TypeGoogleCloudStorage, Bucket: name, Endpoint: endpoint}
	}
	with := func(name string, v any) []byte { return changed(t, map[string]any{name: v}) }
	encode := func(s string) []byte { return base64.StdEncoding.AppendEncode(nil, []byte(s)) }
	const notGoogle = `the credential's "token_uri" is none of Google's token endpoints; nothing signed is sent elsewhere`
	for _, tc := range []struct {
		name        string
		at          bucket.Location
		credentials []byte
		want        string
	}{
		{"no bucket", at("", ""), aKey(t), "the bucket of this google_cloud_storage destination is missing"},
		{"a bucket with a path", at("b/../c", ""), aKey(t), "the bucket of this google_cloud_storage destination holds characters that no bucket name has; give the name alone, without gs://"},
		{"a bucket of dots", at("..", ""), aKey(t), "the bucket of this google_cloud_storage destination is no name"},
		{"an endpoint with a password", at("b", "https://u:"+canary+"@h"), aKey(t), "the endpoint of this bucket holds a user name or a password; credentials belong into the secret"},
		{"an endpoint with a query", at("b", "https://h/?"+canary), aKey(t), "the endpoint of this bucket holds a query or a fragment; give it as https://host or https://host:port"},
		{"an endpoint that is none", at("b", "https://%zz"+canary), aKey(t), "the endpoint of this bucket is no URL; give it as https://host or https://host:port"},
		{"an endpoint of another sort", at("b", "ftp://h"), aKey(t), "the endpoint of this bucket is neither https nor http"},
		{"no credential", here, nil, "the credential has no credentials"},
		{"bare JSON", here, []byte(`{"private_key":"` + canary + `"}`), "the credential is not in standard base64"},
		{"URL-safe base64", here, []byte("_-_-" + canary), "the credential is not in standard base64"},
		{"a credential without end", here, bytes.Repeat([]byte("A"), 1<<20), "the credential is far longer than a service account's key"},
		{"base64 of something else", here, encode(canary), "the credential is base64 of something else than a service account's JSON"},
		{"JSON of something else", here, encode(`{"type":7,"x":"` + canary + `"}`), "the credential is base64 of something else than a service account's JSON"},
		{"a person's credential", here, with("type", "authorized_user"), `the credential is not the key of a service account: its "type" is not "service_account"`},
		{"no e-mail", here, with("client_email", nil), `the credential has no "client_email"`},
		{"no key", here, with("private_key", nil), `the credential has no "private_key"`},
		{"a key that is no text", here, with("private_key", 7), `the credential has no "private_key"`},
		{"a key that is no PEM", here, with("private_key", canary), `the credential's "private_key" is no RSA key in PEM; was it cut?`},
		{"a key that is no key", here, with("private_key", "-----BEGIN PRIVATE KEY-----\n"+canary+"\n-----END PRIVATE KEY-----\n"), `the credential's "private_key" is no RSA key in PEM; was it cut?`},
		{"a token_uri of somebody else", here, with("token_uri", "https://"+canary+".test/token"), notGoogle},
		{"a token_uri without TLS", here, with("token_uri", "http://oauth2.googleapis.com/token"), notGoogle},
		{"a token_uri on another port", here, with("token_uri", "https://oauth2.googleapis.com:444/token"), notGoogle},
		{"a token_uri with a user", here, with("token_uri", "https://"+canary+"@oauth2.googleapis.com/token"), notGoogle},
		{"a token_uri that only begins as Google's", here, with("token_uri", "https://oauth2.googleapis.com.test/token"), notGoogle},
		{"a token_uri in somebody's bucket", here, with("token_uri", "https://www.googleapis.com/upload/storage/v1/b/x/o?uploadType=media&name=x"), notGoogle},
		{"a token_uri elsewhere than the endpoint", here.WithEndpoint("https://a.test"), with("token_uri", "https://b.test/token"), notGoogle},
		{"a token_uri with less TLS than the endpoint", here.WithEndpoint("https://a.test"), with("token_uri", "http://a.test/token"), notGoogle},
		{"a token_uri that is none", here, with("token_uri", canary), `the credential's "token_uri" is no URL`},
		{"another cloud", here, changed(t, map[string]any{"universe_domain": canary, "token_uri": nil}), `the credential belongs to another cloud than Google's public one and names no "token_uri"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := opened(none, tc.at, tc.credentials)
			wantError(t, err, "open bucket: config: "+tc.want)
			if bucket.KindOf(err) != bucket.KindConfig {
				t.Errorf("kind %q", bucket.KindOf(err))
			}
			conformance.CheckNoCanary(t, err, canary)
		})
	}
	if err := opened(none, bucket.Location{Type: bucket.TypeAmazonS3, Bucket: "b"}, aKey(t)); bucket.KindOf(err) != bucket.KindUnsupported {
		t.Errorf("a bucket of another kind: %v", err)
	}
	if err := opened(gcs.Options{Timeout: -1}, here, aKey(t)); bucket.KindOf(err) != bucket.KindConfig {
		t.Errorf("a negative time-out: %v", err)
	}
}

// TestStatementsGoWhereTheyMay sends one and looks where it arrives.
func TestStatementsGoWhereTheyMay(t *testing.T) {
	for _, tc := range []struct {
		name, tokenURI, allowed, endpoint, want string
	}{
		{"Google's", "https://oauth2.googleapis.com/token", "", "", "https://oauth2.googleapis.com/token"},
		{"Google's of old", "https://accounts.google.com/o/oauth2/token", "", "", "https://accounts.google.com/o/oauth2/token"},
		{"none is Google's", "", "", "", "https://oauth2.googleapis.com/token"},
		{"none is the one that tests allow", "", "https://t.test/token", "", "https://t.test/token"},
		{"the one that tests allow", "https://t.test/token", "https://t.test/token", "", "https://t.test/token"},
		{"Google's beside the one that tests allow", "https://oauth2.googleapis.com/token", "https://t.test/token", "", "https://oauth2.googleapis.com/token"},
		{"at the endpoint", "http://a.test:81/token", "", "http://a.test:81", "http://a.test:81/token"},
		{"Google's beside a private endpoint", "https://oauth2.googleapis.com/token", "", "https://storage-x.p.googleapis.com", "https://oauth2.googleapis.com/token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var member any
			if tc.tokenURI != "" {
				member = tc.tokenURI
			}
			var asked []string
			b := open(t, gcs.Options{TokenURL: tc.allowed, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				return said{400, nil, `{"error":"invalid_grant"}`}.to(r), nil
			})}, here.WithEndpoint(tc.endpoint), changed(t, map[string]any{"token_uri": member}))
			if err := b.Put(t.Context(), "k", nil); bucket.KindOf(err) != bucket.KindBadCredential {
				t.Error(err)
			}
			if len(asked) != 1 || asked[0] != tc.want {
				t.Errorf("sent to %q, want %q", asked, tc.want)
			}
		})
	}
}

func TestAKeyInTheOlderFormIsRead(t *testing.T) {
	srv := gcstest.NewServer()
	k, err := srv.AddKey(email("owner"), zeroTime)
	if err != nil {
		t.Fatal(err)
	}
	srv.CreateBucket(planetData)
	srv.Grant(k.Account, planetData, gcstest.Create)
	// Escapes as other encoders write them.
	text := strings.ReplaceAll(string(k.JSON(srv.TokenURL())), "=", `\u003d`)
	text = strings.ReplaceAll(text, `\n`, `\r\u000a`)
	text = strings.ReplaceAll(text, "https://", `https:\/\/`)
	b := open(t, gcs.Options{Transport: srv.RoundTripper()}, here, base64.StdEncoding.AppendEncode(nil, []byte(text)))
	if err := b.Put(t.Context(), "x", nil); err != nil {
		t.Error(err)
	}
}

// FuzzCredential holds that no credential breaks the opener, that none is
// quoted, and that none sends a statement to a place of its choosing.
func FuzzCredential(f *testing.F) {
	good, err := base64.StdEncoding.DecodeString(string(aKey(f)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"type":"service_account"}`, `{"type":"service_account","client_email":"a@b","private_key":"zZcanaryZz\u00"}`,
		`{"type":"service_account","client_email":"a@b","private_key":"\\\"\/\n\t\r\u0041\u20ac"}`, `{"private_key":"zZcanaryZz`,
	} {
		f.Add([]byte(s))
	}
	f.Add(bytes.Replace(good, []byte("https://oauth2.googleapis.com/token"), []byte("https://zZcanaryZz.test"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p credential.Parameters
		p.Set("credentials", credential.NewValue(base64.StdEncoding.AppendEncode(nil, text)))
		b, err := gcs.Opener(gcs.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if h := r.URL.Host; h != "oauth2.googleapis.com" && h != "accounts.google.com" && h != "www.googleapis.com" || r.URL.Scheme != "https" {
				t.Errorf("a statement was sent to %s://%s", r.URL.Scheme, h)
			}
			return said{500, nil, ""}.to(r), nil
		})})(here, p)
		if err == nil {
			err = b.Delete(t.Context(), "x")
			if k := bucket.KindOf(err); k != bucket.KindServer && k != bucket.KindConfig {
				t.Errorf("kind %q", k)
			}
		} else if k := bucket.KindOf(err); k != bucket.KindConfig {
			t.Errorf("kind %q", k)
		}
		if strings.Contains(err.Error(), "zZcanaryZz") {
			t.Errorf("the error quotes the credential: %v", err)
		}
	})
}

// FuzzAnswer holds that whatever a server says becomes an error of the closed
// sets that repeats none of it.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		apiError("forbidden", "x does not have storage.objects.get access"), "No such object: zZcanaryZz", `{"error":"invalid_grant"}`,
		`{"error":{"errors":[{}]}}`, `{"error":{"details":[{"reason":"zZcanaryZz"}],"status":"zZcanaryZz"}}`, `{"error":null}`, "", "<", granted,
		`{"name":"k","size":"-1"}`, `Permission 'storage.zZcanaryZz' denied`,
	} {
		for _, status := range []int{200, 206, 400, 401, 403, 404, 412, 416, 503} {
			f.Add(status, true, s)
			f.Add(status, false, s)
		}
	}
	key := aKey(f)
	f.Fuzz(func(t *testing.T, status int, google bool, body string) {
		if status < 200 || status > 599 || strings.Contains(body, canary) {
			return
		}
		header := http.Header{}
		if google {
			header.Set("X-Guploader-Uploadid", "zZcanaryZz")
		}
		for _, token := range []said{{200, nil, granted}, {status, header, body}} {
			requests := 0
			b := open(t, gcs.Options{Transport: scripted(token, said{status, header, body}, &requests)}, here, key)
			for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete} {
				err := do(t, b, op)
				if err == nil {
					continue
				}
				if bucket.KindOf(err) == "" || strings.Contains(err.Error(), "zZcanaryZz") || strings.Contains(err.Error(), canary) {
					t.Errorf("%s: %v", op, err)
				}
			}
		}
	})
}
