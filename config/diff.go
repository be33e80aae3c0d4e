package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// Diff says in which keys two configurations differ, by their names alone: a
// value may be a key. What the file leaves out counts with its default.
func Diff(old, now *Config) []string {
	var out []string
	before, after := reflect.ValueOf(*old), reflect.ValueOf(*now)
	for i := range before.NumField() {
		tag := before.Type().Field(i).Tag.Get("toml")
		switch tag {
		case "-", "account", "destination", "defaults":
			continue // defaults count where they are used
		}
		for _, key := range differs(before.Field(i), after.Field(i)) {
			out = append(out, "["+tag+"] "+key+" changed")
		}
	}
	out = append(out, diffNamed("account", old.Accounts, now.Accounts, func(a Account) string { return a.Name })...)
	return append(out, diffNamed("destination", old.Destinations, now.Destinations, func(d Destination) string { return d.Name })...)
}

// DiffAnnounce is Diff for [announce] alone.
func DiffAnnounce(old, now *Config) []string {
	return differs(reflect.ValueOf(old.Announce), reflect.ValueOf(now.Announce))
}

// diffNamed compares two lists whose entries have names.
func diffNamed[T any](what string, old, now []T, name func(T) string) (out []string) {
	find := func(list []T, wanted string) int {
		return slices.IndexFunc(list, func(one T) bool { return name(one) == wanted })
	}
	for _, one := range now {
		i := find(old, name(one))
		if i < 0 {
			out = append(out, fmt.Sprintf("%s %q added", what, name(one)))
			continue
		}
		if keys := differs(reflect.ValueOf(old[i]), reflect.ValueOf(one)); len(keys) > 0 {
			out = append(out, fmt.Sprintf("%s %q: %s changed", what, name(one), strings.Join(keys, ", ")))
		}
	}
	for _, one := range old {
		if find(now, name(one)) < 0 {
			out = append(out, fmt.Sprintf("%s %q removed", what, name(one)))
		}
	}
	return out
}

// differs gives the keys of a table that differ.
func differs(old, now reflect.Value) (keys []string) {
	for i := range old.NumField() {
		f := old.Type().Field(i)
		tag := f.Tag.Get("toml")
		switch {
		case tag == "-":
		case f.Anonymous:
			keys = append(keys, differs(old.Field(i), now.Field(i))...)
		case !same(old.Field(i), now.Field(i)):
			keys = append(keys, tag)
		}
	}
	return keys
}

// same compares two values; where they stand in the file does not count.
func same(old, now reflect.Value) bool {
	switch old.Kind() {
	case reflect.Struct:
		if v, ok := old.Interface().(credential.Value); ok {
			other, _ := now.Interface().(credential.Value)
			return bytes.Equal(v.Bytes(), other.Bytes())
		}
		return len(differs(old, now)) == 0
	case reflect.Slice:
		if old.Len() != now.Len() {
			return false
		}
		for i := range old.Len() {
			if !same(old.Index(i), now.Index(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(old.Interface(), now.Interface())
}
