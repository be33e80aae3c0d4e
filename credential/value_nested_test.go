package credential

import (
	"fmt"
	"strings"
	"testing"
)

// TestAValueInAnUnexportedFieldIsNotFormatted: fmt can't call the methods of
// such a field, and a verb that doesn't fit makes it print what a pointer
// points to.
func TestAValueInAnUnexportedFieldIsNotFormatted(t *testing.T) {
	secret := []byte("canary")
	type inner struct{ v Value }
	v := NewValue(secret)
	for _, holder := range []any{
		struct{ v Value }{v}, &struct{ v Value }{v}, struct{ i inner }{inner{v}}, []inner{{v}}, map[string]inner{"k": {v}},
		struct{ p *Value }{&v}, struct{ a any }{v}, struct{ p Parameters }{Parameters{[]field{{"k", v}}}},
	} {
		for verb := 'a'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", " ", "0", "-9"} {
				for _, format := range []string{"%" + flags + string(verb), "%" + flags + strings.ToUpper(string(verb))} {
					shown := strings.ToLower(fmt.Sprintf(format, holder))
					for _, form := range []string{"canary", "99 97 110", "63616e", "63 61 6e", "0x63", "143 141 156", "1100011 1100001"} {
						if strings.Contains(shown, form) {
							t.Errorf("%s of a %T shows the bytes", format, holder)
						}
					}
				}
			}
		}
	}
}
