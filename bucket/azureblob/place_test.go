package azureblob_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/credential"
)

const someSAS = "sp=rwdl&st=2026-01-01T00:00:00Z&se=2036-01-01T00%3a00%3A00Z&spr=https&sv=2022-11-02&sr=c&sig=canary%2Bsignature%2f0123456789%3D"

// asked gives the URL that a request goes to, as it is on the wire.
func asked(t *testing.T, at bucket.Location, sas string, call func(bucket.Bucket)) string {
	t.Helper()
	var got string
	call(opened(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.URL.Scheme + "://" + r.Host + r.URL.RequestURI()
		return nil, errors.New("that's enough")
	}), at, sas))
	return got
}

func TestWhereRequestsGo(t *testing.T) {
	at := func(change func(*bucket.Location)) bucket.Location {
		l := location
		change(&l)
		return l
	}
	for _, tc := range []struct {
		name string
		at   bucket.Location
		want string
	}{
		{"Azure itself", location, "https://planetdata.blob.core.windows.net/orders/k"},
		{"another cloud", at(func(l *bucket.Location) { l.Suffix = "core.usgovcloudapi.net" }), "https://planetdata.blob.core.usgovcloudapi.net/orders/k"},
		{"Azurite", location.WithEndpoint("http://127.0.0.1:10000"), "http://127.0.0.1:10000/planetdata/orders/k"},
		{"Azurite with its account", location.WithEndpoint("http://127.0.0.1:10000/planetdata/"), "http://127.0.0.1:10000/planetdata/orders/k"},
		{"a host of the account's own", location.WithEndpoint("planetdata.blob.example.net"), "https://planetdata.blob.example.net/orders/k"},
		{"behind a path", location.WithEndpoint("https://proxy.example.net/azure"), "https://proxy.example.net/azure/planetdata/orders/k"},
		{"the root container", at(func(l *bucket.Location) { l.Container = "$root" }), "https://planetdata.blob.core.windows.net/%24root/k"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := asked(t, tc.at, someSAS, func(b bucket.Bucket) { _ = b.Put(t.Context(), "k", nil) })
			if want := tc.want + "?" + someSAS; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestATokenGoesOutByteForByte(t *testing.T) {
	for _, sas := range []string{
		someSAS,
		"sig=a+b/c==&sv=2022-11-02", // unescaped, as some tools write them
		"sv=x&sig=%2b%2B%2f&&si=a~b!c$d'e(f)*g,h;i:j@k[l]",
	} {
		for _, stored := range []string{sas, "?" + sas} {
			got := asked(t, location, stored, func(b bucket.Bucket) { _, _ = b.Get(t.Context(), "k") })
			if _, query, _ := strings.Cut(got, "?"); query != sas {
				t.Errorf("the query is %q, want %q", query, sas)
			}
			got = asked(t, location, stored, func(b bucket.Bucket) {
				l, _ := b.(bucket.Lister)
				_ = l.List(t.Context(), "a&b=c d")
			})
			if want := "https://planetdata.blob.core.windows.net/orders?restype=container&comp=list&maxresults=1&prefix=a%26b%3Dc%20d&" + sas; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}

func TestWhatCanNotBeOpenedNamesTheProblem(t *testing.T) {
	const canary = "cAnArYsEcReT"
	at := func(change func(*bucket.Location)) bucket.Location {
		l := location
		change(&l)
		return l
	}
	for _, tc := range []struct {
		name string
		at   bucket.Location
		sas  string
		want string
	}{
		{"another type", at(func(l *bucket.Location) { l.Type = bucket.TypeAmazonS3 }), someSAS, "unsupported: this is no azure_blob_storage destination"},
		{"no account", at(func(l *bucket.Location) { l.Account = "" }), someSAS, "config: the account of this azure_blob_storage destination is missing or holds characters that no account's name has"},
		{"an account that leads elsewhere", at(func(l *bucket.Location) { l.Account = "evil.test/" + canary }), someSAS, "config: the account of this azure_blob_storage destination is missing or holds characters that no account's name has"},
		{"a container with a slash", at(func(l *bucket.Location) { l.Container = "a/" + canary }), someSAS, "config: the container of this azure_blob_storage destination is missing or holds characters that no container's name has"},
		{"a suffix that leads elsewhere", at(func(l *bucket.Location) { l.Suffix = "test/" + canary }), someSAS, "config: the storage_endpoint_suffix of this azure_blob_storage destination is no end of a host name, such as core.windows.net"},
		{"a suffix with a dot before it", at(func(l *bucket.Location) { l.Suffix = ".core.windows.net" }), someSAS, "config: the storage_endpoint_suffix of this azure_blob_storage destination is no end of a host name, such as core.windows.net"},
		{"an endpoint that is no URL", location.WithEndpoint("http://[" + canary), someSAS, "config: the endpoint of this azure_blob_storage destination is no URL; give it as https://host or https://host:port"},
		{"an endpoint of another scheme", location.WithEndpoint("ftp://x/" + canary), someSAS, "config: the endpoint of this azure_blob_storage destination is neither https nor http"},
		{"an endpoint with a token", location.WithEndpoint("https://x/?" + canary), someSAS, "config: the endpoint of this azure_blob_storage destination holds a user name, a query or a fragment; credentials belong into the secret"},
		{"an endpoint with a password", location.WithEndpoint("https://u:" + canary + "@x"), someSAS, "config: the endpoint of this azure_blob_storage destination holds a user name, a query or a fragment; credentials belong into the secret"},
		{"no token", location, "", "config: the credential has no sas_token"},
		{"only a question mark", location, "?", "config: the credential has no sas_token"},
		{"a URL", location, "https://x.test/?sig=" + canary, `config: the credential's sas_token holds what can't be in the query of a URL, such as white space, a quote or a second "?"`},
		{"two question marks", location, "??sig=" + canary, `config: the credential's sas_token holds what can't be in the query of a URL, such as white space, a quote or a second "?"`},
		{"a line break", location, "sig=" + canary + "\n", `config: the credential's sas_token holds what can't be in the query of a URL, such as white space, a quote or a second "?"`},
		{"no signature", location, "sv=1&sp=" + canary, "config: the credential's sas_token has no signature (sig), or more than one"},
		{"an empty signature", location, "sig=&sv=" + canary, "config: the credential's sas_token has no signature (sig), or more than one"},
		{"two signatures", location, "sig=a&sig=" + canary, "config: the credential's sas_token has no signature (sig), or more than one"},
		{"another request", location, "sig=" + canary + "&comp=acl", "config: the credential's sas_token holds parameters that belong to a request and not to a token, such as comp or restype"},
		{"a page", location, "sig=" + strings.Repeat(canary, 1000), "config: the credential's sas_token is longer than any SAS token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := azureblob.Opener(azureblob.Options{})(tc.at, parameters(tc.sas))
			if err == nil || err.Error() != "open bucket: "+tc.want {
				t.Errorf("got  %v\nwant open bucket: %s", err, tc.want)
			}
			conformance.CheckNoCanary(t, err, canary)
		})
	}
}

func TestAnObjectWithoutANameIsRefused(t *testing.T) {
	nobody := roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent, which would be about the whole container")
		return nil, errors.New("no")
	})
	b := opened(t, nobody, location, someSAS)
	for _, key := range []string{"", "/"} {
		_, getErr := b.Get(t.Context(), key)
		for _, err := range []error{b.Put(t.Context(), key, nil), getErr, b.Delete(t.Context(), key)} {
			if bucket.KindOf(err) != bucket.KindConfig {
				t.Errorf("got %v", err)
			}
		}
	}
}

func TestAnOpenBucketIsNotPrinted(t *testing.T) {
	b := opened(t, nil, location, someSAS)
	for _, shown := range []string{fmt.Sprint(b), fmt.Sprintf("%+v", b), fmt.Sprintf("%#v", b)} {
		if strings.Contains(shown, "canary") {
			t.Error("the token is printed")
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{someSAS, "?" + someSAS, "sig=%zz&se=%", "sig=a&ske=2026-01-01&st=2026-01-01T00:00Z", "sig=\x00", "a&&=&sig=x", "comp=list&sig=x", "SIG=x&sig=y"} {
		f.Add(s, "k")
	}
	f.Add(someSAS, "a b/ü?%#&+\x00\xff")
	f.Fuzz(func(t *testing.T, sas, key string) {
		var p credential.Parameters
		p.Set("sas_token", credential.NewValue([]byte(sas)))
		var sent *http.Request
		b, err := azureblob.Opener(azureblob.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r
			return nil, fmt.Errorf("quote %s", r.URL)
		})})(location, p)
		if err != nil {
			if bucket.KindOf(err) != bucket.KindConfig {
				t.Fatal(err)
			}
			if len(sas) > 20 && strings.Contains(err.Error(), sas) {
				t.Fatal("the error holds the token")
			}
			return
		}
		err = b.Put(t.Context(), key, nil)
		if sent == nil { // no name
			return
		}
		if len(sas) > 20 && strings.Contains(err.Error(), sas) {
			t.Fatal("the error holds the token")
		}
		if want := strings.TrimPrefix(sas, "?"); sent.URL.RawQuery != want {
			t.Fatalf("the query is %q, want %q", sent.URL.RawQuery, want)
		}
		// What a server makes of the request line is the blob that was meant.
		u, err := url.ParseRequestURI(sent.URL.RequestURI())
		if err != nil || u.Path != "/orders/"+key || u.RawQuery != sent.URL.RawQuery {
			t.Fatalf("a server reads %q, %v", u, err)
		}
	})
}
