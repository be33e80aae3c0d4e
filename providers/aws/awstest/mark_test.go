package awstest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers/aws/awstest"
)

// TestALabelMovesOnlyFromWhereItIs: who moves a label has to know where it is.
func TestALabelMovesOnlyFromWhereItIs(t *testing.T) {
	s := newServer(awstest.Options{})
	api := client(s, owner)
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	second := s.Put(arn, awstest.Text("two"))
	for i, step := range []struct{ to, from, code string }{
		{"", first, "InvalidParameterException"}, // it is nowhere
		{first, second, "InvalidParameterException"},
		{first, "", ""},
		{first, "", ""}, // once more
		{second, "", "InvalidParameterException"},
		{second, second, "InvalidParameterException"},
		{"00000000-0000-4000-8000-000000000000", first, "ResourceNotFoundException"},
		{second, first, ""},
		{"", first, "InvalidParameterException"},
		{"", second, ""},
	} {
		in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &arn, VersionStage: aws.String("in-use")}
		if step.to != "" {
			in.MoveToVersionId = &step.to
		}
		if step.from != "" {
			in.RemoveFromVersionId = &step.from
		}
		_, err := api.UpdateSecretVersionStage(t.Context(), in)
		if code := codeOf(err); code != step.code {
			t.Errorf("step %d: %q, want %q: %v", i, code, step.code, err)
		}
	}
	if diff := cmp.Diff(map[string]string{awstest.Current: second, awstest.Previous: first}, s.Labels(arn)); diff != "" {
		t.Error(diff)
	}
}
