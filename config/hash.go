package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
)

// Hash names what decides whether a credential can work for this destination:
// where it comes from, how it is read and where it is tried. The engine keeps
// it beside a held version and tries that version again once the hash
// changes: whoever edited the destination did so to mend it. Schedules,
// time-outs and the like are left out, because editing them mends nothing.
// The hash is for comparing only.
func (d Destination) Hash() string {
	h := sha256.New()
	// Each part goes in with its length, so that no two lists of parts give
	// the same bytes.
	add := func(parts ...string) {
		for _, p := range parts {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	add(string(d.Secret), d.Account, string(d.Preflight), d.PropagationWindow.String(),
		d.VerifyObject, d.PreflightPrefix, d.PreflightObject, d.BucketEndpoint, d.BucketCAFile)
	for _, field := range slices.Sorted(maps.Keys(d.Map)) {
		add(field, d.Map[field])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
