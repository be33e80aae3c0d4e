package payload

import (
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// attributes are those that came beside a body and matter, under the names by
// which attributeKeys lists them.
type attributes map[string]string

// attributeKeys are Google's, and those of CloudEvents as the bindings of the
// protocols spell them: HTTP and Pub/Sub, Kafka, AMQP and its second form.
var attributeKeys = []string{
	"eventType", "secretId", "versionId", "timestamp",
	"ce-type", "ce-time", "ce_type", "ce_time",
	"cloudEvents:type", "cloudEvents:time", "cloudEvents_type", "cloudEvents_time",
}

// knownAttributes finds those that matter. As in fields, case does not matter
// (HTTP has none) and two values for one are none.
func knownAttributes(all map[string]string) (attributes, bool) {
	var found attributes
	for key, v := range all {
		name := nameOf(key, attributeKeys)
		if name == "" {
			continue
		}
		if found == nil {
			found = make(attributes)
		}
		if old, twice := found[name]; twice && old != v {
			return nil, false
		}
		found[name] = v
	}
	return found, true
}

// ofGoogle tells whether the attributes are those of a message of Secret
// Manager. Other publishers may have an "eventType" too.
func (a attributes) ofGoogle() bool {
	kind := a["eventType"]
	return kind == "TOPIC_CONFIGURED" || strings.HasPrefix(kind, "SECRET_") ||
		kind != "" && strings.HasPrefix(a["secretId"], "projects/")
}

// googleTypes are the known ones, and whether the version that an event of the
// type names may now be the current one.
var googleTypes = map[string]bool{
	"SECRET_VERSION_ADD": true, "SECRET_VERSION_ENABLE": true,

	"SECRET_VERSION_DISABLE": false, "SECRET_VERSION_DESTROY": false, "SECRET_VERSION_DESTROY_SCHEDULED": false,
	"SECRET_CREATE": false, "SECRET_UPDATE": false, "SECRET_DELETE": false,
}

// google reads a message of Secret Manager: its attributes are all that
// counts. The data, the resource in JSON, is looked at only where they don't
// name a secret.
func (d *decoder) google(a attributes, data []byte, depth int) {
	hint, known := googleTypes[a["eventType"]]
	switch {
	case a["eventType"] == "SECRET_ROTATE":
		d.ignore(GoogleRotationDue)
		return
	case a["eventType"] == "TOPIC_CONFIGURED":
		d.ignore(GoogleTopicConfigured)
		return
	case !known:
		d.unknown(GoogleOther)
		return
	}
	secret, id := a["secretId"], a["versionId"]
	if secret == "" {
		name := d.resourceName(data, depth)
		if secret, _, _ = strings.Cut(name, "/versions/"); secret != name {
			id = name
		}
	}
	if len(secret) > maxName || !googleNames.MatchString(secret) {
		d.unknown(GoogleInvalid)
		return
	}
	e := credential.Event{Secret: credential.Secret(secret), Time: moment(a["timestamp"])}
	if id = id[strings.LastIndexByte(id, '/')+1:]; hint && digits.MatchString(id) {
		e.Version = id
	}
	d.event(Google, e)
}

// resourceName gives the name of the resource in the data, if it holds one.
func (d *decoder) resourceName(data []byte, depth int) string {
	var aside decoder // what the data is otherwise is of no interest
	v, _, ok := aside.unwrap(data, depth)
	if !ok || !v.isObject() {
		return ""
	}
	o, ok := fields(v, []string{"name"})
	if !ok {
		return ""
	}
	return o.text("name")
}

var pubsubKeys = []string{"attributes", "data"}

// pubsub reads the message of the push form.
func (d *decoder) pubsub(v value, depth int) {
	o, ok := fields(v, pubsubKeys)
	if !ok {
		d.unknown(Ambiguous)
		return
	}
	d.pubsubMessage(o, depth)
}

// pubsubMessage reads a message of Pub/Sub in JSON: attributes, and data in
// base64. Either may be missing.
func (d *decoder) pubsubMessage(o object, depth int) {
	found, ok := o.within("attributes", attributeKeys)
	if !ok {
		d.unknown(Ambiguous)
		return
	}
	a := make(attributes, len(found))
	for name, v := range found {
		a[name] = v.text()
	}
	data := o["data"]
	switch {
	case a.ofGoogle() && data.isString():
		d.google(a, data.bytes(), depth)
	case a.ofGoogle():
		d.google(a, nil, depth)
	case data.isString():
		d.encoded(data, a, depth)
	default:
		d.unknown(NoShape)
	}
}
