package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/web"
)

// fake is a directory that remembers what it was asked.
type fake struct {
	asked any
	err   error
}

func (f *fake) Find(_ context.Context, q web.Find) ([]web.Destination, error) {
	f.asked = q
	return nil, f.err
}

func (f *fake) Create(_ context.Context, r web.Create) (web.Created, error) {
	f.asked = r
	return web.Created{Destination: web.Destination{ID: "made"}}, f.err
}

func (f *fake) Change(_ context.Context, r web.Change) (web.Changed, error) {
	f.asked = r
	return web.Changed{Already: true}, f.err
}

func TestQuestionsArriveAsTheyWereAsked(t *testing.T) {
	f := &fake{}
	c := web.Client{Transport: web.Direct((&web.API{Directory: f}).Handler())}
	ctx := context.Background()
	at := web.Target{Account: "prod", BaseURL: "http://x/y?z", Name: "pl:destinations/a b"}

	find := web.Find{Target: at, Archived: true, Default: true}
	all, err := c.Find(ctx, find)
	if diff := cmp.Diff(any(find), f.asked); diff != "" || err != nil || all == nil {
		t.Error(diff, err, all)
	}
	create := web.Create{Target: at, Type: "amazon_s3", NewName: "n", Location: map[string]string{"bucket": "b"}, Options: map[string]bool{"explicit_sse": false},
		Secret: "file:///s", Map: map[string]string{"sas_token": ""}, Untried: true, OverQuota: true, BucketEndpoint: "e"}
	made, err := c.Create(ctx, create)
	if diff := cmp.Diff(any(create), f.asked); diff != "" || err != nil || made.Destination.ID != "made" {
		t.Error(diff, err, made)
	}
	no, name := false, "other"
	for _, change := range []web.Change{{Target: at, Rename: &name}, {Target: at, Archive: &no}, {Target: at, Default: &no}} {
		got, err := c.Change(ctx, change)
		if diff := cmp.Diff(any(change), f.asked); diff != "" || err != nil || !got.Already {
			t.Error(diff, err, got)
		}
	}
}

func TestErrorsKeepTheirMeaningOnTheWay(t *testing.T) {
	for _, tt := range []struct {
		err            error
		usage, refused bool
	}{
		{web.Wrong("no such type"), true, false},
		{web.Refused("the name is taken"), false, true},
		{errors.New("no answer"), false, false},
	} {
		f := &fake{err: tt.err}
		c := web.Client{Transport: web.Direct((&web.API{Directory: f}).Handler())}
		_, findErr := c.Find(context.Background(), web.Find{})
		_, createErr := c.Create(context.Background(), web.Create{})
		_, changeErr := c.Change(context.Background(), web.Change{})
		for _, err := range []error{findErr, createErr, changeErr} {
			var remote *web.RemoteError
			if !errors.As(err, &remote) || remote.Text != tt.err.Error() || remote.Usage != tt.usage || remote.Refused != tt.refused {
				t.Errorf("%v became %#v", tt.err, err)
			}
		}
	}
}

func TestWhatIsNoQuestionIsRefused(t *testing.T) {
	f := &fake{}
	transport := web.Direct((&web.API{Directory: f}).Handler())
	for _, tt := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/destinations?archived=perhaps", ""},
		{http.MethodPost, "/v1/destinations", `{"type": 1}`},
		{http.MethodPost, "/v1/destinations", `{"credential": "x"}`},
		{http.MethodPost, "/v1/destinations/change", `not JSON`},
		{http.MethodPost, "/v1/push", `{"destination": "x"}`},
	} {
		r, err := http.NewRequestWithContext(context.Background(), tt.method, "http://rotatord"+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusBadRequest || f.asked != nil {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, resp.StatusCode, b)
		}
	}
}
