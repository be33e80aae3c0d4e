// Package pagetest has fleets of destinations to show: in memory, the same each
// time, with every kind of trouble. Tests of the status page look at them, and
// so do the pictures in the documents.
package pagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Now is the moment at which the fleets are looked at.
var Now = time.Date(2026, time.March, 12, 9, 26, 53, 0, time.UTC)

// Source is a store in memory. Its methods may be called by several goroutines.
type Source struct {
	mu       sync.Mutex
	records  []store.Record
	entries  []store.Entry // newest first
	receipts []store.Receipt
	accounts map[string]store.Account
	err      error
}

// List gives all records by name.
func (s *Source) List(context.Context) ([]store.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records), s.err
}

// History gives entries, newest first.
func (s *Source) History(_ context.Context, q store.HistoryQuery) (out []store.Entry, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	for _, e := range s.entries {
		if (q.Destination == "" || e.Destination == q.Destination) && (q.Before <= 0 || e.ID < q.Before) && !e.At.Before(q.Since) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// Receipts gives those of all secrets.
func (s *Source) Receipts(context.Context) ([]store.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.receipts), nil
}

// LoadAccount gives an account.
func (s *Source) LoadAccount(_ context.Context, name string) (store.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[name]
	a.Name = name
	return a, nil
}

// Change alters the record of a destination; one that is new is added.
func (s *Source) Change(destination string, change func(*store.Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.records, func(r store.Record) bool { return r.Destination == destination })
	if i < 0 {
		s.records = append(s.records, store.Record{Destination: destination})
		i = len(s.records) - 1
	}
	change(&s.records[i])
	s.records[i].Revision++
	slices.SortFunc(s.records, func(a, b store.Record) int {
		switch {
		case a.Destination < b.Destination:
			return -1
		case a.Destination > b.Destination:
			return 1
		}
		return 0
	})
}

// Append adds an entry to the history, as the newest.
func (s *Source) Append(e store.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ID = 1
	if len(s.entries) > 0 {
		e.ID = s.entries[0].ID + 1
	}
	s.entries = slices.Insert(s.entries, 0, e)
}

// SetReceipt replaces or adds the receipt of a secret.
func (s *Source) SetReceipt(r store.Receipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receipts = slices.DeleteFunc(s.receipts, func(x store.Receipt) bool { return x.Secret == r.Secret })
	s.receipts = append(s.receipts, r)
}

// SetAccount replaces or adds an account.
func (s *Source) SetAccount(a store.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts == nil {
		s.accounts = map[string]store.Account{}
	}
	s.accounts[a.Name] = a
}

// Fail has List fail with an error beside what it gives; nil ends that.
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

var (
	kinds  = []string{"amazon_s3", "google_cloud_storage", "azure_blob_storage", "s3_compatible", "oracle_cloud_storage"}
	crops  = []string{"iowa-corn", "harbour-watch", "canopy-loss", "delta-floods", "glacier-north", "vineyards", "reef-survey", "pipeline-east", "wildfire-ca", "rice-mekong"}
	stages = []string{"prod", "staging", "archive", "analytics", "partner"}
	tails  = []string{"CKxV9io", "7Jm2QwT", "pX4bN0a", "Rt8uLz1", "m3GhYc6"}
)

// Fleet makes a number of destinations that are well, each with some history.
func Fleet(n int) *Source {
	s := &Source{}
	for i := range n {
		name := fmt.Sprintf("%s-%s-%s", crops[i%len(crops)], stages[i/len(crops)%len(stages)], tails[(i*3)%len(tails)])
		if i >= len(crops)*len(stages) {
			name = fmt.Sprintf("%s-%d", name, i)
		}
		account := "planet-main"
		if i%4 == 3 {
			account = "planet-research"
		}
		accepted := Now.Add(-time.Duration(3+i*11%150) * time.Hour)
		version := fmt.Sprintf("%08x-4c1e-4b7a-9d52-%012x", 0x5f3a9c1d*uint32(i+1), uint64(i+7)*0x1f35c9ab) //nolint:gosec // small
		secret := credential.Secret(fmt.Sprintf("arn:aws:secretsmanager:eu-west-1:210987654321:secret:planet/%s-%s", name[:len(name)-8], tails[i%len(tails)]))
		s.Change(name, func(r *store.Record) {
			r.Account, r.Secret = account, secret
			r.Pin = &store.Pin{ID: name, Ref: "pl:destinations/" + name, Name: name, Type: kinds[i%len(kinds)], At: accepted.Add(-2000 * time.Hour)}
			r.Accepted = &store.Accepted{Version: version, Created: accepted.Add(-time.Minute), Sent: accepted, At: accepted, GetProven: true}
			r.Source = &store.Source{Version: version, Created: accepted.Add(-time.Minute), At: Now.Add(-4 * time.Minute)}
			if i%3 == 1 {
				r.Accepted.Expires = Now.Add(time.Duration(9+i) * 24 * time.Hour)
			}
			r.Leftover = store.Leftover{State: "absent_inferred", CheckedAt: Now.Add(-2 * time.Hour)}
			if i%5 == 0 {
				r.Leftover.State = "absent"
			}
			r.Standing = store.Standing{State: "works", Version: version, Since: accepted, CheckedAt: Now.Add(-6 * time.Minute), Worked: Now.Add(-6 * time.Minute)}
			r.Seen = &store.Seen{Updated: accepted, Name: name, At: Now.Add(-40 * time.Second)}
			r.Status = store.Status{State: store.StateInSync, Since: accepted}
			r.NextLook = Now.Add(time.Duration(1+i%14) * time.Minute)
			r.LastSuccess = Now.Add(-time.Duration(1+i%9) * time.Minute)
			r.Dependents = &planet.Dependents{At: Now.Add(-7 * time.Minute), Since: accepted, Running: i * 7 % 6, Open: i * 3 % 4, AllUsers: true}
		})
		s.SetReceipt(store.Receipt{Secret: secret, Version: version, At: accepted, Opens: accepted.Add(time.Hour), Safe: accepted.Add(61 * time.Minute)})
	}
	s.SetAccount(store.Account{Name: "planet-main", Active: min(50, n*3/4+2)})
	s.SetAccount(store.Account{Name: "planet-research", Active: max(1, n/4)})
	s.rotations()
	return s
}

// rotations writes the history of what was accepted, the older first.
func (s *Source) rotations() {
	var all []store.Entry
	for _, r := range s.records {
		at := r.Accepted.At
		for ; at.After(Now.Add(-40 * 24 * time.Hour)); at = at.Add(-7*24*time.Hour - 25*time.Minute) {
			version := r.Accepted.Version
			if !at.Equal(r.Accepted.At) {
				version = fmt.Sprintf("%x", at.UnixNano())
			}
			all = append(all, store.Entry{At: at, Destination: r.Destination, Kind: store.EntryAttempt, Version: version, Outcome: "accepted", Duration: 2840 * time.Millisecond})
			all = append(all, store.Entry{At: at.Add(time.Second), Destination: r.Destination, Kind: store.EntryState, Version: version, Outcome: "in_sync"})
			all = append(all, store.Entry{At: at.Add(-40 * time.Second), Destination: r.Destination, Kind: store.EntryState, Version: version, Outcome: "waiting", Reason: "propagation", Detail: "the bucket does not know the key yet"})
		}
	}
	slices.SortStableFunc(all, func(a, b store.Entry) int { return a.At.Compare(b.At) })
	for _, e := range all {
		s.Append(e)
	}
}

// Troubled makes a fleet with one of each kind of trouble, as far as it is large
// enough.
func Troubled(n int) *Source {
	s := Fleet(n)
	troubles := Troubles()
	for i := range s.records {
		if i%3 != 0 || i/3 >= len(troubles) {
			continue
		}
		name := s.records[i].Destination
		t := troubles[i/3]
		s.Change(name, t)
		s.Change(name, func(r *store.Record) {
			if r.Pin != nil {
				r.Pin.Type = "amazon_s3" // what goes wrong is told in the words of S3
			}
		})
		r := s.records[slices.IndexFunc(s.records, func(r store.Record) bool { return r.Destination == name })]
		if r.Status.State == store.StateInSync {
			continue
		}
		s.withdraw(r)
		if r.Trial != nil {
			for k := r.Trial.Failures; k > 0; k-- {
				s.Append(store.Entry{At: r.Status.Since.Add(time.Duration(-k) * 11 * time.Minute), Destination: name, Kind: store.EntryAttempt, Version: r.Trial.Version,
					Outcome: outcomeOf(r.Status.Reason), Reason: r.Status.Reason, Detail: r.Status.Detail, Duration: 31 * time.Second})
			}
		}
		s.Append(store.Entry{At: r.Status.Since, Destination: name, Kind: store.EntryState, Outcome: string(r.Status.State), Reason: r.Status.Reason, Detail: r.Status.Detail})
	}
	slices.SortStableFunc(s.entries, func(a, b store.Entry) int { return b.At.Compare(a.At) })
	for i := range s.entries {
		s.entries[i].ID = int64(len(s.entries) - i)
	}
	return s
}

// withdraw says that what was noted of a secret is not true any more.
func (s *Source) withdraw(r store.Record) {
	for i := range s.receipts {
		if s.receipts[i].Secret == r.Secret {
			s.receipts[i].Withdrawn, s.receipts[i].Why = r.Status.Since, "another version is current"
		}
	}
}

func outcomeOf(r store.Reason) string {
	switch r {
	case store.ReasonOutcomeUnknown:
		return "unknown"
	case store.ReasonPlanetRefused, store.ReasonRestoreFailed:
		return "refused"
	case store.ReasonPreflightRefused:
		return "preflight_refused"
	}
	return "not_sent"
}

func status(state store.State, reason store.Reason, ago time.Duration, detail string) func(*store.Record) {
	return func(r *store.Record) {
		r.Status = store.Status{State: state, Reason: reason, Detail: detail, Since: Now.Add(-ago)}
		r.Source.Version, r.Source.Created = "b81f20c7-91aa-4e0d-8f0e-2c6a3d1e7b55", Now.Add(-ago-10*time.Minute)
		switch reason {
		case store.ReasonPreflightRefused, store.ReasonPropagation, store.ReasonOutcomeUnknown, store.ReasonPlanetRefused, store.ReasonRestoreFailed:
			r.Trial = &store.Trial{Version: r.Source.Version, FirstSeen: r.Source.Created, Failures: 3, Reason: reason, Detail: detail}
		}
	}
}

// Troubles changes records, each into another kind of trouble.
func Troubles() []func(*store.Record) {
	return []func(*store.Record){
		status(store.StateHeld, store.ReasonPreflightRefused, 3*time.Hour, "the bucket refuses put of rotatord-preflight-71c2.txt: AccessDenied, s3:PutObject is missing"),
		func(r *store.Record) {
			r.Standing = store.Standing{State: "rejected", Reason: "credential", Detail: "the bucket answered 403 InvalidAccessKeyId", Version: r.Accepted.Version,
				Since: Now.Add(-18 * time.Minute), CheckedAt: Now.Add(-2 * time.Minute), Worked: Now.Add(-28 * time.Minute)}
			r.Dependents.Running, r.Dependents.Open = 4, 2
		},
		func(r *store.Record) {
			r.Accepted.Expires = Now.Add(61 * time.Hour)
			r.Source.NextRotation = Now.Add(9 * 24 * time.Hour)
			r.Source.Expires = r.Accepted.Expires
		},
		status(store.StateWaiting, store.ReasonPropagation, 4*time.Minute, "the bucket does not know the key yet: 403 InvalidAccessKeyId"),
		func(r *store.Record) {
			r.Leftover = store.Leftover{State: "present", Size: 27, LastModified: r.Accepted.At, FirstSeen: r.Accepted.At.Add(time.Minute), CheckedAt: Now.Add(-time.Hour), NoDelete: true}
		},
		func(r *store.Record) {
			r.Drift = &store.Drift{Was: r.Accepted.At, Updated: Now.Add(-5 * time.Hour), Found: Now.Add(-299 * time.Minute)}
		},
		status(store.StateBlocked, store.ReasonVanished, 26*time.Hour, "Planet lists no destination of this name, and none archived"),
		func(r *store.Record) {
			r.Paused = &store.Paused{Since: Now.Add(-50 * time.Hour), Note: "bucket is moved to another region, ask before resuming"}
		},
		status(store.StateFailing, store.ReasonSourceUnavailable, 9*time.Minute, "secretsmanager.eu-west-1.amazonaws.com: i/o timeout"),
		func(r *store.Record) {
			r.Dependents.Failed, r.Dependents.FailedCredential = 3, 2
			r.Dependents.Examples = []planet.Failure{
				{Kind: planet.FailedOrder, ID: "0f2b9a4e-6d0a-4d2c-bb1e-b6a0f9a7f1d3", Name: "weekly mosaic", At: Now.Add(-50 * time.Minute), Cause: "credential", Message: "delivery failed: AccessDenied when calling PutObject"},
				{Kind: planet.FailedResult, ID: "a3c1e7d2-1c58-4a0a-9a3e-5a0b5b2c7d11", Name: "daily fields", At: Now.Add(-3 * time.Hour), Cause: "unknown", Message: "internal error while clipping"},
			}
		},
		status(store.StateUnknown, store.ReasonOutcomeUnknown, 90*time.Second, "the PATCH got no answer within 2m30s"),
		func(r *store.Record) {
			r.Accepted.Unproven = true
			r.Notes = []store.Note{{Kind: credential.EventRotationFailed, Source: "sqs", Version: r.Accepted.Version, Time: Now.Add(-7 * time.Hour)}}
		},
		status(store.StateHeld, store.ReasonRestoreFailed, 41*time.Minute, "Planet answered 422: bucket policy denies access; the previous version can't be read any more"),
		func(r *store.Record) { at := Now.Add(-90 * time.Hour); r.Archived = &at },
		status(store.StateWaiting, store.ReasonRollout, 2*time.Minute, "harbour-watch-prod-Rt8uLz1 goes first"),
	}
}
