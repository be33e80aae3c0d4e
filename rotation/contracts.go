package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Records is the durable truth, as package store keeps it.
type Records interface {
	Load(ctx context.Context, destination string) (store.Record, error)
	List(ctx context.Context) ([]store.Record, error)
	Save(ctx context.Context, r *store.Record, entries ...store.Entry) error
}

// Marks is the durable inbox: what has to be looked at.
type Marks interface {
	MarkDue(ctx context.Context, source string, at time.Time, destinations ...string) error
	MarkHeard(ctx context.Context, h store.Heard, destinations ...string) error
}

// AccountRecords keeps what is known of an account.
type AccountRecords interface {
	LoadAccount(ctx context.Context, name string) (store.Account, error)
	SaveAccount(ctx context.Context, a store.Account) error
}

// Fresh makes a record anew: the one way out for a record that can't be read.
type Fresh interface {
	Forget(ctx context.Context, destination string) error
	Ensure(ctx context.Context, records []store.Record) error
}

// ReceiptRecords keeps what was found of each secret as a whole.
type ReceiptRecords interface {
	Receipts(ctx context.Context) ([]store.Receipt, error)
	SaveReceipt(ctx context.Context, r store.Receipt) error
}

// Store is what the engine needs of package store.
type Store interface {
	ReceiptRecords
	Records
	Marks
	AccountRecords
	Fresh
	Epoch() int64
}

// Planet is what the engine needs of an account's API client.
type Planet interface {
	List(ctx context.Context, o planet.ListOptions) ([]planet.Destination, error)
	Get(ctx context.Context, id string) (planet.Destination, error)
	patcher.Modifier
}

// Turns gives out an account's requests; see planet.Limiter.
type Turns interface {
	Acquire(ctx context.Context) (*planet.Turn, error)
}

// Account is one Planet user or service key with its own rate limit.
type Account struct {
	Name  string
	API   Planet
	Turns Turns
	// KeySecret is where the API key itself is kept, if that can be watched. An
	// event of it lets a blocked account try again at once.
	KeySecret credential.Secret
	// ListEvery is how often Planet's list is asked for to find what others have
	// changed; 0 for only when a destination is looked at.
	ListEvery time.Duration
}

// Destination is one entry of the configuration.
type Destination struct {
	// Name is how a person names it: id, pl:ref, short ref or suffix.
	Name    string
	Account string
	Secret  credential.Secret
	// Announcers are the sources of events one of which should tell when the
	// secret changes; none where nothing is expected.
	Announcers []string
	Settings
}

// FirstSight says what happens to a destination without a record.
type FirstSight string

const (
	// FirstSightPush sends the current version once, after preflight.
	FirstSightPush FirstSight = "push"
	// FirstSightAdopt believes that Planet holds the current version already.
	FirstSightAdopt FirstSight = "adopt"
)

// PreflightMode says what rotatord's own test of a credential decides.
type PreflightMode string

const (
	// PreflightRequired pushes only what has passed.
	PreflightRequired PreflightMode = "required"
	// PreflightAdvisory pushes what could not be tried, marked as unproven;
	// what was refused is never pushed.
	PreflightAdvisory PreflightMode = "advisory"
	// PreflightOff tries nothing.
	PreflightOff PreflightMode = "off"
)

// CheckMode says how the accepted credential is tried between rotations.
type CheckMode string

const (
	// CheckRead reads one object, which need not be there.
	CheckRead CheckMode = "read"
	// CheckWrite does what preflight does: put, get, delete.
	CheckWrite CheckMode = "write"
	// CheckOff tries nothing.
	CheckOff CheckMode = "off"
)

// DriftMode says what follows when somebody else has changed a destination.
type DriftMode string

const (
	// DriftReport makes a condition of it and leaves things as they are.
	DriftReport DriftMode = "report"
	// DriftPush sends the credential again, once for each such change.
	DriftPush DriftMode = "push"
)

// RolloutMode says how a version gets to several destinations of one secret.
type RolloutMode string

const (
	// RolloutCanary gives it to one; to the others once it has proved itself there.
	RolloutCanary RolloutMode = "canary"
	// RolloutAll gives it to all at once.
	RolloutAll RolloutMode = "all"
)

// Settings are the choices of one destination, every one of them set: the
// defaults are package config's business.
type Settings struct {
	FirstSight FirstSight
	Preflight  PreflightMode
	// Propagation is how long a new version may be refused before it is held:
	// new keys take a while to work.
	Propagation time.Duration
	// Verification is the longest that Planet may take over a PATCH: the height
	// of the fence.
	Verification    time.Duration
	RestorePrevious bool // put the last accepted version back after a refusal
	RestoreOptional bool // one PATCH with the optional booleans, if ours reset them
	Mapping         patcher.Mapping

	// VerifyObject is what Planet writes to verify: planetverify.txt.
	VerifyObject string
	// PreflightPrefix is put before the name of rotatord's own object, which is
	// PreflightObject with the destination's id for {id}.
	PreflightPrefix, PreflightObject string
	// LeftoverConfirm is how long a leftover must stay to count.
	LeftoverConfirm time.Duration
	// NextProbe says when a leftover is looked for again after a look at that
	// time; nil for never.
	NextProbe func(after time.Time) time.Time
	// Check is how the accepted credential is tried between rotations, NextCheck
	// when; nil for never.
	Check     CheckMode
	NextCheck func(after time.Time) time.Time
	// ProbeSecret holds a credential of the same kind that leftovers are looked
	// for with in place of the destination's own; empty for none.
	ProbeSecret credential.Secret
	// CleanupSecret holds one that leftovers are removed with; empty for not.
	CleanupSecret credential.Secret
	OnDrift       DriftMode
	Rollout       RolloutMode
	// Endpoint overrides where the bucket is reached from here.
	Endpoint string
	// Open reaches a bucket.
	Open bucket.Opener

	// Hash changes when any of this does: a held version is tried again then.
	Hash string
}

// Step names one timed part of a look, for metrics.
type Step string

const (
	StepList      Step = "list"      // the account's destinations
	StepCurrent   Step = "current"   // the provider's current version
	StepRead      Step = "read"      // the value of a version
	StepPreflight Step = "preflight" // rotatord's own put, get, delete
	StepTurn      Step = "turn"      // waiting for the account's limiter
	StepPatch     Step = "patch"     // Planet's answer to the PATCH
	StepProbe     Step = "probe"     // the look for a leftover
	StepCheck     Step = "check"     // the accepted credential tried again
)

// Steps lists every Step.
func Steps() []Step {
	return []Step{StepList, StepCurrent, StepRead, StepPreflight, StepTurn, StepPatch, StepProbe, StepCheck}
}

// Observer hears of every finished step. It is called concurrently and must
// return at once.
type Observer func(destination string, step Step, took time.Duration)
