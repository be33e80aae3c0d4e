package sqstest

import (
	"container/list"
	"crypto/md5" //nolint:gosec // the sum that SQS gives is MD5
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// defaultVisibility is how long a received message is invisible.
	defaultVisibility = 30 * time.Second
	// maxMessage bounds a message with its attributes.
	maxMessage = 1 << 20
)

// Queue is a standard queue. Its methods pass all access control.
type Queue struct {
	s          *Server
	name       string
	visibility time.Duration
	dead       *Queue
	most       int // receives before a message moves to dead

	messages *list.List // of *message, oldest first
	handles  map[string]*message
}

type message struct {
	id, body    string
	attributes  map[string]attribute
	sent, first time.Time
	received    int
	visible     time.Time
	handle      string // the latest
	from        string // ARN of the queue that it was moved from
	place       *list.Element
}

// attribute is a message attribute as requests and answers have it.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// Queue gives the queue of a name, making it if there is none.
func (s *Server) Queue(name string) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q
	}
	q := &Queue{s: s, name: name, visibility: defaultVisibility, messages: list.New(), handles: map[string]*message{}}
	s.queues[name] = q
	return q
}

// DeleteQueue makes the server forget a queue and all in it.
func (s *Server) DeleteQueue(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queues, name)
	s.stir()
}

// Redrive sets the redrive policy: what was received most times without being
// deleted goes to the dead-letter queue.
func (q *Queue) Redrive(dead *Queue, most int) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.dead, q.most = dead, most
}

// SetVisibility sets how long a received message is invisible; 30 s unless set.
func (q *Queue) SetVisibility(d time.Duration) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.visibility = d
}

// URL is the queue's address as Amazon gives it.
func (q *Queue) URL() string {
	return "https://sqs." + q.s.region + ".amazonaws.com/" + q.s.account + "/" + q.name
}

// ARN names the queue in policies.
func (q *Queue) ARN() string {
	return "arn:aws:sqs:" + q.s.region + ":" + q.s.account + ":" + q.name
}

// Put puts a message with string attributes into the queue, and gives its id.
func (q *Queue) Put(body string, attributes map[string]string) string {
	typed := map[string]attribute{}
	for name, value := range attributes {
		typed[name] = attribute{DataType: "String", StringValue: &value}
	}
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.put(body, typed).id
}

// Left counts the messages that nobody has deleted, visible or not.
func (q *Queue) Left() int {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.messages.Len()
}

// Bodies lists what Left counts, oldest first.
func (q *Queue) Bodies() []string {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	var all []string
	for e := q.messages.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*message).body)
	}
	return all
}

// Invisible says for how long each message stays invisible from now, by body.
func (q *Queue) Invisible() map[string]time.Duration {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	all := map[string]time.Duration{}
	for e := q.messages.Front(); e != nil; e = e.Next() {
		m := e.Value.(*message)
		all[m.body] = max(0, time.Until(m.visible))
	}
	return all
}

// Expire makes everything visible, as if all time-outs had passed.
func (q *Queue) Expire() {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	for e := q.messages.Front(); e != nil; e = e.Next() {
		e.Value.(*message).visible = time.Time{}
	}
	q.s.stir()
}

func (q *Queue) put(body string, attributes map[string]attribute) *message {
	q.s.made++
	m := &message{id: fmt.Sprintf("%08d-0000-4000-8000-000000000000", q.s.made), body: body, attributes: attributes, sent: time.Now()}
	m.place = q.messages.PushBack(m)
	q.s.stir()
	return m
}

// take gives up to n messages out. What was received too often moves to the
// dead-letter queue on the way.
func (q *Queue) take(n int, visibility time.Duration) []*message {
	now := time.Now()
	var found []*message
	var next *list.Element
	for e := q.messages.Front(); e != nil; e = next {
		next = e.Next() // before e may move
		m := e.Value.(*message)
		switch {
		case now.Before(m.visible):
			continue
		case q.dead != nil && m.received >= q.most:
			q.messages.Remove(e)
			m.from, m.visible = q.ARN(), time.Time{}
			m.place = q.dead.messages.PushBack(m)
			q.s.stir()
			continue
		}
		found = append(found, m)
		if len(found) == n && q.s.order == nil {
			break
		}
	}
	if q.s.order != nil {
		q.s.order.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		found = found[:min(n, len(found))]
	}
	for _, m := range found {
		q.hand(m, now, visibility)
	}
	return found
}

func (q *Queue) hand(m *message, now time.Time, visibility time.Duration) {
	q.s.made++
	m.handle = fmt.Sprintf("AQEB%016d==", q.s.made)
	q.handles[m.handle] = m
	m.received++
	if m.first.IsZero() {
		m.first = now
	}
	m.visible = now.Add(visibility)
	if q.s.trouble.duplicate > 0 {
		q.s.trouble.duplicate--
		m.visible = now
		q.s.stir()
	}
}

// next is when the next invisible message becomes visible; zero if there is
// none.
func (q *Queue) next() time.Time {
	var at time.Time
	for e := q.messages.Front(); e != nil; e = e.Next() {
		if m := e.Value.(*message); at.IsZero() || m.visible.Before(at) {
			at = m.visible
		}
	}
	return at
}

// remove deletes by a handle. One that is not the latest deletes nothing, and
// says so no more than Amazon's does.
func (q *Queue) remove(handle string) *refusal {
	m := q.handles[handle]
	if m == nil {
		return ReceiptHandleInvalid.refusal()
	}
	if m.handle == handle && m.place != nil {
		q.messages.Remove(m.place)
		m.place = nil
	}
	return nil
}

func (q *Queue) change(handle string, visibility time.Duration) *refusal {
	m := q.handles[handle]
	switch {
	case m == nil:
		return ReceiptHandleInvalid.refusal()
	case visibility < 0 || visibility > 12*time.Hour:
		return invalid("Value " + strconv.Itoa(int(visibility/time.Second)) + " for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.")
	case m.handle != handle || m.place == nil:
		return invalid("Value " + handle + " for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	case !time.Now().Before(m.visible):
		return &refusal{400, "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", ""}
	}
	m.visible = time.Now().Add(visibility)
	q.s.stir()
	return nil
}

func sumOf(body string) string {
	sum := md5.Sum([]byte(body)) //nolint:gosec // the sum that SQS gives is MD5
	return hex.EncodeToString(sum[:])
}

// sumOfAttributes is the MD5 sum over names, types and values, each behind its
// length, in the order of names.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func sumOfAttributes(all map[string]attribute) string {
	var b []byte
	add := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		add(name)
		add(a.DataType)
		if a.StringValue != nil {
			b = append(b, 1)
			add(*a.StringValue)
		} else {
			b = append(b, 2)
			add(string(a.BinaryValue))
		}
	}
	return sumOf(string(b))
}

// wants tells whether a list of attribute names, as a receive has it, includes
// a name.
func wants(list []string, name string) bool {
	for _, w := range list {
		if w == "All" || w == ".*" || w == name || strings.HasSuffix(w, ".*") && strings.HasPrefix(name, strings.TrimSuffix(w, "*")) {
			return true
		}
	}
	return false
}
