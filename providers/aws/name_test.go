package aws

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func TestParse(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3-a1b2c3"
	for _, c := range []struct {
		name, in string
		want     name
		problem  string
	}{
		{name: "an ARN", in: arn, want: name{arn, "aws", "us-west-2", "123456789012", "planet/s3-a1b2c3", "AWSCURRENT"}},
		{name: "an ARN without its suffix", in: arn[:len(arn)-7],
			want: name{arn[:len(arn)-7], "aws", "us-west-2", "123456789012", "planet/s3", "AWSCURRENT"}},
		{name: "China", in: "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x",
			want: name{"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x", "aws-cn", "cn-north-1", "123456789012", "x", "AWSCURRENT"}},
		{name: "GovCloud", in: "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x",
			want: name{"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x", "aws-us-gov", "us-gov-west-1", "123456789012", "x", "AWSCURRENT"}},
		{name: "a label", in: arn + "?stage=live", want: name{arn, "aws", "us-west-2", "123456789012", "planet/s3-a1b2c3", "live"}},
		{name: "the usual label", in: arn + "?stage=AWSCURRENT", want: name{arn, "aws", "us-west-2", "123456789012", "planet/s3-a1b2c3", "AWSCURRENT"}},

		{name: "a version that is not ready", in: arn + "?stage=AWSPENDING", problem: "not ready by definition"},
		{name: "an empty label", in: arn + "?stage=", problem: "label behind stage="},
		{name: "a label with a space", in: arn + "?stage=a b", problem: "label behind stage="},
		{name: "two labels", in: arn + "?stage=a&stage=b", problem: "label behind stage="},
		{name: "a version", in: arn + "?version=1", problem: "only stage=LABEL"},
		{name: "nothing behind the question mark", in: arn + "?", problem: "only stage=LABEL"},
		{name: "a plain name", in: "planet/s3", problem: "no ARN of Secrets Manager"},
		{name: "an ARN of something else", in: "arn:aws:s3:::bucket", problem: "no ARN of Secrets Manager"},
		{name: "nothing", in: "", problem: "no ARN of Secrets Manager"},
		{name: "half an ARN", in: "arn:aws:secretsmanager:us-west-2", problem: "goes arn:PARTITION"},
		{name: "no secret", in: "arn:aws:secretsmanager:us-west-2:123456789012:policy:x", problem: "goes arn:PARTITION"},
		{name: "another partition", in: "arn:gcp:secretsmanager:us-west-2:123456789012:secret:x", problem: "partition"},
		{name: "no region", in: "arn:aws:secretsmanager::123456789012:secret:x", problem: "region"},
		{name: "a host as region", in: "arn:aws:secretsmanager:evil.example/:123456789012:secret:x", problem: "region"},
		{name: "a short account", in: "arn:aws:secretsmanager:us-west-2:12345:secret:x", problem: "twelve digits"},
		{name: "no name", in: "arn:aws:secretsmanager:us-west-2:123456789012:secret:", problem: "name"},
		{name: "a name of JSON keys", in: "arn:aws:secretsmanager:us-west-2:123456789012:secret:x:key::", problem: "name"},
		{name: "a name that is too long", in: "arn:aws:secretsmanager:us-west-2:123456789012:secret:" + strings.Repeat("x", 520), problem: "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(credential.Secret(c.in))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("parse = %+v, %v; want an error with %q", got, err, c.problem)
				}
				return
			}
			if err != nil || got != c.want {
				t.Fatalf("parse = %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// FuzzParse holds that what comes out is a name that leads to itself, is safe
// in a host name, and never follows AWSPENDING.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", example, example + "?stage=live", example + "?stage=AWSPENDING", example + "?stage=%41", "arn:aws:secretsmanager:::secret:", "arn:aws:secretsmanager:us-west-2:123456789012:secret:a?b?c", "arn:\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parse(credential.Secret(s))
		if err != nil {
			if n != (name{}) {
				t.Fatalf("parse(%q) = %+v beside %v", s, n, err)
			}
			return
		}
		if !isARN(credential.Secret(s)) {
			t.Fatalf("parse(%q) takes what Kind does not match", s)
		}
		if n.label == labelPending || n.label == "" || strings.ContainsAny(n.region, "./@:#?") {
			t.Fatalf("parse(%q) = %+v", s, n)
		}
		again, err := parse(credential.Secret(n.arn + "?stage=" + n.label))
		if err != nil || again != n {
			t.Fatalf("parse(%q) = %+v, and again %+v, %v", s, n, again, err)
		}
		if !n.isOf(n.arn) || !n.isOf(n.arn+"-a1b2c3") || n.isOf(n.arn+"x") || n.isOf(n.arn+"-a1b2c3d") {
			t.Fatalf("isOf of %q", n.arn)
		}
	})
}

func TestTwoNamesOfOneSecret(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3"
	for _, c := range []struct {
		configured, named string
		same              bool
	}{
		{arn + "-a1b2c3", arn + "-a1b2c3", true},
		{arn, arn + "-a1b2c3", true},
		{arn + "-a1b2c3", arn, true},
		{arn + "-a1b2c3", arn + "-d4e5f6", false},
		{arn, arn + "-longer-a1b2c3", false},
		{arn + "-a1b2c3", strings.Replace(arn, "us-west-2", "us-west-1", 1) + "-a1b2c3", false},
		{arn, strings.Replace(arn, "123456789012", "123456789013", 1), false},
		// An event about no label in particular may be about any.
		{arn + "?stage=ours", arn + "-a1b2c3", true},
		{arn + "-a1b2c3?stage=ours", arn + "-a1b2c3?stage=ours", true},
		{arn + "-a1b2c3?stage=ours", arn + "-a1b2c3?stage=theirs", false},
		{arn + "-a1b2c3", arn + "-a1b2c3?stage=theirs", false},
		{arn + "-a1b2c3", arn + "-a1b2c3?stage=AWSCURRENT", true},
		{arn + "-a1b2c3", "", false},
		{"projects/p/secrets/s", "projects/p/secrets/s", false}, // no business of ours
	} {
		if got := (*Provider)(nil).Same(credential.Secret(c.configured), credential.Secret(c.named)); got != c.same {
			t.Errorf("configured %s, named %s: same is %v", c.configured, c.named, got)
		}
	}
}
