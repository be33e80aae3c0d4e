package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/probe"
)

// creation is one Create on its way.
type creation struct {
	*directory
	web.Create
	account string
	a       directoryAccount
	before  []planet.Destination
	checks  []web.Check
	params  credential.Parameters
}

// Create implements web.Directory. Everything is looked at before Planet is
// asked to do anything: what Planet would refuse costs a verification on the
// bucket there, and its message says less.
func (d *directory) Create(ctx context.Context, r web.Create) (web.Created, error) {
	ctx = planet.Interactive(ctx)
	c := &creation{directory: d, Create: r}
	defer func() { c.params.Clear() }()
	var err error
	if c.account, c.a, err = d.account(r.Target); err != nil {
		return web.Created{}, err
	}
	if err := c.complete(); err != nil {
		return web.Created{}, err
	}
	if c.before, err = everything(ctx, c.a); err != nil {
		return web.Created{}, err
	}
	// Of these, whatever is wrong is said at once.
	err = errors.Join(c.checkName(), c.checkQuota(), c.readSecret(ctx))
	if ctx.Err() != nil {
		return web.Created{}, ctx.Err()
	}
	if err != nil {
		return web.Created{}, web.Refused("not created: " + strings.ReplaceAll(err.Error(), "\n", "\nand: "))
	}
	if err := c.tryBucket(ctx); err != nil {
		return web.Created{}, err
	}
	return c.send(ctx)
}

func (c *creation) ok(name, detail string) {
	c.checks = append(c.checks, web.Check{Name: name, Result: "ok", Detail: detail})
}

// complete sees that the type is known and has all that it needs.
func (c *creation) complete() error {
	fields, known := planet.Type(c.Type).Fields()
	if !known {
		names := []string{}
		for _, t := range planet.Types() {
			names = append(names, string(t))
		}
		return web.Wrong(fmt.Sprintf("there is no type %q; Planet has %s", c.Type, strings.Join(names, ", ")))
	}
	var missing []string
	for _, f := range fields.Structural {
		if c.Location[f] == "" && !slices.Contains(leftOut, f) {
			missing = append(missing, f)
		}
	}
	if c.Secret == "" {
		missing = append(missing, "the secret")
	}
	if len(missing) > 0 {
		return web.Wrong(c.Type + " needs " + strings.Join(missing, ", "))
	}
	for _, given := range [][]string{slices.Sorted(maps.Keys(c.Location)), slices.Sorted(maps.Keys(c.Options))} {
		for _, f := range given {
			if !slices.Contains(fields.Structural, f) && !slices.Contains(fields.Optional, f) {
				return web.Wrong(c.Type + " has no parameter " + f)
			}
		}
	}
	if c.NewName == "" {
		if c.NewName = c.Location["bucket"]; c.NewName == "" {
			c.NewName = c.Location["container"]
		}
	}
	return nil
}

// leftOut are the structural parameters that a create may do without.
var leftOut = []string{"storage_endpoint_suffix"}

func (c *creation) checkName() error {
	if problem := nameProblem(c.NewName); problem != "" {
		return errors.New(problem + "; give another with --name")
	}
	if problem := nameTaken(c.NewName, c.before); problem != "" {
		return errors.New(problem + "; give another with --name")
	}
	c.ok("name", fmt.Sprintf("%q is free", c.NewName))
	return nil
}

func (c *creation) active() (n int) {
	for _, d := range c.before {
		if d.Archived == nil {
			n++
		}
	}
	return n
}

func (c *creation) checkQuota() error {
	n := c.active()
	used := fmt.Sprintf("%d of the organization's %d active destinations are used", n, MaxDestinations)
	switch {
	case n < MaxDestinations:
		c.ok("quota", used)
	case c.OverQuota:
		c.checks = append(c.checks, web.Check{Name: "quota", Result: "warning", Detail: used + "; asked nevertheless"})
	default:
		return errors.New(used + ": archive one that is not needed (rotatord destinations archive D), or ask Planet nevertheless with --force")
	}
	return nil
}

// readSecret reads the current version and makes the credential of it.
func (c *creation) readSecret(ctx context.Context) error {
	cur, err := c.source.Current(ctx, c.Secret)
	if err != nil {
		return err
	}
	value, err := c.source.Read(ctx, c.Secret, cur.ID)
	if err != nil {
		return err
	}
	defer value.Clear()
	if c.params, err = patcher.Make(c.Type, value, c.Map, time.Now()); err != nil {
		return fmt.Errorf("secret %s: %w", c.Secret, err)
	}
	c.ok("secret", fmt.Sprintf("version %s holds %s", cur.ID, strings.Join(c.params.Names(), " and ")))
	return nil
}

// tryBucket proves the credential on the bucket.
func (c *creation) tryBucket(ctx context.Context) error {
	if c.Untried {
		c.checks = append(c.checks, web.Check{Name: "bucket", Result: "skipped", Detail: "the credential was not tried: --preflight off"})
		return nil
	}
	at, err := bucket.ParseLocation(c.Type, canonical(c.Location, c.Options))
	if err != nil {
		return web.Refused(err.Error())
	}
	if c.BucketEndpoint != "" {
		at = at.WithEndpoint(c.BucketEndpoint)
	}
	b, err := c.kinds.Open(at, c.params)
	if err != nil {
		hint := ""
		if bucket.KindOf(err) == bucket.KindUnsupported {
			hint = "; --preflight off creates it without this trial"
		}
		return web.Refused("not created: " + err.Error() + hint)
	}
	p := probe.RunPreflight(ctx, b, probe.PreflightOptions{Key: probe.ObjectKey("", "", c.NewName)})
	left := ""
	if p.LeftBehind {
		left = "; its object " + probe.ObjectKey("", "", c.NewName) + " is left in the bucket"
	}
	switch p.Verdict {
	case probe.Passed:
		c.ok("bucket", "put, get and delete are permitted")
		return nil
	case probe.Refused:
		return web.Refused("not created: the credential does not work on the bucket: " + p.Detail + left +
			" (a key that was made just now may take a while to work)")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return web.Refused("not created: the credential could not be tried on the bucket: " + p.Detail + left +
		"; where the bucket can't be reached from here, --preflight off creates it untried")
}

// send asks Planet once. When nobody knows whether that had an effect, it looks.
func (c *creation) send(ctx context.Context) (web.Created, error) {
	body := c.body()
	defer body.Clear()
	var made planet.Destination
	err := shielded(ctx, c.a, func(ctx context.Context) (err error) {
		made, err = c.a.Client.Create(ctx, planet.CreateRequest{Name: c.NewName, Type: planet.Type(c.Type), Parameters: body.Bytes()})
		return err
	})
	out := web.Created{Checks: c.checks, Several: len(c.order) > 1, BaseURL: c.a.baseURL}
	if outcome := planet.OutcomeOf(err); outcome == planet.OutcomeUnknown || err != nil && outcome == planet.OutcomeAccepted {
		found, there, lookErr := c.lookFor(ctx)
		if !there {
			return web.Created{}, web.Refused(c.unheard(err, lookErr))
		}
		made, out.AnswerLost, err = found, true, nil
	}
	if err != nil {
		return web.Created{}, notDone(err, "")
	}
	out.Destination, err = c.show(c.account, made)
	return out, err
}

// lookFor finds a destination of the name that was not there before.
func (c *creation) lookFor(ctx context.Context) (found planet.Destination, there bool, err error) {
	all, err := c.a.List(context.WithoutCancel(ctx), planet.ListOptions{})
	for _, one := range all {
		if one.Name == c.NewName && string(one.Type) == c.Type {
			return one, true, nil
		}
	}
	return found, false, err
}

// unheard says what is known after an answer that did not come.
func (c *creation) unheard(err, lookErr error) string {
	text := err.Error() + ". Whether Planet creates it is not known: "
	if lookErr != nil {
		text += "its list could not be had either (" + lookErr.Error() + ")"
	} else {
		text += fmt.Sprintf("none of the name %q is in its list yet, and one may still appear", c.NewName)
	}
	return text + ". Nothing was sent again. Look in three minutes, before you do: rotatord destinations list"
}

// body joins what is not secret and what is to one JSON object, in one
// allocation of its final size; the caller clears it.
func (c *creation) body() credential.Value {
	secret := c.params.Object()
	defer secret.Clear()
	open := canonical(c.Location, c.Options)
	b := make([]byte, 0, len(open)+secret.Len())
	b = append(b, open[:len(open)-1]...)
	b = append(b, ',')
	b = append(b, secret.Bytes()[1:]...)
	return credential.NewValue(b)
}
