package googletest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// version is one version of a secret.
type version struct {
	value     []byte
	created   time.Time
	state     pb.SecretVersion_State
	destroyed time.Time
	scheduled time.Time // when it will be destroyed
}

// secret is one secret. Its versions of before the last change are kept for
// readers that lag behind.
type secret struct {
	name         string // canonical: with the project's number
	created      time.Time
	versions     map[int64]version
	expires      time.Time
	nextRotation time.Time
	deny         map[string]bool // permissions
	annotations  map[string]string
	updates      int // which the etag counts

	before map[int64]version
	lists  lag
	gets   lag
}

// change remembers what was before f, which changes versions.
func (x *secret) change(f func()) {
	before := maps.Clone(x.versions)
	f()
	x.before = before
}

// seen is the versions as a reader sees them.
func (x *secret) seen(l *lag) map[int64]version {
	if x.before != nil && l.now() {
		return x.before
	}
	return x.versions
}

// newest gives version numbers, newest first.
func newest(versions map[int64]version) []int64 {
	numbers := slices.Collect(maps.Keys(versions))
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers
}

func (x *secret) add(value []byte) int64 {
	var n int64 = 1
	if all := newest(x.versions); len(all) > 0 {
		n = all[0] + 1
	}
	x.change(func() {
		x.versions[n] = version{value: slices.Clone(value), created: time.Now(), state: pb.SecretVersion_ENABLED}
	})
	return n
}

func (x *secret) set(n int64, f func(*version)) error {
	v, ok := x.versions[n]
	if !ok {
		return missingVersion(x.versionName(n))
	}
	if v.state == pb.SecretVersion_DESTROYED {
		return wrongState(x.versionName(n), v.state)
	}
	x.change(func() {
		f(&v)
		x.versions[n] = v
	})
	return nil
}

func (x *secret) versionName(n int64) string { return x.name + "/versions/" + strconv.FormatInt(n, 10) }

// message is a version's metadata as the API gives it.
func (x *secret) message(n int64, v version) *pb.SecretVersion {
	m := &pb.SecretVersion{Name: x.versionName(n), CreateTime: timestamppb.New(v.created), State: v.state, Etag: fmt.Sprintf("%q", strconv.FormatInt(n, 16))}
	if !v.destroyed.IsZero() {
		m.DestroyTime = timestamppb.New(v.destroyed)
	}
	if !v.scheduled.IsZero() {
		m.ScheduledDestroyTime = timestamppb.New(v.scheduled)
	}
	return m
}

var names = regexp.MustCompile(`^projects/([^/]+)(/locations/[a-z0-9-]+)?/secrets/([a-zA-Z0-9_-]{1,255})$`)

var errName = errors.New("no name of a secret")

// canonical gives a name with the project's number; "" if there is no such
// project. It must be called with the lock.
func (s *Server) canonical(name string) (string, error) {
	parts := names.FindStringSubmatch(name)
	if parts == nil {
		return "", errName
	}
	number := parts[1]
	if of, ok := s.projects[parts[1]]; ok {
		number = of
	} else if !slices.Contains(slices.Collect(maps.Values(s.projects)), number) {
		return "", nil
	}
	return "projects/" + number + parts[2] + "/secrets/" + parts[3], nil
}

// Create makes a secret with one version and gives that version's number. A
// nil value makes a secret without versions. The name is a whole one, with the
// project's id or number and with a location or without. It panics if the name
// is none or taken.
func (s *Server) Create(name string, value []byte) (number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.create(name)
	if err != nil {
		panic("googletest: create " + name + ": " + err.Error())
	}
	if value == nil {
		return ""
	}
	return strconv.FormatInt(x.add(value), 10)
}

func (s *Server) create(name string) (*secret, error) {
	canonical, err := s.canonical(name)
	switch {
	case err != nil:
		return nil, err
	case canonical == "":
		return nil, errors.New("no such project")
	case s.secrets[canonical] != nil:
		return nil, errors.New("it exists already")
	}
	x := &secret{name: canonical, created: time.Now(), versions: map[int64]version{}, deny: map[string]bool{}}
	s.secrets[canonical] = x
	return x, nil
}

// with runs f on a secret. It panics if there is none, for that is a mistake
// in the test.
func (s *Server) with(name string, f func(*secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	canonical, err := s.canonical(name)
	x := s.secrets[canonical]
	if err != nil || x == nil {
		panic("googletest: no secret " + name)
	}
	f(x)
}

func (s *Server) withVersion(name, number string, f func(*version)) {
	s.with(name, func(x *secret) {
		n, err := strconv.ParseInt(number, 10, 64)
		if err == nil {
			err = x.set(n, f)
		}
		if err != nil {
			panic("googletest: version " + number + " of " + name + ": " + err.Error())
		}
	})
}

// Add adds an enabled version and gives its number.
func (s *Server) Add(name string, value []byte) (number string) {
	s.with(name, func(x *secret) { number = strconv.FormatInt(x.add(value), 10) })
	return number
}

// Disable disables a version.
func (s *Server) Disable(name, number string) {
	s.withVersion(name, number, func(v *version) { v.state = pb.SecretVersion_DISABLED })
}

// Enable enables a version, which also takes back that it is to be destroyed.
func (s *Server) Enable(name, number string) {
	s.withVersion(name, number, func(v *version) { v.state, v.scheduled = pb.SecretVersion_ENABLED, time.Time{} })
}

// Destroy destroys a version for good.
func (s *Server) Destroy(name, number string) {
	s.withVersion(name, number, func(v *version) {
		v.state, v.destroyed, v.value = pb.SecretVersion_DESTROYED, time.Now(), nil
	})
}

// ScheduleDestroy is what Destroy does to a secret that has a delay for it: the
// version is disabled until then.
func (s *Server) ScheduleDestroy(name, number string, at time.Time) {
	s.withVersion(name, number, func(v *version) { v.state, v.scheduled = pb.SecretVersion_DISABLED, at })
}

// Delete removes a secret at once and for good.
func (s *Server) Delete(name string) {
	s.with(name, func(x *secret) { delete(s.secrets, x.name) })
}

// SetExpiry sets when the secret will be deleted; the zero time for never.
func (s *Server) SetExpiry(name string, at time.Time) {
	s.with(name, func(x *secret) { x.expires = at })
}

// SetNextRotation sets when rotation is due; the zero time for never.
func (s *Server) SetNextRotation(name string, at time.Time) {
	s.with(name, func(x *secret) { x.nextRotation = at })
}

// Annotate replaces the secret's annotations, as somebody else does.
func (s *Server) Annotate(name string, all map[string]string) {
	s.with(name, func(x *secret) { x.annotate(all) })
}

func (x *secret) annotate(all map[string]string) {
	x.annotations = maps.Clone(all)
	x.updates++
}

// Annotations gives the secret's annotations.
func (s *Server) Annotations(name string) (all map[string]string) {
	s.with(name, func(x *secret) { all = maps.Clone(x.annotations) })
	return all
}

// etag is that of the secret, not of a version.
func (x *secret) etag() string { return fmt.Sprintf("%q", strconv.Itoa(x.updates)) }

// Enabled lists the numbers of the enabled versions, highest first.
func (s *Server) Enabled(name string) []string {
	var all []string
	s.with(name, func(x *secret) {
		for _, n := range newest(x.versions) {
			if x.versions[n].state == pb.SecretVersion_ENABLED {
				all = append(all, strconv.FormatInt(n, 10))
			}
		}
	})
	return all
}

// Canonical gives a secret's name as answers and events write it: with the
// project's number.
func (s *Server) Canonical(name string) (canonical string) {
	s.with(name, func(x *secret) { canonical = x.name })
	return canonical
}

// splitVersion splits a version's name.
func splitVersion(name string) (of, number string) {
	of, number, _ = strings.Cut(name, "/versions/")
	return of, number
}
