package aws_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

func TestEveryMissingPermissionIsNamedAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name   string
		deny   []string
		kms    bool
		wanted []string
	}{
		{"nothing is missing", nil, false, nil},
		{"describing", []string{"DescribeSecret"}, false, []string{"secretsmanager:DescribeSecret"}},
		{"reading", []string{"GetSecretValue"}, false, []string{"secretsmanager:GetSecretValue"}},
		{"both", []string{"DescribeSecret", "GetSecretValue"}, false, []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}},
		{"describing and the key", []string{"DescribeSecret"}, true, []string{"kms:Decrypt", "secretsmanager:DescribeSecret"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, awstest.Options{})
			p := open(t, s)
			arn, _ := s.Create("planet/s3", awstest.Text("a value"))
			s.Deny(arn, tc.deny...)
			if tc.kms {
				s.SetKMS(arn, awstest.KMSDenied)
			}
			got, err := providers.Set{p.Kind()}.Missing(t.Context(), credential.Secret(arn))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.wanted, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAKeyThatIsNotAcceptedIsNoMissingPermission(t *testing.T) {
	s := start(t, awstest.Options{})
	p := open(t, s)
	arn, _ := s.Create("planet/s3", awstest.Text("a value"))
	s.Revoke(own.ID)
	if got, err := p.Missing(t.Context(), credential.Secret(arn)); err == nil {
		t.Errorf("missing %v, and no error", got)
	}
	var _ providers.Checker = (*aws.Provider)(nil)
}
