package google

import "testing"

func TestBuffersAreWipedWhenTheyAreGivenBack(t *testing.T) {
	b := wiped{}.Get(8)
	copy(*b, "canary!!")
	whole := *b
	*b = whole[:3]
	wiped{}.Put(b)
	for _, c := range whole {
		if c != 0 {
			t.Fatal("something is left")
		}
	}
}
