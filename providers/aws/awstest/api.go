package awstest

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/sigv4"
)

// seconds is how JSON 1.1 writes times: a number of seconds with milliseconds.
func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return math.Round(float64(t.UnixMilli())) / 1000
}

// object leaves out what is nil, as Amazon does.
type object map[string]any

func (o object) set(name string, v any) object {
	if v != nil {
		o[name] = v
	}
	return o
}

func (s *Server) describe(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no != nil {
		return nil, no
	}
	p := x.view(time.Now())
	out := object{"ARN": x.arn, "Name": x.name, "CreatedDate": seconds(x.created)}.
		set("LastChangedDate", seconds(p.changed)).set("LastAccessedDate", seconds(x.accessed)).
		set("NextRotationDate", seconds(x.nextRotation)).set("DeletedDate", seconds(x.deleted))
	if stages := p.stages(); len(stages) > 0 {
		out["VersionIdsToStages"] = stages
	}
	return out, nil
}

func markedForDeletion(x *secret) *refusal {
	if x.deleted.IsZero() {
		return nil
	}
	return &refusal{400, "InvalidRequestException",
		"You can't perform this operation on the secret because it was marked for deletion."}
}

func (s *Server) getValue(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no == nil {
		no = markedForDeletion(x)
	}
	if no != nil {
		return nil, no
	}
	if q.VersionID != "" && (len(q.VersionID) < 32 || len(q.VersionID) > 64) {
		return nil, &refusal{400, "ValidationException", "1 validation error detected: Value '" + q.VersionID +
			"' at 'versionId' failed to satisfy constraint: Member must have length between 32 and 64"}
	}
	now := time.Now()
	p := x.view(now)
	id, by := q.VersionID, "VersionId: "+q.VersionID
	if id == "" {
		label := q.VersionStage
		if label == "" {
			label = Current
		}
		id, by = p.labels[label], "staging label: "+label
	}
	v, ok := p.versions[id]
	if !ok || v.value.empty() {
		return nil, &refusal{400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for " + by}
	}
	stages := p.stages()[id]
	if q.VersionID != "" && q.VersionStage != "" && !slices.Contains(stages, q.VersionStage) {
		return nil, &refusal{400, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."}
	}
	if no := x.kms.refusal(); no != nil {
		return nil, no
	}
	x.accessed = now
	out := object{"ARN": x.arn, "Name": x.name, "VersionId": id, "CreatedDate": seconds(v.created)}
	if len(stages) > 0 {
		out["VersionStages"] = stages
	}
	if v.value.String != nil {
		return out.set("SecretString", *v.value.String), nil
	}
	return out.set("SecretBinary", v.value.Binary), nil // base64 in JSON, as the wire has it
}

// token checks the id that a writer gives to a new version.
func (s *Server) token(q request) (string, *refusal) {
	switch n := len(q.ClientRequestToken); {
	case n == 0:
		return s.nextID(), nil
	case n < 32 || n > 64:
		return "", &refusal{400, "InvalidParameterException", "ClientRequestToken must be 32-64 characters long."}
	}
	return q.ClientRequestToken, nil
}

// write adds a version, or accepts it once more if it is the same.
func (s *Server) write(x *secret, q request, stages ...string) (string, *refusal) {
	if (q.SecretString == nil) == (q.SecretBinary == nil) {
		return "", &refusal{400, "InvalidRequestException", "You must provide either SecretString or SecretBinary."}
	}
	id, no := s.token(q)
	if no != nil {
		return "", no
	}
	if old, ok := x.versions[id]; ok && !old.value.empty() {
		if !old.value.same(q.value()) {
			return "", &refusal{400, "ResourceExistsException", "You can't use ClientRequestToken " + id + " because that value is already in use for a version of secret " + x.arn + "."}
		}
		return id, nil
	}
	x.put(id, q.value(), stages...)
	return id, nil
}

func (s *Server) putValue(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no == nil {
		no = markedForDeletion(x)
	}
	if no != nil {
		return nil, no
	}
	stages := q.VersionStages
	if len(stages) == 0 {
		stages = []string{Current}
	}
	id, no := s.write(x, q, stages...)
	if no != nil {
		return nil, no
	}
	return object{"ARN": x.arn, "Name": x.name, "VersionId": id, "VersionStages": x.stagesOf(id)}, nil
}

func (x *secret) stagesOf(id string) []string {
	return past{labels: x.labels}.stages()[id]
}

func (s *Server) createSecret(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.create(c.Region, k.Account, q.Name)
	if no != nil {
		return nil, no
	}
	out := object{"ARN": x.arn, "Name": x.name}
	if q.value().empty() {
		return out, nil
	}
	id, no := s.write(x, q, Current)
	if no != nil {
		delete(s.secrets, x.arn)
		return nil, no
	}
	return out.set("VersionId", id), nil
}

func (s *Server) updateSecret(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no == nil {
		no = markedForDeletion(x)
	}
	if no != nil {
		return nil, no
	}
	out := object{"ARN": x.arn, "Name": x.name}
	if q.value().empty() {
		x.changed = time.Now() // its description, say
		return out, nil
	}
	id, no := s.write(x, q, Current)
	if no != nil {
		return nil, no
	}
	return out.set("VersionId", id), nil
}

// maxLabels is how many labels a version may have.
const maxLabels = 20

func (s *Server) updateStage(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no == nil {
		no = markedForDeletion(x)
	}
	if no != nil {
		return nil, no
	}
	on := x.labels[q.VersionStage]
	switch _, there := x.versions[q.MoveToVersionID]; {
	case x.onlyLabels != nil && !slices.Contains(x.onlyLabels, q.VersionStage):
		return nil, x.unpermitted(k, q)
	case q.VersionStage == "":
		return nil, &refusal{400, "InvalidParameterException", "You must provide a value for the VersionStage parameter."}
	case q.MoveToVersionID != "" && !there:
		return nil, &refusal{400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret version."}
	case on != "" && on != q.MoveToVersionID && on != q.RemoveFrom:
		return nil, &refusal{400, "InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label " +
			q.VersionStage + " is currently attached to version " + on + ", so you must explicitly reference that version in RemoveFromVersionId."}
	case on == "" && q.MoveToVersionID == "" || q.RemoveFrom != "" && on != q.RemoveFrom && on != q.MoveToVersionID:
		return nil, &refusal{400, "InvalidParameterException", "Staging label " + q.VersionStage + " isn't currently attached to version " + q.RemoveFrom + "."}
	case q.MoveToVersionID != "" && on != q.MoveToVersionID && len(x.stagesOf(q.MoveToVersionID)) >= maxLabels:
		return nil, &refusal{400, "LimitExceededException", "The request failed because it would exceed one of the Secrets Manager quotas."}
	case q.MoveToVersionID == "" && q.VersionStage == Current:
		return nil, &refusal{400, "InvalidParameterException", "You can't remove the AWSCURRENT staging label without moving it."}
	}
	x.change(func() {
		if q.MoveToVersionID == "" {
			delete(x.labels, q.VersionStage)
			return
		}
		x.move(q.VersionStage, q.MoveToVersionID)
	})
	return object{"ARN": x.arn, "Name": x.name}, nil
}

func (s *Server) deleteSecret(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no == nil {
		no = markedForDeletion(x)
	}
	if no != nil {
		return nil, no
	}
	days := q.RecoveryDays
	switch {
	case q.ForceDelete:
		delete(s.secrets, x.arn)
		return object{"ARN": x.arn, "Name": x.name, "DeletionDate": seconds(time.Now())}, nil
	case days == 0:
		days = 30
	case days < 7 || days > 30:
		return nil, &refusal{400, "InvalidParameterException", "RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."}
	}
	x.deleted = time.Now().AddDate(0, 0, days)
	return object{"ARN": x.arn, "Name": x.name, "DeletionDate": seconds(x.deleted)}, nil
}

func (s *Server) restoreSecret(k Key, c sigv4.Claim, q request) (any, *refusal) {
	x, no := s.find(k, c, q)
	if no != nil {
		return nil, no
	}
	x.deleted = time.Time{}
	return object{"ARN": x.arn, "Name": x.name}, nil
}

func (s *Server) listSecrets(k Key, c sigv4.Claim, _ request) (any, *refusal) {
	list := []object{}
	for _, x := range s.secrets {
		if x.region == c.Region && x.account == k.Account && x.deleted.IsZero() {
			list = append(list, object{"ARN": x.arn, "Name": x.name})
		}
	}
	slices.SortFunc(list, func(a, b object) int { return strings.Compare(a["ARN"].(string), b["ARN"].(string)) })
	return object{"SecretList": list}, nil
}
