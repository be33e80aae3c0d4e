package page

import (
	"context"
	"net/url"
	"slices"
	"time"
)

type accountView struct {
	Name         string
	Link         string
	State        label
	Since        moment
	Next         moment
	Detail       string
	Destinations int
	Active       int
	Quota        int
	Width        string
	Tone         tone
}

type sourceView struct {
	Name, Kind, Where string
	State             label
	Since, Last       moment
	Error             string
}

// accounts tells of those that destinations name.
func (p *pages) accounts(ctx context.Context, now time.Time, items []item) ([]accountView, error) {
	counts := map[string]int{}
	var names []string
	for _, i := range items {
		if counts[i.Account] == 0 {
			names = append(names, i.Account)
		}
		counts[i.Account]++
	}
	if p.Options.Accounts == nil {
		return nil, nil
	}
	slices.Sort(names)
	out := make([]accountView, 0, len(names))
	for _, name := range names {
		a, err := p.Options.Accounts.LoadAccount(ctx, name)
		if err != nil {
			return out, err
		}
		v := accountView{Name: clean(name), Link: p.Base + "?" + url.Values{"account": {name}}.Encode() + "#destinations",
			State: label{"usable", good, "disc"}, Destinations: counts[name], Active: a.Active, Quota: p.Quota, Tone: quiet}
		if !a.BlockedSince.IsZero() {
			v.State = label{"blocked", bad, "cross"}
			v.Since, v.Next, v.Detail = lasting(now, a.BlockedSince), in(now, a.NextLook), sentence(a.Detail)
		}
		if a.Active > 0 {
			v.Width = percent(min(100, 100*float64(a.Active)/float64(p.Quota)))
			switch {
			case a.Active >= p.Quota:
				v.Tone = bad
			case a.Active*10 >= p.Quota*9:
				v.Tone = warn
			}
		}
		out = append(out, v)
	}
	return out, nil
}

var sourceLabels = map[string]label{
	"up": {"up", good, "disc"}, "down": {"down", warn, "triangle"}, "starting": {"starting", info, "half"}, "stopped": {"stopped", quiet, "ring"},
}

func (p *pages) sources(ctx context.Context, now time.Time) ([]sourceView, error) {
	if p.Events == nil {
		return nil, nil
	}
	all, err := p.Events(ctx)
	out := make([]sourceView, 0, len(all))
	for _, s := range all {
		v := sourceView{Name: clean(s.Name), Kind: clean(s.Kind), Where: clean(s.Where), State: labelOf(sourceLabels, s.State),
			Since: lasting(now, s.Since), Last: ago(now, s.LastMessage)}
		if s.State == "down" {
			v.Error = sentence(s.LastError)
		}
		out = append(out, v)
	}
	return out, err
}
