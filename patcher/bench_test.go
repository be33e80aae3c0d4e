package patcher_test

import (
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
)

func BenchmarkMake(b *testing.B) {
	for _, c := range []struct{ name, typ, secret string }{
		{"access keys", amazon, keysWith(amazon, keyID, keySecret)},
		{"SAS", azure, goodSAS},
		{"service account", google, account()},
		{"service account in base64", google, b64(account())},
	} {
		b.Run(c.name, func(b *testing.B) {
			value := credential.NewValue([]byte(c.secret))
			b.ReportAllocs()
			for b.Loop() {
				p, err := patcher.Make(c.typ, value, nil, now)
				if err != nil {
					b.Fatal(err)
				}
				p.Clear()
			}
		})
	}
}
