package buckettest

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/sigv4"
)

// authenticate finds the key that signed a request, or says why there is none.
func (s *Server) authenticate(r *http.Request) (Key, sigv4.Claim, *refusal) {
	c, ok := sigv4.Parse(r.Header.Get("Authorization"))
	if !ok || c.Service != "s3" {
		return Key{}, c, &refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}
	}
	k, known := s.keys[c.ID]
	if !known || time.Now().Before(k.From) {
		return Key{}, c, &refusal{http.StatusForbidden, "InvalidAccessKeyId",
			"The AWS Access Key Id you provided does not exist in our records."}
	}
	switch c.Check(r, sigv4.Key{Secret: k.Secret}, r.Header.Get("X-Amz-Content-Sha256")) {
	case sigv4.None:
		return k, c, nil
	case sigv4.BadDate:
		return Key{}, c, &refusal{http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"}
	case sigv4.Skewed:
		return Key{}, c, &refusal{http.StatusForbidden, "RequestTimeTooSkewed",
			"The difference between the request time and the current time is too large."}
	}
	return Key{}, c, &refusal{http.StatusForbidden, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your key and signing method."}
}

// payload checks the body against what was signed of it, and takes it out of
// the chunks that SDKs send it in when a checksum follows as a trailer.
func payload(r *http.Request, body []byte) ([]byte, *refusal) {
	if len(body) > maxObject {
		return nil, &refusal{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"}
	}
	switch hash := r.Header.Get("X-Amz-Content-Sha256"); {
	case hash == "UNSIGNED-PAYLOAD":
		return body, nil
	case hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		plain, ok := dechunk(body)
		if !ok || r.Header.Get("X-Amz-Decoded-Content-Length") != strconv.Itoa(len(plain)) {
			return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly"}
		}
		return plain, nil
	case strings.HasPrefix(hash, "STREAMING-"):
		return nil, &refusal{http.StatusNotImplemented, "NotImplemented", "Chunks with signatures are not implemented."}
	default:
		if sigv4.HashOf(body) != hash {
			return nil, &refusal{http.StatusBadRequest, "XAmzContentSHA256Mismatch",
				"The provided 'x-amz-content-sha256' header does not match what was computed."}
		}
		return body, nil
	}
}

// dechunk reads aws-chunked encoding without signatures: a size in hex, the
// bytes, and so on to a chunk of size 0, which trailers follow.
func dechunk(body []byte) ([]byte, bool) {
	in := bufio.NewReader(bytes.NewReader(body))
	plain := []byte{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, false
		}
		size, err := strconv.ParseUint(strings.TrimRight(line, "\r\n"), 16, 31)
		if err != nil {
			return nil, false
		}
		if size == 0 {
			return plain, true
		}
		if size > uint64(in.Buffered())+uint64(len(body)) {
			return nil, false
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(in, chunk); err != nil || string(chunk[size:]) != "\r\n" {
			return nil, false
		}
		plain = append(plain, chunk[:size]...)
	}
}
