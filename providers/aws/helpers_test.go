package aws_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// A developer's own AWS configuration is no part of these tests.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
			must(os.Unsetenv(name))
		}
	}
	must(os.Setenv("AWS_EC2_METADATA_DISABLED", "true"))
	must(os.Setenv("AWS_CONFIG_FILE", os.DevNull))
	must(os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull))
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// own is rotatord's key in these tests.
var own = awstest.Key{ID: "AKIAROTATORD", Secret: "rotatord/own+secret=key"}

// start gives a server on loopback that knows own.
func start(t testing.TB, o awstest.Options) *awstest.Server {
	t.Helper()
	o.Keys = append(o.Keys, own)
	s := awstest.New(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// open gives a provider of that server's secrets, over real HTTP.
func open(t testing.TB, s *awstest.Server, with ...func(*aws.Options)) *aws.Provider {
	t.Helper()
	o := aws.Options{
		Endpoint: s.URL(), STSEndpoint: s.URL(), MaxBackoff: time.Millisecond,
		Credentials: static(),
	}
	for _, f := range with {
		f(&o)
	}
	return mustNew(t, o)
}

func mustNew(t testing.TB, o aws.Options) *aws.Provider {
	t.Helper()
	p, err := aws.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func static() credentials.StaticCredentialsProvider {
	return credentials.NewStaticCredentialsProvider(own.ID, own.Secret, "")
}

func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// both gives a server and a provider.
func both(t testing.TB) (*awstest.Server, *aws.Provider) {
	t.Helper()
	s := start(t, awstest.Options{})
	return s, open(t, s)
}

func current(t testing.TB, p *aws.Provider, s string) credential.Version {
	t.Helper()
	v, err := p.Current(t.Context(), credential.Secret(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, p *aws.Provider, s, version string) string {
	t.Helper()
	v, err := p.Read(t.Context(), credential.Secret(s), version)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Clear()
	return string(v.Bytes())
}

// reason holds that err is one of the contract's and gives it.
func reason(t testing.TB, err error) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *providers.Error: %v", err, err)
	}
	return e
}
