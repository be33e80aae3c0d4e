package payload

import "github.com/rotatord/rotatord/credential"

// Bounds of one message. What lies beyond is counted and not looked at.
const (
	// MaxSize is the longest body, in bytes. No queue or topic of the clouds has
	// longer ones by default but Pub/Sub, and no event of theirs comes near it.
	MaxSize = 1 << 20
	// MaxEvents is how many parts of a message are looked at, whether they become
	// events or not.
	MaxEvents = 1000
	// MaxDepth is how many wrappings are taken off: base64, JSON in a string, an
	// envelope. An array is none, but one directly in another is not understood.
	MaxDepth = 4
)

// Message is what a message means.
type Message struct {
	// Events is what it says of secrets, in its order.
	Events []Event
	// Ignored names the parts that were understood and say nothing of interest.
	Ignored []Kind
	// Unknown names the parts that were not understood.
	Unknown []Kind
}

// Understood tells whether at least one part was understood. A message of
// which nothing was will never be.
func (m Message) Understood() bool { return len(m.Events) > 0 || len(m.Ignored) > 0 }

// Event is one event and the shape that it had.
type Event struct {
	// Event has no Source, which the receiver knows, and no Destination.
	credential.Event
	Shape Shape
}

// Decode reads one message of any known shape. It keeps neither body nor
// attributes and is safe for concurrent use. At least one of the Message's
// lists has an entry, and together they have at most MaxEvents+1.
func Decode(body []byte, attributes map[string]string) Message {
	var d decoder
	if len(body) > MaxSize {
		d.unknown(TooLarge)
		return d.message
	}
	known, ok := knownAttributes(attributes)
	if !ok {
		d.unknown(Ambiguous)
		return d.message
	}
	d.decode(body, known, 0)
	return d.message
}

// decoder collects what a message says. Its methods take the depth: how many
// wrappings were taken off so far.
type decoder struct {
	message Message
	parts   int // elements of arrays that were looked at so far
}

func (d *decoder) unknown(k Kind) { d.message.Unknown = append(d.message.Unknown, k) }
func (d *decoder) ignore(k Kind)  { d.message.Ignored = append(d.message.Ignored, k) }

func (d *decoder) event(s Shape, e credential.Event) {
	d.message.Events = append(d.message.Events, Event{Event: e, Shape: s})
}

// full counts one more element of an array and tells whether it is one too
// many, which is said once. Nothing else makes several entries out of one
// thing, so this bounds them all.
func (d *decoder) full() bool {
	d.parts++
	if d.parts == MaxEvents+1 {
		d.unknown(TooMany)
	}
	return d.parts > MaxEvents
}

// decode reads a body with the attributes beside it. Google's attributes are
// the message, and those of a CloudEvent say what the body is; all others say
// nothing about it.
func (d *decoder) decode(body []byte, a attributes, depth int) {
	switch {
	case a.ofGoogle():
		d.google(a, body, depth)
	case a.ofCloudEvent():
		d.binaryCloudEvent(a, body, depth)
	default:
		if v, depth, ok := d.unwrap(body, depth); ok {
			d.value(v, depth)
		}
	}
}

// value reads what unwrap found: an object, or an array of whatever.
func (d *decoder) value(v value, depth int) {
	if v.isObject() {
		d.object(v, depth)
		return
	}
	empty := true
	for element := range elements(v) {
		if d.full() {
			return
		}
		empty = false
		switch {
		case element.isObject():
			d.object(element, depth)
		case element.isString():
			d.element(element, depth)
		default:
			d.unknown(NoShape)
		}
	}
	if empty {
		d.unknown(NoShape)
	}
}

// element reads a string in an array, which may hold one object.
func (d *decoder) element(v value, depth int) {
	v, depth, ok := d.unwrap(v, depth)
	switch {
	case !ok: // unwrap has said why
	case v.isObject():
		d.object(v, depth)
	default:
		d.unknown(NoShape)
	}
}

// The keys of every known shape's outermost object.
var headKeys = []string{
	"detail-type", "source", "account", "region", "time", "resources", "detail", // EventBridge
	"Type", "Message", // SNS; CloudEvents have "type", Pub/Sub's push form has "message"
	"attributes", "data", // Pub/Sub, as pulled; all of Azure have "data"
	"specversion", "data_base64", // CloudEvents
	"eventType", "eventTime", // Event Grid
	"secret", "version", "test", // plain
}

// object finds out which shape an object has, and becomes exactly one entry
// unless there is an array in it. SNS comes first: what its signature covers
// is the Message, so nothing beside that may decide what the notification is.
// The others go from what no other shape has to what many might have.
func (d *decoder) object(v value, depth int) {
	o, ok := fields(v, headKeys)
	if !ok {
		d.unknown(Ambiguous)
		return
	}
	kind := o.text("Type")
	switch {
	case kind == "Notification" && o["Message"].isString():
		d.wrapped(o["Message"], depth)
	case kind == "SubscriptionConfirmation" || kind == "UnsubscribeConfirmation":
		d.ignore(SNSConfirmation)
	case o.text("detail-type") != "" && o["detail"].isObject():
		d.aws(o)
	case o.text("specversion") != "" && kind != "":
		d.cloudEvent(o, depth)
	case o["secret"] != nil:
		d.plain(o)
	case o["Message"].isObject():
		d.pubsub(o["Message"], depth)
	case o["attributes"].isObject():
		d.pubsubMessage(o, depth)
	case o.text("eventType") != "" && o["data"] != nil:
		d.eventGrid(o, depth)
	default:
		d.unknown(NoShape)
	}
}
