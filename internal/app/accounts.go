package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// newAccount builds the client and the limiter of one account.
func newAccount(a config.Account, st *store.Store, m *metrics.Metrics, source providers.Provider, version string, t http.RoundTripper, log *slog.Logger) (rotation.Account, error) {
	limiter, err := planet.NewLimiter(planet.LimiterOptions{
		PerSecond: a.RequestsPerSecond,
		Allowance: a.JitterAllowance.Std(),
		Ledger:    st.Ledger(a.Name),
		OnWait:    m.TurnObserver(a.Name),
	})
	if err != nil {
		return rotation.Account{}, fmt.Errorf("account %q: %w", a.Name, err)
	}
	o := planet.Options{
		BaseURL: a.BaseURL, Auth: authOf(a, source), Limiter: limiter, Transport: t,
		UserAgent: "rotatord/" + version, PatchTimeout: a.PatchTimeout.Std(),
		Observer: m.PlanetObserver(a.Name), Logger: log.With("account", a.Name),
	}
	if t == nil {
		if o.RootCAs, err = certificates(a.CAFile); err != nil {
			return rotation.Account{}, fmt.Errorf("account %q: %w", a.Name, err)
		}
	}
	client, err := planet.New(o)
	if err != nil {
		return rotation.Account{}, fmt.Errorf("account %q: %w", a.Name, err)
	}
	if err := m.WatchLimiter(a.Name, limiter); err != nil {
		return rotation.Account{}, err
	}
	return rotation.Account{Name: a.Name, API: client, Turns: limiter, KeySecret: keySecret(a), ListEvery: a.ListInterval.Std()}, nil
}

func authOf(a config.Account, source providers.Provider) planet.Auth {
	switch {
	case a.APIKeySecret != "":
		return planet.APIKey(&secretKey{source: source, secret: a.APIKeySecret, pointer: a.APIKeyPointer})
	case a.APIKeyFile != "":
		return planet.APIKey(planet.KeyFromFile(a.APIKeyFile))
	case !a.APIKey.Empty():
		return planet.APIKey(planet.KeyFromValue(a.APIKey))
	case a.BearerTokenFile != "":
		return planet.Bearer(token{planet.KeyFromFile(a.BearerTokenFile)})
	case a.BearerTokenEnv != "":
		return planet.Bearer(token{planet.KeyFromEnv(a.BearerTokenEnv)})
	}
	return planet.APIKey(planet.KeyFromEnv(a.APIKeyEnv))
}

// token lets a file or a variable that holds an OAuth token be a TokenSource.
type token struct{ source planet.KeySource }

func (t token) Token(ctx context.Context) (credential.Value, error) { return t.source.Key(ctx) }
