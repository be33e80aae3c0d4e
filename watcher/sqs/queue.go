package sqs

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/rotatord/rotatord/internal/shape"
)

// example is a queue's URL of the right shape.
const example = "https://sqs.us-west-2.amazonaws.com/123456789012/rotatord"

var (
	regions  = shape.Of(`^[a-z]+(-[a-z]+)+-[0-9]+$`, 0)
	accounts = shape.Of(`^[0-9]{12}$`, 12)
	names    = shape.Of(`^[a-zA-Z0-9_-]+$`, 80)
	roles    = shape.Of(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[a-zA-Z0-9/_+=,.@-]+$`, 0)
	arns     = shape.Of(`^arn:aws(-[a-z]+)*:sqs:([a-z0-9-]+):([0-9]{12}):([a-zA-Z0-9_.-]+)$`, 0)

	// hosts are Amazon's own, with the region in them. Those of older queues are
	// asked at the region's present address; for the others the host itself is
	// asked: a queue's URL with such a host was written so on purpose.
	hosts = []struct {
		shape *shape.Shape
		own   bool
	}{
		{shape.Of(`^sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$`, 0), false},
		{shape.Of(`^([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?$`, 0), false},
		{shape.Of(`^sqs-fips\.([a-z0-9-]+)\.amazonaws\.com$`, 0), true},
		{shape.Of(`^sqs(?:-fips)?\.([a-z0-9-]+)\.api\.(?:aws|amazonwebservices\.com\.cn)$`, 0), true},
		{shape.Of(`^[a-z0-9.-]+\.sqs\.([a-z0-9-]+)\.vpce\.amazonaws\.com(?:\.cn)?$`, 0), true},
	}
)

// queue is a queue's URL taken apart.
type queue struct {
	url     string
	account string
	name    string
	region  string // empty if the host does not say
	// endpoint is whom to ask; empty leaves that to the SDK and the region.
	endpoint string
}

// parse takes a queue's URL apart. Its errors say what to write, and quote
// nothing but what has passed for part of a name.
func parse(address string) (queue, error) {
	if m := arns.FindStringSubmatch(address); m != nil {
		suffix := ""
		if m[1] == "-cn" {
			suffix = ".cn"
		}
		return queue{}, fmt.Errorf("the Queue is an ARN; write https://sqs.%s.amazonaws.com%s/%s/%s", m[2], suffix, m[3], m[4])
	}
	if names.MatchString(address) {
		return queue{}, fmt.Errorf("the Queue %q is a name without region and account; write its URL like %s", address, example)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// Not quoted: there may be a password in it.
		return queue{}, errors.New("the Queue is no plain URL like " + example)
	}
	q := queue{url: address, endpoint: u.Scheme + "://" + u.Host}
	parts := strings.Split(u.EscapedPath(), "/")
	if len(parts) != 3 || !accounts.MatchString(parts[1]) {
		return queue{}, errors.New("the Queue's path is not /ACCOUNT/NAME with an account of twelve digits; copy the URL from the console, like " + example)
	}
	q.account, q.name = parts[1], parts[2]
	switch {
	case strings.HasSuffix(q.name, ".fifo"):
		return queue{}, errors.New("the Queue is a FIFO queue, where one message that can't be recorded holds back those behind it; use a standard queue")
	case !names.MatchString(q.name):
		return queue{}, errors.New("the Queue's name is not 1 to 80 letters, digits, hyphens and underscores; copy the URL from the console, like " + example)
	}
	q.place(strings.ToLower(u.Hostname()))
	return q, nil
}

// place finds the region in a host of Amazon's.
func (q *queue) place(host string) {
	if host == "queue.amazonaws.com" { // the oldest of all
		q.region, q.endpoint = "us-east-1", ""
		return
	}
	for _, h := range hosts {
		m := h.shape.FindStringSubmatch(host)
		if m == nil || !regions.MatchString(m[1]) {
			continue
		}
		q.region = m[1]
		if !h.own {
			q.endpoint = ""
		}
		return
	}
}
