package config

import (
	"reflect"
	"slices"
	"strings"
)

// showable tells whether keys look like names of keys and may be put into a
// message. Somebody may have pasted a key where a name belongs; keys have
// digits and are long, and none of our names does or is.
func showable(keys ...string) bool {
	for _, k := range keys {
		if k == "" || len(k) > 32 {
			return false
		}
		for _, c := range k {
			if c != '_' && c != '-' && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return true
}

// suggest says what to write in place of an unknown key: where it is kept, if
// it is a secret; else the nearest one of the same table, else the same name in another table, else all there are.
func suggest(key string, table reflect.Type) string {
	names := keysOf(table)
	if slices.Contains(names, key+"_env") && slices.Contains(names, key+"_file") {
		return "write " + key + "_env or " + key + "_file: it can't stand in the file itself"
	}
	if best := nearest(key, names); best != "" {
		return "did you mean " + best + "?"
	}
	for _, t := range tables() {
		if t.typ != table && slices.Contains(keysOf(t.typ), key) {
			if t.typ == reflect.TypeFor[Sources]() {
				return "write [[" + join(t.path, key) + "]]" // it has no keys of its own to belong under
			}
			return "it belongs under " + t.header()
		}
	}
	return "known here: " + strings.Join(names, ", ")
}

// tableType is one kind of table that a file may hold.
type tableType struct {
	path string // "aws.role"
	typ  reflect.Type
	many bool // [[path]] and not [path]
}

func (t tableType) header() string {
	if t.many {
		return "[[" + t.path + "]]"
	}
	return "[" + t.path + "]"
}

// tables are all there are, those inside of others last.
func tables() []tableType {
	all := []tableType{{typ: reflect.TypeFor[Config]()}}
	for i := 0; i < len(all); i++ {
		for _, f := range fieldsOf(all[i].typ) {
			switch t := f.typ; {
			case t.Kind() == reflect.Slice && t != typeTexts:
				all = append(all, tableType{join(all[i].path, f.key), t.Elem(), true})
			case t.Kind() == reflect.Struct && t != typeValue:
				all = append(all, tableType{join(all[i].path, f.key), t, false})
			}
		}
	}
	return all[1:]
}

func keysOf(t reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.key)
	}
	return names
}

// nearest gives the name with the fewest slips of the keyboard from key, "" if
// none is near.
func nearest(key string, names []string) string {
	best, bound := "", min(2, len(key)/2)+1
	for _, name := range names {
		if d := distance(key, name); d < bound {
			best, bound = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, drop, change or swap.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
