package alerts

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

// driveThePatient drives a daemon into what needs more time than other troubles,
// or a vault of Azure's, or more destinations than one.
func driveThePatient(t *testing.T, program string, rules []byte) (driven []string) {
	t.Helper()
	w := newWorld(t)
	w.serveAzure()
	var later daemonOf
	var troubles []trouble
	for _, more := range []func(*daemonOf) trouble{w.paused, w.unproven, w.starving, w.ending, w.silent, w.hangingUp} {
		troubles = append(troubles, more(&later))
	}
	main := w.daemon(program, "patient", w.azureSource())
	later.d = main
	w.add("not-marked", spot{lines: []string{`check = "off"`, `probe_schedule = "off"`}}) // a file: that it can't be marked is no trouble
	marking, marks := w.marks()
	mark := marks
	mark.mend = func() {} // earlier, see below
	marker := w.daemon(program, "marker", "[gate]\ngrace = \"0s\"\nwrite_back = true\n")
	troubles = append(troubles, mark)
	t.Cleanup(main.explain)
	t.Cleanup(marker.explain)
	main.start()
	marker.start()
	prom := watch(t, rules, main, marker)

	well(t, prom, main, marker)
	until(t, "all versions are marked", func() bool { return w.marked(marking) })
	until(t, "who depends on it was asked for", func() bool {
		s, err := prom.Query(t.Context(), `rotatord_dependents_gathered_timestamp_seconds * on (destination) group_left () rotatord_destination_info{account="silent"}`)
		return err == nil && len(s) == 1
	})
	since := causeAll(prom, troubles)
	// Each mark is tried again after a minute, then two: it is allowed while other
	// alerts are waited for.
	prom.Firing("RotatordMarkFailing", marks.labels)
	marks.mend()
	driven = allFired(prom, since, troubles)
	w.sim.ClearFaults()
	for _, tr := range troubles {
		tr.mend()
	}
	until(t, "all versions are marked again", func() bool { return w.marked(marking) })
	allResolved(prom, troubles)
	check(t, prom)
	return driven
}

func (w *world) paused(main *daemonOf) trouble {
	p := w.add("paused", spot{})
	return trouble{[]string{"RotatordDestinationPaused"}, on(p),
		func() { main.d.do("pause", p.id, "--note", "the bucket is being moved") }, func() { main.d.do("resume", p.id) }}
}

// unproven is a credential that was believed to be there, and never tried.
func (w *world) unproven(main *daemonOf) trouble {
	p := w.add("unproven", spot{lines: []string{`first_sight = "adopt"`}})
	return trouble{[]string{"RotatordUnproven"}, on(p), nil, func() { main.d.do("push", "--destination", p.id) }}
}

// starving is an account that may ask once a second, and secrets that change
// more often.
func (w *world) starving(*daemonOf) trouble {
	var places []*place
	for i := range 8 {
		places = append(places, w.add(fmt.Sprintf("starved-%d", i), spot{user: "starved",
			lines: []string{`first_sight = "adopt"`, `check = "off"`, `probe_schedule = "off"`}}))
	}
	n := 0
	start, stop := w.again(400*time.Millisecond, func(context.Context) {
		places[n%len(places)].give(all...)
		n++
	})
	return trouble{[]string{"RotatordTurnsStarving"}, map[string]string{"account": "starved"}, start, stop}
}

// silent is an account whose orders and subscriptions can't be asked for.
func (w *world) silent(*daemonOf) trouble {
	p := w.add("silent", spot{user: "silent"})
	return trouble{[]string{"RotatordDependentsUnknown"}, map[string]string{"account": "silent"}, func() {
		for _, api := range []string{"/compute/ops/orders/v2", "/subscriptions/v1"} {
			w.sim.Inject(planettest.Fault{User: "silent", Path: api, Times: -1, Kind: planettest.Status, Status: http.StatusServiceUnavailable})
		}
	}, func() { p.give(all...) }} // after a rotation it is asked sooner
}

// hangingUp is a scraper that goes away in the middle of an answer.
func (w *world) hangingUp(main *daemonOf) trouble {
	start, stop := w.again(200*time.Millisecond, func(ctx context.Context) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", main.d.admin)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: "+main.d.admin+"\r\n\r\n")
		_, _ = io.ReadFull(c, make([]byte, 1)) // it has begun
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
	return trouble{[]string{"RotatordMetricsIncomplete"}, map[string]string{"job": "rotatord"}, start, stop}
}

// marks are secrets of AWS in which the version in use is marked, until that is
// denied. Each is tried again after a minute, so there are some.
func (w *world) marks() ([]*place, trouble) {
	var places []*place
	for i := range 12 {
		places = append(places, w.add(fmt.Sprintf("marked-%d", i), spot{aws: true, lines: []string{`check = "off"`, `probe_schedule = "off"`}}))
	}
	n := 0
	start, stop := w.again(1500*time.Millisecond, func(context.Context) {
		if n < len(places) {
			places[n].give(all...)
			n++
		}
	})
	return places, trouble{[]string{"RotatordMarkFailing"}, map[string]string{"job": "rotatord"}, func() {
		for _, p := range places {
			w.vault.Deny(p.arn, "UpdateSecretVersionStage")
		}
		start()
	}, func() {
		stop()
		for _, p := range places {
			w.vault.Allow(p.arn)
		}
	}}
}

// marked tells whether the current version of each is marked as in use.
func (w *world) marked(places []*place) bool {
	for _, p := range places {
		if at := w.vault.Labels(p.arn); at["rotatord-accepted"] != at["AWSCURRENT"] {
			return false
		}
	}
	return true
}

const gridKey = "aKeyOfEventGridsInTheTestsOfAlerts"

var azureApp = azuretest.App{ID: "11111111-2222-4333-8444-555555555555", Secret: "canaryOfAzureInTheTestsOfAlerts"}

// serveAzure starts a Key Vault.
func (w *world) serveAzure() {
	w.t.Helper()
	w.azure = azuretest.New(azuretest.Options{Apps: []azuretest.App{azureApp}})
	must(w.t, w.azure.Start())
	w.t.Cleanup(w.azure.Close)
}

// azureSource is where events of the vault come in, and how to get there: the
// names are Azure's own, so a proxy leads to the vault.
func (w *world) azureSource() string {
	w.t.Helper()
	way := w.serve(w.azure.Proxy())
	w.env = append(w.env, "AZURE_TENANT_ID="+azuretest.DefaultTenant, "AZURE_CLIENT_ID="+azureApp.ID, "AZURE_CLIENT_SECRET="+azureApp.Secret,
		"HTTPS_PROXY="+way.URL, "https_proxy="+way.URL, "NO_PROXY=", "no_proxy=")
	w.write("azure.pem", string(w.azure.Roots()))
	w.write("grid-key", gridKey+"\n")
	return fmt.Sprintf("[azure]\nca_file = %q\n", w.path("azure.pem")) + w.grid()
}

// grid is a webhook of Event Grid's.
func (w *world) grid() string {
	w.write("grid-key", gridKey+"\n")
	return fmt.Sprintf("[webhooks]\nlisten = %q\n[[source.event_grid]]\nname = \"grid\"\nkey_file = %q\n", w.webhook, w.path("grid-key"))
}

// post brings an event to that webhook.
func (w *world) post(ctx context.Context, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.webhook+"/events/grid", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Rotatord-Key", gridKey)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook answers %s", res.Status)
	}
	return nil
}

// ending is a secret of which Key Vault says that it ends.
func (w *world) ending(*daemonOf) trouble {
	const name, sample = "planet-ending", "https://sample-kv.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10"
	p := w.add("ending", spot{azure: name})
	return trouble{[]string{"RotatordSecretEndsAtSource"}, on(p), func() {
		text := read(w.t, root+"/watcher/payload/testdata/az_eg_SecretNearExpiry.json")
		version := w.azure.Versions(azuretest.DefaultVault, name)[0]
		text = strings.ReplaceAll(text, sample, "https://"+azuretest.DefaultVault+"/secrets/"+name+"/"+version)
		must(w.t, w.post(w.t.Context(), strings.ReplaceAll(text, "2026-07-25T01:08:33.1036736Z", time.Now().UTC().Format(time.RFC3339))))
	}, func() { p.give(all...) }}
}
