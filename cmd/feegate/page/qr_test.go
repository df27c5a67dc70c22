package page

import (
	"image"
	"image/color"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"pgregory.net/rapid"

	"feegate/gateway/vnd"
	"feegate/providers/vietqr"
)

var stroke = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// picture paints the SVG as a browser would, so many pixels for each module.
func picture(t interface{ Fatalf(string, ...any) }, svg string, scale int) image.Image {
	box := regexp.MustCompile(`viewBox="0 0 (\d+) (\d+)"`).FindStringSubmatch(svg)
	if box == nil || box[1] != box[2] {
		t.Fatalf("no square: %s", svg)
	}
	n := func(s string) int { i, _ := strconv.Atoi(s); return i }
	side := n(box[1]) * scale
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for _, m := range stroke.FindAllStringSubmatch(svg, -1) {
		for y := n(m[2]) * scale; y < (n(m[2])+1)*scale; y++ {
			for x := n(m[1]) * scale; x < (n(m[1])+n(m[3]))*scale; x++ {
				img.SetGray(x, y, color.Gray{})
			}
		}
	}
	return img
}

// scan reads a picture with a decoder that shares nothing with the encoder.
func scan(t interface{ Fatalf(string, ...any) }, img image.Image) string {
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r, err := qrcode.NewQRCodeReader().Decode(bits, nil)
	if err != nil {
		t.Fatalf("the picture is not read: %v", err)
	}
	return r.GetText()
}

func TestAPayersPhoneReadsTheCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, err := vietqr.Encode(rapid.Uint64Range(0, vietqr.Numbers-1).Draw(t, "n"))
		if err != nil {
			t.Fatal(err)
		}
		want := vietqr.Payload{BIN: rapid.StringMatching(`9704[0-9]{2}`).Draw(t, "bin"), Number: rapid.StringMatching(`[0-9A-Z]{6,19}`).Draw(t, "number"),
			Service: vietqr.ToAccount, Amount: vnd.Amount(rapid.Int64Range(1, 499_999_999).Draw(t, "amount")), Purpose: ref}
		payload, err := want.Build()
		if err != nil {
			t.Fatal(err)
		}
		svg, err := QR(payload, "Mã VietQR")
		if err != nil {
			t.Fatal(err)
		}
		read := scan(t, picture(t, string(svg), rapid.IntRange(2, 6).Draw(t, "scale")))
		if read != payload {
			t.Fatalf("read %q, want %q", read, payload)
		}
		if got, err := vietqr.Parse(read); err != nil || got != want {
			t.Fatalf("%+v %v, want %+v", got, err, want)
		}
	})
}

func TestTheCodeNeedsNothingFromOutsideAndSaysWhatItIs(t *testing.T) {
	svg, err := QR("000201", `Mã "VietQR" <1>`)
	if err != nil {
		t.Fatal(err)
	}
	s := string(svg)
	if strings.Contains(s, "<1>") || !strings.Contains(s, "aria-label=\"Mã &#34;VietQR&#34; &lt;1&gt;\"") {
		t.Errorf("the label is not escaped: %.200s", s)
	}
	if n := strings.Count(s, "http"); n != 1 { // the name of SVG itself
		t.Errorf("something outside is named: %s", s)
	}
	if len(s) > 20_000 {
		t.Errorf("%d bytes", len(s))
	}
	if _, err := QR(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("more than a code can hold is drawn")
	}
}
