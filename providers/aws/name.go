package aws

import (
	"errors"
	"strings"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
)

// labelCurrent is on the version that counts, unless a name asks for another.
const (
	labelCurrent = "AWSCURRENT"
	labelPending = "AWSPENDING"
)

// example is a name of the right shape.
const example = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3-a1b2c3"

// howToFind says where a name is to be had.
const howToFind = `copy the ARN from the console or from "aws secretsmanager describe-secret --secret-id NAME --query ARN"`

// name is a secret's name taken apart.
type name struct {
	arn       string // without "?stage="
	partition string
	region    string
	account   string
	secret    string // with or without the suffix
	label     string
}

var (
	partitions = shape.Of(`^aws(-[a-z]+)*$`, 0)
	regions    = shape.Of(`^[a-z]+(-[a-z]+)+-[0-9]+$`, 0)
	accounts   = shape.Of(`^[0-9]{12}$`, 12)
	// A name has up to 512 characters, the suffix seven more.
	secrets = shape.Of(`^[a-zA-Z0-9/_+=.@!-]+$`, 519)
	labels  = shape.Of(`^[a-zA-Z0-9/_+=.@!-]+$`, 256)
	roles   = shape.Of(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[a-zA-Z0-9/_+=,.@-]+$`, 0)
)

// isARN tells whether a name is meant for Secrets Manager, right or not.
func isARN(s credential.Secret) bool {
	parts := strings.SplitN(string(s), ":", 4)
	return len(parts) == 4 && parts[0] == "arn" && parts[2] == "secretsmanager"
}

// parse takes a name apart. Its errors say what is wrong and how to do it.
func parse(s credential.Secret) (name, error) {
	if !isARN(s) {
		return name{}, errors.New("it is no ARN of Secrets Manager")
	}
	arn, query, asks := strings.Cut(string(s), "?")
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) != 7 || parts[5] != "secret" {
		return name{}, errors.New("an ARN of a secret goes arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME")
	}
	n := name{arn: arn, partition: parts[1], region: parts[3], account: parts[4], secret: parts[6], label: labelCurrent}
	switch {
	case !partitions.MatchString(n.partition):
		return name{}, errors.New("its partition is none of Amazon's: aws, aws-cn, aws-us-gov")
	case len(n.region) > 32 || !regions.MatchString(n.region):
		return name{}, errors.New("its region does not look like us-west-2")
	case !accounts.MatchString(n.account):
		return name{}, errors.New("its account is not twelve digits")
	case !secrets.MatchString(n.secret):
		return name{}, errors.New("the secret's name in it is empty, too long, or has a character that no name may have")
	}
	if !asks {
		return n, nil
	}
	label, ok := strings.CutPrefix(query, "stage=")
	switch {
	case !ok:
		return name{}, errors.New("behind the question mark only stage=LABEL is understood")
	case label == labelPending:
		return name{}, errors.New("the label AWSPENDING is on a version that is not ready by definition: follow AWSCURRENT or a label of your own")
	case !labels.MatchString(label):
		return name{}, errors.New("the label behind stage= is empty, too long, or has a character other than letters, digits and /_+=.@!-")
	}
	n.label = label
	return n, nil
}

// isOf tells whether an answer's ARN is that of the secret that was asked for:
// the same, or the same with the suffix that the name leaves out.
func (n name) isOf(arn string) bool {
	rest, ok := strings.CutPrefix(arn, n.arn)
	return ok && (rest == "" || len(rest) == 7 && rest[0] == '-')
}
