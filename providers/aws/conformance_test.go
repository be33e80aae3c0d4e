package aws_test

import (
	"fmt"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
	"github.com/rotatord/rotatord/providers/providerstest"
)

// valueOf puts text as a string and everything else as bytes, as owners do.
func valueOf(b []byte) awstest.Value {
	if utf8.Valid(b) {
		return awstest.Text(string(b))
	}
	return awstest.Binary(b)
}

// defaultMark is the label that Mark moves.
const defaultMark = "rotatord-accepted"

func harness(open func(testing.TB) (*awstest.Server, *aws.Provider), nameOf func(arn string) credential.Secret, label string) providerstest.Harness {
	return providerstest.Harness{KeepsOldVersions: true, Binary: true, New: func(t testing.TB) *providerstest.Environment {
		s, p := open(t)
		arns := map[credential.Secret]string{}
		made := 0
		// Under a label of its own, the version of AWSCURRENT is always another.
		put := func(t testing.TB, arn string, v awstest.Value) {
			s.Put(arn, v, label)
			if label != awstest.Current {
				s.Put(arn, awstest.Text("the value of another label"))
			}
		}
		history := map[string][]string{}
		add := func(t testing.TB, v awstest.Value) credential.Secret {
			made++
			arn, _ := s.Create(fmt.Sprintf("planet/s3_%d", made), awstest.Value{})
			put(t, arn, v)
			history[arn] = append(history[arn], s.Labels(arn)[label])
			arns[nameOf(arn)] = arn
			return nameOf(arn)
		}
		return &providerstest.Environment{
			Provider: p,
			Put:      func(t testing.TB, value []byte) credential.Secret { return add(t, valueOf(value)) },
			PutEmpty: func(t testing.TB) credential.Secret { return add(t, awstest.Text("")) },
			Rotate: func(t testing.TB, n credential.Secret, value []byte) {
				put(t, arns[n], valueOf(value))
				history[arns[n]] = append(history[arns[n]], s.Labels(arns[n])[label])
			},
			Rollback: func(t testing.TB, n credential.Secret) {
				h := history[arns[n]]
				s.Label(arns[n], label, h[len(h)-2])
			},
			Remove:   func(t testing.TB, n credential.Secret) { s.Purge(arns[n]) },
			Deny:     func(t testing.TB, n credential.Secret) { s.Deny(arns[n], "DescribeSecret", "GetSecretValue") },
			Disable:  func(t testing.TB, n credential.Secret) { s.Delete(arns[n], 7) },
			Throttle: func(testing.TB) { s.Throttle(awstest.Forever) },
			Fail:     func(testing.TB) { s.Fail(awstest.Forever, 500) },
			Hang:     func(testing.TB) { s.Hang(true) },
			Marks: &providerstest.Marks{
				Marked: func(_ testing.TB, n credential.Secret) (ids []string) {
					if id := s.Labels(arns[n])[defaultMark]; id != "" {
						ids = append(ids, id)
					}
					return ids
				},
				Others: func(_ testing.TB, n credential.Secret) map[string]string {
					all := s.Labels(arns[n])
					delete(all, defaultMark)
					return all
				},
				Scribble: func(_ testing.TB, n credential.Secret) {
					s.Label(arns[n], "team-imagery", s.Labels(arns[n])[label])
				},
				Writes: func() int { return s.Count("UpdateSecretVersionStage") },
				Deny: func(_ testing.TB, n credential.Secret) string {
					s.Deny(arns[n], "UpdateSecretVersionStage")
					return "secretsmanager:UpdateSecretVersionStage"
				},
				Unknown: "00000000-0000-4000-8000-000000000000",
			},
			Missing: nameOf("arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/missing-a1b2c3"),
			Malformed: []credential.Secret{"", "planet/s3", "arn:aws:secretsmanager", "arn:aws:secretsmanager:us-west-2:123456789012:secret:",
				"arn:aws:secretsmanager:us-west-2:123456789012:secret:a b", "arn:aws:secretsmanager::123456789012:secret:a",
				"arn:aws:secretsmanager:us-west-2:12345:secret:a", "arn:aws:secretsmanager:us-west-2:123456789012:secret:a?stage=AWSPENDING",
				"arn:aws:s3:::bucket", "file:///run/secrets/planet"},
		}
	}}
}

func asIs(arn string) credential.Secret { return credential.Secret(arn) }

func TestProvider(t *testing.T) {
	providerstest.TestProvider(t, harness(both, asIs, awstest.Current))
}

func TestProviderOfNamesWithoutSuffix(t *testing.T) {
	providerstest.TestProvider(t, harness(both, func(arn string) credential.Secret { return asIs(arn[:len(arn)-7]) }, awstest.Current))
}

func TestProviderOfACustomLabel(t *testing.T) {
	providerstest.TestProvider(t, harness(both, func(arn string) credential.Secret { return asIs(arn + "?stage=live") }, "live"))
}

// TestProviderInMemory is the suite without a network, as simulations have it.
func TestProviderInMemory(t *testing.T) {
	providerstest.TestProvider(t, harness(func(t testing.TB) (*awstest.Server, *aws.Provider) {
		s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
		return s, open(t, s, func(o *aws.Options) {
			o.Transport, o.MaxBackoff = s.RoundTripper(), time.Millisecond
		})
	}, asIs, awstest.Current))
}
