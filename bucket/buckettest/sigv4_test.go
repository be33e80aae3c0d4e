package buckettest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAuthorization(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff"
	want := claim{"AKIA", "20260301", "eu-west-1", "s3", []string{"host", "x-amz-date"}}
	got, ok := parseAuthorization(good)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(claim{})); !ok || diff != "" {
		t.Errorf("ok %v, (-want +got):\n%s", ok, diff)
	}
	for _, bad := range []string{
		"", "Basic QUtJQTpz", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host",
		"AWS4-HMAC-SHA256 Credential=/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/s3/aws4_request, SignedHeaders=x-amz-date",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/s3/other, SignedHeaders=host",
	} {
		if _, ok := parseAuthorization(bad); ok {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestDechunk(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		ok       bool
	}{
		{"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "hello", true},
		{"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", true},
		{"0\r\n", "", true},
		{"", "", false},
		{"5\r\nhel", "", false},
		{"5\r\nhelloXX0\r\n", "", false},
		{"zz\r\n", "", false},
		{"7fffffff\r\nx", "", false},
		{"-1\r\nx\r\n0\r\n", "", false},
		{"5\r\nhello\r\n", "", false},
	} {
		got, ok := dechunk([]byte(tc.in))
		if ok != tc.ok || string(got) != tc.want {
			t.Errorf("dechunk(%q) = %q, %v; want %q, %v", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}

func FuzzDechunk(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("ffffffff\r\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if plain, ok := dechunk(body); ok && len(plain) > len(body) {
			t.Errorf("%d bytes out of %d", len(plain), len(body))
		}
		again := append(fmt.Appendf(nil, "%x\r\n", len(body)), body...)
		again = append(again, "\r\n0\r\n\r\n"...)
		if len(body) == 0 {
			return // a chunk of size 0 is the last
		}
		if plain, ok := dechunk(again); !ok || !bytes.Equal(plain, body) {
			t.Errorf("one chunk of %q gives %q, %v", body, plain, ok)
		}
	})
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=host")
	f.Fuzz(func(t *testing.T, header string) {
		if c, ok := parseAuthorization(header); ok && (c.id == "" || len(c.signedHeaders) == 0) {
			t.Errorf("accepted %q as %+v", header, c)
		}
	})
}
