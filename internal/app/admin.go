package app

import (
	"context"
	"net/http"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/internal/web/page"
)

// adminHandler serves the admin listener: what Prometheus and a kubelet ask,
// the status page, the API, and, if there is a token, actions.
func (g *generation) adminHandler() http.Handler {
	actions := g.actions()
	return web.Admin(web.AdminOptions{Metrics: g.metrics.Handler(), Ready: g.app.readiness, Version: g.app.o.Version,
		API: g.api, Actions: actions, Pages: g.pages(actions)})
}

// pages is the status page; nil, which leaves a plain index, if it can't be made.
func (g *generation) pages(actions *web.Actions) http.Handler {
	h, err := page.New(page.Options{Source: g.store, Version: g.app.o.Version, Events: g.eventSources,
		Session: func(r *http.Request) page.Session {
			v := actions.Visitor(r)
			return page.Session{Offered: v.MayLogIn, SignedIn: v.LoggedIn, CSRF: v.CSRF, Who: v.Who}
		}})
	if err != nil {
		g.log.ErrorContext(context.Background(), "status page can't be made", "error", err)
		return nil
	}
	return h
}

func (g *generation) eventSources(ctx context.Context) ([]page.EventSource, error) {
	all, err := g.events.Sources(ctx)
	out := make([]page.EventSource, 0, len(all))
	for _, s := range all {
		out = append(out, page.EventSource{Name: s.Source, Kind: s.Kind, Where: s.Where, State: s.State, Since: s.Since,
			LastMessage: s.LastMessage, LastError: s.LastError})
	}
	return out, err
}

// actions are what may be done through the admin listener; nil without a token.
// Sessions are the App's, so that a reload logs nobody out.
func (g *generation) actions() *web.Actions {
	token := adminToken(g.cfg.Admin)
	if token == nil {
		return nil
	}
	return web.NewActions(web.ActionsOptions{API: g.api, Token: token, Sessions: g.app.sessions, Logger: g.log})
}

// adminToken reads the token anew for each use: a file may be replaced.
func adminToken(cfg config.Admin) func() (credential.Value, error) {
	if cfg.TokenFile == "" && cfg.TokenEnv == "" {
		return nil
	}
	return func() (credential.Value, error) { return secretText(cfg.TokenFile, cfg.TokenEnv) }
}
