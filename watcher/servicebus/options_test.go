package servicebus

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/entra"
)

const (
	host = "planet.servicebus.windows.net"
	keys = "SharedAccessKeyName=listener;SharedAccessKey=canaryKey="
)

func value(s string) credential.Value { return credential.NewValue([]byte(s)) }

func good() Options {
	return Options{Name: "azure", Queue: "events", ConnectionString: value("Endpoint=sb://" + host + "/;" + keys)}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string // empty: they can be
	}{
		{"a queue", func(*Options) {}, ""},
		{"a subscription", func(o *Options) { o.Queue, o.Topic, o.Subscription = "", "events", "rotatord" }, ""},
		{"Entra", func(o *Options) { o.ConnectionString, o.Namespace = credential.Value{}, host }, ""},
		{"the namespace twice", func(o *Options) { o.Namespace = host }, ""},
		{"a connection string of the queue", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://" + host + "/;" + keys + ";EntityPath=events\n")
		}, ""},
		{"a SAS", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://" + host + ";SharedAccessSignature=SharedAccessSignature sr=x&sig=canary&se=1&skn=k")
		}, ""},
		{"an emulator on loopback", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://localhost:5672;" + keys + ";UseDevelopmentEmulator=true")
		}, ""},
		{"a private endpoint", func(o *Options) { o.Endpoint = "10.0.0.1:5671" }, ""},
		{"no name", func(o *Options) { o.Name = "" }, "Name is empty"},
		{"neither queue nor topic", func(o *Options) { o.Queue = "" }, "either a Queue, or a Topic"},
		{"queue and topic", func(o *Options) { o.Topic = "t" }, "either a Queue, or a Topic"},
		{"a topic alone", func(o *Options) { o.Queue, o.Topic = "", "t" }, "either a Queue, or a Topic"},
		{"no namespace", func(o *Options) { o.ConnectionString = credential.Value{} }, "Namespace is empty"},
		{"an address as namespace", func(o *Options) { o.ConnectionString, o.Namespace = credential.Value{}, "sb://canary@x/" }, "no name like"},
		{"another namespace", func(o *Options) { o.Namespace = "other.servicebus.windows.net" }, "another namespace"},
		{"another queue", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://" + host + "/;" + keys + ";EntityPath=other")
		}, "another queue"},
		{"an emulator elsewhere", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://" + host + "/;" + keys + ";UseDevelopmentEmulator=true")
		}, "loopback only"},
		{"perhaps an emulator", func(o *Options) {
			o.ConnectionString = value("Endpoint=sb://" + host + "/;" + keys + ";UseDevelopmentEmulator=canary")
		}, "neither true nor false"},
		{"no key", func(o *Options) { o.ConnectionString = value("Endpoint=sb://" + host) }, "neither SharedAccessKeyName"},
		{"no endpoint", func(o *Options) { o.ConnectionString = value(keys) }, "no address like"},
		{"only the key", func(o *Options) { o.ConnectionString = value("canaryKey") }, "NAME=VALUE"},
		{"key and credential", func(o *Options) { o.Credential = entra.NewTokens(nil) }, "give one"},
		{"an endpoint without a port", func(o *Options) { o.Endpoint = "10.0.0.1" }, "HOST:PORT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := good()
			tc.change(&o)
			_, err := New(o)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && err == nil:
				t.Error("accepted")
			case tc.want != "" && !strings.Contains(err.Error(), tc.want):
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("it holds a credential: %v", err)
			}
		})
	}
}

func FuzzConnectionString(f *testing.F) {
	for _, s := range []string{"", ";", "=", "Endpoint=sb://" + host, "Endpoint=sb://%zz", "Endpoint=sb://[::1]:1;" + keys + ";UseDevelopmentEmulator=true"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o := Options{Name: "x", Queue: "q", ConnectionString: value(s + ";" + keys)}
		q, err := New(o)
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("it holds the key: %v", err)
		}
		if err == nil && (q.place.host == "" || q.place.insecure && strings.Contains(q.place.host, "windows.net")) {
			t.Errorf("it leads to %+v", q.place)
		}
	})
}
