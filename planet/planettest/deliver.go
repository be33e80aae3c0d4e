package planettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	refPrefix   = "pl:destinations/"
	defaultRef  = refPrefix + "default"
	unknownCode = "Refused"
	// noDestination is the code of a delivery whose destination is gone, or
	// whose default is unset.
	noDestination = "NoDestination"
)

// use is the destination that an order or a subscription delivers to.
type use struct {
	ref    string
	prefix string
	user   *User
	to     *destination // nil for the default, which is looked up each time
	files  int
	hold   time.Duration
}

var errNoUse = badRequest("delivery: there is no such destination")

// newUse resolves a reference for something that is to be created. The caller
// holds mu.
func (s *Simulator) newUse(u *User, ref, prefix string) (use, *problem) {
	n := use{ref: ref, prefix: prefix, user: u, files: s.deliveryOptions.Files, hold: s.deliveryOptions.Hold}
	d := s.resolve(u, ref)
	switch {
	case d == nil:
		return use{}, errNoUse
	case !d.archived.IsZero():
		return use{}, badRequest("delivery: the destination is archived")
	case ref != defaultRef:
		n.to = d
	}
	return n, nil
}

// resolve finds what a reference means to a user now. The caller holds mu.
func (s *Simulator) resolve(u *User, ref string) *destination {
	o := s.org(u)
	if ref == defaultRef {
		return o.standard
	}
	key, ok := strings.CutPrefix(ref, refPrefix)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(o.destinations, func(d *destination) bool { return d.id == key || d.suffix == key })
	if i < 0 {
		return nil
	}
	return o.destinations[i]
}

// destination is where a use leads now; nil if it is gone. The caller holds mu.
func (s *Simulator) destination(n use) *destination {
	o := s.org(n.user)
	if n.to == nil {
		return o.standard
	}
	if !slices.Contains(o.destinations, n.to) {
		return nil
	}
	return n.to
}

// begin starts a delivery: it reads the credential that it will use to its end.
func (s *Simulator) begin(n use) (Delivery, File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.underWay++
	d := Delivery{User: n.user.Name, Ref: n.ref, Started: time.Now(), Files: n.files}
	to := s.destination(n)
	if to == nil {
		d.Error = noDestination
		return d, File{}
	}
	d.Destination, d.Fingerprints = to.id, map[string]string{}
	for _, name := range to.secrets.Names() {
		d.Fingerprints[name] = s.Fingerprint(to.secrets.Get(name).Bytes())
	}
	return d, File{
		DestinationID: to.id, Type: to.kind.name,
		Parameters: clearParameters(to.structural, to.secrets, to.optional),
	}
}

// carryOut makes a whole delivery; false when the simulator was closed
// meanwhile. The caller files it.
func (s *Simulator) carryOut(life context.Context, n use, id string) (Delivery, bool) {
	d, f := s.begin(n)
	defer clear(f.Parameters)
	for i := range n.files {
		if pause(life, time.Until(d.Started.Add(n.moment(i)))) != nil {
			return d, false
		}
		if d.Destination == "" {
			continue
		}
		file := f
		file.Parameters = slices.Clone(f.Parameters)
		file.Object = fmt.Sprintf("%s%s/file-%d.json", n.prefix, id, i+1)
		if i == 0 {
			d.Object = file.Object
		}
		file.Body = encode(map[string]any{"id": id, "file": i + 1, "of": n.files})
		code, ok := s.write(life, file)
		clear(file.Parameters)
		if life.Err() != nil {
			return d, false
		}
		if ok {
			d.Written++
		} else if d.Error == "" {
			d.Error = code
		}
	}
	d.At, d.OK = time.Now(), d.Error == ""
	return d, true
}

// report hands a delivery that has ended to the caller's hook.
func (s *Simulator) report(d Delivery, ended bool) {
	if ended && s.onDelivery != nil {
		d.Fingerprints = maps.Clone(d.Fingerprints)
		s.onDelivery(d)
	}
}

// moment is when a delivery writes its i-th file, since its start.
func (n use) moment(i int) time.Duration {
	if n.files == 1 {
		return n.hold
	}
	return n.hold * time.Duration(i) / time.Duration(n.files-1)
}

func (s *Simulator) write(life context.Context, f File) (code string, ok bool) {
	if s.deliveryOptions.Deliverer == nil {
		return "", true
	}
	err := s.deliveryOptions.Deliverer.Deliver(life, f)
	var refused *DeliveryError
	switch {
	case err == nil || errors.Is(err, errors.ErrUnsupported):
		return "", true
	case errors.As(err, &refused):
		return refused.code(), false
	}
	return unknownCode, false
}

// says is what an order or a result tells of a failure.
func (o DeliveryOptions) says(d Delivery) string {
	if o.HideCause {
		return "Delivery failed"
	}
	return "Delivery to the destination failed: " + d.Error
}

// fill carries an order out.
func (s *Simulator) fill(life context.Context, o *order, queue time.Duration) {
	if pause(life, queue) != nil {
		return
	}
	s.mu.Lock()
	o.move("running", "Delivering")
	s.mu.Unlock()
	d, ended := s.carryOut(life, o.use, o.id)
	defer func() { s.report(d, ended) }() // once mu is free
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.underWay--
	if !ended {
		return
	}
	d.Order = o.id
	d.Number = s.work.record(d)
	switch {
	case d.OK:
		o.move("success", "Manifest delivery completed")
		return
	case d.Written > 0:
		o.move("partial", s.deliveryOptions.says(d))
	default:
		o.move("failed", s.deliveryOptions.says(d))
	}
	if !s.deliveryOptions.HideCause {
		o.hints = []string{d.Error}
	}
}

// run delivers on a subscription's clock until it ends. Each delivery goes its
// own way: a long Hold does not move the next one.
func (s *Simulator) run(ctx context.Context, sub *subscription) {
	for n := 1; ; n++ {
		at := sub.created.Add(time.Duration(n)*sub.interval + s.jitter(sub, n))
		if pause(ctx, time.Until(at)) != nil || ctx.Err() != nil {
			return
		}
		s.clock.run(func(life context.Context) { s.deliverOnce(life, sub, n) })
	}
}

func (s *Simulator) jitter(sub *subscription, n int) time.Duration {
	most := min(s.deliveryOptions.Jitter, sub.interval-1)
	if most <= 0 {
		return 0
	}
	return time.Duration(s.diceOf("jitter", sub, n).Int64N(int64(most)))
}

// diceOf gives random numbers that depend on the seed, the subscription and
// the delivery alone, whatever order goroutines run in.
func (s *Simulator) diceOf(what string, sub *subscription, n int) *mathrand.Rand {
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%s %s %d", what, sub.id, n) // never an error
	return mathrand.New(mathrand.NewPCG(s.seed, hash.Sum64()))
}

func (s *Simulator) deliverOnce(life context.Context, sub *subscription, n int) {
	s.mu.Lock()
	r := &result{id: itemID(s.diceOf("result", sub, n)), status: "processing", created: time.Now(), updated: time.Now()}
	sub.add(r)
	s.mu.Unlock()
	d, ended := s.carryOut(life, sub.use, sub.id+"/"+r.id)
	defer func() { s.report(d, ended) }() // once mu is free
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.underWay--
	if !ended {
		return
	}
	d.Subscription, d.Result = sub.id, r.id
	d.Number = s.work.record(d)
	r.updated, r.completed, r.status = d.At, d.At, "success"
	if !d.OK {
		r.status, r.message = "failed", s.deliveryOptions.says(d)
	}
}

// readUse reads the part of a delivery that names a destination; the rest of a
// real one is not of interest here.
func readUse(raw json.RawMessage, at string) (ref, prefix string, bad *problem) {
	members, bad := decodeObject(raw, at)
	if bad != nil {
		return "", "", bad
	}
	fields, bad := pick(members, "ref", "path_prefix")
	if bad != nil {
		return "", "", bad
	}
	if fields["ref"] == nil {
		return "", "", badRequest(at + ".ref is required")
	}
	if ref, bad = readText(fields["ref"], at+".ref"); bad != nil || fields["path_prefix"] == nil {
		return ref, "", bad
	}
	prefix, bad = readText(fields["path_prefix"], at+".path_prefix")
	return ref, prefix, bad
}
