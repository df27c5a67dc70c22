package page

import (
	"math"
	"testing"
)

func TestEveryWordCanBeRead(t *testing.T) {
	tokens, err := Tokens()
	if err != nil {
		t.Fatal(err)
	}
	colours := []map[string]string{{}, {}}
	for _, token := range tokens {
		colours[0][token.Name], colours[1][token.Name] = token.Light, token.Dark
	}
	pairs := [][2]string{{"on-primary", "primary"}, {"good", "good-ground"}, {"warn", "warn-ground"}, {"bad", "bad-ground"}, {"ink", "warn-ground"}, {"ink", "bad-ground"}, {"ink", "good-ground"}}
	for _, word := range []string{"ink", "muted", "primary", "good", "warn", "bad"} {
		pairs = append(pairs, [2]string{word, "ground"}, [2]string{word, "soft"})
	}
	for n, scheme := range colours {
		for _, p := range pairs {
			if ratio, err := Contrast(scheme[p[0]], scheme[p[1]]); err != nil || ratio < 4.5 {
				t.Errorf("scheme %d: %s on %s is %.2f : 1, %v", n, p[0], p[1], ratio, err)
			}
		}
		// What is pressed or typed into has an edge, and the focus a line against it: 3 : 1 each.
		for _, p := range [][2]string{{"muted", "ground"}, {"primary", "ground"}, {"focus", "focus-inner"}} {
			if ratio, err := Contrast(scheme[p[0]], scheme[p[1]]); err != nil || ratio < 3 {
				t.Errorf("scheme %d: %s against %s is %.2f : 1, %v", n, p[0], p[1], ratio, err)
			}
		}
	}
}

func TestContrastIsWhatWCAGSays(t *testing.T) {
	for pair, want := range map[[2]string]float64{{"#000000", "#ffffff"}: 21, {"#777777", "#ffffff"}: 4.478, {"#ffffff", "#ffffff"}: 1} {
		if got, err := Contrast(pair[0], pair[1]); err != nil || math.Abs(got-want) > 0.001 {
			t.Errorf("%v: %.3f, %v", pair, got, err)
		}
	}
	for _, wrong := range []string{"", "red", "#fff", "#gggggg"} {
		if _, err := Contrast(wrong, "#000000"); err == nil {
			t.Errorf("%q is a colour", wrong)
		}
	}
}
