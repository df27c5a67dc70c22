package page

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// Token is a colour by what it is for, in both schemes.
type Token struct{ Name, Light, Dark string }

var (
	tokenBlock = regexp.MustCompile(`:root \{ (color-scheme[^}]*|--ink[^}]*)\}`)
	tokenValue = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`)
)

// Tokens are the colours of every page, as the style sheet has them. One that the dark scheme does not name is the same in both.
func Tokens() ([]Token, error) {
	css, err := look.ReadFile("base.css")
	if err != nil {
		return nil, err
	}
	schemes := tokenBlock.FindAllStringSubmatch(string(css), -1)
	if len(schemes) < 2 {
		return nil, fmt.Errorf("base.css has %d colour schemes", len(schemes))
	}
	dark := map[string]string{}
	for _, m := range tokenValue.FindAllStringSubmatch(schemes[1][1], -1) {
		dark[m[1]] = m[2]
	}
	var out []Token
	for _, m := range tokenValue.FindAllStringSubmatch(schemes[0][1], -1) {
		t := Token{Name: m[1], Light: m[2], Dark: m[2]}
		if v := dark[m[1]]; v != "" {
			t.Dark = v
		}
		out = append(out, t)
	}
	return out, nil
}

// Contrast is WCAG's ratio of two colours, from 1 to 21.
func Contrast(a, b string) (float64, error) {
	one, err := luminance(a)
	if err != nil {
		return 0, err
	}
	other, err := luminance(b)
	if err != nil {
		return 0, err
	}
	return (max(one, other) + 0.05) / (min(one, other) + 0.05), nil
}

// luminance is WCAG's relative luminance of #rrggbb.
func luminance(hex string) (float64, error) {
	if len(hex) != 7 || hex[0] != '#' {
		return 0, fmt.Errorf("%q is no colour", hex)
	}
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no colour: %w", hex, err)
	}
	channel := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0), nil
}
