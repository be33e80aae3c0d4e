package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsOfAWSAreReadAndItsRolesAreFoundByAccount(t *testing.T) {
	cfg, err := Parse("/etc/rotatord/rotatord.toml", []byte(`[aws]
endpoint = "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com/"
ca_file = "aws.pem"
[[aws.role]]
account = "012345678901"
role_arn = "arn:aws-cn:iam::012345678901:role/team/x+=,.@-_y"
[[aws.role]]
account = "123456789012"
role_arn = "arn:aws:iam::123456789012:role/rotatord"
external_id = "rotatord-42"
`+oneDestination), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := AWS{Endpoint: "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com", CAFile: "/etc/rotatord/aws.pem", Roles: []AWSRole{
		{Account: "012345678901", RoleARN: "arn:aws-cn:iam::012345678901:role/team/x+=,.@-_y"},
		{Account: "123456789012", RoleARN: "arn:aws:iam::123456789012:role/rotatord", ExternalID: "rotatord-42"},
	}}
	if diff := cmp.Diff(want, cfg.AWS, withoutPositions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if r, ok := cfg.AWS.Role("123456789012"); !ok || r.ExternalID != "rotatord-42" || r.Pos.Line != 7 {
		t.Errorf("role %v, %v", r, ok)
	}
	if r, ok := cfg.AWS.Role("999999999999"); ok {
		t.Errorf("a role for an account that has none: %v", r)
	}
}

func TestOnlyARNsOfRolesAreRoles(t *testing.T) {
	const begin = "arn:aws:iam::123456789012:role/"
	for _, arn := range []string{begin + "a", begin + "p/a", begin + "p/!$%/a", begin + strings.Repeat("n", 64), strings.Replace(begin, "aws", "aws-iso-b", 1) + "a"} {
		if !awsRole.MatchString(arn) {
			t.Errorf("%s is refused", arn)
		}
	}
	for _, arn := range []string{
		"", begin, begin + "/", begin + "p/", begin + "/a", begin + "p//a", begin + "a b", begin + "a\n", " " + begin + "a", begin + "*", begin + "p /a",
		begin + strings.Repeat("n", 65), "arn:aws:iam:eu-central-1:123456789012:role/a", "arn:aws:iam::12345678901:role/a", "arn:gcp:iam::123456789012:role/a",
		"arn:aws:iam::aws:role/a", "arn:aws:iam::123456789012:instance-profile/a", "arn:aws-:iam::123456789012:role/a",
	} {
		if awsRole.MatchString(arn) {
			t.Errorf("%q is accepted", arn)
		}
	}
	long := "[[aws.role]]\naccount = \"123456789012\"\nrole_arn = \"" + begin + strings.Repeat("p/", 1009) + "abc\"\n" + oneDestination
	if len(begin)+2*1009+3 != 2052 {
		t.Fatal("the long ARN is not just too long")
	}
	if _, err := Parse("f", []byte(long), testEnv); err == nil {
		t.Error("an ARN longer than AWS allows is accepted")
	}
	for id, want := range map[string]bool{"ab": true, "a": false, strings.Repeat("i", 1224): true, strings.Repeat("i", 1225): false, "a b": false, "": false, "ä/b": false} {
		_, err := Parse("f", []byte("[[aws.role]]\naccount = \"123456789012\"\nrole_arn = \""+begin+"r\"\nexternal_id = \""+id+"\"\n"+oneDestination), testEnv)
		if (err == nil) != want {
			t.Errorf("an external id of %d bytes: %v", len(id), err)
		}
	}
}

func TestAKeyMayBeASecretOfAProvider(t *testing.T) {
	shape := Shape{Example: "arn:aws:secretsmanager:…", Match: hasPrefix("arn:aws:secretsmanager:")}
	text := func(secret string) string {
		return "[[account]]\napi_key_secret = \"" + secret + "\"\napi_key_pointer = \"/planet/key\"\n" + oneDestination
	}
	const name = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:planet-AbCdEf"
	cfg, err := Parse("f", []byte(text(name)), testEnv, fileShape, shape)
	if err != nil {
		t.Fatal(err)
	}
	if a := cfg.Accounts[0]; a.APIKeySecret != name || a.APIKeyPointer != "/planet/key" || a.APIKeyEnv != "" {
		t.Errorf("account %v", a)
	}
	_, err = Parse("f", []byte(text("vault:x")), testEnv, fileShape, shape)
	const want = `f:2:18: account.api_key_secret: no provider knows a name of this shape (write the secret's name and not its content: "file:///run/secrets/planet-s3" or "arn:aws:secretsmanager:…")`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
