package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// checker holds the rules that go beyond the type of one key. A rule speaks
// only about what was written: d.set tells, and where.
type checker struct {
	*decoder
	env    func(string) string
	uid    int // decides where the store is by default
	shapes []Shape
	// badAccounts says that the list of accounts is not to be trusted, so that
	// one mistake there does not make one at each destination.
	badAccounts bool
}

func (c *checker) all() {
	c.store()
	c.listen()
	c.aws()
	c.google()
	c.cfg.Azure.CAFile = resolve(c.file, c.cfg.Azure.CAFile)
	c.vault()
	c.gate()
	c.announce()
	c.tracing()
	c.sources()
	c.settings("defaults", &c.cfg.Defaults)
	c.accounts()
	c.drain()
	c.destinations()
}

// at gives the position of a key, or of the table that lacks it.
func (c *checker) at(table, key string) Position {
	if p, ok := c.set[join(table, key)]; ok {
		return p
	}
	return c.set[table]
}

func (c *checker) isSet(table, key string) bool {
	_, ok := c.set[join(table, key)]
	return ok
}

// place says where something stands, for a problem at from.
func place(at, from Position) string {
	if at.File != from.File {
		return at.File + ":" + strconv.Itoa(at.Line) + ":" + strconv.Itoa(at.Column)
	}
	return "line " + strconv.Itoa(at.Line)
}

func (c *checker) bad(table, key, message, hint string) {
	c.add(c.at(table, key), join(table, key), message, hint)
}

func (c *checker) store() {
	dir := &c.cfg.Store.Dir
	if c.isSet("store", "dir") {
		if *dir == "" {
			c.bad("store", "dir", "is empty", `write the path of a folder, such as "/var/lib/rotatord"`)
		}
		*dir = resolve(c.file, *dir)
		return
	}
	if *dir = StateDir(c.env, c.uid); *dir == "" {
		c.bad("store", "dir", "is not set, and there is no $HOME to put it into", `write [store] and dir = "/var/lib/rotatord"`)
	}
}

func (c *checker) listen() {
	token := c.adminToken()
	if !c.isSet("admin", "listen") {
		return
	}
	if c.cfg.Admin.Listen == "" {
		if token != "" {
			c.warn(c.at("admin", token), join("admin", token), "has no effect, since nothing listens", "give admin.listen an address, or leave this out")
		}
		return
	}
	loopback, ok := listenAddress(c.cfg.Admin.Listen)
	switch {
	case !ok:
		c.bad("admin", "listen", "not an address to listen on", `write "127.0.0.1:9464", ":9464" for all interfaces, or "" for none`)
	case !loopback:
		if !c.cfg.Admin.Guarded {
			c.warn(c.at("admin", "listen"), "admin.listen", "other machines can reach this listener, which asks for no password",
				"keep it behind a firewall or network policy and say guarded = true, or listen on 127.0.0.1")
		}
		if token != "" {
			c.warn(c.at("admin", token), join("admin", token), "the token goes over the network without encryption",
				"listen on 127.0.0.1 and put a proxy with TLS in front")
		}
	}
}

// adminToken checks where the token of actions comes from, and gives the key
// that says so; "" for none.
func (c *checker) adminToken() (key string) {
	a := &c.cfg.Admin
	before := len(c.problems)
	c.indirect("admin", "token", "ROTATORD_TOKEN", &a.TokenEnv, &a.TokenFile)
	switch {
	case len(c.problems) > before:
	case a.TokenFile != "":
		key = "token_file"
	case a.TokenEnv != "":
		key = "token_env"
		if len(strings.TrimSpace(c.env(a.TokenEnv))) < MinToken {
			c.bad("admin", "token_env", "$"+a.TokenEnv+" has less than "+strconv.Itoa(MinToken)+" characters", "make one with: openssl rand -hex 32")
		}
	}
	return key
}

// drain lets the wait at the end follow the longest PATCH, whose answer would
// else be lost on purpose.
func (c *checker) drain() {
	var longest Duration
	for _, a := range c.cfg.Accounts {
		longest = max(longest, a.PatchTimeout)
	}
	e := &c.cfg.Engine
	if !c.isSet("engine", "drain_timeout") {
		e.DrainTimeout = max(e.DrainTimeout, longest+drainMargin)
		return
	}
	if e.DrainTimeout < longest {
		c.warn(c.at("engine", "drain_timeout"), "engine.drain_timeout",
			"is shorter than one PATCH may take; a stop can leave one without its answer",
			"write at least "+(longest+drainMargin).quoted())
	}
}

// settings checks [defaults] or one [[destination]].
func (c *checker) settings(table string, s *Settings) {
	for _, f := range []struct{ key, value string }{
		{"schedule", s.Schedule}, {"probe_schedule", s.ProbeSchedule}, {"check_schedule", s.CheckSchedule},
	} {
		if !c.isSet(table, f.key) {
			continue
		}
		if err := checkSchedule(f.value); err != nil {
			c.bad(table, f.key, err.Error(), scheduleHint)
		}
	}
	if c.isSet(table, "verify_object") && !objectName(s.VerifyObject) {
		c.bad(table, "verify_object", "not the name of an object", `write "planetverify.txt", or what Planet's check writes today`)
	}
	if c.isSet(table, "preflight_prefix") && s.PreflightPrefix != "" && !objectName(s.PreflightPrefix) {
		c.bad(table, "preflight_prefix", "not the beginning of an object's name", `write it without a leading slash: "deliveries/"`)
	}
	c.objects(table, s)
	c.otherSecrets(table, s)
	if c.isSet(table, "bucket_endpoint") && s.BucketEndpoint != "" {
		c.url(table, "bucket_endpoint", &s.BucketEndpoint, `"https://s3.example.com"`)
	}
	if c.isSet(table, "bucket_ca_file") {
		s.BucketCAFile = resolve(c.file, s.BucketCAFile)
	}
}

func objectName(s string) bool {
	return s != "" && len(s) <= 512 && !strings.HasPrefix(s, "/")
}

// url checks an address and drops its trailing slash.
func (c *checker) url(table, key string, value *string, example string) (ok bool) {
	clean, problem := cleanURL(*value)
	switch {
	case problem != "":
		c.bad(table, key, problem, "write "+example)
		return false
	case strings.HasPrefix(clean, "http://") && !loopbackURL(clean):
		c.warn(c.at(table, key), join(table, key), "goes over the network without encryption, and keys with it", "write https://")
	}
	*value = clean
	return true
}

func (c *checker) destinations() {
	if _, written := c.set["destination"]; len(c.cfg.Destinations) == 0 && !written && !c.failed["destination"] && !c.incomplete {
		c.add(Position{}, "destination", "there is none, so there is nothing to do", smallest)
	}
	type identity struct{ account, name string }
	first := map[identity]Position{}
	used := map[string]bool{}
	for i := range c.cfg.Destinations {
		dest := &c.cfg.Destinations[i]
		table := "destination[" + strconv.Itoa(i) + "]"
		c.destinationName(table, dest)
		c.secret(table, dest)
		c.destinationAccount(table, dest)
		c.pointersOf(table, dest)
		c.settings(table, &dest.Settings)
		c.ownSecret(table, dest)
		c.notTheMark(table, dest)
		used[dest.Account] = true
		if dest.Name == "" {
			continue
		}
		id := identity{dest.Account, CanonicalName(dest.Name)}
		if at, ok := first[id]; ok {
			c.bad(table, "name", "this destination stands at "+place(at, dest.Pos)+" already", "keep one of the two")
			continue
		}
		first[id] = c.at(table, "name")
	}
	c.rollouts()
	for i, a := range c.cfg.Accounts {
		if !used[a.Name] && a.Pos != (Position{}) && !c.badAccounts {
			c.warn(a.Pos, "account["+strconv.Itoa(i)+"]", "no destination uses this account", "remove it, or name it at a destination")
		}
	}
}

// CanonicalName takes a name of a destination down to its id or suffix, so
// that "pl:destinations/x" and "x" are one.
func CanonicalName(name string) string { return strings.TrimPrefix(name, "pl:destinations/") }

const nameHint = `write the id, the pl:ref or the suffix that Planet shows: "my-s3-destination-CKxV9io"`

func (c *checker) destinationName(table string, dest *Destination) {
	switch id := CanonicalName(dest.Name); {
	case !c.isSet(table, "name") && !c.typeProblem(table, "name"):
		c.bad(table, "name", "is missing", nameHint)
	case !c.isSet(table, "name"):
	case id == "" || len(id) > 200 || strings.ContainsAny(id, " /:?#%\"'\\"):
		c.bad(table, "name", "cannot be the name of a destination", nameHint)
		dest.Name = ""
	}
}

// typeProblem tells whether a key that counts as not set was written with a
// wrong type, which has been said.
func (c *checker) typeProblem(table, key string) bool {
	return c.failed[join(table, key)]
}

func (c *checker) secret(table string, dest *Destination) {
	switch {
	case c.isSet(table, "secret"):
		c.shape(table, "secret", dest.Secret)
	case !c.typeProblem(table, "secret"):
		c.bad(table, "secret", "is missing", "write the secret's name as its owner writes it: "+c.examples())
	}
}

// shape checks that some provider of this build knows secrets of such a name.
func (c *checker) shape(table, key string, name credential.Secret) {
	if name == "" {
		c.bad(table, key, "is not filled in yet", "write the secret's name as its owner writes it: "+c.examples())
		return
	}
	if !slices.ContainsFunc(c.shapes, func(s Shape) bool { return s.Match(name) }) {
		c.bad(table, key, "no provider knows a name of this shape", "write the secret's name and not its content: "+c.examples())
	}
}

func (c *checker) examples() string {
	examples := make([]string, len(c.shapes))
	for i, s := range c.shapes {
		examples[i] = strconv.Quote(s.Example)
	}
	return strings.Join(examples, " or ")
}

func (c *checker) destinationAccount(table string, dest *Destination) {
	names := c.accountNames()
	switch {
	case c.badAccounts || c.typeProblem(table, "account"):
	case !c.isSet(table, "account") && len(names) == 1:
		dest.Account = names[0]
	case !c.isSet(table, "account"):
		c.bad(table, "account", "is missing, and there are several accounts", "write one of "+quoteAll(names))
	case !slices.Contains(names, dest.Account):
		c.bad(table, "account", "there is no such account", "write "+quoteAll(names)+", or add an [[account]]")
	}
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return strings.Join(quoted, ", ")
}

const notAPointer = "not a JSON Pointer"

// credentialFields are what Planet lets a PATCH change, over all types of
// destinations (Planet's API reference).
var credentialFields = []string{
	"aws_access_key_id", "aws_secret_access_key",
	"credentials",
	"sas_token",
	"customer_access_key_id", "customer_secret_key",
	"access_key_id", "secret_access_key",
}

func (c *checker) pointersOf(table string, dest *Destination) {
	for key, pointer := range dest.Map {
		path := table + ".map." + key
		at := c.set[path]
		if !showable(key) {
			path = table + ".map"
		}
		if !slices.Contains(credentialFields, key) {
			hint := "known here: " + strings.Join(credentialFields, ", ")
			if best := nearest(key, credentialFields); best != "" {
				hint = "did you mean " + best + "?"
			}
			c.add(at, path, "not a credential field of any destination type", hint)
			continue
		}
		if !jsonPointer(pointer) {
			c.add(at, path, notAPointer, `write where the value is inside the secret: "/AccessKeyId", or "" for all of it`)
		}
	}
}
