package azureblob

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/integration/internal/azurite"
)

// opened opens a container of Azurite with a token.
func opened(t *testing.T, endpoint, container, sas string) bucket.Bucket {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var p credential.Parameters
	p.Set("sas_token", credential.NewValue([]byte(sas)))
	defer p.Clear()
	b, err := azureblob.Opener(azureblob.Options{Transport: transport})(bucket.Location{
		Type: bucket.TypeAzureBlobStorage, Account: azurite.Account, Container: container, Endpoint: endpoint}, p)
	must(t, err)
	return b
}

// signatureOf is what no error may hold.
func signatureOf(sas string) string {
	_, sig, _ := strings.Cut(sas, "sig=")
	sig, _, _ = strings.Cut(sig, "&")
	return sig
}

// spoilt is a token with one bit of its signature turned.
func spoilt(t *testing.T, sas string) string {
	t.Helper()
	other, err := azurite.Spoilt(sas)
	must(t, err)
	return other
}

var permissionsOf = map[conformance.Who]string{
	conformance.Owner: "rwdl", conformance.Planets: "rwd", conformance.NoPut: "rdl", conformance.NoGet: "wdl",
	conformance.NoDelete: "rwl", conformance.MissingBucket: "rwdl", conformance.Unreachable: "rwdl",
	conformance.UnknownKey: "rwdl", conformance.WrongSecret: "rwdl",
}

func TestConformance(t *testing.T) {
	end := time.Now().Add(time.Hour)
	for name, values := range map[string]func(container, permissions string) azureblobtest.Values{
		"service SAS": func(container, permissions string) azureblobtest.Values {
			return azureblobtest.Values{Account: azurite.Account, Container: container, Permissions: permissions, End: end}
		},
		"account SAS": func(_, permissions string) azureblobtest.Values {
			return azureblobtest.Values{Account: azurite.Account, Permissions: permissions, Protocol: "https,http", End: end}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := server.NewContainer(t)
			defer c.Remove()
			h := conformance.Harness{
				Open: func(t *testing.T, who conformance.Who) bucket.Bucket {
					endpoint, in, key := server.URL, c.Name, server.Key
					switch who {
					case conformance.MissingBucket:
						in = "none-such"
					case conformance.Unreachable:
						endpoint = nowhere(t)
					case conformance.UnknownKey:
						key = []byte("canary key of another account")
					}
					sas := azureblobtest.SAS(key, values(in, permissionsOf[who]))
					if who == conformance.WrongSecret {
						sas = spoilt(t, sas)
					}
					return opened(t, endpoint, in, sas)
				},
				Store:   func(_ *testing.T, key string, body []byte) { c.Store(key, body) },
				Objects: func(*testing.T) []string { return c.Blobs() },
				Permissions: map[bucket.Op]string{
					bucket.OpPut: "SAS w", bucket.OpGet: "SAS r", bucket.OpDelete: "SAS d", bucket.OpList: "SAS l",
				},
				HiddenMissing: bucket.KindNotFound,
				Canaries:      []string{"sig=", "&sp=", azurite.AccountKey, "canary key"},
			}
			for _, permissions := range permissionsOf {
				h.Canaries = append(h.Canaries, signatureOf(azureblobtest.SAS(server.Key, values(c.Name, permissions))))
			}
			conformance.Test(t, h)
		})
	}
}

// nowhere is an address at which nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return "http://" + l.Addr().String()
}

// said is what came of one operation.
type said struct {
	Kind       bucket.Kind
	Code       string
	Status     int
	Permission string
}

func of(err error) said {
	var e *bucket.Error
	if !errors.As(err, &e) {
		return said{}
	}
	return said{e.Kind, e.Code, e.Status, e.Permission}
}

// all gives what came of put, get, delete and list.
func all(t *testing.T, b bucket.Bucket, canary string) map[bucket.Op]said {
	t.Helper()
	l, ok := b.(bucket.Lister)
	if !ok {
		t.Fatal("the container is no bucket.Lister")
	}
	_, getErr := b.Get(t.Context(), "there.txt")
	errs := map[bucket.Op]error{
		bucket.OpPut: b.Put(t.Context(), "new.txt", []byte("x")), bucket.OpGet: getErr,
		bucket.OpDelete: b.Delete(t.Context(), "there.txt"), bucket.OpList: l.List(t.Context(), ""),
	}
	got := map[bucket.Op]said{}
	for op, err := range errs {
		conformance.CheckNoCanary(t, err, canary, "sig=")
		if s := of(err); s != (said{}) {
			got[op] = s
		}
	}
	return got
}

func everything(s said) map[bucket.Op]said {
	return map[bucket.Op]said{bucket.OpPut: s, bucket.OpGet: s, bucket.OpDelete: s, bucket.OpList: s}
}

func TestWhatAzuriteAnswers(t *testing.T) {
	denied := func(permission string) said {
		return said{bucket.KindDenied, "AuthorizationPermissionMismatch", http.StatusForbidden, permission}
	}
	// Azure itself says AuthenticationFailed where Azurite says this.
	refused := said{bucket.KindBadCredential, "AuthorizationFailure", http.StatusForbidden, ""}
	now := time.Now()
	for _, tc := range []struct {
		name   string
		change func(*azureblobtest.Values)
		spoil  bool
		stored string // the permissions of the stored policy
		want   map[bucket.Op]said
		says   string // in each error
	}{
		{name: "all is permitted", want: map[bucket.Op]said{}},
		{name: "put is not permitted", change: func(v *azureblobtest.Values) { v.Permissions = "rdl" },
			want: map[bucket.Op]said{bucket.OpPut: denied("SAS w")}},
		{name: "get is not permitted", change: func(v *azureblobtest.Values) { v.Permissions = "wdl" },
			want: map[bucket.Op]said{bucket.OpGet: denied("SAS r")}},
		{name: "delete is not permitted", change: func(v *azureblobtest.Values) { v.Permissions = "rwl" },
			want: map[bucket.Op]said{bucket.OpDelete: denied("SAS d")}},
		{name: "list is not permitted", change: func(v *azureblobtest.Values) { v.Permissions = "rwd" },
			want: map[bucket.Op]said{bucket.OpList: denied("SAS l")}},
		{name: "a token that has expired", change: func(v *azureblobtest.Values) { v.End = now.Add(-2 * time.Hour) },
			want: everything(refused), says: "expired 2h0m ago"},
		{name: "a token that is not valid yet", change: func(v *azureblobtest.Values) { v.Start = now.Add(30*time.Minute + 5*time.Second) },
			want: everything(refused), says: "its start is 30m ahead"},
		{name: "another signature", spoil: true, want: everything(refused), says: "signed with a key that is not"},
		{name: "a token for https only", change: func(v *azureblobtest.Values) { v.Protocol = "https" },
			want: everything(said{bucket.KindConfig, "AuthorizationProtocolMismatch", http.StatusForbidden, ""})},
		{name: "an account's token for queues only", change: func(v *azureblobtest.Values) { v.Container, v.Services = "", "q" },
			want: everything(said{bucket.KindDenied, "AuthorizationServiceMismatch", http.StatusForbidden, "SAS ss=b"})},
		{name: "an account's token for objects only", change: func(v *azureblobtest.Values) { v.Container, v.ResourceTypes = "", "o" },
			want: map[bucket.Op]said{bucket.OpList: {bucket.KindDenied, "AuthorizationResourceTypeMismatch", http.StatusForbidden, "SAS srt=c"}}},
		{name: "a stored policy that permits all", stored: "rwdl",
			change: func(v *azureblobtest.Values) { v.Policy, v.Permissions, v.End = "p", "", time.Time{} }, want: map[bucket.Op]said{}},
		{name: "a stored policy without delete", stored: "rwl",
			change: func(v *azureblobtest.Values) { v.Policy, v.Permissions, v.End = "p", "", time.Time{} },
			want:   map[bucket.Op]said{bucket.OpDelete: denied("SAS d")}},
		{name: "a stored policy that was revoked",
			change: func(v *azureblobtest.Values) { v.Policy, v.Permissions, v.End = "p", "", time.Time{} },
			want:   everything(refused), says: "its stored access policy (si) is gone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := server.NewContainer(t)
			defer c.Remove()
			c.Store("there.txt", []byte("x"))
			c.Policy("p", "rwdl")
			c.Policy("p", tc.stored)
			v := azureblobtest.Values{Account: azurite.Account, Container: c.Name, Permissions: "rwdl", End: now.Add(time.Hour)}
			if tc.change != nil {
				tc.change(&v)
			}
			sas := azureblobtest.SAS(server.Key, v)
			if tc.spoil {
				sas = spoilt(t, sas)
			}
			b := opened(t, server.URL, c.Name, sas)
			if diff := cmp.Diff(tc.want, all(t, b, signatureOf(sas))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := b.Get(t.Context(), "there.txt"); tc.says != "" && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %q, want %q in it", err, tc.says)
			}
		})
	}
}

func TestAContainerThatIsDeletedIsNoBucket(t *testing.T) {
	c := server.NewContainer(t)
	sas := azureblobtest.SAS(server.Key, azureblobtest.Values{Account: azurite.Account, Container: c.Name, Permissions: "rwdl", End: time.Now().Add(time.Hour)})
	b := opened(t, server.URL, c.Name, sas)
	must(t, b.Put(t.Context(), "x", nil))
	c.Remove()
	if diff := cmp.Diff(everything(said{bucket.KindNoBucket, "ContainerNotFound", http.StatusNotFound, ""}), all(t, b, signatureOf(sas))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
