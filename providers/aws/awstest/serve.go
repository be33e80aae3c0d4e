package awstest

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

// maxBody is more than any request may be.
const maxBody = 1 << 20

// refusal is an error as Amazon gives it.
type refusal struct {
	status  int
	code    string
	message string
}

// serve answers one request. It fails only where the network would.
func (s *Server) serve(r *http.Request) (*testserver.Answer, error) {
	body, readErr := io.ReadAll(io.LimitReader(r.Body, maxBody))
	s.mu.Lock()
	latency, hang := s.trouble.latency, s.trouble.hang
	s.mu.Unlock()
	_ = testserver.Wait(r.Context(), latency, hang) // what has been given up is noted too

	// One request at a time from here on, so that what is decided and what is
	// done see the same state.
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Request{Time: time.Now(), Proto: r.Proto}
	defer func() { s.requests = append(s.requests, note) }()
	call := s.read(r, body, &note)
	if err := r.Context().Err(); err != nil {
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
		result, no = s.act(r, body, call, note.Service)
	}
	s.made++
	a := &testserver.Answer{Status: http.StatusOK, Header: http.Header{"X-Amzn-Requestid": {fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.made)}}}
	if no != nil {
		a.Status, note.Code = no.status, no.code
	}
	note.Status = a.Status
	if note.Service == "sts" {
		writeXML(a, result, no)
	} else {
		writeJSON(a, result, no)
	}
	if s.trouble.garble > 0 && no == nil {
		s.trouble.garble--
		a.Body = append(bytes.TrimSuffix(a.Body, []byte("}")), `, "VersionId": {`...)
	}
	return a, nil
}

func writeJSON(a *testserver.Answer, result any, no *refusal) {
	a.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if no != nil {
		fault := "Sender"
		if no.status >= http.StatusInternalServerError {
			fault = "Receiver"
		}
		a.Header.Set("X-Amzn-Query-Error", no.code+";"+fault)
		// Amazon writes the message with a capital for access denied, and small
		// for most others; clients have to take both.
		key := "message"
		if no.code == "AccessDeniedException" {
			key = "Message"
		}
		result = map[string]string{"__type": no.code, key: no.message}
	}
	a.Body, _ = json.Marshal(result)
}

// request is what clients may send, all actions together.
type request struct {
	SecretID           string `json:"SecretId"`
	Name               string
	VersionID          string `json:"VersionId"`
	VersionStage       string
	VersionStages      []string
	SecretString       *string
	SecretBinary       []byte
	ClientRequestToken string
	MoveToVersionID    string `json:"MoveToVersionId"`
	RemoveFrom         string `json:"RemoveFromVersionId"`
	RecoveryDays       int    `json:"RecoveryWindowInDays"`
	ForceDelete        bool   `json:"ForceDeleteWithoutRecovery"`

	action string
	bad    bool
}

func (q request) value() Value { return Value{String: q.SecretString, Binary: q.SecretBinary} }

// read takes a request apart and notes it. Nothing in it is believed yet.
func (s *Server) read(r *http.Request, body []byte, note *Request) request {
	var q request
	note.Service = "secretsmanager"
	if c, ok := sigv4.Parse(r.Header.Get("Authorization")); ok {
		note.KeyID, note.Region = c.ID, c.Region
	}
	target, isJSON := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	if !isJSON && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		note.Service = "sts"
		form := formOf(body)
		note.Action, note.Secret, note.Session = form.Get("Action"), form.Get("RoleArn"), form.Get("RoleSessionName")
		return q
	}
	q.bad = !isJSON || json.Unmarshal(body, &q) != nil || r.Method != http.MethodPost
	q.action = target
	note.Action, note.Secret, note.Version, note.Stage = target, q.SecretID, q.VersionID, q.VersionStage
	return q
}

var actions = map[string]func(*Server, Key, sigv4.Claim, request) (any, *refusal){
	"DescribeSecret":           (*Server).describe,
	"GetSecretValue":           (*Server).getValue,
	"PutSecretValue":           (*Server).putValue,
	"CreateSecret":             (*Server).createSecret,
	"UpdateSecret":             (*Server).updateSecret,
	"UpdateSecretVersionStage": (*Server).updateStage,
	"DeleteSecret":             (*Server).deleteSecret,
	"RestoreSecret":            (*Server).restoreSecret,
	"ListSecrets":              (*Server).listSecrets,
}

func (s *Server) act(r *http.Request, body []byte, q request, service string) (any, *refusal) {
	if service == "sts" {
		return s.sts(r, body)
	}
	k, c, no := s.authenticate(r, service, body)
	if no != nil {
		return nil, no
	}
	do, ok := actions[q.action]
	if !ok || q.bad {
		return nil, &refusal{400, "UnknownOperationException", ""}
	}
	return do(s, k, c, q)
}

// find gives the secret that a request names, after asking whether this key
// may do this to it.
func (s *Server) find(k Key, c sigv4.Claim, q request) (*secret, *refusal) {
	x, no := s.lookUp(k, c, q.SecretID)
	if no != nil {
		return nil, no
	}
	who := "User: " + k.principal() + " "
	if message, denied := x.deny[q.action]; denied {
		return nil, &refusal{400, "AccessDeniedException", who + message}
	}
	if x.account != k.Account {
		return nil, &refusal{400, "AccessDeniedException", who + "is not authorized to perform: secretsmanager:" + q.action +
			" on resource: " + x.arn + " because no resource-based policy allows the secretsmanager:" + q.action + " action"}
	}
	return x, nil
}

func (k Key) principal() string {
	if k.role != "" {
		return k.role
	}
	return "arn:aws:iam::" + k.Account + ":user/tester"
}

func invalidName() *refusal {
	return &refusal{400, "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"}
}

func notFound() *refusal {
	return &refusal{400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."}
}

// lookUp finds a secret by its name, its ARN, or its ARN without the suffix.
func (s *Server) lookUp(k Key, c sigv4.Claim, id string) (*secret, *refusal) {
	if id == "" {
		return nil, &refusal{400, "InvalidParameterException", "You must provide a value for the SecretId parameter."}
	}
	if !strings.HasPrefix(id, "arn:") {
		for _, x := range s.secrets {
			if x.name == id && x.region == c.Region && x.account == k.Account {
				return x, nil
			}
		}
		return nil, notFound()
	}
	parts := strings.SplitN(id, ":", 7)
	if len(parts) != 7 || parts[2] != "secretsmanager" || parts[5] != "secret" {
		return nil, invalidName()
	}
	if parts[3] != c.Region {
		// Amazon looks in the region that it is asked in.
		return nil, notFound()
	}
	if x := s.secrets[id]; x != nil {
		return x, nil
	}
	if name := parts[6]; len(name) > 7 && name[len(name)-7] == '-' {
		// What looks like a suffix is taken for one: this ARN counts as complete.
		return nil, notFound()
	}
	for arn, x := range s.secrets {
		if rest, ok := strings.CutPrefix(arn, id+"-"); ok && len(rest) == 6 && x.name == parts[6] {
			return x, nil
		}
	}
	return nil, notFound()
}
