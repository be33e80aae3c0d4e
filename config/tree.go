package config

import (
	"bytes"
	"errors"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is what a node of the tree is, in the words of a message.
type kind string

const (
	kindTable   kind = "a table"
	kindList    kind = "a list"
	kindText    kind = "text"
	kindInteger kind = "a number"
	kindBool    kind = "true or false"
	kindOther   kind = "a number with a fraction or a date"
)

// node is one key of the document with its place and its value. The typed
// decoder of go-toml stops at the first value of a wrong type; from a tree all
// of them can be reported.
type node struct {
	kind kind
	// at is where the value stands, keyAt where its key does.
	at, keyAt Position
	data      []byte           // text
	number    int64            // integer
	flag      bool             // bool
	fields    map[string]*node // table
	items     []*node          // list
}

func newTable(at Position) *node {
	return &node{kind: kindTable, at: at, keyAt: at, fields: map[string]*node{}}
}

// parseTree reads a document. The problems are those of TOML itself; with a
// nil tree there is nothing to go on with.
func parseTree(file string, data []byte) (*node, Problems) {
	b := &treeBuilder{file: file, data: data, root: newTable(Position{file, 1, 1})}
	for i, c := range data {
		if c == '\n' {
			b.lines = append(b.lines, i+1)
		}
	}
	var p unstable.Parser
	p.Reset(data)
	current := b.root
	for p.NextExpression() {
		current = b.expression(p.Expression(), current)
	}
	// The parser above knows the grammar only. Unmarshal also knows that a key
	// may be set once, that numbers have bounds and dates a calendar.
	var ignored map[string]any
	if err := toml.Unmarshal(data, &ignored); err != nil {
		problem := syntaxProblem(file, err)
		if p.Error() != nil {
			return nil, Problems{problem}
		}
		return b.root, Problems{problem}
	}
	return b.root, nil
}

type treeBuilder struct {
	file  string
	data  []byte
	lines []int // offsets at which lines 2, 3, … start
	root  *node
}

func (b *treeBuilder) position(r unstable.Range) Position {
	offset := int(r.Offset)
	line := sort.SearchInts(b.lines, offset+1)
	start := 0
	if line > 0 {
		start = b.lines[line-1]
	}
	return Position{File: b.file, Line: line + 1, Column: offset - start + 1}
}

// expression adds one [table], [[list]] or key = value, and returns the table
// that the following keys belong to. Contradictions (a key that is a value and
// a table) are left to Unmarshal: the first meaning stays.
func (b *treeBuilder) expression(e *unstable.Node, current *node) *node {
	switch e.Kind {
	case unstable.Table:
		return b.descend(b.root, e.Key(), false)
	case unstable.ArrayTable:
		return b.descend(b.root, e.Key(), true)
	case unstable.KeyValue:
		b.set(current, e)
	}
	return current
}

// descend walks and makes the tables of a header. appendLast says that the
// last one is a new element of a list.
func (b *treeBuilder) descend(from *node, keys unstable.Iterator, appendLast bool) *node {
	for keys.Next() {
		key := keys.Node()
		at := b.position(key.Raw)
		child := from.fields[string(key.Data)]
		if child == nil {
			child = newTable(at)
			if appendLast && keys.IsLast() {
				child = &node{kind: kindList, at: at, keyAt: at}
			}
			from.fields[string(key.Data)] = child
		}
		if child.kind == kindList {
			if appendLast && keys.IsLast() {
				child.items = append(child.items, newTable(at))
			}
			if len(child.items) == 0 {
				return newTable(at)
			}
			child = child.items[len(child.items)-1]
		}
		if child.kind != kindTable {
			return newTable(at) // a contradiction: collect into nowhere
		}
		from = child
	}
	return from
}

func (b *treeBuilder) set(table *node, kv *unstable.Node) {
	for keys := kv.Key(); keys.Next(); {
		key := keys.Node()
		at := b.position(key.Raw)
		child := table.fields[string(key.Data)]
		if keys.IsLast() {
			if child == nil {
				table.fields[string(key.Data)] = b.value(kv.Value(), at)
			}
			return
		}
		if child == nil {
			child = newTable(at)
			table.fields[string(key.Data)] = child
		}
		if child.kind != kindTable {
			return
		}
		table = child
	}
}

func (b *treeBuilder) value(v *unstable.Node, keyAt Position) *node {
	n := &node{kind: kindOther, at: keyAt, keyAt: keyAt}
	if v.Raw.Length > 0 {
		n.at = b.position(v.Raw)
	}
	switch v.Kind {
	case unstable.String:
		n.kind, n.data = kindText, bytes.Clone(v.Data)
	case unstable.Bool:
		n.kind, n.flag = kindBool, len(v.Data) > 0 && v.Data[0] == 't'
	case unstable.Integer:
		// Bounds are Unmarshal's business; what does not parse stays 0.
		n.kind = kindInteger
		n.number, _ = strconv.ParseInt(strings.ReplaceAll(string(v.Data), "_", ""), 0, 64)
	case unstable.Array:
		n.kind = kindList
		for items := v.Children(); items.Next(); {
			n.items = append(n.items, b.value(items.Node(), keyAt))
		}
	case unstable.InlineTable:
		n.kind, n.fields = kindTable, map[string]*node{}
		for fields := v.Children(); fields.Next(); {
			b.set(n, fields.Node())
		}
	}
	return n
}

// syntaxWords translates what go-toml says into what to write. Its own words
// are never shown: some of them quote the input.
var syntaxWords = []struct{ contains, message, hint string }{
	{"strings must be quoted", "text without quotes", `write it in quotes: key = "value"`},
	{"at start of value", "text without quotes", `write it in quotes: key = "value"`},
	{"expected keyword", "text without quotes", `write it in quotes: key = "value"`},
	{"not end of input", "a key without a value", `write key = "value"`},
	{"expected '='", "a key without a value", `write key = "value"`},
	{"cannot have new lines", "a text that is not closed on its line", "close the quote"},
	{"unterminated", "a text that is not closed", "close the quote"},
	{"not terminated", "a text that is not closed", "close the three quotes"},
	{"invalid escape", "a backslash that means nothing", `write the text in single quotes: key = 'va\lue'`},
	{"expected newline", "something after the end of a value", "one key a line; comments start with #"},
	{"to close table name", "a table header that is not closed", "write [name]"},
	{"to close array table name", "a table header that is not closed", "write [[name]]"},
	{"is incomplete", "a list or table that is not closed", "close it with ] or }"},
	{"already", "this is set or opened a second time", "keep one of the two"},
	{"too large", "a number that is too large", ""},
	{"leading zero", "a number with a leading zero", "leave the zero out, or write it in quotes if it is text"},
	{"UTF-8", "bytes that are not UTF-8", "save the file as UTF-8"},
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Message: "this is not TOML", Hint: `a line is key = "value", [table] or # comment`}
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return p
	}
	p.Line, p.Column = decode.Position()
	if key := decode.Key(); len(key) > 0 && showable(key...) {
		p.Key = strings.Join(key, ".")
	}
	for _, w := range syntaxWords {
		if strings.Contains(decode.Error(), w.contains) {
			p.Message, p.Hint = w.message, w.hint
			break
		}
	}
	return p
}
