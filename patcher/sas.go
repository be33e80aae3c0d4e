package patcher

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

const (
	// maxSAS is far above any shared access signature; real ones have 100 to
	// 500 bytes.
	maxSAS = 8 << 10
	// maxParams likewise; real ones have some 15.
	maxParams = 64
	// sasSkew is how far in the future a start may lie. Azure itself advises
	// to set it 15 minutes back, for clocks differ.
	sasSkew = 15 * time.Minute
)

// Expiry tells when a credential ends by its own words: for Azure the earlier
// of a SAS's end (se) and of the end of the user-delegation key that signed it
// (ske). ok is false for the other types, whose keys don't say, and for a SAS
// whose end lies in a stored access policy.
func Expiry(typ string, p credential.Parameters) (end time.Time, ok bool) {
	if typ != typeAzure {
		return time.Time{}, false
	}
	var keep scratch
	defer keep.clear()
	sas, why := parseSAS(p.Get("sas_token").Bytes(), &keep)
	if why != "" {
		return time.Time{}, false
	}
	return sas.end()
}

// sasParams are the parameters of a SAS in their order. Values are decoded and
// live in the scratch; the token itself is never put together again from them.
type sasParams []sasParam

type sasParam struct{ name, value []byte }

func (s sasParams) get(name string) ([]byte, bool) { return s.find([]byte(name)) }

func (s sasParams) find(name []byte) ([]byte, bool) {
	for _, p := range s {
		if bytes.Equal(p.name, name) {
			return p.value, true
		}
	}
	return nil, false
}

// end gives the earlier of se and ske, of those that can be read.
func (s sasParams) end() (end time.Time, ok bool) {
	for _, name := range []string{"se", "ske"} {
		value, has := s.get(name)
		if !has {
			continue
		}
		if t, valid := sasTime(value); valid && (!ok || t.Before(end)) {
			end, ok = t, true
		}
	}
	return end, ok
}

// parseSAS splits a token, without "?", into its parameters. net/url would
// quote a bad escape in its error and take ";" for a mistake.
func parseSAS(b []byte, keep *scratch) (s sasParams, why string) {
	for part := range bytes.SplitSeq(b, []byte("&")) {
		if len(part) == 0 {
			continue
		}
		if len(s) == maxParams {
			return nil, "it has more parameters than any SAS token"
		}
		name, value, _ := bytes.Cut(part, []byte("="))
		if bytes.HasPrefix(name, []byte("amp;")) {
			return nil, `it was escaped for HTML: "&amp;" must be "&"`
		}
		if !only(name, isName) {
			return nil, "it isn't a list of name=value joined by &"
		}
		decoded, ok := percentDecode(value, keep)
		if !ok {
			return nil, `a "%" in it isn't followed by two hexadecimal digits`
		}
		s = append(s, sasParam{name, decoded})
	}
	return s, ""
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// percentDecode leaves "+" alone: what comes from a SAS in which it stands
// unescaped is a "+" of base64 or of a time zone, never a space.
func percentDecode(b []byte, keep *scratch) ([]byte, bool) {
	out := keep.alloc(len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '%' {
			out = append(out, b[i])
			continue
		}
		if i+2 >= len(b) || !isHex(b[i+1]) || !isHex(b[i+2]) {
			return nil, false
		}
		out = append(out, unhex(b[i+1])<<4|unhex(b[i+2]))
		i += 2
	}
	return out, true
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// sasLayouts are the ISO 8601 forms that Azure documents. Go's "Z07:00" takes
// both Z and an offset, and a fraction may follow the seconds.
var sasLayouts = []string{"2006-01-02", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00"}

func sasTime(b []byte) (time.Time, bool) {
	for _, layout := range sasLayouts {
		// The error quotes its input and is dropped.
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// bareSAS takes off what people copy along with a token: one "?", or the URL
// before it. What remains is a part of the input, byte for byte.
func bareSAS(b []byte) (sas []byte, why string) {
	lower := func(prefix string) bool {
		return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
	}
	switch {
	case bytes.Contains(b, []byte("SharedAccessSignature=")):
		return nil, "it is a connection string; only what follows SharedAccessSignature= is the token"
	case bytes.Contains(b, []byte("AccountKey=")):
		return nil, "it is a connection string with an account key, which Planet can't use: make a SAS token for the container"
	case lower("https://"):
		_, query, ok := bytes.Cut(b, []byte("?"))
		if !ok {
			return nil, "it is a URL without a SAS token"
		}
		return query, ""
	case lower("http://"):
		return nil, "it is a URL without https"
	}
	return bytes.TrimPrefix(b, []byte("?")), ""
}

// checkSAS checks a shared access signature against what Planet needs.
func (w *work) checkSAS() {
	const name = "sas_token"
	b, ok := w.key(name)
	if !ok {
		return
	}
	b, why := bareSAS(b)
	switch {
	case why != "":
		w.problem(name, ReasonBadFormat, why)
		return
	case len(b) == 0:
		w.problem(name, ReasonEmpty, `nothing follows the "?"`)
		return
	case len(b) > maxSAS:
		w.problem(name, ReasonTooLong, "it is longer than any SAS token")
		return
	case !only(b, func(c byte) bool { return isGraphic(c) && bytes.IndexByte([]byte("\"<>#\\^`{|}?"), c) < 0 }):
		w.problem(name, ReasonBadFormat, `it holds what can't be in the query of a URL, such as white space, a quote, "#" or a second "?"`)
		return
	}
	sas, why := parseSAS(b, &w.scratch)
	if why != "" {
		w.problem(name, ReasonBadFormat, why)
		return
	}
	before := len(w.problems)
	w.checkParams(name, sas)
	w.checkSignature(name, sas)
	w.checkPermissions(name, sas)
	w.checkScope(name, sas)
	w.checkTimes(name, sas)
	if len(w.problems) == before {
		w.set(name, b)
	}
}

// sasNames are the parameters that decide; only these are named in errors.
var sasNames = []string{"sv", "sig", "sp", "se", "st", "sr", "ss", "srt", "si", "spr", "sip", "sks", "ske", "skt", "skoid", "sktid", "skv"}

func (w *work) checkParams(name string, sas sasParams) {
	for i, p := range sas {
		// No map by name: in a text that is no SAS at all, an account key say,
		// what stands before the first "=" may be the secret.
		if _, twice := sas[:i].find(p.name); twice {
			w.problem(name, ReasonAmbiguous, "it holds "+showParam(p.name)+" more than once")
			break
		}
	}
	_, comp := sas.get("comp")
	_, restype := sas.get("restype")
	if comp || restype {
		w.problem(name, ReasonBadFormat, "it holds comp or restype, which belong to a request and not to the token")
	}
}

func showParam(name []byte) string {
	for _, known := range sasNames {
		if string(name) == known {
			return known
		}
	}
	return "a parameter"
}

func (w *work) checkSignature(name string, sas sasParams) {
	sig, ok := sas.get("sig")
	switch {
	case !ok && len(sas) == 1 && len(sas[0].value) == 0:
		w.problem(name, ReasonBadFormat, "it is no SAS token: a list of name=value joined by &, with sig")
	case !ok:
		w.problem(name, ReasonMissingField, "it has no signature (sig)")
	case len(sig) == 0:
		w.problem(name, ReasonEmpty, "its signature (sig) is empty")
	case isPlaceholder(sig):
		w.problem(name, ReasonPlaceholder, "its signature (sig) only stands for one; logs show it so: store the real token")
	case bytes.IndexByte(sig, '%') >= 0:
		w.problem(name, ReasonBadFormat, "its signature (sig) was percent-encoded twice")
	case !only(sig, isBase64):
		w.problem(name, ReasonBadFormat, "its signature (sig) isn't base64")
	}
}

// checkPermissions: a stored access policy (si) may give the permissions in
// place of the token, but never some of them.
func (w *work) checkPermissions(name string, sas sasParams) {
	sp, has := sas.get("sp")
	if _, policy := sas.get("si"); policy && !has {
		return
	}
	var missing []string
	for _, p := range []struct {
		letter byte
		means  string
	}{{'r', "r (read)"}, {'w', "w (write)"}, {'d', "d (delete)"}, {'l', "l (list)"}} {
		if bytes.IndexByte(sp, p.letter) < 0 {
			missing = append(missing, p.means)
		}
	}
	if len(missing) > 0 {
		w.problem(name, ReasonPermissions, "its permissions (sp) lack "+strings.Join(missing, ", ")+"; Planet needs r, w, d and l")
	}
}

// checkScope: Planet writes, lists and deletes in a whole container.
func (w *work) checkScope(name string, sas sasParams) {
	sr, service := sas.get("sr")
	ss, account := sas.get("ss")
	switch {
	case service && string(sr) != "c":
		w.problem(name, ReasonWrongScope, "it is not for a whole container: its resource (sr) must be c")
	case service:
	case !account:
		w.problem(name, ReasonWrongScope, "it doesn't say what it is for: a container (sr=c) or the blobs of an account (ss with b)")
	default:
		if bytes.IndexByte(ss, 'b') < 0 {
			w.problem(name, ReasonWrongScope, "it is not for blobs: its services (ss) must hold b")
		}
		srt, _ := sas.get("srt")
		if bytes.IndexByte(srt, 'c') < 0 || bytes.IndexByte(srt, 'o') < 0 {
			w.problem(name, ReasonWrongScope, "its resource types (srt) must hold c (containers) and o (objects)")
		}
	}
}

// sasTimes are the ends and starts of a token and of the key that signed it.
var sasTimes = []struct {
	param, means string
	end          bool
}{
	{"se", "its end (se)", true},
	{"ske", "the end of its user-delegation key (ske)", true},
	{"st", "its start (st)", false},
	{"skt", "the start of its user-delegation key (skt)", false},
}

func (w *work) checkTimes(name string, sas sasParams) {
	if _, has := sas.get("se"); !has {
		if _, policy := sas.get("si"); !policy {
			w.problem(name, ReasonMissingField, "it has no end (se)")
		}
	}
	for _, c := range sasTimes {
		value, has := sas.get(c.param)
		if !has {
			continue
		}
		t, valid := sasTime(value)
		switch {
		case !valid:
			w.problem(name, ReasonBadFormat, c.means+" is no time as Azure writes it: a date, or a date with hours, minutes and a Z")
		case c.end && !t.After(w.now):
			w.problem(name, ReasonExpired, c.means+" was "+ago(w.now.Sub(t))+" ago")
		case !c.end && t.After(w.now.Add(sasSkew)):
			w.problem(name, ReasonNotYetValid, c.means+" is "+ago(t.Sub(w.now))+" ahead")
		}
	}
}

// ago rounds to what a person wants to know.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Minute:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.Truncate(time.Second).String()
}
