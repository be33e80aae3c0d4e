package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/probe"
)

const (
	put    = bucket.OpPut
	get    = bucket.OpGet
	del    = bucket.OpDelete
	object = "rotatord-preflight-d.txt"
)

func TestPreflight(t *testing.T) {
	type fails = map[bucket.Op]error
	for _, tc := range []struct {
		name   string
		fail   fails
		keeps  bool
		resume bool
		want   probe.Preflight
		did    []bucket.Op
		left   bool
	}{
		{name: "all permitted passes",
			want: probe.Preflight{Verdict: probe.Passed, GetProven: true}, did: []bucket.Op{put, get, del}},
		{name: "put denied is refused and nothing else is tried",
			fail: fails{put: refuse(put, bucket.KindDenied, "s3:PutObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: put, Kind: bucket.KindDenied, Permission: "s3:PutObject"}, did: []bucket.Op{put}},
		{name: "get denied is refused, and our object is deleted all the same",
			fail: fails{get: refuse(get, bucket.KindDenied, "s3:GetObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: get, Kind: bucket.KindDenied, Permission: "s3:GetObject"}, did: []bucket.Op{put, get, del}},
		{name: "delete denied is refused and leaves our object",
			fail: fails{del: refuse(del, bucket.KindDenied, "s3:DeleteObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: del, Kind: bucket.KindDenied, Permission: "s3:DeleteObject", LeftBehind: true, GetProven: true},
			did:  []bucket.Op{put, get, del}, left: true},
		{name: "get and delete denied names the get and leaves our object",
			fail: fails{get: refuse(get, bucket.KindDenied, "s3:GetObject"), del: refuse(del, bucket.KindDenied, "s3:DeleteObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: get, Kind: bucket.KindDenied, Permission: "s3:GetObject", LeftBehind: true},
			did:  []bucket.Op{put, get, del}, left: true},
		{name: "a refused delete weighs more than a get that was throttled",
			fail: fails{get: refuse(get, bucket.KindThrottled, ""), del: refuse(del, bucket.KindDenied, "s3:DeleteObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: del, Kind: bucket.KindDenied, Permission: "s3:DeleteObject", LeftBehind: true},
			did:  []bucket.Op{put, get, del}, left: true},
		{name: "a refused get weighs more than a delete that was cut",
			fail: fails{get: refuse(get, bucket.KindDenied, "s3:GetObject"), del: refuse(del, bucket.KindUnreachable, "")},
			want: probe.Preflight{Verdict: probe.Refused, Step: get, Kind: bucket.KindDenied, Permission: "s3:GetObject", LeftBehind: true},
			did:  []bucket.Op{put, get, del}, left: true},
		{name: "an unknown key is refused",
			fail: fails{put: refuse(put, bucket.KindBadCredential, "")},
			want: probe.Preflight{Verdict: probe.Refused, Step: put, Kind: bucket.KindBadCredential}, did: []bucket.Op{put}},
		{name: "a missing bucket is refused",
			fail: fails{put: refuse(put, bucket.KindNoBucket, "")},
			want: probe.Preflight{Verdict: probe.Refused, Step: put, Kind: bucket.KindNoBucket}, did: []bucket.Op{put}},
		{name: "another region is refused",
			fail: fails{put: refuse(put, bucket.KindWrongRegion, "")},
			want: probe.Preflight{Verdict: probe.Refused, Step: put, Kind: bucket.KindWrongRegion}, did: []bucket.Op{put}},
		{name: "throttling is inconclusive",
			fail: fails{put: refuse(put, bucket.KindThrottled, "")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindThrottled}, did: []bucket.Op{put}},
		{name: "a wrong clock is inconclusive",
			fail: fails{put: refuse(put, bucket.KindClockSkew, "")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindClockSkew}, did: []bucket.Op{put}},
		{name: "an error that nobody vouches for is inconclusive and not shown",
			fail: fails{put: errors.New("canary")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindUnknown}, did: []bucket.Op{put, del}},
		{name: "a put without an answer that took effect is cleaned up",
			fail: fails{put: refuse(put, bucket.KindUnreachable, "")}, keeps: true,
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindUnreachable}, did: []bucket.Op{put, del}},
		{name: "a put without an answer that may not be cleaned up leaves our object",
			fail:  fails{put: refuse(put, bucket.KindServer, ""), del: refuse(del, bucket.KindDenied, "s3:DeleteObject")},
			keeps: true, left: true,
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindServer, LeftBehind: true}, did: []bucket.Op{put, del}},
		{name: "a bucket out of reach leaves nothing",
			fail: fails{put: refuse(put, bucket.KindUnreachable, ""), del: refuse(del, bucket.KindUnreachable, "")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindUnreachable}, did: []bucket.Op{put, del}},
		{name: "a refused connection needs no cleaning up",
			fail: fails{put: &bucket.Error{Op: put, Kind: bucket.KindUnreachable, Err: syscall.ECONNREFUSED}},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: put, Kind: bucket.KindUnreachable}, did: []bucket.Op{put}},
		{name: "our object gone before it was read is inconclusive and proves no get",
			fail: fails{get: refuse(get, bucket.KindNotFound, "")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: get, Kind: bucket.KindNotFound}, did: []bucket.Op{put, get, del}},
		{name: "resumed and still denied writes nothing new", resume: true,
			fail: fails{del: refuse(del, bucket.KindDenied, "s3:DeleteObject")},
			want: probe.Preflight{Verdict: probe.Refused, Step: del, Kind: bucket.KindDenied, Permission: "s3:DeleteObject", LeftBehind: true},
			did:  []bucket.Op{del}},
		{name: "resumed and not answered writes nothing new", resume: true,
			fail: fails{del: refuse(del, bucket.KindUnreachable, "")},
			want: probe.Preflight{Verdict: probe.Inconclusive, Step: del, Kind: bucket.KindUnreachable, LeftBehind: true},
			did:  []bucket.Op{del}},
		{name: "resumed and permitted goes on with a full one", resume: true,
			want: probe.Preflight{Verdict: probe.Passed, GetProven: true}, did: []bucket.Op{del, put, get, del}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake()
			if tc.fail != nil {
				f.fail = tc.fail
			}
			f.keeps = tc.keeps
			got := probe.RunPreflight(t.Context(), f, probe.PreflightOptions{Key: object, ResumeDelete: tc.resume})
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(probe.Preflight{}, "Detail")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.did, f.did); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
			if _, left := f.objects[object]; left != tc.left {
				t.Errorf("object left: %v, want %v", left, tc.left)
			}
			if (got.Detail == "") != (got.Verdict == probe.Passed) || strings.Contains(got.Detail, "canary") {
				t.Errorf("detail %q of verdict %s", got.Detail, got.Verdict)
			}
		})
	}
}

func TestPreflightTellsOfBothRefusals(t *testing.T) {
	f := newFake()
	f.fail[get] = refuse(get, bucket.KindDenied, "s3:GetObject")
	f.fail[del] = refuse(del, bucket.KindDenied, "s3:DeleteObject")
	p := probe.RunPreflight(t.Context(), f, probe.PreflightOptions{Key: object})
	if want := "get object: denied (s3:GetObject); also delete object: denied (s3:DeleteObject)"; p.Detail != want {
		t.Errorf("got  %s\nwant %s", p.Detail, want)
	}
}

func TestPreflightComparesWhatItReads(t *testing.T) {
	for name, twist := range map[string]func(*bucket.Object){
		"another size": func(o *bucket.Object) { o.Size++ },
		"another body": func(o *bucket.Object) { o.Body = append([]byte("x"), o.Body[1:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.twist = twist
			p := probe.RunPreflight(t.Context(), f, probe.PreflightOptions{Key: object})
			if p.Verdict != probe.Inconclusive || p.Step != get || !p.GetProven || len(f.objects) != 0 {
				t.Errorf("got %+v, left %d", p, len(f.objects))
			}
		})
	}
}

func TestPreflightCleansUpWhenTheContextEnds(t *testing.T) {
	for _, end := range []bucket.Op{put, get} {
		t.Run("after the "+string(end), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			f := newFake()
			f.after = func(op bucket.Op) {
				if op == end {
					cancel()
				}
			}
			p := probe.RunPreflight(ctx, f, probe.PreflightOptions{Key: object})
			if len(f.objects) != 0 || p.LeftBehind {
				t.Errorf("our object was left: %+v", p)
			}
			if end == put && p.Verdict != probe.Inconclusive {
				t.Errorf("verdict %s without a get", p.Verdict)
			}
		})
	}
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f := newFake()
		if p := probe.RunPreflight(ctx, f, probe.PreflightOptions{Key: object}); p.Verdict != probe.Inconclusive || len(f.did) != 0 {
			t.Errorf("got %+v after %v", p, f.did)
		}
	})
}

func TestPreflightSurvivesJSON(t *testing.T) {
	want := probe.Preflight{Verdict: probe.Refused, Step: del, Kind: bucket.KindDenied, Permission: "s3:DeleteObject", Detail: "d", LeftBehind: true, GetProven: true}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"verdict":"refused","step":"delete","kind":"denied","permission":"s3:DeleteObject","detail":"d","left_behind":true,"get_proven":true}`
	if string(data) != text {
		t.Errorf("got  %s\nwant %s", data, text)
	}
	var got probe.Preflight
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestObjectKey(t *testing.T) {
	for _, tc := range []struct{ prefix, id, want string }{
		{"", "my-s3-CKxV9io", "rotatord-preflight-my-s3-CKxV9io.txt"},
		{"orders/", "d1", "orders/rotatord-preflight-d1.txt"},
		{"", "../../a b?c#é", "rotatord-preflight-..-..-a-b-c--.txt"},
	} {
		if got := probe.ObjectKey(tc.prefix, "", tc.id); got != tc.want {
			t.Errorf("ObjectKey(%q, %q) = %q, want %q", tc.prefix, tc.id, got, tc.want)
		}
	}
}

func TestVerifyIsPutThenDelete(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail bucket.Op
		step bucket.Op
		did  []bucket.Op
		left int
	}{
		{"all permitted", "", "", []bucket.Op{put, del}, 0},
		{"put denied", put, put, []bucket.Op{put}, 0},
		{"delete denied leaves the object as Planet does", del, del, []bucket.Op{put, del}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake()
			if tc.fail != "" {
				f.fail[tc.fail] = refuse(tc.fail, bucket.KindDenied, "")
			}
			step, err := probe.Verify(t.Context(), f, probe.VerifyObject)
			if step != tc.step || (err != nil) != (tc.fail != "") || len(f.objects) != tc.left {
				t.Errorf("step %q, error %v, %d left", step, err, len(f.objects))
			}
			if diff := cmp.Diff(tc.did, f.did); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

// lister is a bucket where Planet needs to list as well.
type lister struct{ *fake }

func (l lister) List(ctx context.Context, _ string) error { return l.begin(ctx, bucket.OpList) }

func TestWherePlanetListsPreflightListsToo(t *testing.T) {
	f := newFake()
	if p := probe.RunPreflight(t.Context(), lister{f}, probe.PreflightOptions{Key: "o"}); p.Verdict != probe.Passed || !slices.Contains(f.did, bucket.OpList) {
		t.Errorf("%+v after %v", p, f.did)
	}
	f = newFake()
	f.fail[bucket.OpList] = refuse(bucket.OpList, bucket.KindDenied, "SAS l")
	p := probe.RunPreflight(t.Context(), lister{f}, probe.PreflightOptions{Key: "o"})
	if p.Verdict != probe.Refused || p.Step != bucket.OpList || p.Permission != "SAS l" || p.LeftBehind || !p.GetProven {
		t.Errorf("%+v", p)
	}
	if len(f.objects) != 0 {
		t.Error("the object was left behind")
	}
	f.fail[bucket.OpDelete] = refuse(bucket.OpDelete, bucket.KindDenied, "SAS d")
	p = probe.RunPreflight(t.Context(), lister{f}, probe.PreflightOptions{Key: "o"})
	if p.Step != bucket.OpList || !strings.Contains(p.Detail, "SAS d") || !p.LeftBehind {
		t.Errorf("two missing permissions: %+v", p)
	}
}

func TestObjectKeyOfAnotherName(t *testing.T) {
	if got := probe.ObjectKey("a/", "checks/{id}.tmp", "x/1"); got != "a/checks/x-1.tmp" {
		t.Error(got)
	}
}
