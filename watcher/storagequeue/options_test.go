package storagequeue

import (
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/entra"
)

const (
	canaryKey = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
	canarySAS = "sv=2026-02-06&si=rotatord&sig=canarySignature%3D"
	azure     = "https://planet.queue.core.windows.net/events"
)

func value(s string) credential.Value { return credential.NewValue([]byte(s)) }

func good() Options {
	return Options{Name: "azure", Queue: azure, ConnectionString: value("AccountName=planet;AccountKey=" + canaryKey)}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string // empty: they can be
	}{
		{"an account key", func(*Options) {}, ""},
		{"as the portal writes it", func(o *Options) {
			o.ConnectionString = value("DefaultEndpointsProtocol=https;AccountName=planet;AccountKey=" + canaryKey + ";EndpointSuffix=core.windows.net\n")
		}, ""},
		{"a SAS", func(o *Options) {
			o.ConnectionString = value("QueueEndpoint=https://planet.queue.core.windows.net/;SharedAccessSignature=?" + canarySAS)
		}, ""},
		{"a name of one's own for the account", func(o *Options) { o.Queue = "https://queues.example.com/events" }, ""},
		{"Entra", func(o *Options) { o.ConnectionString = credential.Value{} }, ""},
		{"http on loopback", func(o *Options) { o.Queue = "http://127.0.0.1:10001/planet/events" }, ""},
		{"no name", func(o *Options) { o.Name = "" }, "Name is empty"},
		{"no queue", func(o *Options) { o.Queue = "" }, "no address like"},
		{"no queue in the address", func(o *Options) { o.Queue = "https://planet.queue.core.windows.net/" }, "no address like"},
		{"a SAS in the address", func(o *Options) { o.Queue = azure + "?" + canarySAS }, "belongs into the ConnectionString"},
		{"a password in the address", func(o *Options) { o.Queue = "https://u:canary@planet.queue.core.windows.net/q" }, "no address like"},
		{"http to somewhere else", func(o *Options) { o.Queue = "http://planet.queue.core.windows.net/events" }, "use https"},
		{"another scheme", func(o *Options) { o.Queue = "ftp://planet.queue.core.windows.net/events" }, "begin with https"},
		{"a key of another account", func(o *Options) { o.ConnectionString = value("AccountName=other;AccountKey=" + canaryKey) }, "another account"},
		{"a SAS of another account", func(o *Options) {
			o.ConnectionString = value("QueueEndpoint=https://other.queue.core.windows.net;SharedAccessSignature=" + canarySAS)
		}, "another account"},
		{"a key without its account", func(o *Options) { o.ConnectionString = value("AccountKey=" + canaryKey) }, "no AccountName"},
		{"a key that is no base64", func(o *Options) { o.ConnectionString = value("AccountName=planet;AccountKey=canary!") }, "not base64"},
		{"neither key nor SAS", func(o *Options) { o.ConnectionString = value("AccountName=planet") }, "neither AccountKey"},
		{"a SAS without a signature", func(o *Options) { o.ConnectionString = value("SharedAccessSignature=sv=canary") }, "no sig"},
		{"only the key", func(o *Options) { o.ConnectionString = value("canary") }, "NAME=VALUE"},
		{"key and credential", func(o *Options) { o.Credential = azcore.TokenCredential(entra.NewTokens(nil)) }, "give one"},
		{"a negative poll", func(o *Options) { o.Poll = -1 }, "Poll is negative"},
		{"half a second of visibility", func(o *Options) { o.Visibility = 500 * time.Millisecond }, "whole seconds"},
		{"eight days of visibility", func(o *Options) { o.Visibility = 8 * 24 * time.Hour }, "7 days"},
		{"a batch of 33", func(o *Options) { o.Batch = 33 }, "from 1 to 32"},
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
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), canaryKey)) {
				t.Errorf("it holds a credential: %v", err)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	if o := s.options; o.Poll != 2*time.Second || o.Visibility != time.Minute || o.Batch != 32 || s.Name() != "azure" || s.insecure {
		t.Errorf("got %+v", o)
	}
}

func FuzzConnectionString(f *testing.F) {
	for _, s := range []string{"", ";", "=", "AccountName=a;AccountKey=" + canaryKey, "QueueEndpoint=https://a.queue.x;SharedAccessSignature=?" + canarySAS, "QueueEndpoint=%zz;SharedAccessSignature=sig=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := parseKey(s + ";AccountKey=\x00canary")
		if err == nil {
			t.Fatal("a key that is no base64 was accepted")
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("it holds the key: %v", err)
		}
		k, err := parseKey(s)
		if err == nil && (k.empty() || (*k.box).accountKey == "" && (*k.box).sas == "") {
			t.Errorf("nothing came of it: %v", k)
		}
		if u, e := parseQueue(azure); e == nil && err == nil {
			_ = k.fits(u)
		}
	})
}
