package payload

import (
	"cmp"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// eventGrid reads an event in Event Grid's own schema.
func (d *decoder) eventGrid(o object, depth int) {
	d.azure(azureEvent{shape: EventGrid, kind: o.text("eventType"), time: o.text("eventTime"), data: o["data"]}, depth)
}

// cloudEvent reads a CloudEvent that is all in its body.
func (d *decoder) cloudEvent(o object, depth int) {
	e := azureEvent{shape: CloudEvent, kind: o.text("Type"), time: o.text("time"), data: o["data"]}
	if e.data == nil {
		e.data = o["data_base64"]
	}
	d.azure(e, depth)
}

// ofCloudEvent tells whether the body is the data of a CloudEvent.
func (a attributes) ofCloudEvent() bool { return a.cloudEvent("type") != "" }

// cloudEvent gives an attribute in whichever spelling it is there.
func (a attributes) cloudEvent(name string) string {
	return cmp.Or(a["ce-"+name], a["ce_"+name], a["cloudEvents:"+name], a["cloudEvents_"+name])
}

// binaryCloudEvent reads a CloudEvent that has its data in the body and all
// else beside it.
func (d *decoder) binaryCloudEvent(a attributes, body []byte, depth int) {
	e := azureEvent{shape: CloudEvent, kind: a.cloudEvent("type"), time: a.cloudEvent("time")}
	if k := e.noInterest(); k != "" {
		d.ignore(k) // whatever its data is
		return
	}
	v, depth, ok := d.unwrap(body, depth)
	switch {
	case !ok: // unwrap has said why
	case structured(v): // said twice: the body is all of it
		d.object(v, depth)
	default:
		e.data = v
		d.azure(e, depth)
	}
}

// structured tells whether a value is a CloudEvent rather than the data of one.
func structured(v value) bool {
	if !v.isObject() {
		return false
	}
	o, ok := fields(v, []string{"specversion", "type"})
	return ok && o.text("specversion") != "" && o.text("type") != ""
}

// azureEvent is what the schemas have in common.
type azureEvent struct {
	shape      Shape
	kind, time string
	data       value
}

// secretKinds are Key Vault's events about secrets, in lower case.
var secretKinds = map[string]credential.EventKind{
	"microsoft.keyvault.secretnewversioncreated": credential.EventChanged,
	"microsoft.keyvault.secretnearexpiry":        credential.EventNearExpiry,
	"microsoft.keyvault.secretexpired":           credential.EventExpired,
}

// noInterest gives the Kind of an event that is known and of no interest.
func (e azureEvent) noInterest() Kind {
	kind := lower(e.kind)
	switch {
	case strings.HasPrefix(kind, "microsoft.keyvault.key"), strings.HasPrefix(kind, "microsoft.keyvault.certificate"),
		kind == "microsoft.keyvault.vaultaccesspolicychanged":
		return AzureNoSecret
	case kind == "microsoft.eventgrid.subscriptionvalidationevent", kind == "microsoft.eventgrid.subscriptiondeletedevent":
		return AzureSubscription
	}
	return ""
}

// azure reads an event of any of the schemas. One that Microsoft did not send
// is an envelope like others: its data may have any shape.
func (d *decoder) azure(e azureEvent, depth int) {
	kind, known := secretKinds[lower(e.kind)]
	ignored := e.noInterest()
	switch {
	case known:
		d.keyVault(kind, e)
	case ignored != "":
		d.ignore(ignored)
	case strings.HasPrefix(lower(e.kind), "microsoft."):
		d.unknown(AzureOther)
	case e.data.isString():
		d.encoded(e.data, nil, depth)
	case depth >= MaxDepth:
		d.unknown(TooDeep)
	case e.data.isObject() || e.data.isArray():
		d.value(e.data, depth+1)
	default:
		d.unknown(NoShape)
	}
}

var keyVaultKeys = []string{"Id", "Version"}

// keyVault reads the data of Key Vault's events. Vault, name and version are
// taken from the URL: the fields beside it come in several spellings.
func (d *decoder) keyVault(kind credential.EventKind, e azureEvent) {
	if e.data.isString() {
		e.data = embedded(e.data)
	}
	if !e.data.isObject() {
		d.unknown(AzureInvalid)
		return
	}
	data, ok := fields(e.data, keyVaultKeys)
	if !ok {
		d.unknown(Ambiguous)
		return
	}
	secret, id := azureSecret(strings.TrimSpace(data.text("Id")))
	if secret == "" {
		d.unknown(AzureInvalid)
		return
	}
	d.event(e.shape, credential.Event{
		Kind: kind, Secret: secret, Version: cmp.Or(id, version(strings.TrimSpace(data.text("Version")))), Time: moment(e.time),
	})
}

// azureSecret takes the URL of a version apart. Nobody ever goes to that URL:
// it is compared with the configured ones, so any host will do.
func azureSecret(url string) (credential.Secret, string) {
	parts := azureURLs.FindStringSubmatch(url)
	if parts == nil {
		return "", ""
	}
	host := strings.TrimSuffix(strings.ToLower(parts[1]), ":443")
	return credential.Secret("https://" + host + "/secrets/" + parts[2]), parts[3]
}
