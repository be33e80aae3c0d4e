package integration

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/integration/internal/azurite"
)

// googleWorld is Google, on the server of bucket/gcs/gcstest: one for each spot,
// so that its clock can be set.
func googleWorld() world {
	permissions := map[bucket.Op][]string{
		opPut: {string(gcstest.Create)}, opGet: {string(gcstest.Get)}, opDelete: {string(gcstest.Delete)}, opList: {string(gcstest.List)},
	}
	const name, email = "planet-data", "deliveries@project.iam.gserviceaccount.com"
	fresh := func(t *testing.T, settings gcstest.Settings, lacking []bucket.Op) *spot {
		t.Helper()
		srv := gcstest.NewServer()
		must(t, srv.Start())
		t.Cleanup(srv.Close)
		srv.CreateBucket(name)
		srv.Set(name, settings)
		var may []gcstest.Permission
		for _, p := range permitted(permissions, lacking) {
			may = append(may, gcstest.Permission(p))
		}
		srv.Grant(email, name, may...)
		k, err := srv.AddKey(email, time.Time{})
		must(t, err)
		s := &spot{url: srv.URL(), endpoint: srv.URL()}
		s.open = func(t *testing.T, s *spot) bucket.Bucket {
			t.Helper()
			var p credential.Parameters
			p.Set("credentials", credential.NewValue(k.Credentials(s.endpoint+"/token")))
			defer p.Clear()
			b, err := gcs.Opener(gcs.Options{Transport: tcp(t), Timeout: s.wait})(
				bucket.Location{Type: bucket.TypeGoogleCloudStorage, Bucket: name, Endpoint: s.endpoint}, p)
			must(t, err)
			return b
		}
		s.put = func(key string) { must(t, srv.PutObject(name, key, []byte("left"))) }
		s.remove = func(key string) { must(t, srv.DeleteObject(name, key)) }
		s.has = func(key string) bool { _, ok := srv.Object(name, key); return ok }
		s.drop = func() { srv.DeleteBucket(name) }
		s.revoke = func() { srv.Revoke(k.ID) }
		s.wrong = func() { k, err = srv.ForgeKey(email, k.ID); must(t, err) }
		s.unknown = func() { k, err = srv.ForgeKey(email, ""); must(t, err) }
		// The server comes to know the key once its clock is set, less than what
		// it lets clocks differ.
		s.asleep = func() { k, err = srv.AddKey(email, time.Now().Add(2*time.Minute)); must(t, err) }
		s.awake = func() { srv.SetSkew(3 * time.Minute) }
		s.skew = func() { srv.SetSkew(-s.clock); s.note = noteServersClock }
		return s
	}
	return world{
		kind: bucket.TypeGoogleCloudStorage,
		fresh: func(t *testing.T, lacking ...bucket.Op) *spot {
			t.Helper()
			return fresh(t, gcstest.Settings{}, lacking)
		},
		versioned: func(t *testing.T, lacking ...bucket.Op) *spot {
			t.Helper()
			return fresh(t, gcstest.Settings{Versioning: true}, lacking)
		},
	}
}

// tokenCase is something that only a token of Azure's can have.
type tokenCase int

const (
	expired tokenCase = iota
	early
	endless
	endlessAlone
)

var letters = map[bucket.Op][]string{opPut: {"w"}, opGet: {"r"}, opDelete: {"d"}, opList: {"l"}}

// lettersOf are permissions in the order that tokens have them.
func lettersOf(lacking []bucket.Op) string {
	text := ""
	for _, op := range []bucket.Op{opGet, opPut, opDelete, opList} {
		if !slices.Contains(lacking, op) {
			text += letters[op][0]
		}
	}
	return text
}

// azureWorld is Azure, on Azurite.
func azureWorld(t *testing.T) world {
	t.Helper()
	server, err := azurite.Start(gateway.repository)
	must(t, err)
	t.Cleanup(func() {
		if err := server.End(); err != nil {
			t.Error(err)
		}
	})
	fresh := func(t *testing.T, lacking ...bucket.Op) *spot {
		t.Helper()
		return azuriteSpot(t, server, lettersOf(lacking))
	}
	return world{kind: bucket.TypeAzureBlobStorage, fresh: fresh, versioned: versionedBlobs,
		token: func(t *testing.T, which tokenCase) *spot {
			t.Helper()
			s := fresh(t)
			s.token(which)
			return s
		}}
}

// azuriteSpot is a container of Azurite with a token of its own.
func azuriteSpot(t *testing.T, server *azurite.Server, permissions string) *spot {
	t.Helper()
	c := server.NewContainer(t)
	v := azureblobtest.Values{Account: azurite.Account, Container: c.Name, Permissions: permissions, End: time.Now().Add(time.Hour)}
	key, spoil := server.Key, false
	s := &spot{url: server.URL, endpoint: server.URL, put: func(key string) { c.Store(key, []byte("left")) }, remove: c.Delete, drop: c.Remove}
	s.has = func(key string) bool { return slices.Contains(c.Blobs(), key) }
	s.open = func(t *testing.T, s *spot) bucket.Bucket {
		t.Helper()
		sas := azureblobtest.SAS(key, v)
		if spoil {
			var err error
			sas, err = azurite.Spoilt(sas)
			must(t, err)
		}
		return openBlobs(t, s, c.Name, sas)
	}
	byPolicy := func() { v.Policy, v.Permissions, v.End, s.note = "p", "", time.Time{}, notePolicy }
	s.wrong = func() { spoil = true }
	s.unknown = func() { key = []byte("canary key of another account") }
	s.asleep = byPolicy
	s.awake = func() { c.Policy("p", permissions) }
	s.revoke = func() { c.Policy("p", ""); s.note = notePolicy }
	s.skew = func() { s.note = noteNoDate }
	s.revocable = func() { byPolicy(); c.Policy("p", permissions) }
	s.token = func(which tokenCase) {
		switch which {
		case expired:
			v.End = time.Now().Add(-2*time.Hour - 30*time.Second)
		case early:
			v.Start = time.Now().Add(30*time.Minute + 30*time.Second)
		case endless:
			s.revocable()
			s.note = 0
		case endlessAlone:
			v.End = time.Time{}
		}
	}
	return s
}

func openBlobs(t *testing.T, s *spot, container, sas string) bucket.Bucket {
	t.Helper()
	var p credential.Parameters
	p.Set("sas_token", credential.NewValue([]byte(sas)))
	defer p.Clear()
	b, err := azureblob.Opener(azureblob.Options{Transport: undated{tcp(t)}, Timeout: s.wait})(bucket.Location{
		Type: bucket.TypeAzureBlobStorage, Account: azurite.Account, Container: container, Endpoint: s.endpoint}, p)
	must(t, err)
	return b
}

// undated lets only requests through that don't tell our time.
type undated struct{ next http.RoundTripper }

func (u undated) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Date") != "" || r.Header.Get("X-Ms-Date") != "" {
		return nil, errors.New("the request tells our time")
	}
	return u.next.RoundTrip(r)
}

// versionedBlobs is a container that keeps versions, on a server of ours:
// Azurite has none.
func versionedBlobs(t *testing.T, lacking ...bucket.Op) *spot {
	t.Helper()
	const name = "orders"
	key := []byte("canary key of our own server")
	srv := azureblobtest.NewServer()
	srv.SetKeys(azurite.Account, key)
	srv.CreateContainer(azurite.Account, name)
	srv.SetVersioning(azurite.Account, name, true)
	must(t, srv.Start())
	t.Cleanup(srv.Close)
	sas := azureblobtest.SAS(key, azureblobtest.Values{Account: azurite.Account, Container: name, Permissions: lettersOf(lacking), End: time.Now().Add(time.Hour)})
	s := &spot{url: srv.URL(), endpoint: srv.URL(), note: noteOwnServer}
	s.open = func(t *testing.T, s *spot) bucket.Bucket { t.Helper(); return openBlobs(t, s, name, sas) }
	s.put = func(key string) { srv.PutBlob(azurite.Account, name, key, []byte("left")) }
	s.has = func(key string) bool { return slices.Contains(srv.Blobs(azurite.Account, name), key) }
	return s
}
