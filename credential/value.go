package credential

import (
	"fmt"
	"log/slog"
)

// Redacted is what every rendering of a [Value] shows in place of its bytes.
const Redacted = "<redacted>"

// Value holds the bytes of one secret and shows them to nobody who did not
// ask for them by name. Every verb of fmt, JSON, text encoding and slog
// renders [Redacted]; only [Value.Bytes] gives the bytes.
//
// The bytes sit behind two pointers because fmt cannot reach the methods of a
// Value that lies in an unexported field of another struct. There it prints a
// []byte in clear; and it follows one pointer when the verb does not fit
// pointers, as in fmt.Sprintf("%s", config). It never follows a second one.
// A Value is cheap to copy; all copies share the bytes, so Clear empties all
// of them. The zero Value is empty and usable.
type Value struct{ box **box }

type box struct{ bytes []byte }

// NewValue takes ownership of b: the caller must not use b afterwards.
func NewValue(b []byte) Value {
	inner := &box{bytes: b}
	return Value{box: &inner}
}

// Bytes gives the secret itself, not a copy. The slice must not be kept,
// logged or put into an error; it is zeroed by [Value.Clear].
func (v Value) Bytes() []byte {
	if v.box == nil {
		return nil
	}
	return (*v.box).bytes
}

// Len is the number of bytes, which is safe to show.
func (v Value) Len() int { return len(v.Bytes()) }

// Empty tells whether there are no bytes, never set or cleared.
func (v Value) Empty() bool { return v.Len() == 0 }

// Clear overwrites the bytes with zeroes and drops them, in this Value and
// in all its copies. Clearing twice is harmless.
func (v Value) Clear() {
	if v.box == nil {
		return
	}
	clear((*v.box).bytes)
	(*v.box).bytes = nil
}

// Format implements fmt.Formatter, so that no verb and no flag reaches the bytes.
func (v Value) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, Redacted) }

// String implements fmt.Stringer.
func (v Value) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (v Value) GoString() string { return Redacted }

// MarshalText implements encoding.TextMarshaler; TOML, XML and map keys use it.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue implements slog.LogValuer.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }
