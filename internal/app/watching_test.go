package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// The whole daemon: who depends on a destination is asked for, what happens is
// announced with it, a receipt is made and written into the metrics.
func TestTheDaemonTellsWhatHappensAndWhoDependsOnIt(t *testing.T) {
	t.Parallel()
	type post struct{ kind, destination, body string }
	posts := make(chan post, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct {
			Type string
			Data struct{ Destination string }
		}
		_ = json.Unmarshal(body, &event)
		posts <- post{event.Type, event.Data.Destination, string(body)}
	}))
	defer receiver.Close()
	w := newWorld(t, func(o *planettest.Options) { o.Deliveries = planettest.DeliveryOptions{} })
	w.top = "[announce]\nsource = \"urn:test\"\n[[announce.webhook]]\nname = \"ops\"\nurl = \"" + receiver.URL +
		"\"\nsecret_file = \"" + w.path("signing") + "\"\nkinds = [\"pushed\", \"safe_to_revoke\"]\n[gate]\ngrace = \"0s\"\n"
	w.write("signing", []byte("whsec_"+strings.Repeat("QUJD", 8)+"\n"))
	d := w.add("used", renamed)
	w.sim.Subscribe("owner", "pl:destinations/"+d.id, planettest.Subscription{})
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	d.rotate()
	until(t, "the rotation is done", func() bool { return d.settled(c) })
	until(t, "it is known who depends on it", func() bool {
		s := status(t, c, d)
		return s.Dependents != nil && s.Dependents.Running == 1
	})
	version := status(t, c, d).Accepted.Version
	for kinds := map[string]bool{"pushed": false, "safe_to_revoke": false}; !kinds["pushed"] || !kinds["safe_to_revoke"]; {
		p := <-posts
		for kind := range kinds {
			if strings.HasSuffix(p.kind, kind) && strings.Contains(p.body, version) {
				kinds[kind] = true
			}
		}
		if strings.Contains(p.body, canary) {
			t.Fatal("an announcement holds a secret")
		}
	}
	until(t, "metrics show it", func() bool {
		return daemon.metric(`rotatord_dependents_subscriptions{destination="`+d.id+`"}`) == "1" &&
			daemon.metric(`rotatord_receipt_safe{secret="file://`+d.path+`"}`) == "1"
	})
	w.checkNoSecret(daemon, c)
	daemon.stop()
}
