package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/rotatord/rotatord/internal/web/page/pagetest"
)

// most is how many bytes a picture of the documents has at most.
const most = 200_000

// TestPicturesOfTheDocuments makes those of docs/images anew:
//
//	ROTATORD_SCREENSHOTS=$PWD/../docs/images go test -run Pictures ./browser
func TestPicturesOfTheDocuments(t *testing.T) {
	dir := os.Getenv("ROTATORD_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	s := serve(t, pagetest.Troubled(7))
	for _, p := range []struct {
		name, scheme, path string
		width, height      int64
	}{
		{"status-page", "light", "/", 1280, 1310},
		{"status-page-dark", "dark", "/", 1280, 1310},
		{"status-page-destination", "light", "/destinations/canopy-loss-prod-7Jm2QwT", 1280, 1240},
		{"status-page-phone", "light", "/", 390, 844},
	} {
		t.Run(p.name, func(t *testing.T) {
			x := open(t, p.width, p.height, media("prefers-color-scheme", p.scheme))
			x.visit(s.URL + p.path)
			x.until(`document.getElementById("live").dataset.live === "on"`)
			shot, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
			must(t, err)
			small := smaller(t, shot)
			if len(small) > most {
				t.Errorf("%d bytes, more than %d", len(small), most)
			}
			must(t, os.WriteFile(filepath.Join(dir, p.name+".png"), small, 0o644)) //nolint:gosec // it is to be published
		})
	}
}

// smaller writes a picture with 256 of its colours, which for text on a plain
// ground nobody sees.
func smaller(t *testing.T, shot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	must(t, err)
	counts := map[color.RGBA]int{}
	for y := range full.Bounds().Dy() {
		for x := range full.Bounds().Dx() {
			counts[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++ //nolint:errcheck,forcetypeassert // of that very model
		}
	}
	var colours []color.RGBA
	for c := range counts {
		colours = append(colours, c)
	}
	key := func(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }
	slices.SortFunc(colours, func(a, b color.RGBA) int { return cmp.Or(counts[b]-counts[a], key(a)-key(b)) })
	palette := paletteOf(colours, counts)
	out := image.NewPaletted(full.Bounds(), palette)
	draw.Draw(out, out.Bounds(), full, image.Point{}, draw.Src)
	var b bytes.Buffer
	must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out))
	return b.Bytes()
}

// paletteOf takes the most frequent colours, and then those that would suffer
// most: a small sign has few pixels, and its colour must not become another.
func paletteOf(colours []color.RGBA, counts map[color.RGBA]int) color.Palette {
	const frequent, all = 128, 256
	palette := color.Palette{}
	far := make([]int, len(colours)) // from the palette
	add := func(i int) {
		c := colours[i]
		palette = append(palette, c)
		for k, d := range colours {
			r, g, b := int(c.R)-int(d.R), int(c.G)-int(d.G), int(c.B)-int(d.B)
			if n := r*r + g*g + b*b; len(palette) == 1 || n < far[k] {
				far[k] = n
			}
		}
	}
	for i := range colours[:min(len(colours), frequent)] {
		add(i)
	}
	for len(palette) < min(len(colours), all) {
		worst := 0
		for k, d := range colours {
			if far[k]*counts[d] > far[worst]*counts[colours[worst]] {
				worst = k
			}
		}
		add(worst)
	}
	return palette
}
