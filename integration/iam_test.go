package integration

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// key is an access key that IAM has made.
type key struct{ id, secret string }

// user is a user of the gateway's IAM, whose keys and permissions are changed
// as Amazon's are: through its API.
type user struct {
	name, arn string
	// lists tells the proxy whether its keys may list: see likeAmazon.
	lists atomic.Bool
}

func newUser(ctx context.Context, name string) (*user, error) {
	out, err := gateway.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(name)})
	if err != nil {
		return nil, err
	}
	return &user{name: name, arn: aws.ToString(out.User.Arn)}, nil
}

// permit replaces what the user may do: these actions on one bucket, and
// nothing else.
func (u *user) permit(ctx context.Context, bucket string, actions ...string) error {
	policy, err := policyOf(statement{Effect: "Allow", Action: actions, Resource: resourcesOf(bucket, actions...)})
	if err != nil {
		return err
	}
	_, err = gateway.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String(u.name),
		PolicyName: aws.String("deliveries"), PolicyDocument: aws.String(policy)})
	if err == nil {
		u.lists.Store(slices.Contains(actions, "s3:ListBucket") || slices.Contains(actions, "s3:*"))
	}
	return err
}

func (u *user) newKey(ctx context.Context) (key, error) {
	out, err := gateway.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String(u.name)})
	if err != nil {
		return key{}, err
	}
	k := key{aws.ToString(out.AccessKey.AccessKeyId), aws.ToString(out.AccessKey.SecretAccessKey)}
	gateway.owners.Store(k.id, u)
	return k, nil
}

func (u *user) setActive(ctx context.Context, k key, active bool) error {
	status := types.StatusTypeInactive
	if active {
		status = types.StatusTypeActive
	}
	_, err := gateway.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String(u.name), AccessKeyId: aws.String(k.id), Status: status})
	return err
}

func (u *user) revoke(ctx context.Context, k key) error {
	_, err := gateway.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String(u.name), AccessKeyId: aws.String(k.id)})
	return err
}

// statement is one of a policy's.
type statement struct {
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string
}

func policyOf(statements ...statement) (string, error) {
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(policy), err
}

// resourcesOf names what actions act on: the bucket, its objects, or both.
func resourcesOf(bucket string, actions ...string) []string {
	whole, lists := "arn:aws:s3:::"+bucket, 0
	for _, action := range actions {
		if strings.HasPrefix(action, "s3:ListBucket") {
			lists++
		}
	}
	switch {
	case slices.Contains(actions, "s3:*"), lists > 0 && lists < len(actions):
		return []string{whole, whole + "/*"}
	case lists > 0:
		return []string{whole}
	}
	return []string{whole + "/*"}
}
