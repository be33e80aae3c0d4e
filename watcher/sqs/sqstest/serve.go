package sqstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/sigv4"
	"github.com/rotatord/rotatord/internal/testserver"
)

// maxBody is more than any request may be: ten entries share maxMessage.
const maxBody = 8 << 20

// refusal is an error as Amazon gives it: its type, and what the older query
// protocol calls it.
type refusal struct {
	status  int
	kind    string
	query   string
	message string
}

func invalid(message string) *refusal {
	return &refusal{http.StatusBadRequest, "com.amazonaws.sqs#InvalidParameterValueException", "InvalidParameterValue", message}
}

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxBody))
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Request{Time: time.Now(), Proto: r.Proto}
	defer func() { s.requests = append(s.requests, note) }()
	q := read(r, body, &note)
	if err := s.delay(r); err != nil {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	no, cut := s.trouble.refused()
	if cut {
		return nil, syscall.ECONNRESET
	}
	var result any
	if no == nil {
		result, no = s.act(r, body, q)
	}
	// A long poll has let go of the lock meanwhile.
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if s.trouble.offline {
		return nil, syscall.ECONNRESET
	}
	if s.trouble.cutAfter > 0 {
		s.trouble.cutAfter--
		return nil, syscall.ECONNRESET
	}
	a := s.answer(result, no)
	note.Status = a.Status
	if no != nil {
		_, note.Code, _ = strings.Cut(no.kind, "#")
	} else if s.trouble.garble > 0 {
		s.trouble.garble--
		a.Body = append(bytes.TrimSuffix(a.Body, []byte("}")), `, "Oops": {`...)
	}
	return a, nil
}

// delay is what the network does to a request before it arrives.
func (s *Server) delay(r *http.Request) error {
	if d := s.trouble.latency; d > 0 {
		s.wait(r, time.Now().Add(d), nil)
	}
	for s.trouble.hang && r.Context().Err() == nil {
		s.wait(r, time.Time{}, s.wake)
	}
	return r.Context().Err()
}

// wait lets go of the lock until a time, zero for never; or until wake is
// closed or the sender has gone.
func (s *Server) wait(r *http.Request, until time.Time, wake <-chan struct{}) {
	s.mu.Unlock()
	defer s.mu.Lock()
	var at <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		at = timer.C
	}
	select {
	case <-at:
	case <-wake:
	case <-r.Context().Done():
	}
}

func (s *Server) answer(result any, no *refusal) *testserver.Answer {
	s.made++
	a := &testserver.Answer{Status: http.StatusOK, Header: http.Header{
		"Content-Type":     {"application/x-amz-json-1.0"},
		"X-Amzn-Requestid": {fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.made)},
	}}
	if no != nil {
		fault := "Sender"
		if no.status >= http.StatusInternalServerError {
			fault = "Receiver"
		}
		a.Status = no.status
		a.Header.Set("X-Amzn-Query-Error", no.query+";"+fault)
		result = map[string]string{"__type": no.kind, "message": no.message}
	}
	a.Body, _ = json.Marshal(result)
	return a
}

// request is what clients may send, all actions together.
type request struct {
	QueueURL            string `json:"QueueUrl"`
	MaxNumberOfMessages *int
	WaitTimeSeconds     int
	VisibilityTimeout   *int
	AttributeNames      []string
	SystemNames         []string `json:"MessageSystemAttributeNames"`
	MessageNames        []string `json:"MessageAttributeNames"`
	ReceiptHandle       string
	MessageBody         string
	MessageAttributes   map[string]attribute
	Entries             []entry

	action string
	bad    bool
}

// entry is one of a batch.
type entry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout int
	MessageBody       string
	MessageAttributes map[string]attribute
}

// read takes a request apart and notes it. Nothing in it is believed yet.
func read(r *http.Request, body []byte, note *Request) request {
	var q request
	target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	err := json.Unmarshal(body, &q)
	q.bad = !ok || err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.0"
	q.action = target
	note.Action, note.Entries, note.Wait = target, len(q.Entries), q.WaitTimeSeconds
	note.Queue = q.QueueURL[strings.LastIndexByte(q.QueueURL, '/')+1:]
	if c, ok := sigv4.Parse(r.Header.Get("Authorization")); ok {
		note.KeyID, note.Region = c.ID, c.Region
	}
	return q
}
