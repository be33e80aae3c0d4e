package buckettest

import (
	"bytes"
	"fmt"
	"testing"
)

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
