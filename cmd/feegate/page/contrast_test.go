package page

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is WCAG's relative luminance of #rrggbb.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil || len(hex) != 7 {
		t.Fatalf("%q is no colour", hex)
	}
	channel := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func TestEveryWordCanBeRead(t *testing.T) {
	css, err := look.ReadFile("base.css")
	if err != nil {
		t.Fatal(err)
	}
	schemes := regexp.MustCompile(`:root \{ (color-scheme[^}]*|--ink[^}]*)\}`).FindAllStringSubmatch(string(css), -1)
	if len(schemes) < 2 {
		t.Fatalf("%d schemes found", len(schemes))
	}
	token := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`)
	for n, scheme := range schemes[:2] {
		colours := map[string]string{}
		for _, m := range token.FindAllStringSubmatch(scheme[1], -1) {
			colours[m[1]] = m[2]
		}
		pairs := [][2]string{{"on-primary", "primary"}, {"good", "good-ground"}, {"warn", "warn-ground"}, {"bad", "bad-ground"}, {"ink", "warn-ground"}, {"ink", "bad-ground"}}
		for _, word := range []string{"ink", "muted", "primary", "good", "warn", "bad"} {
			pairs = append(pairs, [2]string{word, "ground"}, [2]string{word, "soft"})
		}
		for _, p := range pairs {
			a, b := luminance(t, colours[p[0]]), luminance(t, colours[p[1]])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("scheme %d: %s on %s is %.2f : 1", n, p[0], p[1], ratio)
			}
		}
	}
}
