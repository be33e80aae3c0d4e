package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// Events is what holds for the sources of events together.
type Events struct {
	// MissedAfter is how long after a change was found by schedule its event is
	// waited for before it counts as missed; 0 for never.
	MissedAfter Duration `toml:"missed_after" min:"0s" max:"1d"`
}

// Gate is what holds for "rotatord gate".
type Gate struct {
	// Grace is how long after the last destination has accepted a version the
	// old credential may still be in use: Planet takes it when a delivery
	// begins.
	Grace Duration `toml:"grace" min:"0s" max:"30d"`
	// WriteBack writes to the secret manager which version every destination
	// uses, once the ones before it may be revoked.
	WriteBack bool `toml:"write_back"`
	// Mark is the name under which that is written: a staging label of AWS, an
	// annotation of Google, a tag of Azure, custom metadata of Vault.
	Mark string `toml:"mark"`
}

// takenNames are sources that are always there; a configured one of such a
// name could not be told from them.
var takenNames = []string{"file", "schedule", "person", "start", "other"}

func (c *checker) sources() {
	c.sourceNames()
	s := &c.cfg.Source
	for i := range s.SQS {
		c.sqs(element("sqs", i), &s.SQS[i])
	}
	for i := range s.PubSub {
		c.pubSub(element("pubsub", i), &s.PubSub[i])
	}
	for i := range s.StorageQueue {
		c.storageQueue(element("storage_queue", i), &s.StorageQueue[i])
	}
	for i := range s.ServiceBus {
		c.serviceBus(element("service_bus", i), &s.ServiceBus[i])
	}
	c.webhooks()
}

func element(kind string, i int) string { return "source." + kind + "[" + strconv.Itoa(i) + "]" }

// tabled is an entry with its table's path in the file.
type tabled struct {
	table string
	entry
}

func (c *checker) tabled() []tabled {
	var all []tabled
	count := map[string]int{}
	for _, e := range c.cfg.Source.entries() {
		all = append(all, tabled{element(e.kind, count[e.kind]), e})
		count[e.kind]++
	}
	return all
}

// sourceNames fills in names that the file does not give, and checks all of
// them and what is announced.
func (c *checker) sourceNames() {
	all := c.tabled()
	nameless := map[string]int{}
	for _, s := range all {
		if !c.isSet(s.table, "name") && !c.typeProblem(s.table, "name") {
			nameless[s.kind]++
		}
	}
	first := map[string]Position{}
	for _, s := range all {
		if !c.sourceName(s, nameless[s.kind] > 1) {
			continue
		}
		if at, ok := first[s.Name]; ok {
			c.bad(s.table, "name", "a source of this name stands at "+place(at, s.Pos)+" already", "give each its own name")
			s.Name = "" // its default path would be twice there too
			continue
		}
		first[s.Name] = c.at(s.table, "name")
	}
	for _, s := range all {
		c.announces(s)
	}
}

func (c *checker) sourceName(s tabled, several bool) (ok bool) {
	const hint = `write lower-case letters, digits, dashes and underscores: "aws-events"`
	switch {
	case c.typeProblem(s.table, "name"):
	case !c.isSet(s.table, "name") && several:
		c.bad(s.table, "name", "is missing, and there are several sources of this kind", "give each a name: name = \"aws-events\"")
	case !c.isSet(s.table, "name"):
		s.Name = s.kind
		return true
	case slices.Contains(takenNames, s.Name):
		c.bad(s.table, "name", "is a name that rotatord uses itself", "choose another one: not "+quoteAll(takenNames))
	case !accountName(s.Name) || strings.Contains(s.Name, "."):
		c.bad(s.table, "name", "cannot be the name of a source", hint)
	default:
		return true
	}
	s.Name = ""
	return false
}

// announces checks that each element is a secret's name, or the beginning of
// some.
func (c *checker) announces(s tabled) {
	for i, name := range s.Announces {
		key := "announces[" + strconv.Itoa(i) + "]"
		star := strings.IndexByte(name, '*')
		switch {
		case c.typeProblem(s.table, key):
		case star < 0:
			c.shape(s.table, key, credential.Secret(name))
		case star != len(name)-1:
			c.bad(s.table, key, "has a * that is not at its end", `write the beginning of the names and one *: "arn:aws:secretsmanager:*"`)
		}
	}
}

// given tells whether a key is there that must be, and says so if it is not.
func (c *checker) given(table, key, hint string) bool {
	switch {
	case c.typeProblem(table, key):
		return false
	case !c.isSet(table, key):
		c.bad(table, key, "is missing", hint)
		return false
	}
	return true
}

// indirect checks the two keys that say where something secret is: in an
// environment variable or in a file. It tells whether one of them is there.
// What is written wrong counts as there, so that nothing is said twice.
func (c *checker) indirect(table, what, example string, env, file *string) bool {
	envKey, fileKey := what+"_env", what+"_file"
	words := strings.ReplaceAll(what, "_", " ")
	*file = resolve(c.file, *file)
	if c.isSet(table, envKey) {
		if *env == "" {
			c.bad(table, envKey, "is empty", "write the name of an environment variable, or leave this out")
		}
		c.variable(table, envKey, *env, example, words)
	}
	if c.isSet(table, fileKey) {
		switch {
		case *file == "":
			c.bad(table, fileKey, "is empty", "write the path of a file, or leave this out")
		case c.isSet(table, envKey):
			comes := " comes from "
			if strings.HasSuffix(words, "s") {
				comes = " come from "
			}
			c.bad(table, fileKey, "the "+words+comes+envKey+" already", "keep one of the two")
		}
	}
	return c.isSet(table, envKey) || c.isSet(table, fileKey) || c.typeProblem(table, envKey) || c.typeProblem(table, fileKey)
}
