package config

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
)

// What holds between two rotations: the object that preflight writes, the
// standing check, the secrets to look and to clean up with, the roll-out, and
// how often Planet is asked.

// idPlace is where the destination's id goes in preflight_object.
const idPlace = "{id}"

var preflightName = shape.Of(`^[A-Za-z0-9._/-]*\{id\}[A-Za-z0-9._/-]*$`, 0)

// preflightObject tells whether s makes a name of its own for every
// destination. With a prefix of 512 bytes and an id of 200 it still is shorter
// than the 1024 bytes that all clouds allow.
func preflightObject(s string) bool {
	if len(s) > 200 || !preflightName.MatchString(s) {
		return false
	}
	// Clients and proxies tidy such paths, and an object of another name would
	// be asked for.
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// mayBecome tells whether the name that preflight makes with some id is the
// name of the object that Planet's check writes, in whatever folder: preflight
// deletes its object, and would then hide the very thing that is looked for.
func mayBecome(preflight, verify string) bool {
	made, want := path.Base(preflight), path.Base(verify)
	before, after, found := strings.Cut(made, idPlace)
	if !found {
		return made == want
	}
	return len(want) > len(before)+len(after) && strings.HasPrefix(want, before) && strings.HasSuffix(want, after)
}

// objects checks the two names against each other, where one of them is
// written: what [defaults] says wrong is not said again at each destination.
func (c *checker) objects(table string, s *Settings) {
	const hint = `write a name of rotatord's own, with {id} where the destination's id goes: "rotatord-preflight-{id}.txt"`
	const clash = "could name the very object that Planet's check writes"
	switch {
	case c.isSet(table, "preflight_object") && !preflightObject(s.PreflightObject):
		c.bad(table, "preflight_object", "not a name that every destination has to itself", hint)
	case !mayBecome(s.PreflightObject, s.VerifyObject):
	case c.isSet(table, "preflight_object"):
		c.bad(table, "preflight_object", clash, hint)
	case c.isSet(table, "verify_object"):
		c.bad(table, "verify_object", "could be the name of the object that preflight writes", "change this, or preflight_object")
	}
}

// otherSecrets checks the secrets that a destination may have beside its own.
// An empty one takes back what [defaults] says.
func (c *checker) otherSecrets(table string, s *Settings) {
	if c.isSet(table, "probe_secret") && s.ProbeSecret != "" {
		c.shape(table, "probe_secret", s.ProbeSecret)
	}
	if c.isSet(table, "cleanup_secret") && s.CleanupSecret != "" {
		c.shape(table, "cleanup_secret", s.CleanupSecret)
	}
}

// ownSecret warns about secrets that are the destination's own one.
func (c *checker) ownSecret(table string, dest *Destination) {
	if dest.Secret == "" {
		return
	}
	if dest.ProbeSecret == dest.Secret {
		c.warn(c.at(table, "probe_secret"), table+".probe_secret", "is the destination's own secret, which is used anyway",
			"leave it out, or name one whose credential may only read")
	}
	if dest.CleanupSecret == dest.Secret {
		c.warn(c.at(table, "cleanup_secret"), table+".cleanup_secret", "is the destination's own secret: what Planet could not delete with it, rotatord can't either",
			"name one whose credential may delete Planet's object, and nothing else")
	}
}

// notTheMark refuses a secret that follows the label which write_back moves:
// once marked, the version that all have would be the one that all are to get.
func (c *checker) notTheMark(table string, dest *Destination) {
	if g := c.cfg.Gate; g.WriteBack && g.Mark != "" && strings.HasSuffix(string(dest.Secret), "?stage="+g.Mark) {
		c.bad(table, "secret", "follows the label that [gate] write_back moves", "write the secret's name without the label, or another mark in [gate]")
	}
}

// rollouts warns about destinations of one secret that disagree: a version
// that one of them is to prove first would reach the other at once.
func (c *checker) rollouts() {
	type said struct {
		rollout Rollout
		at      Position
	}
	first := map[credential.Secret]said{}
	for i, d := range c.cfg.Destinations {
		if d.Secret == "" {
			continue
		}
		table := "destination[" + strconv.Itoa(i) + "]"
		before, ok := first[d.Secret]
		switch {
		case !ok:
			first[d.Secret] = said{d.Rollout, c.at(table, "rollout")}
		case before.rollout != d.Rollout:
			c.warn(c.at(table, "rollout"), table+".rollout", "is another one than at "+place(before.at, d.Pos)+", for a destination of the same secret",
				"write the same for all destinations of a secret, or put it into [defaults]")
		}
	}
}

// Planet's lists, once each so long at most: three requests a second are all
// that an account has.
const (
	leastListInterval       = Duration(10 * time.Second)
	leastDependentsInterval = Duration(time.Minute)
)

// intervals checks how often an account is asked: never, or not so often that
// rotations wait for it.
func (c *checker) intervals(table string, a *Account) {
	if a.ListInterval != 0 && a.ListInterval < leastListInterval {
		c.bad(table, "list_interval", "is too short", `write at least "10s", or "0s" for never`)
	}
	if a.DependentsInterval != 0 && a.DependentsInterval < leastDependentsInterval {
		c.bad(table, "dependents_interval", "is too short", `write at least "1m", or "0s" for never`)
	}
}

// markName is what all clouds take for what a version is marked with: a
// staging label of AWS, an annotation of Google, the name of a tag of Azure, a
// key of Vault's custom metadata.
var markName = shape.Of(`^[a-z][a-z0-9-]*[a-z0-9]$`, 63)

// stages are the labels by which AWS itself tells versions apart. Moving one of
// them would rotate the secret.
var stages = []string{"awscurrent", "awspending", "awsprevious"}

func (c *checker) gate() {
	const hint = `write 2 to 63 lower-case letters, digits and dashes, beginning with a letter: "rotatord-accepted"`
	mark := c.cfg.Gate.Mark
	switch {
	case !c.isSet("gate", "mark"):
	case slices.Contains(stages, strings.ToLower(mark)):
		c.bad("gate", "mark", "is a label of AWS's own, which says which version is current", hint)
	case !markName.MatchString(mark):
		c.bad("gate", "mark", "not a name that every secret manager takes", hint)
	}
}
