package alerts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// faster is by how much all times of the rules are shortened.
const faster = 240

// factors are those of rules for which that one would be too small or too great,
// and why: the daemon's own times do not shrink.
var factors = map[string]struct {
	by  int
	why string
}{
	"RotatordDestinationPaused": {2400, "two days would be twelve minutes"},
	"RotatordEventsNotRecorded": {60, "a write to a locked store is given up after five seconds, so its errors come no closer together"},
}

var (
	// ranges are [15m] and [1h:1m].
	ranges   = regexp.MustCompile(`\[([0-9a-z]+)(?::([0-9a-z]+))?\]`)
	products = regexp.MustCompile(`\b(\d+) \* (60|3600|86400)\b`)
	parts    = regexp.MustCompile(`(\d+)(d|h|m|s)`)
)

// shortened gives the rules with every for, every range and every period that
// is compared with divided by the factor, or by the rule's own. Nothing else is
// changed.
func shortened(t *testing.T, g ruleGroups, factor int) []byte {
	t.Helper()
	out := ruleGroups{}
	for _, group := range g.Groups {
		short := ruleGroup{Name: group.Name}
		for _, r := range group.Rules {
			by := factor
			if own, ok := factors[r.Alert]; ok {
				by = own.by
			}
			r.For, r.KeepFiringFor = shorter(t, r.For, by), shorter(t, r.KeepFiringFor, by)
			r.Expr = shortenedExpression(t, r.Expr, by)
			short.Rules = append(short.Rules, r)
		}
		out.Groups = append(out.Groups, short)
	}
	text, err := yaml.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func shortenedExpression(t *testing.T, expr string, by int) string {
	t.Helper()
	expr = ranges.ReplaceAllStringFunc(expr, func(s string) string {
		m := ranges.FindStringSubmatch(s)
		if m[2] == "" {
			return "[" + shorter(t, m[1], by) + "]"
		}
		return "[" + shorter(t, m[1], by) + ":" + shorter(t, m[2], by) + "]"
	})
	return products.ReplaceAllString(expr, fmt.Sprintf("($0 / %d)", by))
}

func shorter(t *testing.T, text string, by int) string {
	t.Helper()
	if text == "" {
		return ""
	}
	var d time.Duration
	for _, m := range parts.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		d += time.Duration(n) * map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second}[m[2]]
	}
	if strings.Join(parts.FindAllString(text, -1), "") != text || d == 0 {
		t.Fatalf("%q is no duration", text)
	}
	return fmt.Sprintf("%dms", (d / time.Duration(by)).Milliseconds())
}

func TestTimesOfRulesAreShortenedByOneFactor(t *testing.T) {
	for in, want := range map[string]string{
		`min_over_time(x[15m]) > 0`:                   `min_over_time(x[3750ms]) > 0`,
		`changes((x)[1h:1m]) > 3`:                     `changes((x)[15000ms:250ms]) > 3`,
		`time() - x > 3 * 3600 and x{a="b[0-9]"} > 7`: `time() - x > (3 * 3600 / 240) and x{a="b[0-9]"} > 7`,
		`x - time() < 7 * 86400`:                      `x - time() < (7 * 86400 / 240)`,
	} {
		if got := shortenedExpression(t, in, 240); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	// A period in another form would be left as it is.
	_, rules := readRules(t)
	for _, r := range rules {
		rest := products.ReplaceAllString(ranges.ReplaceAllString(r.Expr, ""), "")
		if found := regexp.MustCompile(`[<>]=? *\d{3,}`).FindString(rest); found != "" {
			t.Errorf("%s compares with %s: write a period as a product with 60, 3600 or 86400", r.Alert, found)
		}
	}
}
