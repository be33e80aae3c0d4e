package patcher

import "encoding/base64"

// decodeBase64 decodes the standard and the url-safe alphabet, padded or not,
// wrapped into lines or not. ok is false when b is anything else. The result
// lives in the scratch.
func decodeBase64(b []byte, keep *scratch) (decoded []byte, ok bool) {
	clean := keep.alloc(len(b))
	padding := 0
	for _, c := range b {
		switch {
		case isSpace(c):
			continue
		case c == '=':
			padding++
			continue
		case padding > 0:
			return nil, false // text after the padding
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		}
		clean = append(clean, c)
	}
	if padding > 2 || padding > 0 && (len(clean)+padding)%4 != 0 {
		return nil, false
	}
	decoded = keep.alloc(base64.RawStdEncoding.DecodedLen(len(clean)))
	decoded = decoded[:cap(decoded)]
	// The error would tell a position and no content, but a caller needs
	// neither.
	n, err := base64.RawStdEncoding.Decode(decoded, clean)
	return decoded[:n], err == nil && n > 0
}

// encodeBase64 gives one line of standard base64 with padding.
func encodeBase64(b []byte, keep *scratch) []byte {
	out := keep.alloc(base64.StdEncoding.EncodedLen(len(b)))
	out = out[:cap(out)]
	base64.StdEncoding.Encode(out, b)
	return out
}
