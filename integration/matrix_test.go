package integration

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/probe"
)

// world is one kind of bucket, on a server that knows the cases of the matrix.
type world struct {
	kind string
	// fresh makes an empty bucket, and a credential that may do all but these.
	fresh func(t *testing.T, lacking ...bucket.Op) *spot
	// versioned is fresh for a bucket that keeps versions.
	versioned func(t *testing.T, lacking ...bucket.Op) *spot
	// token is fresh for one of Azure's tokens; nil for other kinds.
	token func(t *testing.T, which tokenCase) *spot
}

// spot is one bucket and one credential, and how to break them.
type spot struct {
	// url is where the server is, and endpoint where requests go to.
	url, endpoint string
	// wait is how long a request may take.
	wait time.Duration
	open func(t *testing.T, s *spot) bucket.Bucket
	// clock is how wrong our clock is.
	clock time.Duration
	// note is the number of a footnote, 0 for none.
	note int
	// lost: the bucket is gone, so that nothing can be put into it.
	lost bool
	// again: it is preflight's second try, and all that is asked; resume is
	// PreflightOptions.ResumeDelete.
	again, resume bool

	// What its owner does.
	put    func(key string)
	remove func(key string)
	// has tells whether an object is there.
	has func(key string) bool

	// What goes wrong.
	drop, revoke, wrong, unknown, asleep, awake, skew func()
	// revocable makes the credential one that can be revoked, where that is not
	// every one's nature.
	revocable func()
	// token is what only Azure's can have.
	token func(which tokenCase)
}

const (
	opPut    = bucket.OpPut
	opGet    = bucket.OpGet
	opDelete = bucket.OpDelete
	opList   = bucket.OpList
)

// nowhere is an address at which nobody listens.
const nowhere = "http://127.0.0.1:1"

var preflightObject = probe.ObjectKey("", "", "matrix")

// matrixRow is one thing that can be wrong. make gives nil where a kind does
// not have it.
type matrixRow struct {
	name string
	make func(t *testing.T, w world) *spot
}

// lacking is a row of a credential that lacks permissions.
func lacking(name string, ops ...bucket.Op) matrixRow {
	return matrixRow{name, func(t *testing.T, w world) *spot { return w.fresh(t, ops...) }}
}

// broken is a row of a good credential to which something happens.
func broken(name string, happens func(t *testing.T, s *spot)) matrixRow {
	return matrixRow{name, func(t *testing.T, w world) *spot {
		s := w.fresh(t)
		happens(t, s)
		return s
	}}
}

// tried is a row of a preflight that comes after one that had to leave its
// object.
func tried(name string, happens func(s *spot), ops ...bucket.Op) matrixRow {
	return matrixRow{name, func(t *testing.T, w world) *spot {
		s := w.fresh(t, ops...)
		if p := probe.RunPreflight(t.Context(), s.open(t, s), probe.PreflightOptions{Key: preflightObject}); !p.LeftBehind {
			t.Fatalf("nothing was left behind: %+v", p)
		}
		s.again = true
		happens(s)
		return s
	}}
}

// azureToken is a row of Azure's alone.
func azureToken(name string, which tokenCase) matrixRow {
	return matrixRow{name, func(t *testing.T, w world) *spot {
		if w.token == nil {
			return nil
		}
		return w.token(t, which)
	}}
}

func matrixRows() []matrixRow {
	resume := func(s *spot) { s.resume = true }
	return []matrixRow{
		lacking("nothing is wrong"),
		lacking("put is not permitted", opPut),
		lacking("get is not permitted", opGet),
		lacking("delete is not permitted", opDelete),
		lacking("list is not permitted", opList),
		lacking("delete and list are not permitted", opDelete, opList),
		tried("delete is not permitted, tried again with what is left known", resume, opDelete),
		tried("delete is not permitted, tried again with what is left forgotten", func(*spot) {}, opDelete),
		tried("delete is not permitted, tried again, what was left has been removed", func(s *spot) { s.remove(preflightObject); resume(s) }, opDelete),
		tried("the same, and list is not permitted", func(s *spot) { s.remove(preflightObject); resume(s) }, opDelete, opList),
		broken("wrong key", func(_ *testing.T, s *spot) { s.wrong() }),
		broken("unknown key", func(_ *testing.T, s *spot) { s.unknown() }),
		broken("the key does not work yet", func(_ *testing.T, s *spot) { s.asleep() }),
		broken("the same key, a while later", func(t *testing.T, s *spot) {
			s.asleep()
			if p := probe.RunPreflight(t.Context(), s.open(t, s), probe.PreflightOptions{Key: preflightObject}); p.Verdict != probe.Refused {
				t.Errorf("the key works before its time: %+v", p)
			}
			s.awake()
		}),
		broken("the key was revoked", func(t *testing.T, s *spot) {
			if s.revocable != nil {
				s.revocable()
			}
			if p := probe.RunPreflight(t.Context(), s.open(t, s), probe.PreflightOptions{Key: preflightObject}); p.Verdict != probe.Passed {
				t.Errorf("before it was revoked: %+v", p)
			}
			s.revoke()
		}),
		broken("the bucket is gone", func(_ *testing.T, s *spot) { s.drop(); s.lost = true }),
		{"the bucket keeps versions", func(t *testing.T, w world) *spot { return w.versioned(t) }},
		{"it keeps versions, and list is not permitted", func(t *testing.T, w world) *spot { return w.versioned(t, opList) }},
		broken("the connection is refused", func(_ *testing.T, s *spot) { s.endpoint = nowhere }),
		// Within the first line, lest it matters what else a server says.
		broken("answers are cut in the middle", func(t *testing.T, s *spot) {
			p := badNetworkTo(t, s.url)
			poison(t, p, "limit_data", "downstream", map[string]int{"bytes": 12})
			s.endpoint = "http://" + p.Listen
		}),
		broken("requests never arrive", func(t *testing.T, s *spot) {
			p := badNetworkTo(t, s.url)
			poison(t, p, "timeout", "upstream", map[string]int{"timeout": 0})
			s.endpoint, s.wait = "http://"+p.Listen, 200*time.Millisecond
		}),
		broken("our clock is an hour behind", func(_ *testing.T, s *spot) { s.clock = -time.Hour; s.skew() }),
		broken("our clock is an hour ahead", func(_ *testing.T, s *spot) { s.clock = time.Hour; s.skew() }),
		azureToken("the token has expired", expired),
		azureToken("the token is not valid yet", early),
		azureToken("a token without `se`, whose stored policy has an end", endless),
		azureToken("a token without `se`, and without a policy", endlessAlone),
	}
}

// matrixCell is what is said of one thing that is wrong, for one kind.
type matrixCell struct {
	preflight, absent, present, versions string
	detail                               string
	note                                 int
}

// measure asks everything about a spot.
func measure(t *testing.T, s *spot) matrixCell {
	t.Helper()
	b := s.open(t, s)
	p := probe.RunPreflight(t.Context(), b, probe.PreflightOptions{Key: preflightObject, ResumeDelete: s.resume})
	c := matrixCell{note: s.note, preflight: sayPreflight(p), detail: p.Detail}
	if !s.lost {
		switch has := s.has(preflightObject); {
		case p.LeftBehind && has:
			c.preflight += "; object left"
		case p.LeftBehind:
			c.preflight += "; object left **(it is not)**"
		case has:
			c.preflight += "; **object left, not told**"
		}
	}
	if s.again {
		return c
	}
	c.absent = sayLeftover(looked(t, b, p.GetProven))
	if s.lost {
		c.present, c.versions = none, sayVersions(t, b)
		return c
	}
	s.put(probe.VerifyObject)
	s.put(probe.VerifyObject)
	c.present = sayLeftover(looked(t, b, p.GetProven))
	c.versions = sayVersions(t, b)
	return c
}

// looked looks once, and again after what would be a minute where there is
// something to confirm.
func looked(t *testing.T, b bucket.Bucket, proven bool) probe.Leftover {
	t.Helper()
	now := time.Now()
	first := probe.Conclude(probe.Leftover{}, probe.Look(t.Context(), b, probe.VerifyObject, proven), now, time.Time{}, time.Minute)
	if first.State != probe.Seen {
		return first
	}
	s := probe.Look(t.Context(), b, probe.VerifyObject, proven)
	s.ServerTime = s.ServerTime.Add(61 * time.Second)
	return probe.Conclude(first, s, now.Add(61*time.Second), time.Time{}, time.Minute)
}

// none is a cell with nothing to say.
const none = "–"

func sayPreflight(p probe.Preflight) string {
	if p.Verdict == probe.Passed {
		return string(p.Verdict)
	}
	why := string(p.Kind)
	if p.Permission != "" {
		why = p.Permission
	}
	return string(p.Verdict) + " at " + string(p.Step) + ": " + why
}

func sayLeftover(l probe.Leftover) string { return string(l.State) + ": " + string(l.Reason) }

func sayVersions(t *testing.T, b bucket.Bucket) string {
	t.Helper()
	v, ok := b.(bucket.Versioner)
	if !ok {
		return none
	}
	n, err := v.Versions(t.Context(), probe.VerifyObject)
	if err == nil {
		return strconv.Itoa(n)
	}
	var e *bucket.Error
	if !errors.As(err, &e) {
		t.Errorf("no *bucket.Error: %v", err)
		return ""
	}
	if e.Permission != "" {
		return string(e.Kind) + ": " + e.Permission
	}
	return string(e.Kind)
}

// TestProbeMatrix holds docs/probe-matrix.md against what is so; with -update it
// writes it anew.
func TestProbeMatrix(t *testing.T) {
	worlds := []world{
		s3World(bucket.TypeAmazonS3), s3World(bucket.TypeS3Compatible), s3World(bucket.TypeOracleCloudStorage), googleWorld(), azureWorld(t),
	}
	rows := matrixRows()
	cells := make([][]*matrixCell, len(rows))
	t.Run("cells", func(t *testing.T) {
		for i, row := range rows {
			cells[i] = make([]*matrixCell, len(worlds))
			for j, w := range worlds {
				t.Run(w.kind+", "+row.name, func(t *testing.T) {
					t.Parallel()
					if s := row.make(t, w); s != nil {
						c := measure(t, s)
						cells[i][j] = &c
					}
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	compareMatrix(t, matrixDocument(worlds, rows, cells))
}

// tcp gives a test connections of its own, which end with it.
func tcp(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func permitted(all map[bucket.Op][]string, lacking []bucket.Op) []string {
	var may []string
	for _, op := range []bucket.Op{opGet, opPut, opDelete, opList} {
		if !slices.Contains(lacking, op) {
			may = append(may, all[op]...)
		}
	}
	return may
}
