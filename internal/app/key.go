package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/providers"
)

// keyAge is how long Planet's API key from a secret manager is used before the
// secret manager is asked whether it is still the current one. A change in
// between is noticed by Planet's 401.
const keyAge = 15 * time.Minute

// secretKey is Planet's API key, kept in a secret manager: read when it is
// first needed, and again when its version has changed. It is a
// planet.KeySource and a planet.Refresher.
type secretKey struct {
	source  providers.Provider
	secret  credential.Secret
	pointer string

	mu      sync.Mutex
	key     credential.Value
	version string
	asked   time.Time
}

// Key implements planet.KeySource. While the secret manager can't be asked,
// the key that is known goes on being used.
func (k *secretKey) Key(ctx context.Context) (credential.Value, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.key.Empty() && time.Since(k.asked) < keyAge {
		return k.key, nil
	}
	if err := k.fetch(ctx); err != nil && k.key.Empty() {
		return credential.Value{}, err
	}
	return k.key, nil
}

// Refresh implements planet.Refresher: Planet has refused the key.
func (k *secretKey) Refresh(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fetch(ctx)
}

func (k *secretKey) fetch(ctx context.Context) error {
	v, err := k.source.Current(ctx, k.secret)
	if err != nil {
		return fmt.Errorf("find Planet's API key: %w", err)
	}
	k.asked = time.Now()
	if v.ID == k.version && !k.key.Empty() {
		return nil
	}
	value, err := k.source.Read(ctx, k.secret, v.ID)
	if err != nil {
		return fmt.Errorf("read Planet's API key: %w", err)
	}
	defer value.Clear()
	key, err := patcher.APIKey(value, k.pointer)
	if err != nil {
		return fmt.Errorf("read Planet's API key from %s: %w", k.secret, err)
	}
	// The old bytes are not cleared: a request may be using them. They are
	// nobody's soon.
	k.key, k.version = key, v.ID
	return nil
}
