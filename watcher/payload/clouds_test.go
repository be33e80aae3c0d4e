package payload

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
)

type example struct {
	name, body string
	want       Message
}

func try(t *testing.T, examples []example) {
	t.Helper()
	for _, c := range examples {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Decode([]byte(c.body), nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLabelsOfAWS(t *testing.T) {
	doc := sample(t, "aws_native_secret_label_updated")
	event := func(secret credential.Secret, version string) Message {
		return one(AWSLabel, credential.Event{Secret: secret, Version: version, Time: awsTimeOf})
	}
	resources := "[\n  \"" + arn + "\"\n ]"
	named := func(region string) string {
		return edit(t, doc, resources, "[]", `"us-west-2"`, `"`+region+`"`)
	}
	const bare = "secretsmanager:us-west-2:123456789012:secret:planet/dest"
	try(t, []example{
		{"a label of one's own", edit(t, doc, "AWSCURRENT", "live"), event(arn+"?stage=live", awsVersion)},
		{"the label before", edit(t, doc, "AWSCURRENT", "AWSPREVIOUS"), event(arn+"?stage=AWSPREVIOUS", awsVersion)},
		{"a version that is not ready", edit(t, doc, "AWSCURRENT", "AWSPENDING"), ignored(AWSPending)},
		{"no label", edit(t, doc, `"labelUpdated": "AWSCURRENT",`, ""), event(arn, awsVersion)},
		{"a label that is none", edit(t, doc, "AWSCURRENT", "a b"), event(arn, awsVersion)},
		{"a label that is a number", edit(t, doc, `"AWSCURRENT"`, "7"), event(arn, awsVersion)},
		{"a version that is none", edit(t, doc, awsVersion, `a\nb`), event(arn, "")},
		{"no version", edit(t, doc, `"versionId"`, `"x"`), event(arn, "")},
		{"no resources", named("us-west-2"), event("arn:aws:"+bare, awsVersion)},
		{"no resources in China", named("cn-north-1"), event("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:planet/dest", awsVersion)},
		{"no resources in GovCloud", named("us-gov-west-1"), event("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:planet/dest", awsVersion)},
		{"resources that are null", edit(t, doc, resources, "null"), event("arn:aws:"+bare, awsVersion)},
		{"resources that are a string", edit(t, doc, resources, `"`+arn+`"`), event("arn:aws:"+bare, awsVersion)},
		{"a resource of another service", edit(t, doc, arn, "arn:aws:s3:::bucket"), event("arn:aws:"+bare, awsVersion)},
		{"a region that is a host", named("evil.example/"), unknown(AWSInvalid)},
		{"no secret at all", edit(t, doc, resources, "[]", `"planet/dest"`, "null"), unknown(AWSInvalid)},
		{"no account", edit(t, doc, resources, "[]", `"account"`, `"x"`), unknown(AWSInvalid)},
		{"a name with a new line", edit(t, doc, resources, "[]", `"planet/dest"`, `"a\nb"`), unknown(AWSInvalid)},
		{"an ARN with a new line behind it", edit(t, doc, arn, arn+`\n`, `"planet/dest"`, "null"), unknown(AWSInvalid)},
		{"an ARN that is too long", edit(t, doc, arn, arn+strings.Repeat("x", 600), `"planet/dest"`, "null"), unknown(AWSInvalid)},
		{"a time that is none", edit(t, doc, "2026-02-06T16:43:48Z", "yesterday"), one(AWSLabel, credential.Event{Secret: arn, Version: awsVersion})},
		{"another source", edit(t, doc, "aws.secretsmanager", "aws.ssm"), unknown(AWSOther)},
		{"another event", edit(t, doc, "Secret Label Updated", "Secret Rejoiced"), unknown(AWSOther)},
		{"a detail with two events of a trail", edit(t, sample(t, "aws_svc_RotationFailed"), `"eventID"`, `"eventname":"x","eventID"`), unknown(Ambiguous)},
		{"no detail", edit(t, doc, `"detail": {`, `"detail": null, "x": {`), unknown(NoShape)},
	})
}

func TestCallsOfAWS(t *testing.T) {
	doc := sample(t, "aws_ct_put_secret_value")
	const response = `"responseElements": {
   "arn": "` + arn + `"
  }`
	event := func(secret credential.Secret, version string) Message {
		return one(AWSAPICall, credential.Event{Secret: secret, Version: version, Time: awsTimeOf})
	}
	call := func(name string, pairs ...string) string {
		return edit(t, doc, append([]string{`"PutSecretValue"`, `"` + name + `"`}, pairs...)...)
	}
	token := `"clientRequestToken": "` + awsVersion + `"`
	const bare = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/dest"
	examples := []example{
		{"the response of old", edit(t, doc, `"arn"`, `"aRN"`), event(arn, awsVersion)},
		{"the response as it was seen too", edit(t, doc, `"arn"`, `"ARN"`), event(arn, awsVersion)},
		{"no response, and an ARN", edit(t, doc, response, `"responseElements": null`), event(arn, awsVersion)},
		{"no response, and a name", edit(t, doc, response, `"responseElements": null`, arn, "planet/dest"), event(bare, awsVersion)},
		{"no response, in another region than EventBridge", edit(t, doc, response, `"responseElements": null`, arn, "planet/dest", `"awsRegion": "us-west-2"`, `"awsRegion": "cn-north-1"`),
			event("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:planet/dest", awsVersion)},
		{"no response, and no region but EventBridge's", edit(t, doc, response, `"responseElements": null`, arn, "planet/dest", `"awsRegion"`, `"x"`, `"recipientAccountId"`, `"y"`), event(bare, awsVersion)},
		{"the name in the request and the ARN in the response", edit(t, doc, `"secretId": "`+arn, `"secretId": "planet/dest`), event(arn, awsVersion)},
		{"no secret", edit(t, doc, response, `"responseElements": null`, `"secretId"`, `"x"`), unknown(AWSInvalid)},
		{"an ARN of another service", edit(t, doc, response, `"responseElements": null`, arn, "arn:aws:kms:us-west-2:123456789012:key/x"), unknown(AWSInvalid)},
		{"a version that becomes current", edit(t, doc, token, token+`,"versionStages":["live","AWSCURRENT"]`), event(arn, awsVersion)},
		{"a version that is not current yet", edit(t, doc, token, token+`,"versionStages":["AWSPENDING"]`), event(arn, "")},
		{"a call that failed", edit(t, doc, `"eventID"`, `"errorCode":"AccessDenied","eventID"`), ignored(AWSFailedCall)},
		{"a call that failed with a code of another type", edit(t, doc, `"eventID"`, `"errorCode":403,"eventID"`), ignored(AWSFailedCall)},
		{"a call whose error code is null", edit(t, doc, `"eventID"`, `"errorCode":null,"eventID"`), event(arn, awsVersion)},
		{"from the console", edit(t, doc, "AWS API Call via CloudTrail", "AWS Console Action via CloudTrail"), event(arn, awsVersion)},
		{"the time of the call and not of the event", edit(t, doc, `"eventTime": "2026-02-06T16:43:48Z"`, `"eventTime": "2026-02-06T16:40:00Z"`),
			one(AWSAPICall, credential.Event{Secret: arn, Version: awsVersion, Time: awsTimeOf.Add(-228 * time.Second)})},
		{"another service", edit(t, doc, "secretsmanager.amazonaws.com", "ssm.amazonaws.com"), unknown(AWSOther)},
		{"a name that nobody knows", call("AbolishSecret"), unknown(AWSOther)},
		{"a rotation's name on a call", call("RotationFailed"), unknown(AWSOther)},

		{"UpdateSecret", call("UpdateSecret"), event(arn, "")},
		{"RotateSecret", call("RotateSecret"), event(arn, "")},
		{"DeleteSecret", call("DeleteSecret"), event(arn, "")},
		{"RestoreSecret", call("RestoreSecret"), event(arn, "")},
		{"CreateSecret", call("CreateSecret", `"secretId": "`+arn, `"name": "planet/dest`), event(arn, "")},
		{"CreateSecret without a response", call("CreateSecret", `"secretId": "`+arn, `"name": "planet/dest`, response, `"responseElements": null`), event(bare, "")},
		{"moving AWSCURRENT", call("UpdateSecretVersionStage", token, `"versionStage":"AWSCURRENT","moveToVersionId":"`+awsVersion+`","removeFromVersionId":"x"`), event(arn, awsVersion)},
		{"moving another label", call("UpdateSecretVersionStage", token, `"versionStage":"live","moveToVersionId":"v2"`), event(arn+"?stage=live", "v2")},
		{"taking another label away", call("UpdateSecretVersionStage", token, `"versionStage":"live","removeFromVersionId":"v2"`), event(arn+"?stage=live", "")},
		{"moving AWSPENDING", call("UpdateSecretVersionStage", token, `"versionStage":"AWSPENDING","moveToVersionId":"v2"`), ignored(AWSPending)},
	}
	for _, name := range []string{"CancelRotateSecret", "TagResource", "GetSecretValue", "DescribeSecret", "ReplicateSecretToRegions", "PutResourcePolicy"} {
		examples = append(examples, example{name, call(name), ignored(AWSNoChange)})
	}
	try(t, examples)
}

func TestRotationsOfAWS(t *testing.T) {
	doc := sample(t, "aws_svc_RotationFailed")
	event := func(k credential.EventKind) Message {
		return one(AWSServiceEvent, credential.Event{Kind: k, Secret: arn, Time: awsTimeOf})
	}
	place := "\"additionalEventData\": {\n   \"SecretId\": \"" + arn + "\"\n  }"
	failed := event(credential.EventRotationFailed)
	const bare = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/dest"
	named := func(name string) string { return edit(t, doc, `"RotationFailed"`, `"`+name+`"`) }
	try(t, []example{
		{"abandoned", named("RotationAbandoned"), event(credential.EventRotationAbandoned)},
		{"started", named("RotationStarted"), ignored(AWSRotationStarted)},
		{"a test that started", named("TestRotationStarted"), ignored(AWSTestRotation)},
		{"a test that succeeded", named("TestRotationSucceeded"), ignored(AWSTestRotation)},
		{"a test that failed", named("TestRotationFailed"), ignored(AWSTestRotation)},
		{"something new", named("RotationPondered"), unknown(AWSOther)},
		{"a call's name", named("PutSecretValue"), unknown(AWSOther)},
		{"the secret's key in other case", edit(t, doc, `"SecretId"`, `"secretId"`), failed},
		{"the secret in the other place", edit(t, doc, place, `"serviceEventDetails":{"secretId":"`+arn+`"}`), failed},
		{"the first place empty", edit(t, doc, place, `"additionalEventData":{},"serviceEventDetails":{"secretId":"`+arn+`"}`), failed},
		{"by name", edit(t, doc, place, `"additionalEventData":{"SecretId":"planet/dest"}`),
			one(AWSServiceEvent, credential.Event{Kind: credential.EventRotationFailed, Secret: bare, Time: awsTimeOf})},
		{"no secret", edit(t, doc, place, `"additionalEventData":null`), unknown(AWSInvalid)},
		{"a list in place of data", edit(t, doc, place, `"additionalEventData":["`+arn+`"]`), unknown(AWSInvalid)},
	})
}

func TestAttributesOfGoogle(t *testing.T) {
	base := map[string]string{
		"eventType": "SECRET_VERSION_ADD", "dataFormat": "JSON_API_V1", "secretId": googleName,
		"timestamp": "2026-10-02T06:03:43.549786-07:00", "versionId": googleName + "/versions/7",
	}
	event := func(secret credential.Secret, version string) Message {
		return one(Google, credential.Event{Secret: secret, Version: version, Time: googleTimeOf})
	}
	const data = `{"name":"` + googleName + `/versions/7","state":"ENABLED"}`
	const regional = "projects/123456789012/locations/europe-west3/secrets/planet-dest"
	for _, c := range []struct {
		name    string
		changes []string // key, value; "-" takes it away
		body    string
		want    Message
	}{
		{"a version added", nil, data, event(googleName, "7")},
		{"a version enabled", []string{"eventType", "SECRET_VERSION_ENABLE"}, data, event(googleName, "7")},
		{"a version disabled is no version to look for", []string{"eventType", "SECRET_VERSION_DISABLE"}, data, event(googleName, "")},
		{"a version destroyed", []string{"eventType", "SECRET_VERSION_DESTROY"}, data, event(googleName, "")},
		{"a version to be destroyed", []string{"eventType", "SECRET_VERSION_DESTROY_SCHEDULED"}, data, event(googleName, "")},
		{"a secret created", []string{"eventType", "SECRET_CREATE", "versionId", "-"}, data, event(googleName, "")},
		{"a secret updated", []string{"eventType", "SECRET_UPDATE", "versionId", "-"}, data, event(googleName, "")},
		{"a secret deleted", []string{"eventType", "SECRET_DELETE", "versionId", "-", "deleteType", "SECRET_DELETE_TTL"}, data, event(googleName, "")},
		{"a rotation that is due has not happened", []string{"eventType", "SECRET_ROTATE", "versionId", "-"}, data, ignored(GoogleRotationDue)},
		{"a topic that was configured", []string{"eventType", "TOPIC_CONFIGURED", "secretId", "-", "versionId", "-"}, "", ignored(GoogleTopicConfigured)},
		{"a type of tomorrow", []string{"eventType", "SECRET_VERSION_REPLICATED"}, data, unknown(GoogleOther)},
		{"a type of another kind", []string{"eventType", "ROTATION_FAILED"}, data, unknown(GoogleOther)},
		{"a regional secret", []string{"secretId", regional, "versionId", regional + "/versions/7"}, data, event(regional, "7")},
		{"a version by its number alone", []string{"versionId", "7"}, data, event(googleName, "7")},
		{"a version that is no number", []string{"versionId", googleName + "/versions/latest"}, data, event(googleName, "")},
		{"no time", []string{"timestamp", "-"}, data, one(Google, credential.Event{Secret: googleName, Version: "7"})},
		{"data that is no JSON", nil, "\x00\xff", event(googleName, "7")},
		{"data that is another shape", nil, plainSample, event(googleName, "7")},
		{"no data", nil, "", event(googleName, "7")},
		{"the secret from the data", []string{"secretId", "-", "versionId", "-"}, data, event(googleName, "7")},
		{"the secret from data in base64", []string{"secretId", "-", "versionId", "-"}, std([]byte(data)), event(googleName, "7")},
		{"a secret without a version from the data", []string{"secretId", "-", "versionId", "-"}, `{"name":"` + googleName + `"}`, event(googleName, "")},
		{"no secret anywhere", []string{"secretId", "-"}, "", unknown(GoogleInvalid)},
		{"two secrets in the data", []string{"secretId", "-"}, `{"name":"` + googleName + `","Name":"x"}`, unknown(GoogleInvalid)},
		{"a list as data", []string{"secretId", "-"}, `[1]`, unknown(GoogleInvalid)},
		{"a secret that is none", []string{"secretId", "projects/x"}, data, unknown(GoogleInvalid)},
		{"a secret with a new line", []string{"secretId", googleName + "\n"}, data, unknown(GoogleInvalid)},
		{"a secret that is a version", []string{"secretId", googleName + "/versions/7"}, data, unknown(GoogleInvalid)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := make(map[string]string)
			for k, v := range base {
				a[k] = v
			}
			for i := 0; i < len(c.changes); i += 2 {
				a[c.changes[i]] = c.changes[i+1]
				if c.changes[i+1] == "-" {
					delete(a, c.changes[i])
				}
			}
			if diff := cmp.Diff(c.want, Decode([]byte(c.body), a)); diff != "" {
				t.Errorf("as attributes: %s", diff)
			}
			var list []string
			for k, v := range a {
				list = append(list, fmt.Sprintf("%s:%s", quote([]byte(k)), quote([]byte(v))))
			}
			pulled := `{"data":` + string(quote64([]byte(c.body))) + `,"attributes":{` + strings.Join(list, ",") + `}}`
			if diff := cmp.Diff(c.want, Decode([]byte(pulled), nil)); diff != "" {
				t.Errorf("as a pulled message: %s", diff)
			}
			push := `{"message":` + pulled + `,"subscription":"projects/p/subscriptions/s"}`
			if diff := cmp.Diff(c.want, Decode([]byte(push), nil)); diff != "" {
				t.Errorf("as a push form: %s", diff)
			}
			if diff := cmp.Diff(c.want, Decode(wrapN(1, []byte(push), "SNS"), nil)); diff != "" {
				t.Errorf("as a push form in SNS: %s", diff)
			}
		})
	}
	try(t, []example{
		{"no data field", `{"message":{"attributes":{"eventType":"SECRET_UPDATE","secretId":"` + googleName + `"}}}`, one(Google, credential.Event{Secret: googleName})},
		{"neither data nor attributes of anybody", `{"message":{"messageId":"1"}}`, unknown(NoShape)},
		{"attributes that are numbers", `{"message":{"attributes":{"eventType":1,"secretId":2},"data":"e30="}}`, unknown(NoShape)},
		{"data that is a number", `{"attributes":{},"data":1}`, unknown(NoShape)},
		{"empty data", `{"attributes":{},"data":""}`, unknown(NotJSON)},
	})
}

func TestEventsOfAzure(t *testing.T) {
	grid, cloud := sample(t, "az_eg_SecretNewVersionCreated"), sample(t, "az_ce_SecretNewVersionCreated")
	const id = vaultName + "/" + vaultID
	event := func(secret credential.Secret, version string) Message {
		return one(EventGrid, credential.Event{Secret: secret, Version: version, Time: azureTimeOf})
	}
	url := func(s string) string { return edit(t, grid, id, s) }
	usual := event(vaultName, vaultID)
	object := strings.TrimSpace(strings.Trim(strings.TrimSpace(string(grid)), "[]"))
	data := object[strings.Index(object, `"data": `)+len(`"data": `) : strings.Index(object, "}")+1]
	try(t, []example{
		{"one without an array", object, usual},
		{"the samples' stray spaces", edit(t, grid, `"Id": "`, `"Id ": " `, `"VaultName": "`, `" VaultName": " `), usual},
		{"the key in other case", edit(t, grid, `"Id"`, `"ID"`), usual},
		{"dates that are numbers", edit(t, grid, `"NBF": null`, `"NBF": 1559081980`, `"EXP": null`, `"EXP": 1559082102`), usual},
		{"dates that are strings", edit(t, grid, `"NBF": null`, `"NBF": "1559081980"`, `"EXP": null`, `"EXP": "1559082102"`), usual},
		{"a type in other case", edit(t, grid, "Microsoft.KeyVault.SecretNewVersionCreated", "microsoft.keyVault.secretNewVersionCreated"), usual},
		{"data as a string", strings.Replace(object, data, string(quote([]byte(data))), 1), usual},
		{"data in base64", `{"specversion":"1.0","type":"Microsoft.KeyVault.SecretExpired","data_base64":` + string(quote64([]byte(data))) + `}`,
			one(CloudEvent, credential.Event{Kind: credential.EventExpired, Secret: vaultName, Version: vaultID})},
		{"a host in capitals", url("HTTPS://Sample-KV.vault.azure.net:443/Secrets/NewSecret/" + vaultID), event("https://sample-kv.vault.azure.net/secrets/NewSecret", vaultID)},
		{"another cloud of Azure's", url("https://kv.vault.azure.cn/secrets/n/" + vaultID), event("https://kv.vault.azure.cn/secrets/n", vaultID)},
		{"a port", url("https://localhost:8443/secrets/n/1"), event("https://localhost:8443/secrets/n", "1")},
		{"the version beside the URL only", url(vaultName), usual},
		{"the URL's version counts", url(vaultName + "/0123"), event(vaultName, "0123")},
		{"a slash behind it", url(vaultName + "/"), usual},
		{"no version anywhere", edit(t, grid, id, vaultName, `"Version"`, `"x"`), event(vaultName, "")},
		{"a bad time", edit(t, grid, "2026-07-25T01:08:33.1036736Z", "7/25/2026 1:08:33 AM"), one(EventGrid, credential.Event{Secret: vaultName, Version: vaultID})},

		{"plain HTTP", url("http://sample-kv.vault.azure.net/secrets/n/1"), unknown(AzureInvalid)},
		{"a user in the URL", url("https://sample-kv.vault.azure.net@evil.example/secrets/n/1"), unknown(AzureInvalid)},
		{"a query", url(id + "?x=1"), unknown(AzureInvalid)},
		{"a key's URL", url("https://sample-kv.vault.azure.net/keys/n/1"), unknown(AzureInvalid)},
		{"a longer path", url(id + "/more"), unknown(AzureInvalid)},
		{"steps in the path", url("https://sample-kv.vault.azure.net/secrets/../x"), unknown(AzureInvalid)},
		{"an escape in the path", url("https://sample-kv.vault.azure.net/secrets/a%2Fb"), unknown(AzureInvalid)},
		{"a new line in the URL", url(`https://sample-kv.vault.azure.net/secrets/a\nb`), unknown(AzureInvalid)},
		{"a host that is empty", url("https:///secrets/n"), unknown(AzureInvalid)},
		{"no URL", edit(t, grid, `"Id"`, `"x"`), unknown(AzureInvalid)},
		{"data that is a list", strings.Replace(object, data, "[1]", 1), unknown(AzureInvalid)},
		{"data that is prose", strings.Replace(object, data, `"prose"`, 1), unknown(AzureInvalid)},
		{"a cloud event without data", `{"specversion":"1.0","type":"Microsoft.KeyVault.SecretExpired"}`, unknown(AzureInvalid)},

		{"a key's version", edit(t, grid, ".SecretNewVersionCreated", ".KeyNewVersionCreated"), ignored(AzureNoSecret)},
		{"a certificate", edit(t, grid, ".SecretNewVersionCreated", ".CertificateNearExpiry"), ignored(AzureNoSecret)},
		{"a policy", edit(t, cloud, ".SecretNewVersionCreated", ".VaultAccessPolicyChanged"), ignored(AzureNoSecret)},
		{"a subscription that ended", edit(t, grid, "Microsoft.KeyVault.SecretNewVersionCreated", "Microsoft.EventGrid.SubscriptionDeletedEvent"), ignored(AzureSubscription)},
		{"an event of tomorrow", edit(t, grid, ".SecretNewVersionCreated", ".SecretForgotten"), unknown(AzureOther)},
		{"another service", edit(t, cloud, "Microsoft.KeyVault.SecretNewVersionCreated", "Microsoft.Storage.BlobCreated"), unknown(AzureOther)},
		{"nobody's", edit(t, cloud, "Microsoft.KeyVault.SecretNewVersionCreated", "org.example.Made"), unknown(NoShape)},
		{"nobody's with a number", `{"specversion":"1.0","type":"x","data":7}`, unknown(NoShape)},
	})
}

func TestACloudEventMayHaveItsAttributesBesideTheBody(t *testing.T) {
	data := []byte(`{"Id":"` + vaultName + "/" + vaultID + `","VaultName":"sample-kv"}`)
	want := func(k credential.EventKind) Message {
		return one(CloudEvent, credential.Event{Kind: k, Secret: vaultName, Version: vaultID, Time: azureTimeOf})
	}
	for _, prefix := range []string{"ce-", "Ce-", "CE-", "ce_", "cloudEvents:", "cloudEvents_"} {
		attributes := func(kind string) map[string]string {
			return map[string]string{prefix + "type": kind, prefix + "time": "2026-07-25T01:08:33.1036736Z", prefix + "specversion": "1.0", prefix + "id": "1"}
		}
		for _, c := range []struct {
			name, kind string
			body       []byte
			want       Message
		}{
			{"a new version", "Microsoft.KeyVault.SecretNewVersionCreated", data, want(credential.EventChanged)},
			{"an expiry", "Microsoft.KeyVault.SecretExpired", quote64(data), want(credential.EventExpired)},
			{"all of it in the body too", "Microsoft.KeyVault.SecretNewVersionCreated",
				[]byte(`{"specversion":"1.0","id":"1","type":"Microsoft.KeyVault.SecretNewVersionCreated","time":"2026-07-25T01:08:33.1036736Z","data":` + string(data) + `}`), want(credential.EventChanged)},
			{"a foreign event", "google.cloud.pubsub.topic.v1.messagePublished", sample(t, "gcp_push_envelope"), expected()["gcp_push_envelope"]},
			{"a key without data", "Microsoft.KeyVault.KeyExpired", nil, ignored(AzureNoSecret)},
			{"a new version without data", "Microsoft.KeyVault.SecretNewVersionCreated", nil, unknown(NotJSON)},
			{"a list", "Microsoft.KeyVault.SecretNewVersionCreated", []byte("[" + string(data) + "]"), unknown(AzureInvalid)},
			{"another service", "Microsoft.Storage.BlobCreated", data, unknown(AzureOther)},
		} {
			if diff := cmp.Diff(c.want, Decode(c.body, attributes(c.kind))); diff != "" {
				t.Errorf("%s with %stype: %s", c.name, prefix, diff)
			}
		}
	}
}

func TestThePlainForm(t *testing.T) {
	event := func(e credential.Event) Message { return one(Plain, e) }
	long := strings.Repeat("é", maxName/2)
	invalid := unknown(PlainInvalid)
	try(t, []example{
		{"all fields", plainSample, event(credential.Event{Secret: "vault://kv/planet/dest", Version: "3", Time: awsTimeOf, Test: "n-1_A"})},
		{"the secret alone", `{"secret":"x"}`, event(credential.Event{Secret: "x"})},
		{"fields of others", `{"secret":"x","reason":"why not","Message":{"a":1},"attributes":{},"data":7,"eventType":"e","type":"t"}`, event(credential.Event{Secret: "x"})},
		{"null is nothing", `{"secret":"x","version":null,"time":null,"test":null}`, event(credential.Event{Secret: "x"})},
		{"empty is nothing", `{"secret":"x","version":"","time":"","test":""}`, event(credential.Event{Secret: "x"})},
		{"a version that is a number", `{"secret":"x","version":12}`, event(credential.Event{Secret: "x", Version: "12"})},
		{"escapes", `{"secret":"\u0076ault:\/\/k\u00E9\ud83d\uDE00"}`, event(credential.Event{Secret: "vault://ké😀"})},
		{"the longest name", `{"secret":"` + long + `"}`, event(credential.Event{Secret: credential.Secret(long)})},
		{"the longest name in escapes", `{"secret":"` + strings.Repeat(`\u0041`, maxName) + `"}`, event(credential.Event{Secret: credential.Secret(strings.Repeat("A", maxName))})},
		{"a time that is none", `{"secret":"x","time":"soon"}`, event(credential.Event{Secret: "x"})},
		{"a time that is a number", `{"secret":"x","time":1}`, event(credential.Event{Secret: "x"})},
		{"a time far ahead", `{"secret":"x","time":"2200-01-01T00:00:00Z"}`, event(credential.Event{Secret: "x", Time: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)})},
		{"a time that no store could keep", `{"secret":"x","time":"9999-12-31T23:59:59-12:00"}`, event(credential.Event{Secret: "x"})},
		{"a time before time", `{"secret":"x","time":"0000-01-01T00:00:00+14:00"}`, event(credential.Event{Secret: "x"})},

		{"an empty secret", `{"secret":""}`, invalid},
		{"a secret that is a number", `{"secret":1}`, invalid},
		{"a secret that is an object", `{"secret":{"name":"x"}}`, invalid},
		{"no secret", `{"version":"1"}`, unknown(NoShape)},
		{"a secret that is null", `{"secret":null}`, unknown(NoShape)},
		{"a name too long", `{"secret":"` + long + `x"}`, invalid},
		{"a new line", `{"secret":"a\nb"}`, invalid},
		{"an escape sequence of terminals", `{"secret":"a\u001b[31m"}`, invalid},
		{"a control character beyond ASCII", `{"secret":"a\u009b31m"}`, invalid},
		{"a change of reading direction", `{"secret":"a\u202eb"}`, invalid},
		{"a line separator", `{"secret":"a\u2028b"}`, invalid},
		{"half a character", `{"secret":"a\ud83d"}`, invalid},
		{"bytes that are no UTF-8", "{\"secret\":\"a\xff\"}", invalid},
		{"a version with a new line", `{"secret":"x","version":"a\nb"}`, invalid},
		{"a version too long", `{"secret":"x","version":"` + strings.Repeat("v", maxVersion+1) + `"}`, invalid},
		{"a version that is a fraction", `{"secret":"x","version":1.5}`, invalid},
		{"a version that is a list", `{"secret":"x","version":[1]}`, invalid},
		{"a test that is no word", `{"secret":"x","test":"a b"}`, invalid},
		{"a test too long", `{"secret":"x","test":"` + strings.Repeat("t", maxTest+1) + `"}`, invalid},
		{"a test that is a number", `{"secret":"x","test":1}`, invalid},
	})
}
