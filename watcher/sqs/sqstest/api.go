package sqstest

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/sigv4"
)

const (
	maxWait  = 20
	maxBatch = 10
)

// authenticate finds out whether somebody known has signed a request.
func (s *Server) authenticate(r *http.Request, body []byte) *refusal {
	refuse := func(kind, query, message string) *refusal {
		return &refusal{http.StatusForbidden, "com.amazon.coral.service#" + kind, query, message}
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return refuse("MissingAuthenticationTokenException", "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	c, ok := sigv4.Parse(header)
	if !ok || !c.Signs("x-amz-date") || !c.Signs("x-amz-target") {
		return refuse("IncompleteSignatureException", "IncompleteSignature", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'.")
	}
	if c.Service != "sqs" || c.Region != s.region {
		return refuse("InvalidSignatureException", "SignatureDoesNotMatch", "Credential should be scoped to a valid region.")
	}
	k, known := s.keys[c.ID]
	signing := sigv4.Key{Secret: k.Secret, Token: k.Token}
	if !known || !c.HasToken(r, signing) {
		return refuse("UnrecognizedClientException", "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	switch c.Check(r, signing, sigv4.HashOf(body)) {
	case sigv4.None:
		return nil
	case sigv4.Skewed:
		return refuse("InvalidSignatureException", "SignatureDoesNotMatch", "Signature expired: "+r.Header.Get("X-Amz-Date")+" is now earlier than "+
			time.Now().Add(-sigv4.MaxSkew).UTC().Format(sigv4.TimeFormat))
	}
	return refuse("InvalidSignatureException", "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"+
		// Amazon goes on to quote what was to be signed, the token with it.
		"The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:"+k.Token+"\n'")
}

// act does what a request asks. A receive may let go of the lock and wait.
func (s *Server) act(r *http.Request, body []byte, q request) (any, *refusal) {
	if no := s.authenticate(r, body); no != nil {
		return nil, no
	}
	if q.bad {
		return nil, &refusal{http.StatusBadRequest, "com.amazon.coral.service#SerializationException", "MalformedInput", ""}
	}
	to, no := s.find(q)
	if no != nil {
		return nil, no
	}
	switch q.action {
	case "ReceiveMessage":
		return s.receive(r, to, q)
	case "SendMessage":
		return send(to, entry{MessageBody: q.MessageBody, MessageAttributes: q.MessageAttributes})
	case "DeleteMessage":
		return struct{}{}, to.remove(q.ReceiptHandle)
	case "ChangeMessageVisibility":
		if q.VisibilityTimeout == nil {
			return nil, &refusal{http.StatusBadRequest, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter VisibilityTimeout."}
		}
		return struct{}{}, to.change(q.ReceiptHandle, time.Duration(*q.VisibilityTimeout)*time.Second)
	case "SendMessageBatch":
		return s.batch(q, func(e entry) (any, *refusal) { return send(to, e) })
	case "DeleteMessageBatch":
		return s.batch(q, func(e entry) (any, *refusal) { return result{ID: e.ID}, to.remove(e.ReceiptHandle) })
	case "ChangeMessageVisibilityBatch":
		return s.batch(q, func(e entry) (any, *refusal) {
			return result{ID: e.ID}, to.change(e.ReceiptHandle, time.Duration(e.VisibilityTimeout)*time.Second)
		})
	}
	return nil, &refusal{http.StatusBadRequest, "com.amazon.coral.service#UnknownOperationException", "InvalidAction", ""}
}

// find gives the queue that a request names, after asking whether this may be
// done. Batches need the permission of the single action.
func (s *Server) find(q request) (*Queue, *refusal) {
	u, err := url.Parse(q.QueueURL)
	if err != nil || q.QueueURL == "" {
		return nil, &refusal{http.StatusNotFound, "com.amazonaws.sqs#InvalidAddress", "InvalidAddress", "The address " + q.QueueURL + " is not valid for this endpoint."}
	}
	parts := strings.Split(u.Path, "/")
	name := parts[len(parts)-1]
	action := strings.TrimSuffix(q.action, "Batch")
	if s.trouble.denied[action] {
		small := "sqs:" + strings.ToLower(action)
		return nil, &refusal{http.StatusForbidden, "com.amazon.coral.service#AccessDeniedException", "AccessDenied",
			"User: arn:aws:iam::" + s.account + ":user/tester is not authorized to perform: " + small + " on resource: arn:aws:sqs:" + s.region + ":" +
				s.account + ":" + name + " because no identity-based policy allows the " + small + " action"}
	}
	to := s.queues[name]
	if to == nil || len(parts) < 3 || parts[len(parts)-2] != s.account {
		return nil, QueueDoesNotExist.refusal()
	}
	return to, nil
}

// given is a message as an answer has it.
type given struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	MD5OfBody     string
	Attributes    map[string]string    `json:",omitempty"`
	MD5OfExtra    string               `json:"MD5OfMessageAttributes,omitempty"`
	Extra         map[string]attribute `json:"MessageAttributes,omitempty"`
}

func (s *Server) receive(r *http.Request, from *Queue, q request) (any, *refusal) {
	most := 1
	if q.MaxNumberOfMessages != nil {
		most = *q.MaxNumberOfMessages
	}
	switch {
	case most < 1 || most > maxBatch:
		return nil, invalid("Value " + strconv.Itoa(most) + " for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")
	case q.WaitTimeSeconds < 0 || q.WaitTimeSeconds > maxWait:
		return nil, invalid("Value " + strconv.Itoa(q.WaitTimeSeconds) + " for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")
	}
	visibility := from.visibility
	if q.VisibilityTimeout != nil {
		visibility = time.Duration(*q.VisibilityTimeout) * time.Second
	}
	until := time.Now().Add(time.Duration(q.WaitTimeSeconds) * time.Second)
	found := from.take(most, visibility)
	for len(found) == 0 && time.Now().Before(until) && !s.trouble.offline {
		at := until
		if next := from.next(); !next.IsZero() && next.Before(at) {
			at = next
		}
		s.wait(r, at, s.wake)
		if r.Context().Err() != nil {
			break // whoever has gone takes nothing with him
		}
		found = from.take(most, visibility)
	}
	var out struct {
		Messages []given `json:",omitempty"`
	}
	for _, m := range found {
		out.Messages = append(out.Messages, s.give(m, q))
	}
	return out, nil
}

func (s *Server) give(m *message, q request) given {
	g := given{MessageID: m.id, ReceiptHandle: m.handle, Body: m.body, MD5OfBody: sumOf(m.body)}
	if s.trouble.corrupt > 0 {
		s.trouble.corrupt--
		g.MD5OfBody = sumOf(m.body + "?")
	}
	millis := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	for name, value := range map[string]string{
		"SentTimestamp": millis(m.sent), "ApproximateFirstReceiveTimestamp": millis(m.first),
		"ApproximateReceiveCount": strconv.Itoa(m.received), "SenderId": "AIDATESTER", "DeadLetterQueueSourceArn": m.from,
	} {
		if value != "" && (wants(q.AttributeNames, name) || wants(q.SystemNames, name)) {
			if g.Attributes == nil {
				g.Attributes = map[string]string{}
			}
			g.Attributes[name] = value
		}
	}
	for name, value := range m.attributes {
		if wants(q.MessageNames, name) {
			if g.Extra == nil {
				g.Extra = map[string]attribute{}
			}
			g.Extra[name] = value
		}
	}
	if len(g.Extra) > 0 {
		g.MD5OfExtra = sumOfAttributes(g.Extra)
	}
	return g
}

// result is what an answer says of a message that was sent, or of an entry.
type result struct {
	ID          string `json:"Id,omitempty"`
	MessageID   string `json:"MessageId,omitempty"`
	MD5OfBody   string `json:"MD5OfMessageBody,omitempty"`
	MD5OfExtra  string `json:"MD5OfMessageAttributes,omitempty"`
	Code        string `json:",omitempty"`
	Message     string `json:",omitempty"`
	SenderFault *bool  `json:",omitempty"`
}

func send(to *Queue, e entry) (any, *refusal) {
	switch {
	case e.MessageBody == "":
		return nil, &refusal{http.StatusBadRequest, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter MessageBody."}
	case len(e.MessageBody) > maxMessage:
		return nil, invalid("One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")
	case strings.ContainsFunc(e.MessageBody, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}):
		return nil, &refusal{http.StatusBadRequest, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", "Invalid binary character was found in the message body."}
	}
	m := to.put(e.MessageBody, e.MessageAttributes)
	out := result{ID: e.ID, MessageID: m.id, MD5OfBody: sumOf(m.body)}
	if len(m.attributes) > 0 {
		out.MD5OfExtra = sumOfAttributes(m.attributes)
	}
	return out, nil
}

var entryID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,80}$`)

// batch does something with each entry.
func (s *Server) batch(q request, do func(entry) (any, *refusal)) (any, *refusal) {
	seen := map[string]bool{}
	for _, e := range q.Entries {
		switch {
		case !entryID.MatchString(e.ID):
			return nil, &refusal{http.StatusBadRequest, "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", ""}
		case seen[e.ID]:
			return nil, &refusal{http.StatusBadRequest, "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id " + e.ID + " repeated."}
		}
		seen[e.ID] = true
	}
	switch n := len(q.Entries); {
	case n == 0:
		return nil, &refusal{http.StatusBadRequest, "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry in the request."}
	case n > maxBatch:
		return nil, &refusal{http.StatusBadRequest, "com.amazonaws.sqs#TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are 10. You have sent " + strconv.Itoa(n) + "."}
	}
	out := struct{ Successful, Failed []any }{Successful: []any{}, Failed: []any{}}
	for _, e := range q.Entries {
		sender := true
		var done any
		var no *refusal
		if s.trouble.entries > 0 && s.trouble.entryFrom == q.action {
			s.trouble.entries--
			sender, no = false, &refusal{query: "InternalError", message: "We encountered an internal error."}
		} else {
			done, no = do(e)
		}
		if no != nil {
			out.Failed = append(out.Failed, result{ID: e.ID, Code: no.query, Message: no.message, SenderFault: &sender})
			continue
		}
		out.Successful = append(out.Successful, done)
	}
	return out, nil
}
