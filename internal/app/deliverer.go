package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
)

// Verifier checks credentials as Planet does, for the simulator: it writes
// planetverify.txt into the destination's bucket and deletes it again, with
// the credentials that the simulator was given. endpoint, if set, is where
// buckets are reached instead of their clouds; those of s3_compatible say
// themselves where they are.
func Verifier(kinds bucket.Kinds, endpoint string) planettest.Verifier {
	return &simulated{kinds, func(string) string { return endpoint }}
}

// Deliverer writes files as Planet does when it delivers, for the simulator:
// into the destination's bucket, with the credentials that the delivery started
// with. What it says of a failure is the cloud's own word, "InvalidAccessKeyId".
// endpoint is as in [Verifier].
func Deliverer(kinds bucket.Kinds, endpoint string) planettest.Deliverer {
	return &simulated{kinds, func(string) string { return endpoint }}
}

// patience is how long the simulated Planet tries to reach a bucket.
const patience = time.Minute

// simulated is what the simulator reaches buckets with.
type simulated struct {
	kinds bucket.Kinds
	// endpoint is where buckets of a type are reached instead of their cloud;
	// empty for the cloud.
	endpoint func(typ string) string
}

// open opens the bucket of a destination with the credentials that stand in its
// parameters. It does not touch the network. Its errors are [*bucket.Error].
func (s *simulated) open(typ string, parameters json.RawMessage) (bucket.Bucket, error) {
	at, err := bucket.ParseLocation(typ, parameters)
	if err != nil {
		return nil, err
	}
	if at.Type != bucket.TypeS3Compatible {
		at = at.WithEndpoint(s.endpoint(at.Type))
	}
	with, err := credentialsOf(typ, parameters)
	defer with.Clear()
	if err != nil {
		return nil, err
	}
	return s.kinds.Open(at, with)
}

// Verify implements [planettest.Verifier].
func (s *simulated) Verify(ctx context.Context, v planettest.Verification) error {
	b, err := s.open(v.Type, v.Parameters)
	switch {
	case bucket.KindOf(err) == bucket.KindUnsupported:
		return planettest.ErrUnsupported
	case err != nil:
		return &planettest.VerifyError{Step: planettest.StepWrite, Message: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.Put(ctx, v.Object, []byte("planet\n")); err != nil {
		return &planettest.VerifyError{Step: planettest.StepWrite, Message: err.Error()}
	}
	v.Written(ctx)
	if err := b.Delete(ctx, v.Object); err != nil {
		return &planettest.VerifyError{Step: planettest.StepDelete, Message: err.Error()}
	}
	return nil
}

// Deliver implements [planettest.Deliverer].
func (s *simulated) Deliver(ctx context.Context, f planettest.File) error {
	b, err := s.open(f.Type, f.Parameters)
	switch {
	case bucket.KindOf(err) == bucket.KindUnsupported:
		return planettest.ErrUnsupported
	case err != nil:
		return &planettest.DeliveryError{Code: wordOf(err)}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.Put(ctx, f.Object, f.Body); err != nil {
		return &planettest.DeliveryError{Code: wordOf(err)}
	}
	return nil
}

// wordOf is what a cloud calls a refusal: the code of S3 and Azure, the reason
// of Google. Where it gave none, as when nobody answered, it is the kind.
func wordOf(err error) string {
	var e *bucket.Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return string(bucket.KindOf(err))
}

func credentialsOf(typ string, parameters json.RawMessage) (credential.Parameters, error) {
	var p credential.Parameters
	fields, known := planet.Type(typ).Fields()
	if !known {
		return p, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindUnsupported}
	}
	var all map[string]any
	if err := json.Unmarshal(parameters, &all); err != nil {
		// The error would quote what it read.
		return p, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindConfig, Message: "the parameters are not a JSON object"}
	}
	for _, f := range fields.Credential {
		if s, ok := all[f].(string); ok {
			p.Set(f, credential.NewValue([]byte(s)))
		}
	}
	return p, nil
}

// readEndpoints reads "URL", for amazon_s3 and oracle_cloud_storage, and
// "TYPE=URL".
func readEndpoints(list []string) (func(typ string) string, error) {
	at := map[string]string{}
	for _, item := range list {
		typ, url, typed := strings.Cut(item, "=")
		if !typed || strings.Contains(typ, "/") { // a URL may hold a "="
			at[bucket.TypeAmazonS3], at[bucket.TypeOracleCloudStorage] = item, item
			continue
		}
		if _, known := planet.Type(typ).Fields(); !known || typ == bucket.TypeS3Compatible || url == "" {
			return nil, fmt.Errorf("a bucket endpoint is a URL, or TYPE=URL with one of %s; s3_compatible names its own",
				strings.Join([]string{bucket.TypeAmazonS3, bucket.TypeAzureBlobStorage, bucket.TypeGoogleCloudStorage, bucket.TypeOracleCloudStorage}, ", "))
		}
		at[typ] = url
	}
	return func(typ string) string { return at[typ] }, nil
}
