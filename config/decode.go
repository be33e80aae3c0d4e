package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// decoder fills the typed configuration from the tree. It notes problems and
// goes on; what has a problem keeps its default.
type decoder struct {
	// file is the main file: what stands nowhere is missing there.
	file     string
	cfg      *Config
	problems Problems
	warnings Problems
	// incomplete says that a file could not be read or is no TOML. What seems
	// to be missing may stand there.
	incomplete bool
	// set remembers where each key of the file stands, under its full path
	// ("destination[1].schedule"): rules look there what was written and where.
	set map[string]Position
	// failed are the keys that were written with a value that was refused.
	// They don't count as set, so that nothing is said twice.
	failed map[string]bool
}

// field is one key of a table: a struct field with a toml tag, those of
// embedded structs included.
type field struct {
	key      string
	typ      reflect.Type
	index    []int
	min, max string
	oneOf    []string
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		key := f.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		fields = append(fields, field{key: key, typ: f.Type, index: f.Index,
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), oneOf: strings.Fields(f.Tag.Get("oneof"))})
	}
	return fields
}

// add notes a problem at a position. The path loses its element numbers: the
// line says which one is meant.
func (d *decoder) add(at Position, path, message, hint string) {
	d.problems = append(d.problems, d.problem(at, path, message, hint))
}

func (d *decoder) warn(at Position, path, message, hint string) {
	d.warnings = append(d.warnings, d.problem(at, path, message, hint))
}

func (d *decoder) problem(at Position, path, message, hint string) Problem {
	var key strings.Builder
	inside := false
	for _, c := range path {
		switch c {
		case '[':
			inside = true
		case ']':
			inside = false
		default:
			if !inside {
				key.WriteRune(c)
			}
		}
	}
	file := at.File
	if file == "" {
		file = d.file
	}
	return Problem{File: file, Line: at.Line, Column: at.Column, Key: key.String(), Message: message, Hint: hint}
}

// table fills a struct. Fields are visited in the order of the struct and not
// of the file, so that Config has its Defaults before its Destinations.
func (d *decoder) table(n *node, dst reflect.Value, path string) {
	known := map[string]bool{}
	for _, f := range fieldsOf(dst.Type()) {
		known[f.key] = true
		if child := n.fields[f.key]; child != nil {
			full := join(path, f.key)
			d.set[full] = child.at
			d.value(child, dst.FieldByIndex(f.index), f, full)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.fields)) {
		if !known[key] {
			d.unknown(n.fields[key], key, dst.Type(), path)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) unknown(n *node, key string, table reflect.Type, path string) {
	if !showable(key) {
		d.add(n.keyAt, path, "unknown key", "known here: "+strings.Join(keysOf(table), ", "))
		return
	}
	d.add(n.keyAt, join(path, key), "unknown key", suggest(key, table))
}

var (
	typeDuration = reflect.TypeFor[Duration]()
	typeValue    = reflect.TypeFor[credential.Value]()
	typeTexts    = reflect.TypeFor[[]string]()
)

// value decodes one key by the type of its field.
func (d *decoder) value(n *node, dst reflect.Value, f field, path string) {
	switch {
	case f.typ == typeDuration:
		d.duration(n, dst, f, path)
	case f.typ == typeValue:
		if d.expect(n, kindText, path, `text in quotes`) {
			dst.Set(reflect.ValueOf(credential.NewValue(n.data)))
		}
	case f.typ.Kind() == reflect.String:
		d.text(n, dst, f, path)
	case f.typ.Kind() == reflect.Int:
		d.integer(n, dst, f, path)
	case f.typ.Kind() == reflect.Bool:
		if d.expect(n, kindBool, path, "true or false, without quotes") {
			dst.SetBool(n.flag)
		}
	case f.typ.Kind() == reflect.Map:
		d.pointers(n, dst, path)
	case f.typ == typeTexts:
		d.texts(n, dst, path)
	case f.typ.Kind() == reflect.Slice:
		d.list(n, dst, path)
	case f.typ.Kind() == reflect.Struct:
		if d.expect(n, kindTable, path, "a table: ["+path+"]") {
			d.table(n, dst, path)
		}
	default:
		panic("config: no decoder for " + f.typ.String())
	}
}

// expect notes a problem unless the node is of the kind.
func (d *decoder) expect(n *node, want kind, path, write string) bool {
	if n.kind == want {
		return true
	}
	d.refuse(n, path, "is "+string(n.kind)+", which does not fit", write)
	return false
}

// refuse notes a value that is not taken over. Further rules about it would be
// noise.
func (d *decoder) refuse(n *node, path, message, write string) {
	d.add(n.at, path, message, "write "+write)
	delete(d.set, path)
	d.failed[path] = true
}

func (d *decoder) text(n *node, dst reflect.Value, f field, path string) {
	write := "text in quotes"
	if len(f.oneOf) > 0 {
		write = oneOf(f.oneOf)
	}
	if !d.expect(n, kindText, path, write) {
		return
	}
	s := string(n.data)
	if len(f.oneOf) > 0 && !slices.Contains(f.oneOf, s) {
		d.refuse(n, path, "no such choice", write)
		return
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		d.refuse(n, path, "holds a control character or a line break", "it on one line")
		return
	}
	dst.SetString(s)
}

func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

func (d *decoder) integer(n *node, dst reflect.Value, f field, path string) {
	write := fmt.Sprintf("a whole number from %s to %s, without quotes", f.min, f.max)
	if !d.expect(n, kindInteger, path, write) {
		return
	}
	low, _ := strconv.ParseInt(f.min, 10, 64)
	high, _ := strconv.ParseInt(f.max, 10, 64)
	if n.number < low || n.number > high {
		d.refuse(n, path, "out of range", write)
		return
	}
	dst.SetInt(n.number)
}

func (d *decoder) duration(n *node, dst reflect.Value, f field, path string) {
	write := fmt.Sprintf(`a duration in quotes from "%s" to "%s", such as %s`, f.min, f.max, dst.Interface().(Duration).quoted())
	if !d.expect(n, kindText, path, write) {
		return
	}
	v, err := ParseDuration(string(n.data))
	if err != nil {
		d.refuse(n, path, "not a duration", write)
		return
	}
	low, _ := ParseDuration(f.min)
	high, _ := ParseDuration(f.max)
	if v < low || v > high {
		d.refuse(n, path, "out of range", write)
		return
	}
	dst.SetInt(int64(v))
}

func (d Duration) quoted() string { return strconv.Quote(d.String()) }

// pointers decodes map = { planet_field = "/json/pointer" }.
func (d *decoder) pointers(n *node, dst reflect.Value, path string) {
	if !d.expect(n, kindTable, path, `a table of JSON Pointers: { aws_access_key_id = "/AccessKeyId" }`) {
		return
	}
	m := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(n.fields)) {
		child := n.fields[key]
		at := path
		if showable(key) {
			at = join(path, key)
		}
		if !d.expect(child, kindText, at, `a JSON Pointer in quotes, such as "/AccessKeyId"`) {
			continue
		}
		m[key] = string(child.data)
		d.set[path+"."+key] = child.at
	}
	dst.Set(reflect.ValueOf(m))
}

// texts decodes a list of text. Each element has a place of its own.
func (d *decoder) texts(n *node, dst reflect.Value, path string) {
	const write = `a list of text in quotes: ["one", "two"]`
	if !d.expect(n, kindList, path, write) {
		return
	}
	var list []string
	for _, item := range n.items {
		var s string
		full := path + "[" + strconv.Itoa(len(list)) + "]"
		d.set[full] = item.at
		d.text(item, reflect.ValueOf(&s).Elem(), field{}, full)
		list = append(list, s)
	}
	dst.Set(reflect.ValueOf(list))
}

// list decodes [[account]], [[destination]], [[aws.role]], the sources and
// those who are told.
func (d *decoder) list(n *node, dst reflect.Value, path string) {
	if n.kind == kindTable {
		d.refuse(n, path, "is one table, and there may be several", "[["+path+"]] with two brackets")
		return
	}
	if !d.expect(n, kindList, path, "[["+path+"]] and its keys below") {
		return
	}
	if len(n.items) == 0 {
		d.refuse(n, path, "is an empty list", "[["+path+"]] and its keys below")
	}
	for _, item := range n.items {
		full := path + "[" + strconv.Itoa(dst.Len()) + "]"
		if !d.expect(item, kindTable, full, "[["+path+"]] and its keys below") {
			continue
		}
		d.set[full] = item.at
		element := reflect.New(dst.Type().Elem())
		switch e := element.Interface().(type) {
		case *Account:
			*e = DefaultAccountSettings()
			e.Pos = item.at
		case *Destination:
			e.Settings = d.cfg.Defaults
			e.Pos = item.at
		case *AWSRole:
			e.Pos = item.at
		case *AnnounceWebhook:
			e.Pos = item.at
		case *AnnounceSlack:
			e.Pos = item.at
		case *EventGridSource:
			*e = DefaultEventGrid()
		case *StorageQueueSource:
			*e = DefaultStorageQueue()
		case *WebhookSource:
			*e = DefaultWebhook()
		}
		if s, ok := element.Interface().(interface{ common() *Source }); ok {
			s.common().Pos = item.at
		}
		d.table(item, element.Elem(), full)
		dst.Set(reflect.Append(dst, element.Elem()))
	}
}
