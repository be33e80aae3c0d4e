package credential

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Parameters are the credential parameters of one destination type under the
// names that Planet gives them ("aws_access_key_id", "sas_token", …): what a
// PATCH carries and what a bucket is opened with. All values redact
// themselves. The zero Parameters hold no fields.
type Parameters struct{ fields []field }

type field struct {
	name  string
	value Value
}

// Set adds a field or replaces the one of that name.
func (p *Parameters) Set(name string, v Value) {
	for i := range p.fields {
		if p.fields[i].name == name {
			p.fields[i].value = v
			return
		}
	}
	p.fields = append(p.fields, field{name, v})
}

// Get gives the value of a field, an empty Value when there is none.
func (p Parameters) Get(name string) Value {
	for _, f := range p.fields {
		if f.name == name {
			return f.value
		}
	}
	return Value{}
}

// Names lists the fields in sorted order.
func (p Parameters) Names() []string {
	names := make([]string, 0, len(p.fields))
	for _, f := range p.fields {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// Clear zeroes every value.
func (p Parameters) Clear() {
	for _, f := range p.fields {
		f.value.Clear()
	}
}

// Object renders the fields as one JSON object in sorted order, the only
// place where the bytes leave their Values for the wire. The caller clears
// the result after use. Values must be UTF-8, which patchers see to.
func (p Parameters) Object() Value {
	size := 2
	for _, f := range p.fields {
		size += len(f.name) + 6 + 6*f.value.Len()
	}
	// One allocation of the largest possible size: growing would leave copies
	// of secret bytes behind in freed memory.
	buf := bytes.NewBuffer(make([]byte, 0, size))
	buf.WriteByte('{')
	for i, name := range p.Names() {
		if i > 0 {
			buf.WriteByte(',')
		}
		key, _ := json.Marshal(name)
		buf.Write(key)
		buf.WriteString(`:"`)
		appendEscaped(buf, p.Get(name).Bytes())
		buf.WriteByte('"')
	}
	buf.WriteByte('}')
	return NewValue(buf.Bytes())
}

const hex = "0123456789abcdef"

// appendEscaped writes b as the inside of a JSON string. encoding/json would
// do it through a string, a copy that cannot be cleared.
func appendEscaped(buf *bytes.Buffer, b []byte) {
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			buf.WriteByte('\\')
			buf.WriteByte(c)
		case c < 0x20:
			buf.WriteString(`\u00`)
			buf.WriteByte(hex[c>>4])
			buf.WriteByte(hex[c&0xf])
		default:
			buf.WriteByte(c)
		}
	}
}
