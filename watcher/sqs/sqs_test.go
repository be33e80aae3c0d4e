package sqs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/watcher/sqs"
)

func TestOptionsThatAreWrongSayWhatToWrite(t *testing.T) {
	const good = "https://sqs.us-west-2.amazonaws.com/123456789012/rotatord"
	for _, tc := range []struct {
		name string
		o    sqs.Options
		want []string // none: they are right
	}{
		{"the least", sqs.Options{Queue: good}, nil},
		{"everything", sqs.Options{Queue: good, Region: "us-west-2", Endpoint: "https://vpce-1.sqs.us-west-2.vpce.amazonaws.com", STSEndpoint: "https://sts.us-west-2.amazonaws.com",
			RoleARN: "arn:aws-us-gov:iam::123456789012:role/a/b", ExternalID: "x", Wait: time.Second, Batch: 1, DeadLetter: true}, nil},
		{"no queue", sqs.Options{}, []string{"the Queue is no plain URL like " + good}},
		{"an ARN", sqs.Options{Queue: "arn:aws:sqs:eu-west-1:123456789012:q"}, []string{"is an ARN; write https://sqs.eu-west-1.amazonaws.com/123456789012/q"}},
		{"an ARN of China", sqs.Options{Queue: "arn:aws-cn:sqs:cn-north-1:123456789012:q"}, []string{"write https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q"}},
		{"a name", sqs.Options{Queue: "rotatord"}, []string{`"rotatord" is a name without region and account; write its URL like ` + good}},
		{"no account", sqs.Options{Queue: "https://sqs.us-west-2.amazonaws.com/rotatord"}, []string{"the Queue's path is not /ACCOUNT/NAME"}},
		{"an account that is none", sqs.Options{Queue: "https://sqs.us-west-2.amazonaws.com/12345/rotatord"}, []string{"account of twelve digits"}},
		{"a FIFO queue", sqs.Options{Queue: good + ".fifo"}, []string{"use a standard queue"}},
		{"a name that no queue has", sqs.Options{Queue: good + "%20"}, []string{"letters, digits, hyphens and underscores"}},
		{"a password", sqs.Options{Queue: "https://me:canary@sqs.us-west-2.amazonaws.com/123456789012/q"}, []string{"the Queue is no plain URL"}},
		{"a query", sqs.Options{Queue: good + "?X-Amz-Signature=canary"}, []string{"the Queue is no plain URL"}},
		{"another scheme", sqs.Options{Queue: "ftp://sqs.us-west-2.amazonaws.com/123456789012/q"}, []string{"the Queue is no plain URL"}},
		{"a host that says nothing", sqs.Options{Queue: "https://queue.example.com/123456789012/q"}, []string{"give the Region, like us-west-2"}},
		{"two regions", sqs.Options{Queue: good, Region: "eu-west-1"}, []string{"the Region is eu-west-1 and the Queue's host says us-west-2; leave the Region out"}},
		{"a region that is none", sqs.Options{Queue: good, Region: "Oregon"}, []string{`the Region "Oregon" does not look like us-west-2`}},
		{"a role that is none", sqs.Options{Queue: good, RoleARN: "rotatord"}, []string{`the RoleARN "rotatord" does not look like arn:aws:iam::123456789012:role/NAME`}},
		{"an external id without a role", sqs.Options{Queue: good, ExternalID: "x"}, []string{"give the RoleARN too"}},
		{"endpoints that are none", sqs.Options{Queue: good, Endpoint: "sqs.example.com", STSEndpoint: "https://u:canary@h"},
			[]string{"the Endpoint is no plain address like https://vpce-", "the STSEndpoint is no plain address like https://sts."}},
		{"a poll that is too long", sqs.Options{Queue: good, Wait: 21 * time.Second}, []string{"the Wait is 21s; give whole seconds from 1s to 20s"}},
		{"a poll of parts of a second", sqs.Options{Queue: good, Wait: 1500 * time.Millisecond}, []string{"whole seconds"}},
		{"a batch that is too large", sqs.Options{Queue: good, Batch: 11}, []string{"the Batch is 11; give 1 to 10"}},
		{"several mistakes at once", sqs.Options{Queue: "rotatord", Wait: -1, Batch: -1}, []string{"the Queue", "the Wait", "the Batch"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Name = "aws"
			transport, err := sqs.New(tc.o)
			if (err == nil) != (tc.want == nil) || (transport == nil) != (err != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant in it: %s", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Error("the error shows a password")
			}
			if err == nil && transport.Name() != "aws" {
				t.Errorf("its name is %q", transport.Name())
			}
		})
	}
	if _, err := sqs.New(sqs.Options{Queue: good}); err == nil || !strings.Contains(err.Error(), "the Name is empty") {
		t.Errorf("without a name: %v", err)
	}
}
