package patcher

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestIntermediateBuffersAreClearedOnEveryWayOut(t *testing.T) {
	escaped := strings.NewReplacer("/", `\/`, "&", `\u0026`)
	file := base64.StdEncoding.EncodeToString([]byte(`{"type":"service_account","client_email":"a@b","private_key":"\u0041secret"}`))
	for _, c := range []struct{ name, typ, secret string }{
		{"keys that are good", typeS3, `{"access_key":"planet\u002dwriter","secret_key":"` + escaped.Replace("s/e/c/r/e/t") + `"}`},
		{"keys of which one is bad", typeS3, `{"access_key":"","secret_key":"` + escaped.Replace("s/e/c/r/e/t") + `"}`},
		{"JSON that breaks off after an escape", typeS3, `{"a\u0062c":"` + escaped.Replace("s/e/c") + `","d`},
		{"a good token", typeAzure, `{"sas":"` + escaped.Replace("sr=c&sp=rwdl&se=2027-01-01&sig=a/b") + `"}`},
		{"a bad token", typeAzure, "sr=c&sp=rwdl&se=%32020&sig=a%2fb"},
		{"a bad file in base64", typeGoogle, file},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &work{typ: c.typ, now: fuzzNow, found: make(map[string][]byte)}
			p, _ := w.run([]byte(c.secret), nil)
			if len(w.scratch.all) == 0 {
				t.Fatal("nothing was copied: this case tests nothing")
			}
			for i, b := range w.scratch.all {
				if len(bytes.Trim(b[:cap(b)], "\x00")) > 0 {
					t.Errorf("buffer %d of %d was not cleared", i, len(w.scratch.all))
				}
			}
			for _, name := range p.Names() {
				if p.Get(name).Empty() || p.Get(name).Bytes()[0] == 0 {
					t.Errorf("%s was cleared too", name)
				}
			}
			if w.problems != nil {
				for _, name := range w.made.Names() {
					if !w.made.Get(name).Empty() {
						t.Errorf("%s was made and left behind an error", name)
					}
				}
			}
		})
	}
}
