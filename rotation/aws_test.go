package rotation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/store"
)

// What Secrets Manager bills is requests: they are counted by its own record,
// with the real SDK in between.
func TestWhatARotationAndAnIdleHourCostAtSecretsManager(t *testing.T) {
	in(t, 3, nil, func(t *testing.T, w *world) {
		server := awstest.New(awstest.Options{Keys: []awstest.Key{{ID: "AKIAROTATORD00000000", Secret: "rotatord-secret-" + canary}}})
		defer server.Close()
		p, err := aws.New(aws.Options{Region: awstest.DefaultRegion, Transport: server.RoundTripper(),
			Credentials: credentials.NewStaticCredentialsProvider("AKIAROTATORD00000000", "rotatord-secret-"+canary, "")})
		must(t, err)
		defer p.Close()
		w.provider = p
		value := func(k key) awstest.Value {
			return awstest.Text(fmt.Sprintf(`{"aws_access_key_id":%q,"aws_secret_access_key":%q}`, k.id, k.secret))
		}
		for i := range w.destinations {
			arn, _ := server.Create(fmt.Sprint("planet/s3-", i), value(w.src.now(w.destinations[i].Secret)))
			w.destinations[i].Secret = credential.Secret(arn)
		}
		w.start()
		// They share a bucket, so that one may see Planet's object of another's
		// check, and look again a minute later.
		time.Sleep(4 * time.Minute)
		for i := range w.destinations {
			w.wantState(i, store.StateInSync, "")
		}
		counts := func() (describe, get int) { return server.Count("DescribeSecret"), server.Count("GetSecretValue") }

		describe, get := counts()
		time.Sleep(time.Hour)
		d, g := counts()
		if d-describe != 4*len(w.destinations) || g != get {
			t.Errorf("an idle hour cost %d DescribeSecret and %d GetSecretValue for %d secrets, want four and none for each",
				d-describe, g-get, len(w.destinations))
		}

		next := w.newKey("next")
		server.Put(string(w.destinations[0].Secret), value(next))
		describe, get = counts()
		must(t, w.current().Emit(context.Background(), credential.Event{Secret: w.destinations[0].Secret, Source: "test"}))
		time.Sleep(10 * time.Second)
		w.wantStored(0, next)
		if d, g = counts(); d-describe != 1 || g-get != 1 {
			t.Errorf("a rotation cost %d DescribeSecret and %d GetSecretValue, want one of each", d-describe, g-get)
		}

		// An event that speaks of what never was is looked into, and then forgotten.
		time.Sleep(4 * time.Minute)
		must(t, w.current().Emit(context.Background(), credential.Event{Secret: w.destinations[0].Secret, Source: "test", Version: "never-was", Time: time.Now()}))
		time.Sleep(time.Minute)
		describe, get = counts()
		time.Sleep(time.Hour)
		if d, g = counts(); d-describe != 4*len(w.destinations) || g != get {
			t.Errorf("an hour after an event of no use cost %d DescribeSecret and %d GetSecretValue", d-describe, g-get)
		}
	})
}
