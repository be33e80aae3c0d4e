package store

import (
	"testing"
	"time"
)

func TestTheEarlierOfTwoExpiriesCounts(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 5, day, 0, 0, 0, 0, time.UTC) }
	never := time.Time{}
	for name, c := range map[string]struct {
		accepted         *Accepted
		source           *Source
		want             time.Time
		beforeItsNextOne bool
	}{
		"nothing was accepted":       {nil, &Source{Version: "v1", Expires: at(3)}, never, false},
		"nobody says":                {&Accepted{Version: "v1"}, &Source{Version: "v1"}, never, false},
		"the credential says":        {&Accepted{Version: "v1", Expires: at(3)}, nil, at(3), false},
		"the source says":            {&Accepted{Version: "v1"}, &Source{Version: "v1", Expires: at(3)}, at(3), false},
		"the source, and earlier":    {&Accepted{Version: "v1", Expires: at(5)}, &Source{Version: "v1", Expires: at(3)}, at(3), false},
		"the source, and later":      {&Accepted{Version: "v1", Expires: at(2)}, &Source{Version: "v1", Expires: at(3)}, at(2), false},
		"the source, of another one": {&Accepted{Version: "v1", Expires: at(5)}, &Source{Version: "v2", Expires: at(3), NextRotation: at(9)}, at(5), false},
		"replaced in time":           {&Accepted{Version: "v1", Expires: at(5)}, &Source{Version: "v1", NextRotation: at(4)}, at(5), false},
		"replaced too late":          {&Accepted{Version: "v1", Expires: at(5)}, &Source{Version: "v1", NextRotation: at(6)}, at(5), true},
		"replaced at that moment":    {&Accepted{Version: "v1", Expires: at(5)}, &Source{Version: "v1", NextRotation: at(5)}, at(5), true},
	} {
		f := Facts{Accepted: c.accepted, Source: c.source}
		if got := f.Expiry(); !got.Equal(c.want) {
			t.Errorf("%s: it ends %v, want %v", name, got, c.want)
		}
		if got := f.ExpiresUnreplaced(); got != c.beforeItsNextOne {
			t.Errorf("%s: ends before it is replaced is %v", name, got)
		}
	}
}
