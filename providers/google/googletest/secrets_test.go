package googletest_test

import (
	"strings"
	"testing"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func TestAnUpdateTakesTheEtagAndReplacesAnnotations(t *testing.T) {
	s := start(t)
	s.Create(name, []byte("one"))
	c := client(t, s, s.Token())
	before, err := c.GetSecret(t.Context(), &pb.GetSecretRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	update := func(etag string, annotations map[string]string, mask ...string) codes.Code {
		_, err := c.UpdateSecret(t.Context(), &pb.UpdateSecretRequest{
			Secret: &pb.Secret{Name: name, Etag: etag, Annotations: annotations}, UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
		})
		return status.Code(err)
	}
	for i, step := range []struct {
		etag        string
		annotations map[string]string
		mask        string
		want        codes.Code
	}{
		{before.GetEtag(), map[string]string{"a": "1", "b": "2"}, "annotations", codes.OK},
		{before.GetEtag(), map[string]string{"a": "2"}, "annotations", codes.FailedPrecondition},
		{"", map[string]string{"a": "3"}, "annotations", codes.OK},
		{"", nil, "topics", codes.InvalidArgument},
		{"", map[string]string{"a b": "3"}, "annotations", codes.InvalidArgument},
		{"", map[string]string{"a": strings.Repeat("x", 17<<10)}, "annotations", codes.InvalidArgument},
	} {
		if got := update(step.etag, step.annotations, step.mask); got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
	if diff := cmp.Diff(map[string]string{"a": "3"}, s.Annotations(name)); diff != "" {
		t.Error(diff)
	}
	s.Deny(name, "secretmanager.secrets.update")
	if got := update("", nil, "annotations"); got != codes.PermissionDenied {
		t.Error(got)
	}
}
