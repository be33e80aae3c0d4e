package sqs

import (
	"strings"
	"testing"
)

func TestTheRegionAndWhomToAskComeFromTheURL(t *testing.T) {
	for host, want := range map[string]struct {
		region string
		own    bool // the host itself is asked
	}{
		"sqs.us-west-2.amazonaws.com":                         {"us-west-2", false},
		"SQS.US-West-2.amazonaws.com":                         {"us-west-2", false},
		"sqs.us-gov-east-1.amazonaws.com":                     {"us-gov-east-1", false},
		"sqs.cn-northwest-1.amazonaws.com.cn":                 {"cn-northwest-1", false},
		"us-west-2.queue.amazonaws.com":                       {"us-west-2", false},
		"cn-north-1.queue.amazonaws.com.cn":                   {"cn-north-1", false},
		"queue.amazonaws.com":                                 {"us-east-1", false},
		"sqs-fips.us-east-1.amazonaws.com":                    {"us-east-1", true},
		"sqs.eu-west-1.api.aws":                               {"eu-west-1", true},
		"vpce-0a1b-2c.sqs.us-west-2.vpce.amazonaws.com":       {"us-west-2", true},
		"vpce-0a1b-2c-az.sqs.us-west-2.vpce.amazonaws.com":    {"us-west-2", true},
		"vpce-0a.sqs.cn-north-1.vpce.amazonaws.com.cn":        {"cn-north-1", true},
		"localhost:9324":                                      {"", true},
		"sqs.us-west-2.amazonaws.com.example.com":             {"", true},
		"sqs.anything.amazonaws.com":                          {"", true},
		"vpce-0a.secretsmanager.us-west-2.vpce.amazonaws.com": {"", true},
	} {
		q, err := parse("https://" + host + "/123456789012/rotatord_2")
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		endpoint := ""
		if want.own {
			endpoint = "https://" + host
		}
		if q.region != want.region || q.endpoint != endpoint || q.account != "123456789012" || q.name != "rotatord_2" {
			t.Errorf("%s: %+v", host, q)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("arn:aws:sqs:eu-west-1:123456789012:q")
	f.Add("http://localhost:9324/000000000000/q")
	f.Add("https://me:pw@sqs.us-west-2.amazonaws.com/123456789012/q?x#y")
	f.Fuzz(func(t *testing.T, address string) {
		q, err := parse(address)
		if err != nil {
			return
		}
		if !names.MatchString(q.name) || !accounts.MatchString(q.account) || q.region != "" && !regions.MatchString(q.region) ||
			q.region == "" && q.endpoint == "" || strings.ContainsAny(q.url, "@?#") {
			t.Errorf("%q gives %+v", address, q)
		}
	})
}
