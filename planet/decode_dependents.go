package planet

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// What depends on a destination is looked at to warn people, so a strange item
// is worth more than none: an id and a state must be there, whatever else can't
// be read is left empty.

const (
	maxTexts = 10
	// maxDepth bounds how far into an "errors" of unknown form is looked.
	maxDepth = 6
	maxName  = 256
)

func decodeOrder(place string, raw []byte) (Order, error) {
	obj, err := object(place, raw)
	if err != nil {
		return Order{}, err
	}
	defer wipe(obj)
	o := Order{ID: textAt(obj, "id"), Name: nameAt(obj), State: OrderState(textAt(obj, "state"))}
	if err := need(place, "id", o.ID); err != nil {
		return Order{}, err
	}
	if err := need(place, "state", string(o.State)); err != nil {
		return Order{}, err
	}
	last, hints := textAt(obj, "last_message"), textsIn(obj["error_hints"], 0)
	o.LastMessage, o.ErrorHints = tame(last), tameAll(hints)
	if o.State == OrderFailed || o.State == OrderPartial {
		o.Cause = CauseOf(append(hints, last)...)
	}
	o.Created, o.Modified = timeAt(obj, "created_on"), timeAt(obj, "last_modified")
	o.Ref = refIn(obj["delivery"])
	return o, nil
}

func decodeSubscription(place string, raw []byte) (Subscription, error) {
	obj, err := object(place, raw)
	if err != nil {
		return Subscription{}, err
	}
	defer wipe(obj)
	s := Subscription{
		ID: textAt(obj, "id"), Name: nameAt(obj), Status: SubscriptionStatus(textAt(obj, "status")),
		Created: timeAt(obj, "created"), Updated: timeAt(obj, "updated"), Ref: refIn(obj["delivery"]),
	}
	if err := need(place, "id", s.ID); err != nil {
		return Subscription{}, err
	}
	return s, need(place, "status", string(s.Status))
}

func decodeResult(place string, raw []byte) (Result, error) {
	obj, err := object(place, raw)
	if err != nil {
		return Result{}, err
	}
	defer wipe(obj)
	r := Result{
		ID: textAt(obj, "id"), Status: ResultStatus(textAt(obj, "status")),
		Created: timeAt(obj, "created"), Updated: timeAt(obj, "updated"), Completed: timeAt(obj, "completed"),
	}
	if err := need(place, "id", r.ID); err != nil {
		return Result{}, err
	}
	if err := need(place, "status", string(r.Status)); err != nil {
		return Result{}, err
	}
	texts := textsIn(obj["errors"], 0)
	r.Errors = tameAll(texts)
	if r.Status == ResultFailed {
		r.Cause = CauseOf(texts...)
	}
	return r, nil
}

func need(place, name, value string) error {
	if value == "" {
		return wrong(place+"."+name, "is missing or empty")
	}
	return nil
}

// textAt gives a text; empty where there is none.
func textAt(obj map[string]json.RawMessage, name string) string {
	var text string
	if read(obj, "", name, "text", &text) != nil {
		return ""
	}
	return text
}

func nameAt(obj map[string]json.RawMessage) string {
	name := secrets(nil).redact(textAt(obj, "name"))
	if r := []rune(name); len(r) > maxName {
		return string(r[:maxName-1]) + "…"
	}
	return name
}

func timeAt(obj map[string]json.RawMessage, name string) time.Time {
	var t time.Time
	if readTime(obj, "", name, &t) != nil {
		return time.Time{}
	}
	return t
}

// refIn finds the reference to a destination in the description of a delivery:
// {"destination": {"ref"}} of orders, {"type": "destination", "parameters":
// {"ref"}} of subscriptions. Nothing else of it is kept: it may hold keys.
func refIn(delivery json.RawMessage) string {
	obj, err := object("delivery", delivery)
	if err != nil {
		return ""
	}
	defer wipe(obj)
	where := "destination"
	if textAt(obj, "type") == "destination" {
		where = "parameters"
	}
	inner, err := object("delivery", obj[where])
	if err != nil {
		return ""
	}
	defer wipe(inner)
	ref := textAt(inner, "ref")
	if _, err := ParseRef(ref); err != nil {
		return ""
	}
	return ref
}

// delivers counts an item as one if it says where it delivers.
func delivers(raw []byte) int {
	obj, err := object("", raw)
	if err != nil {
		return 0
	}
	defer wipe(obj)
	if inner, err := object("", obj["delivery"]); err != nil || len(inner) == 0 {
		return 0
	}
	return 1
}

// textsIn collects the texts of a value whose form is not documented, with the
// names that hold them in order, so that equal values give equal texts.
func textsIn(raw json.RawMessage, depth int) []string {
	if !present(raw) || depth > maxDepth {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		obj, err := object("", raw)
		if err != nil {
			if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
				return []string{string(raw)} // a status
			}
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(obj)) {
			items = append(items, obj[name])
		}
	}
	var texts []string
	for _, item := range items {
		texts = append(texts, textsIn(item, depth+1)...)
		if len(texts) >= 10*maxTexts {
			break
		}
	}
	return texts
}

func tameAll(texts []string) []string {
	var out []string
	for _, text := range texts[:min(len(texts), maxTexts)] {
		out = append(out, tame(text))
	}
	return out
}
