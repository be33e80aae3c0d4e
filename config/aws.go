package config

import (
	"strconv"

	"github.com/rotatord/rotatord/internal/shape"
)

// AWS is how secrets in AWS Secrets Manager are reached. Regions are not among
// it: they stand in the names of the secrets. Nor are credentials, which come
// from the SDK's usual chain.
type AWS struct {
	// Endpoint is used in place of Secrets Manager's own address, for a VPC
	// endpoint without private DNS or for a server to test with; without a
	// trailing slash.
	Endpoint string `toml:"endpoint"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Roles are assumed for the secrets of other AWS accounts, at most one an
	// account.
	Roles []AWSRole `toml:"role"`
}

// Role finds the role for the secrets of an AWS account.
func (a AWS) Role(account string) (AWSRole, bool) {
	for _, r := range a.Roles {
		if r.Account == account {
			return r, true
		}
	}
	return AWSRole{}, false
}

// AWSRole is the role to assume for the secrets of one AWS account.
type AWSRole struct {
	// Account is the AWS account that the secrets are in: twelve digits, as
	// text, since some begin with a zero.
	Account string `toml:"account"`
	// RoleARN is the role, nearly always one of the same account.
	RoleARN string `toml:"role_arn"`
	// ExternalID is what the role's trust policy may ask for (sts:ExternalId).
	// AWS does not treat it as a secret, and neither do we.
	ExternalID string `toml:"external_id"`
	// Pos is where the role stands in the file.
	Pos Position `toml:"-"`
}

// What STS takes (API reference of AssumeRole and of IAM's Role): an ARN of at
// most 2048 characters, a name of at most 64, a path of visible ASCII.
var (
	awsAccount    = shape.Of(`^[0-9]{12}$`, 12)
	awsRole       = shape.Of(`^arn:aws(?:-[a-z]+)*:iam::([0-9]{12}):role/(?:[!-.0-~]+/)*([\w+=,.@-]+)$`, 0, 0, 64)
	awsExternalID = shape.Of(`^[\w+=,.@:/-]+$`, 0)
)

func (c *checker) aws() {
	a := &c.cfg.AWS
	if c.isSet("aws", "endpoint") && a.Endpoint != "" {
		c.url("aws", "endpoint", &a.Endpoint, `"https://vpce-0123456789abcdef0.secretsmanager.eu-central-1.vpce.amazonaws.com"`)
	}
	a.CAFile = resolve(c.file, a.CAFile)
	first := map[string]Position{}
	for i := range a.Roles {
		r := &a.Roles[i]
		table := "aws.role[" + strconv.Itoa(i) + "]"
		known := c.roleAccount(table, r)
		c.role(table, r, known)
		if at, ok := first[r.Account]; ok && known {
			c.bad(table, "account", "a role for this account stands at "+place(at, r.Pos)+" already", "keep one of the two")
		} else if known {
			first[r.Account] = c.at(table, "account")
		}
	}
}

func (c *checker) roleAccount(table string, r *AWSRole) (known bool) {
	const hint = `write the twelve digits of the AWS account that the secrets are in, in quotes: "123456789012"`
	switch {
	case c.typeProblem(table, "account"):
	case !c.isSet(table, "account"):
		c.bad(table, "account", "is missing", hint)
	case !awsAccount.MatchString(r.Account):
		c.bad(table, "account", "not the number of an AWS account", hint)
	default:
		return true
	}
	return false
}

const (
	notARole        = "not the ARN of a role"
	roleHint        = `write the ARN of the role to assume: "arn:aws:iam::123456789012:role/rotatord"`
	notAnExternalID = "not an external id"
	externalIDHint  = "2 to 1224 letters, digits and any of _+=,.@:/-, as in the role's trust policy; or leave it out"
)

func externalID(id string) bool {
	return len(id) >= 2 && len(id) <= 1224 && awsExternalID.MatchString(id)
}

func (c *checker) role(table string, r *AWSRole, known bool) {
	arn := awsRole.FindStringSubmatch(r.RoleARN)
	switch {
	case c.typeProblem(table, "role_arn"):
	case !c.isSet(table, "role_arn"):
		c.bad(table, "role_arn", "is missing", roleHint)
	case arn == nil || len(r.RoleARN) > 2048:
		c.bad(table, "role_arn", notARole, roleHint)
	case known && arn[1] != r.Account:
		c.warn(c.at(table, "role_arn"), table+".role_arn", "the role is of another AWS account than the secrets",
			"right only if that account was given access to them; usually the role is one of the secrets' account")
	}
	if c.isSet(table, "external_id") && !externalID(r.ExternalID) {
		c.bad(table, "external_id", notAnExternalID, externalIDHint)
	}
}
