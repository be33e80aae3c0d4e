package store

import (
	"reflect"
	"testing"
)

func TestACloneSharesNoPointer(t *testing.T) {
	var f Facts
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		switch field := v.Field(i); field.Kind() {
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		default:
		}
	}
	c := reflect.ValueOf(f.Clone())
	for i := range v.NumField() {
		if k := v.Field(i).Kind(); (k == reflect.Pointer || k == reflect.Slice) && v.Field(i).Pointer() == c.Field(i).Pointer() {
			t.Errorf("%s is shared", v.Type().Field(i).Name)
		}
	}
}
