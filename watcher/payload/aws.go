package payload

import (
	"cmp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Labels of Secrets Manager.
const (
	labelCurrent = "AWSCURRENT"
	labelPending = "AWSPENDING"
)

// aws reads an event as EventBridge wraps it. What comes through CloudTrail
// does not for every service, hence the look at the source.
func (d *decoder) aws(o object) {
	kind := o.text("detail-type")
	switch {
	case o.text("source") != "aws.secretsmanager":
		d.unknown(AWSOther)
	case kind == "Secret Label Updated":
		d.awsLabel(o)
	case kind == "AWS Service Event via CloudTrail":
		d.awsServiceEvent(o)
	case kind == "AWS API Call via CloudTrail" || kind == "AWS Console Action via CloudTrail":
		d.awsCall(o)
	default:
		d.unknown(AWSOther)
	}
}

var labelKeys = []string{"name", "labelUpdated", "versionId"}

// awsLabel reads the one event that Secrets Manager sends by itself, without a
// trail: a label is on another version now.
func (d *decoder) awsLabel(o object) {
	detail, ok := o.within("detail", labelKeys)
	if !ok {
		d.unknown(Ambiguous)
		return
	}
	label := detail.text("labelUpdated")
	if label == labelPending {
		d.ignore(AWSPending) // not sent, says the documentation
		return
	}
	arn := ""
	if o["resources"].isArray() {
		for resource := range elements(o["resources"]) {
			arn = resource.text()
			break
		}
	}
	secret := awsSecret(arn, "", "")
	if secret == "" {
		secret = awsSecret(detail.text("name"), o.text("region"), o.text("account"))
	}
	d.awsChanged(AWSLabel, credential.Event{
		Secret: withLabel(secret, label), Version: version(detail.text("versionId")), Time: moment(o.text("time")),
	})
}

// awsChanged adds an event if it names a secret.
func (d *decoder) awsChanged(s Shape, e credential.Event) {
	if e.Secret == "" {
		d.unknown(AWSInvalid)
		return
	}
	d.event(s, e)
}

// awsSecret gives the ARN for an ARN, or for a name in a region and account;
// nothing if they are none.
func awsSecret(id, region, account string) credential.Secret {
	if strings.HasPrefix(id, "arn:") {
		if !awsARNs.MatchString(id) {
			return ""
		}
		return credential.Secret(id)
	}
	if !awsNames.MatchString(id) || !awsRegions.MatchString(region) || !awsAccounts.MatchString(account) {
		return ""
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return credential.Secret("arn:" + partition + ":secretsmanager:" + region + ":" + account + ":secret:" + id)
}

// withLabel names a secret by one of its labels, as the configuration would.
// An event of no label that can be named is one about the secret as a whole.
func withLabel(s credential.Secret, label string) credential.Secret {
	if s == "" || label == labelCurrent || !awsLabels.MatchString(label) {
		return s
	}
	return s + credential.Secret("?stage="+label)
}

var trailKeys = []string{
	"eventName", "eventSource", "eventTime", "errorCode", "awsRegion", "recipientAccountId",
	"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails",
}

// trail reads what CloudTrail says of a call or an event.
func (d *decoder) trail(o object) (object, bool) {
	detail, ok := o.within("detail", trailKeys)
	if !ok {
		d.unknown(Ambiguous)
		return nil, false
	}
	if detail["eventSource"] != nil && detail.text("eventSource") != "secretsmanager.amazonaws.com" {
		d.unknown(AWSOther)
		return nil, false
	}
	return detail, true
}

// rotations are the service events that are remembered at the secret.
var rotations = map[string]credential.EventKind{
	"RotationSucceeded": credential.EventRotationSucceeded,
	"RotationFailed":    credential.EventRotationFailed,
	"RotationAbandoned": credential.EventRotationAbandoned,
}

// awsServiceEvent reads what a rotation by Secrets Manager itself came to.
// There was no request, so the secret stands elsewhere than with a call.
func (d *decoder) awsServiceEvent(o object) {
	detail, ok := d.trail(o)
	if !ok {
		return
	}
	name := detail.text("eventName")
	kind, known := rotations[name]
	switch {
	case name == "RotationStarted":
		d.ignore(AWSRotationStarted)
		return
	case strings.HasPrefix(name, "TestRotation"):
		d.ignore(AWSTestRotation)
		return
	case !known:
		d.unknown(AWSOther)
		return
	}
	var secret credential.Secret
	for _, place := range []string{"additionalEventData", "serviceEventDetails"} {
		inner, ok := detail.within(place, []string{"secretId"})
		if !ok {
			d.unknown(Ambiguous)
			return
		}
		if secret == "" {
			secret = awsSecret(inner.text("secretId"), awsRegion(o, detail), awsAccount(o, detail))
		}
	}
	d.awsChanged(AWSServiceEvent, credential.Event{Kind: kind, Secret: secret, Time: awsTime(o, detail)})
}

// calls are the names of the API's that a trail may tell of, and whether what
// AWSCURRENT leads to may be another afterwards, or be there, or be gone.
var calls = map[string]bool{
	"CreateSecret": true, "PutSecretValue": true, "UpdateSecret": true, "UpdateSecretVersionStage": true,
	"RotateSecret": true, "DeleteSecret": true, "RestoreSecret": true,

	"CancelRotateSecret": false, "TagResource": false, "UntagResource": false,
	"PutResourcePolicy": false, "DeleteResourcePolicy": false, "ValidateResourcePolicy": false, "GetResourcePolicy": false,
	"ReplicateSecretToRegions": false, "RemoveRegionsFromReplication": false, "StopReplicationToReplica": false,
	"GetSecretValue": false, "BatchGetSecretValue": false, "DescribeSecret": false, "ListSecrets": false,
	"ListSecretVersionIds": false, "GetRandomPassword": false,
}

var (
	requestKeys = []string{
		"secretId", "name", "clientRequestToken", "versionStages", "versionStage", "moveToVersionId",
	}
	responseKeys = []string{"arn"} // "aRN" before 2024, "ARN" has been seen
)

// awsCall reads a call of the API that somebody made.
func (d *decoder) awsCall(o object) {
	detail, ok := d.trail(o)
	if !ok {
		return
	}
	name := detail.text("eventName")
	changes, known := calls[name]
	switch {
	case !known:
		d.unknown(AWSOther)
		return
	case detail["errorCode"] != nil && string(detail["errorCode"]) != `""`:
		d.ignore(AWSFailedCall)
		return
	case !changes:
		d.ignore(AWSNoChange)
		return
	}
	request, ok := detail.within("requestParameters", requestKeys)
	response, ok2 := detail.within("responseElements", responseKeys)
	if !ok || !ok2 {
		d.unknown(Ambiguous)
		return
	}
	e := credential.Event{Secret: awsSecret(response.text("arn"), "", ""), Time: awsTime(o, detail)}
	for _, id := range []string{request.text("secretId"), request.text("name")} {
		if e.Secret == "" {
			e.Secret = awsSecret(id, awsRegion(o, detail), awsAccount(o, detail))
		}
	}
	switch name {
	case "PutSecretValue":
		if mayBeCurrent(request["versionStages"]) {
			e.Version = version(request.text("clientRequestToken"))
		}
	case "UpdateSecretVersionStage":
		label := request.text("versionStage")
		if label == labelPending {
			d.ignore(AWSPending)
			return
		}
		e.Secret, e.Version = withLabel(e.Secret, label), version(request.text("moveToVersionId"))
	}
	d.awsChanged(AWSAPICall, e)
}

// mayBeCurrent tells whether a call that gives these labels to a version makes
// it the current one. Without labels it does.
func mayBeCurrent(labels value) bool {
	if !labels.isArray() {
		return true
	}
	for label := range elements(labels) {
		if label.text() == labelCurrent {
			return true
		}
	}
	return false
}

// CloudTrail says where and when; EventBridge, around it, says it once more.

func awsRegion(o, detail object) string {
	return cmp.Or(detail.text("awsRegion"), o.text("region"))
}

func awsAccount(o, detail object) string {
	return cmp.Or(detail.text("recipientAccountId"), o.text("account"))
}

func awsTime(o, detail object) time.Time {
	return moment(cmp.Or(detail.text("eventTime"), o.text("time")))
}
