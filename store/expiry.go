package store

import "time"

// Expiry is when the credential that Planet holds ends: as the credential
// itself says, or as its secret manager says of that version, whichever comes
// first; zero when neither says.
func (f Facts) Expiry() time.Time {
	if f.Accepted == nil {
		return time.Time{}
	}
	at := f.Accepted.Expires
	if s := f.Source; s != nil && s.Version == f.Accepted.Version && !s.Expires.IsZero() && (at.IsZero() || s.Expires.Before(at)) {
		at = s.Expires
	}
	return at
}

// ExpiresUnreplaced tells whether the credential that Planet holds ends before
// the secret manager plans to replace it: then deliveries stop on the day, and
// the plan is what has to change. It is false where either is unknown.
func (f Facts) ExpiresUnreplaced() bool {
	at := f.Expiry()
	return !at.IsZero() && f.Source != nil && f.Source.Version == f.Accepted.Version &&
		!f.Source.NextRotation.IsZero() && !f.Source.NextRotation.Before(at)
}
