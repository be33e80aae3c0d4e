package awstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The labels that Secrets Manager moves by itself.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING"
	Previous = "AWSPREVIOUS"
)

// Value is what a version holds: a string or bytes. The zero Value holds
// nothing, as a version that a rotation has begun and not filled.
type Value struct {
	String *string
	Binary []byte
}

// Text makes a Value of a string.
func Text(s string) Value { return Value{String: &s} }

// Binary makes a Value of bytes.
func Binary(b []byte) Value { return Value{Binary: append([]byte{}, b...)} }

func (v Value) empty() bool { return v.String == nil && v.Binary == nil }

func (v Value) same(w Value) bool {
	if v.String == nil || w.String == nil {
		return v.String == nil && w.String == nil && bytes.Equal(v.Binary, w.Binary)
	}
	return *v.String == *w.String
}

type version struct {
	value   Value
	created time.Time
}

// labels says which version each label is on.
type labels map[string]string

// secret is one secret. Its labels of before the last change are kept for
// readers that lag behind.
type secret struct {
	arn, name, region, account string
	created, changed, accessed time.Time
	versions                   map[string]version
	labels                     labels
	nextRotation               time.Time
	deleted                    time.Time
	deny                       map[string]string // action → message
	onlyLabels                 []string          // that may be moved; nil for all
	kms                        KMS

	before   past
	lagReads int
	lagUntil time.Time
}

// past is what a secret was before its last change.
type past struct {
	versions map[string]version
	labels   labels
	changed  time.Time
}

// view is the secret as a reader sees it now; one who lags behind sees its past.
func (x *secret) view(now time.Time) past {
	switch {
	case x.before.labels == nil:
	case x.lagReads > 0:
		x.lagReads--
		return x.before
	case now.Before(x.lagUntil):
		return x.before
	}
	return past{x.versions, x.labels, x.changed}
}

// change remembers what was before f, which changes versions or labels.
func (x *secret) change(f func()) {
	before := past{maps.Clone(x.versions), maps.Clone(x.labels), x.changed}
	f()
	x.before, x.changed = before, time.Now()
}

// move puts a label on a version. AWSPREVIOUS follows AWSCURRENT by itself.
func (x *secret) move(label, id string) {
	if old := x.labels[label]; label == Current && old != "" && old != id {
		x.labels[Previous] = old
	}
	x.labels[label] = id
}

// stages inverts the labels.
func (p past) stages() map[string][]string {
	byVersion := map[string][]string{}
	for label, id := range p.labels {
		byVersion[id] = append(byVersion[id], label)
	}
	for _, of := range byVersion {
		slices.Sort(of)
	}
	return byVersion
}

// nextID makes a version id of the form that Amazon's have, the same ones in
// each run.
func (s *Server) nextID() string {
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "version %d", s.made))
	h := hex.EncodeToString(sum[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// suffix makes the six characters at the end of an ARN.
func (s *Server) suffix() string {
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "suffix %d", s.made))
	return hex.EncodeToString(sum[:3])
}

// Create makes a secret in DefaultRegion and DefaultAccount with one version,
// which is current, and gives its ARN and the version's id. A zero Value makes
// a secret without versions. It panics if the name is taken.
func (s *Server) Create(name string, v Value) (arn, id string) {
	return s.CreateIn(DefaultRegion, DefaultAccount, name, v)
}

// CreateIn is Create in a region and an account. A region of China or GovCloud
// gives the ARN their partition.
func (s *Server) CreateIn(region, account, name string, v Value) (arn, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.create(region, account, name)
	if err != nil {
		panic("awstest: create " + name + ": " + err.message)
	}
	if v.empty() {
		return x.arn, ""
	}
	id = s.nextID()
	x.put(id, v, Current)
	return x.arn, id
}

func (s *Server) create(region, account, name string) (*secret, *refusal) {
	if name == "" || len(name) > 512 || strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("/_+=.@!-", r) && (r > 'z' || !isAlphanumeric(byte(r)))
	}) {
		return nil, invalidName()
	}
	for _, x := range s.secrets {
		if x.region == region && x.account == account && x.name == name {
			return nil, &refusal{400, "ResourceExistsException", "The operation failed because the secret " + name + " already exists."}
		}
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	now := time.Now()
	x := &secret{
		arn:  "arn:" + partition + ":secretsmanager:" + region + ":" + account + ":secret:" + name + "-" + s.suffix(),
		name: name, region: region, account: account, created: now, changed: now,
		versions: map[string]version{}, labels: labels{}, deny: map[string]string{},
	}
	s.secrets[x.arn] = x
	return x, nil
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (x *secret) put(id string, v Value, stages ...string) {
	x.change(func() {
		x.versions[id] = version{v, time.Now()}
		for _, label := range stages {
			x.move(label, id)
		}
	})
}

// with runs f on a secret. It panics if there is none, for that is a mistake
// in the test.
func (s *Server) with(arn string, f func(*secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.secrets[arn]
	if x == nil {
		panic("awstest: no secret " + arn)
	}
	f(x)
}

// Put adds a version with these labels, AWSCURRENT if there are none, and
// gives its id.
func (s *Server) Put(arn string, v Value, stages ...string) (id string) {
	if len(stages) == 0 {
		stages = []string{Current}
	}
	s.with(arn, func(x *secret) {
		id = s.nextID()
		x.put(id, v, stages...)
	})
	return id
}

// Label moves a label to a version; an empty id takes it away.
func (s *Server) Label(arn, label, id string) {
	s.with(arn, func(x *secret) {
		x.change(func() {
			if id == "" {
				delete(x.labels, label)
				return
			}
			x.move(label, id)
		})
	})
}

// Rollback moves AWSCURRENT back to the version that is AWSPREVIOUS and gives
// its id. It panics if there is none.
func (s *Server) Rollback(arn string) (id string) {
	s.with(arn, func(x *secret) {
		id = x.labels[Previous]
		if id == "" {
			panic("awstest: nothing to roll back to in " + arn)
		}
		x.change(func() { x.move(Current, id) })
	})
	return id
}

// Labels says on which version each label of a secret is.
func (s *Server) Labels(arn string) map[string]string {
	var of map[string]string
	s.with(arn, func(x *secret) { of = maps.Clone(x.labels) })
	return of
}

// Delete schedules a secret for deletion in so many days, as an owner does.
func (s *Server) Delete(arn string, days int) {
	s.with(arn, func(x *secret) { x.deleted = time.Now().AddDate(0, 0, days) })
}

// Restore takes a Delete back.
func (s *Server) Restore(arn string) {
	s.with(arn, func(x *secret) { x.deleted = time.Time{} })
}

// Purge removes a secret at once and for good.
func (s *Server) Purge(arn string) {
	s.with(arn, func(*secret) { delete(s.secrets, arn) })
}

// DropVersion removes a version, as happens to old ones without labels.
func (s *Server) DropVersion(arn, id string) {
	s.with(arn, func(x *secret) {
		delete(x.versions, id)
		maps.DeleteFunc(x.labels, func(_, on string) bool { return on == id })
	})
}

// SetNextRotation sets when rotation is planned; the zero time for never.
func (s *Server) SetNextRotation(arn string, at time.Time) {
	s.with(arn, func(x *secret) { x.nextRotation = at })
}
