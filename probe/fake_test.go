package probe_test

import (
	"context"
	"slices"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// fake is a bucket in memory which fails as it is told.
type fake struct {
	fail    map[bucket.Op]error
	after   func(bucket.Op) // called after each operation
	objects map[string][]byte
	did     []bucket.Op
	now     time.Time
	stored  time.Time
	// keeps: a put that fails takes effect all the same.
	keeps bool
	// twist changes what is read.
	twist func(*bucket.Object)
}

func newFake() *fake { return &fake{fail: map[bucket.Op]error{}, objects: map[string][]byte{}} }

func refuse(op bucket.Op, kind bucket.Kind, permission string) error {
	return &bucket.Error{Op: op, Kind: kind, Permission: permission}
}

func (f *fake) begin(ctx context.Context, op bucket.Op) error {
	f.did = append(f.did, op)
	if ctx.Err() != nil {
		return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Err: ctx.Err()}
	}
	if f.after != nil {
		defer f.after(op)
	}
	return f.fail[op]
}

func (f *fake) Put(ctx context.Context, key string, body []byte) error {
	err := f.begin(ctx, bucket.OpPut)
	if err == nil || f.keeps {
		f.objects[key], f.stored = slices.Clone(body), f.now
	}
	return err
}

func (f *fake) Get(ctx context.Context, key string) (bucket.Object, error) {
	if err := f.begin(ctx, bucket.OpGet); err != nil {
		return bucket.Object{}, err
	}
	body, ok := f.objects[key]
	if !ok {
		return bucket.Object{}, &bucket.Error{Op: bucket.OpGet, Kind: bucket.KindNotFound, ServerTime: f.now}
	}
	o := bucket.Object{Key: key, Body: body[:min(len(body), bucket.MaxBody)], Size: int64(len(body)), LastModified: f.stored, ServerTime: f.now}
	if f.twist != nil {
		f.twist(&o)
	}
	return o, nil
}

func (f *fake) Delete(ctx context.Context, key string) error {
	if err := f.begin(ctx, bucket.OpDelete); err != nil {
		return err
	}
	delete(f.objects, key)
	return nil
}
