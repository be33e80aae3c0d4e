package planet

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachWayToNameADestinationFindsIt(t *testing.T) {
	yes, no := true, false
	ds := []Destination{
		{ID: "demo-5aIp1K", Name: "demo", Ref: "pl:destinations/demo-5aIp1K", Default: &no},
		{ID: "my-s3-destination-CKxV9io", Name: "My S3 Destination", Ref: "pl:destinations/my-s3-destination-CKxV9io", Default: &yes},
		{ID: "renamed-since-Qq77Zz", Name: "renamed since", Ref: "pl:destinations/renamed-since-Qq77Zz"},
		{ID: "kept-Ab12Cd", Name: "kept", Ref: "pl:destinations/moved-Ab12Cd"},
		{ID: "plain", Name: "plain"},
		{ID: "twin-Same11"}, {ID: "other-Same11"},
		{ID: "dest-1"},
	}
	for _, tc := range []struct{ name, ref, want, err string }{
		{"the id", "demo-5aIp1K", "demo-5aIp1K", ""},
		{"the full reference", "pl:destinations/demo-5aIp1K", "demo-5aIp1K", ""},
		{"the short reference", "pl:destinations/CKxV9io", "my-s3-destination-CKxV9io", ""},
		{"the bare suffix", "CKxV9io", "my-s3-destination-CKxV9io", ""},
		{"the default", "pl:destinations/default", "my-s3-destination-CKxV9io", ""},
		{"an id from before a rename", "original-name-Qq77Zz", "renamed-since-Qq77Zz", ""},
		{"a reference that differs from the id", "pl:destinations/moved-Ab12Cd", "kept-Ab12Cd", ""},
		{"an id without a suffix", "plain", "plain", ""},
		{"the id of one of two with a suffix in common", "twin-Same11", "twin-Same11", ""},
		{"a suffix of two", "Same11", "", "2 destinations match, use the full id of one: other-Same11, twin-Same11"},
		{"another with a tail too short to be a suffix", "gone-1", "", "none of the 8"},
		{"a name in place of the id", "my s3 destination", "", `holds ' '`},
		{"a slug without its suffix", "my-s3-destination", "", "did you mean my-s3-destination-CKxV9io?"},
		{"other letter case", "DEMO-5aip1k", "", "did you mean demo-5aIp1K?"},
		{"a typing error", "demo-5aIp1X", "", "did you mean demo-5aIp1K?"},
		{"nothing near", "zzzzzzzzzzzz", "", "none of the 8"},
		{"the bare word default", "default", "", "write pl:destinations/default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := ParseRef(tc.ref)
			var d Destination
			if err == nil {
				d, err = Find(ds, r)
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("err = %v, want %q", err, tc.err)
			}
			if d.ID != tc.want || tc.want != "" && !r.Matches(d) {
				t.Errorf("found %q, want %q", d.ID, tc.want)
			}
		})
	}
	var missing *NotFoundError
	if _, err := Find(nil, Ref{isDefault: true}); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no default") {
		t.Error(err)
	}
	if (Ref{}).Matches(Destination{}) {
		t.Error("the zero Ref matches something")
	}
}

func TestWhatIsNoNameOfADestinationIsRefusedWithAHint(t *testing.T) {
	for ref, want := range map[string]string{
		"": "it is empty", "  ": "it is empty", "pl:destinations/": "add its id",
		"https://api.planet.com/destinations/v1/demo-5aIp1K": "is a URL",
		"pl:orders/x": "no reference to a destination", "..": "no id", "a/b": "holds '/'", "a b": "holds ' '",
		"a\x00b": "holds '\\x00'", "a?b": "holds '?'", strings.Repeat("x", 300): "too many",
		"pl:destinations/pl:destinations/x": "no reference to a destination", "a\xffb": "holds",
	} {
		if _, err := ParseRef(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRef(%q): %v, want %q", ref, err, want)
		}
	}
}

func TestParametersInClearAreCanonical(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		kind                         Type
		params, structural, optional string
	}{
		{"a known type", AmazonS3, `{ "bucket":"b<>&", "aws_region":"r","explicit_sse":true,"aws_access_key_id":"<REDACTED>","new_key":1}`, `{"aws_region":"r","bucket":"b<>&"}`, `{"explicit_sse":true}`},
		{"a credential in clear", GoogleCloudStorage, `{"bucket":"b","credentials":"c"}`, `{"bucket":"b"}`, `{}`},
		{"an optional parameter that is not shown", S3Compatible, `{"endpoint":"e","bucket":"b","region":"r"}`, `{"bucket":"b","endpoint":"e","region":"r"}`, `{}`},
		{"an unknown type", "ftp", `{"z":{"b":1.0,"a":2},"secret":"<REDACTED>","host":"h"}`, `{"host":"h","z":{"a":2,"b":1.0}}`, `{}`},
		{"no parameters", AmazonS3, ``, `{}`, `{}`},
		{"null", "ftp", `null`, `{}`, `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := Destination{ID: "x", Type: tc.kind, Parameters: []byte(tc.params)}
			s, err1 := d.StructuralJSON()
			o, err2 := d.OptionalJSON()
			if err := errors.Join(err1, err2); err != nil || string(s) != tc.structural || string(o) != tc.optional {
				t.Errorf("structural %s, optional %s, %v; want %s and %s", s, o, err, tc.structural, tc.optional)
			}
		})
	}
	for _, bad := range []string{`[]`, `"x"`, `{`, `{} {}`} {
		if _, err := (Destination{Parameters: []byte(bad)}).StructuralJSON(); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestTypesGiveTheirOwnSortedFields(t *testing.T) {
	want := []Type{AmazonS3, AzureBlobStorage, GoogleCloudStorage, OracleCloudStorage, S3Compatible}
	if diff := cmp.Diff(want, Types()); diff != "" {
		t.Error(diff)
	}
	f, ok := OracleCloudStorage.Fields()
	if diff := cmp.Diff(Fields{[]string{"bucket", "namespace", "region"}, []string{"customer_access_key_id", "customer_secret_key"}, nil}, f); diff != "" || !ok {
		t.Error(diff)
	}
	f.Credential[0] = "changed"
	if again, _ := OracleCloudStorage.Fields(); again.Credential[0] == "changed" {
		t.Error("a caller can change the table")
	}
	if _, ok := Type("ftp").Fields(); ok {
		t.Error("an unknown type has fields")
	}
}
