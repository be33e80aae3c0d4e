package probe

import (
	"bytes"
	"context"
	"errors"
	"syscall"

	"github.com/rotatord/rotatord/bucket"
)

// Verdict is what a preflight comes to. The set is closed: metrics use it as a
// label.
type Verdict string

const (
	// Passed: put, get and delete are permitted, and list where it is needed.
	Passed Verdict = "passed"
	// Refused: the server has spoken against the credential.
	Refused Verdict = "refused"
	// Inconclusive: nobody has said no, and not everything was permitted.
	Inconclusive Verdict = "inconclusive"
)

// Preflight is the outcome of RunPreflight. It is stored as JSON and holds
// nothing secret.
type Preflight struct {
	Verdict Verdict `json:"verdict"`
	// Step is the operation that decided against passing.
	Step bucket.Op `json:"step,omitempty"`
	// Kind is why, in the words of bucket.
	Kind bucket.Kind `json:"kind,omitempty"`
	// Permission is what is missing, in the provider's words, where that is why.
	Permission string `json:"permission,omitempty"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
	// LeftBehind: our object lies in the bucket and could not be deleted. Give
	// it back as ResumeDelete.
	LeftBehind bool `json:"left_behind,omitempty"`
	// GetProven: a GET of our own object was permitted, which is what Look
	// needs to infer that something is absent.
	GetProven bool `json:"get_proven,omitempty"`
}

// PreflightOptions say how to go about it.
type PreflightOptions struct {
	// Key is the object to use: see ObjectKey.
	Key string
	// ResumeDelete: an earlier preflight of this version has left its object
	// behind. Begin by deleting that, and write again only if it is permitted:
	// a bucket that keeps versions would otherwise grow with each try.
	ResumeDelete bool
}

// body is what is written: a text for whoever finds it.
var body = []byte(`This object was written by rotatord to prove that a new storage credential works
before it is given to Planet. It should have been deleted at once. If it is still
here, the credential is not permitted to delete objects. It can be deleted safely.
`)

// RunPreflight puts, gets and deletes one object, and lists where Planet needs
// to. It deletes what it has put
// even when the get was refused or ctx has ended in between, within 20 seconds
// of their own.
func RunPreflight(ctx context.Context, b bucket.Bucket, o PreflightOptions) Preflight {
	if ctx.Err() != nil {
		return Preflight{Verdict: Inconclusive, Step: bucket.OpPut, Kind: bucket.KindUnreachable, LeftBehind: o.ResumeDelete,
			Detail: "the preflight was given up before it began"}
	}
	if o.ResumeDelete {
		if err := b.Delete(ctx, o.Key); err != nil {
			p := judge(bucket.OpDelete, err)
			p.LeftBehind = presence(err) != bucket.PresenceGone
			return p
		}
	}
	if err := b.Put(ctx, o.Key, body); err != nil {
		p := judge(bucket.OpPut, err)
		switch {
		case presence(err) == bucket.PresenceThere:
			p.LeftBehind = true // it was refused because one of ours is there
		case perhapsDone(err):
			p.LeftBehind = deniedCleanUp(ctx, b, o.Key)
		}
		return p
	}
	got, getErr := b.Get(ctx, o.Key)
	listErr := list(ctx, b, o.Key)
	clean, cancel := afterwards(ctx)
	defer cancel()
	deleteErr := b.Delete(clean, o.Key)

	p := Preflight{Verdict: Passed}
	switch {
	case getErr != nil:
		p = judge(bucket.OpGet, getErr)
	case !sameBody(got):
		p = Preflight{Verdict: Inconclusive, Step: bucket.OpGet, Kind: bucket.KindUnknown,
			Detail: "the object reads differently from what was just written; is something else writing " + o.Key + "?"}
	}
	if listErr != nil {
		p = worse(p, judge(bucket.OpList, listErr))
	}
	if deleteErr != nil {
		p = worse(p, judge(bucket.OpDelete, deleteErr))
		p.LeftBehind = presence(deleteErr) != bucket.PresenceGone
	}
	p.GetProven = getErr == nil
	return p
}

// list tries to list where Planet needs that too: of Azure's tokens it asks for
// the permission.
func list(ctx context.Context, b bucket.Bucket, key string) error {
	if l, ok := b.(bucket.Lister); ok {
		return l.List(ctx, key)
	}
	return nil
}

// judge makes the outcome of one step that has failed.
func judge(step bucket.Op, err error) Preflight {
	p := Preflight{Verdict: Inconclusive, Step: step}
	p.Kind, p.Permission, p.Detail = failure(err)
	if p.Kind.Refused() {
		p.Verdict = Refused
	}
	return p
}

// worse chooses which of two steps to report: a refusal before what is
// inconclusive, the earlier before the later; the other is told as well.
func worse(first, second Preflight) Preflight {
	switch {
	case first.Verdict == Passed:
		return second
	case first.Verdict != Refused && second.Verdict == Refused:
		first, second = second, first
	}
	first.Detail += "; also " + second.Detail
	return first
}

// perhapsDone tells whether a put that failed may have taken effect all the
// same: it was not answered, or answered by a server in trouble.
func perhapsDone(err error) bool {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return false
	}
	kind := bucket.KindOf(err)
	return kind == bucket.KindUnreachable || kind == bucket.KindServer || kind == bucket.KindUnknown
}

// deniedCleanUp deletes what a put of unknown outcome may have left, and tells
// whether the server refused that. A server that can't be reached is no sign
// of anything left.
func deniedCleanUp(ctx context.Context, b bucket.Bucket, key string) bool {
	clean, cancel := afterwards(ctx)
	defer cancel()
	var e *bucket.Error
	return errors.As(b.Delete(clean, key), &e) && e.Kind == bucket.KindDenied && e.Object != bucket.PresenceGone
}

// presence is what a refusal has shown of the object.
func presence(err error) bucket.Presence {
	var e *bucket.Error
	if errors.As(err, &e) {
		return e.Object
	}
	return bucket.PresenceUnknown
}

// sameBody compares what was read, which may be no more than the beginning.
func sameBody(got bucket.Object) bool {
	want := body[:min(len(body), bucket.MaxBody)]
	return got.Size == int64(len(body)) && bytes.Equal(got.Body, want)
}
