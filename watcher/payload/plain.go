package payload

import "github.com/rotatord/rotatord/credential"

// plain reads rotatord's own form:
//
//	{"secret": "<name>", "version": "…", "time": "2026-02-06T16:43:48Z", "test": "…"}
//
// Only the secret is required; keys beyond these are for others. A time that
// is none is left out; anything else that can't be what it should makes the
// whole invalid, since its sender is somebody who can be told.
func (d *decoder) plain(o object) {
	secret := o.text("secret")
	id, idOK := plainVersion(o["version"])
	test := o.text("test")
	testOK := o["test"] == nil || string(o["test"]) == `""` || tests.MatchString(test)
	if !clean(secret, maxName) || !idOK || !testOK {
		d.unknown(PlainInvalid)
		return
	}
	d.event(Plain, credential.Event{
		Secret: credential.Secret(secret), Version: id, Time: moment(o.text("time")), Test: test,
	})
}

// plainVersion takes a string, or a whole number as it is written: Google's
// and Vault's versions are numbers.
func plainVersion(v value) (string, bool) {
	switch {
	case v == nil || string(v) == `""`:
		return "", true
	case v.isString():
		s := v.text()
		return s, clean(s, maxVersion)
	}
	return string(v), digits.MatchString(string(v))
}
