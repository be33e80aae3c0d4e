package announce

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
)

func TestATargetMayHaveATransportOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, own := &idleWire{}, &idleWire{}
		o := Options{Transport: shared, Targets: []Target{hook(), Slack{Name: "chat", URL: urlOf(slackURL), Transport: own}}}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, a)
		a.Announce(held("prod"))
		time.Sleep(time.Minute)
		same(t, []int{1, 1}, []int{len(shared.all()), len(own.all())})
		same(t, []string{hookURL, slackURL}, []string{shared.all()[0].url, own.all()[0].url})
		stop()
		same(t, []bool{true, true}, []bool{shared.closed, own.closed})
	})
}

// idleWire notes that its idle connections were closed.
type idleWire struct {
	wire
	closed bool
}

func (w *idleWire) CloseIdleConnections() { w.closed = true }

func TestKeysAndURLsCanBeCheckedBeforeTheyAreUsed(t *testing.T) {
	good, _ := keysOf(key("k"), key("l"))()
	bad, _ := keysOf(key("k"), canary)()
	for _, c := range []struct {
		name string
		keys []credential.Value
		want string
	}{{"two keys", good, ""}, {"none", nil, "no signing key"}, {"one that is none", bad, "not whsec_"}} {
		err := CheckKeys(c.keys)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for url, want := range map[string]bool{hookURL: true, "http://127.0.0.1:1/x": true, "http://far.test": false, "ftp://x/" + canary: false, "": false} {
		err := CheckURL(url, false)
		if (err == nil) != want || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if err := CheckURL("http://far.test", true); err != nil {
		t.Error(err)
	}
}
