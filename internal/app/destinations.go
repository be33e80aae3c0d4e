package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
)

// MaxDestinations is how many active destinations an organization may have;
// archived ones don't count (Planet's documentation).
const MaxDestinations = 50

// directory does what a person wants done to destinations themselves. It is
// made of what the engine works with, so that both keep one rate limit.
type directory struct {
	accounts map[string]directoryAccount
	order    []string // account names as configured
	names    map[string][]string
	source   providers.Provider
	kinds    bucket.Kinds
	// touched notes that a destination was changed from here, by Planet's id.
	touched func(ctx context.Context, id string) error
}

// directoryAccount is one account's client and its settings.
type directoryAccount struct {
	*planet.Client
	baseURL string
	bound   time.Duration // of a change, which outlives whoever asked for it
}

func newDirectory(cfg *config.Config, clients map[string]*planet.Client, source providers.Provider, kinds bucket.Kinds, touched func(context.Context, string) error) *directory {
	d := &directory{touched: touched, accounts: map[string]directoryAccount{}, names: map[string][]string{}, source: source, kinds: kinds}
	for _, a := range cfg.Accounts {
		if c := clients[a.Name]; c != nil {
			d.accounts[a.Name] = directoryAccount{c, a.BaseURL, a.PatchTimeout.Std() + 5*time.Second}
			d.order = append(d.order, a.Name)
		}
	}
	for _, one := range cfg.Destinations {
		d.names[one.Account] = append(d.names[one.Account], one.Name)
	}
	return d
}

// account finds the account that is meant.
func (d *directory) account(t web.Target) (string, directoryAccount, error) {
	name := t.Account
	if name == "" {
		if len(d.order) != 1 {
			return "", directoryAccount{}, web.Wrong("several accounts are configured; name one with --account: " + strings.Join(d.order, ", "))
		}
		name = d.order[0]
	}
	a, ok := d.accounts[name]
	if !ok {
		return "", a, web.Wrong(fmt.Sprintf("there is no account %q; configured: %s", name, strings.Join(d.order, ", ")))
	}
	if t.BaseURL != "" && strings.TrimRight(t.BaseURL, "/") != strings.TrimRight(a.baseURL, "/") {
		return "", a, web.Wrong("account " + name + " is at " + a.baseURL +
			": say so with --base-url, or ask without the running daemon by another $XDG_STATE_HOME")
	}
	return name, a, nil
}

// Find implements web.Directory.
func (d *directory) Find(ctx context.Context, q web.Find) ([]web.Destination, error) {
	ctx = planet.Interactive(ctx)
	if q.Name != "" {
		name, a, err := d.account(q.Target)
		if err != nil {
			return nil, err
		}
		found, err := resolveOne(ctx, a, q.Name)
		if err != nil {
			return nil, err
		}
		one, err := d.show(name, found)
		return []web.Destination{one}, err
	}
	accounts := d.order
	if q.Account != "" || len(d.order) == 1 || q.BaseURL != "" {
		name, _, err := d.account(q.Target)
		if err != nil {
			return nil, err
		}
		accounts = []string{name}
	}
	all := []web.Destination{}
	for _, name := range accounts {
		list, err := d.accounts[name].List(ctx, listOptions(q))
		if err != nil {
			return nil, err
		}
		for _, one := range list {
			shown, err := d.show(name, one)
			if err != nil {
				return nil, err
			}
			if wanted(q, shown) {
				all = append(all, shown)
			}
		}
	}
	return all, nil
}

// listOptions asks Planet for what is wanted and for nothing else.
func listOptions(q web.Find) (o planet.ListOptions) {
	yes := true
	for want, into := range map[*bool]**bool{&q.Archived: &o.Archived, &q.Mine: &o.IsOwner, &q.Writable: &o.CanWrite, &q.Default: &o.IsDefault} {
		if *want {
			*into = &yes
		}
	}
	return o
}

// wanted leaves out what Planet shows nevertheless: whether archived=true means
// "also" or "only" is documented both ways.
func wanted(q web.Find, d web.Destination) bool {
	return (!q.Archived || d.Archived != nil) && (!q.Mine || d.Mine) && (!q.Writable || d.Writable)
}

// show makes what is shown of a destination.
func (d *directory) show(account string, p planet.Destination) (web.Destination, error) {
	location, err := p.StructuralJSON()
	if err != nil {
		return web.Destination{}, err
	}
	options, err := p.OptionalJSON()
	if err != nil {
		return web.Destination{}, err
	}
	out := web.Destination{
		Account: account, ID: p.ID, Name: p.Name, Ref: p.Ref, Type: string(p.Type), Location: location, Options: options,
		Archived: p.Archived, Created: p.Created, Updated: p.Updated, Default: p.Default != nil && *p.Default,
		Mine: p.Ownership.IsOwner, OwnerID: p.Ownership.OwnerID, Writable: p.Permissions.CanWrite,
	}
	for _, name := range d.names[account] {
		if ref, err := planet.ParseRef(name); err == nil && ref.Matches(p) {
			out.Configured = name
		}
	}
	return out, nil
}

// resolveOne finds the destination that a person names.
func resolveOne(ctx context.Context, a directoryAccount, name string) (planet.Destination, error) {
	ref, err := planet.ParseRef(name)
	if err != nil {
		return planet.Destination{}, web.Wrong(err.Error())
	}
	found, err := a.Resolve(ctx, ref)
	var missing *planet.NotFoundError
	var ambiguous *planet.AmbiguousError
	if errors.As(err, &missing) || errors.As(err, &ambiguous) {
		return found, web.Refused(err.Error())
	}
	return found, err
}

// Change implements web.Directory.
func (d *directory) Change(ctx context.Context, r web.Change) (web.Changed, error) {
	ctx = planet.Interactive(ctx)
	account, a, err := d.account(r.Target)
	if err != nil {
		return web.Changed{}, err
	}
	given := 0
	for _, set := range []bool{r.Rename != nil, r.Archive != nil, r.Default != nil} {
		if set {
			given++
		}
	}
	if given != 1 || r.Name == "" {
		return web.Changed{}, web.Wrong("name a destination and one thing to change")
	}
	before, err := resolveOne(ctx, a, r.Name)
	if err != nil {
		return web.Changed{}, err
	}
	if done, err := settledAlready(ctx, a, before, r); done || err != nil {
		out := web.Changed{Already: done}
		if err == nil {
			out.Destination, err = d.show(account, before)
		}
		return out, err
	}
	after := before
	err = shielded(ctx, a, func(ctx context.Context) error {
		var answer planet.Answer
		var err error
		switch {
		case r.Default == nil:
			answer, err = a.Modify(ctx, before.ID, planet.ModifyRequest{Name: r.Rename, Archive: r.Archive})
		case *r.Default:
			answer, err = a.SetDefault(ctx, before.ID)
		default:
			err = a.UnsetDefault(ctx)
		}
		if answer.Destination != nil && answer.Destination.Type == before.Type {
			after = *answer.Destination
		}
		return err
	})
	// Also after a change that got no answer: it may have taken effect.
	if noted := d.touched(ctx, before.ID); noted != nil && err == nil {
		return web.Changed{}, fmt.Errorf("the change was made, and could not be noted, so that it will be reported as somebody else's: %w", noted)
	}
	if err != nil {
		return web.Changed{}, notDone(err, "; whether it took effect is not known: rotatord destinations get "+before.ID+" tells, in three minutes for certain")
	}
	if r.Default != nil {
		after.Default = r.Default
	}
	out := web.Changed{}
	out.Destination, err = d.show(account, after)
	return out, err
}

// settledAlready tells whether there is nothing to send, or why it must not be
// sent: what Planet is sure to refuse is said before.
func settledAlready(ctx context.Context, a directoryAccount, d planet.Destination, r web.Change) (bool, error) {
	isDefault := d.Default != nil && *d.Default
	switch {
	case r.Archive != nil && *r.Archive == (d.Archived != nil), r.Rename != nil && *r.Rename == d.Name,
		r.Default != nil && *r.Default && isDefault:
		return true, nil
	case r.Default == nil && !d.Permissions.CanWrite:
		return false, web.Refused(fmt.Sprintf("%s belongs to user %d: only its owner or an admin of the organization may change it", d.ID, d.Ownership.OwnerID))
	case r.Rename == nil:
		return false, nil
	}
	if problem := nameProblem(*r.Rename); problem != "" {
		return false, web.Wrong(problem)
	}
	all, err := everything(ctx, a)
	if err != nil {
		return false, err
	}
	if problem := nameTaken(*r.Rename, all); problem != "" {
		return false, web.Refused(problem)
	}
	return false, nil
}

// everything lists active and archived destinations.
func everything(ctx context.Context, a directoryAccount) ([]planet.Destination, error) {
	all, err := a.List(ctx, planet.ListOptions{})
	if err != nil {
		return nil, err
	}
	yes := true
	archived, err := a.List(ctx, planet.ListOptions{Archived: &yes})
	if err != nil {
		return nil, err
	}
	for _, one := range archived {
		if !slices.ContainsFunc(all, func(d planet.Destination) bool { return d.ID == one.ID }) {
			all = append(all, one)
		}
	}
	return all, nil
}

func nameProblem(name string) string {
	if n := utf8.RuneCountInString(name); n < 3 || n > 63 {
		return fmt.Sprintf("the name %q is too %s: Planet takes 3 to 63 characters", name, map[bool]string{true: "short", false: "long"}[n < 3])
	}
	return ""
}

func nameTaken(name string, all []planet.Destination) string {
	for _, one := range all {
		if one.Name == name {
			state := ""
			if one.Archived != nil {
				state = ", archived,"
			}
			return fmt.Sprintf("the name %q is that of %s%s already: names are unique in the organization", name, one.ID, state)
		}
	}
	return ""
}

// shielded makes one change under a turn of the account's. Once it has begun it
// outlives whoever asked for it: an answer that nobody hears is an outcome that
// nobody knows.
func shielded(ctx context.Context, a directoryAccount, do func(context.Context) error) error {
	turn, err := a.Limiter().Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.GiveBack() // of no effect once it was used
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.bound)
	defer cancel()
	return do(planet.WithTurn(ctx, turn))
}

// notDone tells a "no" of Planet's from what may have been done all the same.
func notDone(err error, unknown string) error {
	switch planet.OutcomeOf(err) {
	case planet.OutcomeRefused, planet.OutcomeBlocked, planet.OutcomeNotFound:
		return web.Refused(err.Error())
	case planet.OutcomeUnknown, planet.OutcomeAccepted:
		return web.Refused(err.Error() + unknown)
	}
	return err
}

// canonical writes what is not secret as JSON.
func canonical(location map[string]string, options map[string]bool) json.RawMessage {
	all := map[string]any{}
	for k, v := range location {
		all[k] = v
	}
	for k, v := range options {
		all[k] = v
	}
	b, _ := json.Marshal(all) // strings and booleans always can
	return b
}
