package integration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/providers/aws/awstest"
)

// job is what an owner's rotation function does, "Rotation function
// lifecycle" in the guide of Secrets Manager: create_secret, set_secret,
// test_secret, finish_secret; and then, when somebody says that everybody has
// the new key, revoke. It knows nothing of Planet.
type job struct {
	vault  *secretsmanager.Client
	user   *user
	secret string // its ARN
	made   []key  // all keys so far
}

// The keys to the Secrets Manager: of rotation jobs, and of rotatord, which
// finds its own in the environment.
var (
	jobKey    = awstest.Key{ID: "AKIAROTATIONJOB00001", Secret: "canaryJobSecret0123456789"}
	readerKey = awstest.Key{ID: "AKIAROTATORD00000001", Secret: "canaryReaderSecret0123456789"}
)

func newJob(endpoint, secret string, u *user) *job {
	return &job{user: u, secret: secret, vault: secretsmanager.New(secretsmanager.Options{
		Region: awstest.DefaultRegion, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(jobKey.ID, jobKey.Secret, ""),
	})}
}

// create makes a key and puts it into the secret as AWSPENDING.
func (j *job) create(ctx context.Context) (k key, version string, err error) {
	if k, err = j.user.newKey(ctx); err != nil {
		return key{}, "", fmt.Errorf("create access key: %w", err)
	}
	j.made = append(j.made, k)
	version, err = j.pend(ctx, k)
	return k, version, err
}

func (j *job) pend(ctx context.Context, k key) (version string, err error) {
	text, err := json.Marshal(map[string]string{"AccessKeyId": k.id, "SecretAccessKey": k.secret, "UserName": j.user.name})
	if err != nil {
		return "", err
	}
	out, err := j.vault.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(j.secret),
		ClientRequestToken: aws.String(token()), SecretString: aws.String(string(text)), VersionStages: []string{awstest.Pending}})
	if err != nil {
		return "", fmt.Errorf("put secret value: %w", err)
	}
	return aws.ToString(out.VersionId), nil
}

// finish moves AWSCURRENT to a version. AWSPENDING stays where it is, as the
// contract has it; AWSPREVIOUS moves by itself.
func (j *job) finish(ctx context.Context, version string) error {
	was, err := j.vault.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(j.secret)})
	if err != nil {
		return fmt.Errorf("describe secret: %w", err)
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String(j.secret),
		VersionStage: aws.String(awstest.Current), MoveToVersionId: aws.String(version)}
	for id, stages := range was.VersionIdsToStages {
		for _, s := range stages {
			if s == awstest.Current {
				in.RemoveFromVersionId = aws.String(id)
			}
		}
	}
	if _, err := j.vault.UpdateSecretVersionStage(ctx, in); err != nil {
		return fmt.Errorf("move AWSCURRENT: %w", err)
	}
	return nil
}

// rotate creates and finishes.
func (j *job) rotate(ctx context.Context) (k key, version string, err error) {
	if k, version, err = j.create(ctx); err != nil {
		return k, version, err
	}
	return k, version, j.finish(ctx, version)
}

// token is a version id as the SDK of a job makes one, a UUID.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
